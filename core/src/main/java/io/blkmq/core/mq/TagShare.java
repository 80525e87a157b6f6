package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * What one user has of a set of tags: the threads and bios that wait for its tags, and where the tags are shared, how many it holds and may
 * hold. The user is a hardware context, or where the tags are host-wide a queue with all its contexts.
 *
 * <p>Who is served in line gets a tag that is its queue's already ({@link TagRequest#ownBy}): a freezer of the queue that looks at the tags
 * later waits for it. One that has looked before had closed the gate before that, and the waiter finds it closed or the closing counted,
 * and gives the tag back: to the tags that it is of, whatever has become of contexts and elevators meanwhile.
 *
 * <p>Of shared tags a user may hold {@code max(ceil(depth / active users), 4)}. It becomes active with its first tag and idle when
 * its queue has had none for a time-out ({@link Timeouts}). The bound is looked at before a tag is taken and the tag is counted after
 * it, so threads that take at the same moment may exceed it by their number; counting first would make others see tags that nobody
 * has, and wait for them.
 */
public final class TagShare {
    /** A user may always hold as many. */
    private static final int SHARE_MIN = 4;
    /** No bound of its own. */
    private static final int FAIR = 0;

    public final Tags tags;
    private final QueueSettings queue;
    private final TagWaiters waiters;
    private final TagWaiters reservedWaiters;
    /** Tags held and counted: only what was taken while the tags were shared. Reserved tags are not counted. */
    private final AtomicInteger held = new AtomicInteger();
    private final AtomicBoolean active = new AtomicBoolean();
    /** How many tags it may hold, {@link #FAIR} for its fair share. */
    private volatile int bound = FAIR;
    /** Whether the user has gone. A thread that still comes with a map of before finds it so, and takes another way. */
    private volatile boolean dropped;

    private TagShare(Tags tags, QueueSettings queue) {
        this.tags = tags;
        this.queue = queue;
        this.waiters = tags.newWaiters();
        this.reservedWaiters = tags.newWaiters();
    }

    /** Lets a queue use tags, or one of its hardware contexts. */
    static TagShare of(Tags tags, QueueSettings queue) {
        TagShare share = new TagShare(tags, queue);
        tags.addShare(share);
        return share;
    }

    /**
     * Gives the user a bound of its own in place of a fair share: an elevator's for what it does not want to have all tags.
     *
     * @param most at least 1; {@link Integer#MAX_VALUE} for no bound at all
     */
    void bound(int most) {
        int before = bound;
        if (before != most) {
            bound = most;
            if (most > before) {
                tags.serveWaiters();
            }
        }
    }

    /** Takes one tag; never waits. Returns its request or null. */
    @Nullable
    public TagRequest tryGet(EntryContext ctx) {
        if (!tags.isShared()) {
            return tags.take(ctx);
        }
        activate();
        if (room() <= 0) {
            return null;
        }
        TagRequest rq = tags.take(ctx);
        if (rq != null) {
            count(rq);
        }
        return rq;
    }

    /** Takes one tag from wherever there is one; never waits. Returns its request or null. */
    @Nullable
    TagRequest tryGetAny() {
        if (tags.isShared()) {
            activate();
        }
        return takeBounded();
    }

    private @Nullable TagRequest takeBounded() {
        if (!tags.isShared()) {
            return tags.takeAny();
        }
        if (room() <= 0) {
            return null;
        }
        TagRequest rq = tags.takeAny();
        if (rq != null) {
            count(rq);
        }
        return rq;
    }

    /** Takes a reserved tag; never waits. Returns its request or null. */
    @Nullable
    TagRequest tryGetReserved() {
        return tags.takeReserved();
    }

    /**
     * Takes several tags of one word in one atomic step.
     *
     * @return their mask within the word, 0 if there is none
     */
    public long takeSome(int word, int count) {
        if (!tags.isShared()) {
            return tags.takeSome(word, count);
        }
        activate();
        int some = Math.min(count, room());
        long mask = some <= 0 ? 0 : tags.takeSome(word, some);
        for (long left = mask; left != 0; left &= left - 1) {
            count(tags.request(word, Long.lowestOneBit(left)));
        }
        return mask;
    }

    private void count(TagRequest rq) {
        if (bound != Integer.MAX_VALUE) {
            rq.countedIn = held;
            held.getAndIncrement();
        }
    }

    /** A tag is being given back: before it is free, since who waits looks at both. */
    static void uncount(TagRequest rq) {
        AtomicInteger counted = rq.countedIn;
        if (counted != null) {
            rq.countedIn = null;
            counted.getAndDecrement();
        }
    }

    private void activate() {
        if (bound == FAIR && !active.get() && active.compareAndSet(false, true)) {
            tags.userBecameActive();
            if (dropped) {
                // Nobody else would: pairs with drop, which says so and then makes it idle.
                becomeIdle();
            } else {
                // Also if it gets no tag: the timer makes it idle again.
                queue.timeouts().shareBecameActive();
            }
        }
    }

