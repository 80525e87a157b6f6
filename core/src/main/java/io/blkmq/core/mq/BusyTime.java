package io.blkmq.core.mq;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicLong;

/**
 * For how long a queue has had anything in flight, whichever contexts it came through (the kernel's {@code io_ticks}).
 *
 * <p>Each context knows when it became busy ({@link BusySpan}). What all of them together were is the union of such times, and
 * it is known up to a point in time, {@code covered}. Who comes to the end of a context's time moves that point on:
 *
 * <pre>
 *   one context in use      by its own time: exact, and nobody else writes what it writes
 *   several, and the time began before the point, or not much later
 *                           everything from the point to the end was busy; if that is short it is left as the context's tail
 *   several, and the time began after a pause
 *                           look at all contexts: from the first that is busy on, and before that their tails
 * </pre>
 *
 * <p>So threads that do fast I/O at the same time share one line that is written no more often than once in {@link #PAUSE_NANOS}, and
 * what is shorter than that between the times of several contexts counts as busy. With one context in use, and for all longer
 * pauses, the figure is exact. A time is added after the point has moved, by who moved it; so the figure never goes back, and for a
 * moment lacks what is being added.
 */
final class BusyTime {
    /** A shorter pause between the I/O of several contexts is none. */
    static final long PAUSE_NANOS = 5_000;

    private static final VarHandle COVERED;
    private static final VarHandle USER;
    /** Instead of the context that alone has been used: there is none yet, or there are several. */
    private static final int NOBODY = -1;
    private static final int SEVERAL = -2;

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            COVERED = lookup.findVarHandle(BusyTime.class, "covered", long.class);
            USER = lookup.findVarHandle(BusyTime.class, "user", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** The contexts whose times are united. Their number may grow, and those that there are stay. */
    interface Contexts {
        int count();

        BusySpan span(int index);
    }

    private final Contexts contexts;
    /** Up to here the busy time is known. Never goes back. */
    private volatile long covered;
    /** The index of the context that alone has been used. */
    private volatile int user = NOBODY;
    private final AtomicLong busyNanos = new AtomicLong();

    BusyTime(Contexts contexts, long nowNanos) {
        this.contexts = contexts;
        this.covered = nowNanos;
    }

    /** A context becomes busy. */
    void begins(BusySpan context) {
        int now = user;
        if (now != context.index() && now != SEVERAL && !USER.compareAndSet(this, NOBODY, context.index())) {
            user = SEVERAL;
        }
    }

    /** A context will not be busy any more; until it has said so it counts as busy, which changes nothing. */
    void ends(BusySpan context, long since, long end) {
        if (user == context.index()) {
            coverOwn(since, end);
            return;
        }
        long reached = covered;
        if (since - reached > PAUSE_NANOS) {
            cover(since, end);
        } else if (end - reached < PAUSE_NANOS) {
            if (end - context.tailNanos > 0) {
                context.tailNanos = end;
            }
        } else if (COVERED.compareAndSet(this, reached, end)) {
            busyNanos.addAndGet(end - reached);
        } else {
            // Another has moved the point on, and it may be behind the end by now.
            cover(since, end);
        }
    }

    private void coverOwn(long since, long end) {
        for (;;) {
            long reached = covered;
            long from = since - reached > 0 ? since : reached;
            if (end - from <= 0) {
                return;
            }
            if (COVERED.compareAndSet(this, reached, end)) {
                busyNanos.addAndGet(end - from);
                return;
            }
        }
    }

    /** Moves the point on to the end of a busy time, and looks at all contexts for what was busy before. */
    private void cover(long since, long end) {
        for (;;) {
            long reached = covered;
            long tail = reached;
            long from = since;
            int count = contexts.count();
            for (int i = 0; i < count; i++) {
                BusySpan one = contexts.span(i);
                // In this order: a context that is found idle has written its tail before.
                if (one.isBusy() && one.busySinceNanos() - from < 0) {
                    from = one.busySinceNanos();
                }
                if (one.tailNanos - tail > 0) {
                    tail = one.tailNanos;
                }
            }
            long first = from - tail > 0 ? from : tail;
            long last = end - tail > 0 ? end : tail;
            if (last - reached <= 0) {
                return;
            }
            if (COVERED.compareAndSet(this, reached, last)) {
                busyNanos.addAndGet(tail - reached + (last - first > 0 ? last - first : 0));
                return;
            }
        }
    }

    /** Up to when the busy time is known. */
    long covered() {
        return covered;
    }

    /** Up to when the busy time is known at least, if that is after a time; else that time. */
    long coveredAfter(long now) {
        long reached = covered;
        return reached - now > 0 ? reached : now;
    }

    /**
     * The busy time up to now.
     *
     * @param now the clock, read before
     */
    long nanos(long now) {
        long end = covered;
        int count = contexts.count();
        for (int i = 0; i < count; i++) {
            if (contexts.span(i).isBusy()) {
                end = now;
            }
        }
        cover(end, end);
        return busyNanos.get();
    }
}
