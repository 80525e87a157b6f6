package io.blkmq.bench;

import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import java.io.IOException;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Threads;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a freeze costs, and what it costs an I/O that a queue can be frozen. Entering and leaving a queue is taking a request and
 * giving it back: the held tag is the reference that a freeze waits for. So the gate alone costs less than that.
 */
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(value = 1, jvmArgs = {"-XX:+UseSerialGC", "--sun-misc-unsafe-memory-access=allow"})
public class FreezeBenchmark {
    private static final int IN_FLIGHT = 128;

    /** A driver whose requests stay in flight until they are completed. */
    private static final class Keeper implements BlockDriver {
        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            return Status.OK;
        }
    }

    /** A queue that the threads share. */
    @State(Scope.Benchmark)
    public static class Shared {
        private @Nullable TagSet set;
        private @Nullable RequestQueue queue;
        private final Request[] requests = new Request[IN_FLIGHT];

        /**
         * Makes it.
         *
         * @throws IOException never
         */
        @Setup
        public void make() throws IOException {
            TagSet made = TagSet.builder(new Keeper()).depth(IN_FLIGHT).build();
            set = made;
            queue = made.newQueue("freeze", QueueLimits.builder().build(), 2048, null);
        }

        /** Closes it. */
        @TearDown
        public void close() {
            queue().close();
            Objects.requireNonNull(set).close();
        }

        RequestQueue queue() {
            return Objects.requireNonNull(queue);
        }

        void sendAll() throws InterruptedException {
            for (int i = 0; i < IN_FLIGHT; i++) {
                Request rq = queue().allocateRequest(Operation.READ, false);
                requests[i] = rq;
                queue().execute(rq, ended -> queue().free(ended));
            }
        }

        void completeAll() {
            for (Request rq : requests) {
                rq.complete(Status.OK);
            }
        }
    }

    /**
     * Enters the queue and leaves it, with the tag.
     *
     * @param state the queue
     */
    @Benchmark
    public void enterAndLeave(Shared state) {
        Request rq = state.queue().tryAllocateRequest(Operation.READ, false);
        state.queue().free(Objects.requireNonNull(rq));
    }

    /**
     * The same by two threads.
     *
     * @param state the queue
     */
    @Benchmark
    @Threads(2)
    public void enterAndLeaveByTwo(Shared state) {
        enterAndLeave(state);
    }

    /**
     * Looks at the gate alone, as an I/O does twice on its way in and once on its way out.
     *
     * @param state the queue
     * @return whether it is frozen
     */
    @Benchmark
    public boolean lookAtGate(Shared state) {
        return state.queue().isFrozen();
    }

    /**
     * The same by two threads.
     *
     * @param state the queue
     * @return whether it is frozen
     */
    @Benchmark
    @Threads(2)
    public boolean lookAtGateByTwo(Shared state) {
        return lookAtGate(state);
    }

    /**
     * Freezes and unfreezes a queue without I/O.
     *
     * @param state the queue
     */
    @Benchmark
    public void freezeIdle(Shared state) {
        state.queue().freeze();
        state.queue().unfreeze();
    }

    /**
     * The same from four threads at once.
     *
     * @param state the queue
     */
    @Benchmark
    @Threads(4)
    public void freezeIdleByFour(Shared state) {
        freezeIdle(state);
    }

    /**
     * Sends 128 requests, begins to freeze, completes them, waits for the freeze, and unfreezes. What the freeze costs is the
     * difference to {@link #sendAndComplete}.
     *
     * @param state the queue
     * @throws InterruptedException never
     */
    @Benchmark
    public void freezeWithAllInFlight(Shared state) throws InterruptedException {
        state.sendAll();
        state.queue().freezeStart();
        state.completeAll();
        state.queue().freezeWait(Long.MAX_VALUE);
        state.queue().unfreeze();
    }

    /**
     * The same without the freeze.
     *
     * @param state the queue
     * @throws InterruptedException never
     */
    @Benchmark
    public void sendAndComplete(Shared state) throws InterruptedException {
        state.sendAll();
        state.completeAll();
    }
}
