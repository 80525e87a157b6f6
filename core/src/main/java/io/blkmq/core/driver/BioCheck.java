package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.BioVec;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;

/** Refuses bios that make no sense to a device, with an exception that names the value and the limit. */
final class BioCheck {
    private BioCheck() {}

    static void check(Bio bio, RequestQueue queue) {
        if (queue.isDying()) {
            throw new IllegalStateException(queue.name() + " is closed");
        }
        QueueLimits limits = queue.limits();
        Operation operation = bio.operation();
        if (operation.hasRange()) {
            checkRange(bio, queue, limits.logicalBlockBytes());
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
            throw new UnsupportedOperationException(queue.name() + " is read-only: " + operation + " of " + bio.bytes()
                    + " bytes at sector " + bio.sector() + " refused");
        }
    }

    private static void checkRange(Bio bio, RequestQueue queue, int blockBytes) {
        long sector = bio.sector();
        long bytes = bio.bytes();
        if (sector < 0) {
            throw new IllegalArgumentException(what(bio, queue) + " at negative sector " + sector);
        }
        if (bytes <= 0) {
            throw new IllegalArgumentException(
                    what(bio, queue) + " of " + bytes + " bytes: at least one block of " + blockBytes + " bytes");
        }
        if (bytes % blockBytes != 0) {
            throw new IllegalArgumentException(what(bio, queue) + " of " + bytes
                    + " bytes: not a multiple of the block size of " + blockBytes + " bytes");
        }
        int blockSectors = blockBytes / QueueLimits.SECTOR_BYTES;
        if (sector % blockSectors != 0) {
            throw new IllegalArgumentException(
                    what(bio, queue) + " at sector " + sector + " (offset " + sector * QueueLimits.SECTOR_BYTES
                            + "): not a multiple of the block size of " + blockBytes + " bytes");
        }
        long capacity = queue.capacitySectors();
        if (sector > capacity - bytes / QueueLimits.SECTOR_BYTES) {
            throw new IndexOutOfBoundsException(what(bio, queue) + " of " + bytes + " bytes at sector " + sector
                    + " reaches past the end of the device at sector " + capacity);
        }
    }

    /** For messages alone: writes come by here, and one that is right makes no garbage. */
    private static String what(Bio bio, RequestQueue queue) {
        return queue.name() + ": " + bio.operation();
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
