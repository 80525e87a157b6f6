package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The atomic word of a request, step by step: what each step does in each state, and which of two steps wins. */
@NoRescues
class RequestLifeTest {
    private TagSet set;
    private RequestQueue queue;
    private TagRequest rq;
    private final AtomicInteger ends = new AtomicInteger();

    /** A request of its own, idle, of a driver that takes everything and completes nothing. */
    @BeforeEach
    void allocate() throws IOException, InterruptedException {
        set = TagSet.builder((_, _, _) -> Status.OK).depth(2).build();
        queue = set.newQueue("q", QueueLimits.builder().build(), 8, null);
        rq = Inside.of(queue.allocateRequest(Operation.READ, false));
    }

    @AfterEach
    void free() {
        queue.free(rq);
        queue.close();
        set.close();
    }

    private void execute() {
        queue.execute(rq, _ -> ends.incrementAndGet());
        assertThat(rq.state()).isEqualTo(RequestLife.IN_FLIGHT);
    }

    @Test
    void eachStartBeginsAnotherGeneration() {
        long before = rq.generation();
        execute();
        assertThat(rq.generation()).isEqualTo(before + 1);
        rq.complete(Status.OK);
        execute();
        assertThat(rq.generation()).isEqualTo(before + 2);
        rq.complete(Status.OK);
        assertThat(ends).hasValue(2);
    }

    @Test
    void aCompletionOfAnEarlierTryIsCountedAndDoesNothing() {
        execute();
        long first = rq.generation();
        rq.complete(Status.OK);
        execute();
        rq.complete(first, Status.IOERR);
        rq.requeue(first, true);
        assertThat(rq.state()).isEqualTo(RequestLife.IN_FLIGHT);
        assertThat(queue.strayCompletions()).isEqualTo(2);
        rq.complete(Status.OK);
        assertThat(rq.status()).isEqualTo(Status.OK);
    }

    @Test
    void aRequestThatIsNotInFlightIsNotCompleted() {
        rq.complete(Status.IOERR);
        assertThat(rq.state()).isEqualTo(RequestLife.IDLE);
        assertThat(queue.strayCompletions()).isEqualTo(1);
        assertThatThrownBy(() -> rq.end(Status.OK)).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("not between complete and its end");
        assertThatThrownBy(() -> rq.requeueCompleted(true)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void aCompletionOfARequestThatIsKeptTakesEffectWhenItIsLetGo() {
        execute();
        assertThat(rq.beginTiming()).isTrue();
        assertThat(rq.beginTiming()).as("kept by another").isFalse();
        rq.complete(Status.IOERR);
        assertThat(rq.state()).isEqualTo(RequestLife.TIMING_COMPLETED);
        assertThat(ends).hasValue(0);
        rq.complete(Status.OK);
        assertThat(queue.strayCompletions()).as("the second is late").isEqualTo(1);
        rq.endTiming();
        assertThat(ends).hasValue(1);
        assertThat(rq.status()).isEqualTo(Status.IOERR);
    }

    @Test
    void aRequestThatIsKeptAndGivenBackIsGivenOutAgainWhenItIsLetGo() {
        execute();
        long first = rq.generation();
        assertThat(rq.beginTiming()).isTrue();
        rq.requeue(true);
        assertThat(rq.state()).isEqualTo(RequestLife.TIMING_REQUEUED);
        rq.endTiming();
        assertThat(rq.state()).isEqualTo(RequestLife.IN_FLIGHT);
        assertThat(rq.generation()).isEqualTo(first + 1);
        rq.complete(Status.OK);
        assertThat(ends).hasValue(1);
    }

    @Test
    void aRequestThatIsLetGoWithoutACompletionIsInFlightAsBefore() {
        execute();
        long use = rq.generation();
        assertThat(rq.beginTiming()).isTrue();
        rq.endTiming();
        assertThat(rq.state()).isEqualTo(RequestLife.IN_FLIGHT);
        assertThat(rq.generation()).isEqualTo(use);
        rq.complete(Status.OK);
    }

    @Test
    void whatTheDriverHasCompletedItHasNotRefused() {
        long use = rq.start(0);
        assertThat(rq.unstart(use)).isTrue();
        assertThat(rq.state()).isEqualTo(RequestLife.IDLE);
        assertThat(rq.beginTiming()).as("an idle request is not kept").isFalse();
        execute();
        use = rq.generation();
        rq.complete(Status.OK);
        assertThat(rq.unstart(use)).isFalse();
        assertThat(rq.fail(use, Status.IOERR)).isFalse();
        assertThat(rq.status()).isEqualTo(Status.OK);
        assertThat(ends).hasValue(1);
    }

    @Test
    void aVisitorSeesWhatIsInFlightForItsQueueAlone() {
        AtomicInteger seen = new AtomicInteger();
        DeviceQueue own = Inside.of(queue);
        assertThat(rq.visit(own, _ -> seen.incrementAndGet() < 0)).as("idle: nothing is shown").isTrue();
        execute();
        assertThat(rq.visit(own, shown -> {
            seen.incrementAndGet();
            // By the visitor's own thread: carried out when it has returned.
            shown.complete(Status.OK);
            assertThat(ends).hasValue(0);
            return false;
        })).isFalse();
        assertThat(seen).hasValue(1);
        assertThat(ends).hasValue(1);
    }
}
