package io.blkmq.loop;

import io.blkmq.testing.Command;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.UUID;
import java.util.zip.CRC32;

/** Images with partition tables: by sfdisk where that is installed, else by the few lines here. Blocks are of 512 bytes. */
final class PartitionedImage {
    private static final UUID LINUX = UUID.fromString("0fc63daf-8483-4772-8e79-3d69d8477de4");
    private static final int GPT_BLOCKS = 34;

    /** A partition to be: in blocks. */
    record Part(long start, long blocks) {}

    private PartitionedImage() {}

    /** A file of zeroes. */
    static Path raw(Path file, long bytes) throws IOException {
        Files.deleteIfExists(file);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[1]), bytes - 1);
        }
        return file;
    }

    /** A file with a GPT. */
    static Path gpt(Path file, long bytes, List<Part> parts) throws IOException, InterruptedException {
        raw(file, bytes);
        if (Command.isInstalled("sfdisk")) {
            sfdisk(file, "gpt", parts);
        } else {
            writeGpt(file, parts);
        }
        return file;
    }

    /** A file with an MBR. From the third on, the partitions are logical ones. */
    static Path mbr(Path file, long bytes, List<Part> parts) throws IOException, InterruptedException {
        raw(file, bytes);
        if (Command.isInstalled("sfdisk")) {
            sfdisk(file, "dos", parts);
        } else {
            writeMbr(file, parts);
        }
        return file;
    }

    /** The table of sfdisk's script: of an MBR the third one is the extended partition, to the end. */
    private static void sfdisk(Path file, String label, List<Part> parts) throws IOException, InterruptedException {
        StringBuilder script = new StringBuilder("label: " + label + "\nunit: sectors\n");
        if (label.equals("gpt")) {
            script.append("first-lba: ").append(GPT_BLOCKS).append('\n');
        }
        for (int i = 0; i < parts.size(); i++) {
            Part part = parts.get(i);
            if (label.equals("dos") && i == 2) {
                script.append("start=").append(part.start - 1).append(", type=5\n");
            }
            script.append("start=").append(part.start).append(", size=").append(part.blocks).append('\n');
        }
        Command.run(script.toString(), "sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "never",
                file.toString());
    }

    /** The table of this class, into the blocks of a disk or file. */
    static void writeGpt(Path file, List<Part> parts) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            writeGpt(channel, parts);
        }
    }

    static void writeGpt(FileChannel channel, List<Part> parts) throws IOException {
        long blocks = channel.size() / 512;
        ByteBuffer entries = buffer(32 * 512);
        for (int i = 0; i < parts.size(); i++) {
            int at = i * 128;
            putGuid(entries, at, LINUX);
            putGuid(entries, at + 16, new UUID(0x1234_5678_0000_4000L + i, 0x8000_0000_0000_0001L));
            entries.putLong(at + 32, parts.get(i).start).putLong(at + 40, parts.get(i).start + parts.get(i).blocks - 1);
        }
        ByteBuffer record = buffer(512);
        entry(record, 0, 0xEE, 1, Math.min(blocks - 1, 0xFFFFFFFFL));
        channel.write(record, 0);
        channel.write(header(1, blocks - 1, 2, blocks, entries), 512);
        channel.write(entries.duplicate(), 2 * 512);
        channel.write(entries.duplicate(), (blocks - 33) * 512);
        channel.write(header(blocks - 1, 1, blocks - 33, blocks, entries), (blocks - 1) * 512);
    }

    private static ByteBuffer header(long own, long other, long table, long blocks, ByteBuffer entries) {
        ByteBuffer header = buffer(512);
        header.put(0, "EFI PART".getBytes(StandardCharsets.US_ASCII)).putInt(8, 0x10000).putInt(12, 92).putLong(24, own)
                .putLong(32, other).putLong(40, GPT_BLOCKS).putLong(48, blocks - GPT_BLOCKS).putLong(72, table)
                .putInt(80, 128).putInt(84, 128).putInt(88, crc(entries.duplicate()));
        putGuid(header, 56, new UUID(1, 2));
        return header.putInt(16, crc(header.slice(0, 92)));
    }

    static void writeMbr(Path file, List<Part> parts) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            ByteBuffer record = buffer(512);
            for (int i = 0; i < Math.min(2, parts.size()); i++) {
                entry(record, i, 0x83, parts.get(i).start, parts.get(i).blocks);
            }
            if (parts.size() > 2) {
                long extended = parts.get(2).start - 1;
                entry(record, 2, 0x05, extended, channel.size() / 512 - extended);
                for (int i = 2; i < parts.size(); i++) {
                    ByteBuffer link = buffer(512);
                    entry(link, 0, 0x83, 1, parts.get(i).blocks);
                    if (i + 1 < parts.size()) {
                        entry(link, 1, 0x05, parts.get(i + 1).start - 1 - extended, parts.get(i + 1).blocks + 1);
                    }
                    channel.write(link, (parts.get(i).start - 1) * 512);
                }
            }
            channel.write(record, 0);
        }
    }

    private static void entry(ByteBuffer record, int slot, int type, long start, long blocks) {
        record.putShort(510, (short) 0xAA55).put(446 + slot * 16 + 4, (byte) type)
                .putInt(446 + slot * 16 + 8, (int) start).putInt(446 + slot * 16 + 12, (int) blocks);
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static int crc(ByteBuffer bytes) {
        CRC32 crc = new CRC32();
        crc.update(bytes);
        return (int) crc.getValue();
    }

    private static void putGuid(ByteBuffer to, int at, UUID guid) {
        long most = guid.getMostSignificantBits();
        to.putInt(at, (int) (most >>> 32)).putShort(at + 4, (short) (most >>> 16)).putShort(at + 6, (short) most)
                .putLong(at + 8, Long.reverseBytes(guid.getLeastSignificantBits()));
    }
}
