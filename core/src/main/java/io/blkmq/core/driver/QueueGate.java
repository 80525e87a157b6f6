package io.blkmq.core.driver;

import io.blkmq.core.IoRuntime;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.Lock;

/**
 * The gate that every request of a queue passes, and that a freeze closes.
 *
 * <p>There is no counter of requests: a held tag is the reference that a freeze waits for. A submitter takes a tag and then reads
 * {@link #state}; a freezer closes the gate and then looks at the tags. Both pairs are volatile accesses in a total order, so
 * either the freezer sees the tag and waits for it, or the submitter sees the closed gate and gives the tag back. A thread that
 * gives tags back does so and then reads {@code state}, so that it sees a freezer that saw its tag.
 *
 * <p>Where queues share their tags, the owner of a held tag's request tells whose it is; it is written (volatile) between taking
 * the tag and reading {@code state}, so the argument holds for it too.
 */
final class QueueGate {
    static final int OPEN = 0;
    static final int FROZEN = 1;
    static final int DYING = 2;

    private final IoRuntime runtime;
    private final Lock lock;
    private int freezeDepth;
    private boolean dying;
    /** {@link #OPEN} or a set of the others. Written under the lock. */
    private volatile int state = OPEN;
    private final Queue<Thread> submitters = new ConcurrentLinkedQueue<>();
    private final Queue<Thread> freezers = new ConcurrentLinkedQueue<>();

    QueueGate(IoRuntime runtime) {
        this.runtime = runtime;
        this.lock = runtime.newLock();
    }

    boolean isOpen() {
        return state == OPEN;
    }

    boolean isFrozen() {
        return (state & FROZEN) != 0;
    }

    boolean isDying() {
        return (state & DYING) != 0;
    }

    /** Closes the gate, once more if it is closed. */
    void close() {
        lock.lock();
        try {
            freezeDepth++;
            publish();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes one {@link #close} back.
     *
     * @return whether the gate has become open
     */
    boolean reopen() {
        boolean open;
        lock.lock();
        try {
            if (freezeDepth == 0) {
                throw new IllegalStateException("unfreeze without freeze");
            }
            freezeDepth--;
            publish();
            open = freezeDepth == 0;
        } finally {
            lock.unlock();
        }
        if (open) {
            submitters.forEach(runtime::unpark);
        }
        return open;
    }

    /**
     * Lets nobody in any more; those who wait are turned away.
     *
     * @return whether this was the first time
     */
    boolean kill() {
        boolean first;
        lock.lock();
        try {
            first = !dying;
            dying = true;
            publish();
        } finally {
            lock.unlock();
        }
        submitters.forEach(runtime::unpark);
        return first;
    }

    /** Under the lock. */
    private void publish() {
        state = (freezeDepth > 0 ? FROZEN : 0) | (dying ? DYING : 0);
    }

    /** Waits until the gate is open, or the queue is dying. An interrupt does not end the wait and is kept for the caller. */
    void awaitOpen() {
        boolean interrupted = false;
        submitters.add(Thread.currentThread());
        while (isFrozen() && !isDying()) {
            runtime.park(this);
            interrupted |= Thread.interrupted();
        }
        submitters.remove(Thread.currentThread());
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Tags have been given back: after that, and while the gate is not open, a freezer may have what it waits for. */
    void tagsFreed() {
        freezers.forEach(runtime::unpark);
    }

    /** Lets the calling thread be woken by {@link #tagsFreed}. */
    void freezerComes() {
        freezers.add(Thread.currentThread());
    }

    void freezerGoes() {
        freezers.remove(Thread.currentThread());
    }
}
