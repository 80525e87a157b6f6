package io.blkmq.testkit.fuse;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.RandomSeed;
import io.blkmq.testkit.tree.FileTree;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** All the ways in which a program reaches its files, on a mount. */
class FileOperationsTest {
    private static OpenedDoor door;

    private FuseTree tree;
    private Path directory;

    @BeforeAll
    static void open() throws IOException {
        door = OpenedDoor.orSkip();
    }

    @AfterAll
    static void close() throws IOException {
        if (door != null) {
            door.close();
        }
    }

    @BeforeEach
    void show() throws IOException {
        tree = door.showEmpty();
        directory = tree.directory();
    }

    @Test
    void streamsWriteAppendAndRead() throws Exception {
        File file = directory.resolve("file").toFile();
        try (FileOutputStream out = new FileOutputStream(file)) {
            out.write("one".getBytes(StandardCharsets.UTF_8));
        }
        try (FileOutputStream out = new FileOutputStream(file, true)) {
            out.write(" two".getBytes(StandardCharsets.UTF_8));
        }
        try (FileInputStream in = new FileInputStream(file)) {
            assertThat(in.readAllBytes()).asString().isEqualTo("one two");
        }
        try (FileOutputStream _ = new FileOutputStream(file)) {
            assertThat(file.length()).as("opened to be written anew").isZero();
        }
        assertThat(file.delete()).isTrue();
        assertThat(file.exists()).isFalse();
    }

    @Test
    void randomAccessFileSeeksGrowsAndShrinks() throws Exception {
        try (RandomAccessFile file = new RandomAccessFile(directory.resolve("file").toFile(), "rw")) {
            file.seek(10_000);
            file.writeLong(4711);
            assertThat(file.length()).isEqualTo(10_008);
            file.seek(5_000);
            assertThat(file.readLong()).as("what was never written").isZero();
            file.setLength(5_004);
            file.setLength(20_000);
            file.seek(10_000);
            assertThat(file.readLong()).as("what was cut off").isZero();
        }
    }

    @Test
    void writesOfAnyPlaceAndSizeAreReadAgain() throws Exception {
        SplittableRandom random = new SplittableRandom(RandomSeed.of(FileOperationsTest.class));
        byte[] expected = new byte[3 << 20];
        int size = 0;
        Path path = directory.resolve("file");
        try (FileChannel channel = FileChannel.open(path, CREATE_NEW, READ, WRITE)) {
            for (int i = 0; i < 60; i++) {
                int offset = random.nextInt(expected.length);
                byte[] data = new byte[random.nextInt(1,
                        Math.min(1 << random.nextInt(1, 21), expected.length - offset) + 1)];
                random.nextBytes(data);
                assertThat(channel.write(ByteBuffer.wrap(data), offset)).isEqualTo(data.length);
                System.arraycopy(data, 0, expected, offset, data.length);
                size = Math.max(size, offset + data.length);
            }
        }
        assertThat(Arrays.equals(Files.readAllBytes(path), Arrays.copyOf(expected, size))).isTrue();
        Path other = door.mount().show("same", tree.content()).directory().resolve("file");
        assertThat(Files.mismatch(path, other)).as("without what the kernel had cached").isEqualTo(-1);
    }

