package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.net.URI;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.ProviderMismatchException;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.IntUnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How files are opened, closed, looked at and deleted by a ring, and what becomes of what nobody waits for any more. */
@BesideOthers
class FileCallTest {

    private static final int BLOCK = 4096;
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(120);

    private static final Map<Integer, String> NAMES = Map.of(Uring.OP_STATX, "STATX", Uring.OP_OPENAT, "OPENAT",
            Uring.OP_CLOSE, "CLOSE", Uring.OP_UNLINKAT, "UNLINKAT", Uring.OP_FSYNC, "FSYNC", Uring.OP_POLL_ADD, "POLL",
            Uring.OP_READ, "READ", Uring.OP_READ_FIXED, "READ", Uring.OP_ASYNC_CANCEL, "CANCEL");

    private final Arena arena = Arena.ofShared();
    private Path path;

    @BeforeEach
    void make() throws IOException {
        path = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "call", ".img");
        Files.write(path, new byte[4 * BLOCK]);
    }

    @AfterEach
    void remove() throws IOException {
        Files.deleteIfExists(path);
        arena.close();
    }

    @SuppressWarnings("NullAway.Init")
    FileCallTest() {}

    /**
     * A ring of the kernel's that says which entries it is given, and may be told what to do with them. Entries of operations, by one
     * thread.
     */
    private static class WatchedRing extends Uring {
        private final List<String> entries = new ArrayList<>();
        /** By user data, results that the kernel would not give. */
        private final Map<Long, Integer> results = new HashMap<>();
        /** By opcode, what is done instead: the descriptor is given, and a result comes. */
        private final Map<Integer, IntUnaryOperator> instead = new HashMap<>();
        /** The opcode of entries that wait for this event; or -1. */
        private int hanging = -1;
        private int event = -1;
        /** Whether what ends is kept from the engine. */
        private boolean kept;

        WatchedRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        synchronized void put(long head, long offset, long address, long length, long userData, int place) {
            int opcode = (int) (head & 0xff);
            if (userData < 0) {
                super.put(head, offset, address, length, userData, place);
                return;
            }
            entries.add(NAMES.getOrDefault(opcode, "operation " + opcode));
            IntUnaryOperator other = instead.get(opcode);
            if (other != null) {
                results.put(userData, other.applyAsInt((int) (head >> 32)));
                super.put(head(OP_NOP, 0, -1), 0, 0, 0, userData, 0);
            } else if (opcode == hanging) {
                super.put(head(OP_POLL_ADD, 0, event), 0, 0, 1L << 32, userData, 0);
            } else {
                super.put(head, offset, address, length, userData, place);
            }
        }

        @Override
        synchronized int completionResult() {
            Integer other = results.remove(completionUserData());
            return other != null ? other : super.completionResult();
        }

        @Override
        int ready() {
            return kept ? 0 : super.ready();
        }

        synchronized List<String> entries() {
            List<String> copy = List.copyOf(entries);
            entries.clear();
            return copy;
        }

        /** What the kernel has posted. */
        int posted() {
            return super.ready();
        }
    }

    /** An engine over such a ring. */
    private record Watched(AioEngine engine, WatchedRing ring) implements AutoCloseable {
        static Watched open(CompletionMode mode) throws IOException {
            return open(mode, Set.of());
        }

        /** A kernel that lacks some opcodes. */
        static Watched open(CompletionMode mode, Set<Integer> missing) throws IOException {
            Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "io_uring is not available");
            AioEngineConfig config = AioEngineConfig.builder().depth(16).completionMode(mode).build();
            WatchedRing[] made = new WatchedRing[1];
            AioEngine engine = UringEngine.open(config, (fd, params) -> {
                WatchedRing ring = missing.isEmpty() ? new WatchedRing(fd, params) : new WatchedRing(fd, params) {
                    @Override
                    boolean[] supported() throws IOException {
                        boolean[] supported = super.supported();
                        missing.forEach(opcode -> supported[opcode] = false);
                        return supported;
                    }
                };
                made[0] = ring;
                return ring;
            }, UringEngine.wantedFlags(config));
            return new Watched(engine, made[0]);
        }

        CompletableFuture<AioFile> opening(Path path, AioFile.Option... options) {
            return engine.openAsync(path, AioFile.Access.READ_WRITE, false, options);
        }

        @Override
        public void close() {
            engine.close();
        }
    }

    private static <T extends @Nullable Object> T await(AioEngine engine, CompletableFuture<T> future) {
        engine.commit();
        if (engine.completionMode() == CompletionMode.POLLED) {
            while (!future.isDone()) {
                assertThat(engine.await(PATIENCE_NANOS)).as("completions").isPositive();
            }
        }
        return future.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join();
    }

    private static Throwable failure(AioEngine engine, CompletableFuture<?> future) {
        try {
            await(engine, future);
        } catch (CompletionException e) {
            return Objects.requireNonNull(e.getCause());
        }
        throw new AssertionError("did not fail");
    }

    private static void awaitIdle(AioEngine engine) {
        while (engine.completionMode() == CompletionMode.POLLED && engine.statistics().inFlight() != 0) {
            int _ = engine.await(PATIENCE_NANOS);
        }
        Eventually.until("nothing is in flight", () -> engine.statistics().inFlight() == 0);
    }

    /** How many descriptors of this process lead to a file. Its name is one that no other test has. */
    private static long descriptors(Path of) {
        String name = of.toAbsolutePath().normalize().toString();
        try (Stream<Path> links = Files.list(Path.of("/proc/self/fd"))) {
            return links.filter(link -> {
                try {
                    return Files.readSymbolicLink(link).toString().startsWith(name);
                } catch (IOException e) {
                    return false;
                }
            }).count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void noneIsLeft() {
        Eventually.until("no descriptor is left", () -> descriptors(path) == 0);
    }

    // By the ring

    private boolean isOnDisk() throws IOException {
        try (Arena temporary = Arena.ofConfined()) {
            return FileFacts.ofPath(PathName.of(path, temporary)).isOnDisk();
        }
    }

    @Test
    void eachStepIsAnEntryOfTheRing() throws IOException {
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            AioFile file = await(watched.engine, watched.opening(path));
            assertThat(watched.ring.entries()).isEqualTo(
                    isOnDisk() ? List.of("STATX", "OPENAT", "STATX") : List.of("STATX", "OPENAT", "STATX", "POLL"));
            await(watched.engine, watched.engine.attributesAsync(path));
            assertThat(watched.ring.entries()).containsExactly("STATX");
            await(watched.engine, watched.engine.closeAsync(file));
            assertThat(watched.ring.entries()).containsExactly("CLOSE");
            await(watched.engine, watched.engine.deleteAsync(path));
            assertThat(watched.ring.entries()).containsExactly("UNLINKAT", "OPENAT", "FSYNC", "CLOSE");
            noneIsLeft();
        }
    }

    @Test
    void aBatchIsOneSystemCall() throws IOException {
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            await(watched.engine, watched.opening(path)).close();
            List<CompletableFuture<AioFile>> all = new ArrayList<>();
            long before = watched.engine.statistics().systemCalls();
            for (int i = 0; i < 8; i++) {
                all.add(watched.opening(path));
            }
            assertThat(watched.engine.statistics().systemCalls()).isEqualTo(before);
            watched.engine.commit();
            assertThat(watched.engine.statistics().systemCalls()).isEqualTo(before + 1);
            all.forEach(each -> await(watched.engine, each).close());
            noneIsLeft();
        }
    }

    @Test
    void aDescriptorIsNotInherited() throws IOException {
        try (Watched watched = Watched.open(CompletionMode.POLLED);
                NativeFile file = (NativeFile) await(watched.engine, watched.opening(path))) {
            String flags = Files.readString(Path.of("/proc/self/fdinfo/" + file.fd())).lines()
                    .filter(line -> line.startsWith("flags:")).findFirst().orElseThrow();
            assertThat(Long.parseLong(flags.substring(6).strip(), 8) & FileCalls.O_CLOEXEC).isNotZero();
        }
    }

    /** What would ask a server, or cut a file, is no step of the ring: a thread does it, and the ring waits for that. */
    @Test
    void whatMayBlockIsDoneByAThread() throws IOException {
        try (Watched watched = Watched.open(CompletionMode.POLLED);
                AioFile file = await(watched.engine, watched.opening(path, AioFile.Option.TRUNCATE_EXISTING))) {
            assertThat(watched.ring.entries()).containsExactly("STATX", "OPENAT", "STATX", "POLL");
            assertThat(file.size()).isZero();
        }
    }

    @Test
    void aFileThatGoesBetweenTheLookAndTheOpenIsMade() throws IOException {
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            boolean[] once = {true};
            watched.ring.instead.put(Uring.OP_OPENAT, _ -> {
                watched.ring.instead.clear();
                assertThat(once[0]).isTrue();
                once[0] = false;
                return -Errno.ENOENT;
            });
            await(watched.engine, watched.opening(path, AioFile.Option.CREATE)).close();
            assertThat(watched.ring.entries()).startsWith("STATX", "OPENAT", "STATX", "OPENAT", "STATX");
        }
    }

    /** Of the names that the process's locale cannot tell the JDK asks the system: that is not for a thread that may not block. */
    @ParameterizedTest
    @EnumSource
    void aNameThatNoTextHasIsThatOfTheFile(CompletionMode mode) throws IOException {
        Path odd = Path.of(URI.create(path.toUri() + "%ff%e4"));
        try (Arena temporary = Arena.ofConfined()) {
            int made = FileCalls.open(PathName.of(odd, temporary), FileCalls.O_CREAT | FileCalls.O_RDWR);
            assertThat(made).isNotNegative();
            FileCalls.close(made);
        }
        try (Watched watched = Watched.open(mode)) {
            Thread agent = mode == CompletionMode.AGENT ? AgentThread.run(watched.engine) : null;
            AioFile file = await(watched.engine, watched.opening(odd));
            assertThat(file.size()).isZero();
            assertThat(await(watched.engine, watched.engine.attributesAsync(odd)).inode())
                    .isEqualTo(Files.getAttribute(odd, "unix:ino"));
            await(watched.engine, watched.engine.closeAsync(file));
            await(watched.engine, watched.engine.deleteAsync(odd));
            assertThat(odd).doesNotExist();
            assertThat(agent == null || agent.isAlive()).isTrue();
        } finally {
            Files.deleteIfExists(odd);
        }
    }

    @Test
    void aNameInUtf8IsTold() throws IOException {
        Setup.skipIf(!"UTF-8".equals(System.getProperty("sun.jnu.encoding")), "names are not in UTF-8");
        Path named = Files.createFile(path.resolveSibling(path.getFileName() + "-\u00e4\u20ac"));
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            await(watched.engine, watched.opening(named)).close();
            assertThat(watched.ring.entries()).startsWith("STATX");
            await(watched.engine, watched.engine.deleteAsync(named));
            assertThat(named).doesNotExist();
        } finally {
            Files.deleteIfExists(named);
        }
    }

    @Test
    @Timeout(120)
    void aPipeIsRefusedAndNotWaitedFor() throws Exception {
        Path pipe = path.resolveSibling(path.getFileName() + ".pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            assertThat(failure(watched.engine, watched.opening(pipe))).isInstanceOf(FileSystemException.class)
                    .hasMessageContaining("neither a regular file nor a block device");
            assertThat(watched.ring.entries()).containsExactly("STATX");
        } finally {
            Files.delete(pipe);
        }
    }

    @Test
    void aPathOfAnotherProviderIsThrown() throws IOException {
        Path zip = path.resolveSibling(path.getFileName() + ".zip");
        try (var files = java.nio.file.FileSystems.newFileSystem(URI.create("jar:" + zip.toUri()),
                Map.of("create", "true")); Watched watched = Watched.open(CompletionMode.POLLED)) {
            assertThatThrownBy(() -> watched.opening(files.getPath("x"))).isInstanceOf(ProviderMismatchException.class);
            assertThatThrownBy(() -> watched.engine.attributesAsync(files.getPath("x")))
                    .isInstanceOf(ProviderMismatchException.class);
        } finally {
            Files.deleteIfExists(zip);
        }
    }

    // Where the ring cannot

    private void allOf(Watched watched) throws IOException {
        AioFile file = await(watched.engine, watched.opening(path));
        assertThat(file.size()).isEqualTo(4 * BLOCK);
        assertThat(await(watched.engine, watched.engine.attributesAsync(path)).size()).isEqualTo(4 * BLOCK);
        await(watched.engine, watched.engine.closeAsync(file));
        await(watched.engine, watched.engine.deleteAsync(path));
        assertThat(path).doesNotExist();
        assertThat(failure(watched.engine, watched.opening(path))).isInstanceOf(NoSuchFileException.class);
        noneIsLeft();
        awaitIdle(watched.engine);
    }

    @ParameterizedTest
    @EnumSource(names = "AGENT", mode = EnumSource.Mode.EXCLUDE)
    void whatTheKernelHasNoEntryForAThreadDoes(CompletionMode mode) throws IOException {
        try (Watched watched = Watched.open(mode,
                Set.of(Uring.OP_STATX, Uring.OP_OPENAT, Uring.OP_CLOSE, Uring.OP_UNLINKAT))) {
            allOf(watched);
            assertThat(watched.ring.entries()).containsOnly("POLL");
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {Errno.EINVAL, Errno.EOPNOTSUPP})
    void whatTheKernelRefusesAThreadDoes(int errno) throws IOException {
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            for (int opcode : new int[]{Uring.OP_STATX, Uring.OP_CLOSE, Uring.OP_UNLINKAT}) {
                watched.ring.instead.put(opcode, _ -> -errno);
            }
            allOf(watched);
        }
    }

    /** Such a ring waits for its device alone. */
    @Test
    void aRingThatAsksTheDeviceLeavesAllToThreads() throws IOException {
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "io_uring is not available");
        try (AioEngine engine = AioEngines.open("io_uring",
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).completionPolling(true).build())) {
            CompletableFuture<AioFile> opening = engine.openAsync(path, AioFile.Access.READ_WRITE, false);
            engine.commit();
            while (engine.statistics().inFlight() != 0) {
                int _ = engine.poll();
            }
            AioFile file = opening.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join();
            CompletableFuture<@Nullable Void> closing = engine.closeAsync(file);
            engine.commit();
            while (engine.statistics().inFlight() != 0) {
                int _ = engine.poll();
            }
            assertThat(closing.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join()).isNull();
            noneIsLeft();
        }
    }

    // What nobody waits for

    /** Polls until the ring has been given its last entry, and the kernel has answered it, which is kept from the engine. */
    private static void keepAnswerTo(Watched watched, int entries) {
        watched.engine.commit();
        int given = watched.ring.entries().size();
        while (given < entries) {
            int _ = watched.engine.poll();
            given += watched.ring.entries().size();
        }
        watched.ring.kept = true;
        watched.engine.commit();
        Eventually.until("the kernel has answered", () -> {
            if (watched.ring.posted() == 0) {
                watched.ring.enter(0, 0, Uring.ENTER_GETEVENTS);
            }
            return watched.ring.posted() > 0;
        });
    }

    /** The kernel has opened the file, and the engine does not know yet; or the engine is about to have the file. */
    @ParameterizedTest
    @ValueSource(ints = {2, 3})
    void whatIsOpenedAfterItWasCancelledIsClosed(int entries) throws IOException {
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            CompletableFuture<AioFile> opening = watched.opening(path);
            keepAnswerTo(watched, entries);
            assertThat(descriptors(path)).isEqualTo(1);
            assertThat(opening.cancel(false)).isTrue();
            assertThat(opening).as("at once").isCancelled();
            watched.ring.kept = false;
            awaitIdle(watched.engine);
            noneIsLeft();
        }
    }

    /** The engine hears of no cancellation, and has a file that nobody wants. */
    @Test
    void whatIsOpenedAfterAnotherHasCompletedTheFutureIsClosed() throws IOException {
        try (Watched watched = Watched.open(CompletionMode.REAPER)) {
            watched.ring.hanging = Uring.OP_STATX;
            WakeEvent event = WakeEvent.open();
            watched.ring.event = event.fd();
            CompletableFuture<AioFile> opening = watched.opening(path);
            watched.engine.commit();
            assertThatThrownBy(() -> opening.orTimeout(1, TimeUnit.NANOSECONDS).join())
                    .hasCauseInstanceOf(TimeoutException.class);
            awaitIdle(watched.engine);
            noneIsLeft();
            event.close();
        }
    }

    @ParameterizedTest
    @EnumSource(names = "AGENT", mode = EnumSource.Mode.EXCLUDE)
    @Timeout(120)
    void anEndThatMayNotWaitEndsWhatIsBeingOpened(CompletionMode mode) throws IOException {
        WakeEvent event = WakeEvent.open();
        try (Watched watched = Watched.open(mode)) {
            watched.ring.hanging = Uring.OP_STATX;
            watched.ring.event = event.fd();
            CompletableFuture<AioFile> opening = watched.opening(path);
            watched.engine.commit();
            boolean _ = watched.engine.closeWithin(1);
            watched.engine.close();
            assertThatThrownBy(opening::join).cause().isInstanceOf(AioException.class).hasMessageContaining("ECANCELED")
                    .hasMessageContaining(path.toString());
            noneIsLeft();
        } finally {
            event.close();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio", "channel", "memory", "null"})
    @Timeout(300)
    void whateverIsCancelledLeavesNothingOpen(String name) throws IOException {
        Setup.skipIf(AioEngines.find(name).unavailable().isPresent(), name + " is not available");
        Random random = new Random(RandomSeed.next(FileCallTest.class));
        List<CompletableFuture<AsyncFile>> all = new ArrayList<>();
        try (AioEngine engine = AioEngines.open(name, AioEngineConfig.builder().depth(8).build())) {
            for (int i = 0; i < 200; i++) {
                CompletableFuture<AsyncFile> opening = AsyncFile.openAsync(engine, path, AioFile.Access.READ_WRITE,
                        false);
                all.add(opening);
                for (int spins = random.nextInt(200) * random.nextInt(200); spins > 0; spins--) {
                    Thread.onSpinWait();
                }
                CompletableFuture<AsyncFile> some = all.get(random.nextInt(all.size()));
                boolean _ = some.cancel(false);
            }
            for (CompletableFuture<AsyncFile> each : all) {
                CompletableFuture<?> closed = each.exceptionally(_ -> null).thenCompose(
                        file -> file == null ? CompletableFuture.completedFuture(null) : file.closeAsync());
                assertThat(closed.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join()).isNull();
            }
        }
        noneIsLeft();
    }

    // The end of a file

    @Test
    @Timeout(120)
    void aFileIsClosedWhenItsLastOperationHasEnded() throws IOException {
        WakeEvent event = WakeEvent.open();
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            AioFile file = await(watched.engine, watched.opening(path));
            watched.ring.entries();
            watched.ring.hanging = Uring.OP_READ;
            watched.ring.event = event.fd();
            Told told = new Told();
            assertThat(watched.engine.submit(
                    Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK, BLOCK))))
                    .isZero();
            CompletableFuture<@Nullable Void> closing = watched.engine.closeAsync(file);
            watched.engine.commit();
            int _ = watched.engine.poll();
            assertThat(closing).isNotDone();
            assertThat(descriptors(path)).isEqualTo(1);
            watched.ring.hanging = -1;
            event.raise();
            await(watched.engine, closing);
            assertThat(told.results).containsEntry(1L, (long) BLOCK);
            // The first has read one byte.
            assertThat(watched.ring.entries()).containsExactly("READ", "POLL", "READ", "CLOSE");
            assertThat(descriptors(path)).isZero();
        } finally {
            event.close();
        }
    }

    /** Whoever used it last is no thread of the engine's. */
    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio", "channel", "memory", "null"})
    @Timeout(120)
    void aUserThatIsNoOperationIsWaitedForToo(String name) throws Exception {
        Setup.skipIf(AioEngines.find(name).unavailable().isPresent(), name + " is not available");
        for (CompletionMode mode : List.of(CompletionMode.POLLED, CompletionMode.REAPER)) {
            try (AioEngine engine = AioEngines.open(name, AioEngineConfig.builder().completionMode(mode).build())) {
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false);
                assertThat(file.acquire()).isTrue();
                CompletableFuture<@Nullable Void> closing = engine.closeAsync(file);
                engine.commit();
                int _ = engine.poll();
                assertThat(closing).isNotDone();
                Thread.ofPlatform().start(file::release).join();
                await(engine, closing);
                noneIsLeft();
            }
        }
    }

    /** The end of the engine waits for the file, and may not: then it is closed by its last user. */
    @Test
    @Timeout(120)
    void aFileWhoseEngineCannotWaitForItIsClosedByItsLastUser() throws IOException {
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            AioFile file = await(watched.engine, watched.opening(path));
            assertThat(file.acquire()).isTrue();
            CompletableFuture<@Nullable Void> closing = watched.engine.closeAsync(file);
            watched.engine.commit();
            boolean _ = watched.engine.closeWithin(1);
            watched.engine.close();
            assertThat(closing).isNotDone();
            assertThat(descriptors(path)).isEqualTo(1);
            file.release();
            assertThat(closing.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join()).isNull();
            noneIsLeft();
        }
    }

    @Test
    void aLockIsGivenUpByAThread() throws IOException {
        try (Watched watched = Watched.open(CompletionMode.POLLED);
                AioFile other = watched.engine.open(path, AioFile.Access.READ_WRITE, false)) {
            AioFile file = await(watched.engine, watched.opening(path));
            assertThat(file.tryLock(true)).isTrue();
            assertThat(other.tryLock(true)).isFalse();
            watched.ring.entries();
            await(watched.engine, watched.engine.closeAsync(file));
            assertThat(watched.ring.entries()).containsExactly("POLL");
            assertThat(other.tryLock(true)).isTrue();
        }
    }

    /** A number that has been given back may be another file's: it is not closed twice, whatever the ring says. */
    @ParameterizedTest
    @ValueSource(ints = {Errno.EINTR, Errno.EAGAIN, Errno.ECANCELED, Errno.EINVAL})
    void aDescriptorIsClosedOnce(int errno) throws IOException {
        Path another = Files.createTempFile(Names.directoryOf(path), "call", ".other");
        int[] number = {-1};
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            AioFile file = await(watched.engine, watched.opening(path));
            watched.ring.instead.put(Uring.OP_CLOSE, fd -> {
                FileCalls.close(fd);
                try (Arena temporary = Arena.ofConfined()) {
                    number[0] = FileCalls.open(PathName.of(another, temporary), FileCalls.O_CLOEXEC);
                }
                return -errno;
            });
            watched.ring.entries();
            CompletableFuture<@Nullable Void> closing = watched.engine.closeAsync(file);
            if (errno == Errno.EINTR || errno == Errno.EAGAIN) {
                assertThat(failure(watched.engine, closing)).hasMessageContaining(Errno.name(errno));
            } else {
                await(watched.engine, closing);
            }
            assertThat(watched.ring.entries()).containsOnlyOnce("CLOSE");
            assertThat(descriptors(another)).as("of another file").isEqualTo(1);
            noneIsLeft();
        } finally {
            FileCalls.close(number[0]);
            Files.delete(another);
        }
    }

    /** The thread that rang has ended before the kernel came to it. */
    @Test
    void aDescriptorThatTheRingHasNotClosedIsClosed() throws IOException {
        try (Watched watched = Watched.open(CompletionMode.POLLED)) {
            AioFile file = await(watched.engine, watched.opening(path));
            watched.ring.instead.put(Uring.OP_CLOSE, _ -> -Errno.ECANCELED);
            await(watched.engine, watched.engine.closeAsync(file));
            assertThat(descriptors(path)).isZero();
        }
    }

    @Test
    void aFileIsClosedWhereThereIsNoRoom() throws IOException {
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).inFlightMax(1).depth(1)
                .build();
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "io_uring is not available");
        try (AioEngine engine = AioEngines.open("io_uring", config);
                AioFile other = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false);
            Told told = new Told();
            assertThat(engine.submit(
                    Kiocb.withSegments(1).prepareRead(other, 0, told, 1).addSegment(arena.allocate(BLOCK, BLOCK))))
                    .isZero();
            assertThatThrownBy(() -> engine.openAsync(path, AioFile.Access.READ_ONLY, false).join()).cause()
                    .isInstanceOf(AioException.class).hasMessageContaining("EAGAIN");
            CompletableFuture<@Nullable Void> closing = engine.closeAsync(file);
            assertThat(closing.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join()).isNull();
            told.await(engine, 1);
        }
        noneIsLeft();
    }

    /** A close of another thread that comes at the same time. */
    @Test
    @Timeout(300)
    void oneOfTwoThatCloseClosesIt() throws Exception {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults())) {
            for (int i = 0; i < 500; i++) {
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false);
                assertThat(file.acquire()).isTrue();
                Thread closer = Thread.ofPlatform().start(file::close);
                Thread user = Thread.ofPlatform().start(file::release);
                CompletableFuture<@Nullable Void> closing = engine.closeAsync(file);
                engine.commit();
                closer.join();
                user.join();
                assertThat(closing.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join()).isNull();
            }
        }
        noneIsLeft();
    }

    // libaio

    /** Before Linux 4.19 it waits for no event: then the thread tells. */
    @ParameterizedTest
    @EnumSource(names = "AGENT", mode = EnumSource.Mode.EXCLUDE)
    void aKernelThatWaitsForNoEventLeavesTheEndToTheThread(CompletionMode mode) throws IOException {
        Setup.skipIf(AioEngines.find("libaio").unavailable().isPresent(), "libaio is not available");
        AioEngineConfig config = AioEngineConfig.builder().completionMode(mode).build();
        try (AioEngine engine = LibaioEngine.open(config, (context, slots) -> new AioContext(context, slots) {
            @Override
            void prepare(int slot, short command, int descriptor, long address, long count, long offset, int rwFlags) {
                super.prepare(slot, command == CMD_POLL ? 99 : command, descriptor, address, count, offset, rwFlags);
            }
        })) {
            CompletableFuture<AioFile> opening = engine.openAsync(path, AioFile.Access.READ_WRITE, false);
            engine.commit();
            awaitIdle(engine);
            AioFile file = opening.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join();
            CompletableFuture<@Nullable Void> closing = engine.closeAsync(file);
            engine.commit();
            awaitIdle(engine);
            assertThat(closing.orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join()).isNull();
            noneIsLeft();
        }
    }

    // The fronts

    @Test
    void theSharedEngineOpensLooksAndDeletes() {
        AsyncFile file = AioFiles.openAsync(path, StandardOpenOption.READ, StandardOpenOption.WRITE)
                .orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join();
        assertThat(AioFiles.attributesAsync(path).join().size()).isEqualTo(4 * BLOCK);
        assertThat(file.closeAsync().orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join()).isNull();
        assertThat(file.closeAsync().join()).as("once more").isNull();
        file.close();
        assertThat(AioFiles.deleteAsync(path).join()).isNull();
        assertThat(path).doesNotExist();
        assertThatThrownBy(() -> AioFiles.openAsync(path).join()).cause().isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> AioFiles.openAsync(path, StandardOpenOption.DELETE_ON_CLOSE))
                .isInstanceOf(UnsupportedOperationException.class);
        noneIsLeft();
    }

    @Test
    void aFileForAllThreadsNeedsAnotherModeThanPolled() throws IOException {
        try (AioEngine engine = AioEngines.open("memory",
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build())) {
            assertThatThrownBy(() -> AsyncFile.openAsync(engine, path, AioFile.Access.READ_ONLY, false))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    /** An engine that somebody else has written knows nothing of such calls. */
    @Test
    void anEngineOfOthersHasThemByThreads() throws IOException {
        try (AioEngine real = AioEngines.open("channel", AioEngineConfig.defaults())) {
            Set<String> defaults = Set.of("openAsync", "closeAsync", "attributesAsync", "deleteAsync");
            AioEngine engine = (AioEngine) Proxy.newProxyInstance(AioEngine.class.getClassLoader(),
                    new Class<?>[]{AioEngine.class},
                    (proxy, method, arguments) -> defaults.contains(method.getName())
                            ? InvocationHandler.invokeDefault(proxy, method, arguments)
                            : method.invoke(real, arguments));
            AioFile file = engine.openAsync(path, AioFile.Access.READ_WRITE, false).join();
            assertThat(engine.attributesAsync(path).join().size()).isEqualTo(4 * BLOCK);
            assertThat(engine.closeAsync(file).join()).isNull();
            assertThat(file.isClosed()).isTrue();
            assertThat(engine.deleteAsync(path).join()).isNull();
            assertThatThrownBy(() -> engine.deleteAsync(path).join()).hasCauseInstanceOf(Exception.class);
            assertThatThrownBy(() -> engine.openAsync(path, AioFile.Access.READ_ONLY, false, AioFile.Option.CREATE))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }
}
