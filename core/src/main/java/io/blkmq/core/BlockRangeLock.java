package io.blkmq.core;

import io.blkmq.core.driver.CompletionBatch;
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
 *
 * <p>A thread waits for its hold by parking ({@link #lock}). An operation without a thread is told ({@link #request}), by work that
 * the runtime executes: never on the stack of who gave the range up, and never under the lock. Only on a polled disk it is told by the
 * completion that gave the range up, because the polling thread is the one that has to submit what follows.
 */
final class BlockRangeLock {
    private final IoRuntime runtime;
    private final @Nullable Runnable poll;
    private final Lock lock;
    private final List<Hold> holds = new ArrayList<>();

    /**
     * A lock that nobody has.
     *
     * @param runtime for waiting and telling
     * @param poll looks for completions, on a disk where whoever submits has to: a thread that waits does, and an operation that is told
     *        goes on where its blocks were given up. Null elsewhere
     */
    BlockRangeLock(IoRuntime runtime, @Nullable Runnable poll) {
        this.runtime = runtime;
        this.poll = poll;
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
        Hold hold = new Hold(first, end, Thread.currentThread(), null);
        add(hold);
        while (!hold.granted) {
            if (!goOn.getAsBoolean()) {
                hold.close();
                return null;
            }
            if (poll != null) {
                poll.run();
                runtime.spinWait();
            } else {
                runtime.park(this);
            }
        }
        return hold;
    }

    /**
     * Asks for a range and does not wait.
     *
     * @param first first block
     * @param end the block after the last one
     * @param granted executed by the runtime when nobody who came before has a part of the range any more; not at all if that is so
     *        already, or if the hold is closed before
     * @return the hold, to be closed by any thread, also to give up waiting for it
     */
    Hold request(long first, long end, Runnable granted) {
        Hold hold = new Hold(first, end, null, granted);
        add(hold);
        return hold;
    }

    private void add(Hold hold) {
        lock.lock();
        try {
            holds.add(hold);
            hold.granted = isFree(hold);
            hold.atOnce = hold.granted;
        } finally {
            lock.unlock();
        }
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
        List<Runnable> told = List.of();
        lock.lock();
        try {
            if (!holds.remove(released)) {
                return;
            }
            for (Hold hold : holds) {
                if (!hold.granted && isFree(hold)) {
                    hold.granted = true;
                    if (hold.thread != null) {
                        runtime.unpark(hold.thread);
                    } else if (hold.onGrant != null) {
                        told = told.isEmpty() ? new ArrayList<>() : told;
                        told.add(hold.onGrant);
                    }
                }
            }
        } finally {
            lock.unlock();
        }
        told.forEach(poll != null && CompletionBatch.current() != null ? Runnable::run : runtime::execute);
    }

    /** A range that somebody has or waits for. */
    final class Hold implements AutoCloseable {
        private final long first;
        private final long end;
        /** Waits for it; or null. */
        private final @Nullable Thread thread;
        /** Is told of it; or null. */
        private final @Nullable Runnable onGrant;
        private volatile boolean granted;
        /** Written before its owner gets it, by the same thread. */
        private boolean atOnce;

        private Hold(long first, long end, @Nullable Thread thread, @Nullable Runnable onGrant) {
            this.first = first;
            this.end = end;
            this.thread = thread;
            this.onGrant = onGrant;
        }

        /** Whether nobody had a part of the range when it was asked for. */
        boolean wasFree() {
            return atOnce;
        }

        /** Gives the range to those who wait for it. Closing again does nothing. */
        @Override
        public void close() {
            release(this);
        }
    }
}
