package io.blkmq.stress;

import io.blkmq.runtime.IoRuntime;
import java.util.ArrayDeque;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/**
 * A runtime for two actors: time stands still, timers run when an actor says so, and a park from which nobody would wake its thread
 * ends with {@link AsleepForEver} instead.
 *
 * <p>An actor announces itself with {@link #begins} and says with {@link #ends} that it will do nothing more. A park waits for a
 * permit; if the other actor has ended and there is still none, there will never be one. No park returns without reason, so that
 * nothing hides a wake-up that was lost.
 */
public class RaceRuntime implements IoRuntime {
    private static final int ACTORS = 2;
    /** A park for less time is a pause between two looks. */
    private static final long PAUSE_NANOS_MAX = 1_000_000_000L;
    /** Held, so that its level stays: races complete requests twice on purpose. */
    private static final Logger LOG = Logger.getLogger("io.blkmq.core");

    static {
        LOG.setLevel(Level.OFF);
    }

    private final Actor[] actors = {new Actor(), new Actor()};
    private final ArrayDeque<Runnable> timers = new ArrayDeque<>();

    /** One of the two threads. */
    private static final class Actor {
        volatile @Nullable Thread thread;
        volatile boolean permit;
        volatile boolean ended;
    }

    /** Nobody would wake the thread. */
    public static final class AsleepForEver extends RuntimeException {
        private static final long serialVersionUID = 1;

        private AsleepForEver() {
            super("asleep for ever", null, false, false);
        }
    }

    /** For the threads of one race. */
    public RaceRuntime() {}

    /**
     * The calling thread is an actor.
     *
     * @param number 0 or 1
     */
    public final void begins(int number) {
        actors[number].thread = Thread.currentThread();
    }

    /**
     * The actor wakes nobody from here on.
     *
     * @param number 0 or 1
     */
    public final void ends(int number) {
        actors[number].ended = true;
    }

    /** Runs what is scheduled now, and not what that schedules. */
    void runTimers() {
        for (int left = timers(); left > 0; left--) {
            Runnable work;
            synchronized (timers) {
                work = timers.removeFirst();
            }
            work.run();
        }
    }

    int timers() {
        synchronized (timers) {
            return timers.size();
        }
    }

    @Override
    public long nanoTime() {
        return 0;
    }

    @Override
    public void execute(Runnable work) {
        schedule(0, work);
    }

    @Override
    public Timer schedule(long delayNanos, Runnable work) {
        synchronized (timers) {
            timers.addLast(work);
        }
        return () -> false;
    }

    @Override
    public void tell(Runnable call) {
        throw new UnsupportedOperationException("races have no users");
    }

    @Override
    public Thread startAgent(String name, Runnable work) {
        throw new UnsupportedOperationException("races start no threads");
    }

    @Override
    public void park(Object blocker) {
        Actor self = null;
        Actor other = null;
        for (int i = 0; i < ACTORS; i++) {
            if (Thread.currentThread().equals(actors[i].thread)) {
                self = actors[i];
                other = actors[1 - i];
            }
        }
        if (self == null || other == null) {
            throw new IllegalStateException("only actors park");
        }
        while (!self.permit && !Thread.currentThread().isInterrupted()) {
            // In this order: who has ended gave its permits before.
            if (other.ended && !self.permit) {
                throw new AsleepForEver();
            }
            Thread.onSpinWait();
        }
        self.permit = false;
    }

    @Override
    public void parkNanos(Object blocker, long nanos) {
        if (nanos > PAUSE_NANOS_MAX) {
            park(blocker);
        } else {
            Thread.onSpinWait();
        }
    }

    @Override
    public Lock newLock() {
        return new ReentrantLock();
    }

    @Override
    public void unparkAll(Iterable<Thread> threads) {
        threads.forEach(this::unpark);
    }

    @Override
    public void join(Thread thread) {
        throw new UnsupportedOperationException("races start no threads");
    }

    @Override
    public int threadIndex() {
        return (int) Thread.currentThread().threadId();
    }

    @Override
    public int processors() {
        return ACTORS;
    }

    @Override
    public void spinWait() {
        Thread.onSpinWait();
    }

    @Override
    public void unpark(Thread thread) {
        for (Actor actor : actors) {
            if (thread.equals(actor.thread)) {
                actor.permit = true;
            }
        }
    }
}
