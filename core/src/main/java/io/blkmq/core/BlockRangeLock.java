package io.blkmq.core;

import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.mq.CallbackFailures;
import io.blkmq.runtime.IoRuntime;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Lock;
import java.util.function.BooleanSupplier;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Exclusive locks on ranges of blocks. Who writes a part of a block has to read the block, change it and write it back; the lock
 * keeps all others who write to the block out meanwhile. Thread-safe.
 *
 * <p>Each block has a line of holds, in the order in which they were asked for, and a hold is granted once it is the first in the lines
 * of all its blocks: so nobody overtakes one that it would keep waiting, and ranges that do not meet never wait for each other. Blocks
 * whose lines agree are one {@link Part}: a part belongs to a hold and knows who comes next there.
 *
 * <pre>
 *   asked for in this order: A [0,4)  B [4,6)  C [2,9)  D [8,9)
 *
 *   blocks     0   1   2   3   4   5   6   7   8
 *   first      A-------A-------B-------C-------C--     parts of A: [0,2) and, before C, [2,4); of B: [4,6) before C;
 *   then               C-------C---------------D--     of C: [2,8) and, before D, [8,9); of D: [8,9)
 * </pre>
 *
 * <p>The last of each line is in a map by its first block. A new hold meets there all that it comes after, cuts at most two of these
 * parts in two, and takes their place with one of its own. So n holds make fewer than 4n parts in all, and asking and releasing take
 * n log n steps together. Who gives up while it waits joins those behind it to those before it: as many steps as there are such parts.
 * Of many that give up together the youngest goes first, since it has nobody behind it.
 *
 * <p>A thread waits for its hold by parking ({@link #lock}). An operation without a thread is told ({@link #request}), by work that
 * the runtime executes: never on the stack of who gave the range up, and never under the lock. Only on a polled disk it is told by the
 * completion that gave the range up, because the polling thread is the one that has to submit what follows, and elsewhere
 * by whoever gave the range up if the runtime does not take the work, for want of a thread; what is told then may give
 * ranges up in its turn, and those who get them are told after it has returned, so a long line is no deep stack.
 */
final class BlockRangeLock {
    private static final Comparator<Part> BY_BLOCK = Comparator.comparingLong(part -> part.first);

    private final IoRuntime runtime;
    private final @Nullable IntSupplier poll;
    private final Lock lock;
    /** The last parts of all lines, by their first blocks: they do not overlap. Guarded by the lock, as are all parts. */
    private final TreeMap<Long, Part> last = new TreeMap<>();
    /** How many holds were asked for. Guarded by the lock. */
    private long asked;
    /**
     * Those who are to be told by a thread that tells somebody, by that thread: on a polled disk, and where the runtime has
     * no thread for it.
     */
    private final Map<Thread, ArrayDeque<Runnable>> telling = new ConcurrentHashMap<>();

    /**
     * A lock that nobody has.
     *
     * @param runtime for waiting and telling
     * @param poll looks for completions and counts them, on a disk where whoever submits has to: a thread that waits does, and an operation that is told
     *        goes on where its blocks were given up. Null elsewhere
     */
    BlockRangeLock(IoRuntime runtime, @Nullable IntSupplier poll) {
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
                Parking.idle(runtime, poll.getAsInt());
            } else {
                Parking.park(runtime, this);
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

    // ---- the lines

    private void add(Hold hold) {
        assert hold.first < hold.end : "blocks " + hold.first + " to " + hold.end;
        lock.lock();
        try {
            hold.number = asked++;
            joinLines(hold);
            last.put(hold.first, new Part(hold, hold.first, hold.end));
            hold.granted = hold.before == null;
            hold.atOnce = hold.granted;
        } finally {
            lock.unlock();
        }
    }

    /** The hold comes after those that are the last on its blocks, and these are not the last there any more. */
    private void joinLines(Hold hold) {
        Map.Entry<Long, Part> entry = last.floorEntry(hold.first);
        if (entry == null || entry.getValue().end <= hold.first) {
            entry = last.higherEntry(hold.first);
        }
        while (entry != null && entry.getKey() < hold.end) {
            Part met = entry.getValue();
            if (met.first < hold.first) {
                // Its beginning stays the last of its lines, under the same key.
                met = met.cut(hold.first);
            } else {
                last.remove(met.first);
            }
            if (met.end > hold.end) {
                Part rest = met.cut(hold.end);
                last.put(rest.first, rest);
            }
            met.join(hold);
            entry = last.higherEntry(met.first);
        }
    }

    private void release(Hold released) {
        List<Hold> free;
        lock.lock();
        try {
            if (released.own == null) {
                return;
            }
            free = leaveLines(released);
        } finally {
            lock.unlock();
        }
        List<Runnable> told = List.of();
        for (Hold hold : free) {
            if (hold.thread != null) {
                runtime.unpark(hold.thread);
            } else if (hold.onGrant != null) {
                told = told.isEmpty() ? new ArrayList<>() : told;
                told.add(hold.onGrant);
            }
        }
        if (poll == null || CompletionBatch.current() == null) {
            handOver(told);
        } else if (!told.isEmpty()) {
            tellHere(told);
        }
    }

    /** Has the runtime tell. What it does not take is told on this thread, since those who are told have their blocks by now. */
    private void handOver(List<Runnable> told) {
        for (Runnable granted : told) {
            try {
                runtime.execute(granted);
            } catch (Throwable t) {
                CallbackFailures.report("telling on another thread who has blocks of a disk by now", t);
                tellHere(List.of(granted));
            }
        }
    }

    /** A hold goes, granted or not. Returns those who are granted by that, in the order in which they asked. */
    private List<Hold> leaveLines(Hold hold) {
        for (Part part = hold.own; part != null; part = part.nextOwn) {
            if (part.next == null) {
                last.remove(part.first);
            } else {
                part.leave(part.next);
            }
        }
        if (hold.before != null) {
            joinThoseAround(hold);
        }
        List<Hold> free = List.of();
        for (Part part = hold.own; part != null; part = part.nextOwn) {
            Hold next = part.next;
            if (next != null && next.before == null && !next.granted) {
                next.granted = true;
                free = free.isEmpty() ? new ArrayList<>() : free;
                free.add(next);
            }
        }
        hold.own = null;
        if (free.size() > 1) {
            free.sort(Comparator.comparingLong(granted -> granted.number));
        }
        return free;
    }

    /** On each block of a hold that gives up, who comes before it comes before those who come after it. */
    private void joinThoseAround(Hold hold) {
        // Both lie within the hold's range, and its own parts cover it. So of two that are walked side by side none is passed over.
        List<Part> earlier = new ArrayList<>();
        for (Part part = hold.before; part != null; part = part.nextBefore) {
            earlier.add(part);
        }
        earlier.sort(BY_BLOCK);
        List<Part> own = new ArrayList<>();
        for (Part part = hold.own; part != null; part = part.nextOwn) {
            own.add(part);
        }
        own.sort(BY_BLOCK);
        int at = 0;
        Part mine = own.getFirst();
        for (Part whole : earlier) {
            for (Part part = whole; part != null;) {
                while (mine.end <= part.first) {
                    mine = own.get(++at);
                }
                Part rest = part.end > mine.end ? part.cut(mine.end) : null;
                part.leave(hold);
                if (mine.next == null) {
                    part.next = null;
                    last.put(part.first, part);
                } else {
                    part.join(mine.next);
                }
                part = rest;
            }
        }
    }

    /**
     * Tells on this thread. Not inside of what is being told here already: that may give its range up at once, and so
     * on along a line of any length.
     */
    private void tellHere(List<Runnable> told) {
        Thread thread = Thread.currentThread();
        ArrayDeque<Runnable> outer = telling.get(thread);
        if (outer != null) {
            outer.addAll(told);
            return;
        }
        ArrayDeque<Runnable> waiting = new ArrayDeque<>(told);
        telling.put(thread, waiting);
        try {
            while (!waiting.isEmpty()) {
                tellOne(waiting.removeFirst());
            }
        } finally {
            telling.remove(thread);
        }
    }

    /** As the runtime does: after an error of one the others are told all the same. */
    private static void tellOne(Runnable granted) {
        try {
            granted.run();
        } catch (Throwable t) {
            CallbackFailures.report("an operation that was told that it has its blocks", t);
        }
    }

    /** Blocks of a hold that have the same hold behind it in their lines. Guarded by the lock. */
    private static final class Part {
        private final Hold owner;
        private final long first;
        private long end;
        /** Comes after the owner on these blocks; null if nobody does. */
        private @Nullable Hold next;
        private @Nullable Part nextOwn;
        /** Links the parts that have the same {@link #next}. */
        private @Nullable Part nextBefore;
        private @Nullable Part previousBefore;

        Part(Hold owner, long first, long end) {
            this.owner = owner;
            this.first = first;
            this.end = end;
            this.nextOwn = owner.own;
            owner.own = this;
        }

        /** Keeps the blocks before one, and returns a part with the rest. */
        Part cut(long at) {
            Part rest = new Part(owner, at, end);
            end = at;
            if (next != null) {
                rest.join(next);
            }
            return rest;
        }

        void join(Hold following) {
            next = following;
            previousBefore = null;
            nextBefore = following.before;
            if (nextBefore != null) {
                nextBefore.previousBefore = this;
            }
            following.before = this;
        }

        /** The hold waits for these blocks no longer. It stays {@link #next} until it is replaced. */
        void leave(Hold following) {
            if (previousBefore != null) {
                previousBefore.nextBefore = nextBefore;
            } else {
                following.before = nextBefore;
            }
            if (nextBefore != null) {
                nextBefore.previousBefore = previousBefore;
            }
            nextBefore = null;
            previousBefore = null;
        }
    }

    /** A range that somebody has or waits for. */
    final class Hold implements AutoCloseable {
        private final long first;
        private final long end;
        /** Waits for it; or null. */
        private final @Nullable Thread thread;
        /** Is told of it; or null. */
        private final @Nullable Runnable onGrant;
        /** How many were asked for before it. Guarded by the lock, as {@link #own} and {@link #before}. */
        private long number;
        /** Its parts, which cover its range; null once it is closed. */
        private @Nullable Part own;
        /** The parts of others that it comes after; null once there are none, and so once it is granted. */
        private @Nullable Part before;
        /** Written under the lock; a waiter reads it without. */
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
