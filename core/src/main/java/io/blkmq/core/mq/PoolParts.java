package io.blkmq.core.mq;

import io.blkmq.core.driver.RequestQueue;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.util.Arrays;
import java.util.concurrent.locks.Lock;

/**
 * The pieces of a tag set that its queues use: the tags by hardware context, the contexts whose driver has refused a request, how threads
 * wait for each other, and the lock for changes. The set itself, with its queues, is {@link RequestPool}.
 */
final class PoolParts {
    /** How a queue leaves the tag set. */
    @FunctionalInterface
    interface Leaving {
        /**
         * Undoes a queue that has no request any more. Not while its contexts are being changed, and once.
         *
         * @return false if a change of the tag set has taken longer than the time given
         */
        boolean undo(RequestQueue queue, long timeoutNanos);
    }

    /** How threads wait for what others of this tag set's do. */
    final PollingPark parking;
    /** Held while the number of queues or of hardware contexts changes. */
    final SleepingLock changing;
    /** Makes and frees requests. */
    final RequestSlab slab;
    final Leaving leaving;
    /** Contexts whose driver has refused a request: it may lack what requests of other contexts and queues have. */
    final StarvedContexts refused = new StarvedContexts();
    /** Held while a depth changes, or tags are made as deep as the others. */
    private final Lock resizing;
    /** Written under {@link #changing}. */
    volatile QueueLayout layout;
    /** By hardware context; with host-wide tags the same for all. Written under {@link #changing}. */
    volatile Tags[] tags = new Tags[0];
    /** How deep tags are made. Written while the tag set is. */
    private int depth;
    /** Written under {@link #resizing}. */
    private volatile int resizedDepth;

    PoolParts(IoRuntime runtime, PollingPark parking, SleepingLock changing, RequestSlab slab, QueueLayout layout,
            Leaving leaving) {
        this.parking = parking;
        this.changing = changing;
        this.slab = slab;
        this.layout = layout;
        this.leaving = leaving;
        this.resizing = runtime.newLock();
    }

    /** Makes the first tags. All or none. */
    void makeTags(int deep) throws IOException {
        tags = slab.newTags(tags, layout.total(), deep);
        depth = deep;
        resizedDepth = deep;
    }

    /** Adds tags that are like those that there are, up to a number of hardware contexts. */
    void addTags(int total) throws IOException {
        Tags[] now = tags;
        Tags[] made;
        try {
            made = slab.newTags(now, total, depth);
        } catch (OutOfMemoryError e) {
            throw new IOException("no memory for the requests of " + total + " hardware contexts", e);
        }
        resizing.lock();
        try {
            for (int i = now.length; i < made.length; i++) {
                made[i].resize(resizedDepth);
            }
            tags = made;
        } finally {
            resizing.unlock();
        }
    }

    /** Frees the tags from a number of hardware contexts on. Nobody holds one. */
    void dropTags(int total) {
        Tags[] before = tags;
        tags = Arrays.copyOf(before, total);
        slab.exitTags(before, total);
    }

    /**
     * Sets how many of the tags are handed out.
     *
     * @return whose waiters are to be served, without a lock: that may call drivers
     */
    Tags[] resize(int value) {
        resizing.lock();
        try {
            for (Tags each : tags) {
                each.resize(value);
            }
            resizedDepth = value;
            return tags;
        } finally {
            resizing.unlock();
        }
    }

    int resizedDepth() {
        return resizedDepth;
    }

    Tags tags(int hctxIndex) {
        return tags[hctxIndex];
    }

    /** Whether the driver has been given a request that has not ended yet. A look at all tags that are held, until it finds one. */
    boolean isAnyBegun() {
        for (Tags some : tags) {
            if (some.isAnyBegun()) {
                return true;
            }
        }
        return false;
    }
}
