package io.blkmq.loop;

import io.blkmq.core.QueueLimits;
import java.io.IOException;

/**
 * What is behind a device, and where in it the device begins. Immutable: a device whose offset, or way of I/O, changes gets another
 * one while its queue is frozen. A request keeps the one that it began on.
 */
sealed interface Backing permits BackingFile, BackingDisk {
    /** The most that a request carries, as the kernel's. */
    int REQUEST_BYTES_MAX = 1280 << 10;
    int SEGMENTS_MAX = 128;
    int SEGMENT_BYTES_MAX = 64 << 10;
    long DISCARD_BYTES_MAX = 1L << 31;

    /** For messages. */
    String name();

    boolean isWritable();

    /** Whether I/O goes past the page cache. */
    boolean isDirect();

    /** Where the device begins. */
    long offsetBytes();

    /** The size of all that is there, the device's part and the rest. */
    long sizeBytes() throws IOException;

    /** The smallest logical block that a device on it can have. */
    int blockBytesMin();

    /** What a device on it can take, with a logical block of so many bytes. */
    QueueLimits limits(int blockBytes);

    /** The size of a device on it: whole sectors, 0 if the offset is past the end. */
    default long capacitySectors(long sizeLimitBytes) throws IOException {
        long bytes = Math.max(0, sizeBytes() - offsetBytes());
        if (sizeLimitBytes > 0) {
            bytes = Math.min(bytes, sizeLimitBytes);
        }
        return bytes / QueueLimits.SECTOR_BYTES;
    }

    /** Lets all of it go. */
    void close();
}
