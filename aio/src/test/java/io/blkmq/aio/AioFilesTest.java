package io.blkmq.aio;

import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.DELETE_ON_CLOSE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.TRUNCATE_EXISTING;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.Eventually;
import java.util.concurrent.FutureTask;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.CompletionHandler;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.FileLockInterruptionException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the tables of calls cannot say of the channels of files: threads, locks of others, engines. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class AioFilesTest {
    private static final int BLOCK = 4096;

    private Path path;
    /** A file of drivers. */
    private Path array;

    @SuppressWarnings("NullAway.Init")
    AioFilesTest() {}

    @BeforeEach
    void make() throws IOException {
        path = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "blkmq-files", ".img");
        array = ArrayDriver.make(new byte[BLOCK]);
    }

    @AfterEach
    void remove() throws IOException {
        boolean _ = Files.deleteIfExists(path);
        ArrayDriver.remove(array);
    }

    private static ByteBuffer aligned(int bytes) {
        return ByteBuffer.allocateDirect(bytes + BLOCK).alignedSlice(BLOCK).slice(0, bytes);
    }

    /** Until so many operations are in flight, which stay so until the test ends them. */
    private static void awaitInFlight(HeldDriver driver, int operations) {
        Eventually.until(operations + " operations are with the driver", () -> driver.held() == operations);
    }

    // Engines.

    /** As the JDK's channel does; the address may be another's memory by now. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aBufferOfAClosedArenaIsRefused(boolean virtual) throws Exception {
        byte[] before = Files.readAllBytes(path);
        ByteBuffer closed;
        try (Arena brief = Arena.ofShared()) {
            closed = brief.allocate(4096, 4096).asByteBuffer();
        }
        try (FileChannel channel = AioFiles.openChannel(path, READ, WRITE)) {
            FutureTask<Void> use = new FutureTask<>(() -> {
                assertThatThrownBy(() -> channel.write(closed, 0)).isInstanceOf(IllegalStateException.class)
                        .hasMessage("Already closed");
                assertThatThrownBy(() -> channel.read(closed, 0)).isInstanceOf(IllegalStateException.class)
                        .hasMessage("Already closed");
                return null;
            });
            (virtual ? Thread.ofVirtual() : Thread.ofPlatform()).start(use).join();
            use.get();
        }
        assertThat(path).hasBinaryContent(before);
    }

    @Test
    void channelsWithoutAnEngineShareOne() throws Exception {
        String expected = AioEngines.find("io_uring").unavailable().isEmpty() ? "by io_uring" : "by channel";
        try (FileChannel one = AioFiles.openChannel(path, READ, WRITE);
                FileChannel other = AioFiles.openChannel(path, Set.of(READ));
                AsyncFile file = AioFiles.open(path, READ)) {
            assertThat(one.toString()).contains(expected);
            assertThat(AioFiles.engineFor(path, false)).isSameAs(AioFiles.engineFor(Path.of("other"), false));
            assertThat(one.write(ByteBuffer.wrap(new byte[]{1, 2, 3}))).isEqualTo(3);
            assertThat(other.size()).isEqualTo(3);
            assertThat(file.size()).isEqualTo(3);
        }
    }

    /** As when the kernel has refused its ring for good. */
    @Test
    void anEngineThatTakesNothingMoreIsReplaced() throws Exception {
        SharedEngine shared = new SharedEngine("null");
        SharedEngine alike = new SharedEngine("null", "channel");
        AioEngine first = shared.open();
        assertThat(shared.open()).isSameAs(first);
        assertThat(alike.open()).as("one of a kind").isSameAs(first);
        first.close();
        AioEngine second = alike.open();
        assertThat(second).isNotSameAs(first).matches(AioEngine::isOpen);
        assertThat(SharedEngine.isShared(first)).isFalse();
        assertThat(shared.open()).isSameAs(second);
        assertThat(SharedEngine.isShared(second)).isTrue();
    }

    @Test
    void aPathOfAnotherProviderGetsTheEngineOfThreads() throws Exception {
        Path zip = path.resolveSibling(path.getFileName() + ".zip");
        try (FileSystem files = FileSystems.newFileSystem(URI.create("jar:" + zip.toUri()), Map.of("create", "true"))) {
            Path entry = Files.write(files.getPath("/entry"), new byte[]{1, 2, 3});
            try (FileChannel channel = AioFiles.openChannel(entry, READ)) {
                ByteBuffer found = ByteBuffer.allocate(10);
                assertThat(channel.read(found, 1)).isEqualTo(2);
                assertThat(channel.toString()).contains("by channel");
                assertThatExceptionOfType(UnsupportedOperationException.class)
                        .isThrownBy(() -> channel.lock(0, 1, true)).withMessageContaining("cannot be locked");
            }
        } finally {
            boolean _ = Files.deleteIfExists(zip);
        }
    }

    @Test
    void anEngineThatBelongsToAThreadIsRefused() throws Exception {
        try (AioEngine polled = AioEngines.open("channel",
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build())) {
            assertThatIllegalArgumentException().isThrownBy(() -> AioFiles.openChannel(polled, path, READ))
                    .withMessageContaining("polled");
        }
    }

    @Test
    void inACompletionOfTheEngineAChannelIsRefusedBecauseItWouldWait() throws Exception {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                FileChannel channel = AioFiles.openChannel(engine, path, READ, WRITE);
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            CompletableFuture<Throwable> told = new CompletableFuture<>();
            engine.submitOrThrow(Kiocb.withSegments(1).prepareSync(file, true, (_, _) -> {
                try {
                    told.completeExceptionally(new AssertionError("read " + channel.read(ByteBuffer.allocate(1))));
                } catch (Throwable t) {
                    told.complete(t);
                }
            }, 0));
            engine.commit();
            assertThat(told.get(120, TimeUnit.SECONDS)).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("an operation on a channel inside a completion");
            assertThat(channel.isOpen()).isTrue();
        }
    }

    // Channels of a file that is open.

    @Test
    void aChannelOfAFileLeavesItOpenAndFailsOnceItIsClosed() throws Exception {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults())) {
            AsyncFile file = AsyncFile.open(engine, path, AioFile.Access.READ_WRITE, false);
            FileChannel channel = file.openChannel();
            try (FileChannel appending = file.openChannel(APPEND); FileChannel reading = file.openChannel(READ)) {
                assertThat(appending.write(ByteBuffer.wrap(new byte[]{1, 2, 3}))).isEqualTo(3);
                assertThat(reading.read(ByteBuffer.allocate(10))).isEqualTo(3);
                assertThat(appending.lock().isValid()).isTrue();
            }
            assertThat(channel.size()).isEqualTo(3);
            assertThat(channel.tryLock()).as("its locks went with the other channel").isNotNull();
            try (AsynchronousFileChannel async = file.openAsynchronousChannel(Runnable::run, READ)) {
                assertThat(async.read(ByteBuffer.allocate(10), 1).get()).isEqualTo(2);
            }
            file.close();
            assertThatThrownBy(() -> channel.read(ByteBuffer.allocate(1))).isInstanceOf(IOException.class)
                    .hasMessageContaining(path.toString());
            assertThatThrownBy(channel::size).isInstanceOf(IOException.class).hasMessageContaining("is closed");
            assertThat(channel.isOpen()).isTrue();
            channel.close();
        }
    }

    @Test
    void aChannelOfAFileMayDoWhatTheFileIsOpenFor() throws Exception {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                AsyncFile file = AsyncFile.open(engine, path, AioFile.Access.READ_ONLY, false)) {
            assertThatIllegalArgumentException().isThrownBy(() -> file.openChannel(WRITE))
                    .withMessageContaining("reading only");
            assertThatIllegalArgumentException().isThrownBy(() -> file.openChannel(READ, APPEND))
                    .withMessageContaining("READ and APPEND");
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> file.openChannel(READ, TRUNCATE_EXISTING))
                    .withMessageContaining("TRUNCATE_EXISTING").withMessageContaining("READ, WRITE and APPEND");
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> file.openAsynchronousChannel(Runnable::run, APPEND))
                    .withMessageContaining("APPEND");
            assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(() -> AioFiles.open(path, APPEND))
                    .withMessageContaining("AsyncFile.append");
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> AioFiles.open(path, WRITE, DELETE_ON_CLOSE))
                    .withMessageContaining("DELETE_ON_CLOSE");
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> AioFiles.open(engine, path, WRITE, DELETE_ON_CLOSE))
                    .withMessageContaining("DELETE_ON_CLOSE");
        }
    }

    // Interrupts and close.

    @Test
    void anInterruptClosesTheChannelAndNoOther() throws Exception {
        HeldDriver driver = new HeldDriver(0);
        try (AioEngine engine = AioEngines.drive(driver, AioEngineConfig.defaults());
                FileChannel channel = AioFiles.openChannel(engine, array, READ, WRITE);
                FileChannel other = AioFiles.openChannel(engine, array, READ, WRITE)) {
            Eventually.Worker<Boolean> reader = Eventually.call(() -> {
                assertThatExceptionOfType(ClosedByInterruptException.class)
                        .isThrownBy(() -> channel.read(ByteBuffer.allocate(10)));
                return Thread.interrupted();
            });
            awaitInFlight(driver, 1);
            reader.thread().interrupt();
            assertThat(channel.isOpen()).isFalse();
            assertThat(reader.isDone()).as("the memory is the engine's until the operation ends").isFalse();
            driver.end(10);
            assertThat(reader.join()).as("the interrupt is kept").isTrue();
            Eventually.Worker<Integer> writer = Eventually.call(() -> other.write(ByteBuffer.allocate(3), 0));
            awaitInFlight(driver, 1);
            driver.end(3);
            assertThat(writer.join()).isEqualTo(3);
        }
    }

    @Test
    @SuppressWarnings("try") // closing is what it is about
    void aCloseEndsTheOperationsOfOtherThreads() throws Exception {
        HeldDriver driver = new HeldDriver(0);
        try (AioEngine engine = AioEngines.drive(driver, AioEngineConfig.defaults());
                FileChannel channel = AioFiles.openChannel(engine, array, READ, WRITE)) {
            Eventually.Worker<Boolean> first = Eventually.start(() -> channel.read(ByteBuffer.allocate(10)));
            awaitInFlight(driver, 1);
            Eventually.Worker<Boolean> behind = Eventually.start(() -> channel.write(ByteBuffer.allocate(10)));
            // For the position, which the first has.
            Eventually.waitsIn(behind.thread(), AioFileChannel.class);
            Eventually.Worker<Boolean> beside = Eventually.start(() -> channel.read(ByteBuffer.allocate(10), 5));
            awaitInFlight(driver, 2);
            channel.close();
            List<Eventually.Worker<Boolean>> workers = List.of(first, behind, beside);
            assertThat(workers).as("the memory is the engine's until the operations end")
                    .noneMatch(Eventually.Worker::isDone);
            // At the end of the file: who has got bytes would be told them.
            driver.end(0);
            driver.end(0);
            assertThat(workers.get(0).failure()).isInstanceOf(AsynchronousCloseException.class);
            assertThat(workers.get(1).failure()).isInstanceOf(AsynchronousCloseException.class);
            assertThat(workers.get(2).failure()).isInstanceOf(AsynchronousCloseException.class);
        }
    }

    @Test
    void manyVirtualThreadsUseAChannel() throws Exception {
        try (AioEngine engine = AioEngines.openFirst(AioEngineConfig.defaults(), "io_uring", "channel");
                FileChannel channel = AioFiles.openChannel(engine, path, READ, WRITE, AioOpenOption.DIRECT)) {
            Eventually.together(200, true, number -> {
                ByteBuffer mine = ByteBuffer.allocate(50);
                mine.putInt(0, number);
                assertThat(channel.write(mine, 50L * number)).isEqualTo(50);
                assertThat(channel.read(mine.clear(), 50L * number)).isEqualTo(50);
                assertThat(mine.getInt(0)).isEqualTo(number);
            });
            assertThat(channel.size()).isEqualTo(200 * 50);
        }
    }

    // Locks.

    @Test
    @SuppressWarnings("try") // closing is what it is about
    void aLockKeepsOtherProcessesOutAndWaitsForTheirs() throws Exception {
        Setup.skipIf(NativeAccess.refusal() != null, "locks need the C library");
        try (FileChannel channel = AioFiles.openChannel(path, READ, WRITE);
                LockingProcess other = new LockingProcess(path)) {
            FileLock mine = channel.lock(10, 10, false);
            assertThat(other.ask("try 15 1")).isEqualTo("refused");
            assertThat(other.ask("try 20 5")).isEqualTo("locked");
            assertThat(channel.tryLock(24, 1, false)).isNull();
            assertThat(channel.tryLock(24, 1, true)).isNull();
            Eventually.Worker<FileLock> waiting = Eventually.call(() -> channel.lock(24, 100, false));
            Eventually.waitsIn(waiting.thread(), AioFileChannel.class);
            assertThat(waiting.isDone()).isFalse();
            assertThat(other.ask("release")).isEqualTo("released");
            assertThat(waiting.join().isValid()).isTrue();
            mine.release();
            assertThat(other.ask("try 15 1")).isEqualTo("locked");
            assertThat(other.ask("try 30 1")).isEqualTo("refused");
            channel.close();
            assertThat(other.ask("try 30 1")).isEqualTo("locked");
        }
    }

    @Test
    void whoWaitsForALockIsEndedByCloseAndByInterrupt() throws Exception {
        Setup.skipIf(NativeAccess.refusal() != null, "locks need the C library");
        try (LockingProcess other = new LockingProcess(path);
                FileChannel open = AioFiles.openChannel(path, READ, WRITE)) {
            assertThat(other.ask("try 0 100")).isEqualTo("locked");
            FileChannel closed = AioFiles.openChannel(path, READ, WRITE);
            Eventually.Worker<FileLock> first = Eventually.call(() -> closed.lock(0, 5, false));
            FileChannel interrupted = AioFiles.openChannel(path, READ, WRITE);
            Eventually.Worker<FileLock> second = Eventually.call(() -> interrupted.lock(5, 5, false));
            AsynchronousFileChannel async = AioFiles.openAsynchronousChannel(path, READ, WRITE);
            Future<FileLock> third = async.lock(10, 5, false);
            Eventually.waitsIn(first.thread(), AioFileChannel.class);
            Eventually.waitsIn(second.thread(), AioFileChannel.class);
            assertThat(third.isDone()).isFalse();
            second.thread().interrupt();
            assertThat(second.failure()).isInstanceOf(FileLockInterruptionException.class);
            assertThat(interrupted.isOpen()).isFalse();
            assertThat(third.cancel(false)).isTrue();
            assertThat(third.isCancelled()).isTrue();
            Future<FileLock> fourth = async.lock(10, 5, false);
            async.close();
            assertThatExceptionOfType(ExecutionException.class).isThrownBy(() -> fourth.get(120, TimeUnit.SECONDS))
                    .withCauseInstanceOf(AsynchronousCloseException.class);
            closed.close();
            assertThat(first.failure()).isInstanceOf(AsynchronousCloseException.class);
            assertThat(open.tryLock()).isNull();
            assertThat(other.ask("release")).isEqualTo("released");
            try (FileLock all = open.tryLock()) {
                assertThat(all).as("nobody has reserved anything").isNotNull();
            }
        }
    }

    @Test
    void anAsynchronousLockComesWhenTheOtherGoes() throws Exception {
        Setup.skipIf(NativeAccess.refusal() != null, "locks need the C library");
        try (LockingProcess other = new LockingProcess(path);
                AsynchronousFileChannel async = AioFiles.openAsynchronousChannel(path, READ, WRITE)) {
            assertThat(other.ask("try 0 5")).isEqualTo("locked");
            Future<FileLock> waiting = async.lock(0, 5, false);
            assertThat(async.tryLock(5, 5, false)).isNotNull();
            assertThat(waiting.isDone()).isFalse();
            assertThat(other.ask("release")).isEqualTo("released");
            assertThat(waiting.get(120, TimeUnit.SECONDS).isValid()).isTrue();
            assertThat(other.ask("try 0 5")).isEqualTo("refused");
        }
    }

    /** Counts how often it is told of a lock, and throws. */
    private static final class ThrowingLockHandler implements CompletionHandler<FileLock, String> {
        final CompletableFuture<Thread> told = new CompletableFuture<>();
        final AtomicInteger failures = new AtomicInteger();

        @Override
        public void completed(FileLock lock, String attachment) {
            boolean _ = told.complete(Thread.currentThread());
            throw new IllegalStateException("on purpose");
        }

        @Override
        public void failed(Throwable cause, String attachment) {
            failures.incrementAndGet();
        }
    }

    @Test
    void aHandlerThatThrowsIsToldOnceAndKeepsItsLock() throws Exception {
        Setup.skipIf(NativeAccess.refusal() != null, "locks need the C library");
        try (LockingProcess other = new LockingProcess(path);
                AioEngine engine = AioEngines.openFirst(AioEngineConfig.defaults(), "io_uring", "channel");
                AsynchronousFileChannel async = AioFiles.openAsynchronousChannel(engine, path, Runnable::run, READ,
                        WRITE)) {
            assertThat(other.ask("try 0 5")).isEqualTo("locked");
            ThrowingLockHandler handler = new ThrowingLockHandler();
            async.lock(0, 5, false, "attached", handler);
            assertThat(other.ask("release")).isEqualTo("released");
            handler.told.get(120, TimeUnit.SECONDS).join();
            assertThat(handler.failures).hasValue(0);
            assertThat(other.ask("try 0 5")).isEqualTo("refused");
        }
    }

    // Handlers, and cancellation.

    /** Tells the thread that calls it. */
    private static CompletionHandler<Integer, String> telling(CompletableFuture<Thread> told) {
        return new CompletionHandler<>() {
            @Override
            public void completed(Integer result, String attachment) {
                boolean _ = told.complete(Thread.currentThread());
            }

            @Override
            public void failed(Throwable cause, String attachment) {
                boolean _ = told.completeExceptionally(cause);
            }
        };
    }

    @Test
    void aHandlerThatBlocksHoldsNobodyUp() throws Exception {
        try (AsynchronousFileChannel channel = AioFiles.openAsynchronousChannel(path, READ, WRITE,
                AioOpenOption.DIRECT)) {
            assertThat(channel.write(aligned(BLOCK), 0).get()).isEqualTo(BLOCK);
            CountDownLatch others = new CountDownLatch(10);
            CompletableFuture<Thread> blocked = new CompletableFuture<>();
            channel.read(aligned(BLOCK), 0, "first", new CompletionHandler<Integer, String>() {
                @Override
                public void completed(Integer result, String attachment) {
                    try {
                        others.await();
                        boolean _ = blocked.complete(Thread.currentThread());
                    } catch (InterruptedException e) {
                        boolean _ = blocked.completeExceptionally(e);
                    }
                }

                @Override
                public void failed(Throwable cause, String attachment) {
                    boolean _ = blocked.completeExceptionally(cause);
                }
            });
            for (int i = 0; i < 10; i++) {
                CompletableFuture<Thread> told = new CompletableFuture<>();
                channel.read(i % 2 == 0 ? aligned(BLOCK) : ByteBuffer.allocate(100), 0, "other", telling(told));
                assertThat(told.get(120, TimeUnit.SECONDS).isVirtual()).isTrue();
                others.countDown();
            }
            assertThat(blocked.get(120, TimeUnit.SECONDS).isVirtual()).isTrue();
        }
    }

    @Test
    void handlersAreCalledByTheExecutorOfTheChannel() throws Exception {
        try (AioEngine engine = AioEngines.openFirst(AioEngineConfig.defaults(), "io_uring", "channel");
                ExecutorService mine = Executors
                        .newSingleThreadExecutor(Thread.ofPlatform().daemon().name("mine").factory());
                AsynchronousFileChannel channel = AioFiles.openAsynchronousChannel(engine, path, mine, READ, WRITE);
                AsynchronousFileChannel refused = AioFiles.openAsynchronousChannel(engine, path, _ -> {
                    throw new RejectedExecutionException("full");
                }, READ)) {
            CompletableFuture<Thread> written = new CompletableFuture<>();
            channel.write(ByteBuffer.allocate(10), 0, "attached", telling(written));
            assertThat(written.get(120, TimeUnit.SECONDS).getName()).isEqualTo("mine");
            CompletableFuture<Thread> nothing = new CompletableFuture<>();
            channel.read(ByteBuffer.allocate(0), 0, "attached", telling(nothing));
            assertThat(nothing.get(120, TimeUnit.SECONDS).getName()).isEqualTo("mine");
            CompletableFuture<Thread> told = new CompletableFuture<>();
            refused.read(ByteBuffer.allocate(10), 0, "attached", telling(told));
            assertThat(told.get(120, TimeUnit.SECONDS).isVirtual()).as("told all the same").isTrue();
        }
    }

    @Test
    void whatIsCancelledMayCloseTheChannelForTheOthers() throws Exception {
        HeldDriver driver = new HeldDriver(0);
        try (AioEngine engine = AioEngines.drive(driver, AioEngineConfig.defaults());
                AsynchronousFileChannel channel = AioFiles.openAsynchronousChannel(engine, array, Runnable::run, READ,
                        WRITE)) {
            Future<Integer> first = channel.read(ByteBuffer.allocate(10), 0);
            assertThat(first.cancel(false)).isTrue();
            assertThat(first.cancel(false)).isFalse();
            assertThat(first.isCancelled()).isTrue();
            assertThat(channel.isOpen()).isTrue();
            Future<Integer> second = channel.read(ByteBuffer.allocate(10), 0);
            Future<Integer> third = channel.write(ByteBuffer.allocateDirect(10), 0);
            awaitInFlight(driver, 3);
            assertThat(second.cancel(true)).isTrue();
            assertThat(channel.isOpen()).isFalse();
            assertThat(third.isDone()).as("the memory is the engine's until the operation ends").isFalse();
            for (int i = 0; i < 3; i++) {
                driver.end(10);
            }
            assertThatExceptionOfType(ExecutionException.class).isThrownBy(() -> third.get(120, TimeUnit.SECONDS))
                    .withCauseInstanceOf(AsynchronousCloseException.class);
        }
    }

    @Test
    void memoryOfOneThreadIsRefusedByTheAsynchronousChannelAndTakenByTheOther() throws Exception {
        try (Arena confined = Arena.ofConfined();
                AsynchronousFileChannel async = AioFiles.openAsynchronousChannel(path, READ, WRITE, CREATE);
                FileChannel channel = AioFiles.openChannel(path, READ, WRITE)) {
            ByteBuffer mine = confined.allocate(100).asByteBuffer();
            assertThatIllegalArgumentException().isThrownBy(() -> async.read(mine, 0))
                    .withMessageContaining("confined to one thread");
            assertThat(channel.write(mine)).isEqualTo(100);
            assertThat(Objects.requireNonNull(channel.tryLock()).isValid()).isTrue();
        }
    }
}
