package io.blkmq.aio;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Counts operations from acceptance until they have been told, bounds how many there are, and closes. Used by the
 * engines without a ring. Any thread may call it.
 *
 * <p>There are two counts. A place is taken from acceptance until just before the completion is called, so that the
 * completion can submit the next operation even where all places were taken. What close waits for, and the word with
 * the closed bit counts, is in flight until the completion has returned.
 */
final class InFlight {

    private static final long CLOSED = Long.MIN_VALUE;

    private final int placesMax;
    private final AtomicInteger places = new AtomicInteger();
    private final AtomicLong word = new AtomicLong();
    private final AtomicLong submitted = new AtomicLong();

    InFlight(int placesMax) {
        this.placesMax = placesMax;
    }

    /** Counts one more: 0, or -EINVAL if it is closed, or -EAGAIN if all places are taken. */
    int enter() {
        int taken;
        do {
            taken = places.get();
            if (taken >= placesMax) {
                return word.get() < 0 ? -Errno.EINVAL : -Errno.EAGAIN;
            }
        } while (!places.compareAndSet(taken, taken + 1));
        long was;
        do {
            was = word.get();
            if (was < 0) {
                places.getAndDecrement();
                return -Errno.EINVAL;
            }
        } while (!word.compareAndSet(was, was + 1));
        submitted.getAndIncrement();
        return 0;
    }

    /** One is about to be told. */
    void leavePlace() {
        places.getAndDecrement();
    }

    /** One has been told. */
    void leave() {
        if (word.decrementAndGet() == CLOSED) {
            synchronized (this) {
                notifyAll();
            }
        }
    }

    /** Lets nothing enter any more. */
    void close() {
        long _ = word.getAndUpdate(was -> was | CLOSED);
    }

    boolean isClosed() {
        return word.get() < 0;
    }

    /** Those accepted and not yet about to be told. */
    int places() {
        return places.get();
    }

    long count() {
        return word.get() & ~CLOSED;
    }

    long submitted() {
        return submitted.get();
    }

    /** Waits until none is left. An interrupt does not end the wait; it is there again afterwards. */
    void awaitNone() {
        boolean interrupted = false;
        synchronized (this) {
            while (count() != 0) {
                try {
                    wait();
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
