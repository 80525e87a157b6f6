package io.blkmq.core.partition;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Partition;
import io.blkmq.core.PartitionTable;
import java.nio.ByteBuffer;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads the table of MS-DOS: four entries in the first block, numbered 1 to 4. Extended ones among them hold a chain of records, each
 * with a logical partition and the next link; those are numbered from 5.
 *
 * <p>An extended partition itself is shown with two sectors, as in the kernel: so nobody makes a file system of it by mistake.
 */
final class MbrReader {
    private static final int LOGICAL_FIRST = 5;
    /** So many records without a partition end a chain, as in the kernel. */
    private static final int EMPTY_LINKS_MAX = 100;

    private final BlockReader disk;
    private final Found found;
    private int diskId;
    private int nextLogical = LOGICAL_FIRST;

    MbrReader(BlockReader disk) {
        this.disk = disk;
        this.found = new Found(disk);
    }

    PartitionTable read(ByteBuffer first) throws BlockIOException {
        if (!BootRecord.hasEntries(first)) {
            return PartitionTable.NONE;
        }
        diskId = BootRecord.diskId(first);
        for (int i = 0; i < BootRecord.ENTRIES; i++) {
            BootRecord.Entry entry = BootRecord.entry(first, i);
            if (entry.isExtended()) {
                int twoSectors = Math.max(1, 1024 / disk.blockBytes());
                add(i + 1, entry, entry.start(), Math.min(entry.blocks(), twoSectors));
            } else {
                add(i + 1, entry, entry.start(), entry.blocks());
            }
        }
        for (int i = 0; i < BootRecord.ENTRIES; i++) {
            BootRecord.Entry entry = BootRecord.entry(first, i);
            if (entry.isExtended() && entry.blocks() != 0) {
                readChain(entry.start(), entry.blocks());
            }
        }
        return found.table(PartitionTable.Scheme.MBR, String.format("%08x", diskId));
    }

    private void add(int index, BootRecord.Entry entry, long start, long blocks) {
        found.add(index, "0x" + Integer.toHexString(entry.type()), String.format("%08x-%02x", diskId, index), "", start,
                blocks, entry.isActive(), entry.indicator());
    }

    /** Follows the records of one extended partition. */
    private void readChain(long extendedStart, long extendedBlocks) throws BlockIOException {
        Set<Long> seen = new HashSet<>();
        long block = extendedStart;
        long room = extendedBlocks;
        for (int empty = 0; empty <= EMPTY_LINKS_MAX && nextLogical <= Partition.INDEX_MAX;) {
            if (!seen.add(block)) {
                found.remark("the chain of extended records comes back to block " + block + ": it ends there");
                return;
            }
            ByteBuffer record = readRecord(block);
            if (record == null) {
                return;
            }
            int before = nextLogical;
            addLogical(record, block, room, extendedStart, extendedBlocks);
            empty = nextLogical > before ? 0 : empty + 1;
            BootRecord.Entry link = link(record);
            if (link == null) {
                return;
            }
            block = extendedStart + link.start();
            room = link.blocks();
        }
        found.remark("the chain of extended records goes on after block " + block + " behind partition "
                + (nextLogical - 1) + ": it is not followed");
    }

    /** One that is no record, or cannot be read, ends its chain. What was found up to there is there all the same. */
    private @Nullable ByteBuffer readRecord(long block) throws BlockIOException {
        try {
            ByteBuffer record = disk.read(block);
            if (BootRecord.isOne(record)) {
                return record;
            }
            found.remark("block " + block + " has no extended record");
        } catch (DamagedException e) {
            found.remark("an extended record is missing: " + e.getMessage());
        } catch (BlockIOException e) {
            BlockReader.requireOfBlock(e);
            found.remark("an extended record cannot be read: " + e.getMessage());
        }
        return null;
    }

    /** The logical partitions of a record; places are counted from it. The two last entries are often rubbish, so they have to fit. */
    private void addLogical(ByteBuffer record, long block, long room, long extendedStart, long extendedBlocks) {
        for (int i = 0; i < BootRecord.ENTRIES && nextLogical <= Partition.INDEX_MAX; i++) {
            BootRecord.Entry entry = BootRecord.entry(record, i);
            if (entry.blocks() == 0 || entry.isExtended()) {
                continue;
            }
            long start = block + entry.start();
            boolean fits = entry.start() + entry.blocks() <= room && start >= extendedStart
                    && start + entry.blocks() <= extendedStart + extendedBlocks;
            if (i < 2 || fits) {
                add(nextLogical++, entry, start, entry.blocks());
            }
        }
    }

    /** Where the next record is, from the beginning of the extended partition; null in the last one. */
    private static BootRecord.@Nullable Entry link(ByteBuffer record) {
        for (int i = 0; i < BootRecord.ENTRIES; i++) {
            BootRecord.Entry entry = BootRecord.entry(record, i);
            if (entry.blocks() != 0 && entry.isExtended()) {
                return entry;
            }
        }
        return null;
    }
}
