package io.blkmq.tools.job;

/** What a job does with its device: the values of the key {@code rw}. */
public enum AccessPattern {
    /** Reads in order. */
    READ(true, false, false),
    /** Writes in order. */
    WRITE(false, true, false),
    /** Reads at random. */
    RANDREAD(true, false, true),
    /** Writes at random. */
    RANDWRITE(false, true, true),
    /** Reads and writes, each in order. */
    RW(true, true, false),
    /** Reads and writes at random. */
    RANDRW(true, true, true);

    private final boolean reads;
    private final boolean writes;
    private final boolean random;

    AccessPattern(boolean reads, boolean writes, boolean random) {
        this.reads = reads;
        this.writes = writes;
        this.random = random;
    }

    /**
     * Whether it reads.
     *
     * @return true if some operations are reads
     */
    public boolean reads() {
        return reads;
    }

    /**
     * Whether it writes.
     *
     * @return true if some operations are writes
     */
    public boolean writes() {
        return writes;
    }

    /**
     * Whether it jumps.
     *
     * @return false if it goes through the device in order
     */
    public boolean isRandom() {
        return random;
    }
}
