package io.blkmq.core.driver;

import io.blkmq.core.IoRuntime;
import java.util.ArrayDeque;
import java.util.function.Consumer;
import java.util.concurrent.locks.Lock;

/**
 * The tags of one hardware context index, and the requests that they stand for: a tag is a preallocated request. The kernel's
 * counterpart is {@code struct blk_mq_tags}.
 *
 * <p>Tags 0 to {@code reserved - 1} are handed out only to those who ask for reserved ones, the others to everybody.
 *
 * <p>A thread that finds no tag may wait. Waiting is a Dekker protocol of two volatile variables: a waiter raises
 * {@link #waiting} and then looks for a tag once more; who gives a tag back does so and then looks at {@code waiting}. One of
 * them sees the other. Tags are handed to waiters in the order in which they came, by the thread that gives them back and under
 * the lock. A thread that does not wait may take a tag before them, if it comes in between.
 */
final class Tags {
    private final Sbitmap bitmap;
    private final Sbitmap reservedBitmap;
    private final int reserved;
    /** The preallocated requests, by tag. */
    final Request[] requests;
    /** The request that is in flight under each tag: its own, or a flush request that the tag was lent to. */
    private final Request[] active;

    private final IoRuntime runtime;
    private final Lock lock;
    private final ArrayDeque<Waiter> waiters = new ArrayDeque<>();
    private final ArrayDeque<Waiter> reservedWaiters = new ArrayDeque<>();
    /** How many waiters there are. Written under the lock. */
    private volatile int waiting;

    Tags(int depth, int reserved, IoRuntime runtime) {
        this.reserved = reserved;
        this.bitmap = new Sbitmap(depth - reserved);
        this.reservedBitmap = new Sbitmap(reserved);
        this.requests = new Request[depth];
        this.active = new Request[depth];
        this.runtime = runtime;
        this.lock = runtime.newLock();
    }

    /** Sets the request of a tag. While the tag set is built. */
    void place(int tag, Request rq) {
        requests[tag] = rq;
        active[tag] = rq;
    }

    int depth() {
        return requests.length;
    }

    int words() {
        return bitmap.words();
    }

    /** Where a tag stands in its bitmap. */
    int wordOf(int tag) {
        return tag < reserved ? reservedBitmap.wordOf(tag) : bitmap.wordOf(tag - reserved);
    }

    long maskOf(int tag) {
        return tag < reserved ? reservedBitmap.maskOf(tag) : bitmap.maskOf(tag - reserved);
    }

    boolean isReserved(int tag) {
        return tag < reserved;
    }

    /** The request that is in flight under a tag. */
    Request active(int tag) {
        return active[tag];
    }

    /** Lends a tag to a flush request, or gives it back to its own. The holder of the tag. */
    void lend(int tag, Request rq) {
        active[tag] = rq;
    }

    /** Takes one tag; never waits. Returns its request or null. */
    @org.jspecify.annotations.Nullable
    Request tryGet(SoftwareContext ctx) {
        int words = bitmap.words();
        int word = ctx.hintWord;
        for (int i = 0; i < words; i++) {
            long mask = bitmap.take(word, 1);
            if (mask != 0) {
                if (i != 0) {
                    ctx.hintWord = word;
                }
                return requests[reserved + bitmap.bitOf(word, mask)];
            }
            word = word + 1 == words ? 0 : word + 1;
        }
        return null;
    }

    /**
     * Takes several tags of one word in one atomic step.
     *
     * @return their mask within the word, 0 if there is none
     */
    long takeSome(int word, int count) {
        return bitmap.take(word, count);
    }

    /** The request of one tag of a mask that {@link #takeSome} gave. */
    Request request(int word, long mask) {
        return requests[reserved + bitmap.bitOf(word, mask)];
    }

    /** Takes a reserved tag; never waits. Returns its request or null. */
    @org.jspecify.annotations.Nullable
    Request tryGetReserved() {
        for (int word = 0; word < reservedBitmap.words(); word++) {
            long mask = reservedBitmap.take(word, 1);
            if (mask != 0) {
                return requests[reservedBitmap.bitOf(word, mask)];
            }
        }
        return null;
    }

