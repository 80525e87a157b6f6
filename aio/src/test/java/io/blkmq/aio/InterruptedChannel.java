package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;

/**
 * A channel whose thread is interrupted in the middle of its first transfer: some bytes move, then it is closed, and says so
 * instead of the number of bytes, as the JDK's does.
 */
final class InterruptedChannel extends FileChannel {
    private final FileChannel real;
    private final int bytesBefore;

    private InterruptedChannel(FileChannel real, int bytesBefore) {
        this.real = real;
        this.bytesBefore = bytesBefore;
    }

    /** Makes the next use of a file's channel end so. One that an interrupt has closed is opened again first, by being used. */
    static void under(ChannelFile file, int bytesBefore) {
        try (Arena arena = Arena.ofConfined()) {
            assertThat(file.read(0, arena.allocate(1))).isOne();
        }
        file.wrapChannel(real -> new InterruptedChannel(real, bytesBefore));
    }

    /** Moves some bytes. */
    @FunctionalInterface
    private interface Transfer {
        int once() throws IOException;
    }

    private ClosedByInterruptException interrupted(ByteBuffer buffer, Transfer transfer) throws IOException {
        int limit = buffer.limit();
        buffer.limit(buffer.position() + Math.min(bytesBefore, buffer.remaining()));
        while (buffer.hasRemaining() && transfer.once() > 0) {
            // on to all that moves
        }
        buffer.limit(limit);
        return interrupted();
    }

    private ClosedByInterruptException interrupted() throws IOException {
        close();
        Thread.currentThread().interrupt();
        return new ClosedByInterruptException();
    }

    @Override
    public int read(ByteBuffer dst, long from) throws IOException {
        throw interrupted(dst, () -> real.read(dst, from + bytesBefore - dst.remaining()));
    }

    @Override
    public int write(ByteBuffer src, long to) throws IOException {
        throw interrupted(src, () -> real.write(src, to + bytesBefore - src.remaining()));
    }

    @Override
    public void force(boolean metaData) throws IOException {
        throw interrupted();
    }

    @Override
    protected void implCloseChannel() throws IOException {
        real.close();
    }

    // ---- what a file of an engine does not use

    @Override
    public int read(ByteBuffer dst) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long read(ByteBuffer[] dsts, int offset, int length) {
        throw new UnsupportedOperationException();
    }

    @Override
    public int write(ByteBuffer src) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long write(ByteBuffer[] srcs, int offset, int length) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long position() {
        throw new UnsupportedOperationException();
    }

    @Override
    public FileChannel position(long newPosition) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long size() {
        throw new UnsupportedOperationException();
    }

    @Override
    public FileChannel truncate(long size) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long transferTo(long position, long count, WritableByteChannel target) {
        throw new UnsupportedOperationException();
    }

    @Override
    public long transferFrom(ReadableByteChannel src, long position, long count) {
        throw new UnsupportedOperationException();
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long position, long size) {
        throw new UnsupportedOperationException();
    }

    @Override
    public FileLock lock(long position, long size, boolean shared) {
        throw new UnsupportedOperationException();
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) {
        throw new UnsupportedOperationException();
    }
}
