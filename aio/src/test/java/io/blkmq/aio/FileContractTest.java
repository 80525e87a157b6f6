package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.EachCase;
import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;

/** What every engine promises about the life of files, and to callers who wait: run against every engine, as {@link EngineContractTest}. */
@BesideOthers
class FileContractTest {

    private static final int BLOCK = 4096;

    private final Setup setup;
    private final Arena arena = Arena.ofShared();
    private Path directory;
    private Path path;
    private AioEngine engine;

    static List<Setup> cases() throws IOException {
        return Setup.all();
    }

    @SuppressWarnings("NullAway.Init")
    FileContractTest(Setup setup) {
        this.setup = setup;
    }

    @BeforeEach
    void openEngine() throws IOException {
        setup.assumeAvailable();
        directory = Files.createTempDirectory(setup.directory(), "blkmq-aio-files");
        path = directory.resolve("file");
        engine = setup.open(AioEngineConfig.builder().depth(32).workers(4));
    }

    @AfterEach
    void closeEngine() throws IOException {
        if (engine != null) {
            engine.close();
            try (Stream<Path> all = Files.walk(directory)) {
                for (Path each : all.sorted(Comparator.reverseOrder()).toList()) {
                    Files.delete(each);
                }
            }
        }
        arena.close();
    }

    private AioFile open(AioFile.Option... options) throws IOException {
        return engine.open(path, AioFile.Access.READ_WRITE, setup.direct(), options);
    }

    private MemorySegment memory(int blocks, int value) {
        return arena.allocate((long) blocks * BLOCK, BLOCK).fill((byte) value);
    }

    private static byte[] bytes(MemorySegment memory) {
        return memory.toArray(ValueLayout.JAVA_BYTE);
    }

    private static Kiocb write(AioFile file, long offset, MemorySegment memory) {
        return Kiocb.withSegments(1).prepareWrite(file, offset, AioCompletion.NONE, 0).addSegment(memory);
    }

    private static Kiocb read(AioFile file, long offset, MemorySegment memory) {
        return Kiocb.withSegments(1).prepareRead(file, offset, AioCompletion.NONE, 0).addSegment(memory);
    }

    // Opening

