package io.blkmq.rbd.life;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * Threads that use something which is closed one day: an image's handle, a descriptor. They enter and leave; who closes lets nobody enter any more, and waits for
 * those who have. All steps are volatile, so what a visitor has done is seen by who closes.
 */
public final class Visits {
    private static final int CLOSED = Integer.MIN_VALUE;
    private static final long PAUSE_NANOS = 100_000L;

    /** How many there are; negative when it is closed. */
    private final AtomicInteger count = new AtomicInteger();

    /** Begins a visit; false if it is being closed. To be followed by {@link #leave} if true. Never waits. */
    public boolean enter() {
        if (count.getAndIncrement() >= 0) {
            return true;
        }
        leave();
        return false;
    }

    /** Ends a visit. */
    public void leave() {
        count.getAndDecrement();
    }

    /** Lets nobody enter any more, and waits until all have left. Once. */
    public void close() {
        count.getAndUpdate(visits -> visits | CLOSED);
        while (count.get() != CLOSED) {
            LockSupport.parkNanos(this, PAUSE_NANOS);
        }
    }
}
