package io.blkmq.core;

import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.channel.BufferRow;
import io.blkmq.runtime.channel.FileLockTable;
import io.blkmq.runtime.channel.OpenFileChannel;
import io.blkmq.runtime.channel.Pieces;
import io.blkmq.runtime.channel.SystemLocks;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.util.Comparator;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A disk as a file of fixed size. It answers as the kernel does at the device node: a read at the end finds the end, one across
 * it is shortened; a write at the end finds no space, one across it is shortened. Thread-safe.
 *
 * <p>All data goes through a buffer of the channel's own, cut into pieces of {@link Pieces#BYTES}. So any offset, length and
 * memory will do, and a thread that is interrupted or whose channel is closed can leave at once with its memory, while the buffer
 * stays with the device ({@link ChannelTransfer}).
 *
 * <p>A piece covers whole blocks. A write locks its blocks ({@link BlockRangeLock}, one for all channels of the disk); those that
 * it covers in part are read first. Reads take no lock: what is written back around somebody's bytes is what was there.
 *
 * <p>The position is guarded by a range lock of the channel's own, because it is held while I/O runs and all waiting goes through
 * the disk's runtime.
 *
 * <p>A transfer of which some pieces have succeeded before one fails returns what they have transferred; the error comes again
 * with the next call.
 */
final class DiskChannel extends OpenFileChannel {
    private final DeviceNode node;
    private final DiskSectors disk;
    private final BlockRangeLock positionLock;
    /** Threads that may be parked in an operation. */
    private final Set<Thread> inOperation = ConcurrentHashMap.newKeySet();

    DiskChannel(DeviceNode node) {
        this.node = node;
        this.disk = node.disk();
        this.positionLock = DiskSectors.newBlockLock(node.disk().queue());
    }

    DeviceNode node() {
        return node;
    }

    @Override
    protected PositionHold holdPosition() throws ClosedChannelException {
        BlockRangeLock.Hold hold = positionLock.lock(0, 1, this::isOpen);
        if (hold == null) {
            throw new ClosedChannelException();
        }
        return hold::close;
    }

    @Override
    protected void enter() {
        disk.queue().requireNoCompletion("an operation on the channel of " + disk.name());
        inOperation.add(Thread.currentThread());
    }

    @Override
    protected void leave() {
        inOperation.remove(Thread.currentThread());
    }

    @Override
    protected void requireReadable() {
        node.requireReadable();
    }

    @Override
    protected void requireWritable() {
        node.requireWritable();
    }

    // ---- reading

    @Override
    protected long readRow(BufferRow row, long from) throws IOException {
        long bytes = node.readableBytes(from, row.remaining());
        return bytes <= 0 ? bytes : inPieces(from, bytes, (at, length) -> readPiece(row, at, length));
    }

    private void readPiece(BufferRow row, long from, int bytes) throws IOException {
        long first = from & -node.blockBytes();
        IoBuffer buffer = IoBuffer.allocate(node.roundedUp(from + bytes) - first);
        try (ChannelTransfer transfer = new ChannelTransfer(this, node, buffer, null)) {
            transfer.run(Operation.READ, first, buffer.memory());
            row.fill(view(buffer, from - first, bytes));
        }
    }

    // ---- writing

    @Override
    protected long writeRow(BufferRow row, long to) throws IOException {
        long bytes = node.writableBytes(to, row.remaining());
        return inPieces(to, bytes, (at, length) -> writePiece(row, at, length));
    }

    private void writePiece(BufferRow row, long to, int bytes) throws IOException {
        int block = node.blockBytes();
        long first = to & -block;
        long end = node.roundedUp(to + bytes);
        BlockRangeLock.Hold hold = disk.blockLock().lock(node.deviceBlock(first), node.deviceBlock(end), this::isOpen);
        if (hold == null) {
            throw new ClosedChannelException();
        }
        IoBuffer buffer = allocate(end - first, hold);
        try (ChannelTransfer transfer = new ChannelTransfer(this, node, buffer, hold)) {
            MemorySegment memory = buffer.memory();
            if (to != first) {
                transfer.run(Operation.READ, first, memory.asSlice(0, block));
            }
            boolean tailIsHead = to != first && end - first == block;
            if (to + bytes != end && !tailIsHead) {
                transfer.run(Operation.READ, end - block, memory.asSlice(end - block - first, block));
            }
            row.copyTo(view(buffer, to - first, bytes));
            transfer.run(Operation.WRITE, first, memory);
            row.advance(bytes);
        }
    }

    private static IoBuffer allocate(long bytes, BlockRangeLock.Hold hold) {
        try {
            return IoBuffer.allocate(bytes);
        } catch (Throwable t) {
            hold.close();
            throw t;
        }
    }

    /** At the end one byte is taken, since only a source that has not ended finds no space. */
    @Override
    protected long room(long to, long count) {
        return Math.min(count, Math.max(1, node.sizeBytes() - to));
    }

    // ---- the rest of a file

    @Override
    protected long currentSize() {
        return node.sizeBytes();
    }

    @Override
    protected void cut(long size) throws IOException {
        node.truncate(size);
    }

    @Override
    protected void flush(boolean metaData) throws IOException {
        try (ChannelTransfer transfer = new ChannelTransfer(this, node, null, null)) {
            transfer.flush();
        }
    }

    @Override
    protected String whyUnmappable() {
        return disk.name() + " cannot be mapped: its blocks are reached through its queue and not through memory";
    }

    @Override
    protected FileLockTable locks() {
        return disk.fileLocks();
    }

    /** The disk exists in this process only: nobody ever has to wait for a lock on it. */
    @Override
    protected SystemLocks systemLocks() {
        return SystemLocks.NONE;
    }

    /** Under the monitor of close. In the order of the threads' start, since that of the set is another each time. */
    @Override
    protected void closeOwn() {
        node.runtime().unparkAll(inOperation.stream().sorted(Comparator.comparingLong(Thread::threadId)).toList());
    }

    @Override
    public String toString() {
        return "channel of " + disk + (isOpen() ? "" : ", closed");
    }

    // ---- what operations share

    /** Transfers one piece. */
    @FunctionalInterface
    private interface Piece {
        void transfer(long at, int bytes) throws IOException;
    }

    /** Transfers pieces, each up to a multiple of the longest piece, until all is done or one fails that is not the first. */
    private static long inPieces(long from, long bytes, Piece piece) throws IOException {
        long done = 0;
        while (done < bytes) {
            long at = from + done;
            int length = Pieces.length(at, bytes - done);
            try {
                piece.transfer(at, length);
            } catch (IOException | RuntimeException | Error e) {
                if (done == 0) {
                    throw e;
                }
                break;
            }
            done += length;
        }
        return done;
    }

    private static ByteBuffer view(IoBuffer buffer, long from, int bytes) {
        return buffer.memory().asSlice(from, bytes).asByteBuffer();
    }
}
