package io.blkmq.testkit.provider;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.DELETE_ON_CLOSE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.SPARSE;
import static java.nio.file.StandardOpenOption.TRUNCATE_EXISTING;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.EachCase;
import io.blkmq.testkit.tree.FileTree;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.Channels;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.CompletionHandler;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.NonReadableChannelException;
import java.nio.channels.NonWritableChannelException;
import java.nio.channels.OverlappingFileLockException;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileVisitOption;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributeView;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.DosFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.FileOwnerAttributeView;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.nio.file.attribute.UserPrincipalNotFoundException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** What programs rely on of a file system: true of the JDK's own, so that the tests are right, and of one in memory. */
class FileSystemBehaviourTest {
    /** Whose behaviour it is. */
    enum Subject {
        JDK, MEMORY
    }

    private final Subject subject;
    private @Nullable TreeFileSystem memory;
    private Path root = Path.of("");

    FileSystemBehaviourTest(Subject subject) {
        this.subject = subject;
    }

    static List<Subject> cases() {
        return List.of(Subject.values());
    }

    @BeforeEach
    void open(@TempDir Path folder) throws IOException {
        if (subject == Subject.JDK) {
            root = folder;
            return;
        }
        int uid = (Integer) Files.getAttribute(folder, "unix:uid");
        int gid = (Integer) Files.getAttribute(folder, "unix:gid");
        FileTree tree = new FileTree(1 << 26, () -> 1_000_000_000, uid, gid);
        memory = MemoryFileSystemProvider.newFileSystem("behaviour", tree, uid, gid, false);
        root = Files.createDirectory(memory.getPath("/root"));
    }

    @AfterEach
    void nothingIsLeftOpen() throws IOException {
        if (memory != null) {
            assertThat(memory.openFiles()).isEmpty();
            assertThat(memory.tree().heldFiles()).isEmpty();
            memory.close();
        }
    }

