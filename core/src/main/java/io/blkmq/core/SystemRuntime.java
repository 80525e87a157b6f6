package io.blkmq.core;

import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/** The operating system's threads and time. One worker thread serves timers and deferred work: both are short and never block. */
final class SystemRuntime implements IoRuntime {
    static final SystemRuntime INSTANCE = new SystemRuntime();

    private static final System.Logger LOG = System.getLogger(SystemRuntime.class.getName());

    private final AtomicInteger workers = new AtomicInteger();
    private final ScheduledThreadPoolExecutor work;

    private SystemRuntime() {
        work = new ScheduledThreadPoolExecutor(1, task -> daemon("blkmq-work-" + workers.getAndIncrement(), task));
        work.setRemoveOnCancelPolicy(true);
        work.setKeepAliveTime(10, TimeUnit.SECONDS);
        work.allowCoreThreadTimeOut(true);
    }

    @Override
    public long nanoTime() {
        return System.nanoTime();
    }

    @Override
    public void execute(Runnable task) {
        work.execute(logged(task));
    }

    @Override
    public Timer schedule(long delayNanos, Runnable task) {
        Future<?> scheduled = work.schedule(logged(task), delayNanos, TimeUnit.NANOSECONDS);
        return () -> scheduled.cancel(false);
    }

    @Override
    public Thread startAgent(String name, Runnable task) {
        Thread thread = daemon(name, task);
        thread.start();
        return thread;
    }

    @Override
    public void park(Object blocker) {
        LockSupport.park(blocker);
    }

    @Override
    public void parkNanos(Object blocker, long nanos) {
        LockSupport.parkNanos(blocker, nanos);
    }

    @Override
    public Lock newLock() {
        return new ReentrantLock();
    }

    @Override
    @SuppressWarnings("ThreadPriorityCheck") // a virtual thread has to let others onto its carrier
    public void spinWait() {
        if (Thread.currentThread().isVirtual()) {
            Thread.yield();
        } else {
            Thread.onSpinWait();
        }
    }

    @Override
    public void unpark(Thread thread) {
        LockSupport.unpark(thread);
    }

    @Override
    public void unparkAll(Iterable<Thread> threads) {
        threads.forEach(LockSupport::unpark);
    }

    @Override
    public void join(Thread thread) {
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public int threadIndex() {
        return (int) Thread.currentThread().threadId();
    }

    @Override
    public int processors() {
        return Runtime.getRuntime().availableProcessors();
    }

    private static Runnable logged(Runnable task) {
        return () -> {
            try {
                task.run();
            } catch (Throwable t) {
                LOG.log(System.Logger.Level.ERROR, "deferred work failed", t);
            }
        };
    }

    private static Thread daemon(String name, Runnable task) {
        return Thread.ofPlatform().daemon().name(name).unstarted(task);
    }
}
