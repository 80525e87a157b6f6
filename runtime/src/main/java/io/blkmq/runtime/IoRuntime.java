package io.blkmq.runtime;

import java.util.Objects;
import java.util.concurrent.locks.Lock;
import java.util.function.Supplier;

/**
 * Where the block layer gets threads, time and waiting from. It creates no thread and reads no clock on its own, and every park,
 * hand-over and timer goes through here, so that a deterministic runtime can replace them all. Thread-safe.
 *
 * @since 0.1.0
 */
public interface IoRuntime {
    /**
     * The runtime of the operating system, shared by the process: daemon threads that are started when first needed.
     *
     * @return always the same
     */
    static IoRuntime system() {
        return SystemRuntime.INSTANCE;
    }

    /**
     * A clock that never goes back; it has no relation to the time of day.
     *
     * @return nanoseconds
     */
    long nanoTime();

    /**
     * Runs short, non-blocking work on another thread soon (the kernel's kblockd). Several may run at once, in any order. Where it comes to
     * completions it comes to code of a user's that blocks all the same: other work goes on meanwhile. The {@link #system} runtime has 32
     * threads for this; if all of them block, what is due waits for one of them, and the log says so once.
     *
     * @param work what it throws is logged
     * @throws OutOfMemoryError if no thread can be started for it; then it is not run
     */
    void execute(Runnable work);

    /**
     * Runs short, non-blocking work on another thread later.
     *
     * @param delayNanos how much later
     * @param work what it throws is logged
     * @return to call it off
     * @throws OutOfMemoryError if no thread can be started for it; then it is not run
     */
    Timer schedule(long delayNanos, Runnable work);

    /**
     * Calls code of a user's that is told something, on a thread of its own. It may block, and then nothing of what {@link #execute} and
     * {@link #schedule} run waits for it, nor anything else that is told.
     *
     * @param call what it throws is logged
     */
    void tell(Runnable call);

    /**
     * Starts a thread that lives as long as its work: a reaper, a worker.
     *
     * @param name the thread's name
     * @param work runs once
     * @return the thread, started
     */
    Thread startAgent(String name, Runnable work);

    /**
     * Blocks the calling thread until it is unparked. May return for no reason, and returns at once if the thread is interrupted:
     * callers check their condition in a loop.
     *
     * @param blocker what the thread waits for, for thread dumps
     */
    void park(Object blocker);

    /**
     * Like {@link #park}, for a limited time.
     *
     * @param blocker what the thread waits for, for thread dumps
     * @param nanos at most this long
     */
    void parkNanos(Object blocker, long nanos);

    /**
     * A lock for short sections: who holds it never parks and never calls a driver or a user. A deterministic runtime lets others run
     * before a thread takes it, and after it has given it up.
     *
     * @return a new lock
     */
    Lock newLock();

    /**
     * Lets others run for a moment. Called by a thread between two looks at what it polls for, and so instead of a park: a virtual
     * thread that polled without it would keep its carrier from the very thread that it waits for.
     */
    void spinWait();

    /**
     * Called by a thread after each look for completions that it polls for: for those of a polled disk, where it waits for an operation, for
     * a tag, or at a closed gate. It may rest here for a while if it found nothing; what it waits for goes on without it, and is found by its
     * next look. It does not rest in the short waits for another thread's next step, which go through {@link #spinWait}.
     *
     * @param found how many completions the look found
     */
    default void idle(int found) {
        if (found == 0) {
            spinWait();
        }
    }

    /**
     * The same runtime, whose threads idle as an application likes while they poll: an {@code IdleStrategy} of Agrona's, for example,
     * instead of a processor that is kept busy.
     *
     * <pre>{@code IoRuntime.system().idlingBy(() -> new BackoffIdleStrategy()::idle)}</pre>
     *
     * @param perThread makes the way to idle of a thread, when it first polls. If it, or what it makes, throws an exception, that is logged
     *        and the thread idles by {@link #spinWait} from then on
     * @return a runtime for disks and tag sets
     */
    default IoRuntime idlingBy(Supplier<? extends PollIdle> perThread) {
        return new IdlingRuntime(this, Objects.requireNonNull(perThread, "perThread"));
    }

    /**
     * Lets a thread return from its park, or from its next one.
     *
     * @param thread which
     */
    void unpark(Thread thread);

    /**
     * Unparks several threads in one step. A caller that holds a monitor uses this one: a deterministic runtime lets nobody run in
     * between, who would then wait for that monitor.
     *
     * @param threads which
     */
    void unparkAll(Iterable<Thread> threads);

    /**
     * Waits until a thread of {@link #startAgent} has ended. An interrupt does not end the wait and is kept for the caller.
     *
     * @param thread which
     */
    void join(Thread thread);

    /**
     * A number by which the calling thread is told from others: threads are spread over contexts by it.
     *
     * @return always the same for a thread, and near those of threads that were started at the same time
     */
    int threadIndex();

    /**
     * Whether a thread may be in the block layer for a device of this runtime. Whoever waits until others have left the block layer waits
     * for these alone. A simulation, whose threads touch no device but its own, names them, so that it does not depend on the rest of
     * the process.
     *
     * @param threadId the id of a thread, which may have ended
     * @return true, if nothing is known about threads
     */
    default boolean mayUse(long threadId) {
        return true;
    }

    /**
     * How many threads can run at once. A queue has as many contexts, at least.
     *
     * @return at least 1
     */
    int processors();

    /**
     * How a thread that polls idles. The counterpart is {@code idle(int)} of Agrona's {@code IdleStrategy}. Used by one thread; it must not
     * use a disk, and returns after a bounded time.
     *
     * @since 0.1.0
     */
    @FunctionalInterface
    interface PollIdle {
        /**
         * Rests for a moment, or does not.
         *
         * @param found how many completions the look before found: 0, and it may rest longer than the last time; else it begins anew
         */
        void idle(int found);
    }

    /** Scheduled work. */
    @FunctionalInterface
    interface Timer {
        /**
         * Calls the work off, if it has not begun.
         *
         * @return whether it will not run
         */
        boolean cancel();
    }
}
