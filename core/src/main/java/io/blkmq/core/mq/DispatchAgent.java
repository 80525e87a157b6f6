package io.blkmq.core.mq;

import io.blkmq.core.driver.Parking;
import io.blkmq.runtime.IoRuntime;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * The thread that serves the dispatch list of a hardware context whose driver may block. It is started with the first request, sleeps
 * while there is nothing to dispatch, and ends with the context.
 *
 * <p>Sleeping is a Dekker protocol of two volatile variables: the agent says that it is {@link #asleep} and then looks whether it is
 * {@link #due}; who has something for it says so and then looks whether it is asleep.
 */
final class DispatchAgent implements Runnable {
    private final IoRuntime runtime;
    private final String name;
    private final Runnable serve;
    private final Runnable wakeLater;
    private volatile boolean asleep;
    /** Whether it has been woken since it looked at the list last. */
    private volatile boolean due;
    private volatile boolean stopped;
    /** Whether the last start failed, and when: written before that is said. */
    private volatile boolean startFailed;
    private volatile long failedNanos;
    /** Started under this lock. */
    private final Lock lock;
    private volatile @Nullable Thread thread;

    /**
     * Makes one, and starts no thread yet.
     *
     * @param name of the thread
     * @param serve serves the list until nothing can be dispatched
     * @param wakeLater sees to it that the agent is woken again; called when there is no thread to be had, and after an error
     */
    DispatchAgent(IoRuntime runtime, String name, Runnable serve, Runnable wakeLater) {
        this.runtime = runtime;
        this.name = name;
        this.serve = serve;
        this.wakeLater = wakeLater;
        this.lock = runtime.newLock();
    }

    /**
     * There may be something to dispatch. Throws nothing: what waits is on the list, whose it is, and its submitter goes
     * on. If no thread can be started, that is tried again later, and logged once until there is one.
     */
    void wake() {
        Thread running = thread;
        if (running == null) {
            running = tryStart();
            if (running == null) {
                wakeLater.run();
                return;
            }
        }
        due = true;
        if (asleep) {
            runtime.unpark(running);
        }
    }

    /** Whether it serves the list, or will when it comes to run: not while it sleeps and nobody has woken it. */
    boolean isCalled() {
        return thread != null && (due || !asleep);
    }

    /** Returns null without a thread: not tried before its time, because a failed start is slow. */
    private @Nullable Thread tryStart() {
        if (startFailed && runtime.nanoTime() - failedNanos < DispatchContext.RESOURCE_DELAY_NANOS) {
            return null;
        }
        try {
            Thread started = start();
            startFailed = false;
            return started;
        } catch (Throwable t) {
            boolean first = !startFailed;
            failedNanos = runtime.nanoTime();
            startFailed = true;
            if (first) {
                CallbackFailures.report("start of " + name, t);
            }
            return null;
        }
    }

    private Thread start() {
        lock.lock();
        try {
            Thread running = thread;
            if (running == null) {
                running = runtime.startAgent(name, this);
                thread = running;
            }
            return running;
        } finally {
            lock.unlock();
        }
    }

    /** Whether the calling thread is this agent: then it is in a callback of the driver's. */
    boolean isCurrentThread() {
        return Thread.currentThread().equals(thread);
    }

    void stop() {
        stopped = true;
        Thread running = thread;
        if (running != null) {
            runtime.unpark(running);
        }
    }

    @Override
    public void run() {
        // Also here: whoever starts it may note it only after it has called the driver.
        thread = Thread.currentThread();
        while (!stopped) {
            due = false;
            try {
                serve.run();
            } catch (Throwable t) {
                // The others on the list are served all the same.
                CallbackFailures.report(name, t);
                // Not at once: what failed may fail for ever.
                wakeLater.run();
            }
            asleep = true;
            if (!due && !stopped) {
                Parking.park(runtime, this);
            }
            asleep = false;
        }
    }
}
