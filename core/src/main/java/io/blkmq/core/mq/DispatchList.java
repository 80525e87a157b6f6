package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.QueueLimits;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * The requests that wait for a hardware context, in order, and what holds them back: {@link DispatchContext#stop}, a quiesced queue, or the
 * end of the device. Guarded by one lock; {@link #waiting} is for those who only look.
 *
 * <p>The thread that serves the list takes its first request in hand: it goes on counting as waiting, so that nothing overtakes it before the
 * driver has decided.
 */
final class DispatchList {
    /** How many of the newest requests are looked at for a merge. */
    private static final int MERGE_LOOKS = 8;
    private static final int HELD = 1 << 30;

    private final QueueSettings queue;
    /** Whether an agent serves the list. */
    private final boolean forAgent;
    private final Lock lock;
    private final ArrayDeque<TagRequest> dispatch = new ArrayDeque<>();
    /** Whether the thread that serves the list holds its first request in hand. Guarded by the lock. */
    private boolean inHand;
    /** Whether the agent is, or is about to be, in the driver. Guarded by the lock. */
    private boolean agentBusy;
    /** Whether the context is stopped, and whether its queue is quiesced. Guarded by the lock. */
    private boolean stopped;
    private boolean quiesced;
    /** Whether the device is gone. Guarded by the lock for writing. */
    private volatile boolean dead;
    /**
     * 0 if requests may go straight to the driver. Otherwise the length of the list, with the request in hand, and {@link #HELD} if nothing may
     * be dispatched. Written under the lock.
     */
    private volatile int waiting;

    DispatchList(QueueSettings queue, boolean forAgent) {
        this.queue = queue;
        this.forAgent = forAgent;
        this.lock = queue.tagSet().runtime().newLock();
    }

    /** Whether requests may go straight to the driver: nothing waits, and nothing holds them. */
    boolean isOpen() {
        return waiting == 0;
    }

    /** Whether one request waits, perhaps in hand, and nothing holds it. */
    boolean isLast() {
        return waiting == 1;
    }

    int length() {
        return waiting & ~HELD;
    }

    boolean isDead() {
        return dead;
    }

    /** The device is gone: from here on nothing is given out but by {@link #takeForEnd}. */
    void die() {
        lock.lock();
        try {
            dead = true;
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Takes the first request off the list, for its end. */
    @Nullable
    TagRequest takeForEnd() {
        lock.lock();
        try {
            TagRequest rq = dispatch.pollFirst();
            countWaiting();
            return rq;
        } finally {
            lock.unlock();
        }
    }

    /** The agent has left the driver. */
    void agentLeaves() {
        lock.lock();
        try {
            agentBusy = false;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Lets a bio join one of the last few requests of its software context on the dispatch list.
     *
     * @return whether it has
     */
    boolean merge(Bio bio, EntryContext ctx, QueueLimits limits) {
        lock.lock();
        try {
            if (queue.limits() != limits) {
                return false;
            }
            int looks = queue.mergesFurther() ? MERGE_LOOKS : 1;
            Iterator<TagRequest> newest = dispatch.descendingIterator();
            for (int i = 0; i < looks && newest.hasNext(); i++) {
                TagRequest rq = newest.next();
                if (rq.softwareContext() == ctx
                        && (Merging.append(rq, bio, limits) || Merging.prepend(rq, bio, limits))) {
                    return true;
                }
            }
            return false;
        } finally {
            lock.unlock();
        }
    }

    void setStopped(boolean value) {
        lock.lock();
        try {
            stopped = value;
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Holds dispatch for the queue, or lets it go on: then {@link DispatchContext#run} is due. */
    void setQuiesced(boolean value) {
        lock.lock();
        try {
            quiesced = value;
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Ends every hold; {@link DispatchContext#run} is due. */
    void letGo() {
        lock.lock();
        try {
            stopped = false;
            quiesced = false;
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    boolean isStopped() {
        lock.lock();
        try {
            return stopped;
        } finally {
            lock.unlock();
        }
    }

    /** Puts a request behind those that wait. */
    void defer(TagRequest rq) {
        lock.lock();
        try {
            dispatch.addLast(rq);
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Puts a request before those that wait. */
    void deferFirst(TagRequest rq) {
        lock.lock();
        try {
            dispatch.addFirst(rq);
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    void deferFrom(IssueBatch requests, int first, long sentNanos) {
        lock.lock();
        try {
            for (int i = first; i < requests.size(); i++) {
                TagRequest rq = requests.request(i);
                rq.sent(sentNanos);
                dispatch.addLast(rq);
            }
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Under the lock. */
    private void countWaiting() {
        waiting = dispatch.size() + (inHand ? 1 : 0) + (stopped || quiesced || dead ? HELD : 0);
    }

    /** Like {@link #takeInHand}, for a request that the elevator is going to give out. Returns false if nothing may go. */
    boolean beginHand() {
        lock.lock();
        try {
            if (stopped || quiesced || dead) {
                return false;
            }
            inHand = true;
            agentBusy |= forAgent;
            countWaiting();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes the first request off the list: once the driver has it, it may come back as a new one. It goes on counting as
     * waiting, so that nothing overtakes it before the driver has decided.
     */
    @Nullable
    TagRequest takeInHand() {
        lock.lock();
        try {
            TagRequest rq = stopped || quiesced || dead ? null : dispatch.pollFirst();
            inHand = rq != null;
            agentBusy |= inHand && forAgent;
            countWaiting();
            return rq;
        } finally {
            lock.unlock();
        }
    }

    @Nullable
    TagRequest takeTaggedInHand() {
        lock.lock();
        try {
            if (stopped || quiesced || dead) {
                return null;
            }
            for (TagRequest rq : dispatch) {
                if (!rq.isOfElevator()) {
                    dispatch.remove(rq);
                    inHand = true;
                    agentBusy |= forAgent;
                    countWaiting();
                    return rq;
                }
            }
            return null;
        } finally {
            lock.unlock();
        }
    }

    void putFromHand(@Nullable TagRequest refused) {
        lock.lock();
        try {
            inHand = false;
            if (refused != null) {
                dispatch.addFirst(refused);
            }
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    /** Puts what was in hand and has not been given to the driver before all that wait, in order. */
    void putFromHand(ScheduledBatch hand, int first) {
        lock.lock();
        try {
            inHand = false;
            for (int i = hand.count() - 1; i >= first; i--) {
                dispatch.addFirst(hand.carrier(i));
            }
            countWaiting();
        } finally {
            lock.unlock();
        }
    }

    boolean isAgentBusy() {
        lock.lock();
        try {
            return agentBusy;
        } finally {
            lock.unlock();
        }
    }

    boolean hasWaiting() {
        return (waiting & ~HELD) != 0;
    }

    boolean isHeld() {
        return (waiting & HELD) != 0;
    }
}
