package io.blkmq.testkit.provider;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.Channel;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.channels.SelectableChannel;
import java.nio.channels.WritableByteChannel;

/**
 * One call of {@link FileChannel#transferTo} or {@link FileChannel#transferFrom} of a {@link TreeFileChannel}. It ends as the JDK's
 * transfers of a file do:
 *
 * <pre>
 *   fails, or either is closed    bytes have moved: their count, and the next call tells why. None: the error,
 *                                 an {@link AsynchronousCloseException} if a channel was closed
 *   interrupt, none have moved    both channels are closed; {@link ClosedByInterruptException}
 *   interrupt, some have moved    the same, if the other is a file, or is written to and selectable. Else their count,
 *                                 and the channel that was in use is closed
 * </pre>
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
        boolean isOne = target instanceof FileChannel || target instanceof SelectableChannel;
        ChannelCopy copy = new ChannelCopy(mine, target, isOne);
        return copy.run(size -> copy.moveTo(target, from, Math.min(count, size - from)));
    }

    /**
     * Transfers from another channel.
     *
     * @param count bytes; what the source gives and this channel has no room for is lost, unless the source is seekable
     * @return bytes that were written
     */
    static long from(ReadableByteChannel source, TreeFileChannel mine, long to, long count) throws IOException {
        ChannelCopy copy = new ChannelCopy(mine, source, source instanceof FileChannel);
        return copy.run(_ -> copy.moveFrom(source, to, there(source, count)));
    }

    /** How much of a file there is now: as the JDK, which does not look again when the transfer makes its own source longer. */
    private static long there(ReadableByteChannel source, long wanted) throws IOException {
        return source instanceof FileChannel file ? Math.clamp(file.size() - file.position(), 0, wanted) : wanted;
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
            return endedBy(e);
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
                giveBack(source, chunk.remaining());
            }
        }
    }

    /** What was taken and could not be written is there again for the next call, if the source can go back. */
    private static void giveBack(ReadableByteChannel source, int bytes) throws IOException {
        if (bytes > 0 && source instanceof SeekableByteChannel seekable && seekable.isOpen()
                && !Thread.currentThread().isInterrupted()) {
            seekable.position(seekable.position() - bytes);
        }
    }

    private long endedBy(IOException e) throws IOException {
        boolean interrupted = e instanceof ClosedByInterruptException;
        if (done > 0 && !(interrupted && isOne)) {
            return done;
        }
        if (interrupted) {
            closeBoth(e);
        } else if (e instanceof ClosedChannelException && !(e instanceof AsynchronousCloseException)) {
            AsynchronousCloseException closedMeanwhile = new AsynchronousCloseException();
            closedMeanwhile.addSuppressed(e);
            throw closedMeanwhile;
        }
        throw e;
    }

    private void closeBoth(IOException because) {
        for (Channel each : new Channel[]{mine, other}) {
            try {
                each.close();
            } catch (IOException e) {
                because.addSuppressed(e);
            }
        }
    }
}
