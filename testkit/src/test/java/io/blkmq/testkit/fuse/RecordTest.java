package io.blkmq.testkit.fuse;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.DSYNC;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.SYNC;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.FileTree;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the record of a tree has of a program's work, and in which order. */
class RecordTest {
    private static final int WRITE_MAX = 1 << 20;

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

    private List<String> told() throws IOException {
        return OpenedDoor.told(tree.changes(0));
    }

    @Test
    void changesAndSyncsHaveTheirOrder() throws Exception {
        var _ = tree.record();
        try (FileOutputStream out = new FileOutputStream(directory.resolve("new").toFile())) {
            out.write(new byte[100]);
            out.write(new byte[50]);
            out.getFD().sync();
        }
        Files.move(directory.resolve("new"), directory.resolve("name"));
        try (FileChannel above = FileChannel.open(directory, READ)) {
            above.force(true);
        }
        assertThat(tree.acknowledge()).isEqualTo(1);
        try (RandomAccessFile file = new RandomAccessFile(directory.resolve("name").toFile(), "rw")) {
            file.setLength(120);
            file.seek(10);
            file.write(new byte[10]);
            file.getChannel().force(false);
        }
        assertThat(tree.acknowledge()).isEqualTo(2);
        var _ = Files.createDirectory(directory.resolve("d"));
        var _ = Files.createLink(directory.resolve("d/link"), directory.resolve("name"));
        var _ = Files.createSymbolicLink(directory.resolve("s"), Path.of("d"));
        var _ = Files.createFile(directory.resolve("other"));
        Files.move(directory.resolve("other"), directory.resolve("name"), StandardCopyOption.ATOMIC_MOVE);
        Files.delete(directory.resolve("d/link"));
        try (FileOutputStream _ = new FileOutputStream(directory.resolve("name").toFile())) {
            // It is empty already: nothing is cut off.
        }
        assertThat(told()).containsExactly("create FILE new", "write new 0+100", "write new 100+50", "fsync new",
                "rename new name", "fsync /", "acknowledge 1", "truncate new 150>120", "write new 10+10",
                "fdatasync new", "acknowledge 2", "create DIRECTORY d", "link new link", "create SYMLINK s",
                "create FILE other", "rename other name replacing", "unlink link");
    }

    @Test
    void eachWriteIsThereWhenItReturns() throws Exception {
        var _ = tree.record();
        try (FileChannel channel = FileChannel.open(directory.resolve("file"), CREATE, WRITE)) {
            for (int i = 0; i < 20; i++) {
                assertThat(channel.write(ByteBuffer.wrap(new byte[]{(byte) i}))).isEqualTo(1);
                List<Change> last = tree.changes(i + 1);
                assertThat(last).singleElement().isInstanceOfSatisfying(Change.Write.class,
                        write -> assertThat(write.data()).hasSize(1));
            }
        }
    }

    @Test
    void largeWriteComesInPiecesInOrder() throws Exception {
        var _ = tree.record();
        try (FileChannel channel = FileChannel.open(directory.resolve("file"), CREATE, WRITE)) {
            assertThat(channel.write(ByteBuffer.allocateDirect(2 * WRITE_MAX + 100), 10))
                    .isEqualTo(2 * WRITE_MAX + 100);
        }
        List<Change> changes = tree.changes(1);
        long next = 10;
        for (Change change : changes) {
            assertThat(change).isInstanceOf(Change.Write.class);
            Change.Write write = (Change.Write) change;
            assertThat(write.offset()).isEqualTo(next);
            assertThat(write.data().length).isLessThanOrEqualTo(WRITE_MAX);
            next += write.data().length;
        }
        assertThat(next).isEqualTo(2 * WRITE_MAX + 110);
        assertThat(changes).hasSizeLessThan(6);
    }

    @Test
    void filesOpenedToBeWrittenThroughAreSyncedAfterEachWrite() throws Exception {
        var _ = tree.record();
        try (RandomAccessFile file = new RandomAccessFile(directory.resolve("a").toFile(), "rwd")) {
            file.writeInt(1);
        }
        try (RandomAccessFile file = new RandomAccessFile(directory.resolve("b").toFile(), "rws")) {
            file.writeInt(1);
        }
        try (FileChannel channel = FileChannel.open(directory.resolve("c"), CREATE, WRITE, DSYNC)) {
            assertThat(channel.write(ByteBuffer.allocate(8))).isEqualTo(8);
        }
        try (FileChannel channel = FileChannel.open(directory.resolve("d"), CREATE, WRITE, SYNC)) {
            assertThat(channel.write(ByteBuffer.allocate(8))).isEqualTo(8);
        }
        assertThat(told()).containsExactly("create FILE a", "write a 0+4", "fdatasync a", "create FILE b",
                "write b 0+4", "fsync b", "create FILE c", "write c 0+8", "fdatasync c", "create FILE d", "write d 0+8",
                "fsync d");
    }

