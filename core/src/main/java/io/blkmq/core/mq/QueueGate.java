package io.blkmq.core.mq;

import io.blkmq.runtime.IoRuntime;
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
 * <p>The state counts how often the gate has been closed. A submitter that finds the very state after it has taken its tag that it found
 * before it looked at anything, at limits or at maps, knows that none of it has changed in between: those change only while the
 * gate is closed, and cannot change any more while it has the tag.
 *
 * <p>Where queues share their tags, the owner of a held tag's request tells whose it is; it is written (volatile) between taking
 * the tag and reading {@code state}, so the argument holds for it too.
 */
final class QueueGate {
    private static final int FROZEN = 1;
    private static final int DYING = 2;
    private static final int CLOSING = 4;

    private final IoRuntime runtime;
    private final PollingPark parking;
    private final Lock lock;
    private int freezeDepth;
    private boolean dying;
    /** {@link #FROZEN} and {@link #DYING}, and above them how often the gate has been closed. Written under the lock. */
    private volatile int state;
    private final Queue<Thread> submitters = new ConcurrentLinkedQueue<>();
    private final Queue<Thread> freezers = new ConcurrentLinkedQueue<>();

    QueueGate(IoRuntime runtime, PollingPark parking) {
        this.runtime = runtime;
        this.parking = parking;
        this.lock = runtime.newLock();
    }

    /** The state, to be compared. */
    int state() {
        return state;
    }

    static boolean isOpen(int state) {
        return (state & (FROZEN | DYING)) == 0;
    }

    boolean isOpen() {
        return isOpen(state);
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
     * Closes the gate for good; those who wait are turned away.
     *
     * @return whether this was the first time
     */
    boolean kill() {
        boolean first;
        lock.lock();
        try {
            first = !dying;
            if (first) {
                dying = true;
                freezeDepth++;
            }
            publish();
        } finally {
            lock.unlock();
        }
        submitters.forEach(runtime::unpark);
        return first;
    }

    /** Under the lock. */
    private void publish() {
        int flags = (freezeDepth > 0 ? FROZEN : 0) | (dying ? DYING : 0);
        int closings = state & -CLOSING;
        state = (isOpen(state) && !isOpen(flags) ? closings + CLOSING : closings) | flags;
    }

    /**
     * Waits until the gate is open, or the queue is dying. Polls as long as polled I/O is in flight that the thread may poll for: it
     * keeps the freeze from ending, and so the gate from opening.
     *
     * @param interruptible whether an interrupt ends the wait; it is kept for the caller in any case
     * @return false if it ended by an interrupt
     */
    boolean awaitOpen(boolean interruptible) {
        boolean interrupted = false;
        submitters.add(Thread.currentThread());
        while (isFrozen() && !isDying()) {
            if (Thread.interrupted()) {
                interrupted = true;
                if (interruptible) {
                    break;
                }
            }
            parking.park(this);
        }
        submitters.remove(Thread.currentThread());
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return !(interrupted && interruptible);
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
