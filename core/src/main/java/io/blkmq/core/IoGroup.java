package io.blkmq.core;

/**
 * The operations that {@link DiskStatistics} counts together. The groups are those of the kernel's {@code /sys/block/DISK/stat}.
 *
 * @since 0.1.0
 */
public enum IoGroup {
    /** Reads. */
    READ,
    /**
     * Writes, writes of zeroes, and requests to flush: such a one is a write of no sectors, whether the device has to do something for
     * it or not.
     */
    WRITE,
    /** Discards. */
    DISCARD,
    /** Flushes of the device: many requests may share one. */
    FLUSH
}
