package io.blkmq.nbd;

import java.io.IOException;
import java.nio.file.Path;

/**
 * Tells which parts of a disk are allocated, for clients that skip holes ({@code base:allocation}). Any thread calls it; it may block.
 *
 * @since 0.1.0
 */
@FunctionalInterface
public interface AllocationMap {
    /**
     * Looks from an offset on.
     *
     * @param offset where on the disk, in bytes
     * @param bytes how far at the most; positive
     * @return what begins there
     * @throws IOException if it cannot be told
     */
    Extent at(long offset, long bytes) throws IOException;

    /**
     * A part of the disk that is all the same.
     *
     * @param bytes how long; positive, and perhaps longer than asked for
     * @param allocated whether it takes room; without, a write there may find none
     * @param zero whether it is known to read as zeroes
     */
    record Extent(long bytes, boolean allocated, boolean zero) {}

    /**
     * The holes of a file that a disk stands on, as lseek(2) tells them. Where it cannot, all is data.
     *
     * @param file the disk's backing
     * @param offsetBytes where in the file the disk begins
     * @return the map; it holds the file open while it is asked
     */
    static AllocationMap ofFile(Path file, long offsetBytes) {
        return new FileAllocation(file, offsetBytes);
    }
}
