package io.blkmq.loop;

import io.blkmq.aio.Errno;
import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Another disk behind a device: a device on a device. If that is a loop device, too, it is open as long as it is used so. */
final class BackingDisk implements Backing {
    private final Disk disk;
    private final @Nullable LoopHandle handle;
    private final boolean readOnly;
    private final long offsetBytes;
    /** Written by close. Under the lock of the device above. */
    private List<LoopEvents> below = List.of();

    private BackingDisk(Disk disk, @Nullable LoopHandle handle, boolean readOnly, long offsetBytes) {
        this.disk = disk;
        this.handle = handle;
        this.readOnly = readOnly;
        this.offsetBytes = offsetBytes;
    }

    /**
     * Puts a disk behind a device.
     *
     * @param top the device
     * @throws LoopException with EBADF if that would be a device on itself, EINVAL if a device below has no file, or if the disk is
     *         polled or the offset no multiple of its blocks, ENXIO or ENODEV if it is going
     */
    static BackingDisk open(LoopDevice top, Disk disk, boolean readOnly, long offsetBytes) throws LoopException {
        requireNoCircle(top, disk);
        if (disk.queue().isPolled()) {
            throw new LoopException(Errno.EINVAL, disk.name() + " is polled: nobody would find the completions of what "
                    + top.name() + " sends there");
        }
        if (disk.isClosed()) {
            throw new LoopException(Errno.ENODEV, disk.name() + " is closed");
        }
        requireWholeBlocks(disk, offsetBytes);
        LoopHandle handle = disk.queue().queueData() instanceof LoopDevice lower ? lower.open() : null;
        return new BackingDisk(disk, handle, readOnly, offsetBytes);
    }

    private static void requireNoCircle(LoopDevice top, Disk disk) throws LoopException {
        Disk below = disk;
        while (below != null && below.queue().queueData() instanceof LoopDevice lower) {
            if (lower.equals(top)) {
                throw new LoopException(Errno.EBADF, top.name() + " on " + disk.name() + " would be on itself");
            }
            Backing next = lower.medium().backing();
            if (next == null) {
                throw new LoopException(Errno.EINVAL, lower.name() + " has no file");
            }
            below = next instanceof BackingDisk another ? another.disk : null;
        }
    }

    private static void requireWholeBlocks(Disk disk, long offsetBytes) throws LoopException {
        int block = disk.limits().logicalBlockBytes();
        if (offsetBytes % block != 0) {
            throw new LoopException(Errno.EINVAL, "offset " + offsetBytes + " on " + disk.name()
                    + " is not a multiple of its blocks of " + block + " bytes");
        }
    }

    /** The same at another offset. */
    BackingDisk at(long offset) throws LoopException {
        requireWholeBlocks(disk, offset);
        return new BackingDisk(disk, handle, readOnly, offset);
    }

    Disk disk() {
        return disk;
    }

    /** Which sector of the disk a sector of the device is. */
    long sector(long sector) {
        return offsetBytes / QueueLimits.SECTOR_BYTES + sector;
    }

    @Override
    public String name() {
        return disk.name();
    }

    @Override
    public boolean isWritable() {
        return !readOnly && !disk.limits().isReadOnly();
    }

    @Override
    public boolean isDirect() {
        return true;
    }

    @Override
    public long offsetBytes() {
        return offsetBytes;
    }

    @Override
    public long sizeBytes() {
        return disk.sizeBytes();
    }

    @Override
    public int blockBytesMin() {
        return disk.limits().logicalBlockBytes();
    }

    /** The limits of both; the device itself has every operation that the disk has, and FUA if the disk has it. */
    @Override
    public QueueLimits limits(int blockBytes) {
        QueueLimits below = disk.limits();
        boolean writable = isWritable();
        QueueLimits own = QueueLimits.builder().logicalBlockBytes(blockBytes).requestBytesMax(REQUEST_BYTES_MAX)
                .segmentsMax(SEGMENTS_MAX).segmentBytesMax(Math.max(SEGMENT_BYTES_MAX, blockBytes))
                .discardBytesMax(writable ? DISCARD_BYTES_MAX : 0)
                .discardGranularityBytes(Math.max(blockBytes, below.discardGranularityBytes()))
                .writeZeroesBytesMax(writable ? DISCARD_BYTES_MAX : 0).readOnly(!writable).build();
        return own.stack(below, offsetBytes).toBuilder()
                .writeCache(writable && below.hasWriteCache(), writable && below.hasFua()).anyMemory(false).build();
    }

    @Override
    public void close() {
        if (handle != null) {
            below = handle.closeUntold();
        }
    }

    /** After {@link #close}: where it is told what has happened to the devices below. */
    List<LoopEvents> closed() {
        return below;
    }
}
