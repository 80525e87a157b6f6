package io.blkmq.testkit.disk;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A part of a write that the device has received and that is not durable: a power cut may take it away. It takes effect as a whole or not
 * at all, and is at most one atomic unit of the device; of a discard or a write of zeroes it may be longer. Immutable.
 *
 * @since 0.1.0
 */
public final class VolatilePiece {
    private final long request;
    private final int index;
    private final long offset;
    private final long bytes;
    /** Never changed; null for zeroes. */
    private final byte @Nullable [] data;

    VolatilePiece(long request, int index, long offset, long bytes, byte @Nullable [] data) {
        this.request = request;
        this.index = index;
        this.offset = offset;
        this.bytes = bytes;
        this.data = data;
    }

    /**
     * The request that it is a part of.
     *
     * @return the number of the request at the device, from 1
     */
    public long request() {
        return request;
    }

    /**
     * Which part of its request it is.
     *
     * @return from 0, in ascending order of the offsets
     */
    public int index() {
        return index;
    }

    /**
     * Where it lies.
     *
     * @return bytes from the beginning of the device
     */
    public long offset() {
        return offset;
    }

    /**
     * How long it is.
     *
     * @return bytes
     */
    public long bytes() {
        return bytes;
    }

    /** What it writes; null for zeroes. Not to be changed. */
    byte @Nullable [] data() {
        return data;
    }

    boolean overlaps(long from, long length) {
        return offset < from + length && from < offset + bytes;
    }

    /** A part of it, by offsets in the device. */
    VolatilePiece part(long from, long end) {
        byte[] all = data;
        return new VolatilePiece(request, index, from, end - from,
                all == null ? null : Arrays.copyOfRange(all, (int) (from - offset), (int) (end - offset)));
    }

    void applyTo(BlockTree tree) {
        byte[] written = data;
        if (written == null) {
            tree.zero(offset, bytes);
        } else {
            tree.write(offset, written, 0, written.length);
        }
    }

    @Override
    public String toString() {
        return "piece " + index + " of request " + request + " (" + bytes + " bytes at offset " + offset + ")";
    }
}