    /** Gives tags back, all of one word and all reserved or all not, and serves those who wait. */
    void put(int word, long mask, boolean fromReserved) {
        (fromReserved ? reservedBitmap : bitmap).give(word, mask);
        // After the volatile add above: pairs with a waiter that raises `waiting` and then looks at the bitmap.
        if (waiting != 0) {
            serveWaiters();
        }
    }

    private void serveWaiters() {
        lock.lock();
        try {
            serve(waiters, false);
            serve(reservedWaiters, true);
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Under the lock. */
    private void serve(ArrayDeque<Waiter> line, boolean fromReserved) {
        for (Waiter waiter = line.peekFirst(); waiter != null; waiter = line.peekFirst()) {
            Request rq = fromReserved ? tryGetReserved() : tryGet(waiter.ctx);
            if (rq == null) {
                return;
            }
            line.removeFirst();
            waiter.serve(rq);
            runtime.unpark(waiter.thread);
        }
    }

    /** Under the lock. */
    private void countWaiting() {
        waiting = waiters.size() + reservedWaiters.size();
    }

    /**
     * Waits for a tag. An interrupt does not end the wait and is kept for the caller.
     *
     * @param fromReserved whether for a reserved one
     * @return the request, never null
     */
    Request await(SoftwareContext ctx, boolean fromReserved) {
        Waiter waiter = new Waiter(Thread.currentThread(), ctx);
        lock.lock();
        try {
            (fromReserved ? reservedWaiters : waiters).addLast(waiter);
            countWaiting();
        } finally {
            lock.unlock();
        }
        // Once more, now that givers see the waiter; in turn, because others may stand before it.
        serveWaiters();
        boolean interrupted = false;
        Request rq;
        while ((rq = waiter.served) == null) {
            runtime.park(this);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return rq;
    }

    boolean hasFree() {
        return bitmap.hasFree();
    }

    /** How many tags are held; exact when nothing moves. */
    int heldCount() {
        return bitmap.heldCount() + reservedBitmap.heldCount();
    }

    /** Shows the requests of a queue that are active under a held tag. They may change at any moment. */
    void eachActiveOf(RequestQueue queue, Consumer<Request> visitor) {
        eachActiveOf(queue, visitor, reservedBitmap, 0);
        eachActiveOf(queue, visitor, bitmap, reserved);
    }

    private void eachActiveOf(RequestQueue queue, Consumer<Request> visitor, Sbitmap bits, int base) {
        for (int word = 0; word < bits.words(); word++) {
            for (long held = bits.held(word); held != 0; held &= held - 1) {
                Request rq = active[base + bits.bitOf(word, Long.lowestOneBit(held))];
                if (rq.ownerVolatile() == queue) {
                    visitor.accept(rq);
                }
            }
        }
    }

    /** Whether a request of a queue holds a tag: the freeze's question. */
    boolean holdsAnyOf(RequestQueue queue) {
        return holdsAnyOf(queue, reservedBitmap, 0) || holdsAnyOf(queue, bitmap, reserved);
    }

    private boolean holdsAnyOf(RequestQueue queue, Sbitmap bits, int base) {
        for (int word = 0; word < bits.words(); word++) {
            for (long held = bits.held(word); held != 0; held &= held - 1) {
                if (requests[base + bits.bitOf(word, Long.lowestOneBit(held))].ownerVolatile() == queue) {
                    return true;
                }
            }
        }
        return false;
    }

    /** A thread that waits for a tag. */
    private static final class Waiter {
        final Thread thread;
        final SoftwareContext ctx;
        /** Written under the lock of the tags, read by the waiter without. */
        volatile @org.jspecify.annotations.Nullable Request served;

        Waiter(Thread thread, SoftwareContext ctx) {
            this.thread = thread;
            this.ctx = ctx;
        }

        void serve(Request rq) {
            served = rq;
        }
    }
}
