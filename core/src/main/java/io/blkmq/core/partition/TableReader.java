package io.blkmq.core.partition;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.PartitionTable;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** Finds out which kind of table a disk has, and reads that. */
public final class TableReader {
    private TableReader() {}

    /**
     * Reads the table of a disk.
     *
     * @param reader of the disk
     * @return the table
     * @throws BlockIOException if the disk cannot be read
     */
    public static PartitionTable read(BlockReader reader) throws BlockIOException {
        ByteBuffer first = firstBlock(reader);
        if (first == null || !BootRecord.isOne(first)) {
            return PartitionTable.NONE;
        }
        if (BootRecord.isProtective(first)) {
            return new GptReader(reader).read();
        }
        // The kernel does not take one that is protective at another place for a table either.
        return BootRecord.protects(first) ? PartitionTable.NONE : new MbrReader(reader).read(first);
    }

    private static @Nullable ByteBuffer firstBlock(BlockReader reader) throws BlockIOException {
        try {
            return reader.read(0);
        } catch (DamagedException e) {
            // The disk is empty.
            return null;
        }
    }
}
