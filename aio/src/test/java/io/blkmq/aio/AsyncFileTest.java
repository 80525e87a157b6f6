package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.channel.Pieces;
import io.blkmq.testing.AllocatedBytes;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.EachCase;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;

/** The front, over every engine that a front can have, buffered and direct, on disk and in memory. */
@BesideOthers
class AsyncFileTest {

    private static final int BLOCK = 4096;

    private final Setup setup;
    private final Arena arena = Arena.ofShared();
    private Path path;
    private AioEngine engine;
    private AsyncFile file;

    static List<Setup> cases() throws IOException {
        return Setup.all().stream().filter(setup -> !setup.isPolled()).toList();
    }

    @SuppressWarnings("NullAway.Init")
    AsyncFileTest(Setup setup) {
        this.setup = setup;
    }

    @BeforeEach
    void openFile() throws IOException {
        setup.assumeAvailable();
        path = Files.createTempFile(setup.directory(), "blkmq-aio-front", ".img");
        engine = setup.open(AioEngineConfig.builder().depth(16).inFlightMax(24).workers(4));
        file = AsyncFile.open(engine, path, AioFile.Access.READ_WRITE, setup.direct());
    }

    @AfterEach
    void closeFile() throws IOException {
        if (engine != null) {
            engine.close();
            file.close();
            Files.deleteIfExists(path);
        }
        arena.close();
    }

    private static MemorySegment heap(byte[] bytes) {
        return MemorySegment.ofArray(bytes);
    }