    @EachCase
    void aFileIsMadeOnRequestAndOpenedTheNextTime() throws IOException {
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> open()).withMessageContaining("file");
        try (AioFile made = open(AioFile.Option.CREATE)) {
            assertThat(made.size()).isZero();
            assertThat(engine.run(write(made, 0, memory(1, 7)))).isEqualTo(BLOCK);
        }
        assertThat(Files.exists(path)).as("the memory engine writes nothing").isEqualTo(!setup.isMemory());
        try (AioFile again = open(AioFile.Option.CREATE)) {
            assertThat(again.size()).isEqualTo(setup.movesData() ? BLOCK : 0);
        }
    }

    @EachCase
    void exclusiveCreationRefusesAFileThatExists() throws IOException {
        open(AioFile.Option.CREATE_NEW).close();
        assertThatExceptionOfType(FileAlreadyExistsException.class).isThrownBy(() -> open(AioFile.Option.CREATE_NEW))
                .withMessageContaining("file");
        path = Files.createFile(directory.resolve("by another"));
        assertThatExceptionOfType(FileAlreadyExistsException.class)
                .isThrownBy(() -> open(AioFile.Option.CREATE_NEW, AioFile.Option.CREATE));
        path = Files.createDirectory(directory.resolve("a directory"));
        assertThatExceptionOfType(FileAlreadyExistsException.class).isThrownBy(() -> open(AioFile.Option.CREATE_NEW))
                .withMessageContaining("a directory");
    }

    @EachCase
    void aFileIsCutWhenItIsOpenedIfThatIsAskedFor() throws IOException {
        Files.write(path, new byte[3 * BLOCK]);
        try (AioFile whole = open(AioFile.Option.CREATE)) {
            assertThat(whole.size()).isEqualTo(3 * BLOCK);
        }
        try (AioFile cut = open(AioFile.Option.TRUNCATE_EXISTING)) {
            assertThat(cut.size()).isZero();
        }
    }

    @EachCase
    void optionsNeedAccessForWriting() throws IOException {
        for (AioFile.Option option : AioFile.Option.values()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> engine.open(path, AioFile.Access.READ_ONLY, setup.direct(), option))
                    .withMessageContaining(option.name()).withMessageContaining("READ_ONLY");
        }
        assertThat(path).doesNotExist();
    }

    @EachCase
    void noFileIsMadeWhereItsDirectoryIsMissingOrItIsADirectory() throws IOException {
        path = directory.resolve("missing").resolve("file");
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> open(AioFile.Option.CREATE));
        path = directory;
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> open(AioFile.Option.CREATE))
                .withMessageContaining("directory");
    }

    @EachCase("movesData")
    void writesOfAFileThatIsOpenedDurableMoveTheirBytesAlsoOnceMoreOpened() throws IOException {
        for (AioFile.Option option : List.of(AioFile.Option.DSYNC, AioFile.Option.SYNC)) {
            try (AioFile file = open(AioFile.Option.CREATE, option); AioFile again = file.reopen(setup.direct())) {
                assertThat(engine.run(write(file, 0, memory(2, 5)))).isEqualTo(2 * BLOCK);
                assertThat(engine.run(write(again, BLOCK, memory(1, 6)).thenSync(true))).isEqualTo(BLOCK);
                MemorySegment back = memory(2, 0);
                assertThat(engine.run(read(file, 0, back))).isEqualTo(2 * BLOCK);
                assertThat(bytes(back.asSlice(0, BLOCK))).containsOnly(5);
                assertThat(bytes(back.asSlice(BLOCK))).containsOnly(6);
            }
        }
    }

    @EachCase
    void aPathOfAnotherProviderIsReadByAChannelOrRefusedByItsName() throws IOException {
        Path archive = directory.resolve("archive.zip");
        try (FileSystem zip = FileSystems.newFileSystem(URI.create("jar:" + archive.toUri()),
                Map.of("create", "true"))) {
            Files.write(zip.getPath("inside"), new byte[]{4, 7, 1, 1});
        }
        try (FileSystem zip = FileSystems.newFileSystem(archive)) {
            Path inside = zip.getPath("inside");
            if (setup.isNative()) {
                assertThatExceptionOfType(ProviderMismatchException.class)
                        .isThrownBy(() -> engine.open(inside, AioFile.Access.READ_ONLY, false))
                        .withMessageContaining("inside").withMessageContaining("provider jar");
                return;
            }
            try (AioFile file = engine.open(inside, AioFile.Access.READ_ONLY, false)) {
                MemorySegment memory = arena.allocate(8);
                assertThat(engine.run(read(file, 0, memory))).isEqualTo(setup.movesData() ? 4 : 8);
                if (setup.movesData()) {
                    assertThat(bytes(memory)).startsWith(4, 7, 1, 1);
                }
            }
        }
    }

    // Names

    @EachCase
    void aFileThatIsRenamedIsWholeUnderItsNewNameAndReplacesWhatWasThere() throws IOException {
        Path target = Files.write(directory.resolve("target"), new byte[3 * BLOCK]);
        AioFile written = open(AioFile.Option.CREATE_NEW);
        assertThat(engine.run(write(written, 0, memory(2, 8)))).isEqualTo(2 * BLOCK);
        engine.rename(path, target);
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> open());
        assertThat(written.isClosed()).as("an open file stays open").isFalse();
        assertThat(engine.run(write(written, BLOCK, memory(1, 9)))).isEqualTo(BLOCK);
        written.close();
        try (AioFile renamed = engine.open(target, AioFile.Access.READ_ONLY, setup.direct())) {
            assertThat(renamed.size()).isEqualTo(setup.movesData() ? 2 * BLOCK : 0);
            MemorySegment back = memory(2, 0);
            assertThat(engine.run(read(renamed, 0, back))).isEqualTo(2 * BLOCK);
            if (setup.movesData()) {
                assertThat(bytes(back.asSlice(0, BLOCK))).containsOnly(8);
                assertThat(bytes(back.asSlice(BLOCK))).containsOnly(9);
            }
        }
    }

    @EachCase
    void renamesThatCannotBeAreRefused() throws IOException {
        assertThatExceptionOfType(NoSuchFileException.class)
                .isThrownBy(() -> engine.rename(path, directory.resolve("other")));
        open(AioFile.Option.CREATE_NEW).close();
        assertThatExceptionOfType(NoSuchFileException.class)
                .isThrownBy(() -> engine.rename(path, directory.resolve("missing").resolve("other")));
        Files.createDirectory(directory.resolve("sub"));
        Files.createFile(directory.resolve("sub").resolve("one"));
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> engine.rename(path, directory.resolve("sub")));
        engine.rename(path, path);
        open().close();
    }

    /** To open one would be to wait for its other end. */
    @EachCase
    @Timeout(300)
    void aRenameOfAPipeIsRefused() throws Exception {
        Setup.skipIf(NativeAccess.refusal() != null, "the JDK waits when it opens a pipe");
        Path pipe = directory.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).inheritIO().start().waitFor()).isZero();
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> engine.rename(pipe, directory.resolve("other")))
                .withMessageContaining("pipe");
        assertThat(pipe).exists();
    }

    @EachCase
    void aFileThatIsDeletedIsGoneAndMayBeMadeAnew() throws IOException {
        AioFile old = open(AioFile.Option.CREATE_NEW);
        assertThat(engine.run(write(old, 0, memory(1, 8)))).isEqualTo(BLOCK);
        engine.delete(path);
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> open());
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> engine.delete(path));
        try (AioFile anew = open(AioFile.Option.CREATE_NEW)) {
            assertThat(anew.size()).isZero();
            assertThat(anew.isSameFile(old)).isFalse();
        }
        old.close();
        path = Files.createFile(directory.resolve("by another"));
        engine.delete(path);
        assertThat(Files.exists(path)).as("the memory engine changes nothing").isEqualTo(setup.isMemory());
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> open());
    }

    @EachCase
    void aDirectoryIsSyncedAndNothingElse() throws IOException {
        Thread.currentThread().interrupt();
        engine.syncDirectory(directory);
        assertThat(Thread.interrupted()).as("an interrupt is kept").isTrue();
        assertThatExceptionOfType(NoSuchFileException.class)
                .isThrownBy(() -> engine.syncDirectory(directory.resolve("missing"))).withMessageContaining("missing");
        Path file = Files.createFile(directory.resolve("no directory"));
        assertThatExceptionOfType(NotDirectoryException.class).isThrownBy(() -> engine.syncDirectory(file))
                .withMessageContaining("no directory");
    }

    @EachCase
    void anOpenDescriptorIsAdoptedAndClosedByEachOwner() throws IOException {
        Files.write(path, new byte[2 * BLOCK]);
        Setup.skipIf(NativeAccess.refusal() != null, "descriptors cannot be adopted here");
        NativeFile theirs = NativeFile.open(
                Opening.of(path, AioFile.Access.READ_WRITE, setup.direct() && !setup.isMemory(), AioFile.Option.DSYNC));
        if (setup.isMemory()) {
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> engine.adopt(theirs.fd(), path)).withMessageContaining("memory")
                    .withMessageContaining("descriptor " + theirs.fd());
            theirs.close();
            return;
        }
        AioFile ours = engine.adopt(theirs.fd(), path);
        int number = theirs.fd();
        theirs.close();
        assertThat(ours.isDirect()).isEqualTo(setup.direct());
        assertThat(ours.isWritable()).isTrue();
        assertThat(ours.opening().options()).containsExactly(AioFile.Option.DSYNC);
        assertThat(engine.run(write(ours, 0, memory(1, 3)))).isEqualTo(BLOCK);
        if (setup.movesData()) {
            assertThat(Files.readAllBytes(path)).startsWith(3, 3, 3);
        }
        ours.close();
        assertThatExceptionOfType(AioException.class).isThrownBy(() -> engine.adopt(1_000_000 + number, path))
                .withMessageContaining("EBADF").withMessageContaining("descriptor " + (1_000_000 + number));
    }

    @EachCase({"movesData", "!isMemory"})
    void descriptorsThatCannotServeAreRefused() throws IOException {
        Setup.skipIf(NativeAccess.refusal() != null, "descriptors cannot be adopted here");
        Files.write(path, new byte[BLOCK]);
        for (int flags : List.of(FileCalls.O_WRONLY, FileCalls.O_RDWR | FileCalls.O_APPEND)) {
            int descriptor = FileCalls.open(PathName.of(path, arena), flags);
            assertThat(descriptor).isNotNegative();
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> engine.adopt(descriptor, path))
                    .withMessageContaining("descriptor " + descriptor);
            FileCalls.close(descriptor);
        }
        int nothing = FileCalls.open(PathName.of(directory, arena), FileCalls.O_RDONLY);
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> engine.adopt(nothing, directory))
                .withMessageContaining("is a directory");
        FileCalls.close(nothing);
    }

    // Size

    @EachCase("movesData")
    void aFileGrowsByZeroesAndShrinksForGood() throws IOException {
        try (AioFile file = open(AioFile.Option.CREATE)) {
            assertThat(file.setSize(4 * BLOCK)).isZero();
            assertThat(file.size()).isEqualTo(4 * BLOCK);
            assertThat(engine.run(write(file, 0, memory(4, 9)))).isEqualTo(4 * BLOCK);
            assertThat(file.setSize(BLOCK)).isZero();
            assertThat(file.size()).isEqualTo(BLOCK);
            assertThat(engine.run(read(file, 0, memory(4, 0)))).isEqualTo(BLOCK);
            assertThat(file.setSize(3 * BLOCK)).isZero();
            MemorySegment back = memory(4, 1);
            assertThat(engine.run(read(file, 0, back))).isEqualTo(3 * BLOCK);
            assertThat(bytes(back.asSlice(0, BLOCK))).containsOnly(9);
            assertThat(bytes(back.asSlice(BLOCK, 2 * BLOCK))).as("what was cut does not come back").containsOnly(0);
        }
    }

    @EachCase
    void aSizeThatCannotBeIsRefused() throws IOException {
        AioFile file = open(AioFile.Option.CREATE);
        assertThatIllegalArgumentException().isThrownBy(() -> file.setSize(-1)).withMessageContaining("-1");
        int largest = file.setSize(Long.MAX_VALUE);
        if (largest != 0) {
            // A tmpfs can be so long.
            assertThat(largest).isIn(-Errno.EFBIG, -Errno.EINVAL);
        }
        assertThat(file.size()).isEqualTo(largest == 0 ? Long.MAX_VALUE : 0);
        try (AioFile readOnly = engine.open(path, AioFile.Access.READ_ONLY, setup.direct())) {
            assertThat(readOnly.setSize(BLOCK)).isEqualTo(-Errno.EBADF);
        }
        file.close();
        assertThat(file.setSize(BLOCK)).isEqualTo(-Errno.EBADF);
    }

    // The page cache

    @EachCase
    void theCacheIsToldOfRangesAndAnythingElseIsRefused() throws IOException {
        Files.write(path, new byte[8 * BLOCK]);
        AioFile file = open();
        for (AioFile.Advice advice : AioFile.Advice.values()) {
            boolean ofRange = advice == AioFile.Advice.WILL_NEED || advice == AioFile.Advice.DONT_NEED;
            boolean possible = setup.isNative() || setup.isMemory() || (ofRange && NativeAccess.refusal() == null);
            assertThat(file.advise(advice, 0, 0)).as(advice.name()).isEqualTo(possible ? 0 : -Errno.EOPNOTSUPP);
            assertThat(file.advise(advice, BLOCK, 2 * BLOCK)).as(advice.name())
                    .isEqualTo(possible ? 0 : -Errno.EOPNOTSUPP);
            assertThatIllegalArgumentException().isThrownBy(() -> file.advise(advice, -1, 0))
                    .withMessageContaining("-1");
            assertThatIllegalArgumentException().isThrownBy(() -> file.advise(advice, 0, -2))
                    .withMessageContaining("-2");
        }
        file.close();
        assertThat(file.advise(AioFile.Advice.WILL_NEED, 0, 0)).isEqualTo(-Errno.EBADF);
    }

    /** Which pages are in memory, a map of the file tells. Those of a tmpfs always are. */
    @EachCase({"onDisk", "!isMemory"})
    void whatIsNotNeededLeavesTheCacheAndWhatWillBeIsRead() throws IOException {
        Setup.skipIf(NativeAccess.refusal() != null, "the page cache cannot be told here");
        Files.write(path, new byte[64 * BLOCK]);
        // Where the tests themselves run on one.
        Setup.skipIf(Files.getFileStore(path).type().equals("tmpfs"), "the file system keeps all files in memory");
        try (AioFile file = open(); FileChannel channel = FileChannel.open(path)) {
            assertThat(file.sync(false)).isZero();
            MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, 64 * BLOCK, arena);
            Eventually.until("the pages are dropped", () -> {
                assertThat(file.advise(AioFile.Advice.DONT_NEED, 0, 0)).isZero();
                return !mapped.isLoaded();
            });
            Eventually.until("the pages are read", () -> {
                assertThat(file.advise(AioFile.Advice.WILL_NEED, 0, 64 * BLOCK)).isZero();
                return mapped.isLoaded();
            });
        }
    }

    // Waiting

    @EachCase
    void runReturnsTheResultAndTheKiocbIsFree() throws IOException {
        try (AioFile file = open(AioFile.Option.CREATE)) {
            Told told = new Told();
            Kiocb kiocb = Kiocb.withSegments(1).prepareWrite(file, 0, told, 3).addSegment(memory(2, 1));
            assertThat(engine.run(kiocb)).isEqualTo(2 * BLOCK);
            assertThat(told.result(3)).as("its completion was called before").isEqualTo(2 * BLOCK);
            assertThat(kiocb.isInFlight()).isFalse();
            assertThat(engine.run(kiocb)).as("not prepared").isEqualTo(-Errno.EINVAL);
            assertThat(engine.run(kiocb.prepareSync(file, true, AioCompletion.NONE, 0))).isZero();
        }
    }

    @EachCase
    void anInterruptDoesNotEndARunAndIsKept() throws IOException {
        try (AioFile file = open(AioFile.Option.CREATE)) {
            Thread.currentThread().interrupt();
            long result = engine.run(write(file, 0, memory(1, 1)));
            assertThat(Thread.interrupted()).isTrue();
            assertThat(result).isEqualTo(BLOCK);
        }
    }

    @EachCase
    void manyThreadsRunAtOnce() throws Exception {
        int threads = setup.isPolled() ? 1 : 6;
        try (AioFile file = open(AioFile.Option.CREATE)) {
            CountDownLatch ended = new CountDownLatch(threads);
            AtomicReference<Throwable> failed = new AtomicReference<>();
            for (int t = 0; t < threads; t++) {
                int own = t;
                MemorySegment memory = memory(1, own + 1);
                MemorySegment back = memory(1, 0);
                // More than there are carriers, on a small machine: who waits must give its own back.
                (setup.isPolled() ? Thread.ofPlatform() : Thread.ofVirtual()).start(() -> {
                    try {
                        for (int i = 0; i < 50; i++) {
                            long at = (long) own * BLOCK;
                            assertThat(engine.run(write(file, at, memory))).isEqualTo(BLOCK);
                            assertThat(engine.run(read(file, at, back))).isEqualTo(BLOCK);
                            if (setup.movesData()) {
                                assertThat(back.mismatch(memory)).isEqualTo(-1);
                            }
                        }
                    } catch (Throwable e) {
                        failed.set(e);
                    } finally {
                        ended.countDown();
                    }
                });
            }
            ended.await();
            assertThat(failed.get()).isNull();
        }
    }

    @EachCase
    void whoMustCallCompletionsFirstMayNotRun() throws Exception {
        try (AioFile file = open(AioFile.Option.CREATE)) {
            AtomicReference<Throwable> thrown = new AtomicReference<>();
            Kiocb other = write(file, BLOCK, memory(1, 1));
            Told told = new Told();
            Kiocb kiocb = Kiocb.withSegments(1).prepareWrite(file, 0, (data, result) -> {
                try {
                    long _ = engine.run(other);
                } catch (IllegalStateException e) {
                    thrown.set(e);
                }
                told.complete(data, result);
            }, 1).addSegment(memory(1, 1));
            assertThat(Told.run(engine, kiocb, told)).isEqualTo(BLOCK);
            assertThat(thrown.get()).hasMessageContaining("run inside a completion of AIO engine " + setup.engine());
            assertThat(other.isInFlight()).isFalse();
        }
    }

    @EachCase
    void aCompletionOfARunMayNotPrepareTheKiocbAgain() throws IOException {
        try (AioFile file = open(AioFile.Option.CREATE)) {
            List<Throwable> thrown = new ArrayList<>();
            Kiocb kiocb = Kiocb.withSegments(1);
            kiocb.prepareSync(file, true, (_, _) -> {
                try {
                    kiocb.prepareSync(file, true, AioCompletion.NONE, 0);
                } catch (IllegalStateException e) {
                    thrown.add(e);
                }
            }, 0);
            assertThat(engine.run(kiocb)).isZero();
            assertThat(thrown).hasSize(1);
        }
    }

    // Errors

    @EachCase
    void submitOrThrowSaysWhy() throws IOException {
        Kiocb kiocb = Kiocb.withSegments(1);
        assertThatIllegalStateException().isThrownBy(() -> engine.submitOrThrow(kiocb))
                .withMessageContaining("not prepared");
        AioFile file = open(AioFile.Option.CREATE);
        Told told = new Told();
        engine.submitOrThrow(kiocb.prepareWrite(file, 0, told, 1).addSegment(memory(1, 1)));
        engine.commit();
        told.await(engine, 1);
        assertThat(told.result(1)).isEqualTo(BLOCK);
        try (AioFile readOnly = engine.open(path, AioFile.Access.READ_ONLY, setup.direct())) {
            assertThatIllegalStateException().isThrownBy(() -> engine.submitOrThrow(write(readOnly, 0, memory(1, 1))))
                    .withMessageContaining("not open for writing").withMessageContaining(path.toString());
        }
        if (!setup.carriesOutRanges()) {
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(
                            () -> engine.submitOrThrow(kiocb.preparePunchHole(file, 0, BLOCK, AioCompletion.NONE, 0)))
                    .withMessageContaining("PUNCH_HOLE").withMessageContaining(setup.engine());
        }
        file.close();
        assertThatExceptionOfType(AioException.class)
                .isThrownBy(() -> engine.submitOrThrow(write(file, 0, memory(1, 1))))
                .withMessageContaining(path.toString()).withMessageContaining("EBADF")
                .satisfies(e -> assertThat(e.errno()).isEqualTo(Errno.EBADF));
        AioFile open = open();
        engine.close();
        assertThatIllegalStateException().isThrownBy(() -> engine.submitOrThrow(write(open, 0, memory(1, 1))))
                .withMessageContaining("closed");
        open.close();
    }

    @EachCase
    void aFilePassesResultsOnAndThrowsErrors() throws IOException {
        try (AioFile file = open(AioFile.Option.CREATE)) {
            assertThat(file.check(4711, "read")).isEqualTo(4711);
            assertThatExceptionOfType(AioException.class).isThrownBy(() -> file.check(-Errno.ENOSPC, "write"))
                    .withMessage(path + ": write failed: no space is left on the device (ENOSPC)");
            assertThatExceptionOfType(AioException.class).isThrownBy(() -> file.check(-4711, "write"))
                    .withMessageContaining("errno 4711").satisfies(e -> assertThat(e.errno()).isEqualTo(4711));
        }
    }

    @EachCase
    void errorsThatTheJdkKnowsAreTheJdks() {
        assertThat(AioException.of(Errno.ENOENT, path, "open")).isInstanceOf(NoSuchFileException.class);
        assertThat(AioException.of(-Errno.ENOTDIR, path, "open")).isInstanceOf(NoSuchFileException.class);
        assertThat(AioException.of(Errno.EEXIST, path, "open")).isInstanceOf(FileAlreadyExistsException.class);
        assertThat(AioException.of(Errno.EACCES, path, "open")).isInstanceOf(AccessDeniedException.class);
        assertThat(AioException.of(Errno.EPERM, path, "open")).isInstanceOf(AccessDeniedException.class);
        assertThat(AioException.of(Errno.EROFS, path, "open")).isInstanceOf(AccessDeniedException.class);
        assertThat(AioException.of(Errno.ENOTEMPTY, path, "delete")).isInstanceOf(DirectoryNotEmptyException.class);
        assertThat(AioException.of(Errno.ELOOP, path, "open")).isInstanceOf(FileSystemLoopException.class);
        assertThat(AioException.of(-Errno.EIO, null, "read")).isInstanceOf(AioException.class)
                .hasMessageContaining("read failed").hasMessageContaining("EIO");
    }
}
