package io.blkmq.runtime;

import io.blkmq.runtime.log.FailureLog;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Threads for work that is due now or later. As a rule it is short and one thread does it; but it may complete I/O and so come to code of
 * a user's, that should not block and does. So as long as a thread works another one stands by: it waits for what is due next, and is
 * started when there is none. Thread-safe.
 *
 * <p>One of the waiting threads, the leader, waits for the first time that is due; the others wait until they are called. Who takes
 * work calls another to be the leader. So nothing is handed over, and what is due meets a thread that is awake for it.
 *
 * <p>There are {@link #THREADS_MAX} threads at most, since platform threads are dear: as many calls can block before anything has to
 * wait. What is known to be a user's code comes to no thread of these ({@link IoRuntime#tell}).
 */
final class TimedWorkers {
    static final int THREADS_MAX = 32;

    private static final long IDLE_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final ThreadFactory factory;
    private final System.Logger log;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition called = lock.newCondition();
    /** Guarded by the lock, as all that follows. */
    private final TimerHeap<Task> tasks = new TimerHeap<>();
    private int threads;
    private int waiting;
    /** Waits for the first time that is due. What becomes the first takes this away from it. */
    private @Nullable Thread leader;
    private long tasksAdded;
    private boolean toldThatAllBlock;

    TimedWorkers() {
        this(Thread.ofPlatform().daemon().name("blkmq-work-", 0).factory(),
                System.getLogger(TimedWorkers.class.getName()));
    }

    /**
     * Makes some.
     *
     * @param factory of their threads
     * @param log is told what work has thrown
     */
    TimedWorkers(ThreadFactory factory, System.Logger log) {
        this.factory = factory;
        this.log = log;
    }

    /** Work with its time. */
    private final class Task extends TimerHeap.Entry implements IoRuntime.Timer {
        private final Runnable work;

        Task(long due, long number, Runnable work) {
            super(due, number);
            this.work = work;
        }

        @Override
        public boolean cancel() {
            lock.lock();
            try {
                return tasks.remove(this);
            } finally {
                lock.unlock();
            }
        }
    }

    /**
     * Adds work.
     *
     * @param delayNanos how much later than now
     * @param work what it throws is logged
     * @return to call it off
     */
    IoRuntime.Timer add(long delayNanos, Runnable work) {
        // So far in the future that no difference of two times overflows.
        long due = System.nanoTime() + Math.clamp(delayNanos, 0, Long.MAX_VALUE >> 2);
        Task task;
        boolean allBlock = false;
        lock.lock();
        try {
            task = new Task(due, tasksAdded++, work);
            tasks.add(task);
            // Without a thread somebody has to be called for what is due before it, too.
            if (threads == 0 || task.equals(tasks.first())) {
                leader = null;
                if (!callOne() && threads == 0) {
                    // Its caller is told, and takes it for not added.
                    boolean _ = tasks.remove(task);
                    throw new OutOfMemoryError("no thread can be started for deferred work");
                }
                allBlock = waiting == 0 && threads == THREADS_MAX && !toldThatAllBlock;
                toldThatAllBlock |= allBlock;
            }
        } finally {
            lock.unlock();
        }
        if (allBlock) {
            FailureLog.log(log, System.Logger.Level.ERROR,
                    () -> THREADS_MAX + " threads work at once, most likely since they call code that blocks: what"
                            + " is due now waits for them, time-outs included",
                    null);
        }
        return task;
    }

    /**
     * What is due first has no leader: somebody has to look at it.
     *
     * @return false if nobody was called: those who work come to it, if there are any
     */
    private boolean callOne() {
        if (waiting > 0) {
            called.signal();
            return true;
        }
        return threads < THREADS_MAX && start();
    }

    /**
     * A thread that is being started counts as waiting: it will look.
     *
     * @return false if there is none to be had
     */
    private boolean start() {
        threads++;
        waiting++;
        boolean started = false;
        try {
            factory.newThread(this::serve).start();
            started = true;
        } catch (OutOfMemoryError _) {
            // Who is to be told depends on who else there is.
        } finally {
            if (!started) {
                threads--;
                waiting--;
            }
        }
        return started;
    }

    private void serve() {
        boolean idle = false;
        try {
            serveUntilIdle();
            idle = true;
        } finally {
            if (!idle) {
                gone();
            }
        }
    }

    /** A thread has failed itself, and not its work: another one takes its place. */
    private void gone() {
        lock.lock();
        try {
            threads--;
            if (leader == null && !tasks.isEmpty()) {
                boolean _ = callOne();
            }
        } finally {
            lock.unlock();
        }
    }

    private void serveUntilIdle() {
        Runnable work = next();
        while (work != null) {
            try {
                work.run();
            } catch (Throwable t) {
                FailureLog.log(log, System.Logger.Level.ERROR, () -> "deferred work failed", t);
            }
            // Nobody has a reason to interrupt it.
            Thread.interrupted();
            // What the work knows of is not kept while the thread waits.
            work = null;
            work = nextAfterWork();
        }
    }

    private @Nullable Runnable nextAfterWork() {
        lock.lock();
        try {
            waiting++;
            return next();
        } finally {
            lock.unlock();
        }
    }

    /** Waits for what is due next. Returns null if the thread has been idle for so long that it ends. */
    private @Nullable Runnable next() {
        lock.lock();
        try {
            for (;;) {
                Task first = tasks.first();
                long left = first == null ? IDLE_NANOS : first.due - System.nanoTime();
                if (first != null && left <= 0) {
                    boolean _ = tasks.remove(first);
                    return first.work;
                }
                boolean leads = first != null && leader == null;
                long rest = await(leads, leads ? left : IDLE_NANOS);
                if (!leads && rest <= 0 && (tasks.isEmpty() || leader != null)) {
                    threads--;
                    return null;
                }
            }
        } finally {
            waiting--;
            try {
                if (leader == null && !tasks.isEmpty()) {
                    boolean _ = callOne();
                }
            } finally {
                lock.unlock();
            }
        }
    }

    /** Once, within the loop of {@link #next}. */
    @SuppressWarnings("WaitNotInLoop")
    private long await(boolean leads, long nanos) {
        Thread self = Thread.currentThread();
        if (leads) {
            leader = self;
        }
        try {
            return called.awaitNanos(nanos);
        } catch (InterruptedException e) {
            return 1;
        } finally {
            if (self.equals(leader)) {
                leader = null;
            }
        }
    }
}