    private static byte[] bytes(int count, int value) {
        byte[] bytes = new byte[count];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    private static byte[] bytes(MemorySegment memory) {
        return memory.toArray(ValueLayout.JAVA_BYTE);
    }

    @EachCase("movesData")
    void anyOffsetLengthAndMemoryWillDo() throws Exception {
        file.write(0, heap(bytes(3 * BLOCK, 1)));
        file.write(10, heap(bytes(5, 2)));
        file.write(BLOCK - 3, heap(bytes(BLOCK + 6, 3)));
        file.write(3 * BLOCK + 100, heap(bytes(1, 4)));
        assertThat(file.size()).isEqualTo(3 * BLOCK + 101);
        byte[] expected = new byte[3 * BLOCK + 101];
        Arrays.fill(expected, 0, 3 * BLOCK, (byte) 1);
        Arrays.fill(expected, 10, 15, (byte) 2);
        Arrays.fill(expected, BLOCK - 3, 2 * BLOCK + 3, (byte) 3);
        expected[3 * BLOCK + 100] = 4;
        byte[] found = new byte[4 * BLOCK];
        assertThat(file.read(0, heap(found))).isEqualTo(expected.length);
        assertThat(Arrays.copyOf(found, expected.length)).isEqualTo(expected);
        assertThat(file.read(7, heap(found))).isEqualTo(expected.length - 7);
        assertThat(Arrays.copyOf(found, expected.length - 7))
                .isEqualTo(Arrays.copyOfRange(expected, 7, expected.length));
        assertThat(file.read(expected.length, heap(found))).isZero();
        assertThat(file.read(100L * BLOCK + 1, heap(found))).isZero();
        if (!setup.isMemory()) {
            file.sync(false);
            assertThat(Files.readAllBytes(path)).isEqualTo(expected);
        }
    }

    /** The oracle is an array. */
    @EachCase("movesData")
    void randomTransfersAreThoseOfAnArray() throws Exception {
        long seed = RandomSeed.of(AsyncFileTest.class);
        Random random = new Random(seed);
        byte[] array = new byte[40 * BLOCK];
        int size = 0;
        MemorySegment aligned = arena.allocate(8 * BLOCK, BLOCK);
        for (int step = 0; step < 150; step++) {
            boolean whole = random.nextBoolean();
            int offset = random.nextInt(30 * BLOCK) / (whole ? BLOCK : 1) * (whole ? BLOCK : 1);
            int length = random.nextInt(8 * BLOCK) / (whole ? BLOCK : 1) * (whole ? BLOCK : 1);
            MemorySegment memory = random.nextBoolean() ? aligned.asSlice(0, length) : heap(new byte[length]);
            switch (random.nextInt(5)) {
                case 0, 1 -> {
                    byte[] data = new byte[length];
                    random.nextBytes(data);
                    MemorySegment.copy(heap(data), 0, memory, 0, length);
                    if (random.nextBoolean()) {
                        file.write(offset, memory);
                    } else {
                        assertThat(file.writeAsync(offset, memory).get(120, TimeUnit.SECONDS)).isEqualTo(length);
                    }
                    System.arraycopy(data, 0, array, offset, length);
                    size = length == 0 ? size : Math.max(size, offset + length);
                }
                case 2 -> {
                    int bytes = random.nextInt(35 * BLOCK);
                    file.setSize(bytes);
                    Arrays.fill(array, Math.min(bytes, size), array.length, (byte) 0);
                    size = bytes;
                }
                default -> {
                    long read = random.nextBoolean()
                            ? file.read(offset, memory)
                            : file.readAsync(offset, memory).get(120, TimeUnit.SECONDS);
                    int there = Math.clamp((long) size - offset, 0, length);
                    assertThat(read).as("step %d, seed %d", step, seed).isEqualTo(there);
                    assertThat(bytes(memory.asSlice(0, there))).as("step %d, seed %d", step, seed)
                            .isEqualTo(Arrays.copyOfRange(array, offset, offset + there));
                }
            }
            assertThat(file.size()).as("step %d, seed %d", step, seed).isEqualTo(size);
        }
    }

    @EachCase("movesData")
    void aTransferLargerThanAPieceIsWhole() throws Exception {
        byte[] large = new byte[2 * Pieces.BYTES + 4711];
        new Random(1).nextBytes(large);
        file.write(13, heap(large));
        byte[] found = new byte[large.length];
        assertThat(file.read(13, heap(found))).isEqualTo(found.length);
        assertThat(found).isEqualTo(large);
        assertThat(file.size()).isEqualTo(13 + large.length);
    }

    @EachCase("movesData")
    void buffersMoveTheirPosition() throws Exception {
        ByteBuffer source = ByteBuffer.wrap(bytes(100, 7)).position(40);
        file.write(5, source);
        assertThat(source.hasRemaining()).isFalse();
        ByteBuffer target = ByteBuffer.allocateDirect(200).position(50);
        assertThat(file.read(0, target)).isEqualTo(65);
        assertThat(target.position()).isEqualTo(115);
        assertThat(target.get(55)).isEqualTo((byte) 7);
        assertThat(target.get(54)).isZero();
    }

    @EachCase("movesData")
    void recordsOfManyThreadsAreAppendedWhole() throws Exception {
        int threads = 5;
        int records = 20;
        AtomicReference<Throwable> failed = new AtomicReference<>();
        List<Thread> started = new ArrayList<>();
        for (int t = 0; t < threads; t++) {
            byte value = (byte) (t + 1);
            started.add(Thread.startVirtualThread(() -> {
                try {
                    for (int i = 0; i < records; i++) {
                        byte[] record = bytes(100 + 31 * value, value);
                        long at = file.append(heap(record));
                        byte[] back = new byte[record.length];
                        assertThat(file.read(at, heap(back))).isEqualTo(back.length);
                        assertThat(back).isEqualTo(record);
                    }
                } catch (Throwable e) {
                    failed.set(e);
                }
            }));
        }
        for (Thread thread : started) {
            thread.join();
        }
        assertThat(failed.get()).isNull();
        assertThat(file.size()).isEqualTo(records * (5L * 100 + 31 * 15));
    }

    /** Each of them writes a part of one block: whoever read the block before another wrote it would undo that. */
    @EachCase("movesData")
    void partsOfABlockThatManyWriteAreAllThere() throws Exception {
        file.write(0, heap(bytes(2 * BLOCK, 0)));
        List<CompletableFuture<Long>> writes = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            writes.add(file.writeAsync(i * 64L, heap(bytes(64, i + 1))));
            if (i % 8 == 0) {
                writes.add(file.writeAsync(BLOCK, arena.allocate(BLOCK, BLOCK).fill((byte) i)));
            }
        }
        CompletableFuture.allOf(writes.toArray(CompletableFuture[]::new)).get(120, TimeUnit.SECONDS);
        byte[] found = new byte[BLOCK];
        assertThat(file.read(0, heap(found))).isEqualTo(BLOCK);
        for (int i = 0; i < BLOCK; i++) {
            assertThat(found[i]).as("byte %d", i).isEqualTo((byte) (i / 64 + 1));
        }
    }

