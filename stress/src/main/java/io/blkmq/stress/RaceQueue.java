package io.blkmq.stress;

import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.core.mq.DeviceQueue;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** A device for races, with one tag unless said otherwise: its driver keeps what it is given until the test completes it. */
final class RaceQueue implements BlockDriver {
    /** The shortest possible: a request is asked about after the second tick from its start. */
    private static final long TIMEOUT_NANOS = 1_000_000;

    final RaceRuntime runtime = new RaceRuntime();
    final TagSet set;
    final RequestQueue queue;
    /** How often the driver was given a request. */
    final AtomicInteger queued = new AtomicInteger();
    /** What the driver was given. */
    final Queue<Request> given = new ConcurrentLinkedQueue<>();
    /** How often the driver was asked about a time-out. */
    final AtomicInteger asked = new AtomicInteger();
    /** How many executions have ended. */
    final AtomicInteger ended = new AtomicInteger();

    RaceQueue() {
        this(1);
    }

    RaceQueue(int depth) {
        try {
            this.set = TagSet.builder(this).depth(depth).flag(TagSet.Flag.MERGE).runtime(runtime)
                    .timeoutNanos(TIMEOUT_NANOS).build();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        this.queue = newQueue("queue");
    }

    /** How many bios wait without a thread. */
    int backlog() {
        return ((DeviceQueue) queue).backlog();
    }

    /** Another queue that shares the tags. */
    RequestQueue neighbour() {
        return newQueue("neighbour");
    }

    private RequestQueue newQueue(String name) {
        try {
            return set.newQueue(name, QueueLimits.builder().build(), 1 << 20, null);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A request that holds the tag; the tag is free. */
    Request allocate() {
        return allocate(queue);
    }

    static Request allocate(RequestQueue from) {
        return Objects.requireNonNull(from.tryAllocateRequest(Operation.READ, false));
    }

    /** Whether the queue has the tag to give, and gives it. */
    boolean tryAllocate() {
        return queue.tryAllocateRequest(Operation.READ, false) != null;
    }

    /** Waits for a tag. Returns null if it would wait for ever. */
    @Nullable
    Request awaitAllocate() {
        try {
            return queue.allocateRequest(Operation.READ, false);
        } catch (RaceRuntime.AsleepForEver e) {
            return null;
        } catch (InterruptedException e) {
            throw new AssertionError("interrupted by nobody", e);
        }
    }

    /** Waits until a queue is frozen. Returns false if it would wait for ever. */
    boolean freeze() {
        try {
            queue.freeze();
            return true;
        } catch (RaceRuntime.AsleepForEver e) {
            return false;
        }
    }

    /** Ends all that the driver was given. */
    void completeAll() {
        for (Request rq = given.poll(); rq != null; rq = given.poll()) {
            rq.complete(Status.OK);
        }
    }

    /** Gives a request to the driver. */
    void execute(Request rq) {
        queue.execute(rq, _ -> ended.incrementAndGet());
    }

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        given.add(rq);
        queued.incrementAndGet();
        return Status.OK;
    }

    /** The driver ends it, as a real one does when it has got the memory back from the device. */
    @Override
    public TimeoutAction timeout(Request rq) {
        asked.incrementAndGet();
        rq.complete(Status.TIMEOUT);
        return TimeoutAction.DONE;
    }
}
