package io.blkmq.core;

import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.FileLockInterruptionException;
import java.nio.channels.InterruptibleChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.Comparator;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A disk as a file of fixed size. It answers as the kernel does at the device node: a read at the end finds the end, one across
 * it is shortened; a write at the end finds no space, one across it is shortened. Thread-safe.
 *
 * <p>All data goes through a buffer of the channel's own, cut into pieces of {@link DeviceNode#PIECE_BYTES}. So any offset, length and
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
final class DiskChannel extends FileChannel {
    private final DeviceNode node;
    private final Disk disk;
    private final BlockRangeLock positionLock;
    /** Guarded by its lock. */
    private long position;
    /** Threads that may be parked in an operation. */
    private final Set<Thread> inOperation = ConcurrentHashMap.newKeySet();
    /**
     * Threads that may wait in another channel, and in which. A thread enters itself and looks whether this channel is open; who closes
     * it says so and looks at the map.
     */
    private final Map<Thread, InterruptibleChannel> elsewhere = new ConcurrentHashMap<>();

    DiskChannel(DeviceNode node) {
        this.node = node;
        this.disk = node.disk();
        this.positionLock = Disk.newBlockLock(node.disk().queue());
    }

    DeviceNode node() {
        return node;
    }

    // ---- reading

    @Override
    public int read(ByteBuffer dst) throws IOException {
        return (int) readAtPosition(new ByteBuffer[]{dst}, 0, 1);
    }

