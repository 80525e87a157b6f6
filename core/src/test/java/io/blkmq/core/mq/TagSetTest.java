package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@NoRescues
class TagSetTest {
    private final RecordingDriver driver = new RecordingDriver();

    @ParameterizedTest
    @CsvSource({"depth, 0, 1 to 10240", "depth, -1, 1 to 10240", "depth, 10241, 1 to 10240",
            "hardwareQueues, 0, 1 to 1024", "hardwareQueues, 1025, 1 to 1024", "reservedTags, -1, 0 to 127",
            "reservedTags, 128, 0 to 127", "pduBytes, -1, 0 to 1048576", "pduBytes, 1048577, 0 to 1048576"})
    void aValueOutOfRangeIsRefusedByNameValueAndLimit(String name, int value, String possible) {
        TagSet.Builder builder = TagSet.builder(driver);
        UnaryOperator<TagSet.Builder> set = switch (name) {
            case "depth" -> b -> b.depth(value);
            case "hardwareQueues" -> b -> b.hardwareQueues(value);
            case "reservedTags" -> b -> b.reservedTags(value);
            default -> b -> b.pduBytes(value);
        };
        assertThatIllegalArgumentException().isThrownBy(() -> set.apply(builder).build())
                .withMessage("%s %d: %s are possible", name, value, possible);
    }

    @Test
    void theLargestDepthIsPossible() throws IOException {
        TagSet set = TagSet.builder(driver).depth(TagSet.DEPTH_MAX).build();
        assertThat(set.depth()).isEqualTo(10240);
        set.close();
    }

    @Test
    void aNegativeCapacityIsRefused() {
        TagSet set = driver.tagSet();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> set.newQueue("q", QueueLimits.builder().build(), -1, null))
                .withMessageContaining("q: capacity of -1 sectors");
        set.close();
    }

    @Test
    void eachRequestHasAPduOfItsOwnThatIsAlignedAndKeepsItsBytes() {
        TagSet set = driver.depth(9).hardwareQueues(2).pduBytes(70).tagSet();
        List<MemorySegment> pdus = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            for (Request rq : Inside.of(set).parts().tags(i).requests) {
                pdus.add(rq.pdu());
            }
        }
        Set<Long> addresses = new HashSet<>();
        for (int i = 0; i < pdus.size(); i++) {
            MemorySegment pdu = pdus.get(i);
            assertThat(pdu.byteSize()).isEqualTo(70);
            assertThat(pdu.address() % 64).isZero();
            assertThat(addresses.add(pdu.address())).isTrue();
            pdu.fill((byte) i);
        }
        for (int i = 0; i < pdus.size(); i++) {
            assertThat(pdus.get(i).mismatch(MemorySegment.ofArray(filled(70, i)))).isEqualTo(-1);
        }
        set.close();
    }

    private static byte[] filled(int bytes, int value) {
        byte[] array = new byte[bytes];
        java.util.Arrays.fill(array, (byte) value);
        return array;
    }

    /** Counts what it initialises and what it undoes, and fails where the test says. */
    private static final class Counting extends RecordingDriver {
        final List<String> alive = new ArrayList<>();
        @Nullable
        String failsAt;
        /** Fails with an error if it is there already. */
        @Nullable
        String failsOnceMoreAt;

        private void begin(String what) throws IOException {
            if (what.equals(failsAt)) {
                throw new IOException("on purpose");
            }
            if (what.equals(failsOnceMoreAt) && alive.contains(what)) {
                throw new OutOfMemoryError("on purpose");
            }
            alive.add(what);
        }

        private void end(String what) {
            assertThat(alive.remove(what)).as("%s was undone and not done", what).isTrue();
        }

        @Override
        public void initRequest(TagSet set, Request rq, int hctxIndex) throws IOException {
            begin("request " + rq.tag() + " of " + hctxIndex);
        }

        @Override
        public void exitRequest(TagSet set, Request rq, int hctxIndex) {
            end("request " + rq.tag() + " of " + hctxIndex);
        }

        @Override
        public void initHctx(HardwareContext hctx, @Nullable Object driverData, int index) throws IOException {
            begin("context " + index);
        }

        @Override
        public void exitHctx(HardwareContext hctx, int index) {
            end("context " + index);
        }
    }

    @Test
    void whatWasInitialisedIsUndone() {
        Counting counting = new Counting();
        TagSet set = counting.depth(3).hardwareQueues(2).tagSet();
        RequestQueue queue = counting.queue(set, "q");
        // Six requests, two flush requests, two contexts.
        assertThat(counting.alive).hasSize(10);
        queue.close();
        set.close();
        assertThat(counting.alive).isEmpty();
    }

    @Test
    void aTagSetThatCannotBeMadeLeavesNothingBehind() {
        Counting counting = new Counting();
        counting.failsAt = "request 1 of 1";
        assertThatThrownBy(() -> TagSet.builder(counting).depth(3).hardwareQueues(2).build())
                .isInstanceOf(IOException.class).hasMessageContaining("request 1 of hardware context 1");
        assertThat(counting.alive).isEmpty();
    }

    @Test
    void aQueueWhoseFlushRequestEndsInAnErrorLeavesNothingBehind() {
        Counting counting = new Counting();
        TagSet set = counting.depth(1).hardwareQueues(2).tagSet();
        // The flush request of the second context, whose number is that of its first request.
        counting.failsOnceMoreAt = "request 0 of 1";
        assertThatThrownBy(() -> counting.queue(set, "q")).isInstanceOf(OutOfMemoryError.class);
        assertThat(counting.alive).as("the requests of the tag set alone").containsExactlyInAnyOrder("request 0 of 0",
                "request 0 of 1");
        set.close();
        assertThat(counting.alive).isEmpty();
    }

    @Test
    void aQueueThatCannotBeMadeLeavesNothingBehind() {
        Counting counting = new Counting();
        TagSet set = counting.depth(3).hardwareQueues(2).tagSet();
        counting.failsAt = "context 1";
        assertThatThrownBy(() -> set.newQueue("q", QueueLimits.builder().build(), 8, null))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("q: the driver could not prepare hardware context 1");
        set.close();
        assertThat(counting.alive).isEmpty();
    }

    @Test
    void everyContextIsMappedToAHardwareContextAndAllOfThoseAreUsed() {
        TagSet set = driver.hardwareQueues(3).tagSet();
        RequestQueue queue = driver.queue(set, "q");
        assertThat(Integer.bitCount(queue.contexts())).isOne();
        Set<Integer> used = new HashSet<>();
        for (int i = 0; i < queue.contexts(); i++) {
            used.add(queue.context(i).hardwareContext().index());
        }
        assertThat(used).containsExactlyInAnyOrder(0, 1, 2);
        queue.close();
        set.close();
    }
}
