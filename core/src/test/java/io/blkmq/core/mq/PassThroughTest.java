package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Requests without bios: allocated, executed and freed by a driver or a test. */
@NoRescues
class PassThroughTest {
    private static final int RESERVED = 1;
    private static final int DEPTH = 3;

    private final Told told = new Told();
    private final Echo driver = new Echo();
    @SuppressWarnings("NullAway.Init") // each test makes it first
    private TagSet tags;
    @SuppressWarnings("NullAway.Init") // each test makes it first
    private RequestQueue queue;

    /** Keeps requests, or completes them at once; the first byte of the PDU is a command that it answers by adding one. */
    private static final class Echo implements BlockDriver {
        final List<Request> given = new ArrayList<>();
        boolean atOnce;
        Status answer = Status.OK;

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            given.add(rq);
            byte command = rq.pdu().get(ValueLayout.JAVA_BYTE, 0);
            rq.pdu().set(ValueLayout.JAVA_BYTE, 0, (byte) (command + 1));
            if (atOnce) {
                rq.complete(answer);
            }
            return Status.OK;
        }

        @Override
        public int poll(HardwareContext hctx, SoftwareContext ctx) {
            List<Request> found = List.copyOf(given);
            given.clear();
            found.forEach(rq -> rq.complete(answer));
            return found.size();
        }
    }

    private void make(boolean polled) throws IOException {
        TagSet.Builder builder = TagSet.builder(driver).depth(DEPTH).reservedTags(RESERVED).pduBytes(64);
        tags = (polled ? builder.flag(TagSet.Flag.POLLED) : builder).build();
        queue = tags.newQueue("q0", QueueLimits.builder().build(), 2048, null);
    }

    @AfterEach
    void close() {
        assertThat(queue.heldTags()).isZero();
        queue.close();
        tags.close();
    }

    private Request allocate(boolean reserved) {
        return Objects.requireNonNull(queue.tryAllocateRequest(Operation.READ, reserved));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aCommandGoesDownAndItsAnswerComesBackInThePdu(boolean polled) throws IOException {
        make(polled);
        driver.atOnce = !polled;
        Request rq = allocate(true);
        assertThat(rq.segmentCount()).isZero();
        rq.pdu().set(ValueLayout.JAVA_BYTE, 0, (byte) 41);
        assertThat(queue.execute(rq)).isEqualTo(Status.OK);
        assertThat(rq.pdu().get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 42);
        driver.answer = Status.TIMEOUT;
        assertThat(queue.execute(rq)).as("again").isEqualTo(Status.TIMEOUT);
        assertThat(queue.heldTags()).isOne();
        queue.free(rq);
    }

    @Test
    void reservedTagsAreThereWhenBiosHoldAllOthers() throws IOException {
        make(false);
        List<Bio> bios = List.of(told.read(0), told.read(1));
        bios.forEach(queue::submit);
        Bio refused = told.read(2);
        queue.submit(refused.flags(Bio.NOWAIT));
        assertThat(told.ends()).containsExactly("READ 2 AGAIN");
        assertThat(queue.tryAllocateRequest(Operation.READ, false)).isNull();
        Request rq = allocate(true);
        assertThat(queue.tryAllocateRequest(Operation.READ, true)).isNull();
        queue.free(rq);
        List.copyOf(driver.given).forEach(given -> given.complete(Status.OK));
        assertThat(told.ends()).containsExactly("READ 0 OK", "READ 1 OK");
    }

    @Test
    void whoWaitsForAReservedTagGetsTheNextOne() throws Exception {
        make(false);
        Request first = allocate(true);
        Eventually.Worker<Request> waiter = Eventually.call(() -> queue.allocateRequest(Operation.FLUSH, true));
        Eventually.waitsIn(waiter.thread(), TagShare.class);
        queue.free(first);
        Request second = waiter.join();
        assertThat(second).isSameAs(first);
        assertThat(second.operation()).isEqualTo(Operation.FLUSH);
        queue.free(second);
    }

    @Test
    void theEndIsToldOnceAndTheRequestCanBeSentAgainFromThere() throws IOException {
        make(false);
        driver.atOnce = true;
        Request rq = allocate(false);
        List<Status> ends = new ArrayList<>();
        queue.execute(rq, ended -> {
            ends.add(ended.status());
            if (ends.size() < 5) {
                queue.execute(ended, again -> ends.add(again.status()));
            }
        });
        assertThat(ends).containsExactly(Status.OK, Status.OK);
        queue.free(rq);
    }

    @Test
    void aFreezeWaitsForARequestThatIsNotFreed() throws IOException {
        make(false);
        Request rq = allocate(false);
        queue.freezeStart();
        assertThat(queue.freezeWait(0)).isFalse();
        assertThat(queue.tryAllocateRequest(Operation.READ, false)).as("at a frozen queue").isNull();
        queue.free(rq);
        assertThat(queue.freezeWait(0)).isTrue();
        queue.unfreeze();
    }

    @Test
    void whatIsInFlightOrFreedIsNeitherSentNorFreed() throws IOException {
        make(false);
        Request rq = allocate(false);
        queue.execute(rq, _ -> {});
        assertThatIllegalStateException().isThrownBy(() -> queue.execute(rq, _ -> {}))
                .withMessageContaining("EXECUTING");
        assertThatIllegalStateException().isThrownBy(() -> queue.free(rq)).withMessageContaining("cannot be freed");
        rq.complete(Status.OK);
        queue.free(rq);
        assertThatIllegalStateException().isThrownBy(() -> queue.free(rq)).withMessageContaining("NONE");
        assertThatIllegalStateException().isThrownBy(() -> queue.execute(rq))
                .withMessageContaining("cannot be executed");
    }

    @Test
    void badCallsAreNamed() throws IOException {
        make(false);
        try (TagSet none = TagSet.builder(driver).build()) {
            RequestQueue bare = none.newQueue("bare", QueueLimits.builder().build(), 8, null);
            assertThatIllegalArgumentException().isThrownBy(() -> bare.tryAllocateRequest(Operation.READ, true))
                    .withMessageContaining("bare").withMessageContaining("reserved");
            bare.close();
            assertThatExceptionOfType(IllegalStateException.class)
                    .isThrownBy(() -> bare.allocateRequest(Operation.READ, false))
                    .withMessageContaining("bare is closed");
        }
    }
}
