package io.blkmq.nbd.server;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Plug;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * One worker's way to one disk: a plug, through a context that follows from the worker's number, so that workers have hardware queues of
 * their own where there are enough. For the worker's thread.
 */
final class Lane {
    private final Disk disk;
    private final int context;
    private final Plug plug;
    private final boolean polled;
    /** Counted up by the worker's thread, and down by the one that completes. */
    private final AtomicInteger inFlight = new AtomicInteger();

    Lane(Disk disk, int workerIndex) {
        this.disk = disk;
        this.context = workerIndex % disk.contexts();
        this.plug = disk.plug(context);
        this.polled = disk.queue().isPolled();
    }

    /** Submits a bio that tells {@link #ended}, unless it is refused by an exception. */
    void submit(Bio bio) {
        inFlight.incrementAndGet();
        try {
            plug.submit(bio);
        } catch (RuntimeException | Error e) {
            inFlight.decrementAndGet();
            throw e;
        }
    }

    /** A bio has ended. Any thread. */
    void ended() {
        inFlight.decrementAndGet();
    }

    void flush() {
        plug.flush();
    }

    /** Looks for completions, where nobody else does. */
    void poll() {
        if (mustPoll() && disk.poll(context) == 0) {
            Thread.onSpinWait();
        }
    }

    boolean mustPoll() {
        return polled && inFlight.get() > 0;
    }

    void close() {
        plug.close();
    }
}
