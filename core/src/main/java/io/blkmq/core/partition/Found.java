package io.blkmq.core.partition;

import io.blkmq.core.Partition;
import io.blkmq.core.PartitionTable;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a reader has found so far. Its numbers are in logical blocks, and still those of the disk: here they are made to fit to it. */
final class Found {
    private final BlockReader disk;
    private final List<Partition> partitions = new ArrayList<>();
    private final List<String> remarks = new ArrayList<>();

    Found(BlockReader disk) {
        this.disk = disk;
    }

    void remark(String what) {
        remarks.add(what);
    }

    /**
     * A partition. One that is empty or begins past the end of the disk is left out, one that reaches past the end is cut off there.
     *
     * @param start first block, not negative
     * @param blocks how many, not negative
     */
    void add(int index, String type, @Nullable String uuid, String label, long start, long blocks, boolean bootable,
            long flags) {
        if (blocks == 0) {
            return;
        }
        if (start >= disk.blocks()) {
            remark("partition " + index + " begins at block " + start + ", past the end at " + disk.blocks()
                    + ": left out");
            return;
        }
        long fitting = Math.min(blocks, disk.blocks() - start);
        if (fitting < blocks) {
            remark("partition " + index + " of " + blocks + " blocks from block " + start + " reaches past the end at "
                    + disk.blocks() + ": cut off there");
        }
        int blockBytes = disk.blockBytes();
        partitions.add(
                new Partition(index, type, uuid, label, start * blockBytes, fitting * blockBytes, bootable, flags));
    }

    PartitionTable table(PartitionTable.Scheme scheme, @Nullable String id) {
        return new PartitionTable(scheme, id, partitions, remarks);
    }
}
