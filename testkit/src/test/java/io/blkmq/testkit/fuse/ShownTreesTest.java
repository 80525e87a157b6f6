package io.blkmq.testkit.fuse;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.Eventually;
import io.blkmq.testing.RandomSeed;
import io.blkmq.testkit.tree.FileTree;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Trees that are shown one after another, and beside each other. */
class ShownTreesTest {
    private static OpenedDoor door;

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

    private static FuseTree show(String name, String... contents) throws IOException {
        Map<String, String> files = new TreeMap<>();
        for (String content : contents) {
            files.put("file" + files.size(), content);
        }
        return door.mount().show(name, OpenedDoor.treeOf(files));
    }

    @Test
    void switchShowsNewContentAtOnce() throws Exception {
        Path file = show("switched", "one").directory().resolve("file0");
        assertThat(file).hasContent("one");
        for (int i = 0; i < 50; i++) {
            var _ = show("switched", "state " + i, "x".repeat(i));
            assertThat(file).hasContent("state " + i);
            assertThat(file.resolveSibling("file1")).hasSize(i);
            var _ = show("switched", "o");
            assertThat(file).hasContent("o");
            assertThat(file.resolveSibling("file1")).doesNotExist();
        }
    }

    @Test
    void switchShowsNewContentOfFilesThatWereOpenMappedOrListed() throws Exception {
        Path directory = show("used", "old text", "only here").directory();
        Path path = directory.resolve("file0");
        try (FileChannel channel = FileChannel.open(path, READ, WRITE);
                RandomAccessFile other = new RandomAccessFile(directory.resolve("file1").toFile(), "r");
                DirectoryStream<Path> listed = Files.newDirectoryStream(directory)) {
            MappedByteBuffer mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, 8);
            assertThat(mapped.get(0)).isEqualTo((byte) 'o');
            FuseTree after = show("used", "new text");
            assertThat(path).hasContent("new text");
            assertThat(directory.toFile().list()).containsExactly("file0");
            assertThat(after.openFiles(true)).as("those are of the old tree").isEmpty();

            mapped.put(0, (byte) 'X');
            mapped.force();
            assertThat(channel.write(ByteBuffer.wrap("YY".getBytes(StandardCharsets.UTF_8)), 4)).isEqualTo(2);
            channel.force(true);
            assertThat(other.readLine()).as("the old tree goes on for who has it").isEqualTo("only here");
            assertThat(mapped.get(4)).isEqualTo((byte) 'Y');
            assertThat(listed).hasSize(2);
            assertThat(path).as("and is not seen in the new one").hasContent("new text");
            assertThat(after.content().fingerprint())
                    .isEqualTo(OpenedDoor.treeOf(Map.of("file0", "new text")).fingerprint());
        }
    }

    @Test
    void lockOfAnOldTreeIsNoneOfTheNew() throws Exception {
        Path path = show("locked", "a").directory().resolve("file0");
        try (FileChannel channel = FileChannel.open(path, WRITE)) {
            var lock = channel.lock();
            var _ = show("locked", "b");
            try (FileChannel again = FileChannel.open(path, WRITE); var other = again.tryLock()) {
                assertThat(other).isNotNull();
            }
            assertThat(lock.isValid()).isTrue();
        }
    }

    @Test
    void whatAProgramDoesStaysInItsCopy() throws Exception {
        FileTree image = OpenedDoor.treeOf(Map.of("file", "text"));
        Path directory = door.mount().show("copied", image).directory();
        var _ = Files.writeString(directory.resolve("file"), "changed");
        var _ = Files.writeString(directory.resolve("more"), "more");
        Path again = door.mount().show("copied", image).directory();
        assertThat(again.resolve("file")).hasContent("text");
        assertThat(again.resolve("more")).doesNotExist();
    }

    @Test
    void randomTreesAreShownAsTheyAre() throws Exception {
        SplittableRandom random = new SplittableRandom(RandomSeed.of(ShownTreesTest.class));
        FileTree image = OpenedDoor.emptyTree();
        for (int i = 0; i < 60; i++) {
            image = random.nextInt(10) == 0 ? OpenedDoor.emptyTree() : image.fork();
            for (int change = random.nextInt(8); change > 0; change--) {
                change(random, image);
            }
            image.settle();
            FuseTree shown = door.mount().show("random", image);
            assertThat(shown.content().fingerprint()).as("tree " + i).isEqualTo(image.fingerprint());
            for (var entry : image.list(FileTree.ROOT)) {
                byte[] expected = new byte[(int) image.attributes(entry.inode()).size()];
                var _ = image.read(entry.inode(), 0, ByteBuffer.wrap(expected));
                assertThat(shown.directory().resolve(entry.name())).hasBinaryContent(expected);
            }
        }
    }

    private static void change(SplittableRandom random, FileTree tree) throws IOException {
        String name = "n" + random.nextInt(6);
        long inode = tree.find(FileTree.ROOT, name);
        if (inode == 0) {
            inode = tree.create(FileTree.ROOT, name, 0600, 0, 0);
        }
        byte[] data = new byte[random.nextInt(1, 10_000)];
        random.nextBytes(data);
        switch (random.nextInt(5)) {
            case 0 -> tree.unlink(FileTree.ROOT, name);
            case 1 -> tree.truncate(inode, random.nextInt(60_000));
            case 2 -> tree.punch(inode, random.nextInt(40_000), random.nextInt(1, 30_000));
            default -> tree.write(inode, random.nextInt(50_000), ByteBuffer.wrap(data));
        }
    }

    @Test
    void hiddenTreeIsGoneAndItsNameIsFree() throws Exception {
        FuseTree tree = show("hidden", "a");
        assertThat(tree.directory()).isDirectory();
        tree.close();
        assertThat(tree.directory()).doesNotExist();
        tree.close();
        assertThatThrownBy(tree::record).isInstanceOf(IOException.class).hasMessageContaining("is not shown");
        FuseTree other = show("hidden", "b");
        tree.close();
        assertThat(other.directory().resolve("file0")).as("it is another's now").hasContent("b");
        assertThatThrownBy(tree::content).isInstanceOf(IOException.class).hasMessageContaining("is not shown");
    }

    @Test
    void treeThatIsReadOnlyCannotBeChanged() throws Exception {
        FileTree image = OpenedDoor.treeOf(Map.of("file", "text"));
        image.setReadOnly(true);
        Path directory = door.mount().show("read-only", image).directory();
        assertThat(directory.resolve("file")).hasContent("text");
        assertThatThrownBy(() -> Files.createFile(directory.resolve("x"))).isInstanceOf(FileSystemException.class)
                .hasMessageContaining("Read-only file system");
        try (FileChannel channel = FileChannel.open(directory.resolve("file"), WRITE)) {
            assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(1))).isInstanceOf(IOException.class);
        }
    }

    @Test
    void nameHasToBeOneOfADirectory() {
        for (String name : List.of("", ".", "..", "a/b", "a\0b", "\u00e4".repeat(128))) {
            assertThatThrownBy(() -> door.mount().show(name, OpenedDoor.emptyTree()))
                    .isInstanceOf(IllegalArgumentException.class).hasMessageContaining(name);
        }
    }

    @Test
    void openFilesAreToldUntilTheyAreClosed() throws Exception {
        FuseTree tree = show("open", "a", "b");
        Path directory = tree.directory();
        try (FileChannel read = FileChannel.open(directory.resolve("file0"), READ);
                FileChannel written = FileChannel.open(directory.resolve("new"), CREATE, WRITE);
                DirectoryStream<Path> _ = Files.newDirectoryStream(directory)) {
            Files.delete(directory.resolve("new"));
            assertThat(tree.openFiles(false)).extracting(OpenFile::path).satisfies(paths -> {
                assertThat(paths).hasSize(3).first().isEqualTo("/file0");
                assertThat(paths.get(1)).contains("no name");
                assertThat(paths.get(2)).isEqualTo("/");
            });
            assertThat(tree.openFiles(false)).extracting(OpenFile::writable).containsExactly(false, true, false);
            assertThat(tree.openFiles(false)).extracting(OpenFile::directory).containsExactly(false, false, true);
            assertThat(read.isOpen() && written.isOpen()).isTrue();
        }
        for (int i = 0; i < 50; i++) {
            FileChannel.open(directory.resolve("file1"), READ).close();
            assertThat(tree.openFiles(false)).isEmpty();
        }
    }

    /** The kernel tells the end of a file late if somebody else has had it for a moment, who looked at the descriptors of this process. */
    @Test
    void aFileWhoseEndIsOnItsWayIsNotTold() throws Exception {
        FuseTree tree = show("late", "a");
        Process other = new ProcessBuilder("sh", "-c", "exec 3< \"$0\"; echo open; read end",
                "" + tree.directory().resolve("file0")).start();
        try (BufferedReader told = other.inputReader()) {
            assertThat(told.readLine()).isEqualTo("open");
            Thread asks = Thread.currentThread();
            Thread ends = Thread.ofPlatform().start(() -> {
                Eventually.until("the file is waited for", () -> asks.getState() == Thread.State.TIMED_WAITING);
                other.destroyForcibly();
            });
            assertThat(tree.openFiles(false)).isEmpty();
            ends.join();
        } finally {
            other.destroyForcibly();
        }
    }

    @Test
    void aFileThatAnotherProcessKeepsOpenIsWaitedForAtLengthOnce() throws Exception {
        FuseTree tree = show("kept", "a");
        Process other = new ProcessBuilder("sh", "-c", "exec 3< \"$0\"; echo open; read end",
                "" + tree.directory().resolve("file0")).start();
        try (BufferedReader told = other.inputReader()) {
            assertThat(told.readLine()).isEqualTo("open");
            assertThat(door.mount().isHeldByOthers()).isFalse();
            assertThat(tree.openFiles(false)).extracting(OpenFile::path).containsExactly("/file0");
            assertThat(door.mount().isHeldByOthers()).isTrue();
            assertThat(tree.openFiles(false)).hasSize(1);
        } finally {
            other.destroyForcibly();
        }
        other.waitFor();
        assertThat(tree.openFiles(false)).isEmpty();
        assertThat(door.mount().isHeldByOthers()).as("once it has closed it").isFalse();
    }

    @Test
    void mappedFileIsOpenButNoLeak() throws Exception {
        FuseTree tree = show("mapped", "a", "b");
        MappedByteBuffer mapped;
        try (FileChannel channel = FileChannel.open(tree.directory().resolve("file0"), READ, WRITE)) {
            mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, 1);
        }
        assertThat(tree.openFiles(true)).extracting(OpenFile::path).containsExactly("/file0");
        assertThat(tree.openFiles(false)).isEmpty();
        assertThat(mapped.get(0)).isEqualTo((byte) 'a');
    }

    @Test
    void treesOfDifferentCapacitiesFollowEachOther() throws Exception {
        for (long capacity : new long[]{1 << 20, 1 << 24, 1 << 20}) {
            FileTree image = new FileTree(capacity, () -> 0);
            var _ = image.create(FileTree.ROOT, "f" + capacity, 0644, 0, 0);
            Path directory = door.mount().show("capacity", image).directory();
            assertThat(Files.getFileStore(directory).getTotalSpace()).isEqualTo(capacity);
            assertThat(directory.toFile().list()).containsExactly("f" + capacity);
        }
    }

    @Test
    void filesThatAreMissingAreMissingOnlyUntilTheyAreThere() throws Exception {
        Path directory = show("missing").directory();
        assertThatThrownBy(() -> Files.size(directory.resolve("file0"))).isInstanceOf(NoSuchFileException.class);
        var _ = show("missing", "now");
        assertThat(directory.resolve("file0")).hasContent("now");
    }
}
