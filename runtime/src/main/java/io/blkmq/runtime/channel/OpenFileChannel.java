package io.blkmq.runtime.channel;

import java.io.Closeable;
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
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * A {@link FileChannel} over something that is read and written at offsets: a disk, or a file. It answers as the JDK's channel of a file
 * does: which argument is looked at first, what an interrupt or a close ends, where the position is. Subclasses do the I/O. Thread-safe.
 *
 * <p>The position is guarded by a lock of the subclass's ({@link #holdPosition}), because it is held while I/O runs.
 */
public abstract class OpenFileChannel extends FileChannel {
    /** Guarded by its lock. */
    private long position;
    /**
     * Threads that may wait in another channel, and in which. A thread enters itself and looks whether this channel is open; who closes
     * it says so and looks at the map.
     */
    private final Map<Thread, InterruptibleChannel> elsewhere = new ConcurrentHashMap<>();

    /** A channel that is open. */
    protected OpenFileChannel() {}

    // ---- what subclasses do

    /** Who holds the position. */
    @FunctionalInterface
    public interface PositionHold extends AutoCloseable {
        @Override
        void close();
    }

    /**
     * Waits for the position.
     *
     * @return to be closed
     * @throws ClosedChannelException if the channel has been closed meanwhile
     */
    protected abstract PositionHold holdPosition() throws ClosedChannelException;

    /**
     * Says that the thread begins an operation.
     *
     * @throws IllegalStateException if it may not wait
     */
    protected abstract void enter();

    /** Says that the thread has ended an operation. */
    protected abstract void leave();

    /**
     * Refuses to read from what is not open for reading.
     *
     * @throws java.nio.channels.NonReadableChannelException if it is not
     */
    protected abstract void requireReadable();

    /**
     * Refuses to write to what is not open for writing.
     *
     * @throws java.nio.channels.NonWritableChannelException if it is not
     */
    protected abstract void requireWritable();

    /**
     * Whether each write goes to the end, wherever the position is. The position is the end, then.
     *
     * @return whether it does
     */
    protected boolean appends() {
        return false;
    }

    /**
     * Reads into a row, and moves the positions of its buffers.
     *
     * @param row what is filled
     * @param from where the read begins, in bytes
     * @return bytes; -1 at the end, 0 if there is no room. Fewer, too, if it does not {@linkplain #goesOn go on}
     * @throws IOException if it fails
     */
    protected abstract long readRow(BufferRow row, long from) throws IOException;

    /**
     * Writes a row, and moves the positions of its buffers.
     *
     * @param row what is written
     * @param to where the write begins, in bytes; not looked at if the channel {@link #appends}
     * @return bytes; fewer than there are only if it does not {@linkplain #goesOn go on}, or the rest has failed
     * @throws IOException if it fails
     */
    protected abstract long writeRow(BufferRow row, long to) throws IOException;

    /**
     * How much of a transfer to this channel is taken from its source: what is taken and finds no room could not be given back.
     *
     * @param to where it is to go, in bytes
     * @param count bytes
     * @return bytes
     * @throws IOException if the size is not to be had
     */
    protected long room(long to, long count) throws IOException {
        return count;
    }

    /**
     * The size now.
     *
     * @return bytes
     * @throws IOException if it is not to be had
     */
    protected abstract long currentSize() throws IOException;

    /**
     * Cuts what is longer to a size.
     *
     * @param size bytes
     * @throws IOException if it cannot be cut
     */
    protected abstract void cut(long size) throws IOException;

    /**
     * Makes what was written durable.
     *
     * @param metaData whether with all metadata
     * @throws IOException if it fails
     */
    protected abstract void flush(boolean metaData) throws IOException;

    /**
     * Why it cannot be mapped.
     *
     * @return a sentence
     */
    protected abstract String whyUnmappable();

    /** {@return the locks of this process on the disk or file} */
    protected abstract FileLockTable locks();

    /** {@return the locks of the system} */
    protected abstract SystemLocks systemLocks();

    /** Waits a while, since another process has a lock: an interrupt ends it. */
    protected void awaitLock() {
        throw new IllegalStateException("a lock that no other process can have is refused");
    }

    /**
     * Closes what is the channel's own, and ends the waiting of threads in it. Its locks are released.
     *
     * @throws IOException if it fails
     */
    protected abstract void closeOwn() throws IOException;

    // ---- reading

    @Override
    public final int read(ByteBuffer dst) throws IOException {
        requireOpen();
        requireReadable();
        return (int) readAtPosition(BufferRow.toFill(dst));
    }

