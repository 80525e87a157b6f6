package io.blkmq.core;

import java.util.function.LongConsumer;

/**
 * Options of a transfer between disks: see {@link Disk#startTransfer}. Immutable; each method gives a changed copy.
 *
 * @see #DEFAULT
 * @since 0.1.0
 */
public final class TransferOptions {
    /** The largest block size that a disk can have: pieces are multiples of it. */
    private static final int PIECE_UNIT_BYTES = 64 << 10;
    private static final int PIECE_BYTES_MAX = 16 << 20;
    private static final int DEPTH_MAX = 256;

    /** Eight pieces of 256 KiB at a time, zeroes written like other data, no listener, no flush. */
    public static final TransferOptions DEFAULT = new TransferOptions(8, 256 << 10, false, false, _ -> {});

    private final int depth;
    private final int pieceBytes;
    private final boolean zeroes;
    private final boolean flush;
    private final LongConsumer progress;

    private TransferOptions(int depth, int pieceBytes, boolean zeroes, boolean flush, LongConsumer progress) {
        this.depth = depth;
        this.pieceBytes = pieceBytes;
        this.zeroes = zeroes;
        this.flush = flush;
        this.progress = progress;
    }

    /**
     * How many pieces are read or written at a time. With the size of a piece it bounds the memory that the transfer takes.
     *
     * @param value 1 to 256
     * @return a copy
     * @throws IllegalArgumentException if it is not
     */
    public TransferOptions withDepth(int value) {
        if (value < 1 || value > DEPTH_MAX) {
            throw new IllegalArgumentException("depth " + value + ": 1 to " + DEPTH_MAX + " are possible");
        }
        return new TransferOptions(value, pieceBytes, zeroes, flush, progress);
    }

    /**
     * How much is read and written as one piece.
     *
     * @param value bytes: a multiple of 64 KiB, up to 16 MiB
     * @return a copy
     * @throws IllegalArgumentException if it is not
     */
    public TransferOptions withPieceBytes(int value) {
        if (value < PIECE_UNIT_BYTES || value > PIECE_BYTES_MAX || value % PIECE_UNIT_BYTES != 0) {
            throw new IllegalArgumentException("pieces of " + value + " bytes: multiples of " + PIECE_UNIT_BYTES
                    + " up to " + PIECE_BYTES_MAX + " are possible");
        }
        return new TransferOptions(depth, value, zeroes, flush, progress);
    }

    /**
     * Whether runs of at least 4 KiB of zeroes are written by {@link Disk#writeZeroes}, so that the target may keep them as
     * holes.
     *
     * @param value false to write them like other data
     * @return a copy
     */
    public TransferOptions withZeroRuns(boolean value) {
        return new TransferOptions(depth, pieceBytes, value, flush, progress);
    }

    /**
     * Whether the target is flushed at the end: then the transfer ends well only if its data is durable.
     *
     * @param value whether
     * @return a copy
     */
    public TransferOptions withFlush(boolean value) {
        return new TransferOptions(depth, pieceBytes, zeroes, value, progress);
    }

    /**
     * Sets a listener for the number of transferred bytes. It is called by one thread at a time, with more bytes each time, and never after
     * the end. It runs on threads of completions and must not block on a disk. An exception that it throws ends the transfer.
     *
     * @param listener gets the bytes done so far
     * @return a copy
     */
    public TransferOptions withProgress(LongConsumer listener) {
        return new TransferOptions(depth, pieceBytes, zeroes, flush, listener);
    }

    int depth() {
        return depth;
    }

    int pieceBytes() {
        return pieceBytes;
    }

    boolean zeroRuns() {
        return zeroes;
    }

    boolean flush() {
        return flush;
    }

    LongConsumer progress() {
        return progress;
    }

    @Override
    public String toString() {
        return depth + " pieces of " + pieceBytes + " bytes" + (zeroes ? ", zeroes as such" : "")
                + (flush ? ", flushed" : "");
    }
}
