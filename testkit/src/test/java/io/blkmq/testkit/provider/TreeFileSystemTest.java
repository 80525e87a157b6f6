package io.blkmq.testkit.provider;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.LinkOption.NOFOLLOW_LINKS;
import static java.nio.file.StandardCopyOption.ATOMIC_MOVE;
import static java.nio.file.StandardCopyOption.COPY_ATTRIBUTES;
import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;
import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.DSYNC;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.SYNC;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.Eventually;
import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.ChangeLog;
import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.CompletionHandler;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.channels.FileLock;
import java.nio.channels.NonWritableChannelException;
import java.nio.file.AccessDeniedException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.ClosedFileSystemException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemNotFoundException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.ProviderMismatchException;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchService;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.nio.channels.OverlappingFileLockException;
import java.util.concurrent.AbstractExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What only a file system in memory has or refuses. */
class TreeFileSystemTest {
    private static final int CAPACITY = 64 * FileTree.PAGE_BYTES;

    private final FileTree tree = new FileTree(CAPACITY, () -> 5_000_000_000L, MemoryFileSystemProvider.USER,
            MemoryFileSystemProvider.USER);
    private final TreeFileSystem memory = make("memory", tree, MemoryFileSystemProvider.USER);
    private final Path file = memory.getPath("/file");

    private static TreeFileSystem make(String name, FileTree of, int user) {
        return MemoryFileSystemProvider.newFileSystem(name, of, user, user, true);
    }

    @AfterEach
    void close() throws IOException {
        memory.close();
        assertThat(memory.openFiles()).isEmpty();
        assertThat(tree.heldFiles()).isEmpty();
    }

