package io.blkmq.core.partition;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.UUID;
import java.util.zip.CRC32;

/** Writes partition tables into the bytes of a disk, right or wrong, for tests. Independent of the readers. */
public final class TableImage {
    /** Linux file system data. */
    public static final UUID LINUX = UUID.fromString("0fc63daf-8483-4772-8e79-3d69d8477de4");
    /** The GUID of every GPT disk written here. */
    public static final UUID DISK = UUID.fromString("01234567-89ab-cdef-0123-456789abcdef");
    /** The signature of every MBR written here. */
    public static final int DISK_ID = 0xcafe1234;

    private final ByteBuffer bytes;
    private final int blockBytes;
    private final long blocks;
    private final int entries;

    private TableImage(byte[] disk, int blockBytes, int entries) {
        this.bytes = ByteBuffer.wrap(disk).order(ByteOrder.LITTLE_ENDIAN);
        this.blockBytes = blockBytes;
        this.blocks = disk.length / blockBytes;
        this.entries = entries;
    }

    /**
     * An empty GPT.
     *
     * @param disk all bytes of the disk
     * @param blockBytes its logical block size
     * @param entries how many there is room for
     * @return to add partitions
     */
    public static TableImage gpt(byte[] disk, int blockBytes, int entries) {
        TableImage image = new TableImage(disk, blockBytes, entries);
        Arrays.fill(disk, (byte) 0);
        image.record(0, 0, 0, 0xEE, 1, Math.min(image.blocks - 1, 0xFFFFFFFFL));
        return image.seal();
    }

    /**
     * An MBR without entries.
     *
     * @param disk all bytes of the disk
     * @param blockBytes its logical block size
     * @return to add entries
     */
    public static TableImage mbr(byte[] disk, int blockBytes) {
        TableImage image = new TableImage(disk, blockBytes, 0);
        Arrays.fill(disk, (byte) 0);
        image.bytes.putInt(440, DISK_ID);
        image.bytes.putShort(510, (short) 0xAA55);
        return image;
    }

    /**
     * The UUID of a partition of a GPT.
     *
     * @param index its number
     * @return as {@link #entry} writes it
     */
    public static UUID uuid(int index) {
        return new UUID(0x1111_2222_3333_4444L + index, 0x8555_6666_7777_8888L);
    }

    /**
     * Writes an entry of an MBR, or of an extended record.
     *
     * @param block of the record
     * @param slot 0 to 3
     * @param indicator 0x80 for bootable
     * @param type its type
     * @param start in blocks, as it stands there
     * @param count in blocks
     * @return this
     */
    public TableImage record(long block, int slot, int indicator, int type, long start, long count) {
        int at = at(block);
        bytes.putShort(at + 510, (short) 0xAA55);
        bytes.put(at + 446 + slot * 16, (byte) indicator).put(at + 446 + slot * 16 + 4, (byte) type)
                .putInt(at + 446 + slot * 16 + 8, (int) start).putInt(at + 446 + slot * 16 + 12, (int) count);
        return this;
    }

    /**
     * Writes a partition into both tables of a GPT, and their checksums.
     *
     * @param index its number
     * @param first its first block
     * @param last its last block
     * @param name its name
     * @param attributes its attributes
     * @return this
     */
    public TableImage entry(int index, long first, long last, String name, long attributes) {
        for (long table : new long[]{2, blocks - 1 - entriesBlocks()}) {
            int at = at(table) + (index - 1) * 128;
            putGuid(at, LINUX);
            putGuid(at + 16, uuid(index));
            bytes.putLong(at + 32, first).putLong(at + 40, last).putLong(at + 48, attributes);
            bytes.put(at + 56, Arrays.copyOf(name.getBytes(StandardCharsets.UTF_16LE), 72));
        }
        return seal();
    }

    /**
     * Writes both headers of a GPT, as they should be.
     *
     * @return this
     */
    public TableImage seal() {
        header(1, blocks - 1, 2);
        header(blocks - 1, 1, blocks - 1 - entriesBlocks());
        return this;
    }

    private void header(long own, long other, long table) {
        int at = at(own);
        bytes.put(at, "EFI PART".getBytes(StandardCharsets.US_ASCII)).putInt(at + 8, 0x10000).putInt(at + 12, 92)
                .putLong(at + 24, own).putLong(at + 32, other).putLong(at + 40, 2 + entriesBlocks())
                .putLong(at + 48, blocks - 2 - entriesBlocks());
        putGuid(at + 56, DISK);
        bytes.putLong(at + 72, table).putInt(at + 80, entries).putInt(at + 84, 128);
        sealEntries(own);
    }

    /**
     * Makes the checksums right of a header with whatever it says.
     *
     * @param own its block
     */
    public void sealEntries(long own) {
        int at = at(own);
        long table = bytes.getLong(at + 72);
        long length = 128L * Integer.toUnsignedLong(bytes.getInt(at + 80));
        if (table >= 0 && table < blocks && table * blockBytes + length <= bytes.capacity()) {
            bytes.putInt(at + 88, crc(at(table), (int) length));
        }
        sealHeader(own);
    }

    /**
     * Makes the checksum right of a header alone.
     *
     * @param own its block
     */
    public void sealHeader(long own) {
        int at = at(own);
        bytes.putInt(at + 16, 0);
        bytes.putInt(at + 16, crc(at, Math.clamp(bytes.getInt(at + 12), 0, blockBytes)));
    }

    private int entriesBlocks() {
        return Math.ceilDiv(entries * 128, blockBytes);
    }

    /**
     * Where a block is.
     *
     * @param block its number
     * @return its first byte
     */
    public int at(long block) {
        return Math.toIntExact(block * blockBytes);
    }

    /**
     * The bytes of the disk.
     *
     * @return not a copy, little-endian
     */
    public ByteBuffer bytes() {
        return bytes;
    }

    /**
     * How many blocks there are.
     *
     * @return blocks of the disk
     */
    public long blocks() {
        return blocks;
    }

    private int crc(int at, int length) {
        CRC32 crc = new CRC32();
        crc.update(bytes.array(), at, length);
        return (int) crc.getValue();
    }

    private void putGuid(int at, UUID guid) {
        long most = guid.getMostSignificantBits();
        bytes.putInt(at, (int) (most >>> 32)).putShort(at + 4, (short) (most >>> 16)).putShort(at + 6, (short) most)
                .putLong(at + 8, Long.reverseBytes(guid.getLeastSignificantBits()));
    }
}
