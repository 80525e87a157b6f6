package io.blkmq.runtime;

import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;

/** The operating system's threads and time. */
final class SystemRuntime implements IoRuntime {
    static final SystemRuntime INSTANCE = new SystemRuntime();

    private static final System.Logger LOG = System.getLogger(SystemRuntime.class.getName());

    private final TimedWorkers work = new TimedWorkers();

    private SystemRuntime() {}

    @Override
    public long nanoTime() {
        return System.nanoTime();
    }

    @Override
    public void execute(Runnable task) {
        work.add(0, task);
    }

    @Override
    public Timer schedule(long delayNanos, Runnable task) {
        return work.add(delayNanos, task);
    }

    /** On a virtual thread: as many as want to can block, and none of them keeps anything from timers and deferred work. */
    @Override
    public void tell(Runnable call) {
        Thread.ofVirtual().name("blkmq-tell").start(() -> {
            try {
                call.run();
            } catch (Throwable t) {
                LOG.log(System.Logger.Level.ERROR, "what was told failed", t);
            }
        });
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

    private static Thread daemon(String name, Runnable task) {
        return Thread.ofPlatform().daemon().name(name).unstarted(task);
    }
}
