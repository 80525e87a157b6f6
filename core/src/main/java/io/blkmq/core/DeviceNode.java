package io.blkmq.core;

import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.file.OpenOption;
import java.nio.file.StandardOpenOption;

/**
 * A disk as it is opened to be used like a file: what may be done, where it ends, and what is answered there. The kernel's
 * counterpart is an open device node. Thread-safe, and shared by all operations of one channel.
 *
 * <p>At the end it answers as the kernel does at the node: a read there finds the end, one across it is shortened; a write there
 * finds no space, one across it is shortened.
 */
final class DeviceNode {
    private final DiskSectors disk;
    private final boolean readable;
    private final boolean writable;
    private final int writeFlags;

    private DeviceNode(DiskSectors disk, boolean readable, boolean writable, int writeFlags) {
        this.disk = disk;
        this.readable = readable;
        this.writable = writable;
        this.writeFlags = writeFlags;
    }

    static DeviceNode open(DiskSectors disk, OpenOption... options) {
        boolean read = false;
        boolean write = false;
        int flags = 0;
        for (OpenOption option : options) {
            if (option == StandardOpenOption.READ) {
                read = true;
            } else if (option == StandardOpenOption.WRITE) {
                write = true;
            } else if (option == StandardOpenOption.SYNC || option == StandardOpenOption.DSYNC) {
                flags = Bio.FUA;
            } else {
                throw new UnsupportedOperationException(disk.name() + " cannot be opened with " + option
                        + ": READ, WRITE, SYNC and DSYNC are possible");
            }
        }
        if (write && disk.limits().isReadOnly()) {
            throw new UnsupportedOperationException(disk.name() + " is read-only: opening it with WRITE refused");
        }
        boolean all = !read && !write;
        return new DeviceNode(disk, read || all, write || all, flags);
    }

    DiskSectors disk() {
        return disk;
    }

    IoRuntime runtime() {
        return disk.queue().tagSet().runtime();
    }

    int blockBytes() {
        return disk.limits().logicalBlockBytes();
    }

    /** The size in whole blocks: a rest that is smaller than a block cannot be reached. */
    long sizeBytes() {
        return disk.sizeBytes() & -blockBytes();
    }

    /** The number of a block on the device: channels of the device and of its partitions exclude each other by these. */
    long deviceBlock(long offset) {
        return (disk.startBytes() + offset) / blockBytes();
    }

    /** The flags of a data operation: writes are durable when they end, if the disk was opened so. */
    int flags(Operation operation) {
        return operation == Operation.WRITE ? writeFlags : 0;
    }

    void requireReadable() {
        if (!readable) {
            throw new NonReadableChannelException();
        }
    }

    void requireWritable() {
        if (!writable || disk.limits().isReadOnly()) {
            throw new NonWritableChannelException();
        }
    }

    void requireLockable(boolean shared) {
        if (shared) {
            requireReadable();
        } else {
            requireWritable();
        }
    }

    /**
     * How much of a read there is.
     *
     * @return 0 if nothing is wanted, -1 at the end, and no more than there is up to it
     * @throws IOException if it would end past the largest offset
     */
    long readableBytes(long from, long wanted) throws IOException {
        long left = sizeBytes() - from;
        if (wanted == 0) {
            return 0;
        }
        requireRange(Operation.READ, from, wanted);
        return left <= 0 ? -1 : Math.min(left, wanted);
    }

    /**
     * How much of a write there is room for.
     *
     * @return 0 if nothing is wanted, and no more than there is up to the end
     * @throws IOException at the end, or if it would end past the largest offset
     */
    long writableBytes(long to, long wanted) throws IOException {
        long room = sizeBytes() - to;
        if (wanted == 0) {
            return 0;
        }
        requireRange(Operation.WRITE, to, wanted);
        if (room <= 0) {
            throw new IOException("No space left on device: write of " + wanted + " bytes at offset " + to + " of "
                    + disk.name() + ", which ends at " + sizeBytes());
        }
        return Math.min(room, wanted);
    }

    /** The kernel looks at that before it looks where the file ends. */
    private void requireRange(Operation operation, long from, long bytes) throws IOException {
        if (from > Long.MAX_VALUE - bytes) {
            throw new IOException("Invalid argument: " + operation + " of " + bytes + " bytes at offset " + from
                    + " of " + disk.name() + " ends past the largest offset, " + Long.MAX_VALUE);
        }
    }

    /**
     * Refuses to make the disk smaller, as {@code ftruncate} of a device node is refused with EINVAL. Any other size is no change
     * of a disk.
     */
    void truncate(long size) throws IOException {
        if (size < sizeBytes()) {
            throw new IOException("Invalid argument: truncate of " + disk.name() + " from " + sizeBytes() + " to "
                    + size + " bytes: a disk has a fixed size");
        }
    }

    long roundedUp(long offset) {
        int block = blockBytes();
        return (offset + block - 1) & -block;
    }

    /** An operation that did not end well. */
    BlockIOException failure(Operation operation, long offset, long bytes, Status status, Throwable cause) {
        return new BlockIOException(disk.name(), operation, offset / QueueLimits.SECTOR_BYTES, bytes, status, cause);
    }

    BlockIOException failure(Operation operation, long offset, long bytes, Status status) {
        return new BlockIOException(disk.name(), operation, offset / QueueLimits.SECTOR_BYTES, bytes, status, null);
    }

    /** An operation that was refused. Its range was checked before: the disk has been closed, or changed, meanwhile. */
    BlockIOException refusal(Operation operation, long offset, long bytes, Throwable cause) {
        return failure(operation, offset, bytes, disk.isClosed() ? Status.NODEV : Status.INVAL, cause);
    }

    @Override
    public String toString() {
        return disk.toString();
    }
}
