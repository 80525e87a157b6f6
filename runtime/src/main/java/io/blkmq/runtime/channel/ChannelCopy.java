package io.blkmq.runtime.channel;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channel;
import java.nio.channels.FileChannel;
import java.nio.channels.InterruptibleChannel;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;
import org.jspecify.annotations.Nullable;

/**
 * One call of {@link FileChannel#transferTo} or {@link FileChannel#transferFrom} of an {@link OpenFileChannel}. It ends by the
 * {@link TransferRules}.
 *
 * <p>What goes through the heap begins with {@link #FIRST_BYTES} and grows as long as the other side takes, or gives, all that it is
 * offered: a socket that does not block takes little at a time, and what it does not take was read in vain.
 *
 * <p>A thread that waits in the other channel is not one that the close of this one could wake. So the other is closed, too, if that
 * ends operations of its ({@link InterruptibleChannel}). Of another {@link OpenFileChannel} it would not be needed: its operations end with the device.
 *
 * <p>Owner: the thread that transfers.
 */
final class ChannelCopy {
    private static final int FIRST_BYTES = 64 << 10;
    private static final int GROWTH = 4;

    private final OpenFileChannel mine;
    private final Channel other;
    /** The other, if it is read. */
    private final @Nullable ReadableByteChannel source;
    /** Whether an interrupt ends the whole, also when bytes have moved. */
    private final boolean isOne;
    private ByteBuffer carrier = ByteBuffer.allocate(0);
    private long done;

    private ChannelCopy(OpenFileChannel mine, Channel other, @Nullable ReadableByteChannel source, boolean isOne) {
        this.mine = mine;
        this.other = other;
        this.source = source;
        this.isOne = isOne;
    }

    /**
     * Transfers to another channel.
     *
     * @param wanted bytes; no more than there are
     * @return bytes that the target took
     */
    static long to(WritableByteChannel target, OpenFileChannel mine, long from, long wanted) throws IOException {
        ChannelCopy copy = new ChannelCopy(mine, target, null, TransferRules.isOne(target));
        return copy.run(wanted, most -> copy.moveTo(target, from, most));
    }

    /**
     * Transfers from another channel.
     *
     * @param wanted bytes; what the source gives and this channel has no room for is lost, unless the source is seekable
     * @return bytes that were written
     */
    static long from(ReadableByteChannel source, OpenFileChannel mine, long to, long wanted) throws IOException {
        ChannelCopy copy = new ChannelCopy(mine, source, source, TransferRules.isOne(source));
        return copy.run(wanted, most -> copy.moveFrom(source, to, most));
    }

    /** Moves some bytes. */
    @FunctionalInterface
    private interface Move {
        /** Whether more may follow, of so many in all. */
        boolean once(long most) throws IOException;
    }

    private long run(long wanted, Move move) throws IOException {
        try {
            mine.requireUninterrupted();
            long most = source == null ? wanted : TransferRules.there(source, wanted);
            boolean goesOn = true;
            while (goesOn && done < most) {
                goesOn = move.once(most);
            }
            return done;
        } catch (IOException e) {
            return TransferRules.ended(e, done, isOne, mine, other);
        }
    }

    private boolean moveTo(WritableByteChannel target, long from, long wanted) throws IOException {
        load(from + done, wanted - done);
        if (mine.read(carrier, from + done) <= 0) {
            return false;
        }
        carrier.flip();
        done += inOther(() -> target.write(carrier));
        return !carrier.hasRemaining();
    }

    private boolean moveFrom(ReadableByteChannel source, long to, long wanted) throws IOException {
        load(to + done, wanted - done);
        if (inOther(() -> source.read(carrier)) <= 0) {
            return false;
        }
        carrier.flip();
        try {
            while (carrier.hasRemaining()) {
                done += mine.write(carrier, to + done);
            }
            return true;
        } finally {
            TransferRules.giveBack(source, carrier.remaining());
        }
    }

    /** Makes the carrier ready for what comes next: longer, if all of it was used the last time. */
    private void load(long at, long left) {
        boolean wasFull = carrier.limit() == carrier.capacity();
        if (wasFull && carrier.capacity() < Math.min(left, Pieces.BYTES)) {
            long grown = carrier.capacity() == 0 ? FIRST_BYTES : (long) carrier.capacity() * GROWTH;
            carrier = ByteBuffer.allocate((int) Math.min(left, Math.min(grown, Pieces.BYTES)));
        }
        carrier.clear().limit(Pieces.length(at, Math.min(left, carrier.capacity())));
    }

    /** An operation of the other channel. */
    @FunctionalInterface
    private interface OtherIo {
        int run() throws IOException;
    }

    private int inOther(OtherIo io) throws IOException {
        boolean closable = other instanceof InterruptibleChannel && !(other instanceof OpenFileChannel);
        if (closable) {
            mine.goElsewhere((InterruptibleChannel) other);
        }
        try {
            return io.run();
        } finally {
            if (closable) {
                mine.comeBack();
            }
        }
    }
}
