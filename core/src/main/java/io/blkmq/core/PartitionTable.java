package io.blkmq.core;

import io.blkmq.core.partition.BlockReader;
import io.blkmq.core.partition.TableReader;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The partition table of a disk at the time when it was read. The kernel's counterpart is {@code struct parsed_partitions}.
 *
 * <p>Both kinds of table are in units of logical blocks. The content of a table is not trusted: an entry that does not begin on the disk
 * is left out, an entry that reaches past the end is cut off there, and chains and counts are bounded. {@link #remarks} lists the
 * mistakes.
 *
 * @param scheme the kind of table
 * @param id the identity of the disk (PTUUID); null without a table
 * @param partitions in ascending order of their numbers
 * @param remarks the mistakes of the table, and how each was handled, as text; empty if there are none
 * @since 0.1.0
 */
public record PartitionTable(Scheme scheme, @Nullable String id, List<Partition> partitions, List<String> remarks) {
    /** The table of a disk without partitions. */
    public static final PartitionTable NONE = new PartitionTable(Scheme.NONE, null, List.of(), List.of());

    /** The kinds of table. */
    public enum Scheme {
        /** None that is known. */
        NONE,
        /** Four entries in the first sector, and a chain of extended ones (MS-DOS). */
        MBR,
        /** That of UEFI: two headers with checksums, behind a protective MBR. */
        GPT
    }

    /** Copies the lists. */
    public PartitionTable {
        partitions = List.copyOf(partitions);
        remarks = List.copyOf(remarks);
    }

    /**
     * Reads the table of a disk, and changes nothing. Waits for the I/O.
     *
     * @param disk a whole disk or a partition
     * @return the table; {@link Scheme#NONE} if there is none, or none that is whole
     * @throws BlockIOException if the disk cannot be read
     * @throws IllegalStateException if the disk is closed, or if called by a completion
     */
    public static PartitionTable read(Disk disk) throws BlockIOException {
        int blockBytes = disk.limits().logicalBlockBytes();
        try (BlockReader reader = new BlockReader(disk::read, disk.name(), blockBytes, disk.sizeBytes())) {
            return TableReader.read(reader);
        }
    }

    /**
     * One of the partitions.
     *
     * @param index its number
     * @return the partition, if there is one of that number
     */
    public Optional<Partition> find(int index) {
        return partitions.stream().filter(partition -> partition.index() == index).findFirst();
    }
}
