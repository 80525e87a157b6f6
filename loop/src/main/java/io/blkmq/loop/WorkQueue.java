package io.blkmq.loop;

import io.blkmq.core.IoRuntime;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * The threads that do a device's blocking work: all I/O of a buffered one, flushes and discards of any. They are started by the
 * first command. Never full, since it has room for every request of the device.
 */
final class WorkQueue {
    private static final System.Logger LOG = System.getLogger(WorkQueue.class.getName());

    /** The last command of a thread. */
    private record Stop() implements Runnable {
        @Override
        public void run() {}
    }

    private final IoRuntime runtime;
    private final String name;
    private final int threads;
    private final ArrayBlockingQueue<Runnable> queue;
    /** Guarded by this object's monitor; null once it is stopped. */
    private @Nullable List<Thread> started = List.of();
    /** Whether the threads run, for those who only look. */
    private volatile boolean running;

    WorkQueue(IoRuntime runtime, String name, int threads, int requests) {
        this.runtime = runtime;
        this.name = name;
        this.threads = threads;
        this.queue = new ArrayBlockingQueue<>(requests + threads);
    }

    /** Lets a thread run a command, in the order of the calls. */
    void add(Runnable command) {
        if (!running) {
            start();
        }
        queue.add(command);
    }

    private synchronized void start() {
        if (started == null) {
            throw new IllegalStateException(name + " is detached");
        }
        if (running) {
            return;
        }
        List<Thread> made = new ArrayList<>();
        for (int i = 0; i < threads; i++) {
            made.add(runtime.startAgent("blkmq-" + name + "-worker-" + i, this::work));
        }
        started = made;
        running = true;
    }

    private void work() {
        for (;;) {
            try {
                Runnable command = queue.take();
                if (command instanceof Stop) {
                    return;
                }
                command.run();
            } catch (InterruptedException e) {
                // Nobody has a reason to interrupt it, and the commands must go on.
                LOG.log(System.Logger.Level.WARNING, "{0}: the interrupt of a worker is ignored", name);
            }
        }
    }

    /** Ends the threads after the commands that are there. */
    void stop() {
        List<Thread> toJoin;
        synchronized (this) {
            toJoin = started == null ? List.of() : started;
            started = null;
        }
        toJoin.forEach(_ -> queue.add(new Stop()));
        boolean interrupted = false;
        for (Thread thread : toJoin) {
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
