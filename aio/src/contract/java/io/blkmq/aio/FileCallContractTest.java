package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.EachCase;
import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.assertj.core.api.AbstractThrowableAssert;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Files that are opened, closed, looked at and deleted without a wait: what every engine promises of that, or refuses by name. */
@BesideOthers
class FileCallContractTest {

    private static final int BLOCK = 4096;
    private static final int FILE_BYTES = 4 * BLOCK;
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(120);

    private final EngineSetup setup;
    private final Arena arena = Arena.ofShared();
    private Path path;
    private AioEngine engine;

    static List<? extends EngineSetup> cases() throws IOException {
        return EngineSetups.all();
    }

    @SuppressWarnings("NullAway.Init")
    FileCallContractTest(EngineSetup setup) {
        this.setup = setup;
    }

    @BeforeEach
    void open() throws IOException {
        setup.assumeAvailable();
        path = setup.make(
                "some bytes".repeat(FILE_BYTES / 10 + 1).substring(0, FILE_BYTES).getBytes(StandardCharsets.US_ASCII));
        engine = setup.open(AioEngineConfig.builder().depth(8).workers(2));
    }

    @AfterEach
    void close() throws IOException {
        if (engine != null) {
            engine.close();
            setup.remove(path);
        }
        arena.close();
    }

    private MemorySegment block() {
        return arena.allocate(BLOCK, BLOCK);
    }

    private CompletableFuture<AioFile> opening(Path which, AioFile.Option... options) {
        return engine.openAsync(which, AioFile.Access.READ_WRITE, setup.direct(), options);
    }

    private static <T extends @Nullable Object> T await(AioEngine of, CompletableFuture<T> future) {
        if (of.isOpen()) {
            of.commit();
        }
        if (of.completionMode() == CompletionMode.POLLED && of.isOpen()) {
            while (!future.isDone()) {
                assertThat(of.await(PATIENCE_NANOS)).as("completions").isPositive();
            }
        }
        return future.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join();
    }

    private <T extends @Nullable Object> T await(CompletableFuture<T> future) {
        return await(engine, future);
    }

    private AbstractThrowableAssert<?, ? extends Throwable> failure(CompletableFuture<?> future) {
        return assertThatThrownBy(() -> await(future)).isInstanceOf(CompletionException.class).cause();
    }

    private Path beside(String name) {
        return path.resolveSibling(path.getFileName() + name);
    }

    // Opening

    @EachCase
    void aFileIsOpenedAsByTheCallThatWaits() throws IOException {
        try (AioFile opened = await(opening(path));
                AioFile other = engine.open(path, AioFile.Access.READ_ONLY, setup.direct())) {
            assertThat(opened.path()).isEqualTo(path);
            assertThat(opened.isWritable()).isTrue();
            assertThat(opened.isDirect()).isEqualTo(setup.direct());
            assertThat(opened.memoryAlignment()).isEqualTo(other.memoryAlignment());
            assertThat(opened.offsetAlignment()).isEqualTo(other.offsetAlignment());
            assertThat(opened.blockBytes()).isEqualTo(other.blockBytes());
            assertThat(opened.isInMemory()).isEqualTo(other.isInMemory());
            assertThat(opened.size()).isEqualTo(FILE_BYTES);
            if (setup.isOfFileSystem()) {
                assertThat(opened.isSameFile(other)).isTrue();
            }
            Told told = new Told();
            MemorySegment memory = block();
            assertThat(Told.run(engine, Kiocb.withSegments(1).prepareRead(opened, 0, told, 1).addSegment(memory), told))
                    .isEqualTo(BLOCK);
            if (setup.movesData()) {
                assertThat(memory.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 's');
            }
        }
    }

