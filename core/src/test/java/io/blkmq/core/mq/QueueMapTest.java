package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Bio;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.QueueMap;
import io.blkmq.core.driver.QueueType;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which hardware context serves which software context, by type. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class QueueMapTest {
    private final Told told = new Told();
    private final Mapping driver = new Mapping();

    /** Lets the test fill the maps, and on a poll queue only completes what is polled for. */
    private static final class Mapping extends RecordingDriver {
        final List<String> asked = new ArrayList<>();
        @Nullable
        Consumer<QueueMap> mapper;
        final List<QueueType> prepared = new ArrayList<>();

        @Override
        public void initHctx(HardwareContext hctx, Object driverData, int index) {
            prepared.add(hctx.type());
        }

        @Override
        public void mapQueues(QueueMap map) {
            asked.add(map.type() + " " + map.hardwareQueues() + " from " + map.firstQueue());
            if (mapper != null) {
                mapper.accept(map);
            }
        }

        @Override
        public int poll(HardwareContext hctx, SoftwareContext ctx) {
            int found = 0;
            for (Request rq : inFlight()) {
                if (rq.hardwareContext().equals(hctx)) {
                    complete(rq, io.blkmq.core.Status.OK);
                    found++;
                }
            }
            return found;
        }
    }

    private TagSet set(int defaults, int reads, int polls) {
        return driver.hardwareQueues(defaults).tagSet(builder -> builder.readQueues(reads).pollQueues(polls));
    }

    private QueueType typeOfNext(RequestQueue queue, Bio bio) {
        queue.submit(bio);
        QueueType type = driver.inFlight().getFirst().hardwareContext().type();
        driver.completeAll();
        return type;
    }

    @Test
    void eachKindOfIoGoesToTheContextsOfItsType() {
        TagSet set = set(2, 3, 1);
        RequestQueue queue = driver.queue(set, "q");
        assertThat(driver.asked).containsExactly("DEFAULT 2 from 0", "READ 3 from 2", "POLL 1 from 5");
        assertThat(set.hardwareQueues()).isEqualTo(6);
        assertThat(set.hardwareQueues(QueueType.READ)).isEqualTo(3);
        assertThat(typeOfNext(queue, told.write(0))).isEqualTo(QueueType.DEFAULT);
        assertThat(typeOfNext(queue, told.read(0))).isEqualTo(QueueType.READ);
        assertThat(typeOfNext(queue, told.read(0).flags(Bio.POLLED))).isEqualTo(QueueType.POLL);
        assertThat(typeOfNext(queue, told.write(0).flags(Bio.POLLED))).isEqualTo(QueueType.POLL);
        queue.close();
        set.close();
    }

    @Test
    void aDriverThatPreparesAContextSeesWhatItIsFor() throws IOException {
        TagSet set = set(1, 1, 1);
        RequestQueue queue = driver.queue(set, "q");
        assertThat(driver.prepared).containsExactly(QueueType.DEFAULT, QueueType.READ, QueueType.POLL);
        set.updateHardwareQueues(1, 1, 2);
        assertThat(driver.prepared).hasSize(4).endsWith(QueueType.POLL);
        queue.close();
        set.close();
    }

    @Test
    void whatHasNoContextsOfItsTypeGoesWithTheRest() {
        TagSet set = set(2, 0, 0);
        RequestQueue queue = driver.queue(set, "q");
        assertThat(driver.asked).containsExactly("DEFAULT 2 from 0");
        assertThat(typeOfNext(queue, told.read(0))).isEqualTo(QueueType.DEFAULT);
        assertThat(typeOfNext(queue, told.read(0).flags(Bio.POLLED))).isEqualTo(QueueType.DEFAULT);
        assertThat(queue.isPolled()).isFalse();
        assertThat(queue.poll(queue.context(0))).isZero();
        queue.close();
        set.close();
    }

    @Test
    void byItselfAMapUsesAllContextsOfItsType() {
        TagSet set = set(2, 3, 2);
        RequestQueue queue = driver.queue(set, "q");
        for (QueueType type : QueueType.values()) {
            Set<Integer> used = new HashSet<>();
            for (int i = 0; i < queue.contexts(); i++) {
                HardwareContext hctx = queue.context(i).hardwareContext(type);
                assertThat(hctx.type()).isEqualTo(type);
                used.add(hctx.index());
            }
            assertThat(used).hasSize(set.hardwareQueues(type));
        }
        queue.close();
        set.close();
    }

    @Test
    void theDriverMayMapOtherwise() {
        driver.mapper = map -> {
            for (int i = 0; i < map.contexts(); i++) {
                map.map(i, map.firstQueue() + map.hardwareQueues() - 1);
            }
        };
        TagSet set = set(3, 0, 0);
        RequestQueue queue = driver.queue(set, "q");
        for (int i = 0; i < queue.contexts(); i++) {
            assertThat(queue.context(i).hardwareContext().index()).isEqualTo(2);
        }
        queue.close();
        set.close();
    }

    @ParameterizedTest
    @CsvSource({"0,2", "0,-1", "-1,0", "1024,0"})
    void aMapOutsideOfItsRangesIsRefused(int context, int hardwareQueue) {
        driver.mapper = map -> map.map(context, hardwareQueue);
        TagSet set = set(2, 1, 0);
        assertThatThrownBy(() -> driver.queue(set, "q")).isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining("q: the driver could not map its hardware queues")
                .hasRootCauseInstanceOf(IndexOutOfBoundsException.class);
        set.close();
    }

    @ParameterizedTest
    @CsvSource({"-1,0,'readQueues -1: 0 to 1022 are possible'", "1023,0,'readQueues 1023: 0 to 1022 are possible'",
            "22,1001,'pollQueues 1001: 0 to 1000 are possible'", "0,-5,'pollQueues -5: 0 to 1022 are possible'"})
    void aWrongNumberOfQueuesIsRefusedWithItsLimit(int reads, int polls, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> set(2, reads, polls)).withMessage(message);
    }

    @Test
    void aPollQueueIsPolledAndTheOthersAreNot() {
        TagSet set = set(1, 0, 1);
        RequestQueue queue = driver.queue(set, "q");
        assertThat(queue.isPolled()).isTrue();
        queue.submit(told.read(0));
        queue.submit(told.read(1).flags(Bio.POLLED));
        assertThat(queue.poll(queue.contextOfCurrentThread())).isOne();
        assertThat(told.ends()).containsExactly("READ 1 OK");
        Request other = driver.inFlight().getFirst();
        assertThat(queue.poll(other)).as("not where completions are found by polling").isZero();
        driver.completeAll();
        queue.close();
        set.close();
    }

    @Test
    void whoWaitsForATagOfAPollQueuePolls() {
        TagSet set = driver.depth(2).hardwareQueues(1).tagSet(builder -> builder.pollQueues(1));
        RequestQueue queue = driver.queue(set, "q");
        for (int i = 0; i < 50; i++) {
            queue.submit(told.read(i).flags(Bio.POLLED));
        }
        Eventually.until("all have ended", () -> {
            queue.poll(queue.contextOfCurrentThread());
            return told.count() == 50;
        });
        queue.close();
        set.close();
    }

    @Test
    void aFreezePollsForWhatItWaitsFor() {
        TagSet set = set(1, 0, 1);
        RequestQueue queue = driver.queue(set, "q");
        queue.submit(told.read(0).flags(Bio.POLLED));
        queue.freeze();
        assertThat(told.ends()).containsExactly("READ 0 OK");
        queue.unfreeze();
        queue.close();
        set.close();
    }
}