    @Override
    public long read(ByteBuffer[] dsts, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, dsts.length);
        return readAtPosition(dsts, offset, length);
    }

    @Override
    public int read(ByteBuffer dst, long from) throws IOException {
        Objects.requireNonNull(dst, "dst");
        DeviceNode.requireNotNegative("position", from);
        requireOpen();
        node.requireReadable();
        BufferRow row = BufferRow.toFill(new ByteBuffer[]{dst}, 0, 1);
        return (int) operate(() -> readTo(row, from));
    }

    private long readAtPosition(ByteBuffer[] dsts, int offset, int length) throws IOException {
        requireOpen();
        node.requireReadable();
        BufferRow row = BufferRow.toFill(dsts, offset, length);
        return atPosition(() -> {
            long done = readTo(row, position);
            position += Math.max(0, done);
            return done;
        });
    }

    private long readTo(BufferRow row, long from) throws IOException {
        long bytes = node.readableBytes(from, row.remaining());
        return bytes <= 0 ? bytes : inPieces(from, bytes, (at, length) -> readPiece(row, at, length));
    }

    private void readPiece(BufferRow row, long from, int bytes) throws IOException {
        long first = from & -node.blockBytes();
        IoBuffer buffer = IoBuffer.allocate(node.roundedUp(from + bytes) - first);
        try (ChannelTransfer transfer = new ChannelTransfer(this, buffer, null)) {
            transfer.run(Operation.READ, first, buffer.memory());
            row.fill(view(buffer, from - first, bytes));
        }
    }

    // ---- writing

    @Override
    public int write(ByteBuffer src) throws IOException {
        return (int) writeAtPosition(new ByteBuffer[]{src}, 0, 1);
    }

    @Override
    public long write(ByteBuffer[] srcs, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, srcs.length);
        return writeAtPosition(srcs, offset, length);
    }

    @Override
    public int write(ByteBuffer src, long to) throws IOException {
        Objects.requireNonNull(src, "src");
        DeviceNode.requireNotNegative("position", to);
        requireOpen();
        node.requireWritable();
        BufferRow row = BufferRow.toDrain(new ByteBuffer[]{src}, 0, 1);
        return (int) operate(() -> writeFrom(row, to));
    }

    private long writeAtPosition(ByteBuffer[] srcs, int offset, int length) throws IOException {
        requireOpen();
        node.requireWritable();
        BufferRow row = BufferRow.toDrain(srcs, offset, length);
        return atPosition(() -> {
            long done = writeFrom(row, position);
            position += done;
            return done;
        });
    }

    private long writeFrom(BufferRow row, long to) throws IOException {
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
        try (ChannelTransfer transfer = new ChannelTransfer(this, buffer, hold)) {
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
        } catch (OutOfMemoryError e) {
            hold.close();
            throw e;
        }
    }

    // ---- from and to other channels

    @Override
    public long transferTo(long from, long count, WritableByteChannel target) throws IOException {
        requireOpen();
        if (!target.isOpen()) {
            throw new ClosedChannelException();
        }
        node.requireReadable();
        if (target instanceof DiskChannel other) {
            other.node.requireWritable();
        }
        DeviceNode.requireNotNegative("position", from);
        DeviceNode.requireNotNegative("count", count);
        return ChannelCopy.to(target, this, from, Math.clamp(node.sizeBytes() - from, 0, count));
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long to, long count) throws IOException {
        requireOpen();
        if (!source.isOpen()) {
            throw new ClosedChannelException();
        }
        node.requireWritable();
        if (source instanceof DiskChannel other) {
            other.node.requireReadable();
        }
        DeviceNode.requireNotNegative("position", to);
        DeviceNode.requireNotNegative("count", count);
        if (count == 0 && !(source instanceof FileChannel)) {
            // As the JDK's channel, which asks only a file for nothing.
            return 0;
        }
        // Not more than there is room for is taken from the source: what was taken could not be given back. At the end one byte is,
        // since only a source that has not ended finds no space.
        return ChannelCopy.from(source, this, to, Math.min(count, Math.max(1, node.sizeBytes() - to)));
    }

    /**
     * Says that this thread is about to wait in another channel, which a close of this one has to end.
     *
     * @throws ClosedChannelException if this one is closed already
     */
    void goElsewhere(InterruptibleChannel other) throws ClosedChannelException {
        elsewhere.put(Thread.currentThread(), other);
        if (!isOpen()) {
            comeBack();
            throw new ClosedChannelException();
        }
    }

    void comeBack() {
        elsewhere.remove(Thread.currentThread());
    }

    /** As a channel of the JDK's an interrupted thread closes this one, whatever it is about to do with it. */
    void requireUninterrupted() throws AsynchronousCloseException {
        begin();
        end(true);
    }

    // ---- position and size

    @Override
    public long position() throws IOException {
        return atPosition(() -> position);
    }

    @Override
    public FileChannel position(long newPosition) throws IOException {
        requireOpen();
        DeviceNode.requireNotNegative("position", newPosition);
        atPosition(() -> position = newPosition);
        return this;
    }

    @Override
    public long size() throws IOException {
        requireOpen();
        requireUninterrupted();
        return node.sizeBytes();
    }

    @Override
    public FileChannel truncate(long size) throws IOException {
        requireOpen();
        DeviceNode.requireNotNegative("size", size);
        node.requireWritable();
        requireUninterrupted();
        node.truncate(size);
        atPosition(() -> position = Math.min(position, size));
        return this;
    }

    // ---- the rest of a file

    @Override
    public void force(boolean metaData) throws IOException {
        operate(() -> {
            try (ChannelTransfer transfer = new ChannelTransfer(this, null, null)) {
                transfer.flush();
            }
            return 1;
        });
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long from, long size) throws IOException {
        if (size > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "size " + size + ": at most " + Integer.MAX_VALUE + " bytes can be mapped as a buffer");
        }
        throw unmappable(mode, from, size);
    }

    @Override
    public MemorySegment map(MapMode mode, long from, long size, Arena arena) throws IOException {
        Objects.requireNonNull(arena, "arena");
        throw unmappable(mode, from, size);
    }

    /** What would be refused for a file is refused in the same way; the rest is refused because it is no file. */
    private UnsupportedOperationException unmappable(MapMode mode, long from, long size) throws ClosedChannelException {
        Objects.requireNonNull(mode, "mode");
        requireOpen();
        DeviceNode.requireNotNegative("position", from);
        DeviceNode.requireNotNegative("size", size);
        if (from + size < 0) {
            throw new IllegalArgumentException(
                    "position " + from + " and size " + size + ": the sum is above 2^63 - 1");
        }
        node.requireReadable();
        if (!mode.equals(MapMode.READ_ONLY)) {
            node.requireWritable();
        }
        return new UnsupportedOperationException(
                disk.name() + " cannot be mapped: its blocks are reached through its queue and not through memory");
    }

    @Override
    public FileLock lock(long from, long size, boolean shared) throws IOException {
        requireOpen();
        FileLock lock = tryLock(from, size, shared);
        if (Thread.currentThread().isInterrupted()) {
            // The JDK's channel closes itself as with any other operation, and gives its lock up with that.
            close();
            throw new FileLockInterruptionException();
        }
        return lock;
    }

    @Override
    public FileLock tryLock(long from, long size, boolean shared) throws IOException {
        requireOpen();
        node.requireLockable(shared);
        FileLock lock = disk.fileLocks().lock(this, from, size, shared);
        if (!isOpen()) {
            // Closed meanwhile: whoever closed it may have looked at the table before the lock was there.
            disk.fileLocks().releaseAll(this);
            throw new ClosedChannelException();
        }
        return lock;
    }

    @Override
    protected void implCloseChannel() throws IOException {
        disk.fileLocks().releaseAll(this);
        // Under the monitor of close. In the order of the threads' start, since that of the set is another each time.
        node.runtime().unparkAll(inOperation.stream().sorted(Comparator.comparingLong(Thread::threadId)).toList());
        for (InterruptibleChannel each : elsewhere.values()) {
            each.close();
        }
    }

    @Override
    public String toString() {
        return "channel of " + disk + (isOpen() ? "" : ", closed");
    }

    // ---- what operations share

    /** An operation of the channel. */
    @FunctionalInterface
    private interface Work {
        long run() throws IOException;
    }

    /** Transfers one piece. */
    @FunctionalInterface
    private interface Piece {
        void transfer(long at, int bytes) throws IOException;
    }

    /** Runs an operation that an interrupt or a close of the channel can end. */
    private long operate(Work work) throws IOException {
        requireOpen();
        disk.queue().requireNoCompletion("an operation on the channel of " + disk.name());
        long done = 0;
        inOperation.add(Thread.currentThread());
        try {
            begin();
            done = work.run();
        } finally {
            inOperation.remove(Thread.currentThread());
            end(done != 0);
        }
        return done;
    }

    /** Runs an operation that holds the position. */
    private long atPosition(Work work) throws IOException {
        return operate(() -> {
            BlockRangeLock.Hold hold = positionLock.lock(0, 1, this::isOpen);
            if (hold == null) {
                throw new ClosedChannelException();
            }
            try (hold) {
                return work.run();
            }
        });
    }

    /** Transfers pieces, each up to a multiple of the longest piece, until all is done or one fails that is not the first. */
    private static long inPieces(long from, long bytes, Piece piece) throws IOException {
        long done = 0;
        while (done < bytes) {
            long at = from + done;
            int length = DeviceNode.pieceBytes(at, bytes - done);
            try {
                piece.transfer(at, length);
            } catch (IOException | RuntimeException | OutOfMemoryError e) {
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

    private void requireOpen() throws ClosedChannelException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
    }

    /** The caller's buffers, one behind the other. */
    private static final class BufferRow {
        private final ByteBuffer[] buffers;
        private final int first;
        private final int end;

        private BufferRow(ByteBuffer[] buffers, int first, int end) {
            this.buffers = buffers;
            this.first = first;
            this.end = end;
        }

        static BufferRow toFill(ByteBuffer[] buffers, int offset, int length) {
            BufferRow row = toDrain(buffers, offset, length);
            for (int i = row.first; i < row.end; i++) {
                if (buffers[i].isReadOnly()) {
                    throw new IllegalArgumentException(
                            "buffer " + (i - offset) + " is read-only: nothing can be read into it");
                }
            }
            return row;
        }

        static BufferRow toDrain(ByteBuffer[] buffers, int offset, int length) {
            for (int i = offset; i < offset + length; i++) {
                Objects.requireNonNull(buffers[i], "buffer");
            }
            return new BufferRow(buffers, offset, offset + length);
        }

        long remaining() {
            long bytes = 0;
            for (int i = first; i < end; i++) {
                bytes += buffers[i].remaining();
            }
            return bytes;
        }

        /** Puts all bytes of a source into the buffers, and moves their positions. */
        void fill(ByteBuffer source) {
            for (int i = first; source.hasRemaining(); i++) {
                ByteBuffer buffer = buffers[i];
                int bytes = Math.min(buffer.remaining(), source.remaining());
                buffer.put(buffer.position(), source, source.position(), bytes);
                buffer.position(buffer.position() + bytes);
                source.position(source.position() + bytes);
            }
        }

        /** Fills a target from the buffers, whose positions stay. */
        void copyTo(ByteBuffer target) {
            for (int i = first; target.hasRemaining(); i++) {
                ByteBuffer buffer = buffers[i];
                int bytes = Math.min(buffer.remaining(), target.remaining());
                target.put(target.position(), buffer, buffer.position(), bytes);
                target.position(target.position() + bytes);
            }
        }

        /** Moves the buffers' positions. */
        void advance(int bytes) {
            int left = bytes;
            for (int i = first; left > 0; i++) {
                int step = Math.min(buffers[i].remaining(), left);
                buffers[i].position(buffers[i].position() + step);
                left -= step;
            }
        }
    }
}
