package io.blkmq.testkit.provider;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.util.Objects;

/** A channel of a file, or of a directory that is to be synced. */
final class TreeFileChannel extends FileChannel {
    /** More buffers Linux does not read or write at once. */
    private static final int BUFFERS_MAX = 1024;

    private final OpenFile file;
    private final Object positionLock = new Object();
    private long position;

    TreeFileChannel(OpenFile file) {
        this.file = file;
    }

    /** What is done while the channel may be closed by others or by an interrupt. */
    @FunctionalInterface
    private interface Action {
        long perform() throws IOException;
    }

    private long perform(Action action) throws IOException {
        boolean completed = false;
        try {
            begin();
            if (!isOpen()) {
                return 0; // and end() says why
            }
            long result = action.perform();
            completed = true;
            return result;
        } finally {
            end(completed);
        }
    }

    private void requireOpen() throws ClosedChannelException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
    }

    private void requireReadable() throws ClosedChannelException {
        requireOpen();
        if (!file.options().reads()) {
            throw new NonReadableChannelException();
        }
    }

    private void requireWritable() throws ClosedChannelException {
        requireOpen();
        if (!file.options().writes()) {
            throw new NonWritableChannelException();
        }
    }

    private static void requireNotNegative(String what, long value) {
        if (value < 0) {
            throw new IllegalArgumentException(what + " " + value + ": at least 0 is possible");
        }
    }

    private static void requireModifiable(ByteBuffer target) {
        if (target.isReadOnly()) {
            throw new IllegalArgumentException("a read-only buffer cannot be read into");
        }
    }

    @Override
    public int read(ByteBuffer dst) throws IOException {
        requireReadable();
        requireModifiable(dst);
        synchronized (positionLock) {
            int count = (int) perform(() -> file.read(position, dst));
            position += Math.max(0, count);
            return count;
        }
    }

    @Override
    public int read(ByteBuffer dst, long at) throws IOException {
        Objects.requireNonNull(dst);
        requireNotNegative("position", at);
        requireReadable();
        requireModifiable(dst);
        return (int) perform(() -> file.read(at, dst));
    }

    @Override
    public long read(ByteBuffer[] dsts, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, dsts.length);
        requireReadable();
        int buffers = atOnce(dsts, offset, length);
        for (int i = offset; i < offset + buffers; i++) {
            requireModifiable(dsts[i]);
        }
        synchronized (positionLock) {
            long count = perform(() -> scatter(dsts, offset, buffers));
            position += Math.max(0, count);
            return count;
        }
    }

    /** How many of some buffers one system call takes, to which the JDK does not give those that are empty. */
    private static int atOnce(ByteBuffer[] buffers, int offset, int length) {
        int taken = 0;
        int i = 0;
        for (; i < length && taken < BUFFERS_MAX; i++) {
            taken += buffers[offset + i].hasRemaining() ? 1 : 0;
        }
        return i;
    }

    private long scatter(ByteBuffer[] dsts, int offset, int length) throws IOException {
        long total = 0;
        for (int i = offset; i < offset + length; i++) {
            if (dsts[i].hasRemaining()) {
                int count = file.read(position + total, dsts[i]);
                if (count < 0) {
                    return total == 0 ? -1 : total;
                }
                total += count;
            }
        }
        return total;
    }

    @Override
    public int write(ByteBuffer src) throws IOException {
        Objects.requireNonNull(src);
        requireWritable();
        synchronized (positionLock) {
            int count = (int) perform(() -> file.write(position, src));
            position += count;
            return count;
        }
    }

    @Override
    public int write(ByteBuffer src, long at) throws IOException {
        Objects.requireNonNull(src);
        requireNotNegative("position", at);
        requireWritable();
        return (int) perform(() -> file.write(at, src));
    }

    /** Writes all buffers at once, as one system call does. */
    @Override
    public long write(ByteBuffer[] srcs, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, srcs.length);
        requireWritable();
        int count = atOnce(srcs, offset, length);
        long bytes = 0;
        for (int i = offset; i < offset + count; i++) {
            bytes += srcs[i].remaining();
        }
        ByteBuffer gathered = ByteBuffer.allocate((int) Math.min(bytes, Integer.MAX_VALUE - Long.BYTES));
        for (int i = offset; i < offset + count && gathered.hasRemaining(); i++) {
            gathered.put(srcs[i].slice().limit(Math.min(srcs[i].remaining(), gathered.remaining())));
        }
        int written = write(gathered.flip());
        int left = written;
        for (int i = offset; i < offset + count; i++) {
            int of = Math.min(left, srcs[i].remaining());
            srcs[i].position(srcs[i].position() + of);
            left -= of;
        }
        return written;
    }

    /** Of a file that was opened to append the position is always its end. */
    @Override
    public long position() throws IOException {
        requireOpen();
        synchronized (positionLock) {
            return perform(() -> file.options().appends() ? file.size() : position);
        }
    }

    @Override
    public FileChannel position(long newPosition) throws IOException {
        requireOpen();
        requireNotNegative("position", newPosition);
        synchronized (positionLock) {
            perform(() -> {
                position = newPosition;
                return newPosition;
            });
            return this;
        }
    }

    @Override
    public long size() throws IOException {
        requireOpen();
        return perform(file::size);
    }

    @Override
    public FileChannel truncate(long size) throws IOException {
        requireOpen();
        requireNotNegative("size", size);
        requireWritable();
        synchronized (positionLock) {
            perform(() -> {
                if (size < file.size()) {
                    file.truncate(size);
                }
                position = Math.min(position, size);
                return position;
            });
            return this;
        }
    }

    @Override
    public void force(boolean metaData) throws IOException {
        requireOpen();
        perform(() -> {
            file.force(metaData);
            return 0;
        });
    }

    @Override
    public long transferTo(long from, long count, WritableByteChannel target) throws IOException {
        requireOpen();
        if (!target.isOpen()) {
            throw new ClosedChannelException();
        }
        requireReadable();
        if (target instanceof TreeFileChannel channel && !channel.file.options().writes()) {
            throw new NonWritableChannelException();
        }
        requireNotNegative("position", from);
        requireNotNegative("count", count);
        return ChannelCopy.to(target, this, from, count);
    }

    @Override
    public long transferFrom(ReadableByteChannel src, long at, long count) throws IOException {
        requireOpen();
        if (!src.isOpen()) {
            throw new ClosedChannelException();
        }
        if (src instanceof TreeFileChannel channel && !channel.file.options().reads()) {
            throw new NonReadableChannelException();
        }
        requireWritable();
        requireNotNegative("position", at);
        requireNotNegative("count", count);
        return ChannelCopy.from(src, this, at, count);
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long from, long size) throws IOException {
        if (size > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "size " + size + ": a buffer has at most " + Integer.MAX_VALUE + " bytes");
        }
        return mapped(mode, from, size).buffer();
    }

    @Override
    public MemorySegment map(MapMode mode, long from, long size, Arena arena) throws IOException {
        Objects.requireNonNull(arena);
        return mapped(mode, from, size).segment(arena);
    }

    private MappedCopy mapped(MapMode mode, long from, long size) throws IOException {
        requireOpen();
        Objects.requireNonNull(mode);
        requireNotNegative("position", from);
        requireNotNegative("size", size);
        if (from + size < 0) {
            throw new IllegalArgumentException("position " + from + " and size " + size + " are no range");
        }
        if (!mode.equals(MapMode.READ_ONLY)) {
            requireWritable();
        }
        requireReadable();
        MappedCopy copy = new MappedCopy(file, mode, from, size);
        if (from + size > file.size()) {
            if (!file.options().writes()) {
                throw new IOException("the file has " + file.size()
                        + " bytes, and a channel that only reads cannot extend it to " + (from + size));
            }
            file.truncate(from + size);
        }
        return copy;
    }

    @Override
    public FileLock lock(long from, long size, boolean shared) throws IOException {
        requireOpen();
        if (shared) {
            requireReadable();
        } else {
            requireWritable();
        }
        return file.fileSystem().locks().lock(file, this, from, size, shared);
    }

    /** The same as {@link #lock}, since no other program can have a lock. */
    @Override
    public FileLock tryLock(long from, long size, boolean shared) throws IOException {
        return lock(from, size, shared);
    }

    @Override
    protected void implCloseChannel() {
        file.fileSystem().closed(this);
        file.fileSystem().locks().releaseAll(file, this);
        file.close();
    }

    @Override
    public String toString() {
        return "channel of " + file;
    }
}