    /** The user has gone: it counts no more, and who still waits in its lines has to look elsewhere. */
    void drop() {
        dropped = true;
        becomeIdle();
        wakeWaiters();
    }

    /** Lets all who wait look whether they still may: after {@link #dropped} or the end of the queue has been said. */
    void wakeWaiters() {
        waiters.wakeAll();
        reservedWaiters.wakeAll();
    }

    /** The queue has had no tag for a while: the others may hold more. */
    void becomeIdle() {
        if (active.compareAndSet(true, false)) {
            tags.userBecameIdle();
        }
    }

    boolean isActive() {
        return active.get();
    }

    /** How many tags the user may take besides those that it holds. */
    private int room() {
        int own = bound;
        if (own != FAIR) {
            return own - held.get();
        }
        int depth = tags.depthForAll();
        int users = tags.activeUsers();
        if (depth == 1 || users <= 1) {
            return depth;
        }
        return Math.max((depth + users - 1) / users, SHARE_MIN) - held.get();
    }

    boolean mayTake() {
        return !tags.isShared() || room() > 0;
    }

    /** There are more tags, or one that looked held is free. */
    void tagsAdded() {
        queue.tagsAdded();
    }

    /** How many of its tags are counted as held. */
    int heldCount() {
        return held.get();
    }

    // ---- waiting

    boolean hasWaiters() {
        return !waiters.isEmpty() || !reservedWaiters.isEmpty();
    }

    int waiterCount() {
        return waiters.count() + reservedWaiters.count();
    }

    /** How many bios stand in line without a thread. */
    int bioCount() {
        return waiters.bios();
    }

    /**
     * Waits for a tag.
     *
     * @param reserved whether for a reserved one
     * @param interruptible whether an interrupt ends the wait; else it is kept for the caller
     * @return the request; null if the calling thread was interrupted, which it then still is, or if no tag will come here any more
     */
    @Nullable
    TagRequest await(EntryContext ctx, boolean reserved, boolean interruptible) {
        PollingPark parking = queue.shared.parking;
        TagWaiters line = reserved ? reservedWaiters : waiters;
        TagWaiters.ParkedThread waiter = line.join();
        // Once more, now that givers see the waiter; in turn, because others may stand before it.
        serve(line, ctx);
        // A bio that stood before it may have gone on on this thread, and what that has ended may have used its plugs.
        OpenPlugs.flushOwn();
        boolean interrupted = false;
        TagRequest rq;
        while ((rq = waiter.served()) == null) {
            interrupted |= Thread.interrupted();
            // After joining: pairs with who ends the queue or drops the share, says so and then wakes those who stand in line.
            if (((interrupted && interruptible) || dropped || queue.isDying()) && line.leave(waiter)) {
                break;
            }
            // Looked at again: waiting for the lock of the line may have used up the wake-up of who served.
            if (waiter.served() == null) {
                parking.park(this);
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return rq;
    }

    /**
     * A bio waits for a tag without a thread. It is the line's from here on, and goes on in a {@link Trampoline}: with its tag, or
     * without one if none will come here any more. The calling thread is in the block layer.
     */
    void await(Bio bio, EntryContext ctx) {
        waiters.join(bio);
        serve(waiters, ctx);
        // After joining, as a thread does.
        if ((dropped || queue.isDying()) && waiters.leave(bio)) {
            BioState state = bio;
            state.wake();
        }
    }

    /** Serves those who wait while there are tags. */
    void serveWaiters() {
        serve(waiters, null);
        serve(reservedWaiters, null);
    }

    private void serve(TagWaiters line, @Nullable EntryContext ctx) {
        while (!line.isEmpty()) {
            TagRequest rq = takeFor(line, ctx);
            if (rq == null) {
                return;
            }
            TagWaiter waiter = line.next();
            if (waiter != null) {
                rq.ownBy(queue);
                waiter.serve(rq);
                continue;
            }
            // Whoever waited has left, or was served by another. A tag that goes back has to be offered to all.
            tags.put(rq.word, rq.mask, rq.reserved);
            tags.lookAgain(rq);
        }
    }

    private @Nullable TagRequest takeFor(TagWaiters line, @Nullable EntryContext ctx) {
        if (line == reservedWaiters) {
            return tryGetReserved();
        }
        if (ctx != null) {
            return tryGet(ctx);
        }
        return takeBounded();
    }

    /** The next one who waits for a tag that is being given back, and may have it; null if there is none. The tag is counted, and owned. */
    @Nullable
    TagWaiter nextFor(TagRequest rq) {
        if (!rq.reserved && (waiters.isEmpty() || !mayTake())) {
            return null;
        }
        TagWaiter waiter = (rq.reserved ? reservedWaiters : waiters).next();
        if (waiter != null) {
            if (!rq.reserved && tags.isShared()) {
                count(rq);
            }
            rq.ownBy(queue);
        }
        return waiter;
    }
}