    @EachCase
    void manyAreOpenedAtOnce() {
        List<CompletableFuture<AioFile>> all = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            all.add(engine.openAsync(path, AioFile.Access.READ_ONLY, setup.direct()));
        }
        for (CompletableFuture<AioFile> each : all) {
            await(each).close();
        }
        Eventually.until("all have been told", () -> engine.statistics().inFlight() == 0);
        assertThat(engine.statistics().submitted()).isEqualTo(40);
    }

    @EachCase
    void whatCannotBeOpenedIsToldByTheFuture() {
        failure(opening(setup.missing(path))).isInstanceOf(NoSuchFileException.class).hasMessageContaining("missing");
    }

    @EachCase("isOfFileSystem")
    void eachErrorIsThatOfTheCallThatWaits() throws IOException {
        failure(opening(path, AioFile.Option.CREATE_NEW)).isInstanceOf(FileAlreadyExistsException.class);
        failure(opening(Names.directoryOf(path))).isInstanceOf(FileSystemException.class)
                .hasMessageContaining("is a directory");
        failure(opening(beside(".missing/file"), AioFile.Option.CREATE)).isInstanceOf(NoSuchFileException.class);
        failure(opening(path.resolve("file"))).isInstanceOf(FileSystemException.class);
    }

    @EachCase("isOfFileSystem")
    void aFileIsMadeAndCutAsAsked() throws IOException {
        Path made = beside(".made");
        try {
            try (AioFile opened = await(opening(made, AioFile.Option.CREATE))) {
                assertThat(opened.size()).isZero();
                assertThat(opened.write(0, block())).isEqualTo(BLOCK);
            }
            try (AioFile again = await(opening(made, AioFile.Option.CREATE, AioFile.Option.TRUNCATE_EXISTING))) {
                assertThat(again.size()).isZero();
            }
        } finally {
            Files.deleteIfExists(made);
        }
    }

    /** The loop of the owner is where completions are called, and where stages behind the future run. */
    @EachCase("isPolled")
    void theOwnersPollTells() {
        CompletableFuture<AioFile> opening = opening(path);
        AtomicReference<@Nullable Thread> telling = new AtomicReference<>();
        CompletableFuture<Void> stage = opening.thenAccept(file -> {
            telling.set(Thread.currentThread());
            file.close();
        });
        engine.commit();
        assertThat(opening).isNotDone();
        await(stage);
        assertThat(telling.get()).isSameAs(Thread.currentThread());
    }

    @EachCase("isPolled")
    void anotherThanTheOwnerIsRefused() throws Exception {
        await(opening(path)).close();
        try (AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            AtomicReference<@Nullable Throwable> refused = new AtomicReference<>();
            Thread other = Thread.ofPlatform().start(() -> {
                try {
                    assertThatThrownBy(() -> opening(path)).isInstanceOf(IllegalStateException.class);
                    assertThatThrownBy(() -> engine.closeAsync(file)).isInstanceOf(IllegalStateException.class);
                    assertThatThrownBy(() -> engine.attributesAsync(path)).isInstanceOf(IllegalStateException.class);
                    assertThatThrownBy(() -> engine.deleteAsync(path)).isInstanceOf(IllegalStateException.class);
                } catch (Throwable t) {
                    refused.set(t);
                }
            });
            other.join();
            assertThat(refused.get()).isNull();
            assertThat(file.isClosed()).isFalse();
        }
    }

    @EachCase
    void aMistakeInUseIsThrown() {
        assertThatThrownBy(() -> engine.openAsync(path, AioFile.Access.READ_ONLY, false, AioFile.Option.CREATE))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("CREATE");
    }

    @EachCase
    void anEngineThatIsClosedOpensNothing() {
        engine.close();
        failure(opening(path)).isInstanceOf(IllegalStateException.class).hasMessageContaining("closed");
        failure(engine.attributesAsync(path)).isInstanceOf(IllegalStateException.class).hasMessageContaining("closed");
        failure(engine.deleteAsync(path)).isInstanceOf(IllegalStateException.class).hasMessageContaining("closed");
    }

    /** It ends as any operation in flight: close waits for it, and it has its result. */
    @EachCase("!isPolled")
    void closeWaitsForWhatIsBeingOpened() {
        CompletableFuture<AioFile> opening = opening(path);
        engine.commit();
        engine.close();
        assertThat(opening).isDone();
        opening.join().close();
    }

    @EachCase
    void aCancelledOpenIsDoneAtOnce() {
        // For reading: an image that is being opened for writing is not opened twice.
        AioFile.Access access = AioFile.Access.READ_ONLY;
        CompletableFuture<AioFile> opening = engine.openAsync(path, access, setup.direct());
        CompletableFuture<Void> _ = opening.thenAccept(AioFile::close);
        if (opening.cancel(false)) {
            assertThat(opening).isCancelled();
        }
        engine.commit();
        await(engine.openAsync(path, access, setup.direct())).close();
        if (setup.isPolled()) {
            while (engine.statistics().inFlight() != 0) {
                int _ = engine.await(PATIENCE_NANOS);
            }
        }
        Eventually.until("all have been told", () -> engine.statistics().inFlight() == 0);
    }

    // Closing

    @EachCase
    void aFileIsClosed() {
        AioFile file = await(opening(path));
        CompletableFuture<@Nullable Void> closing = engine.closeAsync(file);
        assertThat(file.isClosed()).isTrue();
        assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block())))
                .isEqualTo(-Errno.EBADF);
        await(closing);
        assertThat(await(engine.closeAsync(file))).as("once more").isNull();
        file.close();
    }

    @EachCase("holdsUntilCommit")
    void closeWaitsForOperationsInFlight() {
        AioFile file = await(opening(path));
        Told told = new Told();
        List<String> order = new ArrayList<>();
        assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, (userData, result) -> {
            synchronized (order) {
                order.add("read " + result);
            }
            told.complete(userData, result);
        }, 1).addSegment(block()))).isZero();
        CompletableFuture<@Nullable Void> closing = engine.closeAsync(file);
        CompletableFuture<Void> noted = closing.thenAccept(_ -> {
            synchronized (order) {
                order.add("closed");
            }
        });
        assertThat(noted).isNotDone();
        await(noted);
        told.await(engine, 1);
        assertThat(order).containsExactlyInAnyOrder("read " + BLOCK, "closed");
    }

    /** A close that waits for users must leave them room. */
    @EachCase
    void theSmallestRingHasRoomForWhatACloseWaitsFor() throws IOException {
        try (AioEngine small = setup.open(AioEngineConfig.builder().depth(1).workers(1))) {
            AioFile file = await(small, small.openAsync(path, AioFile.Access.READ_WRITE, setup.direct()));
            Told told = new Told();
            for (int i = 0; i < 4; i++) {
                assertThat(small.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, i).addSegment(block())))
                        .isZero();
            }
            CompletableFuture<@Nullable Void> closing = small.closeAsync(file);
            small.commit();
            told.await(small, 4);
            if (small.statistics().inFlight() == 0) {
                // A thread closes it, where the ring has no place to wait in.
                closing.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join();
            } else {
                await(small, closing);
            }
        }
    }

    @EachCase
    void aFileOutlivesItsEngineAndIsClosedAllTheSame() {
        AioFile file = await(opening(path));
        engine.close();
        CompletableFuture<@Nullable Void> closing = engine.closeAsync(file);
        assertThat(file.isClosed()).isTrue();
        await(closing);
    }

    @EachCase
    void aFileOfAnotherFamilyIsRefused() throws IOException {
        Path other = Files.createTempFile("blkmq-aio", ".img");
        try (AioEngine another = AioEngines.open(setup.isMemory() ? "channel" : "memory", AioEngineConfig.defaults());
                AioFile file = another.open(other, AioFile.Access.READ_ONLY, false)) {
            assertThatThrownBy(() -> engine.closeAsync(file)).isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("family");
            assertThat(file.isClosed()).isFalse();
        } finally {
            Files.delete(other);
        }
    }

    // Attributes

    @EachCase("isWrittenThrough")
    void attributesAreThoseOfTheSystem() throws IOException {
        AioFileAttributes told = await(engine.attributesAsync(path));
        assertThat(told.size()).isEqualTo(FILE_BYTES);
        assertThat(told.isRegularFile()).isTrue();
        assertThat(told.isDirectory() || told.isOther() || told.isSymbolicLink()).isFalse();
        assertThat(told.permissions()).isEqualTo((int) Files.getAttribute(path, "unix:mode") & 07777);
        assertThat(told.links()).isEqualTo(Files.getAttribute(path, "unix:nlink"));
        assertThat(told.inode()).isEqualTo(Files.getAttribute(path, "unix:ino"));
        assertThat(told.uid()).isEqualTo(Files.getAttribute(path, "unix:uid"));
        assertThat(told.gid()).isEqualTo(Files.getAttribute(path, "unix:gid"));
        assertThat(told.lastModifiedTime()).isEqualTo(Files.getLastModifiedTime(path));
        assertThat(told.lastChangeTime()).isEqualTo(Files.getAttribute(path, "unix:ctime"));
        assertThat(told.creationTime()).isEqualTo(Files.getAttribute(path, "basic:creationTime"));
        assertThat(told.allocatedBytes()).isGreaterThanOrEqualTo(FILE_BYTES);
        assertThat(told.fileKey()).isEqualTo(await(engine.attributesAsync(path.toAbsolutePath())).fileKey());
        AioFileAttributes directory = await(engine.attributesAsync(Names.directoryOf(path)));
        assertThat(directory.isDirectory()).isTrue();
        assertThat(directory.fileKey()).isNotEqualTo(told.fileKey());
        failure(engine.attributesAsync(beside(".missing"))).isInstanceOf(NoSuchFileException.class)
                .hasMessageContaining(".missing");
    }

    @EachCase("isMemory")
    void attributesAreThoseOfTheFileInMemory() throws IOException {
        assertThat(await(engine.attributesAsync(path)).size()).isEqualTo(FILE_BYTES);
        try (AioFile file = await(opening(path))) {
            assertThat(file.setSize(BLOCK)).isZero();
            AioFileAttributes told = await(engine.attributesAsync(path));
            assertThat(told.size()).isEqualTo(BLOCK);
            assertThat(told.isRegularFile()).isTrue();
            assertThat(told.inode()).isEqualTo(-1);
            assertThat(told.fileKey()).isNull();
        }
        failure(engine.attributesAsync(beside(".missing"))).isInstanceOf(NoSuchFileException.class);
    }

    // Deleting

    @EachCase("isOfFileSystem")
    void aNameIsTakenAway() throws IOException {
        try (AioFile file = await(opening(path))) {
            await(engine.deleteAsync(path));
            assertThat(Files.exists(path)).isEqualTo(setup.isMemory());
            failure(opening(path)).isInstanceOf(NoSuchFileException.class);
            failure(engine.deleteAsync(path)).isInstanceOf(NoSuchFileException.class)
                    .hasMessageContaining(path.toString());
            assertThat(file.size()).as("of the open file").isEqualTo(FILE_BYTES);
        }
    }

    @EachCase("isWrittenThrough")
    void aDirectoryIsDeletedIfItIsEmpty() throws IOException {
        Path directory = Files.createDirectory(beside(".directory"));
        try {
            Path inside = Files.createFile(directory.resolve("file"));
            failure(engine.deleteAsync(directory)).isInstanceOf(FileSystemException.class)
                    .hasMessageContaining(directory.toString());
            Files.delete(inside);
            await(engine.deleteAsync(directory));
            assertThat(directory).doesNotExist();
        } finally {
            Files.deleteIfExists(directory);
        }
    }

    @EachCase("!isOfFileSystem")
    void anEngineWithoutNamesRefusesByName() {
        failure(engine.deleteAsync(path)).isInstanceOf(IOException.class).hasMessageContaining(engine.name());
        failure(engine.attributesAsync(path)).isInstanceOf(IOException.class).hasMessageContaining(engine.name());
    }
}
