package io.blkmq.core;

/**
 * The kind of a bio or a request. The kernel's counterpart is {@code enum req_op}.
 *
 * @since 0.1.0
 */
public enum Operation {
    /** Device to memory. */
    READ(true, false),
    /** Memory to device. */
    WRITE(true, true),
    /** Makes acknowledged writes durable; carries no data and no range. */
    FLUSH(false, true),
    /** The range's content is no longer needed. */
    DISCARD(false, true),
    /** The range reads as zeroes afterwards. */
    WRITE_ZEROES(false, true);

    private final boolean data;
    private final boolean write;

    Operation(boolean data, boolean write) {
        this.data = data;
        this.write = write;
    }

    /**
     * Whether memory goes with it.
     *
     * @return true for {@link #READ} and {@link #WRITE}
     */
    public boolean hasData() {
        return data;
    }

    /**
     * Whether it may change the device.
     *
     * @return false for {@link #READ} only
     */
    public boolean isWrite() {
        return write;
    }

    /**
     * Whether it names a range of sectors.
     *
     * @return false for {@link #FLUSH} only
     */
    public boolean hasRange() {
        return this != FLUSH;
    }
}
