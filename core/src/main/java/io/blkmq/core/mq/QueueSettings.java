package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.BioObserver;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.jfr.DiskEvents;
import java.util.Objects;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * What a queue is, what may be set, and what its requests and tags ask and tell it: its name, its device's limits and size, how it merges,
 * counts and completes, and its gate. The pieces of the way down know this of the queue and nothing above it. A class above
 * {@link DeviceQueue} and not beside it, since each bio reads these fields on its way.
 */
public abstract sealed class QueueSettings extends RequestQueue permits QueueParts {
    final TagSet set;
    /** What it uses of the tag set's. */
    final PoolParts shared;
    final QueueGate gate;
    final String name;
    private final @Nullable Object queueData;
    /** Held while the limits change. */
    private final Lock lock;
    /** Written under the lock. */
    volatile QueueLimits limits;
    volatile long capacitySectors;
    volatile CompletionAffinity affinity;
    /** Whether what is done is counted, by {@link ContextCounters}. Changes only while the queue is frozen and nothing is in flight. */
    volatile boolean iostats = true;
    /** The kernel's {@code queue/nomerges}: 0, 1 or 2. */
    volatile int nomerges;
    /** Whether bios are merged at all: the tag set wants it and {@link #nomerges} does not forbid it. */
    volatile boolean merges;
    /** Who sees each bio, one or several; null for nobody. Written under the lock. */
    volatile @Nullable BioObserver observer;

    QueueSettings(TagSet set, PoolParts shared, String name, QueueLimits limits, long capacitySectors,
            @Nullable Object queueData) {
        this.set = set;
        this.shared = shared;
        this.gate = new QueueGate(set.runtime(), shared.parking);
        this.name = name;
        this.limits = limits;
        this.capacitySectors = requireCapacity(capacitySectors);
        this.queueData = queueData;
        this.affinity = set.completionAffinity();
        this.merges = set.isMerging();
        this.lock = set.runtime().newLock();
    }

    @Override
    public int nomerges() {
        return nomerges;
    }

    @Override
    public void setNomerges(int value) {
        if (value < 0 || value > 2) {
            throw new IllegalArgumentException(name + ": nomerges " + value + ": 0, 1 and 2 are possible");
        }
        nomerges = value;
        merges = set.isMerging() && value < 2;
    }

    @Override
    public boolean iostats() {
        return iostats;
    }

    @Override
    public void setIostats(boolean value) {
        freeze();
        try {
            iostats = value;
        } finally {
            unfreeze();
        }
    }

