package io.blkmq.core;

import io.blkmq.core.mq.DeviceQueue;
import io.blkmq.core.mq.EntryContext;
import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;

/**
 * An operation of the blocking form: starts it and waits, by parking (a virtual thread releases its carrier) or, on a polled disk,
 * by polling.
 */
final class BlockingIo implements IoCompletion {
    /** Memory that one thread alone can use is copied in pieces of this size. */
    private static final long PIECE_BYTES = 1 << 20;

    private final DeviceQueue queue;
    private final EntryContext context;
    private final int flags;
    private final Thread waiter = Thread.currentThread();
    private Status status = Status.OK;
    /** Written after the status, read before it. */
    private volatile boolean ended;

    private BlockingIo(DeviceQueue queue, int flags) {
        this.queue = queue;
        this.context = queue.contextOfCurrentThread();
        this.flags = flags;
    }

    static void run(DiskSectors disk, Operation operation, long offset, long bytes, int flags) throws BlockIOException {
        disk.queue().requireNoCompletion("a blocking " + operation);
        BlockingIo io = new BlockingIo(disk.deviceQueue(), flags);
        disk.start(operation, offset, bytes, flags, io);
        io.await(disk, operation, offset, bytes);
    }

    static void transfer(DiskSectors disk, Operation operation, long offset, MemorySegment memory, int flags)
            throws BlockIOException {
        disk.queue().requireNoCompletion("a blocking " + operation);
        if (memory.isAccessibleBy(BioVec.ANOTHER)) {
            transferShared(disk, operation, offset, memory, flags);
        } else {
            transferConfined(disk, operation, offset, memory, flags);
        }
    }

    private static void transferShared(DiskSectors disk, Operation operation, long offset, MemorySegment memory,
            int flags) throws BlockIOException {
        BlockingIo io = new BlockingIo(disk.deviceQueue(), flags);
        disk.start(operation, offset, memory, flags, io);
        io.await(disk, operation, offset, memory.byteSize());
    }

    /** One piece of several. From the second one on something has been submitted, and no interrupt ends the operation. */
    private static void transferPiece(DiskSectors disk, Operation operation, long offset, long at, MemorySegment piece,
            int flags) throws BlockIOException {
        if (at == 0) {
            transferShared(disk, operation, offset, piece, flags);
            return;
        }
        BlockingIo io = new BlockingIo(disk.deviceQueue(), flags);
        disk.submitUninterruptibly(disk.bio(operation, offset + at, piece, flags, io), io.context);
        io.await(disk, operation, offset + at, piece.byteSize());
    }

    /** What would have to be cut ends as a bio does that would: after some pieces had gone, another might have to wait. */
    private static void requireOnePieceIfItMayNotWait(DiskSectors disk, Operation operation, long offset, long bytes,
            int flags) throws BlockIOException {
        if ((flags & Bio.NOWAIT) != 0 && bytes > PIECE_BYTES) {
            throw failure(disk, operation, offset, bytes, Status.AGAIN);
        }
    }

    /** Copies on this thread, the only one that may. */
    private static void transferConfined(DiskSectors disk, Operation operation, long offset, MemorySegment memory,
            int flags) throws BlockIOException {
        long bytes = memory.byteSize();
        if (operation == Operation.READ && memory.isReadOnly()) {
            throw new IllegalArgumentException("the memory is read-only: nothing can be read into it");
        }
        // All of it, before the first piece goes: what is refused has changed nothing.
        disk.check(new Bio(1).reset(operation, disk.sector(operation, offset)).add(memory).flags(flags));
        requireOnePieceIfItMayNotWait(disk, operation, offset, bytes, flags);
        try (IoBuffer buffer = IoBuffer.allocate(Math.min(bytes, PIECE_BYTES))) {
            for (long at = 0; at < bytes; at += buffer.bytes()) {
                MemorySegment piece = buffer.memory().asSlice(0, Math.min(buffer.bytes(), bytes - at));
                if (operation == Operation.WRITE) {
                    MemorySegment.copy(memory, at, piece, 0, piece.byteSize());
                }
                transferPiece(disk, operation, offset, at, piece, flags);
                if (operation == Operation.READ) {
                    MemorySegment.copy(piece, 0, memory, at, piece.byteSize());
                }
            }
        }
    }

    static void transfer(DiskSectors disk, Operation operation, long offset, MemoryRow row, int flags)
            throws BlockIOException {
        disk.queue().requireNoCompletion("a blocking " + operation);
        if (row.isShared()) {
            BlockingIo io = new BlockingIo(disk.deviceQueue(), flags);
            disk.start(operation, offset, row, flags, io);
            io.await(disk, operation, offset, row.bytes());
            return;
        }
        // All of it, before the first piece goes: what is refused has changed nothing.
        disk.check(row.bio(operation, disk.sector(operation, offset), flags));
        requireOnePieceIfItMayNotWait(disk, operation, offset, row.bytes(), flags);
        try (IoBuffer buffer = IoBuffer.allocate(Math.min(row.bytes(), PIECE_BYTES))) {
            for (long at = 0; at < row.bytes(); at += buffer.bytes()) {
                MemorySegment piece = buffer.memory().asSlice(0, Math.min(buffer.bytes(), row.bytes() - at));
                if (operation == Operation.WRITE) {
                    row.copyTo(at, piece);
                }
                transferPiece(disk, operation, offset, at, piece, flags);
                if (operation == Operation.READ) {
                    row.copyFrom(at, piece);
                }
            }
        }
    }

    @Override
    public void ended(Status result) {
        status = result;
        ended = true;
        queue.tagSet().runtime().unpark(waiter);
    }

    private void await(DiskSectors disk, Operation operation, long offset, long bytes) throws BlockIOException {
        boolean interrupted = false;
        for (int looks = 0; !ended; looks++) {
            queue.awaitEnd(queue, context, flags, looks, Long.MAX_VALUE);
            // Cleared, or the thread would not park; kept for the caller.
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (status != Status.OK) {
            throw failure(disk, operation, offset, bytes, status);
        }
    }

    private static BlockIOException failure(DiskSectors disk, Operation operation, long offset, long bytes,
            Status status) {
        return new BlockIOException(disk.name(), operation, offset / QueueLimits.SECTOR_BYTES, bytes, status, null);
    }
}
