package io.blkmq.aio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Where submitters leave operations for a reaper that alone enters the ring ({@link RingEntry#REAPER}), and how it
 * comes to know of them. Any thread leaves; the reaper takes everything there is at once. Nobody takes a lock.
 *
 * <p>The reaper does not miss an operation by sleeping. Both sides write, then look at what the other side writes, all
 * of it volatile, so that at least one of them sees what the other did:
 *
 * <pre>
 *   submitter                            reaper
 *     leaves an operation (leave)         says that it sleeps (fallAsleep)
 *     looks whether the reaper sleeps     looks whether there is any (hasNews)
 *       (claimWake), and wakes it         sleeps, or not, and says so (awake)
 * </pre>
 *
 * <p>Of the submitters that see it asleep one wakes it. The same holds for whatever else it has to look at: who closes
 * the engine, or has a duty for it, writes that first and then claims the wake.
 *
 * <p>The end. When the engine is closed the reaper takes what there is and leaves a mark in its place, in one step:
 * from then on nothing can be left, so what has been accepted is final.
 */
final class HandOver {

    private static final VarHandle NEWEST;
    private static final VarHandle ASLEEP;

    /** Stands in {@link #newest} when nothing is taken any more. */
    private static final Kiocb NO_MORE = Kiocb.withSegments(1);

    static {
        try {
            MethodHandles.Lookup lookup = MethodHandles.lookup();
            NEWEST = lookup.findVarHandle(HandOver.class, "newest", Kiocb.class).withInvokeExactBehavior();
            ASLEEP = lookup.findVarHandle(HandOver.class, "asleep", boolean.class).withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final int inFlightMax;
    /** Operations whose places are free again. The engine's. */
    private final SingleWriterCounter ended;
    private final AtomicLong accepted = new AtomicLong();

    /** Operations left for the reaper, newest first. All through NEWEST, volatile: see above. */
    @SuppressWarnings("unused")
    private volatile @Nullable Kiocb newest;
    /** Whether the reaper sleeps, or is about to, and nobody has woken it. */
    private volatile boolean asleep;

    HandOver(int inFlightMax, SingleWriterCounter ended) {
        this.inFlightMax = inFlightMax;
        this.ended = ended;
    }

    /** Operations accepted. */
    long accepted() {
        return accepted.get();
    }

    // Submitters.

    /** Counts one more operation, to be left here next; false if as many are in flight as may be. Any thread. */
    boolean accept() {
        long before;
        do {
            before = accepted.get();
            if (before - ended.get() >= inFlightMax) {
                return false;
            }
        } while (!accepted.compareAndSet(before, before + 1));
        return true;
    }

    /**
     * Leaves an accepted operation; false, and it is not counted any more, if nothing is taken any more. The reaper may
     * then have seen the count raised, and wait for this operation: it is to be called. Any thread.
     */
    boolean leave(Kiocb kiocb) {
        Kiocb first;
        do {
            first = (Kiocb) NEWEST.getVolatile(this);
            if (first == NO_MORE) {
                accepted.getAndDecrement();
                return false;
            }
            kiocb.next = first;
        } while (!NEWEST.compareAndSet(this, first, kiocb));
        return true;
    }

    /** Whether the reaper sleeps and the calling thread is to wake it. Any thread. */
    boolean claimWake() {
        return asleep && ASLEEP.compareAndSet(this, true, false);
    }

    // The reaper.

    /** Whether {@link #take} would find any or, where it is to be the last time, that has not been said yet. */
    boolean hasNews(boolean last) {
        Kiocb empty = last ? NO_MORE : null;
        return (Kiocb) NEWEST.getVolatile(this) != empty;
    }

    /**
     * Takes everything, newest first; null if there is nothing. After the last time nothing can be left any more. The
     * reaper, or who closes after its end.
     */
    @Nullable
    Kiocb take(boolean last) {
        if (!hasNews(last)) {
            return null;
        }
        Kiocb empty = last ? NO_MORE : null;
        Kiocb all = (Kiocb) NEWEST.getAndSet(this, empty);
        return all == NO_MORE ? null : all;
    }

    /** Turns what has been taken round: oldest first. */
    static @Nullable Kiocb oldestFirst(@Nullable Kiocb taken) {
        Kiocb newest = taken;
        Kiocb oldest = null;
        while (newest != null) {
            Kiocb older = newest.next;
            newest.next = oldest;
            oldest = newest;
            newest = older;
        }
        return oldest;
    }

    /** Whether everything has been taken for the last time. */
    boolean isEnded() {
        return (Kiocb) NEWEST.getVolatile(this) == NO_MORE;
    }

    /** To be followed by a look at everything that the reaper is woken for. */
    void fallAsleep() {
        // Volatile, and before the look: see above.
        asleep = true;
    }

    void awake() {
        asleep = false;
    }
}