    @Override
    public void addObserver(BioObserver added) {
        Objects.requireNonNull(added, "observer");
        lock.lock();
        try {
            observer = BioObservers.with(observer, added);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void removeObserver(BioObserver removed) {
        lock.lock();
        try {
            observer = BioObservers.without(observer, removed);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public TagSet tagSet() {
        return set;
    }

    @Override
    public @Nullable Object queueData() {
        return queueData;
    }

    @Override
    public QueueLimits limits() {
        return limits;
    }

    @Override
    public void setLimits(QueueLimits value) {
        lock.lock();
        try {
            if (!isFrozen()) {
                throw new IllegalStateException(name + ": limits can be changed only while the queue is frozen");
            }
            this.limits = value;
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void setWriteCache(boolean cache, boolean throughCache) {
        freeze();
        try {
            lock.lock();
            try {
                limits = limits.toBuilder().writeCache(cache, throughCache).build();
            } finally {
                lock.unlock();
            }
        } finally {
            unfreeze();
        }
    }

    @Override
    public void disable(Operation operation) {
        lock.lock();
        try {
            limits = switch (operation) {
                case DISCARD -> limits.toBuilder().discardBytesMax(0).build();
                case WRITE_ZEROES -> limits.toBuilder().writeZeroesBytesMax(0).build();
                case READ, WRITE, FLUSH -> throw new IllegalArgumentException(operation + " cannot be done without");
            };
        } finally {
            lock.unlock();
        }
    }

    @Override
    public long capacitySectors() {
        return capacitySectors;
    }

    @Override
    public void setCapacitySectors(long sectors) {
        this.capacitySectors = requireCapacity(sectors);
    }

    private long requireCapacity(long sectors) {
        if (sectors < 0 || sectors > Long.MAX_VALUE / QueueLimits.SECTOR_BYTES) {
            throw new IllegalArgumentException(name + ": capacity of " + sectors + " sectors: 0 to "
                    + Long.MAX_VALUE / QueueLimits.SECTOR_BYTES + " are possible");
        }
        return sectors;
    }

    @Override
    public CompletionAffinity completionAffinity() {
        return affinity;
    }

    @Override
    public void setCompletionAffinity(CompletionAffinity value) {
        this.affinity = value;
    }

    @Override
    public String toString() {
        return name;
    }

    /** Whether the times of its requests are wanted. They are read for the recorder, too, where nothing is counted. */
    final boolean isTimed() {
        return iostats || DiskEvents.recordsRequests();
    }

    /** Whether neighbours are looked for beyond the newest request. */
    final boolean mergesFurther() {
        return merges && nomerges == 0;
    }

    /** The time of what is being done, if it is counted; then nobody reads a clock for nothing. */
    final long nowIfCounted(Trampoline batch) {
        return isTimed() ? batch.nowNanos(set.runtime()) : 0;
    }

    /** Requests are on their way to the elevator or the driver. Returns the time, if it is wanted. */
    final long countSent(int requests, EntryContext ctx, Trampoline batch) {
        long now = nowIfCounted(batch);
        if (iostats) {
            ctx.counters.sent(requests, now);
        }
        return now;
    }

    final void countMerge(EntryContext ctx, Operation operation) {
        if (iostats) {
            ctx.counters.add(ContextCounters.groupOf(operation) * ContextCounters.FIGURES + ContextCounters.MERGES, 1);
        }
    }

    /** A request has ended in part. */
    final void countDone(EntryContext ctx, Operation operation, long bytes) {
        if (iostats) {
            int at = ContextCounters.groupOf(operation) * ContextCounters.FIGURES + ContextCounters.SECTORS;
            ctx.counters.add(at, bytes / QueueLimits.SECTOR_BYTES);
        }
    }

    @Override
    public boolean isFrozen() {
        return gate.isFrozen();
    }

    @Override
    public boolean isDying() {
        return gate.isDying();
    }

    // ---- asked and told by requests

    abstract Timeouts timeouts();

    /** The time, as its time-outs count it. */
    final int tick() {
        return timeouts().tick();
    }

    /** How many ticks a time is, rounded up. */
    final int ticks(long nanos) {
        return timeouts().ticks(nanos);
    }

    /** Whether a request ends in the moment in which it is complete: the driver has nothing to do in between, and any thread will do. */
    abstract boolean endsAtOnce(Status result);

    /** The driver's half of a completion, here or where the submitter is. */
    abstract void completeInDriver(TagRequest rq);

    /** The same on the calling thread. */
    abstract void completeHere(TagRequest rq);

    /** The driver has given a request back. */
    abstract void requeue(TagRequest rq, boolean kick);

    abstract void countStrayCompletion(TagRequest rq);

    // ---- told of tags

    /** Gives tags back, and lets go on whatever has waited for them. */
    final void putTags(Tags tags, int word, long mask, boolean reserved) {
        tags.put(word, mask, reserved);
        int count = Long.bitCount(mask);
        tagsFreed(count);
        // After the tags are free: pairs with a context that says that it misses one and then looks once more.
        if (!tags.withoutTag.isEmpty()) {
            tags.withoutTag.run(count);
        }
    }

    /** After tags were given back, and those who wait for them were served: whatever else may have waited for them goes on. */
    final void tagsFreed(int count) {
        if (!gate.isOpen()) {
            gate.tagsFreed();
        }
        if (!shared.refused.isEmpty()) {
            shared.refused.run(count);
        }
    }

    /** A tag that this queue used last belongs to another queue now, or looked held: whoever waits for this queue's tags looks again. */
    final void tagLeft() {
        if (!gate.isOpen()) {
            gate.tagsFreed();
        }
    }

    /** More tags than before are handed out. */
    abstract void tagsAdded();

    // ---- told of bios that go on

    /** Sends a bio whose submitter could not wait. */
    abstract void submitDeferred(Bio bio, Batch batch);

    /** Sends a bio that has waited without a thread: until it was given a tag, or until it looks like it could go on. */
    abstract void submitWaited(Bio bio, Batch.Deferred batch);

    // ---- as its end and its freezes need it

    /** Whether anything holds a tag. */
    abstract boolean isBusy();

    /** Lets all go on that wait without a thread, for whatever: the queue ends. */
    abstract void letAllGoOn();
}