    private Path file(String name, String content) throws IOException {
        return Files.writeString(root.resolve(name), content);
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(UTF_8));
    }

    private static String read(FileChannel channel, int length) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(length);
        int count = channel.read(buffer);
        return count < 0 ? "end" : new String(buffer.array(), 0, count, UTF_8);
    }

    @EachCase
    void whatIsWrittenIsRead() throws IOException {
        Path file = root.resolve("file");
        try (FileChannel channel = FileChannel.open(file, READ, WRITE, CREATE_NEW)) {
            assertThat(channel.write(bytes("hello world"))).isEqualTo(11);
            assertThat(channel.position()).isEqualTo(11);
            assertThat(read(channel, 5)).isEqualTo("end");
            assertThat(read(channel.position(6), 100)).isEqualTo("world");
            assertThat(channel.write(bytes("HELLO"), 0)).isEqualTo(5);
            assertThat(channel.position()).isEqualTo(11);
            assertThat(channel.read(ByteBuffer.allocate(0))).isZero();
            channel.truncate(3).truncate(7);
            assertThat(channel.position()).isEqualTo(3);
        }
        assertThat(file).hasContent("HEL");
    }

    @EachCase
    void aFileIsAsLargeAsItsLastByteAndHasHoles() throws IOException {
        Path file = root.resolve("sparse");
        try (FileChannel channel = FileChannel.open(file, WRITE, READ, CREATE_NEW, SPARSE)) {
            assertThat(channel.write(bytes("x"), 1L << 32)).isEqualTo(1);
            assertThat(channel.size()).isEqualTo((1L << 32) + 1);
            assertThat(read(channel.position(1L << 31), 2)).isEqualTo("\0\0");
            assertThat(channel.position(1L << 40).position()).isEqualTo(1L << 40);
            assertThat(read(channel, 1)).isEqualTo("end");
        }
    }

    @EachCase
    void whoAppendsWritesAtTheEnd() throws IOException {
        Path file = file("log", "one ");
        try (FileChannel one = FileChannel.open(file, APPEND); FileChannel two = FileChannel.open(file, APPEND)) {
            assertThat(one.position()).isEqualTo(4);
            one.write(bytes("two "));
            two.write(bytes("three "));
            one.write(bytes("four "));
            assertThat(one.position(0).position()).isEqualTo(19);
            two.write(bytes("five "), 0);
            assertThatThrownBy(() -> one.read(ByteBuffer.allocate(1))).isInstanceOf(NonReadableChannelException.class);
        }
        assertThat(file).hasContent("one two three four five ");
        assertThatIllegalArgumentException().isThrownBy(() -> FileChannel.open(file, APPEND, READ));
        assertThatIllegalArgumentException().isThrownBy(() -> FileChannel.open(file, APPEND, TRUNCATE_EXISTING));
        Files.writeString(file, "six", APPEND);
        assertThat(file).content().endsWith("five six");
    }

    @EachCase
    void buffersAreGatheredAndScattered() throws IOException {
        try (FileChannel channel = FileChannel.open(root.resolve("file"), READ, WRITE, CREATE)) {
            ByteBuffer[] sources = {bytes("ab"), bytes(""), bytes("cdef"), bytes("not")};
            assertThat(channel.write(sources, 0, 3)).isEqualTo(6);
            assertThat(sources[3].remaining()).isEqualTo(3);
            ByteBuffer[] targets = {ByteBuffer.allocate(1), ByteBuffer.allocateDirect(3), ByteBuffer.allocate(9)};
            assertThat(channel.position(0).read(targets)).isEqualTo(6);
            assertThat(targets[0].get(0)).isEqualTo((byte) 'a');
            assertThat(targets[1].get(2)).isEqualTo((byte) 'd');
            assertThat(targets[2].position()).isEqualTo(2);
            assertThat(channel.read(targets)).isEqualTo(-1);
            assertThatThrownBy(() -> channel.write(sources, 2, 3)).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @EachCase
    void aTransferGoesToAndFromAnyChannel() throws IOException {
        Path file = file("file", "0123456789");
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (FileChannel channel = FileChannel.open(file, READ, WRITE)) {
            assertThat(channel.transferTo(7, 100, Channels.newChannel(out))).isEqualTo(3);
            assertThat(channel.transferTo(11, 100, Channels.newChannel(out))).isZero();
            assertThat(out.toString(UTF_8)).isEqualTo("789");
            InputStream in = new ByteArrayInputStream("abcdef".getBytes(UTF_8));
            assertThat(channel.transferFrom(Channels.newChannel(in), 8, 4)).isEqualTo(4);
            assertThat(channel.position()).isZero();
            assertThatIllegalArgumentException().isThrownBy(() -> channel.transferTo(-1, 1, Channels.newChannel(out)));
            try (FileChannel other = FileChannel.open(root.resolve("other"), WRITE, CREATE)) {
                assertThat(channel.transferTo(0, 5, other)).isEqualTo(5);
                assertThatThrownBy(() -> channel.transferFrom(other, 0, 1))
                        .isInstanceOf(NonReadableChannelException.class);
                assertThatThrownBy(() -> other.transferTo(0, 1, channel))
                        .isInstanceOf(NonReadableChannelException.class);
            }
        }
        assertThat(file).hasContent("01234567abcd");
        assertThat(root.resolve("other")).hasContent("01234");
    }

    @EachCase
    void nothingIsReadIfABufferCannotBeModified() throws IOException {
        try (FileChannel channel = FileChannel.open(file("file", "0123456789"))) {
            ByteBuffer first = ByteBuffer.allocate(4);
            ByteBuffer[] targets = {first, ByteBuffer.allocate(4).asReadOnlyBuffer()};
            assertThatIllegalArgumentException().isThrownBy(() -> channel.read(targets));
            assertThat(first.position()).isZero();
            assertThat(channel.position()).isZero();
        }
    }

    @EachCase
    void asManyBuffersAreScatteredAndGatheredAsLinuxTakesAtOnce() throws IOException {
        ByteBuffer[] buffers = new ByteBuffer[3000];
        for (int i = 0; i < buffers.length; i++) {
            buffers[i] = ByteBuffer.allocate(i % 2);
        }
        try (FileChannel channel = FileChannel.open(file("file", "x".repeat(2000)), READ, WRITE)) {
            assertThat(channel.read(buffers)).isEqualTo(1024);
            for (ByteBuffer buffer : buffers) {
                buffer.clear();
            }
            assertThat(channel.write(buffers)).isEqualTo(1024);
        }
    }

    /** Gives and takes all that is asked of it, but for one time. */
    private record Interfered(AtomicInteger calls, int good,
            Interference interference) implements ReadableByteChannel, WritableByteChannel {
        /** What happens instead. */
        @FunctionalInterface
        interface Interference {
            void happen() throws IOException;
        }

        Interfered(int good, Interference interference) {
            this(new AtomicInteger(), good, interference);
        }

        private int all(ByteBuffer buffer) throws IOException {
            if (calls.getAndIncrement() == good) {
                interference.happen();
            }
            int count = buffer.remaining();
            buffer.position(buffer.limit());
            return count;
        }

        @Override
        public int read(ByteBuffer target) throws IOException {
            return all(target);
        }

        @Override
        public int write(ByteBuffer source) throws IOException {
            return all(source);
        }

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public void close() {
            // It is never used up.
        }
    }

    @EachCase
    void aTransferThatFailsTellsWhatHasMoved() throws IOException {
        Interfered.Interference failure = () -> {
            throw new IOException("mine");
        };
        try (FileChannel channel = FileChannel.open(file("file", "x".repeat(300_000)), READ, WRITE)) {
            assertThat(channel.transferTo(0, 300_000, new Interfered(1, failure))).isBetween(1L, 299_999L);
            assertThatThrownBy(() -> channel.transferTo(0, 300_000, new Interfered(0, failure))).hasMessage("mine");
            assertThat(channel.transferFrom(new Interfered(1, failure), 0, 300_000)).isBetween(1L, 299_999L);
            assertThatThrownBy(() -> channel.transferFrom(new Interfered(0, failure), 0, 300_000)).hasMessage("mine");
        }
        for (int good = 0; good < 2; good++) {
            FileChannel closed = FileChannel.open(root.resolve("file"), READ, WRITE);
            Interfered closing = new Interfered(good, closed::close);
            if (good == 0) {
                assertThatThrownBy(() -> closed.transferFrom(closing, 0, 300_000))
                        .isInstanceOf(AsynchronousCloseException.class);
            } else {
                assertThat(closed.transferFrom(closing, 0, 300_000)).isBetween(1L, 299_999L);
            }
        }
    }

    @EachCase
    void anInterruptedTransferClosesBothChannels() throws IOException {
        Path file = file("file", "content");
        for (int direction = 0; direction < 2; direction++) {
            boolean isTo = direction == 0;
            try (FileChannel from = FileChannel.open(file);
                    FileChannel to = FileChannel.open(root.resolve("to"), WRITE, CREATE)) {
                Thread.currentThread().interrupt();
                assertThatThrownBy(() -> {
                    var _ = isTo ? from.transferTo(0, 7, to) : to.transferFrom(from, 0, 7);
                }).isInstanceOf(ClosedByInterruptException.class);
                assertThat(Thread.interrupted()).isTrue();
                assertThat(from.isOpen() || to.isOpen()).isFalse();
            } finally {
                Thread.interrupted();
            }
        }
        FileChannel channel = FileChannel.open(file, READ, WRITE);
        Interfered interrupting = new Interfered(1, () -> Thread.currentThread().interrupt());
        assertThat(channel.transferFrom(interrupting, 0, 300_000)).isBetween(1L, 299_999L);
        assertThat(Thread.interrupted()).isTrue();
        assertThat(channel.isOpen()).isFalse();
    }

    @EachCase
    void anInterruptDoesNotEndACopy() throws IOException {
        Path file = file("file", "content");
        Thread.currentThread().interrupt();
        try {
            Files.copy(file, root.resolve("copy"));
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
        assertThat(root.resolve("copy")).hasContent("content");
    }

    @EachCase
    void aChannelOfADirectorySyncsIt() throws IOException {
        try (FileChannel channel = FileChannel.open(root)) {
            channel.force(true);
            channel.force(false);
            assertThatThrownBy(() -> channel.read(ByteBuffer.allocate(1))).isInstanceOf(IOException.class)
                    .hasMessage("Is a directory");
            assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(1)))
                    .isInstanceOf(NonWritableChannelException.class);
        }
        assertThatThrownBy(() -> FileChannel.open(root, WRITE)).isInstanceOf(FileSystemException.class)
                .hasMessageContaining("Is a directory");
        assertThatThrownBy(() -> {
            try (InputStream in = Files.newInputStream(root)) {
                in.read();
            }
        }).isInstanceOf(IOException.class).hasMessage("Is a directory");
    }

    @EachCase
    void anOpenFileOutlivesItsName() throws IOException {
        Path file = file("file", "old");
        try (FileChannel channel = FileChannel.open(file, READ, WRITE)) {
            Files.move(file("other", "new"), file, StandardCopyOption.ATOMIC_MOVE);
            assertThat(read(channel, 10)).isEqualTo("old");
            channel.write(bytes("er"));
            assertThat(channel.size()).isEqualTo(5);
            Files.delete(file);
            Files.createDirectory(file);
            assertThat(read(channel.position(0), 10)).isEqualTo("older");
        }
        try (FileChannel channel = FileChannel.open(root.resolve("gone"), READ, WRITE, CREATE, DELETE_ON_CLOSE)) {
            channel.write(bytes("x"));
            assertThat(read(channel.position(0), 1)).isEqualTo("x");
        }
        assertThat(root.resolve("gone")).doesNotExist();
    }

    @EachCase
    void aClosedChannelDoesNothing() throws IOException {
        FileChannel channel = FileChannel.open(file("file", "x"), READ, WRITE);
        FileLock lock = channel.lock();
        channel.close();
        channel.close();
        assertThat(channel.isOpen()).isFalse();
        assertThat(lock.isValid()).isFalse();
        assertThatThrownBy(lock::release).isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(() -> channel.read(ByteBuffer.allocate(1))).isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(1), 0)).isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(channel::size).isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(channel::position).isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(() -> channel.truncate(0)).isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(() -> channel.force(true)).isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(channel::tryLock).isInstanceOf(ClosedChannelException.class);
    }

    @EachCase
    void anInterruptClosesAChannelAndLeavesAStreamOpen() throws IOException {
        Path file = file("file", "content");
        FileChannel channel = FileChannel.open(file);
        try (InputStream in = Files.newInputStream(file)) {
            Thread.currentThread().interrupt();
            assertThat(in.read()).isEqualTo('c');
            assertThatThrownBy(() -> channel.read(ByteBuffer.allocate(1)))
                    .isInstanceOf(ClosedByInterruptException.class);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(channel.isOpen()).isFalse();
            assertThat(in.read()).isEqualTo('o');
        } finally {
            Thread.interrupted();
        }
    }

    @EachCase
    void locksOfOneFileDoNotOverlap() throws IOException {
        Path file = file("file", "");
        Path link = Files.createLink(root.resolve("link"), file);
        try (FileChannel one = FileChannel.open(file, READ, WRITE);
                FileChannel two = FileChannel.open(link, READ, WRITE)) {
            FileLock lock = one.lock(10, 10, false);
            assertThat(lock).extracting(FileLock::position, FileLock::size, FileLock::isShared, FileLock::isValid)
                    .containsExactly(10L, 10L, false, true);
            assertThatThrownBy(() -> two.lock(19, 1, true)).isInstanceOf(OverlappingFileLockException.class);
            assertThatThrownBy(() -> one.tryLock(0, 11, false)).isInstanceOf(OverlappingFileLockException.class);
            try (FileLock other = two.tryLock(20, 0, true)) {
                assertThat(other.overlaps(1L << 40, 1)).isTrue();
                assertThat(other.acquiredBy()).isSameAs(two);
            }
            lock.release();
            assertThat(lock.isValid()).isFalse();
            assertThat(two.lock(0, 30, false).isValid()).isTrue();
            assertThatIllegalArgumentException().isThrownBy(() -> one.lock(-1, 1, false));
        }
        try (FileChannel reads = FileChannel.open(file); FileChannel writes = FileChannel.open(file, WRITE)) {
            assertThatThrownBy(reads::lock).isInstanceOf(NonWritableChannelException.class);
            assertThatThrownBy(() -> writes.lock(0, 1, true)).isInstanceOf(NonReadableChannelException.class);
            assertThat(reads.lock(0, 5, true).isShared()).isTrue();
        }
    }

    /** Completes a future. */
    private static final class Completion<T> implements CompletionHandler<T, String> {
        final CompletableFuture<String> result = new CompletableFuture<>();

        @Override
        public void completed(T value, String attachment) {
            result.complete(attachment + " " + (value instanceof FileLock ? "lock" : value));
        }

        @Override
        public void failed(Throwable failure, String attachment) {
            result.complete(attachment + " " + failure.getClass().getSimpleName());
        }

        String get() throws Exception {
            return result.get(300, TimeUnit.SECONDS);
        }
    }

    @EachCase
    void anAsynchronousChannelReadsAndWrites() throws Exception {
        Path file = root.resolve("file");
        AsynchronousFileChannel channel = AsynchronousFileChannel.open(file, READ, WRITE, CREATE);
        assertThat(channel.write(bytes("hello"), 2).get()).isEqualTo(5);
        ByteBuffer target = ByteBuffer.allocate(10);
        Completion<Integer> reading = new Completion<>();
        channel.read(target, 1, "read", reading);
        assertThat(reading.get()).isEqualTo("read 6");
        assertThat(channel.read(target, 100).get()).isEqualTo(-1);
        Completion<Integer> writing = new Completion<>();
        channel.write(bytes("x"), 0, "write", writing);
        assertThat(writing.get()).isEqualTo("write 1");
        FileLock lock = channel.lock().get();
        assertThatThrownBy(channel::tryLock).isInstanceOf(OverlappingFileLockException.class);
        lock.release();
        Completion<FileLock> locking = new Completion<>();
        channel.lock(0, 10, false, "lock", locking);
        assertThat(locking.get()).isEqualTo("lock lock");
        channel.truncate(4).force(true);
        assertThat(channel.size()).isEqualTo(4);
        assertThatIllegalArgumentException().isThrownBy(() -> channel.read(target, -1));
        assertThatIllegalArgumentException().isThrownBy(() -> channel.read(target.asReadOnlyBuffer(), 0));
        channel.close();
        assertThat(channel.isOpen()).isFalse();
        Future<Integer> late = channel.write(bytes("x"), 0);
        assertThatThrownBy(late::get).isInstanceOf(ExecutionException.class)
                .hasCauseInstanceOf(ClosedChannelException.class);
        Completion<Integer> failing = new Completion<>();
        channel.read(target, 0, "late", failing);
        assertThat(failing.get()).isEqualTo("late ClosedChannelException");
        assertThatThrownBy(channel::size).isInstanceOf(ClosedChannelException.class);
        try (AsynchronousFileChannel reads = AsynchronousFileChannel.open(file)) {
            assertThatThrownBy(() -> reads.write(bytes("x"), 0)).isInstanceOf(NonWritableChannelException.class);
            assertThatThrownBy(() -> reads.truncate(0)).isInstanceOf(NonWritableChannelException.class);
        }
        assertThatThrownBy(() -> AsynchronousFileChannel.open(file, APPEND))
                .isInstanceOf(UnsupportedOperationException.class);
    }

    @EachCase
    void streamsReadAndWrite() throws IOException {
        Path file = root.resolve("file");
        OutputStream out = Files.newOutputStream(file);
        out.write('h');
        out.write("hello\nworld".getBytes(UTF_8), 1, 9);
        out.close();
        out.close();
        assertThatThrownBy(() -> out.write(1)).isInstanceOf(ClosedChannelException.class);
        assertThat(Files.readAllLines(file)).containsExactly("hello", "worl");
        InputStream in = Files.newInputStream(file);
        assertThat(in.available()).isEqualTo(10);
        assertThat(in.skip(100)).isEqualTo(10);
        assertThat(in.read()).isEqualTo(-1);
        assertThat(in.read(new byte[0])).isZero();
        in.close();
        assertThatThrownBy(in::read).isInstanceOf(ClosedChannelException.class);
        try (Writer writer = Files.newBufferedWriter(file, APPEND)) {
            writer.write("d\nende\u0301");
        }
        try (Stream<String> lines = Files.lines(file)) {
            assertThat(lines).containsExactly("hello", "world", "ende\u0301");
        }
        Files.copy(new ByteArrayInputStream(new byte[20_000]), file, StandardCopyOption.REPLACE_EXISTING);
        assertThat(file).hasSize(20_000);
        assertThatThrownBy(() -> Files.newInputStream(file, WRITE)).isInstanceOf(UnsupportedOperationException.class);
        assertThatIllegalArgumentException().isThrownBy(() -> Files.newOutputStream(file, READ));
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            assertThat(channel.size()).isEqualTo(20_000);
        }
    }

    @EachCase
    @SuppressWarnings("StreamResourceLeak") // when each is closed is what this looks at
    void aDirectoryStreamIsReadOnce() throws IOException {
        file("a", "");
        file("b", "");
        Files.createDirectory(root.resolve("c"));
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(root, path -> !path.endsWith("b"))) {
            Iterator<Path> iterator = entries.iterator();
            List<Path> found = new ArrayList<>();
            iterator.forEachRemaining(found::add);
            assertThat(found).containsExactlyInAnyOrder(root.resolve("a"), root.resolve("c"));
            assertThatThrownBy(iterator::next).isInstanceOf(NoSuchElementException.class);
            assertThatThrownBy(entries::iterator).isInstanceOf(IllegalStateException.class);
        }
        DirectoryStream<Path> closed = root.getFileSystem().provider().newDirectoryStream(root, _ -> true);
        Iterator<Path> ending = closed.iterator();
        ending.next();
        closed.close();
        while (ending.hasNext()) {
            ending.next();
        }
        assertThatThrownBy(closed::iterator).isInstanceOf(IllegalStateException.class);
        try (DirectoryStream<Path> failing = Files.newDirectoryStream(root, _ -> {
            throw new IOException("filter");
        })) {
            Iterator<Path> left = failing.iterator();
            assertThatThrownBy(left::hasNext).isInstanceOf(DirectoryIteratorException.class)
                    .hasCauseInstanceOf(IOException.class);
        }
        assertThatThrownBy(() -> Files.newDirectoryStream(root.resolve("a"))).isInstanceOf(NotDirectoryException.class);
    }

    @EachCase
    void aTreeIsWalkedAndDeleted() throws IOException {
        Path deep = Files.createDirectories(root.resolve("a/b/c"));
        Files.writeString(deep.resolve("file"), "x");
        Files.createSymbolicLink(deep.resolve("up"), root.getFileSystem().getPath("../.."));
        try (Stream<Path> all = Files.walk(root)) {
            assertThat(all.map(path -> root.relativize(path).toString())).containsExactlyInAnyOrder("", "a", "a/b",
                    "a/b/c", "a/b/c/file", "a/b/c/up");
        }
        assertThatThrownBy(() -> {
            try (Stream<Path> all = Files.walk(root, FileVisitOption.FOLLOW_LINKS)) {
                assertThat(all.count()).isPositive();
            }
        }).hasCauseInstanceOf(FileSystemLoopException.class);
        try (Stream<Path> found = Files.find(root, 9,
                (path, attributes) -> attributes.isRegularFile() && path.endsWith("file"))) {
            assertThat(found).containsExactly(deep.resolve("file"));
        }
        assertThatThrownBy(() -> Files.delete(root.resolve("a"))).isInstanceOf(DirectoryNotEmptyException.class);
        Files.walkFileTree(root.resolve("a"), new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path directory, @Nullable IOException failure)
                    throws IOException {
                Files.delete(directory);
                return FileVisitResult.CONTINUE;
            }
        });
        assertThat(root).isEmptyDirectory();
    }

    @EachCase
    void linksLeadOn() throws IOException {
        Path file = file("file", "content");
        Path link = Files.createSymbolicLink(root.resolve("link"), file);
        Path relative = Files.createSymbolicLink(root.resolve("relative"), root.getFileSystem().getPath("link"));
        assertThat(relative).hasContent("content");
        assertThat(Files.isSameFile(relative, file)).isTrue();
        assertThat(relative.toRealPath()).isEqualTo(file.toRealPath());
        assertThat(relative.toRealPath(LinkOption.NOFOLLOW_LINKS)).hasFileName("relative");
        assertThat(Files.readSymbolicLink(link)).isEqualTo(file);
        assertThat(Files.size(link)).isEqualTo(7);
        assertThat(Files.readAttributes(link, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS).size())
                .isEqualTo(file.toString().length());
        Path dangling = Files.createSymbolicLink(root.resolve("dangling"), root.resolve("target"));
        assertThat(Files.exists(dangling)).isFalse();
        assertThat(Files.exists(dangling, LinkOption.NOFOLLOW_LINKS)).isTrue();
        Files.writeString(dangling, "through");
        assertThat(root.resolve("target")).hasContent("through");
        assertThatThrownBy(() -> FileChannel.open(link, READ, LinkOption.NOFOLLOW_LINKS))
                .isInstanceOf(IOException.class).hasMessageContaining("NOFOLLOW_LINKS");
        Files.delete(link);
        assertThat(file).exists();
        assertThatThrownBy(() -> Files.createSymbolicLink(link, file, PosixFilePermissions.asFileAttribute(Set.of())))
                .isInstanceOf(UnsupportedOperationException.class);
    }

    @EachCase
    void aMoveTakesADirectoryWithAllThatIsInIt() throws IOException {
        Path deep = Files.createDirectories(root.resolve("a/b"));
        Files.writeString(deep.resolve("file"), "x");
        Files.move(root.resolve("a"), root.resolve("c"));
        assertThat(root.resolve("c/b/file")).hasContent("x");
        assertThatThrownBy(() -> Files.move(root.resolve("c"), root.resolve("c/b/d")))
                .isInstanceOf(FileSystemException.class).hasMessageContaining("Invalid argument");
        Files.copy(root.resolve("c"), root.resolve("copy"), StandardCopyOption.COPY_ATTRIBUTES);
        assertThat(root.resolve("copy")).isEmptyDirectory();
        Files.move(root.resolve("c"), root.resolve("copy"), StandardCopyOption.ATOMIC_MOVE);
        assertThat(root.resolve("copy/b/file")).hasContent("x");
    }

    @EachCase
    void temporaryFilesAreMade() throws IOException {
        Path file = Files.createTempFile(root, "pre", ".suf");
        Path directory = Files.createTempDirectory(root, "dir");
        assertThat(file.getFileName().toString()).startsWith("pre").endsWith(".suf");
        assertThat(directory).isEmptyDirectory();
        assertThat(file).isEmptyFile();
    }

    @EachCase
    void attributesAreReadAndSet() throws IOException {
        Path file = Files.createFile(root.resolve("file"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-r-----")));
        PosixFileAttributes attributes = Files.readAttributes(file, PosixFileAttributes.class);
        assertThat(PosixFilePermissions.toString(attributes.permissions())).isEqualTo("rw-r-----");
        assertThat(attributes.isRegularFile()).isTrue();
        assertThat(attributes.isOther()).isFalse();
        assertThat(attributes.owner()).isEqualTo(Files.getOwner(root));
        Path link = Files.createLink(root.resolve("link"), file);
        assertThat(Files.readAttributes(link, BasicFileAttributes.class).fileKey()).isEqualTo(attributes.fileKey());
        assertThat(Files.getAttribute(link, "unix:nlink")).isEqualTo(2);
        assertThat(Files.getAttribute(link, "unix:mode")).isEqualTo(0100640);
        FileTime time = FileTime.fromMillis(123_456_789);
        BasicFileAttributeView view = Files.getFileAttributeView(file, BasicFileAttributeView.class);
        view.setTimes(time, null, null);
        view.setTimes(null, FileTime.fromMillis(1000), FileTime.fromMillis(0));
        assertThat(view.name()).isEqualTo("basic");
        assertThat(Files.getLastModifiedTime(file)).isEqualTo(time);
        assertThat(view.readAttributes().lastAccessTime().toMillis()).isEqualTo(1000);
        Files.setAttribute(file, "unix:mode", 0600);
        assertThat(Files.getPosixFilePermissions(file)).containsExactlyInAnyOrder(PosixFilePermission.OWNER_READ,
                PosixFilePermission.OWNER_WRITE);
        assertThat(Files.readAttributes(file, "posix:permissions,size")).containsOnlyKeys("permissions", "size");
        assertThat(Files.readAttributes(file, "*")).containsOnlyKeys("lastModifiedTime", "lastAccessTime",
                "creationTime", "size", "isRegularFile", "isDirectory", "isSymbolicLink", "isOther", "fileKey");
        assertThat(Files.readAttributes(file, "unix:*")).containsOnlyKeys("lastModifiedTime", "lastAccessTime",
                "creationTime", "size", "isRegularFile", "isDirectory", "isSymbolicLink", "isOther", "fileKey",
                "permissions", "owner", "group", "mode", "ino", "dev", "rdev", "nlink", "uid", "gid", "ctime");
        assertThat(Files.readAttributes(file, "owner:*")).containsOnlyKeys("owner");
    }

    @EachCase
    void attributesThatDoNotExistAreRefused() throws IOException {
        Path file = file("file", "");
        assertThatIllegalArgumentException().isThrownBy(() -> Files.readAttributes(file, "none"));
        assertThatIllegalArgumentException().isThrownBy(() -> Files.readAttributes(file, ""));
        assertThatIllegalArgumentException().isThrownBy(() -> Files.setAttribute(file, "size", 1L));
        assertThatIllegalArgumentException().isThrownBy(() -> Files.setAttribute(file, "unix:ino", 1L));
        assertThatThrownBy(() -> Files.readAttributes(file, "view:size"))
                .isInstanceOf(UnsupportedOperationException.class);
        assertThatThrownBy(() -> Files.setAttribute(file, "unix:mode", "text")).isInstanceOf(ClassCastException.class);
        assertThatThrownBy(() -> Files.createFile(root.resolve("new"), new OtherAttribute()))
                .isInstanceOf(UnsupportedOperationException.class);
        assertThatThrownBy(() -> Files.createDirectory(root.resolve("new"), new OtherAttribute()))
                .isInstanceOf(UnsupportedOperationException.class);
        assertThat(root.resolve("new")).doesNotExist();
        assertThat(Files.getFileAttributeView(file, OtherView.class)).isNull();
        if (subject == Subject.MEMORY) {
            assertThatThrownBy(() -> Files.readAttributes(file, DosFileAttributes.class))
                    .isInstanceOf(UnsupportedOperationException.class);
        }
        assertThat(root.getFileSystem().supportedFileAttributeViews()).contains("basic", "owner", "posix", "unix");
        assertThat(Files.getFileStore(file).supportsFileAttributeView(PosixFileAttributeView.class)).isTrue();
        assertThat(Files.getFileStore(file).supportsFileAttributeView("basic")).isTrue();
        assertThat(Files.getFileStore(file).getTotalSpace())
                .isGreaterThanOrEqualTo(Files.getFileStore(file).getUsableSpace());
    }

    /** A view that nobody has. */
    private interface OtherView extends FileAttributeView {}

    /** An attribute that nobody knows. */
    private record OtherAttribute() implements FileAttribute<String> {
        @Override
        public String name() {
            return "other:attribute";
        }

        @Override
        public String value() {
            return "value";
        }
    }

    @EachCase
    void ownersAreFoundByTheirNames() throws IOException {
        Path file = file("file", "");
        UserPrincipalLookupService service = root.getFileSystem().getUserPrincipalLookupService();
        assertThat(service.lookupPrincipalByName("root").getName()).isEqualTo("root");
        assertThat(service.lookupPrincipalByName(Files.getOwner(file).getName())).isEqualTo(Files.getOwner(file));
        String nobody = UUID.nameUUIDFromBytes(new byte[0]).toString();
        assertThatThrownBy(() -> service.lookupPrincipalByName(nobody))
                .isInstanceOf(UserPrincipalNotFoundException.class);
        assertThatThrownBy(() -> service.lookupPrincipalByGroupName(nobody))
                .isInstanceOf(UserPrincipalNotFoundException.class);
        FileOwnerAttributeView view = Files.getFileAttributeView(file, FileOwnerAttributeView.class);
        view.setOwner(view.getOwner());
        PosixFileAttributeView posix = Files.getFileAttributeView(file, PosixFileAttributeView.class);
        posix.setGroup(posix.readAttributes().group());
        Files.setAttribute(file, "posix:group", posix.readAttributes().group());
        Files.setAttribute(file, "unix:uid", Files.getAttribute(file, "unix:uid"));
        assertThat(view.name() + " " + posix.name()).isEqualTo("owner posix");
    }

    @EachCase
    void aPathIsFoundByItsUri() throws IOException {
        Path file = file("a b#é", "");
        Path directory = Files.createDirectory(root.resolve("dir"));
        assertThat(Path.of(file.toUri())).isEqualTo(file);
        assertThat(Path.of(directory.toUri())).isEqualTo(directory);
        assertThat(directory.toUri().toString()).endsWith("/dir/");
        assertThat(file.toUri().toString()).contains("a%20b%23");
    }

    @EachCase
    void whatIsMissingIsSaid() {
        Path missing = root.resolve("missing");
        assertThatThrownBy(() -> Files.size(missing)).isInstanceOf(NoSuchFileException.class)
                .hasMessage(missing.toString());
        assertThatThrownBy(() -> Files.copy(missing, root.resolve("x"))).isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> Files.getFileStore(missing)).isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> Files.createFile(root.resolve("x".repeat(256))))
                .isInstanceOf(FileSystemException.class).hasMessageContaining("File name too long");
        assertThatThrownBy(() -> Files.createFile(root.resolve("x/".repeat(2100))))
                .isInstanceOf(FileSystemException.class).hasMessageContaining("File name too long");
        assertThat(Map.of("exists", Files.exists(missing), "not", Files.notExists(missing)))
                .isEqualTo(Map.of("exists", false, "not", true));
    }
}
