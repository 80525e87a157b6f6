package io.blkmq.core;

import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.mq.DeviceQueue;
import io.blkmq.core.mq.EntryContext;
import io.blkmq.core.mq.SectorRange;
import io.blkmq.runtime.channel.FileLockTable;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The sectors that a {@link Disk} has of its queue's device, all of them or a partition's, and how an operation on them begins. The forms of
 * I/O of a disk, blocking, with callbacks or futures, and as a file, know this of it and nothing else. A class above {@link Disk} and not beside it, since each I/O reads
 * its fields.
 */
abstract class DiskSectors {
    final DeviceQueue queue;
    /** Of a partition; null for a whole device. */
    final @Nullable SectorRange range;
    /** Of all channels of the device, those of its partitions too. */
    final BlockRangeLock blockLock;
    private final FileLockTable fileLocks = new FileLockTable();

    DiskSectors(DeviceQueue queue, @Nullable SectorRange range, BlockRangeLock blockLock) {
        this.queue = queue;
        this.range = range;
        this.blockLock = blockLock;
    }

    static BlockRangeLock newBlockLock(RequestQueue queue) {
        return new BlockRangeLock(queue.tagSet().runtime(), queue.tagSet().isPolled() ? queue::pollInFlight : null);
    }

    // ---- what a disk says of itself

    abstract String name();

    abstract QueueLimits limits();

    abstract long sizeBytes();

    abstract long startBytes();

    abstract boolean isClosed();

    abstract RequestQueue queue();

    // ---- what a disk does by itself

    abstract void submit(Bio bio);

    abstract Plug plug();

    abstract int poll();

    /** Makes a range read as zeroes: by several operations, where the device has none for it. */
    abstract void startZeroes(long offset, long bytes, int flags, IoCompletion completion);

    final DeviceQueue deviceQueue() {
        return queue;
    }

    final BlockRangeLock blockLock() {
        return blockLock;
    }

    final FileLockTable fileLocks() {
        return fileLocks;
    }

    // ---- how an operation begins

    final void submit(Bio bio, EntryContext context) {
        queue.submit(bio, context, range);
    }

    /**
     * The same, for the rest of an operation of which something has been submitted: no interrupt ends the wait for a tag or
     * at a frozen disk.
     */
    final void submitUninterruptibly(Bio bio, EntryContext context) {
        queue.submitUninterruptibly(bio, context, range);
    }

    /**
     * The same, for a thread that can be told to leave while it waits, and so waits for nothing before it has submitted the
     * bio.
     */
    final void submitWithoutWaiting(Bio bio, EntryContext context) {
        queue.submitWithoutWaiting(bio, context, range);
    }

    /** Refuses the calling thread where another one alone submits, as a submission would, and does nothing else. */
    final void requireSubmitter(Operation operation) {
        queue.requireSubmitter(operation, queue.contextOfCurrentThread());
    }

    /** Refuses what a submission would refuse because of what the bio asks or where, and does nothing else. */
    final void check(Bio bio) {
        queue.check(bio, range);
    }

    final void start(Operation operation, long offset, MemorySegment memory, int flags, IoCompletion completion) {
        start(operation, offset, memory, flags, queue.contextOfCurrentThread(), completion);
    }

    /** The same through another context: on a polled disk that of the thread which looks for its end. */
    final void start(Operation operation, long offset, MemorySegment memory, int flags, EntryContext context,
            IoCompletion completion) {
        submit(bio(operation, offset, memory, flags, completion), context);
    }

    final Bio bio(Operation operation, long offset, MemorySegment memory, int flags, IoCompletion completion) {
        Bio bio = new Bio(1).reset(operation, sector(operation, offset));
        return bio.add(memory).flags(flags).onEnd(ended -> tell(ended, completion));
    }

    final void start(Operation operation, long offset, MemoryRow row, int flags, IoCompletion completion) {
        submit(row.bio(operation, sector(operation, offset), flags).onEnd(ended -> tell(ended, completion)));
    }

    final void start(Operation operation, long offset, long bytes, int flags, IoCompletion completion) {
        if (operation == Operation.WRITE_ZEROES) {
            startZeroes(offset, bytes, flags, completion);
            return;
        }
        submit(bio(operation, offset, bytes, flags, completion));
    }

    /** Of an operation without memory that is one bio. */
    final Bio bio(Operation operation, long offset, long bytes, int flags, IoCompletion completion) {
        Bio bio = new Bio(0).reset(operation, sector(operation, offset)).length(bytes).flags(flags);
        return bio.onEnd(ended -> tell(ended, completion));
    }

    /** Who is told finds what has been done in the {@link DiskStatistics}. */
    private static void tell(Bio ended, IoCompletion completion) {
        Bio.countEnded();
        completion.ended(ended.status());
    }

    final long sector(Operation operation, long offset) {
        if (offset < 0 || offset % limits().logicalBlockBytes() != 0) {
            throw new IllegalArgumentException(
                    name() + ": " + operation + " at offset " + offset + ": not a multiple of the block" + " size of "
                            + limits().logicalBlockBytes() + " bytes, or negative");
        }
        return offset / QueueLimits.SECTOR_BYTES;
    }
}
