package io.blkmq.tools.job;

/** Which way data goes. */
public enum Direction {
    /** From the device. */
    READ(0),
    /** To the device. */
    WRITE(1),
    /** Nowhere: blocks are discarded. */
    TRIM(2);

    private final int code;

    Direction(int code) {
        this.code = code;
    }

    /**
     * Its number in fio's logs.
     *
     * @return 0 for reads, 1 for writes, 2 for trims
     */
    public int code() {
        return code;
    }
}
