package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.BioVec;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.RequestQueue;
import org.jspecify.annotations.Nullable;

/** Refuses bios that make no sense to a device, with an exception that names the value and the limit. */
final class BioCheck {
    private BioCheck() {}

    /**
     * Checks a bio.
     *
     * @param range what the bio is for; null for the whole device
     */
    static void check(Bio bio, RequestQueue queue, @Nullable SectorRange range) {
        String device = range == null ? queue.name() : range.name();
        if (queue.isDying() || (range != null && range.isClosed())) {
            throw new IllegalStateException(device + " is closed");
        }
        QueueLimits limits = queue.limits();
        Operation operation = bio.operation();
        if (operation.hasRange()) {
            checkRange(bio, device, limits.logicalBlockBytes());
            checkPlace(bio, device, queue, range);
        } else if (bio.bytes() != 0 || bio.vecCount() != 0) {
            throw new IllegalArgumentException(operation + " carries no data and no range, but the bio has "
                    + bio.bytes() + " bytes; write with PREFLUSH instead");
        }
        if (operation.hasData() != (bio.vecCount() > 0) && operation.hasRange()) {
            throw new IllegalArgumentException(
                    operation + (operation.hasData() ? " without memory" : " carries no memory"));
        }
        int excluded = operation.isWrite() ? 0 : Bio.PREFLUSH | Bio.FUA;
        excluded |= operation == Operation.WRITE_ZEROES ? 0 : Bio.NOUNMAP;
        if ((bio.flags() & excluded) != 0) {
            throw new IllegalArgumentException(operation + " with flags 0x" + Integer.toHexString(bio.flags())
                    + ": PREFLUSH and FUA are for writes, NOUNMAP for writes of zeroes");
        }
        if (operation.isWrite() && operation != Operation.FLUSH && limits.isReadOnly()) {
            throw new UnsupportedOperationException(device + " is read-only: " + operation + " of " + bio.bytes()
                    + " bytes at sector " + bio.sector() + " refused");
        }
    }

    private static void checkRange(Bio bio, String device, int blockBytes) {
        long sector = bio.sector();
        long bytes = bio.bytes();
        if (sector < 0) {
            throw new IllegalArgumentException(what(bio, device) + " at negative sector " + sector);
        }
        if (bytes <= 0) {
            throw new IllegalArgumentException(
                    what(bio, device) + " of " + bytes + " bytes: at least one block of " + blockBytes + " bytes");
        }
        if (bytes % blockBytes != 0) {
            throw new IllegalArgumentException(what(bio, device) + " of " + bytes
                    + " bytes: not a multiple of the block size of " + blockBytes + " bytes");
        }
        int blockSectors = blockBytes / QueueLimits.SECTOR_BYTES;
        if (sector % blockSectors != 0) {
            throw new IllegalArgumentException(what(bio, device) + " at sector " + sector + offset(sector)
                    + ": not a multiple of the block size of " + blockBytes + " bytes");
        }
    }

    /** What a sector is in bytes, if there is such a number. */
    private static String offset(long sector) {
        return sector > Long.MAX_VALUE / QueueLimits.SECTOR_BYTES
                ? ""
                : " (offset " + sector * QueueLimits.SECTOR_BYTES + ")";
    }

    private static void checkPlace(Bio bio, String device, RequestQueue queue, @Nullable SectorRange range) {
        long sector = bio.sector();
        long bytes = bio.bytes();
        long capacity = queue.capacitySectors();
        long end = range == null ? capacity : range.within(capacity);
        if (sector > end - bytes / QueueLimits.SECTOR_BYTES) {
            throw new IndexOutOfBoundsException(what(bio, device) + " of " + bytes + " bytes at sector " + sector
                    + " reaches past the end of the device at sector " + end
                    + (range == null || end == range.sectors()
                            ? ""
                            : ", where " + queue.name() + " of " + capacity + " sectors ends"));
        }
        int blockBytes = queue.limits().logicalBlockBytes();
        if (range != null && range.startSector() % (blockBytes / QueueLimits.SECTOR_BYTES) != 0) {
            throw new IllegalArgumentException(what(bio, device) + ": it begins at sector " + range.startSector()
                    + " of " + queue.name() + ", whose blocks are now of " + blockBytes + " bytes");
        }
    }

    /** For messages alone: writes come by here, and one that is right makes no garbage. */
    private static String what(Bio bio, String device) {
        return device + ": " + bio.operation();
    }

    static void checkMemory(Bio bio, BioVec vec) {
        if (vec.isConfined()) {
            throw new IllegalArgumentException(
                    "the memory of " + bio + " is confined to one thread, but the I/O may end on"
                            + " another: use an IoBuffer, a shared arena, or a blocking call");
        }
        if (vec.isReadOnly() && bio.operation() == Operation.READ) {
            throw new IllegalArgumentException("the memory of " + bio + " is read-only: nothing can be read into it");
        }
    }
}
