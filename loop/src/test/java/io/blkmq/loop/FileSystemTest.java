package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.loop.PartitionedImage.Part;
import io.blkmq.loop.transfer.TransferFunctions;
import io.blkmq.loop.transfer.TransferKey;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Command;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A real file system lives in an image: made by mkfs.ext4, copied through the device with I/O of random sizes, checked by e2fsck,
 * and its files compared one by one.
 */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class FileSystemTest {
    private static final int MIB = 1 << 20;
    private static final int IMAGE_BYTES = 24 * MIB;
    /** Where the partitions of the partitioned image are, in blocks of 512 bytes. */
    private static final List<Part> PARTS = List.of(new Part(2048, 16 * 2048), new Part(17 * 2048, 6 * 2048));
    private static final int COPIES_AT_ONCE = 8;
    private static final int PIECE_BYTES_MAX = 300 * 1024;

    @TempDir
    private Path directory;
    private Path files;
    private Random random;

    /** How the image that is copied to is driven. */
    record Way(boolean direct, String transfer) {
        LoopConfig.Builder config(Path image) {
            LoopConfig.Builder config = LoopConfig.builder(image).direct(direct).partScan(true);
            return transfer.equals("none")
                    ? config
                    : config.transfer(TransferFunctions.find(transfer), TransferKey.copyOf(key()));
        }

        private static byte[] key() {
            byte[] key = new byte[64];
            new Random(12).nextBytes(key);
            return key;
        }
    }

    static Stream<Way> ways() {
        return Stream.of(new Way(true, "none"), new Way(false, "none"), new Way(true, "aes-xts"),
                new Way(false, "aes-xts"), new Way(true, "xor"));
    }

    @BeforeEach
    void makeFiles() throws IOException {
        Command.require("mkfs.ext4", "e2fsck", "debugfs");
        random = new Random(RandomSeed.of(FileSystemTest.class));
        files = Files.createDirectory(directory.resolve("files"));
        Path deep = files;
        for (int i = 0; i < 40; i++) {
            if (i % 8 == 7) {
                deep = Files.createDirectory(deep.resolve("d" + i));
            }
            byte[] content = new byte[random.nextInt(i % 10 == 0 ? 900_000 : 20_000)];
            random.nextBytes(content);
            Files.write(deep.resolve("file" + i), content);
        }
        Files.createSymbolicLink(files.resolve("link"), Path.of("file1"));
    }

    @ParameterizedTest
    @MethodSource("ways")
    void aFileSystemThatWasCopiedThroughTheDeviceIsWhole(Way way) throws Exception {
        Path source = PartitionedImage.raw(directory.resolve("source.img"), IMAGE_BYTES);
        Command.run("", "mkfs.ext4", "-q", "-F", "-d", files.toString(), source.toString());
        Path target = PartitionedImage.raw(directory.resolve("target.img"), IMAGE_BYTES);
        try (LoopDevice from = LoopDevice.attach(LoopConfig.builder(source).readOnly(true).build());
                LoopDevice to = LoopDevice.attach(way.config(target).build())) {
            copy(from.disk(), to.disk());
            to.disk().flush();
        }
        checkFileSystem(readOut(way, target, null));
    }

    @ParameterizedTest
    @MethodSource("ways")
    void fileSystemsInPartitionsOfSfdiskThatWereCopiedThroughTheDeviceAreWhole(Way way) throws Exception {
        Command.require("sfdisk");
        Path source = PartitionedImage.gpt(directory.resolve("source.img"), IMAGE_BYTES, PARTS);
        Path target = copiedByPartitions(way, source);
        if (way.transfer.equals("none")) {
            assertThat(Command.run("", "sfdisk", "--verify", target.toString())).contains("No errors detected");
            assertThat(Command.run("", "sfdisk", "--dump", target.toString()).replace("target.img", "source.img"))
                    .isEqualTo(Command.run("", "sfdisk", "--dump", source.toString()));
        }
    }

    @Test
    void fileSystemsInPartitionsThatWereCopiedThroughTheDeviceAreWhole() throws Exception {
        Path source = PartitionedImage.raw(directory.resolve("source.img"), IMAGE_BYTES);
        PartitionedImage.writeGpt(source, PARTS);
        copiedByPartitions(new Way(true, "none"), source);
    }

    /** Makes a file system in each partition, copies the table and then partition by partition, and looks whether all of it is there. */
    private Path copiedByPartitions(Way way, Path source) throws Exception {
        Path target = PartitionedImage.raw(directory.resolve("target.img"), IMAGE_BYTES);
        for (Part part : PARTS) {
            Command.run("", "mkfs.ext4", "-q", "-F", "-E", "offset=" + part.start() * 512, "-d", files.toString(),
                    source.toString(), part.blocks() / 2 + "k");
        }
        try (LoopDevice from = LoopDevice.attach(LoopConfig.builder(source).readOnly(true).partScan(true).build());
                LoopDevice to = LoopDevice.attach(way.config(target).build())) {
            // The table first, and then what is in the partitions that it makes.
            for (long offset : new long[]{0, IMAGE_BYTES - MIB}) {
                copyRange(from.disk(), to.disk(), offset, MIB);
            }
            assertThat(to.disk().partitions().rescan().partitions()).isEqualTo(from.disk().partitions().list())
                    .hasSize(PARTS.size());
            for (int index = 1; index <= PARTS.size(); index++) {
                try (Disk fromPart = from.disk().partitions().open(index);
                        Disk toPart = to.disk().partitions().open(index)) {
                    copy(fromPart, toPart);
                    toPart.flush();
                }
            }
        }
        for (int index = 1; index <= PARTS.size(); index++) {
            checkFileSystem(readOut(way, target, index));
        }
        return target;
    }

    /** Copies a disk in pieces of random length, in random order, several at a time. */
    private void copy(Disk from, Disk to) throws Exception {
        copyRange(from, to, 0, from.sizeBytes());
    }

    private void copyRange(Disk from, Disk to, long start, long bytes) throws Exception {
        int block = Math.max(from.limits().logicalBlockBytes(), to.limits().logicalBlockBytes());
        assertThat(bytes % block).as("in whole blocks of both").isZero();
        List<long[]> pieces = new ArrayList<>();
        for (long at = start; at < start + bytes;) {
            long length = Math.min(start + bytes - at, (1 + random.nextInt(PIECE_BYTES_MAX / block)) * (long) block);
            pieces.add(new long[]{at, length});
            at += length;
        }
        java.util.Collections.shuffle(pieces, random);
        for (int first = 0; first < pieces.size(); first += COPIES_AT_ONCE) {
            List<CompletableFuture<Void>> copies = new ArrayList<>();
            for (long[] piece : pieces.subList(first, Math.min(first + COPIES_AT_ONCE, pieces.size()))) {
                IoBuffer buffer = IoBuffer.allocate(piece[1]);
                copies.add(from.async().read(piece[0], buffer.memory())
                        .thenCompose(_ -> to.async().write(piece[0], buffer.memory()))
                        .whenComplete((_, _) -> buffer.close()));
            }
            for (CompletableFuture<Void> copy : copies) {
                copy.get();
            }
        }
    }

    /** What a device, or a partition of it, holds, as a file of its own. */
    private Path readOut(Way way, Path image, @org.jspecify.annotations.Nullable Integer index) throws IOException {
        Path out = directory.resolve("out.img");
        Files.deleteIfExists(out);
        try (LoopDevice device = LoopDevice.attach(way.config(image).readOnly(true).build());
                Disk disk = index == null ? device.disk() : device.disk().partitions().open(index)) {
            byte[] all = new byte[Math.toIntExact(disk.sizeBytes())];
            disk.read(0, MemorySegment.ofArray(all));
            return Files.write(out, all);
        }
    }

    private void checkFileSystem(Path image) throws Exception {
        // It ends with another code than 0 if it finds anything to mend.
        assertThat(Command.run("", "e2fsck", "-f", "-n", image.toString())).contains("Pass 5");
        Path out = Files.createTempDirectory(directory, "dump");
        Command.run("", "debugfs", "-R", "rdump / " + out, image.toString());
        Files.deleteIfExists(out.resolve("lost+found"));
        assertThat(contents(out)).hasSizeGreaterThan(40).isEqualTo(contents(files));
    }

    /** Path and content of all files. */
    private static Map<String, String> contents(Path root) throws IOException {
        Map<String, String> all = new TreeMap<>();
        Files.walkFileTree(root, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                String content = attributes.isSymbolicLink()
                        ? "link to " + Files.readSymbolicLink(file)
                        : attributes.size() + " bytes " + java.util.HexFormat.of().formatHex(digest(file));
                all.put(root.relativize(file).toString(), content);
                return FileVisitResult.CONTINUE;
            }
        });
        return all;
    }

    private static byte[] digest(Path file) throws IOException {
        try {
            return java.security.MessageDigest.getInstance("SHA-256").digest(Files.readAllBytes(file));
        } catch (java.security.NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
