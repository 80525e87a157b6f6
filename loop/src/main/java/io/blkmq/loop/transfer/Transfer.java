package io.blkmq.loop.transfer;

import java.lang.foreign.MemorySegment;

/**
 * A {@link TransferFunction} with its key, for one device. Thread-safe: requests are transformed by several threads at once.
 *
 * <p>The unit is a sector of {@value #SECTOR_BYTES} bytes, whatever the device's block size: each is transformed by its number, counted
 * from the beginning of the device, and none depends on another.
 */
public interface Transfer extends AutoCloseable {
    /** The unit of transformation. */
    int SECTOR_BYTES = 512;

    /**
     * From what the user wrote to what stands in the file.
     *
     * @param sector number of the first sector
     * @param from whole sectors
     * @param to as many; another memory, or exactly the same
     */
    void toFile(long sector, MemorySegment from, MemorySegment to);

    /**
     * From what stands in the file to what the user wrote.
     *
     * @param sector number of the first sector
     * @param from whole sectors
     * @param to as many; another memory, or exactly the same
     */
    void fromFile(long sector, MemorySegment from, MemorySegment to);

    /** Overwrites the key, and whatever else would tell what was transformed. Nobody transforms any more. Closing again does nothing. */
    @Override
    void close();
}