    @Test
    void mappedMemoryIsTheFile() throws Exception {
        Path path = directory.resolve("file");
        try (FileChannel channel = FileChannel.open(path, CREATE_NEW, READ, WRITE)) {
            MappedByteBuffer mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, 100_000);
            assertThat(channel.size()).isEqualTo(100_000);
            mapped.putInt(70_000, 17);
            ByteBuffer read = ByteBuffer.allocate(4);
            assertThat(channel.read(read, 70_000)).isEqualTo(4);
            assertThat(read.getInt(0)).as("a store is seen by read").isEqualTo(17);
            assertThat(channel.write(read.putInt(0, 18).flip().limit(4), 70_000)).isEqualTo(4);
            assertThat(mapped.getInt(70_000)).as("a write is seen by a load").isEqualTo(18);
            mapped.force();
        }
        assertThat(ByteBuffer.wrap(Files.readAllBytes(path)).getInt(70_000)).isEqualTo(18);
    }

    @Test
    void namesAreMadeMovedAndRemoved() throws Exception {
        Path one = Files.writeString(directory.resolve("one"), "1");
        Path two = Files.writeString(directory.resolve("two"), "2");
        Files.move(one, two, StandardCopyOption.ATOMIC_MOVE);
        assertThat(two).hasContent("1");
        assertThat(one).doesNotExist();
        Path link = Files.createLink(directory.resolve("link"), two);
        assertThat(Files.isSameFile(link, two)).isTrue();
        assertThat(Files.getAttribute(two, "unix:nlink")).isEqualTo(2);
        Path symbolic = Files.createSymbolicLink(directory.resolve("symbolic"), Path.of("link"));
        assertThat(Files.readSymbolicLink(symbolic)).isEqualTo(Path.of("link"));
        assertThat(symbolic).hasContent("1");
        Path deep = Files.createDirectories(directory.resolve("a/b/c"));
        Files.move(link, deep.resolve("inside"));
        assertThat(symbolic.toFile()).as("its target is gone").doesNotExist();
        assertThatThrownBy(() -> Files.delete(directory.resolve("a"))).isInstanceOf(DirectoryNotEmptyException.class);
        assertThatThrownBy(() -> Files.createDirectory(deep)).isInstanceOf(FileAlreadyExistsException.class);
        assertThatThrownBy(() -> Files.newInputStream(one)).isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> FileChannel.open(two, CREATE_NEW, WRITE))
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThat(new File(directory.toFile(), "two").renameTo(new File(directory.toFile(), "three"))).isTrue();
        try (Stream<Path> walk = Files.walk(directory)) {
            assertThat(walk.map(path -> directory.relativize(path).toString())).containsExactlyInAnyOrder("", "a",
                    "a/b", "a/b/c", "a/b/c/inside", "symbolic", "three");
        }
        assertThat(deep.toRealPath()).isEqualTo(deep);
    }

    @Test
    void unlinkedFileLivesUntilItIsClosed() throws Exception {
        Path path = directory.resolve("file");
        try (FileChannel channel = FileChannel.open(path, CREATE, READ, WRITE)) {
            Files.delete(path);
            assertThat(channel.write(ByteBuffer.wrap(new byte[100_000]))).isEqualTo(100_000);
            assertThat(channel.size()).isEqualTo(100_000);
            Path other = Files.writeString(directory.resolve("other"), "x");
            Files.move(other, path);
            assertThat(channel.read(ByteBuffer.allocate(10), 0)).as("not the new file").isEqualTo(10);
            assertThat(Files.size(path)).isEqualTo(1);
        }
    }

    @Test
    void attributesAreKept() throws Exception {
        Path path = Files.writeString(directory.resolve("file"), "text");
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-r-----"));
        FileTime time = FileTime.fromMillis(1_234_567_890_123L);
        Files.setLastModifiedTime(path, time);
        assertThat(Files.getPosixFilePermissions(path)).isEqualTo(PosixFilePermissions.fromString("rw-r-----"));
        assertThat(Files.getLastModifiedTime(path)).isEqualTo(time);
        assertThat(path.toFile().lastModified()).isEqualTo(1_234_567_890_123L);
        var _ = Files.writeString(path, "more text");
        assertThat(Files.getLastModifiedTime(path)).as("a write changes it").isGreaterThan(time);
        assertThat(Files.getFileStore(path).getTotalSpace()).isEqualTo(OpenedDoor.CAPACITY);
        assertThat(Files.getAttribute(path, "unix:uid"))
                .isEqualTo(Files.getAttribute(Path.of("/proc/self"), "unix:uid"));
    }

    @Test
    void locksAreTheKernels() throws Exception {
        Path path = directory.resolve("lock");
        try (FileChannel channel = FileChannel.open(path, CREATE, WRITE);
                FileChannel other = FileChannel.open(path, WRITE)) {
            FileLock lock = channel.lock();
            assertThatThrownBy(other::tryLock).isInstanceOf(OverlappingFileLockException.class);
            lock.release();
            try (FileLock again = other.tryLock()) {
                assertThat(again).isNotNull();
            }
        }
    }

    @Test
    void directoryOfTenThousandNamesIsListedWhileItIsEmptied() throws Exception {
        FileTree image = OpenedDoor.emptyTree();
        for (int i = 0; i < 10_000; i++) {
            var _ = image.create(FileTree.ROOT, "file-" + i, 0644, 0, 0);
        }
        Path many = door.mount().show("many", image).directory();
        List<String> deleted = new ArrayList<>();
        try (Stream<Path> names = Files.list(many)) {
            for (Path path : (Iterable<Path>) names::iterator) {
                deleted.add(path.getFileName().toString());
                if (deleted.size() % 4 == 0) {
                    Files.delete(path);
                }
            }
        }
        assertThat(deleted).hasSize(10_000).doesNotHaveDuplicates();
        assertThat(many.toFile().list()).hasSize(7_500);
    }

    @Test
    void holesAreHolesAndSpaceEnds() throws Exception {
        Path small = door.mount().show("small", new FileTree(1 << 20, () -> 0)).directory();
        try (RandomAccessFile file = new RandomAccessFile(small.resolve("sparse").toFile(), "rw")) {
            file.setLength(1L << 40);
            file.seek((1L << 40) - 1);
            file.write(1);
            assertThatThrownBy(() -> file.setLength(Long.MAX_VALUE)).isInstanceOf(IOException.class);
        }
        assertThat(Files.getFileStore(small).getUsableSpace()).isEqualTo((1 << 20) - 4096);
        assertThatThrownBy(() -> Files.write(small.resolve("large"), new byte[2 << 20])).isInstanceOf(IOException.class)
                .hasMessageContaining("No space left");
        Files.delete(small.resolve("large"));
        Files.delete(small.resolve("sparse"));
        Path again = Files.write(small.resolve("again"), new byte[1 << 20]);
        assertThat(again).hasSize(1 << 20);
    }

    @Test
    void programsOfOtherKindsFindTheirWay() throws Exception {
        Path script = directory.resolve("script");
        String commands = """
            set -e
            cd "$1"
            echo one > a; cp a b; cat b >> a; mv a c; ln c d; ln -s c e
            fallocate -l 100000 f; fallocate -p -o 4096 -l 8192 f
            mkdir g; touch g/h; rm -r g; sync c; sync .; dd if=/dev/zero of=z bs=4096 count=3 conv=fsync 2>/dev/null
            dd if=z of=y bs=4096 iflag=direct oflag=direct 2>/dev/null; cmp y z
            ls | tr '\\n' ' '
            """;
        var _ = Files.writeString(script, commands);
        Process shell = new ProcessBuilder("sh", script.toString(), directory.toString()).redirectErrorStream(true)
                .start();
        assertThat(shell.getInputStream().readAllBytes()).asString().isEqualTo("b c d e f script y z ");
        assertThat(shell.waitFor()).isZero();
        assertThat(directory.resolve("d")).hasContent("one\none");
    }

    @Test
    void rootOfTheMountCannotBeChanged() throws Exception {
        Path root = door.mount().folder();
        assertThatThrownBy(() -> Files.createDirectory(root.resolve("x")))
                .hasMessageContaining("Read-only file system");
        assertThatThrownBy(() -> Files.delete(directory)).isInstanceOf(IOException.class);
        assertThatThrownBy(() -> Files.move(directory, root.resolve("x"))).isInstanceOf(IOException.class);
        try (FileChannel above = FileChannel.open(root, READ)) {
            above.force(true);
        }
        try (Stream<Path> names = Files.list(root)) {
            assertThat(names).contains(directory);
        }
    }
}
