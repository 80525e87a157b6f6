package io.blkmq.loop;

/**
 * The flags in a {@link LoopStatus} (LO_FLAGS_*).
 *
 * @since 0.1.0
 */
public enum LoopFlag {
    /** It refuses writes. Set when the file is attached. */
    READ_ONLY(1),
    /** The file is detached with the last handle. Can be set and cleared at any time. */
    AUTOCLEAR(4),
    /** Partitions are looked for. Can be set at any time, and not be cleared. */
    PARTSCAN(8),
    /** I/O goes past the page cache. Set and cleared by {@link LoopDevice#setDirect}. */
    DIRECT_IO(16);

    private final int bit;

    LoopFlag(int bit) {
        this.bit = bit;
    }

    /**
     * The kernel's bit.
     *
     * @return of {@code lo_flags}
     */
    public int bit() {
        return bit;
    }
}
