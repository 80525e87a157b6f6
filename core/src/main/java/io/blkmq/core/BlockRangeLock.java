package io.blkmq.core;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Lock;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Exclusive locks on ranges of blocks. Who writes a part of a block has to read the block, change it and write it back; the lock
 * keeps all others who write to the block out meanwhile. Thread-safe.
 *
 * <p>Holds stand in one list, in the order in which they were asked for. A hold is granted once no hold before it in the list
 * overlaps it: so nobody overtakes one that it would keep waiting, and ranges that do not meet never wait for each other.
 * The list and all changes of {@link Hold#granted} are guarded by the lock; a waiter reads {@code granted} without it.
 */
final class BlockRangeLock {
    private final IoRuntime runtime;
    private final Lock lock;
    private final List<Hold> holds = new ArrayList<>();

    BlockRangeLock(IoRuntime runtime) {
        this.runtime = runtime;
        this.lock = runtime.newLock();
    }

    /**
     * Locks a range. Waits until nobody who came before has a part of it.
     *
     * @param first first block
     * @param end the block after the last one
     * @param goOn looked at while waiting, and whenever the thread is unparked
     * @return the hold, to be closed by any thread; null if {@code goOn} said no before it was granted
     */
    @Nullable
    Hold lock(long first, long end, BooleanSupplier goOn) {
        Hold hold = new Hold(first, end);
        lock.lock();
        try {
            holds.add(hold);
            hold.granted = isFree(hold);
        } finally {
            lock.unlock();
        }
        while (!hold.granted) {
            if (!goOn.getAsBoolean()) {
                hold.close();
                return null;
            }
            runtime.park(this);
        }
        return hold;
    }

    /** Under the lock: whether no hold before this one in the list overlaps it. */
    private boolean isFree(Hold hold) {
        for (Hold earlier : holds) {
            if (earlier.equals(hold)) {
                return true;
            }
            if (earlier.first < hold.end && hold.first < earlier.end) {
                return false;
            }
        }
        throw new AssertionError("a hold that is not in the list");
    }

    private void release(Hold released) {
        lock.lock();
        try {
            if (!holds.remove(released)) {
                return;
            }
            for (Hold hold : holds) {
                if (!hold.granted && isFree(hold)) {
                    hold.granted = true;
                    runtime.unpark(hold.thread);
                }
            }
        } finally {
            lock.unlock();
        }
    }

    /** A range that somebody has or waits for. */
    final class Hold implements AutoCloseable {
        private final long first;
        private final long end;
        private final Thread thread = Thread.currentThread();
        private volatile boolean granted;

        private Hold(long first, long end) {
            this.first = first;
            this.end = end;
        }

        /** Gives the range to those who wait for it. Closing again does nothing. */
        @Override
        public void close() {
            release(this);
        }
    }
}