    @EachCase("movesData")
    void aBatchOfMoreReadsThanThereIsRoomForIsReadWhole() throws Exception {
        int count = 100;
        for (int i = 0; i < count; i++) {
            file.write((long) i * BLOCK, heap(bytes(BLOCK, i)));
        }
        List<FileRead> reads = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            MemorySegment memory = i % 3 == 0 ? heap(new byte[100]) : arena.allocate(BLOCK, BLOCK);
            reads.add(new FileRead((long) i * BLOCK + (i % 3 == 0 ? 17 : 0), memory));
        }
        reads.add(new FileRead(count * (long) BLOCK - 10, heap(new byte[100])));
        reads.add(new FileRead(count * (long) BLOCK, heap(new byte[0])));
        reads.add(new FileRead(1, heap(new byte[Pieces.BYTES + 3])));
        long[] results = file.readAll(reads);
        for (int i = 0; i < count; i++) {
            assertThat(results[i]).isEqualTo(reads.get(i).memory().byteSize());
            MemorySegment read = reads.get(i).memory();
            assertThat(bytes(read)).as("read %d", i).isEqualTo(bytes((int) read.byteSize(), i));
        }
        assertThat(results[count]).isEqualTo(10);
        assertThat(results[count + 1]).isZero();
        assertThat(results[count + 2]).isEqualTo(count * BLOCK - 1);
        assertThat(file.readAll(List.of())).isEmpty();
    }

    @EachCase
    void aFileThatIsClosedIsToldByEachForm() throws Exception {
        file.close();
        MemorySegment memory = arena.allocate(BLOCK, BLOCK);
        assertThatExceptionOfType(AioException.class).isThrownBy(() -> file.read(0, memory))
                .withMessageContaining("read of 4096 bytes at 0 failed").withMessageContaining(path.toString())
                .satisfies(e -> assertThat(e.errno()).isEqualTo(Errno.EBADF));
        assertThatExceptionOfType(AioException.class).isThrownBy(() -> file.write(0, memory))
                .withMessageContaining("write of 4096 bytes at 0 failed");
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> file.write(1, memory));
        assertThatExceptionOfType(AioException.class).isThrownBy(() -> file.sync(true))
                .withMessageContaining("sync failed");
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> file.append(memory));
        assertThatExceptionOfType(AioException.class).isThrownBy(() -> file.setSize(1))
                .withMessageContaining("setting the size to 1 bytes failed");
        assertThatExceptionOfType(AioException.class)
                .isThrownBy(() -> file.readAll(List.of(new FileRead(0, memory), new FileRead(1, heap(new byte[9])))))
                .withMessageContaining("EBADF");
        for (CompletableFuture<Long> future : List.of(file.readAsync(0, memory), file.readAsync(1, heap(new byte[2])),
                file.writeAsync(0, memory), file.writeAsync(1, heap(new byte[2])), file.syncAsync(true))) {
            assertThatExceptionOfType(ExecutionException.class).isThrownBy(() -> future.get(120, TimeUnit.SECONDS))
                    .withCauseInstanceOf(IOException.class);
        }
        // Nothing holds the lock.
        assertThatExceptionOfType(AioException.class).isThrownBy(() -> file.setSize(0));
    }

    @EachCase
    void misuseIsRefusedAtOnce() {
        MemorySegment memory = arena.allocate(BLOCK, BLOCK);
        assertThatIllegalArgumentException().isThrownBy(() -> file.read(-1, memory)).withMessageContaining("-1");
        assertThatIllegalArgumentException().isThrownBy(() -> file.write(-1, memory)).withMessageContaining("-1");
        assertThatIllegalArgumentException().isThrownBy(() -> file.readAsync(-1, memory));
        assertThatIllegalArgumentException().isThrownBy(() -> file.writeAsync(-1, memory));
        assertThatIllegalArgumentException().isThrownBy(() -> new FileRead(-1, memory));
        assertThatIllegalArgumentException().isThrownBy(() -> file.setSize(-5)).withMessageContaining("-5");
        MemorySegment readOnly = memory.asReadOnly();
        assertThatIllegalArgumentException().isThrownBy(() -> file.read(0, readOnly))
                .withMessageContaining("read-only");
        assertThatIllegalArgumentException().isThrownBy(() -> file.readAsync(0, readOnly));
        assertThatIllegalArgumentException().isThrownBy(() -> new FileRead(0, readOnly));
        try (Arena confined = Arena.ofConfined()) {
            MemorySegment own = confined.allocate(BLOCK, BLOCK);
            assertThatIllegalArgumentException().isThrownBy(() -> file.readAsync(0, own))
                    .withMessageContaining("confined");
            assertThatIllegalArgumentException().isThrownBy(() -> file.writeAsync(0, own))
                    .withMessageContaining("confined");
        }
    }

    @EachCase("movesData")
    void memoryConfinedToTheCallerWillDoWhereTheCallerWaits() throws Exception {
        try (Arena confined = Arena.ofConfined()) {
            MemorySegment own = confined.allocate(2 * BLOCK, BLOCK).fill((byte) 3);
            file.write(0, own);
            file.write(3, own.asSlice(0, 5));
            assertThat(file.read(0, own.fill((byte) 0))).isEqualTo(2 * BLOCK);
            assertThat(file.readAll(List.of(new FileRead(0, own.asSlice(0, BLOCK))))).containsExactly(BLOCK);
            assertThat(bytes(own)).containsOnly(3);
        }
    }

    @EachCase
    void whoMustCallCompletionsFirstMayNotWait() throws Exception {
        MemorySegment memory = arena.allocate(BLOCK, BLOCK);
        file.write(0, memory);
        CompletableFuture<Long> first = new CompletableFuture<>();
        CompletableFuture<List<Throwable>> thrown = new CompletableFuture<>();
        Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file.file(), 0, (_, result) -> {
            List<Throwable> all = new ArrayList<>();
            for (Waiting call : List.<Waiting>of(() -> file.read(0, memory), () -> file.write(0, memory),
                    () -> file.append(memory), () -> file.sync(true), () -> file.setSize(0),
                    () -> file.readAll(List.of()))) {
                try {
                    call.run();
                } catch (Throwable t) {
                    all.add(t);
                }
            }
            thrown.complete(all);
            first.complete(result);
        }, 0).addSegment(memory);
        engine.submitOrThrow(kiocb);
        engine.commit();
        assertThat(first.get(120, TimeUnit.SECONDS)).isEqualTo(BLOCK);
        assertThat(thrown.get()).hasSize(6).allSatisfy(e -> assertThat(e).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("inside a completion"));
    }

    /** A call that waits. */
    @FunctionalInterface
    private interface Waiting {
        void run() throws IOException;
    }

    @EachCase
    void anExecutorThatRefusesIsToldByTheFuture() throws Exception {
        try (AsyncFile refused = AsyncFile.of(engine, engine.open(path, AioFile.Access.READ_WRITE, setup.direct()),
                _ -> {
                    throw new RejectedExecutionException("full");
                })) {
            if (setup.direct()) {
                assertThatExceptionOfType(ExecutionException.class)
                        .isThrownBy(() -> refused.readAsync(1, heap(new byte[1])).get(120, TimeUnit.SECONDS))
                        .withCauseInstanceOf(RejectedExecutionException.class);
            }
            assertThat(refused.readAsync(0, arena.allocate(BLOCK, BLOCK)).get(120, TimeUnit.SECONDS))
                    .isEqualTo(setup.movesData() ? 0 : BLOCK);
        }
    }

    /** An executor may also throw after it has taken the transfer, or run it: then one of the two tells the future. */
    @EachCase
    void anExecutorThatThrowsAnythingIsToldByTheFuture() throws Exception {
        Setup.skipIf(!setup.direct(), "each transfer is one step");
        Deque<Runnable> taken = new ArrayDeque<>();
        file.write(0, heap(new byte[]{1}));
        byte[] memory = {2};
        try (AsyncFile throwing = AsyncFile.of(engine, engine.open(path, AioFile.Access.READ_WRITE, true), task -> {
            taken.add(task);
            throw new OutOfMemoryError("no thread, on purpose");
        }); AsyncFile running = AsyncFile.of(engine, engine.open(path, AioFile.Access.READ_WRITE, true), task -> {
            task.run();
            throw new IllegalStateException("on purpose");
        })) {
            assertThatExceptionOfType(ExecutionException.class)
                    .isThrownBy(() -> throwing.readAsync(0, heap(memory)).get(120, TimeUnit.SECONDS))
                    .withCauseInstanceOf(OutOfMemoryError.class);
            taken.remove().run();
            assertThat(memory).as("the caller's again").containsExactly(2);
            assertThat(running.readAsync(0, heap(memory)).get(120, TimeUnit.SECONDS)).isOne();
        }
    }

    private static MemorySegment closedMemory(long bytes) {
        try (Arena closed = Arena.ofShared()) {
            return closed.allocate(bytes, BLOCK);
        }
    }

    /** The lock that a write shares is given back, too, where the write cannot be begun. */
    @EachCase
    @Timeout(120)
    void aWriteOfClosedMemoryHoldsNobodyUp() throws Exception {
        MemorySegment memory = closedMemory(BLOCK);
        assertThatIllegalArgumentException().isThrownBy(() -> file.writeAsync(0, memory))
                .withMessageContaining("closed arena");
        // Alone: they wait for all writes that are under way.
        file.setSize(2 * BLOCK);
        file.write(3, heap(bytes(5, 1)));
        assertThat(file.writeAsync(0, arena.allocate(BLOCK, BLOCK)).get(120, TimeUnit.SECONDS)).isEqualTo(BLOCK);
        file.setSize(BLOCK);
    }

    /** Neither where a read cannot be begun, nor where what was read finds no memory, is anything of the pool lost. */
    @EachCase
    @Timeout(120)
    void whatABatchTookFromThePoolIsGivenBackWhateverEndsIt() throws Exception {
        long before = IoBuffer.usage().usedBytes();
        file.setSize(1 << 20);
        MemorySegment whole = closedMemory(BLOCK);
        MemorySegment part = closedMemory(100);
        List<FileRead> copied = new ArrayList<>();
        for (int i = 0; i < 30; i++) {
            copied.add(new FileRead(1, heap(new byte[1 << 19])));
        }
        List<FileRead> endedByTheLast = new ArrayList<>(copied);
        endedByTheLast.add(new FileRead(0, whole));
        assertThatIllegalArgumentException().isThrownBy(() -> file.readAll(endedByTheLast))
                .withMessageContaining("closed arena");
        List<FileRead> endedByTheFirst = new ArrayList<>(copied);
        endedByTheFirst.add(0, new FileRead(1, part));
        if (setup.direct()) {
            assertThatIllegalStateException().isThrownBy(() -> file.readAll(endedByTheFirst));
        }
        // Another test may use the pool meanwhile; each of these batches takes half a mebibyte 30 times.
        Eventually.until("all is given back", () -> IoBuffer.usage().usedBytes() <= before + (1 << 20));
    }

    /** Of a batch that would copy more than the bound, the rest is read piece by piece. */
    @EachCase
    void aBatchTakesNoMoreOfThePoolThanItsBound() throws Exception {
        byte[] content = new byte[1 << 20];
        new Random(2).nextBytes(content);
        file.write(0, heap(content));
        MemorySegment target = heap(new byte[1 << 19]);
        List<FileRead> reads = new ArrayList<>();
        for (int i = 0; i < 2 * ReadBatch.COPIED_BYTES_MAX / (1 << 19); i++) {
            reads.add(new FileRead(1 + i, target));
        }
        MemorySegment last = heap(new byte[1000]);
        reads.add(new FileRead(7, last));
        ReadBatch batch = new ReadBatch(file, engine, file.file(), reads);
        assertThat(batch.run()).hasSize(reads.size()).endsWith(1000).containsOnly(1 << 19, 1000);
        assertThat(batch.copiedBytes()).isBetween(ReadBatch.COPIED_BYTES_MAX / 2, ReadBatch.COPIED_BYTES_MAX);
        if (setup.movesData()) {
            assertThat(bytes(last)).isEqualTo(Arrays.copyOfRange(content, 7, 1007));
        }
    }

    @EachCase
    void whatWasTakenFromThePoolIsGivenBack() throws Exception {
        byte[] odd = new byte[16 * BLOCK + 5];
        long before = IoBuffer.usage().usedBytes();
        for (int i = 0; i < 20; i++) {
            file.write(7, heap(odd));
            long _ = file.read(3, heap(odd));
            long[] _ = file.readAll(List.of(new FileRead(1, heap(odd)), new FileRead(2, heap(odd))));
        }
        // Another test may use the pool meanwhile. A buffer that is lost in each round makes more than that.
        Eventually.until("all is given back", () -> IoBuffer.usage().usedBytes() <= before + (1 << 20));
    }

    @EachCase
    void apolledEngineIsRefused() throws Exception {
        try (AioEngine polled = AioEngines.open(setup.engine(),
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build())) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> AsyncFile.open(polled, path, AioFile.Access.READ_ONLY, false))
                    .withMessageContaining("polled");
        }
    }

    @EachCase({"isNative", "hasDoorbell"})
    void aFutureTakesAFewBytesAndABlockingCallNone() throws Exception {
        MemorySegment memory = arena.allocate(BLOCK, BLOCK);
        file.write(0, memory);
        int count = 100;
        long futures = AllocatedBytes.whenWarm(129L * count - 1, () -> {
            for (int i = 0; i < count; i++) {
                CompletableFuture<Long> read = file.readAsync(0, memory);
                while (!read.isDone()) {
                    Thread.onSpinWait();
                }
            }
        });
        long waits = AllocatedBytes.whenWarm(count - 1, () -> {
            for (int i = 0; i < count; i++) {
                long _ = file.read(0, memory);
            }
        });
        assertThat((double) futures / count).as("bytes of a future").isLessThan(129);
        assertThat((double) waits / count).as("bytes of a blocking read").isLessThan(1);
    }
}
