package io.blkmq.core.mq;

import io.blkmq.core.driver.Parking;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.runtime.IoRuntime;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Timers that a runtime had no thread for. Each is owed: a thread that waits ({@link Parking}) parks with a bound while there are any of its
 * runtime, and sets those again whose time has come. So does the tick of {@link Timeouts}, and a thread that takes a tag while that tick is
 * owed itself. What a timer does is still done by a thread of the runtime, and never by the thread that set it again. Thread-safe.
 *
 * <p>There is one list for the process, because a thread that waits for I/O of one device may wait for a device below it. A timer stays on it
 * until it is set, or its queue is closed, so all who come to wait until then see it. A thread that was parked before needs no look: it waits for I/O with the tick of
 * {@link Timeouts} set, and a runtime that has set a timer has a thread.
 *
 * <p>A wait reads an empty list, as a rule: no lock, no write and no allocation.
 */
public final class OwedTimers {
    /** For how long a waiting thread parks, at the most, while a timer is owed. */
    public static final long REST_NANOS = TimeUnit.MILLISECONDS.toNanos(3);

    private static final Queue<Owed> OWED = new ConcurrentLinkedQueue<>();

    private OwedTimers() {}

    private static final class Owed {
        final RequestQueue queue;
        final IoRuntime runtime;
        final long delayNanos;
        final Runnable work;
        /** Held by the thread that is setting it. */
        final AtomicBoolean claimed = new AtomicBoolean();
        /** When it is to be set again. Written by who has claimed it, before it is given up; read by the next one who has. */
        private long due;

        Owed(RequestQueue queue, long delayNanos, Runnable work) {
            this.queue = queue;
            this.runtime = queue.tagSet().runtime();
            this.delayNanos = Math.max(delayNanos, REST_NANOS);
            this.work = work;
            this.due = runtime.nanoTime() + this.delayNanos;
        }

        /** Returns false if there is still no thread for it. */
        boolean trySet() {
            if (!claimed.compareAndSet(false, true)) {
                return true;
            }
            if (runtime.nanoTime() - due >= 0) {
                try {
                    var _ = runtime.schedule(0, work);
                    // Still claimed, so that nobody sets it twice.
                    boolean _ = OWED.remove(this);
                    return true;
                } catch (Throwable _) {
                    // Told when it came here.
                    due = runtime.nanoTime() + delayNanos;
                    claimed.set(false);
                    return false;
                }
            }
            claimed.set(false);
            return true;
        }
    }

    /**
     * A timer could not be set. Logged if it is the first that its runtime owes.
     *
     * @param queue whose timer it is
     * @param delayNanos how much later it was to run; so long it is not tried again, either
     * @param whose for people
     * @param thrown by the runtime
     * @return false if there is no memory for it, either: it is not owed
     */
    static boolean add(RequestQueue queue, long delayNanos, Runnable work, Object whose, OutOfMemoryError thrown) {
        boolean first;
        try {
            first = !isAny(queue.tagSet().runtime());
            OWED.add(new Owed(queue, delayNanos, work));
        } catch (OutOfMemoryError _) {
            return false;
        }
        if (first) {
            try {
                CallbackFailures.report(
                        "a timer (and later ones, perhaps) of " + whose + ", which is set when there is a thread,",
                        thrown);
            } catch (OutOfMemoryError _) {
                // No memory for the words: it is owed all the same.
            }
        }
        return true;
    }

    /** Nothing is owed to a queue that is closed. */
    static void forget(RequestQueue queue) {
        if (!OWED.isEmpty()) {
            OWED.removeIf(owed -> owed.queue.equals(queue));
        }
    }

    /**
     * Whether a runtime owes a timer.
     *
     * @param runtime of what the calling thread is going to wait for
     * @return false, as a rule
     */
    public static boolean isAny(IoRuntime runtime) {
        // Before the iterator, which is an object.
        if (OWED.isEmpty()) {
            return false;
        }
        for (Owed owed : OWED) {
            if (owed.runtime.equals(runtime)) {
                return true;
            }
        }
        return false;
    }

    /**
     * Sets what a runtime owes and what is due, until there is no thread for one. Throws nothing.
     *
     * @param runtime which
     */
    public static void tryAgain(IoRuntime runtime) {
        if (OWED.isEmpty()) {
            return;
        }
        for (Owed owed : OWED) {
            if (owed.runtime.equals(runtime) && !owed.trySet()) {
                return;
            }
        }
    }
}
