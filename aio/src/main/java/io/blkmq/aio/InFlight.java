package io.blkmq.aio;

import java.util.concurrent.atomic.AtomicLong;

/**
 * Counts operations from acceptance until they have been told, and closes: one word, whose sign says closed and whose
 * other bits count. Used by the engines without a ring. Any thread may call it.
 */
final class InFlight {

    private static final long CLOSED = Long.MIN_VALUE;

    private final AtomicLong word = new AtomicLong();
    private final AtomicLong submitted = new AtomicLong();

    /** Counts one more, unless closed. */
    boolean enter() {
        long was;
        do {
            was = word.get();
            if (was < 0) {
                return false;
            }
        } while (!word.compareAndSet(was, was + 1));
        submitted.getAndIncrement();
        return true;
    }

    /** One has been told. */
    void leave() {
        if (word.decrementAndGet() == CLOSED) {
            synchronized (this) {
                notifyAll();
            }
        }
    }

    /** Lets nothing enter any more; false if that was so already. */
    boolean close() {
        return word.getAndUpdate(was -> was | CLOSED) >= 0;
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
