package io.blkmq.core;

import io.blkmq.runtime.IoRuntime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.locks.Lock;

/**
 * A runtime whose time stands still until a test moves it, and whose timers run on the thread that does so. Parks are real: for tests
 * of time that need real threads. All others use {@link Simulation}.
 */
public final class ManualRuntime implements IoRuntime {
    private final List<Task> tasks = new ArrayList<>();
    private long now;

    /** A runtime whose clock shows 0. */
    public ManualRuntime() {}

    private final class Task implements Timer {
        final long due;
        final Runnable work;

        Task(long due, Runnable work) {
            this.due = due;
            this.work = work;
        }

        @Override
        public boolean cancel() {
            synchronized (tasks) {
                return tasks.remove(this);
            }
        }
    }

    /**
     * Moves the time, and runs what has become due.
     *
     * @param nanos how far
     */
    public void advance(long nanos) {
        long until;
        synchronized (tasks) {
            until = now + nanos;
        }
        for (Task task = nextDue(until); task != null; task = nextDue(until)) {
            task.work.run();
        }
        synchronized (tasks) {
            now = until;
        }
    }

    private @org.jspecify.annotations.Nullable Task nextDue(long until) {
        synchronized (tasks) {
            Task next = tasks.stream().min(Comparator.comparingLong(task -> task.due)).orElse(null);
            if (next == null || next.due > until) {
                return null;
            }
            tasks.remove(next);
            now = Math.max(now, next.due);
            return next;
        }
    }

    /**
     * How many timers are set.
     *
     * @return 0 or more
     */
    public int timers() {
        synchronized (tasks) {
            return tasks.size();
        }
    }

    @Override
    public long nanoTime() {
        synchronized (tasks) {
            return now;
        }
    }

    @Override
    public void execute(Runnable work) {
        schedule(0, work);
    }

    @Override
    public Timer schedule(long delayNanos, Runnable work) {
        synchronized (tasks) {
            Task task = new Task(now + delayNanos, work);
            tasks.add(task);
            return task;
        }
    }

    @Override
    public void tell(Runnable call) {
        IoRuntime.system().tell(call);
    }

    @Override
    public Thread startAgent(String name, Runnable work) {
        return IoRuntime.system().startAgent(name, work);
    }

    @Override
    public void park(Object blocker) {
        IoRuntime.system().park(blocker);
    }

    @Override
    public void parkNanos(Object blocker, long nanos) {
        IoRuntime.system().parkNanos(blocker, nanos);
    }

    @Override
    public Lock newLock() {
        return IoRuntime.system().newLock();
    }

    @Override
    public void spinWait() {
        IoRuntime.system().spinWait();
    }

    @Override
    public void unpark(Thread thread) {
        IoRuntime.system().unpark(thread);
    }

    @Override
    public void unparkAll(Iterable<Thread> threads) {
        IoRuntime.system().unparkAll(threads);
    }

    @Override
    public void join(Thread thread) {
        IoRuntime.system().join(thread);
    }

    @Override
    public int threadIndex() {
        return IoRuntime.system().threadIndex();
    }

    @Override
    public int processors() {
        return IoRuntime.system().processors();
    }
}
