package io.blkmq.core.mq;

import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.tag.Sbitmap;
import io.blkmq.runtime.IoRuntime;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Lock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The tags of one hardware context index, or of all of them if they are host-wide, and the requests that they stand for: a tag is a
 * preallocated request. The kernel's counterpart is {@code struct blk_mq_tags}.
 *
 * <p>Tags 0 to {@code reserved - 1} are handed out only to those who ask for reserved ones, the others to everybody.
 *
 * <p>Who finds no tag may wait: a thread that is parked, or a bio whose thread may not be. Waiting is a Dekker protocol of two volatile variables: a waiter raises
 * {@link #waiting} and then looks for a tag once more; who gives a tag back does so and then looks at {@code waiting}. One of
 * them sees the other. Where tags are shared the same holds for what bounds a {@link TagShare}: its count of held tags and the
 * number of active users change before the look at {@code waiting}.
 *
 * <p>While somebody waits, a tag that comes back goes from hand to hand and not by way of the bitmap, so that nobody who comes later
 * can take it before them: nobody starves. A wake-up is never put off until more tags have come back, as the kernel does: it would
 * be lost where the others are held for good.
 */
public final class Tags {
    private final Sbitmap bitmap;
    private final Sbitmap reservedBitmap;
    private final int reserved;
    /** The preallocated requests, by tag. */
    final TagRequest[] requests;
    /** The request that is in flight under each tag: its own, or a flush request that the tag was lent to. */
    private final TagRequest[] active;
    private final IoRuntime runtime;
    /** Of the PDUs. */
    private final Arena arena = Arena.ofShared();

    private final Lock lock;
    /** The users. Replaced under the lock. */
    private volatile TagShare[] shares = {};
    /** Whether there are several users now, and whether there ever were. Written under the lock. */
    private volatile boolean shared;
    private volatile boolean wasShared;
    private final AtomicInteger activeUsers = new AtomicInteger();
    /** How many threads and bios wait, of all users. */
    private final AtomicInteger waiting = new AtomicInteger();
    /** Contexts that have requests of an elevator's, and no tag for them. */
    final StarvedContexts withoutTag = new StarvedContexts();
    /** The user whose waiters come first. Written without order: any will do. */
    private int turn;

    Tags(int depth, int reserved, boolean roundRobin, IoRuntime runtime) {
        this.reserved = reserved;
        this.bitmap = new Sbitmap(depth - reserved, roundRobin);
        this.reservedBitmap = new Sbitmap(reserved);
        this.requests = new TagRequest[depth];
        this.active = new TagRequest[depth];
        this.runtime = runtime;
        this.lock = runtime.newLock();
    }

    /** Sets the request of a tag. While the tag set is built. */
    void place(int tag, TagRequest rq) {
        requests[tag] = rq;
        active[tag] = rq;
    }

    Arena arena() {
        return arena;
    }

    /** Frees the memory of the PDUs: nobody has a tag, and nobody will. */
    void close() {
        arena.close();
    }

    IoRuntime runtime() {
        return runtime;
    }

    int depth() {
        return requests.length;
    }

    /** How many tags there are for everybody. */
    int depthForAll() {
        return bitmap.depth();
    }

    public int words() {
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
    TagRequest active(int tag) {
        return active[tag];
    }

    /** Lends a tag to a flush request, or gives it back to its own. The holder of the tag. */
    void lend(int tag, TagRequest rq) {
        active[tag] = rq;
    }

    // ---- users

    TagWaiters newWaiters() {
        return new TagWaiters(runtime, waiting);
    }

    /** Lets one more use these tags. What was taken before they were shared is not counted. */
    void addShare(TagShare share) {
        lock.lock();
        try {
            TagShare[] more = Arrays.copyOf(shares, shares.length + 1);
            more[shares.length] = share;
            useShares(more);
        } finally {
            lock.unlock();
        }
    }

    /** A user has gone; it has no tags. Who waits leaves. */
    void dropShare(TagShare share) {
        lock.lock();
        try {
            useShares(Arrays.stream(shares).filter(other -> !other.equals(share)).toArray(TagShare[]::new));
        } finally {
            lock.unlock();
        }
        share.drop();
        // Whoever is alone now has no bound any more.
        serveWaiters();
    }

    /** Under the lock. */
    private void useShares(TagShare[] value) {
        wasShared |= value.length > 1;
        shares = value;
        shared = value.length > 1;
    }

    boolean isShared() {
        return shared;
    }

    int activeUsers() {
        return activeUsers.get();
    }

    void userBecameActive() {
        activeUsers.getAndIncrement();
    }

    void userBecameIdle() {
        activeUsers.getAndDecrement();
        // After that, like one who gives a tag back: the bound of the others has grown.
        serveWaiters();
    }

    // ---- the bitmap

    /** Whether tags go out in turn, and so one by one. */
    boolean isRoundRobin() {
        return bitmap.isRoundRobin();
    }

    /** Takes one tag. Returns its request or null. */
    @Nullable
    TagRequest take(EntryContext ctx) {
        if (bitmap.isRoundRobin()) {
            return takeInTurn();
        }
        int words = bitmap.words();
        int word = hint(ctx);
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

    /** Where a context begins to look: its hint, unless that is of other tags, a scheduler's for one, which have more words. */
    int hint(EntryContext ctx) {
        int word = ctx.hintWord;
        return word < bitmap.words() ? word : 0;
    }

    /** Takes one tag for a waiter. Returns its request or null. */
    @Nullable
    TagRequest takeAny() {
        if (bitmap.isRoundRobin()) {
            return takeInTurn();
        }
        for (int word = 0; word < bitmap.words(); word++) {
            long mask = bitmap.take(word, 1);
            if (mask != 0) {
                return requests[reserved + bitmap.bitOf(word, mask)];
            }
        }
        return null;
    }

    private @Nullable TagRequest takeInTurn() {
        int bit = bitmap.takeInTurn();
        return bit < 0 ? null : requests[reserved + bit];
    }

    /** Takes several tags of one word; not where they go out in turn. */
    long takeSome(int word, int count) {
        return bitmap.take(word, count);
    }

    /** The request of one tag of a word of those for everybody. */
    TagRequest request(int word, long mask) {
        return requests[reserved + bitmap.bitOf(word, mask)];
    }

    private TagRequest request(int word, long mask, boolean ofReserved) {
        return ofReserved ? requests[reservedBitmap.bitOf(word, mask)] : request(word, mask);
    }

    @Nullable
    TagRequest takeReserved() {
        for (int word = 0; word < reservedBitmap.words(); word++) {
            long mask = reservedBitmap.take(word, 1);
            if (mask != 0) {
                return requests[reservedBitmap.bitOf(word, mask)];
            }
        }
        return null;
    }

    /**
     * Gives tags back, all of one word and all reserved or all not, and serves those who wait. Which user took them does not matter: that
     * may be gone.
     */
    public void put(int word, long mask, boolean ofReserved) {
        if (wasShared && !ofReserved) {
            for (long left = mask; left != 0; left &= left - 1) {
                TagShare.uncount(request(word, Long.lowestOneBit(left)));
            }
        }
        long left = waiting.get() == 0 ? mask : handOver(word, mask, ofReserved);
        if (left != 0) {
            (ofReserved ? reservedBitmap : bitmap).give(word, left);
            // After the volatile add above: pairs with a waiter that raises `waiting` and then looks at the bitmap.
            if (waiting.get() != 0) {
                serveWaiters();
            }
        }
    }

    /**
     * A free tag was taken for a waiter and put back. In between it looked held by the queue that used it last, for which a freezer
     * may wait, and was missing for the contexts that have something to dispatch.
     */
    void lookAgain(TagRequest rq) {
        rq.tellTagLeft();
        for (TagShare share : shares) {
            share.tagsAdded();
        }
    }

    /** Gives tags from hand to hand. Returns those that nobody waited for or nobody is to have. */
    private long handOver(int word, long mask, boolean ofReserved) {
        long left = mask;
        for (long bits = mask; bits != 0; bits &= bits - 1) {
            long bit = Long.lowestOneBit(bits);
            if (!ofReserved && bitmap.bitOf(word, bit) >= bitmap.depth()) {
                // Beyond the depth since a resize: it comes to rest in the bitmap.
                continue;
            }
            TagRequest rq = request(word, bit, ofReserved);
            TagWaiter waiter = nextFor(rq);
            if (waiter == null) {
                break;
            }
            left ^= bit;
            waiter.serve(rq);
        }
        return left;
    }

    private @Nullable TagWaiter nextFor(TagRequest rq) {
        TagShare[] users = shares;
        int first = turn;
        for (int i = 0; i < users.length; i++) {
            int at = Math.floorMod(first + i, users.length);
            TagWaiter waiter = users[at].nextFor(rq);
            if (waiter != null) {
                turn = at + 1;
                return waiter;
            }
        }
        return null;
    }

    /** After there may be more tags than before, or a bound has grown: like one who gives a tag back. */
    void serveWaiters() {
        for (TagShare share : shares) {
            if (share.hasWaiters()) {
                share.serveWaiters();
            }
        }
    }

    /**
     * Sets how many tags are handed out. Those above the new depth that are held come back as always and are not handed out again.
     * {@link #serveWaiters} is due.
     *
     * @param value with the reserved ones, at most the depth that was allocated
     */
    void resize(int value) {
        bitmap.resize(value - reserved);
    }

    boolean hasFree() {
        return bitmap.hasFree();
    }

    /** How many tags are held; exact when nothing moves. */
    int heldCount() {
        return bitmap.heldCount() + reservedBitmap.heldCount();
    }

    /** Shows the requests of a queue that are active under a held tag. They may change at any moment. */
    void eachActiveOf(RequestQueue queue, Consumer<TagRequest> visitor) {
        eachActiveOf(queue, visitor, reservedBitmap, 0);
        eachActiveOf(queue, visitor, bitmap, reserved);
    }

    private void eachActiveOf(RequestQueue queue, Consumer<TagRequest> visitor, Sbitmap bits, int base) {
        for (int word = 0; word < bits.words(); word++) {
            for (long held = bits.held(word); held != 0; held &= held - 1) {
                TagRequest rq = active[base + bits.bitOf(word, Long.lowestOneBit(held))];
                if (rq.isOwnedBy(queue)) {
                    visitor.accept(rq);
                }
            }
        }
    }

    /** Whether the driver has been given a request under one of the tags, and it has not ended yet. */
    boolean isAnyBegun() {
        return isAnyBegun(reservedBitmap, 0) || isAnyBegun(bitmap, reserved);
    }

    private boolean isAnyBegun(Sbitmap bits, int base) {
        for (int word = 0; word < bits.words(); word++) {
            for (long held = bits.held(word); held != 0; held &= held - 1) {
                if (active[base + bits.bitOf(word, Long.lowestOneBit(held))].state() != TagRequest.IDLE) {
                    return true;
                }
            }
        }
        return false;
    }

    /** Whether a request of a queue holds a tag: the freeze's question. */
    boolean holdsAnyOf(RequestQueue queue) {
        return holdsAnyOf(queue, reservedBitmap, 0) || holdsAnyOf(queue, bitmap, reserved);
    }

    private boolean holdsAnyOf(RequestQueue queue, Sbitmap bits, int base) {
        for (int word = 0; word < bits.words(); word++) {
            for (long held = bits.held(word); held != 0; held &= held - 1) {
                if (requests[base + bits.bitOf(word, Long.lowestOneBit(held))].isOwnedBy(queue)) {
                    return true;
                }
            }
        }
        return false;
    }
}
