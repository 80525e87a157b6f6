package io.blkmq.nbd.server;

import java.util.concurrent.atomic.AtomicLong;

/**
 * The memory of all requests. Any thread.
 *
 * <p>Who is refused says so and tries once more; who gives back looks at that afterwards. So one of the two sees the other, and nobody
 * waits for memory that is free.
 */
public final class MemoryBudget {
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
    public MemoryBudget(long bytesMax, Runnable returned) {
        this.bytesMax = bytesMax;
        this.returned = returned;
    }

    /**
     * Takes memory, if there is some.
     *
     * @param bytes how much
     * @return whether it was taken; otherwise the caller is told once some is back, if it asks again only then
     */
    public boolean tryTake(long bytes) {
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

    /**
     * Gives memory back.
     *
     * @param bytes as many as were taken
     */
    public void give(long bytes) {
        used.addAndGet(-bytes);
        if (wanted) {
            wanted = false;
            returned.run();
        }
    }

    /** Whether somebody waits for memory, as far as is known: who keeps some for later gives it back. */
    boolean isWanted() {
        return wanted;
    }

    long used() {
        return used.get();
    }
}
