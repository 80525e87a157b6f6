package io.blkmq.nbd.socket;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;

/**
 * Tasks for a loop, up to its end: each that was accepted is done. Who adds one looks afterwards whether the end has come; who ends it says
 * so, and then takes what is there. So a task that comes in between is taken by one of the two.
 */
public final class Tasks {
    private final ConcurrentLinkedQueue<Runnable> waiting = new ConcurrentLinkedQueue<>();
    /** Written before the last look at what waits; read after a task was added. Volatile for that. */
    private volatile boolean ended;

    /** Makes one that takes tasks. */
    public Tasks() {}

    /**
     * Adds a task. Any thread.
     *
     * @param task to be done by the loop
     * @return false if nobody will do it, since the loop has ended
     */
    public boolean add(Runnable task) {
        waiting.add(task);
        return !ended || !waiting.remove(task);
    }

    /**
     * Whether none waits.
     *
     * @return false once one was added
     */
    public boolean isEmpty() {
        return waiting.isEmpty();
    }

    /**
     * Does what waits. The loop's thread.
     *
     * @param how a task is done
     */
    public void runAll(Consumer<Runnable> how) {
        for (Runnable task = waiting.poll(); task != null; task = waiting.poll()) {
            how.accept(task);
        }
    }

    /**
     * Takes no more, and does what still waits. The loop's thread, as its last.
     *
     * @param how a task is done
     */
    public void end(Consumer<Runnable> how) {
        ended = true;
        runAll(how);
    }
}
