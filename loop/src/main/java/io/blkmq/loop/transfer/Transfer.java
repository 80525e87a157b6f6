package io.blkmq.loop.transfer;

import java.lang.foreign.MemorySegment;

/**
 * A {@link TransferFunction} with its key, for one device. Thread-safe: requests are transformed by several threads at once.
 *
 * <p>The unit is a sector of {@value #SECTOR_BYTES} bytes, whatever the device's block size: each is transformed by its number, counted
 * from the beginning of the device, and none depends on another. Parts of memory are named by offset and length, so that no slice is made
 * for an I/O.
 *
 * @since 0.1.0
 */
public interface Transfer extends AutoCloseable {
    /** The unit of transformation. */
    int SECTOR_BYTES = 512;

    /**
     * Transforms the user's data into the data of the file.
     *
     * @param sector number of the first sector
     * @param from memory that has them
     * @param fromOffset where in it, in bytes
     * @param to another memory; or the same, and then the same offset
     * @param toOffset where in it, in bytes
     * @param bytes whole sectors
     */
    void toFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes);

    /**
     * Transforms the data of the file back into the user's data.
     *
     * @param sector number of the first sector
     * @param from memory that has them
     * @param fromOffset where in it, in bytes
     * @param to another memory; or the same, and then the same offset
     * @param toOffset where in it, in bytes
     * @param bytes whole sectors
     */
    void fromFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset, long bytes);

    /** Overwrites the key, and all else that would reveal the data. No thread transforms any more. Closing again does nothing. */
    @Override
    void close();
}
