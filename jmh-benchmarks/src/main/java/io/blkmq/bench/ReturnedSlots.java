package io.blkmq.bench;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Numbers that any thread puts and one thread takes, in a ring that is never full because there are no more numbers than places.
 * Allocates nothing.
 */
final class ReturnedSlots {
    static final int NONE = Integer.MIN_VALUE;
    private static final int SPINS_MAX = 100;

    private final AtomicIntegerArray ring;
    private final int mask;
    private final AtomicInteger tail = new AtomicInteger();
    private int head;
    private volatile @Nullable Thread waiting;

    ReturnedSlots(int places) {
        int size = Integer.highestOneBit(Math.max(2 * places - 1, 1));
        ring = new AtomicIntegerArray(size);
        mask = size - 1;
        for (int i = 0; i < size; i++) {
            ring.set(i, NONE);
        }
    }

    /** Any thread. */
    void put(int slot) {
        ring.set(tail.getAndIncrement() & mask, slot);
        Thread taker = waiting;
        if (taker != null) {
            LockSupport.unpark(taker);
        }
    }

    /** The oldest, or NONE. */
    int poll() {
        int slot = ring.get(head & mask);
        if (slot != NONE) {
            ring.set(head & mask, NONE);
            head++;
        }
        return slot;
    }

    /** The oldest, waited for. */
    int await() {
        for (int i = 0; i < SPINS_MAX; i++) {
            int slot = poll();
            if (slot != NONE) {
                return slot;
            }
            Thread.onSpinWait();
        }
        waiting = Thread.currentThread();
        try {
            while (true) {
                int slot = poll();
                if (slot != NONE) {
                    return slot;
                }
                LockSupport.park(this);
            }
        } finally {
            waiting = null;
        }
    }
}
