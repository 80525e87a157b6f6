package io.blkmq.aio;

import io.blkmq.runtime.channel.BufferRow;
import io.blkmq.runtime.channel.FileLockTable;
import io.blkmq.runtime.channel.OpenFileChannel;
import io.blkmq.runtime.channel.SystemLocks;
import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;

/**
 * A file that grows, as a {@link java.nio.channels.FileChannel}. What it does of its own is to say how a file answers; the I/O is that of
 * {@link BlockIo}, which parks. Thread-safe.
 *
 * <p>A thread whose channel is closed, by another or by its own interrupt, leaves when its operation in flight has ended: the memory is
 * the engine's until then. What it has not begun it does not begin. Close does not wait for that; the file's descriptor goes with the
 * last operation.
 */
final class AioFileChannel extends OpenFileChannel {

    /** How often a lock is asked for that another process has. */
    static final long LOCK_PAUSE_NANOS = 2_000_000;

    private final AsyncFile front;
    private final BlockIo io;
    private final ChannelOpening opening;
    private final ChannelEnd end;
    private final ReentrantLock positionLock = new ReentrantLock();
    private final PositionHold positionHold = positionLock::unlock;
    private final SystemLocks systemLocks;
    /** Asked between the pieces of a transfer. */
    private final BooleanSupplier going = this::goesOn;

    AioFileChannel(AsyncFile front, ChannelOpening opening, ChannelEnd end) {
        this.front = front;
        this.io = front.channelIo();
        this.opening = opening;
        this.end = end;
        this.systemLocks = new RangeLocks(io.file);
    }

    @Override
    protected PositionHold holdPosition() throws ClosedChannelException {
        positionLock.lock();
        if (!isOpen()) {
            positionLock.unlock();
            throw new AsynchronousCloseException();
        }
        return positionHold;
    }

    @Override
    protected void enter() {
        io.requireMayWait("an operation on a channel");
    }

    @Override
    protected void leave() {
        // Nobody asks who is in an operation.
    }

    @Override
    protected void requireReadable() {
        if (!opening.read()) {
            throw new NonReadableChannelException();
        }
    }

    @Override
    protected void requireWritable() {
        if (!opening.write()) {
            throw new NonWritableChannelException();
        }
    }

    @Override
    protected boolean appends() {
        return opening.append();
    }

    @Override
    protected long readRow(BufferRow row, long from) throws IOException {
        long bytes = row.remaining();
        if (bytes == 0) {
            return 0;
        }
        requireRange("read", from, bytes);
        if (from > BlockIo.OFFSET_MAX - bytes) {
            return -1;
        }
        long done = io.read(from, row, going);
        return done == 0 ? -1 : done;
    }

    @Override
    protected long writeRow(BufferRow row, long to) throws IOException {
        long bytes = row.remaining();
        if (bytes == 0) {
            return 0;
        }
        if (opening.append()) {
            return io.append(row, going);
        }
        requireRange("write", to, bytes);
        if (to > BlockIo.OFFSET_MAX - bytes) {
            throw AioException.of(Errno.EFBIG, io.file.path(), BlockIo.inWords("write", to, bytes));
        }
        return io.write(to, row, going);
    }

    /** The kernel looks at that before it looks where the file ends. */
    private void requireRange(String operation, long from, long bytes) throws IOException {
        if (from > Long.MAX_VALUE - bytes) {
            throw new IOException("Invalid argument: " + BlockIo.inWords(operation, from, bytes) + " of "
                    + io.file.path() + " ends past the largest offset, " + Long.MAX_VALUE);
        }
    }

    @Override
    protected long currentSize() throws IOException {
        try {
            return io.size();
        } catch (IOException e) {
            if (!isOpen()) {
                AsynchronousCloseException closedMeanwhile = new AsynchronousCloseException();
                closedMeanwhile.addSuppressed(e);
                throw closedMeanwhile;
            }
            throw e;
        }
    }

    @Override
    protected void cut(long size) throws IOException {
        io.cut(size);
    }

    @Override
    protected void flush(boolean metaData) throws IOException {
        io.sync(!metaData);
    }

    @Override
    protected String whyUnmappable() {
        return io.file.path()
                + " cannot be mapped through this channel: memory that is mapped would be read and written beside the engine."
                + " Open it with FileChannel.open for that";
    }

    @Override
    protected FileLockTable locks() {
        return io.shared.locks();
    }

    @Override
    protected SystemLocks systemLocks() {
        return systemLocks;
    }

    @Override
    protected void awaitLock() {
        LockSupport.parkNanos(this, LOCK_PAUSE_NANOS);
    }

    @Override
    protected void closeOwn() throws IOException {
        end.close();
    }

    @Override
    public String toString() {
        return "channel of " + front + (isOpen() ? "" : ", closed");
    }
}
