package io.blkmq.aio;

import static java.nio.file.StandardOpenOption.DELETE_ON_CLOSE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Moments that other tests of growing files do not meet: a write that is under way, one that is to be durable, an engine that ends. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GrowingFileEdgesTest {
    private static final int BLOCK = 4096;
    private static final int MIB = 1 << 20;

    private Path path;

    @SuppressWarnings("NullAway.Init")
    GrowingFileEdgesTest() {}

    @BeforeEach
    void make() throws IOException {
        path = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "blkmq-edges", ".img");
    }

    @AfterEach
    void remove() throws IOException {
        boolean _ = Files.deleteIfExists(path);
    }

    /** A write that grows the file may wait for the very thread that asks: it is told the size before. */
    @Test
    void theSizeIsToldInACompletionWhileAWriteIsUnderWay() throws Exception {
        Path _ = Files.write(path, new byte[100]);
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                AsyncFile file = AsyncFile.open(engine, path, AioFile.Access.READ_WRITE, false)) {
            SharedFile shared = file.shared();
            long stamp = shared.lockAlone();
            shared.tail().begins(file.size());
            // As a direct write does it.
            assertThat(file.file().setSize(BLOCK)).isZero();
            CompletableFuture<Long> told = file.syncAsync(true).thenApply(_ -> size(file));
            assertThat(told.get(120, TimeUnit.SECONDS)).isEqualTo(100);
            assertThat(file.file().setSize(110)).isZero();
            shared.tail().ends();
            shared.unlockAlone(stamp);
            assertThat(file.size()).isEqualTo(110);
            assertThat(file.append(MemorySegment.ofArray(new byte[10]))).isEqualTo(110);
            assertThat(file.size()).isEqualTo(120);
        }
    }

    private static long size(AsyncFile file) {
        try {
            return file.size();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** The write itself is durable when it ends; the cut after it is so by a sync of its own. */
    @ParameterizedTest
    @EnumSource(names = {"SYNC", "DSYNC"})
    void aWriteThatIsCutToSizeIsDurableWhenItReturns(AioFile.Option option) throws Exception {
        Opening opening = Opening.of(path, AioFile.Access.READ_WRITE, true, option);
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                ChannelFile plain = ChannelFile.open(opening, null);
                AsyncFile file = AsyncFile.of(engine, plain, Thread::startVirtualThread)) {
            List<String> notes = NotedChannel.under(plain);
            int block = plain.offsetAlignment();
            String sync = option == AioFile.Option.SYNC ? "sync" : "sync of data";
            assertThat(file.append(MemorySegment.ofArray(new byte[100]))).isZero();
            assertThat(notes).containsExactly("write " + block + " at 0", "cut to 100", sync);
            notes.clear();
            file.write(50, MemorySegment.ofArray(new byte[20]));
            assertThat(notes).as("within the last block").containsExactly("write " + block + " at 0", "cut to 100",
                    sync);
            assertThat(file.size()).isEqualTo(100);
        }
    }

    @Test
    void aWriteThatNeedNotBeDurableIsNotSynced() throws Exception {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                ChannelFile plain = ChannelFile.open(path, AioFile.Access.READ_WRITE, true, null);
                AsyncFile file = AsyncFile.of(engine, plain, Thread::startVirtualThread)) {
            List<String> notes = NotedChannel.under(plain);
            assertThat(file.append(MemorySegment.ofArray(new byte[100]))).isZero();
            assertThat(notes).containsExactly("write " + plain.offsetAlignment() + " at 0", "cut to 100");
        }
    }

    /** By a thread that carries the write out itself. */
    @Test
    @SuppressWarnings("try") // closing is what it is about
    void aWriteOfAChannelWhoseFileIsClosedMeanwhileIsCutAndSynced() throws Exception {
        Opening opening = Opening.of(path, AioFile.Access.READ_WRITE, true, AioFile.Option.DSYNC);
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                ChannelFile plain = ChannelFile.open(opening, null);
                AsyncFile file = AsyncFile.of(engine, plain, Thread::startVirtualThread);
                FileChannel channel = file.openChannel()) {
            plain.wrapChannel(real -> new ChannelUnderFile(real) {
                @Override
                public int write(ByteBuffer src, long to) throws IOException {
                    int written = super.write(src, to);
                    file.close();
                    return written;
                }
            });
            List<String> notes = NotedChannel.under(plain);
            assertThat(channel.write(ByteBuffer.allocate(100))).isEqualTo(100);
            assertThat(file.file().isClosed()).isTrue();
            assertThat(notes).containsExactly("write " + plain.offsetAlignment() + " at 0", "cut to 100",
                    "sync of data");
            assertThat(path).hasSize(100);
        }
    }

    // Threads that wait for room.

    /** With the interrupt on it, each pause would end at once, and the thread would ask over and over. */
    @Test
    void aThreadThatWaitsForRoomIsNotInterruptedMeanwhile() throws Exception {
        Path _ = Files.write(path, new byte[BLOCK]);
        List<Boolean> interrupted = Collections.synchronizedList(new ArrayList<>());
        try (AioEngine real = AioEngines.open("channel", AioEngineConfig.defaults()); Arena arena = Arena.ofShared()) {
            AioEngine engine = EngineAround.withoutRoom(real, 5,
                    () -> interrupted.add(Thread.currentThread().isInterrupted()));
            AsyncFile file = AsyncFile.open(engine, path, AioFile.Access.READ_WRITE, false);
            MemorySegment memory = arena.allocate(BLOCK);
            List<FileRead> batch = List.of(new FileRead(0, memory), new FileRead(0, memory));
            Callable<?>[] calls = {() -> file.read(0, memory), () -> file.readAll(batch)};
            for (Callable<?> call : calls) {
                interrupted.clear();
                Thread.currentThread().interrupt();
                Object _ = call.call();
                assertThat(Thread.interrupted()).as("the interrupt is kept").isTrue();
                assertThat(interrupted).hasSizeGreaterThanOrEqualTo(5);
                assertThat(interrupted.getFirst()).isTrue();
                assertThat(interrupted.subList(1, 5)).as("whenever it asks again").containsOnly(false);
            }
            file.close();
        }
    }

    // Reads that are ended early.

    /** Who cancels a read of which some has come does not hear that the file ends there. */
    @Test
    void aReadThatIsCancelledDoesNotEndAtItsLastByte() throws Exception {
        Path array = ArrayDriver.make(new byte[2 * BLOCK]);
        HeldDriver driver = new HeldDriver(0);
        try (AioEngine engine = AioEngines.drive(driver, AioEngineConfig.defaults());
                AsyncFile file = AsyncFile.open(engine, array, AioFile.Access.READ_ONLY, false);
                Arena arena = Arena.ofShared()) {
            CompletableFuture<Long> cancelled = file.readAsync(0, arena.allocate(2 * BLOCK));
            assertThat(cancelled.cancel(true)).isFalse();
            driver.end(BLOCK);
            assertThatThrownBy(cancelled::join).isInstanceOf(CancellationException.class);
            CompletableFuture<Long> whole = file.readAsync(0, arena.allocate(2 * BLOCK));
            assertThat(whole.cancel(true)).isFalse();
            driver.end(2 * BLOCK);
            assertThat(whole.join()).as("nothing was left to be ended").isEqualTo(2 * BLOCK);
            CompletableFuture<Long> shorter = file.readAsync(BLOCK, arena.allocate(2 * BLOCK));
            driver.end(BLOCK);
            assertThat(shorter.join()).as("up to the end of the file").isEqualTo(BLOCK);
        } finally {
            ArrayDriver.remove(array);
        }
    }

    /** What the end of the engine has cut short has failed, in whichever way it was asked for, unless it has met the end of the file. */
    @Test
    void aReadThatTheEndOfTheEngineCutsShortHasFailed() throws Exception {
        Path array = ArrayDriver.make(new byte[2 * BLOCK]);
        HeldDriver driver = new HeldDriver(BLOCK);
        AioEngine engine = AioEngines.drive(driver, AioEngineConfig.defaults());
        try (engine;
                AsyncFile file = AsyncFile.open(engine, array, AioFile.Access.READ_ONLY, false);
                FileChannel channel = file.openChannel();
                Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(2 * BLOCK);
            List<Eventually.Worker<?>> cut = List.of(Eventually.start(() -> file.read(0, memory)),
                    Eventually.start(() -> file.read(0, MemorySegment.ofArray(new byte[2 * BLOCK]))),
                    Eventually.start(() -> file.readAll(List.of(new FileRead(0, memory)))),
                    Eventually.start(() -> channel.read(ByteBuffer.allocate(2 * BLOCK), 0)));
            CompletableFuture<Long> future = file.readAsync(0, memory);
            CompletableFuture<Long> met = file.readAsync(BLOCK, memory);
            Eventually.until("all reads are with the driver", () -> driver.held() == cut.size() + 2);
            engine.close();
            for (Eventually.Worker<?> each : cut) {
                assertThat(each.failure()).isInstanceOf(AioException.class).hasMessageContaining("read of 8192 bytes");
            }
            assertThatThrownBy(future::join).hasCauseInstanceOf(AioException.class);
            assertThat(met.join()).isEqualTo(BLOCK);
        } finally {
            ArrayDriver.remove(array);
        }
    }

    // Channels.

    @Test
    void aDriversFileIsNotDeletedOnClose() throws Exception {
        Path array = ArrayDriver.make(new byte[BLOCK]);
        Path name = Files.write(array.toAbsolutePath(), new byte[]{1});
        try (AioEngine engine = AioEngines.drive(new ArrayDriver(), AioEngineConfig.defaults())) {
            assertThatThrownBy(() -> AioFiles.openChannel(engine, array, READ, DELETE_ON_CLOSE))
                    .isInstanceOf(UnsupportedOperationException.class).hasMessageContaining(array.toString())
                    .hasMessageContaining("DELETE_ON_CLOSE");
            assertThatThrownBy(
                    () -> AioFiles.openAsynchronousChannel(engine, array, Runnable::run, READ, DELETE_ON_CLOSE))
                    .isInstanceOf(UnsupportedOperationException.class);
            assertThat(name).as("a file of the system that has the same name").exists();
        } finally {
            Files.delete(name);
            ArrayDriver.remove(array);
        }
    }

    /** The channel that the file has within hears of an interrupt in the place of ours. */
    @Test
    void anInterruptDuringAnOperationClosesTheChannelWhateverTheFileIsMadeOf() throws Exception {
        Path _ = Files.write(path, new byte[3 * MIB]);
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                ChannelFile plain = ChannelFile.open(path, AioFile.Access.READ_WRITE, false, null);
                AsyncFile file = AsyncFile.of(engine, plain, Thread::startVirtualThread)) {
            FileChannel reading = file.openChannel();
            InterruptedChannel.under(plain, 10);
            assertThatThrownBy(() -> reading.read(ByteBuffer.allocate(100), 0))
                    .isInstanceOf(ClosedByInterruptException.class);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(reading.isOpen()).isFalse();
            FileChannel writing = file.openChannel();
            InterruptedChannel.under(plain, MIB);
            ByteBuffer bytes = ByteBuffer.allocate(3 * MIB);
            Arrays.fill(bytes.array(), (byte) 1);
            assertThatThrownBy(() -> writing.write(bytes, 0)).isInstanceOf(ClosedByInterruptException.class);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(writing.isOpen()).isFalse();
            byte[] found = Files.readAllBytes(path);
            assertThat(found[MIB - 1]).isEqualTo((byte) 1);
            assertThat(found[MIB]).as("the piece after the interrupt").isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aThreadThatIsInterruptedBeginsNothing(boolean virtual) throws Exception {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                AsyncFile file = AsyncFile.open(engine, path, AioFile.Access.READ_WRITE, false)) {
            Callable<Boolean> play = () -> {
                FileChannel channel = file.openChannel();
                Thread.currentThread().interrupt();
                assertThatThrownBy(() -> channel.write(ByteBuffer.wrap(new byte[]{1}), 0))
                        .isInstanceOf(ClosedByInterruptException.class);
                return !channel.isOpen() && Thread.interrupted();
            };
            FutureTask<Boolean> task = new FutureTask<>(play);
            Thread _ = virtual ? Thread.startVirtualThread(task) : Thread.ofPlatform().start(task);
            assertThat(task.get()).isTrue();
            assertThat(file.size()).isZero();
            assertThat(engine.statistics().submitted()).isZero();
        }
    }

    /** Only where the I/O is the system's. */
    @Test
    void aPlatformThreadLeavesItToAnEngineThatIsNotTheSystems() throws Exception {
        Path array = ArrayDriver.make(new byte[BLOCK]);
        try (AioEngine none = AioEngines.open("null", AioEngineConfig.defaults());
                FileChannel channel = AioFiles.openChannel(none, path, WRITE);
                AioEngine driven = AioEngines.drive(new ArrayDriver(), AioEngineConfig.defaults());
                FileChannel other = AioFiles.openChannel(driven, array, WRITE);
                AioEngine systems = AioEngines.open("channel", AioEngineConfig.defaults());
                FileChannel own = AioFiles.openChannel(systems, path, READ)) {
            assertThat(channel.write(ByteBuffer.allocate(10), 0)).isEqualTo(10);
            channel.force(true);
            assertThat(none.statistics().submitted()).isEqualTo(2);
            assertThat(channel.size()).as("the engine moves nothing").isZero();
            assertThat(other.write(ByteBuffer.allocate(10), 0)).isEqualTo(10);
            other.force(true);
            assertThat(driven.statistics().submitted()).isEqualTo(2);
            assertThat(own.read(ByteBuffer.allocate(10), 0)).isEqualTo(-1);
            assertThat(systems.statistics().submitted()).isZero();
        } finally {
            ArrayDriver.remove(array);
        }
    }

    /** More than the pool's memory is aligned to anyhow. */
    @Test
    void memoryIsAlignedAsTheFileWantsIt() throws Exception {
        Opening opening = Opening.of(path, AioFile.Access.READ_WRITE, true);
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                ChannelFile plain = ChannelFile.open(opening, null, MIB);
                AsyncFile file = AsyncFile.of(engine, plain, Thread::startVirtualThread);
                FileChannel channel = file.openChannel()) {
            assertThat(plain.memoryAlignment()).isEqualTo(MIB);
            byte[] bytes = new byte[3 * MIB];
            Arrays.fill(bytes, (byte) 7);
            file.write(0, MemorySegment.ofArray(bytes));
            file.write(5000, MemorySegment.ofArray(new byte[]{1, 2, 3}));
            assertThat(channel.write(ByteBuffer.wrap(bytes))).isEqualTo(bytes.length);
            file.write(5000, MemorySegment.ofArray(new byte[]{1, 2, 3}));
            assertThat(file.append(MemorySegment.ofArray(new byte[]{4}))).isEqualTo(bytes.length);
            byte[] one = new byte[3];
            byte[] other = new byte[5];
            assertThat(file.readAll(List.of(new FileRead(5000, MemorySegment.ofArray(one)),
                    new FileRead(bytes.length - 1, MemorySegment.ofArray(other))))).containsExactly(3, 2);
            assertThat(one).containsExactly(1, 2, 3);
            assertThat(other).containsExactly(7, 4, 0, 0, 0);
            ByteBuffer all = ByteBuffer.allocate(4 * MIB);
            assertThat(channel.read(all, 0)).isEqualTo(bytes.length + 1);
            assertThat(all.get(5002)).isEqualTo((byte) 3);
        }
    }

    /** Who changes the buffer while it is the channel's is told so, and not left waiting. */
    @Test
    void aBufferThatWasChangedMeanwhileFailsTheOperation() throws Exception {
        Path _ = Files.write(path, new byte[100]);
        List<Runnable> later = Collections.synchronizedList(new ArrayList<>());
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                AsyncFile file = AsyncFile.of(engine, engine.open(path, AioFile.Access.READ_ONLY, false), later::add);
                AsynchronousFileChannel channel = file.openAsynchronousChannel(Runnable::run)) {
            ByteBuffer buffer = ByteBuffer.allocate(100);
            Future<Integer> read = channel.read(buffer, 0);
            buffer.limit(50);
            later.forEach(Runnable::run);
            assertThatThrownBy(read::get).hasCauseInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("100 bytes").hasMessageContaining("limit 50");
        }
    }
}
