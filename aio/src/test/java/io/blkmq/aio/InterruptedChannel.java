package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;

/**
 * A channel whose thread is interrupted in the middle of its first transfer: some bytes move, then it is closed, and says so
 * instead of the number of bytes, as the JDK's does.
 */
final class InterruptedChannel extends ChannelUnderFile {
    private final int bytesBefore;

    private InterruptedChannel(FileChannel real, int bytesBefore) {
        super(real);
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
}