    private static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(UTF_8));
    }

    private static void permit(Path path, String permissions) throws IOException {
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(permissions));
    }

    @Test
    void aUriFindsAFileSystemByItsName() throws IOException {
        assertThat(FileSystems.getFileSystem(URI.create("blkmq-crash://memory"))).isSameAs(memory);
        assertThat(Paths.get(URI.create("blkmq-crash://memory/a%20b"))).isEqualTo(memory.getPath("/a b"));
        assertThat(file.toUri()).isEqualTo(URI.create("blkmq-crash://memory/file"));
        assertThatThrownBy(() -> make("memory", tree, 0)).isInstanceOf(FileSystemAlreadyExistsException.class)
                .hasMessageContaining("memory");
        assertThatThrownBy(() -> FileSystems.newFileSystem(URI.create("blkmq-crash://memory"), Map.of()))
                .isInstanceOf(FileSystemAlreadyExistsException.class);
        assertThatThrownBy(() -> FileSystems.newFileSystem(URI.create("blkmq-crash://other"), Map.of()))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("MemoryFileSystem.create");
        assertThatThrownBy(() -> FileSystems.getFileSystem(URI.create("blkmq-crash://other")))
                .isInstanceOf(FileSystemNotFoundException.class);
        assertThatThrownBy(() -> Paths.get(URI.create("blkmq-crash:memory/x")))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> Paths.get(URI.create("blkmq-crash://memory/x?y")))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> make("a/b", tree, 0)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a/b");
        memory.close();
        try (TreeFileSystem again = make("memory", tree, 0)) {
            assertThat(again.getPath("/file")).isNotEqualTo(file);
        }
    }

    @Test
    void closingClosesAllThatIsOpen() throws Exception {
        FileChannel channel = FileChannel.open(file, WRITE, CREATE);
        AsynchronousFileChannel asynchronous = AsynchronousFileChannel.open(file);
        InputStream in = Files.newInputStream(file);
        OutputStream out = Files.newOutputStream(file, APPEND);
        DirectoryStream<Path> entries = memory.provider().newDirectoryStream(memory.getPath("/"), _ -> true);
        assertThat(memory.openFiles()).containsExactly("channel of /file [WRITE, CREATE]",
                "asynchronous channel of /file [READ]", "input stream of /file [READ]",
                "output stream of /file [WRITE, APPEND]", "directory stream of /");
        assertThat(tree.heldFiles().values()).containsExactly(4);
        memory.close();
        memory.close();
        assertThat(memory.isOpen() || channel.isOpen() || asynchronous.isOpen()).isFalse();
        assertThatThrownBy(in::read).isInstanceOf(ClosedChannelException.class);
        assertThatThrownBy(() -> out.write(1)).isInstanceOf(ClosedChannelException.class);
        assertThat(entries).isNotNull();
        assertThatThrownBy(() -> Files.size(file)).isInstanceOf(ClosedFileSystemException.class);
        assertThatThrownBy(() -> Files.newOutputStream(file)).isInstanceOf(ClosedFileSystemException.class);
        assertThatThrownBy(() -> Files.delete(file)).isInstanceOf(ClosedFileSystemException.class);
        assertThatThrownBy(() -> Files.list(memory.getPath("/"))).isInstanceOf(ClosedFileSystemException.class);
        assertThat(file.toUri()).hasToString("blkmq-crash://memory/file");
    }

    @Test
    void whatIsNotThereIsRefusedWithItsReason() throws IOException {
        assertThatThrownBy(file::toFile).isInstanceOf(UnsupportedOperationException.class).hasMessageContaining("FUSE");
        assertThatThrownBy(memory::newWatchService).isInstanceOf(UnsupportedOperationException.class)
                .hasMessageContaining("watch");
        try (WatchService service = FileSystems.getDefault().newWatchService()) {
            assertThatThrownBy(() -> file.register(service, StandardWatchEventKinds.ENTRY_CREATE))
                    .isInstanceOf(ProviderMismatchException.class);
        }
        assertThatThrownBy(() -> file.resolve(Path.of("x"))).isInstanceOf(ProviderMismatchException.class);
        assertThatThrownBy(() -> memory.getPath("a\0b")).isInstanceOf(InvalidPathException.class);
        assertThatThrownBy(() -> memory.getPath("a\ud800b")).isInstanceOf(InvalidPathException.class);
        assertThatThrownBy(() -> memory.getPathMatcher("glob")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> memory.getPathMatcher("sql:x")).isInstanceOf(UnsupportedOperationException.class);
        assertThat(memory.getPathMatcher("regex:/f.*").matches(file)).isTrue();
    }

    @Test
    void theLogSeesWhatSystemCallsWouldBe() throws IOException {
        ChangeLog log = tree.startLog();
        try (FileChannel channel = FileChannel.open(file, WRITE, CREATE)) {
            channel.write(new ByteBuffer[]{bytes("ab"), bytes("cd")});
            channel.force(false);
            channel.force(true);
            channel.truncate(9);
            channel.truncate(1);
        }
        try (FileChannel channel = FileChannel.open(file, WRITE, DSYNC)) {
            channel.write(bytes("x"));
        }
        try (OutputStream out = Files.newOutputStream(file, WRITE, SYNC)) {
            out.write(1);
        }
        try (FileChannel channel = FileChannel.open(memory.getPath("/"))) {
            channel.force(true);
        }
        Files.createFile(memory.getPath("/other"));
        Files.move(file, memory.getPath("/other"), REPLACE_EXISTING);
        Files.createFile(file);
        Files.move(file, memory.getPath("/other"), ATOMIC_MOVE);
        List<Change> changes = log.changes();
        assertThat(changes).extracting(change -> change.getClass().getSimpleName()).containsExactly("Create", "Write",
                "Sync", "Sync", "Truncate", "Write", "Sync", "Write", "Sync", "Sync", "Create", "Unlink", "Rename",
                "Create", "Rename");
        assertThat(((Change.Write) changes.get(1)).data()).containsExactly('a', 'b', 'c', 'd');
        assertThat(changes.get(2)).isEqualTo(new Change.Sync(2, true));
        assertThat(changes.get(3)).isEqualTo(new Change.Sync(2, false));
        assertThat(changes.get(6)).isEqualTo(new Change.Sync(2, true));
        assertThat(changes.get(8)).isEqualTo(new Change.Sync(2, false));
        assertThat(changes.get(9)).isEqualTo(new Change.Sync(FileTree.ROOT, false));
        assertThat(((Change.Rename) changes.get(14)).replaced()).as("an atomic move replaces").isEqualTo(2);
    }

    @Test
    void aFullFileSystemRefusesData() throws IOException {
        Files.write(file, new byte[CAPACITY - FileTree.PAGE_BYTES]);
        try (FileChannel channel = FileChannel.open(memory.getPath("/other"), WRITE, CREATE)) {
            assertThat(channel.write(ByteBuffer.allocate(2 * FileTree.PAGE_BYTES))).isEqualTo(FileTree.PAGE_BYTES);
            assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(1))).isInstanceOf(IOException.class)
                    .hasMessage("No space left on device").rootCause()
                    .hasMessageContaining("of " + CAPACITY + " bytes");
        }
        assertThat(Files.getFileStore(file).getUsableSpace()).isZero();
        assertThat(Files.getFileStore(file).getAttribute("totalSpace")).isEqualTo((long) CAPACITY);
        assertThat(Files.getFileStore(file).getBlockSize()).isEqualTo(FileTree.PAGE_BYTES);
        assertThat(memory.getFileStores()).containsExactly(Files.getFileStore(file));
        assertThatThrownBy(() -> Files.write(memory.getPath("/third"), new byte[1]))
                .hasMessage("No space left on device");
    }

    @Test
    void aTransferIntoAFullFileSystemTellsWhatHasMovedAndLeavesTheRest() throws IOException {
        int room = CAPACITY - FileTree.PAGE_BYTES;
        Files.write(file, new byte[FileTree.PAGE_BYTES]);
        try (TreeFileSystem other = make("other", new FileTree(1 << 20, () -> 0), 0);
                FileChannel source = FileChannel.open(other.getPath("/source"), READ, WRITE, CREATE);
                FileChannel target = FileChannel.open(memory.getPath("/target"), READ, WRITE, CREATE)) {
            source.write(ByteBuffer.allocate(CAPACITY + 100), 0);
            assertThat(target.transferFrom(source, 0, Long.MAX_VALUE)).isEqualTo(room);
            assertThat(source.position()).isEqualTo(room);
            assertThatThrownBy(() -> target.transferFrom(source, room, 100)).hasMessage("No space left on device");
            assertThat(source.position()).isEqualTo(room);
            target.truncate(0);
            assertThat(source.transferTo(0, Long.MAX_VALUE, target)).isEqualTo(room);
            assertThat(target.size()).isEqualTo(room);
            assertThatThrownBy(() -> source.transferTo(0, 1, target)).hasMessage("No space left on device");
        }
    }

    @Test
    void aCopyThatFailsLeavesNoTarget() throws IOException {
        Path target = memory.getPath("/target");
        Files.write(file, new byte[CAPACITY - FileTree.PAGE_BYTES]);
        assertThatThrownBy(() -> Files.copy(file, target)).isInstanceOf(FileSystemException.class)
                .hasMessage("/file -> /target: No space left on device");
        assertThat(target).doesNotExist();
        try (TreeFileSystem other = make("other", new FileTree(1 << 20, () -> 0), 0)) {
            Path large = Files.write(other.getPath("/large"), new byte[CAPACITY]);
            assertThatThrownBy(() -> Files.move(large, target)).hasMessageContaining("No space left on device");
            assertThat(target).doesNotExist();
            assertThat(large).exists();
        }
    }

    @Test
    void aMoveThatCannotDeleteItsSourceLeavesNoTarget() throws IOException {
        Path directory = Files.createDirectory(memory.getPath("/dir"));
        Path inside = Files.createFile(directory.resolve("inside"));
        try (TreeFileSystem other = make("other", new FileTree(1 << 20, () -> 0), 0)) {
            Path target = other.getPath("/target");
            assertThatThrownBy(() -> Files.move(directory, target)).isInstanceOf(DirectoryNotEmptyException.class)
                    .hasMessage("/dir");
            assertThat(target).doesNotExist();
            permit(directory, "r-x------");
            assertThatThrownBy(() -> Files.move(inside, target)).isInstanceOf(AccessDeniedException.class);
            assertThat(target).doesNotExist();
        }
    }

    /** The JDK's way: whoever may not give a file away has an own copy, with the mode that it was made with. */
    @Test
    void aCopyOfAnothersFileIsOnesOwn() throws IOException {
        try (TreeFileSystem other = make("other", new FileTree(1 << 20, () -> 0), 0)) {
            Path roots = Files.writeString(other.getPath("/roots"), "x");
            Path directory = Files.createDirectory(other.getPath("/dir"));
            Path link = Files.createSymbolicLink(other.getPath("/link"), roots);
            permit(roots, "rw-rw-rw-");
            permit(directory, "rwxrwxrwx");
            Files.setLastModifiedTime(roots, FileTime.fromMillis(77));
            Files.setLastModifiedTime(directory, FileTime.fromMillis(78));
            Files.copy(roots, file, COPY_ATTRIBUTES);
            assertThat(file).hasContent("x");
            assertOwn(file, "rw-r--r--", 77);
            Files.delete(file);
            for (Path each : List.of(roots, directory)) {
                Files.move(each, file);
                assertThat(each).doesNotExist();
                boolean isFile = each.equals(roots);
                assertOwn(file, isFile ? "rw-r--r--" : "rwxr-xr-x", isFile ? 77 : 78);
                Files.delete(file);
            }
            Files.move(link, file);
            assertThat(Files.readSymbolicLink(file)).hasToString("/roots");
            assertThat(Files.getLastModifiedTime(file, NOFOLLOW_LINKS)).as("as if made anew")
                    .isEqualTo(FileTime.fromMillis(5000));
        }
    }

    private static void assertOwn(Path path, String permissions, long modifiedMillis) throws IOException {
        assertThat(Files.getAttribute(path, "unix:uid")).isEqualTo(MemoryFileSystemProvider.USER);
        assertThat(Files.getAttribute(path, "unix:gid")).isEqualTo(MemoryFileSystemProvider.USER);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path))).isEqualTo(permissions);
        assertThat(Files.getLastModifiedTime(path)).isEqualTo(FileTime.fromMillis(modifiedMillis));
    }

    @Test
    void aReadOnlyFileSystemCannotBeChanged() throws IOException {
        Files.writeString(file, "x");
        tree.setReadOnly(true);
        assertThat(memory.isReadOnly() && Files.getFileStore(file).isReadOnly()).isTrue();
        assertThat(Files.readString(file)).isEqualTo("x");
        assertThat(Files.isWritable(file)).isFalse();
        assertThatThrownBy(() -> FileChannel.open(file, WRITE)).isInstanceOf(FileSystemException.class)
                .hasMessageContaining("Read-only file system");
        assertThatThrownBy(() -> Files.delete(file)).hasMessageContaining("Read-only file system");
        tree.setReadOnly(false);
    }

    @Test
    void anOrdinaryUserIsHeldUpByPermissions() throws IOException {
        Path directory = Files.createDirectory(memory.getPath("/dir"));
        Path inside = Files.writeString(directory.resolve("inside"), "x");
        permit(inside, "---rwxrwx");
        assertThatThrownBy(() -> Files.readString(inside)).isInstanceOf(AccessDeniedException.class);
        assertThatThrownBy(() -> Files.newOutputStream(inside)).isInstanceOf(AccessDeniedException.class);
        permit(inside, "r--------");
        assertThat(Files.readString(inside)).isEqualTo("x");
        assertThat(Files.isReadable(inside) && !Files.isWritable(inside) && !Files.isExecutable(inside)).isTrue();
        permit(directory, "r-x------");
        assertThatThrownBy(() -> Files.delete(inside)).isInstanceOf(AccessDeniedException.class);
        assertThatThrownBy(() -> Files.createFile(directory.resolve("new"))).isInstanceOf(AccessDeniedException.class);
        permit(directory, "rw-------");
        assertThatThrownBy(() -> Files.size(inside)).isInstanceOf(AccessDeniedException.class);
        assertThatThrownBy(() -> Files.createFile(directory.resolve("new"))).isInstanceOf(AccessDeniedException.class);
        permit(directory, "-wx------");
        assertThatThrownBy(() -> Files.list(directory)).isInstanceOf(AccessDeniedException.class);
        Files.delete(inside);
        tree.setMode(FileTree.ROOT, 01777);
        tree.setOwner(FileTree.ROOT, 0, 0);
        tree.create(FileTree.ROOT, "roots", 0644, 0, 0);
        assertThatThrownBy(() -> Files.delete(memory.getPath("/roots")))
                .hasMessageContaining("Operation not permitted");
        assertThatThrownBy(() -> permit(memory.getPath("/roots"), "rwxrwxrwx")).hasMessageContaining("not permitted");
        assertThatThrownBy(
                () -> Files.setOwner(directory, memory.getUserPrincipalLookupService().lookupPrincipalByName("root")))
                .hasMessageContaining("not permitted");
        try (TreeFileSystem superuser = make("superuser", tree, 0)) {
            Files.writeString(superuser.getPath("/dir/anything"), "x");
            Files.setOwner(superuser.getPath("/roots"),
                    superuser.getUserPrincipalLookupService().lookupPrincipalByName("7"));
            assertThat(Files.getOwner(memory.getPath("/roots"))).hasToString("7");
        }
    }

    @Test
    void anOrdinaryUserGivesAFileToNoOtherGroup() throws IOException {
        Files.createFile(file);
        int own = (Integer) Files.getAttribute(file, "unix:gid");
        Files.setAttribute(file, "unix:gid", own);
        assertThatThrownBy(() -> Files.setAttribute(file, "unix:gid", 5)).isInstanceOf(FileSystemException.class)
                .hasMessageContaining("Operation not permitted");
        assertThat(Files.getAttribute(file, "unix:gid")).isEqualTo(own);
        try (TreeFileSystem superuser = make("superuser", tree, 0)) {
            Files.setAttribute(superuser.getPath("/file"), "unix:gid", 5);
        }
        Files.setAttribute(file, "unix:gid", 5);
        assertThat(Files.getAttribute(file, "unix:gid")).as("the one that it is in already").isEqualTo(5);
        Files.setAttribute(file, "unix:gid", own);
        assertThat(Files.getAttribute(file, "unix:gid")).isEqualTo(own);
    }

    /** As if it had been closed after the call had found it open. */
    @Test
    void aChannelThatWasClosedMeanwhileLocksNothing() throws IOException {
        TreePath path = memory.getPath("/file");
        OpenOptions options = new OpenOptions(Set.of(READ, WRITE, CREATE));
        OpenFile opened = memory.open(path, options, 0644);
        TreeFileChannel closed = new TreeFileChannel(opened);
        closed.close();
        assertThatThrownBy(() -> memory.locks().lock(opened, closed, 0, 10, false))
                .isInstanceOf(ClosedChannelException.class);
        OpenFile other = memory.open(path, options, 0644);
        TreeAsynchronousFileChannel closedToo = new TreeAsynchronousFileChannel(other, null);
        closedToo.close();
        assertThatThrownBy(() -> memory.locks().lock(other, closedToo, 0, 10, false))
                .isInstanceOf(ClosedChannelException.class);
        try (FileChannel channel = FileChannel.open(file, WRITE); FileLock lock = channel.lock(0, 10, false)) {
            assertThat(lock.isValid()).isTrue();
        }
    }

    @Test
    void aMappedFileIsACopyThatCannotBeWrittenBack() throws IOException {
        Files.writeString(file, "0123456789");
        try (FileChannel channel = FileChannel.open(file, READ, WRITE); Arena arena = Arena.ofConfined()) {
            MappedByteBuffer mapped = channel.map(MapMode.READ_ONLY, 2, 3);
            assertThat(UTF_8.decode(mapped).toString()).isEqualTo("234");
            assertThat(mapped.isReadOnly()).isTrue();
            MappedByteBuffer copy = channel.map(MapMode.PRIVATE, 0, 12);
            copy.put(0, (byte) 'x');
            assertThat(channel.size()).as("a mapping of more than there is extends a file that can be written")
                    .isEqualTo(12);
            MemorySegment segment = channel.map(MapMode.READ_ONLY, 5, 5, arena);
            assertThat(segment.get(ValueLayout.JAVA_BYTE, 4)).isEqualTo((byte) '9');
            assertThat(channel.map(MapMode.READ_ONLY, 5, 0).capacity()).isZero();
            assertThatThrownBy(() -> channel.map(MapMode.READ_WRITE, 0, 1))
                    .isInstanceOf(UnsupportedOperationException.class).hasMessageContaining("FUSE");
            assertThatThrownBy(() -> channel.map(MapMode.READ_ONLY, -1, 1))
                    .isInstanceOf(IllegalArgumentException.class);
        }
        assertThat(Files.readString(file)).isEqualTo("0123456789\0\0");
        try (FileChannel channel = FileChannel.open(file)) {
            assertThatThrownBy(() -> channel.map(MapMode.PRIVATE, 0, 1))
                    .isInstanceOf(NonWritableChannelException.class);
            assertThatThrownBy(() -> channel.map(MapMode.READ_ONLY, 0, 13)).isInstanceOf(IOException.class)
                    .hasMessageContaining("12 bytes");
        }
        try (TreeFileSystem other = MemoryFileSystemProvider.newFileSystem("unmapped", tree, 0, 0, false);
                FileChannel channel = FileChannel.open(other.getPath("/file"))) {
            assertThatThrownBy(() -> channel.map(MapMode.READ_ONLY, 0, 1))
                    .isInstanceOf(UnsupportedOperationException.class).hasMessageContaining("mapByCopy");
        }
    }

    @Test
    void nothingIsLeftOfATemporaryFileThatCannotBeFilledOrOpened(@TempDir Path folder) throws IOException {
        Path host = Files.createFile(folder.resolve("host"));
        List<FileChannel> opened = new ArrayList<>();
        assertThatThrownBy(() -> MappedCopy.copy(host, copy -> {
            opened.add(copy);
            throw new InternalError("no room");
        })).isInstanceOf(InternalError.class);
        assertThat(opened).singleElement().satisfies(copy -> assertThat(copy.isOpen()).isFalse());
        assertThat(host).doesNotExist();
        Path notAFile = Files.createDirectory(folder.resolve("directory"));
        assertThatThrownBy(() -> MappedCopy.copy(notAFile, _ -> {
            throw new AssertionError("it is open");
        })).isInstanceOf(IOException.class);
        assertThat(notAFile).doesNotExist();
    }

    @Test
    void filesGoFromOneFileSystemToAnother() throws IOException {
        Files.writeString(file, "x".repeat(200_000));
        permit(file, "rwxr-x---");
        Files.setLastModifiedTime(file, FileTime.fromMillis(77));
        try (TreeFileSystem other = make("other", new FileTree(1 << 20, () -> 0), 0)) {
            Path target = other.getPath("/target");
            Files.copy(file, target, COPY_ATTRIBUTES);
            assertThat(Files.mismatch(file, target)).isEqualTo(-1);
            assertThat(Files.getPosixFilePermissions(target)).isEqualTo(Files.getPosixFilePermissions(file));
            assertThatThrownBy(() -> Files.move(file, target, ATOMIC_MOVE))
                    .isInstanceOf(AtomicMoveNotSupportedException.class);
            assertThatThrownBy(() -> Files.createLink(other.getPath("/link"), file))
                    .isInstanceOf(FileSystemException.class);
            Files.move(file, target, REPLACE_EXISTING);
            assertThat(file).doesNotExist();
            assertThat(Files.getLastModifiedTime(target)).isEqualTo(FileTime.fromMillis(77));
            assertThat(Files.isSameFile(target, memory.getPath("/"))).isFalse();
            assertThat(target.equals(memory.getPath("/target"))).isFalse();
        }
    }

    @Test
    void handlersRunOnTheExecutorThatIsGiven() throws Exception {
        try (ExecutorService executor = Executors
                .newSingleThreadExecutor(task -> Thread.ofPlatform().name("given").unstarted(task));
                AsynchronousFileChannel channel = AsynchronousFileChannel.open(file, Set.of(WRITE, CREATE), executor)) {
            CompletableFuture<String> thread = new CompletableFuture<>();
            channel.write(bytes("x"), 0, thread, new CompletionHandler<>() {
                @Override
                public void completed(Integer count, CompletableFuture<String> attachment) {
                    attachment.complete(Thread.currentThread().getName() + count);
                }

                @Override
                public void failed(Throwable failure, CompletableFuture<String> attachment) {
                    attachment.completeExceptionally(failure);
                }
            });
            assertThat(thread.get()).isEqualTo("given1");
        }
    }

    private static CompletionHandler<FileLock, String> lockHandler(Consumer<Object> told) {
        return new CompletionHandler<>() {
            @Override
            public void completed(FileLock lock, String attachment) {
                told.accept(lock);
                throw new IllegalStateException("on purpose");
            }

            @Override
            public void failed(Throwable failure, String attachment) {
                told.accept(failure);
            }
        };
    }

    @Test
    void aLockWhoseHandlerTheExecutorRefusesIsNobodys() throws Exception {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        List<Object> told = new ArrayList<>();
        try (AsynchronousFileChannel channel = AsynchronousFileChannel.open(file, Set.of(WRITE, CREATE), executor)) {
            executor.shutdown();
            assertThatThrownBy(() -> channel.lock(0, 10, false, "", lockHandler(told::add)))
                    .isInstanceOf(RejectedExecutionException.class);
            assertThat(channel.tryLock(0, 10, false)).isNotNull();
            assertThat(told).isEmpty();
        }
    }

    @Test
    void aLockWhoseHandlerThrowsIsKept() throws Exception {
        List<Object> told = new ArrayList<>();
        try (AsynchronousFileChannel channel = AsynchronousFileChannel.open(file, Set.of(WRITE, CREATE),
                new CallerRuns())) {
            assertThatThrownBy(() -> channel.lock(0, 10, false, "", lockHandler(told::add))).hasMessage("on purpose");
            assertThat(told).hasSize(1).first().isInstanceOf(FileLock.class);
            assertThatThrownBy(() -> channel.tryLock(0, 10, false)).isInstanceOf(OverlappingFileLockException.class);
        }
    }

    private static final class CallerRuns extends AbstractExecutorService {
        @Override
        public void execute(Runnable task) {
            task.run();
        }

        @Override
        public void shutdown() {}

        @Override
        public List<Runnable> shutdownNow() {
            return List.of();
        }

        @Override
        public boolean isShutdown() {
            return false;
        }

        @Override
        public boolean isTerminated() {
            return false;
        }

        @Override
        public boolean awaitTermination(long timeout, TimeUnit unit) {
            return false;
        }
    }

    @Test
    void threadsThatAppendLoseNothing() throws IOException {
        int threads = 4;
        int writes = 200;
        Eventually.together(threads, true, number -> {
            try (FileChannel channel = FileChannel.open(file, APPEND, CREATE)) {
                for (int i = 0; i < writes; i++) {
                    channel.write(bytes(number + "\n"));
                }
            }
        });
        assertThat(Files.readAllLines(file)).hasSize(threads * writes)
                .satisfies(lines -> assertThat(lines.stream().filter("2"::equals)).hasSize(writes));
    }

    @Test
    void nothingIsWrittenAfterTheFileSystemIsClosed() throws IOException {
        Files.createFile(file);
        Eventually.Worker<Boolean> worker = Eventually.start(() -> {
            try (FileChannel channel = FileChannel.open(file, APPEND)) {
                while (true) {
                    channel.write(bytes("x"));
                }
            } catch (ClosedChannelException e) {
                // The file system has been closed.
            }
        });
        Eventually.until("the file is open", () -> !memory.openFiles().isEmpty());
        memory.close();
        var before = tree.fingerprint();
        worker.join();
        assertThat(tree.fingerprint()).isEqualTo(before);
    }
}
