package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.RequestQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * A range of a queue's sectors under a name of its own: what a partition is to the block layer. There is no second queue. A bio that
 * comes in through the range keeps the sector that its caller gave it, and the queue adds where the range begins wherever it asks
 * where the bio lies on the device ({@link Bio#deviceSector()}). The kernel's counterpart is the {@code struct block_device} of a
 * partition, with its remapping. Thread-safe.
 *
 * <p>A range ends where the device ends, if that has become smaller meanwhile, and once more reaches its own end when the device has
 * grown again.
 */
public final class SectorRange {
    /** The range's limits, and what they were made of. */
    private record Fitted(QueueLimits device, QueueLimits range) {}

    private final RequestQueue queue;
    private final String name;
    private final long startSector;
    private final long sectors;
    private final AtomicBoolean closed = new AtomicBoolean();
    private volatile @Nullable Fitted fitted;

    SectorRange(RequestQueue queue, String name, long startSector, long sectors) {
        this.queue = queue;
        this.name = name;
        this.startSector = startSector;
        this.sectors = sectors;
    }

    /**
     * A range of the device's sectors as a device of its own.
     *
     * @param queue whose device it is
     * @param rangeName for people and messages
     * @param startSector where it begins, in whole logical blocks
     * @param sectors its length, in whole logical blocks
     * @return a new range; any number of them may overlap
     * @throws IllegalArgumentException if it is empty, does not begin or end with a logical block, or is not within the device
     * @throws IllegalStateException if the queue is closed
     */
    public static SectorRange of(RequestQueue queue, String rangeName, long startSector, long sectors) {
        if (queue.isDying()) {
            throw new IllegalStateException(queue.name() + " is closed");
        }
        int blockSectors = queue.limits().logicalBlockBytes() / QueueLimits.SECTOR_BYTES;
        long capacity = queue.capacitySectors();
        if (startSector < 0 || sectors <= 0 || startSector > capacity - sectors) {
            throw new IllegalArgumentException(rangeName + ": " + sectors + " sectors from sector " + startSector
                    + ": at least one is needed, within the " + capacity + " of " + queue.name());
        }
        if ((startSector | sectors) % blockSectors != 0) {
            throw new IllegalArgumentException(rangeName + ": " + sectors + " sectors from sector " + startSector
                    + ": not in whole blocks of " + queue.limits().logicalBlockBytes() + " bytes of " + queue.name());
        }
        return new SectorRange(queue, rangeName, startSector, sectors);
    }

    /**
     * Refuses new I/O, and waits for what the device has of it, for which it freezes the queue. What still waits for a tag ends with
     * {@link io.blkmq.core.Status#NODEV}. The queue stays open. Closing again does nothing.
     *
     * @throws IllegalStateException if called by a completion
     */
    public void close() {
        queue.requireNoCompletion("close");
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        // Whoever takes a tag later looks at closed after that, as with the gate.
        queue.freeze();
        queue.unfreeze();
    }

    /**
     * Whether the range refuses everything.
     *
     * @return true from {@link #close} on, and from the end of its queue on
     */
    public boolean isClosed() {
        return closed.get() || queue.isDying();
    }

    /**
     * Its queue.
     *
     * @return the whole device's
     */
    public RequestQueue queue() {
        return queue;
    }

    /**
     * Its name.
     *
     * @return for people
     */
    public String name() {
        return name;
    }

    /**
     * Where on the device it begins.
     *
     * @return sector of 512 bytes
     */
    public long startSector() {
        return startSector;
    }

    /**
     * How long it is.
     *
     * @return sectors of 512 bytes, as it was made
     */
    public long sectors() {
        return sectors;
    }

    /**
     * How much of it the device has now.
     *
     * @return sectors of 512 bytes, fewer than {@link #sectors()} if the device ends before the range does
     */
    public long capacitySectors() {
        return within(queue.capacitySectors());
    }

    /** How much of it there is on a device of a size. */
    long within(long deviceSectors) {
        return Math.clamp(deviceSectors - startSector, 0, sectors);
    }

    /** Where the next bio may end at most; less than where any does once the range is closed. */
    long endFor(long deviceSectors) {
        return closed.get() ? -1 : within(deviceSectors);
    }

    /**
     * The device's limits as they are from the beginning of the range on: {@link QueueLimits#misalignment()} says if its blocks do not
     * fit to the device's.
     *
     * @return the limits now
     */
    public QueueLimits limits() {
        QueueLimits device = queue.limits();
        Fitted now = fitted;
        if (now == null || !now.device.equals(device)) {
            now = new Fitted(device, QueueLimits.unlimited().stack(device, startSector * QueueLimits.SECTOR_BYTES));
            fitted = now;
        }
        return now.range;
    }

    @Override
    public String toString() {
        return name + ": " + sectors + " sectors from sector " + startSector + " of " + queue.name();
    }
}
