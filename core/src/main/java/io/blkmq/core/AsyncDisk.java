package io.blkmq.core;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * The operations of a disk as futures: {@link Disk#async} returns it. An operation is submitted by the calling thread before its method
 * returns, and what {@link Disk} says of offsets, lengths, memory and refusals holds here too. Thread-safe.
 *
 * <p>A future fails with {@link BlockIOException}; with {@link Status#INTR} if the calling thread was interrupted while it
 * waited for a tag, or at a frozen disk, and so before anything was submitted. The interrupt is kept. Memory is the
 * device's until its future is complete. Cancelling a future does not stop the operation, and does not give the memory
 * back. What depends on a future runs on the thread that found the completion, unless it asks for another, and must not
 * block on a disk ({@link BioCompletion}).
 *
 * <p>On a polled disk a future is complete once its thread has found the completion: by {@link Disk#poll}, or because it waits for the
 * future, or for a stage derived from it, by {@code get} or {@code join}, which poll. What combines several ({@code allOf}, {@code anyOf})
 * does not: poll until it is done. Inside of a completion such a wait is refused with {@link IllegalStateException}.
 *
 * @since 0.1.0
 */
public final class AsyncDisk {
    private final DiskSectors disk;

    AsyncDisk(DiskSectors disk) {
        this.disk = disk;
    }

    /**
     * Reads.
     *
     * @param offset where on the disk, in bytes
     * @param memory is filled
     * @return complete when the memory is filled
     */
    public CompletableFuture<Void> read(long offset, MemorySegment memory) {
        FutureIo future = new FutureIo(disk, Operation.READ, offset, memory.byteSize());
        disk.start(Operation.READ, offset, memory, 0, future);
        return future;
    }

    /**
     * Reads one range of the disk into several pieces of memory.
     *
     * @param offset where on the disk, in bytes
     * @param memory is filled, in the order of the list
     * @return complete when the memory is filled
     * @see Disk#read(long, List)
     */
    public CompletableFuture<Void> read(long offset, List<MemorySegment> memory) {
        MemoryRow row = MemoryRow.of(Operation.READ, memory);
        FutureIo future = new FutureIo(disk, Operation.READ, offset, row.bytes());
        disk.start(Operation.READ, offset, row, 0, future);
        return future;
    }

    /**
     * Writes.
     *
     * @param offset where on the disk, in bytes
     * @param memory what to write
     * @return complete when the device has acknowledged the write
     */
    public CompletableFuture<Void> write(long offset, MemorySegment memory) {
        return write(offset, memory, 0);
    }

    /**
     * Writes.
     *
     * @param offset where on the disk, in bytes
     * @param memory what to write
     * @param flags {@link Bio#FUA} for a write that is durable when the future is complete, {@link Bio#PREFLUSH}
     * @return complete when the device has acknowledged the write
     */
    public CompletableFuture<Void> write(long offset, MemorySegment memory, int flags) {
        FutureIo future = new FutureIo(disk, Operation.WRITE, offset, memory.byteSize());
        disk.start(Operation.WRITE, offset, memory, flags, future);
        return future;
    }

    /**
     * Writes several pieces of memory to one range of the disk.
     *
     * @param offset where on the disk, in bytes
     * @param memory what to write, in the order of the list
     * @param flags {@link Bio#FUA} for a write that is durable when the future is complete, {@link Bio#PREFLUSH}
     * @return complete when the device has acknowledged the write
     * @see Disk#write(long, List, int)
     */
    public CompletableFuture<Void> write(long offset, List<MemorySegment> memory, int flags) {
        MemoryRow row = MemoryRow.of(Operation.WRITE, memory);
        FutureIo future = new FutureIo(disk, Operation.WRITE, offset, row.bytes());
        disk.start(Operation.WRITE, offset, row, flags, future);
        return future;
    }

    /**
     * Makes all writes durable that were acknowledged before.
     *
     * @return complete when they are durable
     */
    public CompletableFuture<Void> flush() {
        FutureIo future = new FutureIo(disk, Operation.FLUSH, 0, 0);
        disk.start(Operation.FLUSH, 0, 0, 0, future);
        return future;
    }

    /**
     * Tells the device that a range is no longer needed.
     *
     * @param offset where on the disk, in bytes
     * @param bytes how long
     * @return complete when the device has acknowledged it
     * @see Disk#discard(long, long)
     */
    public CompletableFuture<Void> discard(long offset, long bytes) {
        FutureIo future = new FutureIo(disk, Operation.DISCARD, offset, bytes);
        disk.start(Operation.DISCARD, offset, bytes, 0, future);
        return future;
    }

    /**
     * Makes a range read as zeroes; by writing them where the device has no shorter way.
     *
     * @param offset where on the disk, in bytes
     * @param bytes how long
     * @param keepAllocated whether the range's blocks must stay allocated
     * @return complete when the range reads as zeroes
     */
    public CompletableFuture<Void> writeZeroes(long offset, long bytes, boolean keepAllocated) {
        FutureIo future = new FutureIo(disk, Operation.WRITE_ZEROES, offset, bytes);
        disk.start(Operation.WRITE_ZEROES, offset, bytes, keepAllocated ? Bio.NOUNMAP : 0, future);
        return future;
    }
}