    @Test
    void mappedMemoryIsRecordedWhenItIsForced() throws Exception {
        Path path = Files.write(directory.resolve("file"), new byte[1 << 16]);
        var _ = tree.record();
        try (FileChannel channel = FileChannel.open(path, READ, WRITE)) {
            MappedByteBuffer mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 16);
            mapped.put(5000, (byte) 7).put(40_000, (byte) 8);
            mapped.force();
            assertThat(tree.changes(0)).last().isInstanceOf(Change.Sync.class);
            assertThat(dataAt(5000)).isEqualTo(7);
            assertThat(dataAt(40_000)).isEqualTo(8);
            mapped.put(5000, (byte) 9);
            channel.force(false);
            assertThat(dataAt(5000)).as("fsync writes it back, too").isEqualTo(9);
        }
    }

    @Test
    void mappedMemoryIsRecordedWhenTheMappingEnds() throws Exception {
        Path path = Files.write(directory.resolve("file"), new byte[8192]);
        var _ = tree.record();
        try (FileChannel channel = FileChannel.open(path, READ, WRITE); Arena arena = Arena.ofConfined()) {
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, 8192, arena);
            mapped.set(ValueLayout.JAVA_BYTE, 100, (byte) 3);
        }
        assertThat(dataAt(100)).isEqualTo(3);
        assertThat(tree.changes(0)).as("and is not synced").noneMatch(Change.Sync.class::isInstance);
    }

    @Test
    void mappedMemoryIsRecordedWhenItIsAskedFor() throws Exception {
        Path path = Files.write(directory.resolve("file"), new byte[8192]);
        var _ = tree.record();
        try (FileChannel channel = FileChannel.open(path, READ, WRITE)) {
            MappedByteBuffer mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, 8192);
            mapped.put(4096, (byte) 4);
            tree.writeBack();
            assertThat(dataAt(4096)).isEqualTo(4);
            assertThat(tree.changes(0)).as("and is not synced").noneMatch(Change.Sync.class::isInstance);
        }
    }

    /** The byte that the last recorded write of it has. */
    private int dataAt(long place) throws IOException {
        int found = -1;
        for (Change change : tree.changes(0)) {
            if (change instanceof Change.Write write && write.offset() <= place
                    && place < write.offset() + write.data().length) {
                found = write.data()[(int) (place - write.offset())];
            }
        }
        assertThat(found).as("a write with offset " + place).isNotEqualTo(-1);
        return found;
    }

    @Test
    void recordBeginsWithTheTreeAsItIs() throws Exception {
        var _ = Files.writeString(directory.resolve("before"), "text");
        FileTree base = tree.record();
        var _ = Files.writeString(directory.resolve("after"), "text");
        assertThat(base.list(FileTree.ROOT)).singleElement().matches(entry -> entry.name().equals("before"));
        assertThat(told()).containsExactly("create FILE after", "write after 0+4");
        tree.stop();
        var _ = Files.writeString(directory.resolve("later"), "text");
        assertThat(told()).hasSize(2);
        assertThat(tree.content().list(FileTree.ROOT)).hasSize(3);
        var _ = tree.record();
        assertThat(told()).isEmpty();
        assertThat(tree.acknowledge()).as("counted anew").isEqualTo(1);
    }

    @Test
    void longRecordComesInPieces() throws Exception {
        var _ = tree.record();
        ByteBuffer data = ByteBuffer.allocateDirect(WRITE_MAX);
        try (FileChannel channel = FileChannel.open(directory.resolve("file"), CREATE, WRITE)) {
            for (int i = 0; i < 40; i++) {
                assertThat(channel.write(data.put(0, (byte) i).rewind(), 0)).isEqualTo(WRITE_MAX);
            }
        }
        List<Change> changes = tree.changes(0);
        assertThat(changes.stream().skip(1).map(change -> ((Change.Write) change).data()[0])).hasSize(40).isSorted();
        assertThat(tree.changes(changes.size())).isEmpty();
        assertThatThrownBy(() -> tree.changes(changes.size() + 1)).isInstanceOf(IOException.class)
                .hasMessageContaining("there are " + changes.size());
    }

    @Test
    void withoutARecordThereIsNothing() throws Exception {
        var _ = Files.writeString(directory.resolve("file"), "text");
        assertThat(tree.changes(0)).isEmpty();
        assertThat(tree.content().list(FileTree.ROOT)).hasSize(1);
    }
}
