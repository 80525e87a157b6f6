package io.blkmq.nbd.server;

import java.util.concurrent.atomic.AtomicLong;

/** The memory of all requests. Any thread. */
final class MemoryBudget {
    private final long bytesMax;
    private final Runnable returned;
    private final AtomicLong used = new AtomicLong();
    /** Whether somebody was refused since memory last came back. Volatile: written after the refusal, and read after the return. */
    private volatile boolean wanted;

    /**
     * Makes one.
     *
     * @param bytesMax as much as may be taken
     * @param returned is run when memory came back that somebody waits for
     */
    MemoryBudget(long bytesMax, Runnable returned) {
        this.bytesMax = bytesMax;
        this.returned = returned;
    }

    boolean tryTake(long bytes) {
        if (tryTakeOnce(bytes)) {
            return true;
        }
        wanted = true;
        // What came back before the line above was told to nobody.
        return tryTakeOnce(bytes);
    }

    private boolean tryTakeOnce(long bytes) {
        long now;
        do {
            now = used.get();
            if (now + bytes > bytesMax) {
                return false;
            }
        } while (!used.compareAndSet(now, now + bytes));
        return true;
    }

    /** Takes what a connection needs that has nothing else: so each goes on, whatever the others hold. */
    void take(long bytes) {
        used.addAndGet(bytes);
    }

    void give(long bytes) {
        used.addAndGet(-bytes);
        if (wanted) {
            wanted = false;
            returned.run();
        }
    }

    long used() {
        return used.get();
    }
}
