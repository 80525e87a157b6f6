package io.blkmq.core.driver;

import io.blkmq.core.mq.OpenPlugs;
import io.blkmq.core.mq.OwedTimers;
import io.blkmq.runtime.IoRuntime;
import java.util.concurrent.locks.Lock;

/**
 * The one place through which blkmq makes a thread wait, for whatever. A thread that waits sends down what its plugs hold back, since
 * nobody else could, and it may be these requests, or their tags, that it waits for. The kernel's counterpart is {@code schedule()}, which
 * flushes {@code current->plug}. A driver whose code makes a caller wait uses it, too. Thread-safe.
 *
 * <p>Sending down may wait itself, and so use up the wake-up of who ended what is waited for. So a call that has sent something down
 * returns at once, as any park may return for no reason: the caller looks at its condition again, and its next call waits.
 *
 * <p>While the runtime has no thread for a timer that it was asked for, the threads that wait here see to it that it is set: they park
 * for a few milliseconds at a time.
 *
 * <p>Within a completion nothing is sent down, because it goes down when the completion has returned: nothing waits there, but for code that
 * has to answer for it.
 *
 * @since 0.1.0
 */
public final class Parking {
    private Parking() {}

    /**
     * Sends down what the plugs of the calling thread hold back. For a wait that is not by a runtime; before it, and before the last look
     * at what is waited for.
     *
     * @return whether there was something
     */
    public static boolean flush() {
        return CompletionBatch.current() == null && OpenPlugs.flushOwn();
    }

    /**
     * Waits until the calling thread is unparked.
     *
     * @param runtime of what is waited for
     * @param blocker what the thread waits for, for thread dumps
     * @see IoRuntime#park
     */
    public static void park(IoRuntime runtime, Object blocker) {
        if (flush()) {
            return;
        }
        if (OwedTimers.isAny(runtime)) {
            restAndSetTimers(runtime, blocker, Long.MAX_VALUE);
        } else {
            runtime.park(blocker);
        }
    }

    /**
     * Like {@link #park}, for a limited time.
     *
     * @param runtime of what is waited for
     * @param blocker what the thread waits for, for thread dumps
     * @param nanos at most this long
     * @see IoRuntime#parkNanos
     */
    public static void parkNanos(IoRuntime runtime, Object blocker, long nanos) {
        if (flush()) {
            return;
        }
        if (OwedTimers.isAny(runtime)) {
            restAndSetTimers(runtime, blocker, nanos);
        } else {
            runtime.parkNanos(blocker, nanos);
        }
    }

    /** After the rest, which uses the wake-up: a runtime's lock would use it otherwise, and the thread would park all the same. */
    private static void restAndSetTimers(IoRuntime runtime, Object blocker, long nanos) {
        runtime.parkNanos(blocker, Math.min(nanos, OwedTimers.REST_NANOS));
        OwedTimers.tryAgain(runtime);
    }

    /**
     * Lets others run between two looks at what is polled for.
     *
     * @param runtime of what is waited for
     * @see IoRuntime#spinWait
     */
    public static void spinWait(IoRuntime runtime) {
        if (!flush()) {
            runtime.spinWait();
        }
    }

    /**
     * Lets a thread idle that polls for completions, after a look for them.
     *
     * @param runtime of what is waited for
     * @param found how many the look found
     * @see IoRuntime#idle
     */
    public static void idle(IoRuntime runtime, int found) {
        if (found != 0 || !flush()) {
            runtime.idle(found);
        }
        if (found == 0) {
            OwedTimers.tryAgain(runtime);
        }
    }

    /**
     * Waits until a thread has ended.
     *
     * @param runtime that started it
     * @param thread which
     * @see IoRuntime#join
     */
    public static void join(IoRuntime runtime, Thread thread) {
        flush();
        runtime.join(thread);
    }

    /**
     * Takes a lock whose holder may wait for I/O.
     *
     * @param lock which
     */
    public static void lock(Lock lock) {
        flush();
        lock.lock();
    }
}
