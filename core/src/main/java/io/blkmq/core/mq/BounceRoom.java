package io.blkmq.core.mq;

import java.util.concurrent.atomic.AtomicLong;

/** How much memory the bounce buffers of one queue take at a time. */
final class BounceRoom {
    /** The most of it, unless a single bio is larger. */
    static final long BYTES_MAX = 16L << 20;

    private final String queue;
    private final Runnable given;
    private final AtomicLong bytesNow = new AtomicLong();

    /**
     * Makes it.
     *
     * @param queue its name
     * @param given is called after some has been given back
     */
    BounceRoom(String queue, Runnable given) {
        this.queue = queue;
        this.given = given;
    }

    /** Whose it is, for people. */
    String queue() {
        return queue;
    }

    boolean take(long bytes) {
        for (;;) {
            long now = bytesNow.get();
            if (!isEnough(now, bytes)) {
                return false;
            }
            if (bytesNow.compareAndSet(now, now + bytes)) {
                return true;
            }
        }
    }

    /** Whether so much could be taken now. */
    boolean has(long bytes) {
        return isEnough(bytesNow.get(), bytes);
    }

    void give(long bytes) {
        bytesNow.addAndGet(-bytes);
        given.run();
    }

    private static boolean isEnough(long now, long bytes) {
        return now == 0 || now + bytes <= BYTES_MAX;
    }
}
