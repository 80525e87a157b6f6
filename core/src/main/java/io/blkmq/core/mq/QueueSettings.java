package io.blkmq.core.mq;

import io.blkmq.core.BioObserver;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.jfr.DiskEvents;
import java.util.Objects;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * What a queue is and what may be set: its name, its device's limits and size, and how it merges, counts and completes. A class above
 * {@link DeviceQueue} and not beside it, since each bio reads these fields on its way.
 */
public abstract sealed class QueueSettings extends RequestQueue permits QueueParts {
    final RequestPool set;
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

    QueueSettings(RequestPool set, String name, QueueLimits limits, long capacitySectors, @Nullable Object queueData) {
        this.set = set;
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
    public RequestPool tagSet() {
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
}
