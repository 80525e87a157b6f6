package io.blkmq.core;

import org.jspecify.annotations.Nullable;

/**
 * One entry of a partition table, as far as it lies on its disk. The kernel's counterpart is a {@code struct block_device} that is not
 * the whole disk's, with its {@code partition_meta_info}.
 *
 * @param index its number as in the kernel: that of its place in the table, from 1; logical ones from 5
 * @param type its purpose: a GUID, or for example {@code 0x83} in an MBR
 * @param uuid its identity (PARTUUID); null if it has none
 * @param label its name (PARTLABEL); empty if it has none
 * @param startBytes where on the disk it begins
 * @param sizeBytes its size, at least one logical block
 * @param bootable whether it is marked so
 * @param flags the attributes of GPT, or the boot indicator of an MBR
 * @since 0.1.0
 */
public record Partition(int index, String type, @Nullable String uuid, String label, long startBytes, long sizeBytes,
        boolean bootable, long flags) {
    /** The highest number that a partition can have: the kernel's limit. */
    public static final int INDEX_MAX = 255;

    /**
     * Checks that it can be.
     *
     * @throws IllegalArgumentException with the wrong value
     */
    public Partition {
        if (index < 1 || index > INDEX_MAX) {
            throw new IllegalArgumentException("index " + index + ": 1 to " + INDEX_MAX + " are possible");
        }
        if (startBytes < 0 || sizeBytes <= 0 || startBytes > Long.MAX_VALUE - sizeBytes) {
            throw new IllegalArgumentException(
                    "partition " + index + " of " + sizeBytes + " bytes from offset " + startBytes);
        }
    }

    /**
     * Where on the disk it ends.
     *
     * @return bytes, exclusive
     */
    public long endBytes() {
        return startBytes + sizeBytes;
    }
}
