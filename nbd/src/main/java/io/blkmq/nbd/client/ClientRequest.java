package io.blkmq.nbd.client;

import io.blkmq.core.driver.Request;
import io.blkmq.nbd.socket.HandOver;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.RequestHeader;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What the driver keeps of a request: header and memory as they go over the wire, and what has come back.
 *
 * <p>Who submits fills it and gives it to its link; from there on it belongs to the link's thread.
 */
final class ClientRequest implements HandOver.Item<ClientRequest> {
    private static final int PAGE_BYTES = 4096;
    /** No more than a sector, which is the least that a piece has. */
    private static final int TOUCHED_BYTES = 64;

    final Request rq;
    final RequestHeader header = new RequestHeader();
    final ByteBuffer head = ByteBuffer.allocateDirect(Nbd.EXTENDED_REQUEST_BYTES);
    /** The memory, in pieces; from 0 to the limit. */
    final List<ByteBuffer> pieces = new ArrayList<>();
    /** The try of the tag that the driver was given. */
    long generation;
    /** Whether it writes something that a flush makes durable. */
    boolean dirties;
    /** How many connections of its own link have broken while it had no reply. */
    int tries;
    /** How many acknowledged writes it covers, of a flush. */
    long covers;
    /** Extents of the data that have come, each begin and end. */
    final List<long[]> arrived = new ArrayList<>();
    long arrivedBytes;
    /** The first error that has come; 0 for none. */
    int error;
    private @Nullable ClientRequest before;

    ClientRequest(Request rq) {
        this.rq = rq;
    }

    @Override
    public @Nullable ClientRequest before() {
        return before;
    }

    @Override
    public void before(@Nullable ClientRequest item) {
        before = item;
    }

    /** Begins with what the driver was given. */
    void prepare() {
        generation = rq.generation();
        tries = 0;
        pieces.clear();
        rq.forEachSegment((memory, offset, bytes) -> pieces.add(memory.asSlice(offset, bytes).asByteBuffer()));
    }

    /** Begins another try. */
    void beginTry(long cookie, boolean extended) {
        header.cookie = cookie;
        arrived.clear();
        arrivedBytes = 0;
        error = 0;
        head.clear();
        header.write(head, extended);
        head.flip();
        for (ByteBuffer piece : pieces) {
            piece.clear();
        }
    }

    boolean isSent() {
        if (head.hasRemaining()) {
            return false;
        }
        return header.command != Nbd.CMD_WRITE || pieces.isEmpty() || !pieces.getLast().hasRemaining();
    }

    /**
     * Whether its memory is still there: a file that is mapped may have been cut, or an arena closed. Asked after a failure, since it touches
     * each page: a read's is written, with what it holds.
     */
    @SuppressWarnings("ThreadPriorityCheck") // for the call, and not for the turn
    boolean hasMemory() {
        boolean read = header.command == Nbd.CMD_READ;
        byte[] some = new byte[TOUCHED_BYTES];
        try {
            for (ByteBuffer piece : pieces) {
                int end = piece.capacity() - TOUCHED_BYTES;
                for (int at = 0; at < end + PAGE_BYTES; at += PAGE_BYTES) {
                    // In bulk: what the JVM throws for a single byte comes later.
                    piece.get(Math.min(at, end), some);
                    if (read) {
                        piece.put(Math.min(at, end), some);
                    }
                }
            }
            // A call of the system, on whose return the JVM throws what optimized code has left.
            Thread.yield();
            return true;
        } catch (RuntimeException | InternalError e) {
            return false;
        }
    }

    /**
     * The memory of a part of a read.
     *
     * @param offset from the request's beginning
     * @param into gets it
     * @return how many pieces
     */
    int memoryOf(long offset, long length, List<ByteBuffer> into) {
        long begin = 0;
        int count = 0;
        for (ByteBuffer piece : pieces) {
            long from = Math.max(offset, begin);
            long to = Math.min(offset + length, begin + piece.capacity());
            if (from < to) {
                into.add(piece.slice((int) (from - begin), (int) (to - from)));
                count++;
            }
            begin += piece.capacity();
        }
        return count;
    }

    /** Notes that a part has come; false if it is outside of the request, or has come before. */
    boolean arrive(long offset, long length) {
        long begin = offset - header.offset;
        if (length <= 0 || begin < 0 || length > header.length || begin > header.length - length) {
            return false;
        }
        for (long[] other : arrived) {
            if (begin < other[1] && other[0] < begin + length) {
                return false;
            }
        }
        arrived.add(new long[]{begin, begin + length});
        arrivedBytes += length;
        return true;
    }
}
