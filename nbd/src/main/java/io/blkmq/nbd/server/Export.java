package io.blkmq.nbd.server;

import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import io.blkmq.nbd.wire.Nbd;
import org.jspecify.annotations.Nullable;

/**
 * A disk under a name. Immutable but for the disk. One that is added again after its removal is another one, though all parts are equal:
 * who waits for the clients of the one does not wait for those of the other.
 *
 * @param name by which clients ask for it
 * @param disk what they get
 * @param description for people, perhaps empty
 * @param readOnly whether writes are refused
 * @param extents what is allocated
 */
public record Export(String name, Disk disk, String description, boolean readOnly, Extents extents) {
    private static final int PREFERRED_BYTES_MIN = 4096;

    @Override
    public boolean equals(@Nullable Object other) {
        return this == other;
    }

    @Override
    public int hashCode() {
        return System.identityHashCode(this);
    }

    boolean refusesWrites() {
        return readOnly || disk.limits().isReadOnly();
    }

    int transmissionFlags(boolean structured) {
        QueueLimits limits = disk.limits();
        // All connections go to one disk, so a flush of one is a flush of all.
        int flags = Nbd.FLAG_HAS_FLAGS | Nbd.FLAG_SEND_FLUSH | Nbd.FLAG_SEND_FUA | Nbd.FLAG_CAN_MULTI_CONN
                | Nbd.FLAG_SEND_CACHE;
        if (refusesWrites()) {
            flags |= Nbd.FLAG_READ_ONLY;
        } else {
            flags |= Nbd.FLAG_SEND_WRITE_ZEROES | Nbd.FLAG_SEND_FAST_ZERO;
            if (limits.discardBytesMax() > 0) {
                flags |= Nbd.FLAG_SEND_TRIM;
            }
        }
        if (limits.isRotational()) {
            flags |= Nbd.FLAG_ROTATIONAL;
        }
        return structured ? flags | Nbd.FLAG_SEND_DF : flags;
    }

    int blockBytes() {
        return disk.limits().logicalBlockBytes();
    }

    int preferredBytes(int requestBytesMax) {
        QueueLimits limits = disk.limits();
        int wanted = Math.max(PREFERRED_BYTES_MIN, Integer.highestOneBit(Math.max(1, limits.ioMinBytes())));
        return Math.max(blockBytes(), Math.min(wanted, requestBytesMax));
    }
}
