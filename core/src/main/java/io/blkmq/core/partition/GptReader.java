package io.blkmq.core.partition;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Partition;
import io.blkmq.core.PartitionTable;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * Reads the table of UEFI: a header in the second block and one in the last, each with a checksum of its own and one of its entries.
 *
 * <p>The first header counts. If it or its entries are damaged, the one in the last block does; the kernel does that only when it was
 * booted with {@code gpt}. If both are damaged there are no partitions.
 */
final class GptReader {
    static final int HEADER_BLOCK = 1;

    private static final long SIGNATURE = 0x5452415020494645L; // "EFI PART"
    private static final int HEADER_BYTES_MIN = 92;
    private static final int HEADER_CRC_OFFSET = 16;
    /** The kernel takes no other size. */
    private static final int ENTRY_BYTES = 128;
    /** As much as the kernel reads of entries. */
    private static final long ENTRIES_BYTES_MAX = 4 << 20;
    private static final int NAME_OFFSET = 56;
    private static final long LEGACY_BOOTABLE = 1 << 2;

    private final BlockReader disk;
    private final Found found;
    /** Why a header or its entries could not be read. */
    private @Nullable BlockIOException unreadable;

    /** A header that is whole. The numbers of blocks are on the disk. */
    private record Header(long alternate, UUID diskId, long entriesBlock, int entryCount, int entriesCrc) {
        long entriesBytes() {
            return (long) entryCount * ENTRY_BYTES;
        }
    }

    /** A header and as many of its entries as there can be partitions. */
    private record Table(Header header, ByteBuffer entries) {
        int count() {
            return entries.capacity() / ENTRY_BYTES;
        }
    }

    GptReader(BlockReader disk) {
        this.disk = disk;
        this.found = new Found(disk);
    }

    PartitionTable read() throws BlockIOException {
        long last = disk.blocks() - 1;
        Table table = readTable(HEADER_BLOCK, "the first header");
        if (table != null) {
            // For the remark alone.
            readTable(table.header.alternate, "the other header");
        } else {
            table = readTable(last, "the header in the last block");
            if (table == null) {
                if (unreadable != null) {
                    // What cannot be read may have been a table.
                    throw unreadable;
                }
                return found.table(PartitionTable.Scheme.NONE, null);
            }
            found.remark("the table behind the header in the last block is used");
        }
        for (int i = 0; i < table.count(); i++) {
            addEntry(i + 1, table.entries.slice(i * ENTRY_BYTES, ENTRY_BYTES).order(table.entries.order()));
        }
        return found.table(PartitionTable.Scheme.GPT, table.header.diskId.toString());
    }

    private @Nullable Table readTable(long headerBlock, String what) throws BlockIOException {
        try {
            Header header = readHeader(headerBlock);
            return new Table(header, readEntries(header));
        } catch (DamagedException e) {
            found.remark(what + " is damaged: " + e.getMessage());
            return null;
        } catch (BlockIOException e) {
            BlockReader.requireOfBlock(e);
            found.remark(what + " cannot be read: " + e.getMessage());
            if (unreadable == null) {
                unreadable = e;
            }
            return null;
        }
    }

    private Header readHeader(long block) throws BlockIOException, DamagedException {
        ByteBuffer header = disk.read(block);
        require(header.getLong(0) == SIGNATURE, "signature", header.getLong(0));
        long bytes = Integer.toUnsignedLong(header.getInt(12));
        require(bytes >= HEADER_BYTES_MIN && bytes <= disk.blockBytes(), "length", bytes);
        int crc = header.getInt(HEADER_CRC_OFFSET);
        header.putInt(HEADER_CRC_OFFSET, 0);
        require(crcOf(header.slice(0, (int) bytes)) == crc, "checksum", Integer.toUnsignedLong(crc));
        require(header.getLong(24) == block, "own block", header.getLong(24));
        long last = disk.blocks() - 1;
        long firstUsable = header.getLong(40);
        long lastUsable = header.getLong(48);
        require(firstUsable >= 0 && firstUsable <= last, "first usable block", firstUsable);
        require(lastUsable >= firstUsable && lastUsable <= last, "last usable block", lastUsable);
        long entryBytes = Integer.toUnsignedLong(header.getInt(84));
        require(entryBytes == ENTRY_BYTES, "length of an entry", entryBytes);
        long count = Integer.toUnsignedLong(header.getInt(80));
        require(count > 0 && count * ENTRY_BYTES <= ENTRIES_BYTES_MAX, "number of entries", count);
        return new Header(header.getLong(32), guid(header, 56), header.getLong(72), (int) count, header.getInt(88));
    }

    private static void require(boolean holds, String what, long value) throws DamagedException {
        if (!holds) {
            throw new DamagedException("its " + what + " is 0x" + Long.toHexString(value));
        }
    }

    /** Reads all entries for their checksum, and keeps those that can become partitions. */
    private ByteBuffer readEntries(Header header) throws BlockIOException, DamagedException {
        int kept = Math.min(header.entryCount, Partition.INDEX_MAX) * ENTRY_BYTES;
        ByteBuffer entries = ByteBuffer.allocate(kept).order(java.nio.ByteOrder.LITTLE_ENDIAN);
        CRC32 crc = new CRC32();
        int blocksEach = disk.pieceBlocks();
        long left = header.entriesBytes();
        for (long block = header.entriesBlock; left > 0; block += blocksEach) {
            int bytes = (int) Math.min(left, (long) blocksEach * disk.blockBytes());
            ByteBuffer piece = disk.read(block, Math.ceilDiv(bytes, disk.blockBytes())).limit(bytes);
            crc.update(piece.duplicate());
            entries.put(piece.limit(Math.min(bytes, entries.remaining())));
            left -= bytes;
        }
        require((int) crc.getValue() == header.entriesCrc, "checksum of the entries",
                Integer.toUnsignedLong(header.entriesCrc));
        return entries;
    }

    private void addEntry(int index, ByteBuffer entry) {
        UUID type = guid(entry, 0);
        if (type.getMostSignificantBits() == 0 && type.getLeastSignificantBits() == 0) {
            return;
        }
        long first = entry.getLong(32);
        long last = entry.getLong(40);
        if (first < 0 || last < first || last >= disk.blocks()) {
            found.remark("partition " + index + " from block " + Long.toUnsignedString(first) + " to "
                    + Long.toUnsignedString(last) + " of " + disk.blocks() + ": left out");
            return;
        }
        long attributes = entry.getLong(48);
        found.add(index, type.toString(), guid(entry, 16).toString(), name(entry), first, last - first + 1,
                (attributes & LEGACY_BOOTABLE) != 0, attributes);
    }

    /** Of 36 characters at most, up to the first that is 0. */
    private static String name(ByteBuffer entry) {
        int end = NAME_OFFSET;
        while (end < ENTRY_BYTES && entry.getShort(end) != 0) {
            end += 2;
        }
        return StandardCharsets.UTF_16LE.decode(entry.slice(NAME_OFFSET, end - NAME_OFFSET)).toString();
    }

    /** Its first three fields are little-endian, the rest is bytes. */
    private static UUID guid(ByteBuffer from, int at) {
        long most = Integer.toUnsignedLong(from.getInt(at)) << 32 | Short.toUnsignedLong(from.getShort(at + 4)) << 16
                | Short.toUnsignedLong(from.getShort(at + 6));
        return new UUID(most, Long.reverseBytes(from.getLong(at + 8)));
    }

    private static int crcOf(ByteBuffer bytes) {
        CRC32 crc = new CRC32();
        crc.update(bytes);
        return (int) crc.getValue();
    }
}
