package io.blkmq.runtime.channel;

/** The parts in which long transfers are done. */
public final class Pieces {
    /** The longest, in bytes: a multiple of every block size. */
    public static final int BYTES = 1 << 20;

    private Pieces() {}

    /**
     * The longest piece of a transfer: pieces end at multiples of their longest.
     *
     * @param from where it begins, in bytes
     * @param left how many bytes are left, at least 1
     * @return bytes
     */
    public static int length(long from, long left) {
        return (int) Math.min(left, BYTES - from % BYTES);
    }
}