    @Override
    public final long read(ByteBuffer[] dsts, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, dsts.length);
        requireOpen();
        requireReadable();
        return readAtPosition(BufferRow.toFill(dsts, offset, length));
    }

    @Override
    public final int read(ByteBuffer dst, long from) throws IOException {
        Objects.requireNonNull(dst, "dst");
        requireNotNegative("position", from);
        requireOpen();
        requireReadable();
        BufferRow row = BufferRow.toFill(dst);
        long done = 0;
        start();
        try {
            done = readRow(row, from);
        } finally {
            // As with the JDK: who has found the end of a channel that is closed hears of the close.
            finish(done > 0);
        }
        return (int) done;
    }

    private long readAtPosition(BufferRow row) throws IOException {
        long done = 0;
        start();
        try (PositionHold _ = holdPosition()) {
            done = readRow(row, position);
            position += Math.max(0, done);
        } finally {
            finish(done > 0);
        }
        return done;
    }

    // ---- writing

    @Override
    public final int write(ByteBuffer src) throws IOException {
        requireOpen();
        requireWritable();
        return (int) writeAtPosition(BufferRow.toDrain(src));
    }

    @Override
    public final long write(ByteBuffer[] srcs, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, srcs.length);
        requireOpen();
        requireWritable();
        return writeAtPosition(BufferRow.toDrain(srcs, offset, length));
    }

    @Override
    public final int write(ByteBuffer src, long to) throws IOException {
        Objects.requireNonNull(src, "src");
        requireNotNegative("position", to);
        requireOpen();
        requireWritable();
        BufferRow row = BufferRow.toDrain(src);
        long done = 0;
        start();
        try {
            done = writeRow(row, to);
        } finally {
            finish(done != 0);
        }
        return (int) done;
    }

    private long writeAtPosition(BufferRow row) throws IOException {
        long done = 0;
        start();
        try (PositionHold _ = holdPosition()) {
            done = writeRow(row, position);
            position += done;
        } finally {
            finish(done != 0);
        }
        return done;
    }

    // ---- from and to other channels

    @Override
    public final long transferTo(long from, long count, WritableByteChannel target) throws IOException {
        requireOpen();
        if (!target.isOpen()) {
            throw new ClosedChannelException();
        }
        requireReadable();
        if (target instanceof OpenFileChannel other) {
            other.requireWritable();
        }
        requireNotNegative("position", from);
        requireNotNegative("count", count);
        return ChannelCopy.to(target, this, from, Math.clamp(currentSize() - from, 0, count));
    }

    @Override
    public final long transferFrom(ReadableByteChannel source, long to, long count) throws IOException {
        requireOpen();
        if (!source.isOpen()) {
            throw new ClosedChannelException();
        }
        requireWritable();
        if (source instanceof OpenFileChannel other) {
            other.requireReadable();
        }
        requireNotNegative("position", to);
        requireNotNegative("count", count);
        if (count == 0 && !(source instanceof FileChannel)) {
            // As the JDK's channel, which asks only a file for nothing.
            return 0;
        }
        return ChannelCopy.from(source, this, to, room(to, count));
    }

    /**
     * Says that this thread is about to wait in another channel, which a close of this one has to end.
     *
     * @throws ClosedChannelException if this one is closed already
     */
    final void goElsewhere(InterruptibleChannel other) throws ClosedChannelException {
        elsewhere.put(Thread.currentThread(), other);
        if (!isOpen()) {
            comeBack();
            throw new ClosedChannelException();
        }
    }

    final void comeBack() {
        elsewhere.remove(Thread.currentThread());
    }

    /** As a channel of the JDK's an interrupted thread closes this one, whatever it is about to do with it. */
    final void requireUninterrupted() throws AsynchronousCloseException {
        begin();
        end(true);
    }

    // ---- position and size

    @Override
    public final long position() throws IOException {
        boolean done = false;
        start();
        try (PositionHold _ = holdPosition()) {
            long now = appends() ? currentSize() : position;
            done = now != 0;
            return now;
        } finally {
            finish(done);
        }
    }

    @Override
    public final FileChannel position(long newPosition) throws IOException {
        requireOpen();
        requireNotNegative("position", newPosition);
        move(newPosition);
        return this;
    }

    private void move(long newPosition) throws IOException {
        start();
        try (PositionHold _ = holdPosition()) {
            position = newPosition;
        } finally {
            finish(newPosition != 0);
        }
    }

    @Override
    public final long size() throws IOException {
        requireOpen();
        requireUninterrupted();
        return currentSize();
    }

    @Override
    public final FileChannel truncate(long size) throws IOException {
        requireOpen();
        requireNotNegative("size", size);
        requireWritable();
        requireUninterrupted();
        boolean done = false;
        start();
        try (PositionHold _ = holdPosition()) {
            cut(size);
            position = Math.min(position, size);
            done = true;
        } finally {
            finish(done);
        }
        return this;
    }

    // ---- the rest of a file

    @Override
    public final void force(boolean metaData) throws IOException {
        boolean done = false;
        start();
        try {
            flush(metaData);
            done = true;
        } finally {
            finish(done);
        }
    }

    @Override
    public final MappedByteBuffer map(MapMode mode, long from, long size) throws IOException {
        if (size > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "size " + size + ": at most " + Integer.MAX_VALUE + " bytes can be mapped as a buffer");
        }
        throw unmappable(mode, from, size);
    }

    @Override
    public final MemorySegment map(MapMode mode, long from, long size, Arena arena) throws IOException {
        Objects.requireNonNull(arena, "arena");
        throw unmappable(mode, from, size);
    }

    /** What would be refused by the JDK's is refused in the same way; the rest is refused because it cannot be. */
    private UnsupportedOperationException unmappable(MapMode mode, long from, long size) throws ClosedChannelException {
        Objects.requireNonNull(mode, "mode");
        requireOpen();
        requireNotNegative("position", from);
        requireNotNegative("size", size);
        if (from + size < 0) {
            throw new IllegalArgumentException(
                    "position " + from + " and size " + size + ": the sum is above 2^63 - 1");
        }
        requireReadable();
        if (!mode.equals(MapMode.READ_ONLY)) {
            requireWritable();
        }
        return new UnsupportedOperationException(whyUnmappable());
    }

    @Override
    public final FileLock lock(long from, long size, boolean shared) throws IOException {
        requireOpen();
        requireLockable(shared);
        FileLockTable.RangeLock lock = locks().reserve(this, from, size, shared, systemLocks());
        boolean good = false;
        try {
            while (isOpen() && !Thread.currentThread().isInterrupted() && !lock.askSystem()) {
                awaitLock();
            }
            good = isOpen() && !Thread.currentThread().isInterrupted();
        } catch (ClosedChannelException e) {
            // Closed meanwhile: told below.
        } finally {
            if (!good) {
                lock.drop();
            }
        }
        if (good) {
            return lock;
        }
        if (Thread.currentThread().isInterrupted()) {
            // The JDK's channel closes itself as with any other operation, and gives its lock up with that.
            close();
            throw new FileLockInterruptionException();
        }
        throw new AsynchronousCloseException();
    }

    @Override
    public final @Nullable FileLock tryLock(long from, long size, boolean shared) throws IOException {
        requireOpen();
        requireLockable(shared);
        FileLockTable.RangeLock lock = locks().reserve(this, from, size, shared, systemLocks());
        boolean good = false;
        try {
            good = lock.askSystem();
        } finally {
            if (!good) {
                lock.drop();
            }
        }
        if (!isOpen()) {
            // Closed meanwhile: whoever closed it may have looked at the table before the lock was there.
            lock.drop();
            throw new ClosedChannelException();
        }
        return good ? lock : null;
    }

    private void requireLockable(boolean shared) {
        if (shared) {
            requireReadable();
        } else {
            requireWritable();
        }
    }

    @Override
    protected final void implCloseChannel() throws IOException {
        // Under the monitor of close. Whatever fails, all of it is done, for nobody calls this again.
        try (Closeable _ = this::closeElsewhere; Closeable _ = this::closeOwn) {
            locks().releaseAll(this);
        }
    }

    /** The channels that threads are in which use this one: they leave by that. */
    private void closeElsewhere() throws IOException {
        IOException failure = null;
        for (InterruptibleChannel each : elsewhere.values()) {
            try {
                each.close();
            } catch (IOException | RuntimeException e) {
                if (failure == null) {
                    failure = new IOException("a channel that a transfer of this one was in could not be closed", e);
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    // ---- what operations share

    /** Begins an operation that an interrupt or a close of the channel can end. */
    private void start() throws ClosedChannelException {
        requireOpen();
        enter();
        begin();
        if (!isOpen()) {
            // By an interrupt of this thread, before the operation: nothing of it is begun.
            finish(false);
        }
    }

    private void finish(boolean done) throws AsynchronousCloseException {
        leave();
        if (Thread.currentThread().isInterrupted()) {
            // A channel that the operation used within may have heard of the interrupt in the place of this one: it closes this one, too.
            begin();
        }
        end(done);
    }

    /**
     * Whether an operation of the calling thread goes on: neither has the channel been closed, nor the thread been interrupted. For operations
     * of several steps, which begin none otherwise.
     *
     * @return whether it goes on
     */
    protected final boolean goesOn() {
        return isOpen() && !Thread.currentThread().isInterrupted();
    }

    private void requireOpen() throws ClosedChannelException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
    }

    /**
     * Refuses a negative number.
     *
     * @param what what it is
     * @param value the number
     * @throws IllegalArgumentException if it is negative
     */
    public static void requireNotNegative(String what, long value) {
        if (value < 0) {
            throw new IllegalArgumentException(what + " " + value + " is negative");
        }
    }
}
