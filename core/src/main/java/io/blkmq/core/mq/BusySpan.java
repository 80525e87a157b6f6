package io.blkmq.core.mq;

import io.blkmq.core.tag.CacheLines;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Since when one software context is busy: from the first request that it sends to the last that ends; the number of requests says so.
 *
 * <p>When that began is written before the number becomes more than none, and the end is told ({@link #ends}) before it becomes none: whoever
 * finds the context busy finds since when, and whoever finds it idle finds its time accounted for. Threads that begin at the same moment have
 * read the clock at the same moment, too, and it does not matter whose time stands.
 */
abstract class BusySpan extends CacheLines {
    private static final VarHandle IN_FLIGHT;
    private static final VarHandle BUSY_SINCE;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            IN_FLIGHT = lookup.findVarHandle(BusySpan.class, "inFlight", long.class);
            BUSY_SINCE = lookup.findVarHandle(BusySpan.class, "busySinceNanos", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final int index;
    /** How many requests have been sent and have not ended. */
    private long inFlight;
    private long busySinceNanos;
    /** Up to here the queue was busy without a pause from where {@link BusyTime} has got to. Volatile: read by other contexts. */
    volatile long tailNanos;

    BusySpan(int index, long nowNanos, long coveredNanos) {
        this.index = index;
        this.busySinceNanos = nowNanos;
        this.tailNanos = coveredNanos;
    }

    /** The context is busy, or was and is again. */
    abstract void begins();

    /** It will not be busy any more; until this returns it counts as busy. */
    abstract void ends(long sinceNanos, long nowNanos);

    final int index() {
        return index;
    }

    /** Requests are sent. */
    final void sent(int requests, long nowNanos) {
        if ((long) IN_FLIGHT.getOpaque(this) == 0) {
            beginsAt(nowNanos);
        }
        if ((long) IN_FLIGHT.getAndAdd(this, (long) requests) == 0) {
            // Again, if the last one has ended in between; else nothing changes.
            beginsAt(nowNanos);
        }
    }

    private void beginsAt(long nowNanos) {
        // Opaque: the atomic step after it publishes it.
        BUSY_SINCE.setOpaque(this, nowNanos);
        begins();
    }

    /** Requests have ended. */
    final void ended(int requests, long nowNanos) {
        long now = (long) IN_FLIGHT.getOpaque(this);
        for (;;) {
            if (now == requests) {
                ends(busySinceNanos(), nowNanos);
            }
            long found = (long) IN_FLIGHT.compareAndExchange(this, now, now - requests);
            if (found == now) {
                return;
            }
            now = found;
        }
    }

    final boolean isBusy() {
        return (long) IN_FLIGHT.getVolatile(this) > 0;
    }

    /** Meaningful while it is busy. */
    final long busySinceNanos() {
        return (long) BUSY_SINCE.getOpaque(this);
    }
}
