package io.blkmq.testkit.provider;

import io.blkmq.runtime.channel.TransferRules;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channel;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;

/**
 * One call of {@link FileChannel#transferTo} or {@link FileChannel#transferFrom} of a {@link TreeFileChannel}. It ends by the
 * {@link TransferRules}.
 *
 * <p>Owner: the thread that transfers.
 */
final class ChannelCopy {
    private static final int CHUNK_BYTES = 64 << 10;

    private final TreeFileChannel mine;
    private final Channel other;
    /** Whether an interrupt ends the whole, also when bytes have moved. */
    private final boolean isOne;
    private long done;

    private ChannelCopy(TreeFileChannel mine, Channel other, boolean isOne) {
        this.mine = mine;
        this.other = other;
        this.isOne = isOne;
    }

    /**
     * Transfers to another channel.
     *
     * @return bytes that the target took
     */
    static long to(WritableByteChannel target, TreeFileChannel mine, long from, long count) throws IOException {
        ChannelCopy copy = new ChannelCopy(mine, target, TransferRules.isOne(target));
        return copy.run(size -> copy.moveTo(target, from, Math.min(count, size - from)));
    }

    /**
     * Transfers from another channel.
     *
     * @param count bytes; what the source gives and this channel has no room for is lost, unless the source is seekable
     * @return bytes that were written
     */
    static long from(ReadableByteChannel source, TreeFileChannel mine, long to, long count) throws IOException {
        ChannelCopy copy = new ChannelCopy(mine, source, TransferRules.isOne(source));
        return copy.run(_ -> copy.moveFrom(source, to, TransferRules.there(source, count)));
    }

    /** Moves all bytes. */
    @FunctionalInterface
    private interface Move {
        /** Of a file that is so large. */
        void run(long size) throws IOException;
    }

    private long run(Move move) throws IOException {
        try {
            // An interrupted thread moves nothing.
            move.run(mine.size());
            return done;
        } catch (IOException e) {
            return TransferRules.ended(e, done, isOne, mine, other);
        }
    }

    private void moveTo(WritableByteChannel target, long from, long wanted) throws IOException {
        while (done < wanted) {
            ByteBuffer chunk = ByteBuffer.allocate((int) Math.min(wanted - done, CHUNK_BYTES));
            if (mine.read(chunk, from + done) <= 0) {
                return;
            }
            done += target.write(chunk.flip());
            if (chunk.hasRemaining()) {
                return;
            }
        }
    }

    private void moveFrom(ReadableByteChannel source, long to, long wanted) throws IOException {
        while (done < wanted) {
            ByteBuffer chunk = ByteBuffer.allocate((int) Math.min(wanted - done, CHUNK_BYTES));
            if (source.read(chunk) <= 0) {
                return;
            }
            chunk.flip();
            try {
                while (chunk.hasRemaining()) {
                    done += mine.write(chunk, to + done);
                }
            } finally {
                TransferRules.giveBack(source, chunk.remaining());
            }
        }
    }
}
