package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.aio.life.EngineEnd;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.EachCase;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;

/** What every engine promises, run against every engine, in every mode, buffered and direct, on disk, and the main ones in memory. */
@BesideOthers
class EngineContractTest {

    private static final int FILE_BYTES = 1 << 20;
    private static final int BLOCK = 4096;
    /** Bytes that tell their offset, as far as that is less than the length of the file. */
    private static final byte[] PATTERN = new byte[FILE_BYTES];

    static {
        for (int at = 0; at < FILE_BYTES; at++) {
            PATTERN[at] = (byte) (at * 31 + (at >>> 12) * 7 + 1);
        }
    }

    private final EngineSetup setup;
    private final Arena arena = Arena.ofShared();
    private Path path;
    private AioEngine engine;
    private AioFile file;

    static List<? extends EngineSetup> cases() throws IOException {
        return EngineSetups.all();
    }

    @SuppressWarnings("NullAway.Init")
    EngineContractTest(EngineSetup setup) {
        this.setup = setup;
    }

    @BeforeEach
    void open() throws IOException {
        setup.assumeAvailable();
        path = setup.make(pattern(0, FILE_BYTES));
        engine = setup.open(AioEngineConfig.builder().depth(32).workers(4));
        file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct());
    }

    @AfterEach
    void close() throws IOException {
        if (engine != null) {
            engine.close();
            file.close();
            setup.remove(path);
        }
        arena.close();
    }

    /** Bytes that tell their offset. */
    private static byte[] pattern(long offset, int bytes) {
        return Arrays.copyOfRange(PATTERN, (int) offset, (int) offset + bytes);
    }

    private MemorySegment memory(long bytes) {
        return arena.allocate(bytes, BLOCK);
    }

    private static byte[] bytes(MemorySegment memory) {
        return memory.toArray(ValueLayout.JAVA_BYTE);
    }

    /** All of the file: as the file system has it, unless the engine keeps it to itself. */
    private byte[] content() throws IOException {
        if (setup.isWrittenThrough()) {
            return Files.readAllBytes(path);
        }
        MemorySegment memory = memory(file.size());
        assertThat(file.read(0, memory)).isEqualTo(memory.byteSize());
        return bytes(memory);
    }

    private long read(MemorySegment memory, long offset) {
        return read(file, memory, offset);
    }

    private long read(AioFile file, MemorySegment memory, long offset) {
        Told told = new Told();
        return Told.run(engine, Kiocb.withSegments(1).prepareRead(file, offset, told, 1).addSegment(memory), told);
    }

    private long write(MemorySegment memory, long offset) {
        Told told = new Told();
        return Told.run(engine, Kiocb.withSegments(1).prepareWrite(file, offset, told, 1).addSegment(memory), told);
    }

    // Results

    @EachCase
    void readsBytesOfTheFile() {
        MemorySegment memory = memory(2 * BLOCK);
        assertThat(read(memory, 3 * BLOCK)).isEqualTo(2 * BLOCK);
        if (!setup.engine().equals("null")) {
            assertThat(bytes(memory)).isEqualTo(pattern(3 * BLOCK, 2 * BLOCK));
        }
    }

    @EachCase("movesData")
    void writesBytesToTheFile() throws IOException {
        MemorySegment memory = memory(BLOCK).fill((byte) 0x5a);
        assertThat(write(memory, 5 * BLOCK)).isEqualTo(BLOCK);
        byte[] expected = pattern(0, FILE_BYTES);
        Arrays.fill(expected, 5 * BLOCK, 6 * BLOCK, (byte) 0x5a);
        assertThat(file.sync(false)).isZero();
        assertThat(content()).isEqualTo(expected);
    }

    @EachCase({"movesData", "isOfFileSystem"})
    void writePastTheEndExtendsTheFile() throws IOException {
        assertThat(write(memory(BLOCK), FILE_BYTES + BLOCK)).isEqualTo(BLOCK);
        assertThat(file.size()).isEqualTo(FILE_BYTES + 2 * BLOCK);
    }

    /** As a disk has it, which does not grow. */
    @EachCase({"movesData", "!isOfFileSystem"})
    void writePastTheEndFindsNoSpaceAndWritesNothing() throws IOException {
        assertThat(write(memory(BLOCK), FILE_BYTES)).isEqualTo(-Errno.ENOSPC);
        assertThat(write(memory(BLOCK), FILE_BYTES + BLOCK)).isEqualTo(-Errno.ENOSPC);
        assertThat(write(memory(2 * BLOCK), FILE_BYTES - BLOCK)).isEqualTo(-Errno.ENOSPC);
        assertThat(file.write(FILE_BYTES - BLOCK, memory(2 * BLOCK))).isEqualTo(-Errno.ENOSPC);
        assertThat(file.size()).isEqualTo(FILE_BYTES);
        assertThat(content()).isEqualTo(pattern(0, FILE_BYTES));
    }

    @EachCase("movesData")
    void readAcrossTheEndIsShort() throws IOException {
        Path odd = setup.make(pattern(0, FILE_BYTES - BLOCK - 100));
        try (AioFile oddFile = engine.open(odd, AioFile.Access.READ_ONLY, setup.direct())) {
            MemorySegment memory = memory(4 * BLOCK);
            assertThat(read(oddFile, memory, FILE_BYTES - 4 * BLOCK)).isEqualTo(3 * BLOCK - 100);
            assertThat(bytes(memory.asSlice(0, 3 * BLOCK - 100)))
                    .isEqualTo(pattern(FILE_BYTES - 4 * BLOCK, 3 * BLOCK - 100));
        } finally {
            setup.remove(odd);
        }
    }

    @EachCase("movesData")
    void vectoredReadAcrossTheEndIsShort() throws IOException {
        Told told = new Told();
        Kiocb kiocb = Kiocb.withSegments(4).prepareRead(file, FILE_BYTES - 2 * BLOCK, told, 1);
        for (int i = 0; i < 4; i++) {
            kiocb.addSegment(memory(BLOCK));
        }
        assertThat(Told.run(engine, kiocb, told)).isEqualTo(2 * BLOCK);
    }

    @EachCase("movesData")
    void readAtTheEndMovesNothing() {
        assertThat(read(memory(BLOCK), FILE_BYTES)).isZero();
        assertThat(read(memory(BLOCK), FILE_BYTES + 8L * BLOCK)).isZero();
    }

    @EachCase
    void transferOfNothingMovesNothing() {
        Told told = new Told();
        assertThat(Told.run(engine, Kiocb.withSegments(1).prepareRead(file, 0, told, 1), told)).isZero();
        assertThat(Told.run(engine, Kiocb.withSegments(1).prepareWrite(file, 0, told, 2), told)).isZero();
    }

    /** Most file systems refuse it; some, as btrfs and tmpfs, carry it out through the page cache. */
    @EachCase({"movesData", "direct"})
    void unalignedDirectTransferIsCarriedOutOrInvalidAsTheFileSays() throws IOException {
        MemorySegment asked = memory(BLOCK);
        long alone = file.read(1, asked);
        assertThat(alone).isIn((long) BLOCK, (long) -Errno.EINVAL);
        MemorySegment memory = memory(BLOCK);
        assertThat(read(memory, 1)).isEqualTo(alone);
        assertThat(read(memory(BLOCK).asSlice(0, 100), 0)).isEqualTo(alone == BLOCK ? 100 : alone);
        assertThat(bytes(memory)).isEqualTo(alone == BLOCK ? pattern(1, BLOCK) : new byte[BLOCK]);
        assertThat(write(memory(BLOCK).fill((byte) 0x5a), 7)).isEqualTo(alone);
        byte[] expected = pattern(0, FILE_BYTES);
        if (alone == BLOCK) {
            Arrays.fill(expected, 7, 7 + BLOCK, (byte) 0x5a);
        }
        assertThat(file.sync(false)).isZero();
        assertThat(content()).isEqualTo(expected);
    }

    @EachCase("movesData")
    void directTransferOfTheSmallestUnitWorks() {
        int unit = Math.max(file.offsetAlignment(), file.memoryAlignment());
        MemorySegment memory = memory(4L * BLOCK).asSlice(unit, unit);
        assertThat(read(memory, 3L * unit)).isEqualTo(unit);
        assertThat(bytes(memory)).isEqualTo(pattern(3L * unit, unit));
    }

    // Vectors

    @EachCase("movesData")
    void vectoredTransferGoesThroughItsSegmentsInOrder() {
        vectored(5, BLOCK);
    }

    @EachCase("movesData")
    void moreSegmentsThanTheKernelTakesAtOnceAreContinued() {
        int unit = Math.max(512, file.offsetAlignment());
        vectored(Math.min(1500, FILE_BYTES / unit), unit);
    }

    private void vectored(int segments, int unit) {
        Told told = new Told();
        List<MemorySegment> parts = new ArrayList<>();
        Kiocb kiocb = Kiocb.withSegments(2).prepareRead(file, 0, told, 7);
        MemorySegment all = memory((long) segments * unit);
        for (int i = 0; i < segments; i++) {
            // Backwards in memory, so that neighbours cannot be taken for one.
            parts.add(all.asSlice((long) (segments - 1 - i) * unit, unit));
            kiocb.addSegment(parts.get(i));
        }
        assertThat(kiocb.segments()).isEqualTo(segments);
        assertThat(Told.run(engine, kiocb, told)).isEqualTo((long) segments * unit);
        for (int i = 0; i < segments; i++) {
            assertThat(bytes(parts.get(i))).as("segment " + i).isEqualTo(pattern((long) i * unit, unit));
        }
        Collections.reverse(parts);
        kiocb.prepareWrite(file, 0, told, 8);
        parts.forEach(kiocb::addSegment);
        assertThat(Told.run(engine, kiocb, told)).isEqualTo((long) segments * unit);
        MemorySegment back = memory((long) segments * unit);
        assertThat(read(back, 0)).isEqualTo((long) segments * unit);
        assertThat(bytes(back)).isEqualTo(bytes(all));
    }

    @EachCase("movesData")
    void emptySegmentsAreSkipped() {
        Told told = new Told();
        MemorySegment memory = memory(2 * BLOCK);
        Kiocb kiocb = Kiocb.withSegments(4).prepareRead(file, 0, told, 1).addSegment(memory.asSlice(0, BLOCK))
                .addSegment(memory.asSlice(BLOCK, 0)).addSegment(memory.asSlice(BLOCK, BLOCK));
        assertThat(Told.run(engine, kiocb, told)).isEqualTo(2 * BLOCK);
        assertThat(bytes(memory)).isEqualTo(pattern(0, 2 * BLOCK));
    }

    // Refusals

    @EachCase
    void writeToFileOpenedForReadingIsRefused() throws IOException {
        try (AioFile readOnly = engine.open(path, AioFile.Access.READ_ONLY, setup.direct())) {
            Told told = new Told();
            Kiocb kiocb = Kiocb.withSegments(1).prepareWrite(readOnly, 0, told, 1).addSegment(memory(BLOCK));
            assertThat(engine.submit(kiocb)).isEqualTo(-Errno.EBADF);
            assertThat(kiocb.isInFlight()).isFalse();
            assertThat(Told.run(engine, kiocb.prepareRead(readOnly, 0, told, 2).addSegment(memory(BLOCK)), told))
                    .isEqualTo(BLOCK);
        }
    }

    @EachCase
    void kiocbThatIsNotPreparedIsRefused() {
        Kiocb kiocb = Kiocb.withSegments(1);
        assertThat(engine.submit(kiocb)).isEqualTo(-Errno.EINVAL);
        Told told = new Told();
        assertThat(Told.run(engine, kiocb.prepareSync(file, true, told, 1), told)).isZero();
        assertThat(engine.submit(kiocb)).as("completed and not prepared anew").isEqualTo(-Errno.EINVAL);
    }

    @EachCase
    void fileOfAnotherFamilyIsRefused() throws IOException {
        String other = setup.isNative() ? "channel" : "io_uring";
        EngineSetup.skipIf(AioEngines.find(other).unavailable().isPresent(), other + " is not available");
        Path theirPath = setup.isOfFileSystem() ? path : Files.createTempFile("blkmq-aio", ".img");
        try (AioEngine stranger = AioEngines.open(other, AioEngineConfig.defaults());
                AioFile theirs = stranger.open(theirPath, AioFile.Access.READ_ONLY, false)) {
            Kiocb kiocb = Kiocb.withSegments(1).prepareRead(theirs, 0, new Told(), 1).addSegment(memory(BLOCK));
            assertThat(engine.submit(kiocb)).isEqualTo(-Errno.EINVAL);
        } finally {
            if (!setup.isOfFileSystem()) {
                Files.delete(theirPath);
            }
        }
    }

    @EachCase("holdsUntilCommit")
    void kiocbInFlightIsBusyAndCannotBeChanged() {
        Told told = new Told();
        Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(memory(BLOCK));
        assertThat(engine.submit(kiocb)).isZero();
        assertThat(engine.submit(kiocb)).isEqualTo(-Errno.EBUSY);
        assertThat(kiocb.isInFlight()).isTrue();
        assertThatThrownBy(() -> kiocb.prepareRead(file, 0, told, 2)).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("in flight");
        assertThatThrownBy(() -> kiocb.addSegment(memory(BLOCK))).isInstanceOf(IllegalStateException.class);
        engine.commit();
        told.await(engine, 1);
        assertThat(told.result(1)).isEqualTo(BLOCK);
        assertThat(kiocb.isInFlight()).isFalse();
    }

    @EachCase
    void submitAfterCloseIsRefusedAndTheKiocbIsFree() throws IOException {
        Told told = new Told();
        Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(memory(BLOCK));
        engine.close();
        assertThat(engine.submit(kiocb)).isEqualTo(-Errno.EINVAL);
        engine.commit();
        assertThat(engine.poll()).isZero();
        assertThat(engine.await(1000)).isZero();
        try (AioEngine another = setup.open(AioEngineConfig.builder())) {
            assertThat(Told.run(another, kiocb, told)).isEqualTo(BLOCK);
        }
        engine.close();
    }

    @EachCase
    void closedFileIsRefused() {
        file.close();
        file.close();
        Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, new Told(), 1).addSegment(memory(BLOCK));
        assertThat(engine.submit(kiocb)).isEqualTo(-Errno.EBADF);
        assertThat(file.read(0, memory(BLOCK))).isEqualTo(-Errno.EBADF);
        assertThat(file.sync(false)).isEqualTo(-Errno.EBADF);
        assertThatThrownBy(() -> file.size()).isInstanceOf(IOException.class).hasMessageContaining("closed");
    }

    @EachCase("holdsUntilCommit")
    void fileClosedWithOperationsInFlightServesThem() {
        Told told = new Told();
        List<MemorySegment> memories = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            memories.add(memory(BLOCK));
            assertThat(engine.submit(
                    Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i).addSegment(memories.get(i))))
                    .isZero();
        }
        file.close();
        engine.commit();
        told.await(engine, 100);
        for (int i = 0; i < 100; i++) {
            assertThat(told.result(i)).isEqualTo(BLOCK);
            if (!setup.engine().equals("null")) {
                assertThat(bytes(memories.get(i))).isEqualTo(pattern((long) i * BLOCK, BLOCK));
            }
        }
    }

    // Queueing

    @EachCase
    void moreThanTheRingHasEntriesAreAllCompleted() throws IOException {
        try (AioEngine small = setup.open(AioEngineConfig.builder().depth(4).workers(2))) {
            Told told = new Told();
            MemorySegment memory = memory(256L * BLOCK);
            int count = 1000;
            for (int i = 0; i < count; i++) {
                long at = (long) (i % 256) * BLOCK;
                assertThat(small.submit(
                        Kiocb.withSegments(1).prepareRead(file, at, told, i).addSegment(memory.asSlice(at, BLOCK))))
                        .isZero();
            }
            small.commit();
            told.await(small, count);
            assertThat(told.results.values()).hasSize(count).containsOnly((long) BLOCK);
            if (!setup.engine().equals("null")) {
                assertThat(bytes(memory)).isEqualTo(pattern(0, FILE_BYTES));
            }
            assertSettled(small, count);
        }
    }

    @EachCase
    void depthOfOneWorks() throws IOException {
        try (AioEngine small = setup.open(AioEngineConfig.builder().depth(1).workers(1))) {
            Told told = new Told();
            MemorySegment memory = memory(BLOCK);
            for (int i = 0; i < 20; i++) {
                assertThat(small.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, i).addSegment(memory)))
                        .isZero();
            }
            small.commit();
            told.await(small, 20);
            assertThat(told.results.values()).containsOnly((long) BLOCK);
        }
    }

    @EachCase
    void completionMaySubmitAgain() {
        int chains = 8;
        int rounds = 200;
        CountDownLatch ended = new CountDownLatch(chains);
        AtomicInteger wrong = new AtomicInteger();
        for (int i = 0; i < chains; i++) {
            MemorySegment memory = memory(BLOCK);
            Kiocb kiocb = Kiocb.withSegments(1);
            AioCompletion again = new AioCompletion() {
                @Override
                public void complete(long left, long result) {
                    if (result != BLOCK) {
                        wrong.incrementAndGet();
                    }
                    if (left == 0) {
                        ended.countDown();
                    } else {
                        if (engine.submit(
                                kiocb.prepareRead(file, left % 256 * BLOCK, this, left - 1).addSegment(memory)) != 0) {
                            wrong.incrementAndGet();
                        }
                        engine.commit();
                    }
                }
            };
            assertThat(engine.submit(kiocb.prepareRead(file, 0, again, rounds).addSegment(memory))).isZero();
        }
        engine.commit();
        await(ended);
        assertThat(wrong).hasValue(0);
    }

    @EachCase
    void completionThatSubmitsAgainIsNotCalledInsideItself() {
        int rounds = 100;
        CountDownLatch ended = new CountDownLatch(1);
        ThreadLocal<Integer> depth = ThreadLocal.withInitial(() -> 0);
        AtomicInteger deepest = new AtomicInteger();
        MemorySegment memory = memory(BLOCK);
        Kiocb kiocb = Kiocb.withSegments(1);
        AioCompletion again = new AioCompletion() {
            @Override
            public void complete(long left, long result) {
                depth.set(depth.get() + 1);
                deepest.accumulateAndGet(depth.get(), Math::max);
                if (left == 0) {
                    ended.countDown();
                } else if (engine.submit(kiocb.prepareRead(file, 0, this, left - 1).addSegment(memory)) == 0) {
                    engine.commit();
                }
                depth.set(depth.get() - 1);
            }
        };
        assertThat(engine.submit(kiocb.prepareRead(file, 0, again, rounds).addSegment(memory))).isZero();
        engine.commit();
        await(ended);
        assertThat(deepest).as("completions on the stack of one thread").hasValue(1);
    }

    private void await(CountDownLatch latch) {
        try {
            while (setup.mode() == CompletionMode.POLLED && latch.getCount() > 0) {
                engine.await(TimeUnit.SECONDS.toNanos(60));
            }
            assertThat(latch.await(300, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @EachCase
    void completionThatThrowsIsCountedAndCostsNothing() {
        Kiocb kiocb = Kiocb.withSegments(1);
        CountDownLatch thrown = new CountDownLatch(3);
        for (int i = 0; i < 3; i++) {
            CountDownLatch one = new CountDownLatch(1);
            kiocb.prepareRead(file, 0, (userData, result) -> {
                thrown.countDown();
                one.countDown();
                throw new OnPurpose();
            }, i).addSegment(memory(BLOCK));
            assertThat(engine.submit(kiocb)).isZero();
            engine.commit();
            await(one);
        }
        await(thrown);
        assertThat(read(memory(BLOCK), 0)).isEqualTo(BLOCK);
        // A worker counts after it has told; closing waits for that.
        engine.close();
        assertThat(engine.statistics().completionsThrown()).isEqualTo(3);
    }

    @EachCase({"isPolled", "hasDoorbell"})
    void oneCommitIsOneSystemCall() {
        Told told = new Told();
        long before = engine.statistics().systemCalls();
        for (int i = 0; i < 32; i++) {
            assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, i).addSegment(memory(BLOCK))))
                    .isZero();
        }
        assertThat(engine.statistics().systemCalls()).isEqualTo(before);
        engine.commit();
        assertThat(engine.statistics().systemCalls()).isEqualTo(before + 1);
        engine.commit();
        assertThat(engine.statistics().systemCalls()).as("nothing to commit").isEqualTo(before + 1);
        told.await(engine, 32);
    }

    @EachCase
    void listenerIsToldAroundEachBatch() throws IOException {
        AtomicInteger begun = new AtomicInteger();
        AtomicInteger ended = new AtomicInteger();
        AtomicInteger outside = new AtomicInteger();
        // Two threads may be in a batch each.
        Set<Thread> inBatch = ConcurrentHashMap.newKeySet();
        ReapListener listener = new ReapListener() {
            @Override
            public void reapBegins() {
                begun.incrementAndGet();
                inBatch.add(Thread.currentThread());
            }

            @Override
            public void reapEnds() {
                inBatch.remove(Thread.currentThread());
                ended.incrementAndGet();
            }
        };
        CountDownLatch told = new CountDownLatch(50);
        try (AioEngine listened = setup.open(AioEngineConfig.builder().reapListener(listener))) {
            for (int i = 0; i < 50; i++) {
                Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, (userData, result) -> {
                    if (!inBatch.contains(Thread.currentThread())) {
                        outside.incrementAndGet();
                    }
                    told.countDown();
                }, i).addSegment(memory(BLOCK));
                assertThat(listened.submit(kiocb)).isZero();
            }
            listened.commit();
            while (setup.mode() == CompletionMode.POLLED && told.getCount() > 0) {
                listened.await(TimeUnit.SECONDS.toNanos(60));
            }
        }
        assertThat(told.getCount()).isZero();
        assertThat(outside).hasValue(0);
        assertThat(begun.get()).isPositive().isEqualTo(ended.get());
    }

    // Threads

    @EachCase("hasReaper")
    void severalThreadsMaySubmit() throws Exception {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        for (int t = 0; t < 3; t++) {
            int region = t;
            Runnable body = () -> {
                try {
                    submitMany(region);
                } catch (Throwable e) {
                    failure.set(e);
                }
            };
            // One of them virtual.
            threads.add(t == 2 ? Thread.ofVirtual().start(body) : Thread.ofPlatform().start(body));
        }
        for (Thread thread : threads) {
            thread.join();
        }
        assertThat(failure.get()).isNull();
        assertSettled(engine, 3 * 50 * 40);
    }

    private void submitMany(int region) {
        Told told = new Told();
        MemorySegment memory = arena.allocate(40L * BLOCK, BLOCK);
        List<Kiocb> kiocbs = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            kiocbs.add(Kiocb.withSegments(1));
        }
        for (int round = 0; round < 50; round++) {
            for (int i = 0; i < 40; i++) {
                long at = (long) (region * 64 + i) * BLOCK;
                int refused = engine.submit(kiocbs.get(i).prepareRead(file, at, told, round * 40L + i)
                        .addSegment(memory.asSlice((long) i * BLOCK, BLOCK)));
                assertThat(refused).isZero();
            }
            engine.commit();
            told.await(engine, 40);
            if (!setup.engine().equals("null")) {
                assertThat(bytes(memory)).isEqualTo(pattern((long) region * 64 * BLOCK, 40 * BLOCK));
            }
        }
        assertThat(told.results.values()).containsOnly((long) BLOCK);
    }

    @EachCase("hasReaper")
    void operationsOutliveTheThreadThatSubmittedThem() throws Exception {
        Told told = new Told();
        MemorySegment memory = memory(64L * BLOCK);
        Thread submitter = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < 64; i++) {
                long at = (long) i * BLOCK;
                assertThat(engine.submit(
                        Kiocb.withSegments(1).prepareWrite(file, at, told, i).addSegment(memory.asSlice(at, BLOCK))))
                        .isZero();
            }
            assertThat(engine.submit(Kiocb.withSegments(1).prepareSync(file, false, told, 64))).isZero();
            engine.commit();
        });
        submitter.join();
        told.await(engine, 65);
        for (int i = 0; i < 64; i++) {
            assertThat(told.result(i)).isEqualTo(BLOCK);
        }
        assertThat(told.result(64)).isZero();
    }

    @EachCase("isPolled")
    void polledEngineBelongsToTheThreadThatSubmitsFirst() throws Exception {
        assertThat(read(memory(BLOCK), 0)).isEqualTo(BLOCK);
        Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, new Told(), 1).addSegment(memory(BLOCK));
        List<Throwable> thrown = Collections.synchronizedList(new ArrayList<>());
        Thread stranger = Thread.ofPlatform().start(() -> {
            for (Runnable call : List.<Runnable>of(() -> assertThat(engine.submit(kiocb)).isZero(),
                    () -> engine.commit(), () -> engine.poll(), () -> engine.await(1))) {
                try {
                    call.run();
                } catch (IllegalStateException e) {
                    thrown.add(e);
                }
            }
        });
        stranger.join();
        assertThat(thrown).hasSize(4).allSatisfy(e -> assertThat(e).hasMessageContaining("belongs to"));
        assertThat(read(memory(BLOCK), 0)).isEqualTo(BLOCK);
    }

    @EachCase("isPolled")
    void polledEngineRefusesAVirtualThread() throws Exception {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Thread.ofVirtual().start(() -> {
            try {
                int _ = engine.submit(Kiocb.withSegments(1));
            } catch (IllegalStateException e) {
                thrown.set(e);
            }
        }).join();
        assertThat(thrown.get()).hasMessageContaining("virtual");
    }

    @EachCase
    void engineMayBeSetUpByAnotherThreadThanItsOwner() throws Exception {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        MemorySegment memory = memory(BLOCK);
        boolean registered = engine.registerMemory(memory);
        Thread owner = Thread.ofPlatform().start(() -> {
            try {
                assertThat(read(memory, BLOCK)).isEqualTo(BLOCK);
            } catch (Throwable e) {
                failure.set(e);
            }
        });
        owner.join();
        assertThat(failure.get()).isNull();
        assertThat(engine.statistics().fixedBufferOperations()).isEqualTo(registered ? 1 : 0);
    }

    @EachCase
    void pollAndAwaitReturnAtOnceWhenNothingIsInFlight() {
        assertThat(engine.poll()).isZero();
        assertThat(engine.await(Long.MAX_VALUE)).isZero();
        read(memory(BLOCK), 0);
        assertThat(engine.poll()).isZero();
        assertThat(engine.await(Long.MAX_VALUE)).isZero();
    }

    // Closing

    @EachCase
    void closeWaitsForWhatIsInFlight() {
        Told told = new Told();
        for (int i = 0; i < 200; i++) {
            assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, i).addSegment(memory(BLOCK))))
                    .isZero();
        }
        engine.close();
        assertThat(told.results.values()).hasSize(200).containsOnly((long) BLOCK);
        engine.close();
    }

    @EachCase
    void closeInsideACompletionIsRefused() {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        CountDownLatch told = new CountDownLatch(1);
        assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, (userData, result) -> {
            try {
                engine.close();
            } catch (IllegalStateException e) {
                thrown.set(e);
            }
            told.countDown();
        }, 1).addSegment(memory(BLOCK)))).isZero();
        engine.commit();
        await(told);
        assertThat(thrown.get()).isInstanceOf(IllegalStateException.class).hasMessageContaining("inside a completion");
        assertThat(read(memory(BLOCK), 0)).isEqualTo(BLOCK);
    }

    @EachCase("isPolled")
    void awaitInsideACompletionIsRefusedAndPollDoesNothing() {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        AtomicInteger polled = new AtomicInteger(-1);
        CountDownLatch told = new CountDownLatch(1);
        assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, (userData, result) -> {
            polled.set(engine.poll());
            try {
                engine.await(1);
            } catch (IllegalStateException e) {
                thrown.set(e);
            }
            told.countDown();
        }, 1).addSegment(memory(BLOCK)))).isZero();
        engine.commit();
        await(told);
        assertThat(polled).hasValue(0);
        assertThat(thrown.get()).isInstanceOf(IllegalStateException.class);
    }

    @EachCase("isPolled")
    void polledEngineOfADeadThreadCanBeClosed() throws Exception {
        Told told = new Told();
        Thread owner = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < 150; i++) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, i).addSegment(memory(BLOCK))))
                        .isZero();
                if (i == 10) {
                    engine.commit();
                }
            }
        });
        owner.join();
        engine.close();
        assertThat(told.results.values()).hasSize(150).isSubsetOf((long) BLOCK, (long) -Errno.ECANCELED);
    }

    @EachCase("isPolled")
    void polledEngineOfALivingThreadIsNotClosedByAnotherWhileInFlight() throws Exception {
        Told told = new Told();
        assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(memory(BLOCK))))
                .isZero();
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Thread.ofPlatform().start(() -> {
            try {
                engine.close();
            } catch (IllegalStateException e) {
                thrown.set(e);
            }
        }).join();
        assertThat(thrown.get()).isInstanceOf(IllegalStateException.class).hasMessageContaining("belongs to");
        engine.commit();
        told.await(engine, 1);
        assertThat(told.result(1)).isEqualTo(BLOCK);
    }

    @EachCase("isPolled")
    @Timeout(300)
    void closeByAnotherThreadWaitsForAnOwnerInItsLastCompletion() throws Exception {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Thread closer = Thread.ofPlatform().unstarted(() -> {
            try {
                engine.close();
            } catch (Throwable e) {
                thrown.set(e);
            }
        });
        CountDownLatch told = new CountDownLatch(1);
        assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, (userData, result) -> {
            closer.start();
            Eventually.waitsIn(closer, EngineEnd.class);
            assertThat(closer.isAlive()).as("the owner is still inside").isTrue();
            told.countDown();
        }, 1).addSegment(memory(BLOCK)))).isZero();
        await(told);
        closer.join();
        assertThat(thrown.get()).isNull();
        assertThat(engine.statistics().completionsThrown()).isZero();
        assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, new Told(), 1).addSegment(memory(BLOCK))))
                .isEqualTo(-Errno.EINVAL);
        assertThat(engine.poll()).isZero();
        assertThat(engine.await(Long.MAX_VALUE)).isZero();
        engine.commit();
    }

    @EachCase
    @Timeout(300)
    void closedBySeveralThreadsAtOnceItHasEndedForEachOfThem() throws Exception {
        read(memory(BLOCK), 0);
        Queue<Throwable> thrown = new ConcurrentLinkedQueue<>();
        List<Thread> closers = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            closers.add(Thread.ofPlatform().start(() -> {
                try {
                    engine.close();
                    assertThat(engine.registerMemory(memory(BLOCK))).isFalse();
                } catch (Throwable e) {
                    thrown.add(e);
                }
            }));
        }
        for (Thread closer : closers) {
            closer.join();
        }
        assertThat(thrown).isEmpty();
    }

    // Other operations

    @EachCase
    void syncsComplete() {
        Told told = new Told();
        assertThat(Told.run(engine, Kiocb.withSegments(1).prepareSync(file, false, told, 1), told)).isZero();
        assertThat(Told.run(engine, Kiocb.withSegments(1).prepareSync(file, true, told, 2), told)).isZero();
    }

    @EachCase("movesData")
    void punchedHoleReadsAsZeroesAndKeepsTheSize() throws IOException {
        zeroes(AioOperation.PUNCH_HOLE);
    }

    @EachCase("movesData")
    void zeroedRangeReadsAsZeroesAndKeepsTheSize() throws IOException {
        zeroes(AioOperation.ZERO_RANGE);
    }

    private void zeroes(AioOperation operation) throws IOException {
        Told told = new Told();
        Kiocb kiocb = Kiocb.withSegments(1);
        if (operation == AioOperation.PUNCH_HOLE) {
            kiocb.preparePunchHole(file, FILE_BYTES - 4 * BLOCK, 8 * BLOCK, told, 1);
        } else {
            kiocb.prepareZeroRange(file, FILE_BYTES - 4 * BLOCK, 8 * BLOCK, told, 1);
        }
        if (!engine.operations().contains(operation)) {
            assertThat(engine.submit(kiocb)).isEqualTo(-Errno.EOPNOTSUPP);
            return;
        }
        long result = Told.run(engine, kiocb, told);
        EngineSetup.skipIf(result == -Errno.EOPNOTSUPP, operation + " is not supported in " + setup.place());
        assertThat(result).isZero();
        assertThat(file.size()).isEqualTo(FILE_BYTES);
        MemorySegment memory = memory(8L * BLOCK);
        assertThat(read(memory, FILE_BYTES - 8 * BLOCK)).isEqualTo(8 * BLOCK);
        assertThat(bytes(memory.asSlice(0, 4 * BLOCK))).isEqualTo(pattern(FILE_BYTES - 8 * BLOCK, 4 * BLOCK));
        assertThat(bytes(memory.asSlice(4 * BLOCK))).isEqualTo(new byte[4 * BLOCK]);
    }

    @EachCase
    void blockingFormsDoTheSame() throws IOException {
        MemorySegment memory = memory(2 * BLOCK);
        assertThat(file.read(BLOCK, memory)).isEqualTo(2 * BLOCK);
        assertThat(bytes(memory)).isEqualTo(pattern(BLOCK, 2 * BLOCK));
        assertThat(file.read(FILE_BYTES - BLOCK, memory)).isEqualTo(BLOCK);
        assertThat(file.read(FILE_BYTES, memory)).isZero();
        if (setup.isOfFileSystem()) {
            assertThat(file.write(FILE_BYTES, memory.fill((byte) 9))).isEqualTo(2 * BLOCK);
            assertThat(file.size()).isEqualTo(FILE_BYTES + 2 * BLOCK);
        }
        assertThat(file.sync(false)).isZero();
        assertThat(file.sync(true)).isZero();
        assertThat(file.punchHole(0, BLOCK)).isIn(0, -Errno.EOPNOTSUPP);
        assertThat(file.zeroRange(BLOCK, BLOCK)).isIn(0, -Errno.EOPNOTSUPP);
        assertThat(file.dropPageCache()).isIn(0, -Errno.EOPNOTSUPP);
        assertThatThrownBy(() -> file.read(-1, memory)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("-1");
        assertThatThrownBy(() -> file.read(0, MemorySegment.ofArray(new byte[BLOCK])))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("heap");
    }

    @EachCase
    void interruptedThreadReadsAllTheSame() {
        MemorySegment memory = memory(BLOCK);
        Thread.currentThread().interrupt();
        assertThat(file.read(BLOCK, memory)).isEqualTo(BLOCK);
        assertThat(file.sync(false)).isZero();
        assertThat(Thread.interrupted()).isTrue();
        assertThat(file.read(0, memory)).isEqualTo(BLOCK);
        assertThat(read(memory, 0)).isEqualTo(BLOCK);
    }

    // Memory

    @EachCase
    void registeredMemoryIsUsedWhereThereIsSuchAThing() {
        MemorySegment slab = memory(16L * BLOCK);
        MemorySegment elsewhere = memory(BLOCK);
        boolean registered = engine.registerMemory(slab);
        if (setup.engine().equals("io_uring")) {
            assertThat(registered).isTrue();
        }
        assertThat(engine.registerMemory(slab)).as("again").isEqualTo(registered);
        for (int i = 0; i < 16; i++) {
            assertThat(read(slab.asSlice((long) i * BLOCK, BLOCK), (long) i * BLOCK)).isEqualTo(BLOCK);
        }
        assertThat(read(elsewhere, 0)).isEqualTo(BLOCK);
        assertThat(write(slab.asSlice(BLOCK, BLOCK), 0)).isEqualTo(BLOCK);
        assertThat(engine.statistics().fixedBufferOperations()).isEqualTo(registered ? 17 : 0);
        if (!setup.engine().equals("null")) {
            assertThat(bytes(slab)).isEqualTo(pattern(0, 16 * BLOCK));
            assertThat(bytes(elsewhere)).isEqualTo(pattern(0, BLOCK));
        }
        assertThat(engine.unregisterMemory(slab)).isEqualTo(registered);
        assertThat(read(slab.asSlice(0, BLOCK), 5 * BLOCK)).isEqualTo(BLOCK);
        assertThat(engine.statistics().fixedBufferOperations()).isEqualTo(registered ? 17 : 0);
    }

    @EachCase
    void memoryIsRegisteredWhileOperationsAreInFlight() {
        Told told = new Told();
        int rounds = 60;
        int used = 0;
        for (int i = 0; i < rounds; i++) {
            MemorySegment slab = memory(2 * BLOCK);
            assertThat(engine.submit(
                    Kiocb.withSegments(1).prepareRead(file, 0, told, 2L * i).addSegment(slab.asSlice(0, BLOCK))))
                    .isZero();
            engine.commit();
            used += engine.registerMemory(slab) ? 1 : 0;
            assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, BLOCK, told, 2L * i + 1)
                    .addSegment(slab.asSlice(BLOCK, BLOCK)))).isZero();
        }
        engine.commit();
        told.await(engine, 2 * rounds);
        assertThat(told.results.values()).containsOnly((long) BLOCK);
        // Those that had to wait for a place in the ring found their memory registered, too.
        assertThat(engine.statistics().fixedBufferOperations()).isBetween((long) used, 2L * used);
    }

    @EachCase
    void registeredMemoryOfAClosedArenaMakesRoom() {
        int registered = 0;
        // More than there are places; where nothing is registered there are none.
        int rounds = 80;
        for (int i = 0; i < (registered == i ? rounds : 5); i++) {
            try (Arena brief = Arena.ofShared()) {
                MemorySegment slab = brief.allocate(BLOCK, BLOCK);
                registered += engine.registerMemory(slab) ? 1 : 0;
                assertThat(read(slab, 3 * BLOCK)).isEqualTo(BLOCK);
                if (!setup.engine().equals("null")) {
                    assertThat(bytes(slab)).isEqualTo(pattern(3 * BLOCK, BLOCK));
                }
            }
        }
        assertThat(registered).isIn(0, rounds);
    }

    @EachCase
    void confinedMemoryOfTheSubmitterWorks() {
        try (Arena confined = Arena.ofConfined()) {
            MemorySegment memory = confined.allocate(BLOCK, BLOCK);
            assertThat(read(memory, BLOCK)).isEqualTo(BLOCK);
            if (!setup.engine().equals("null")) {
                assertThat(bytes(memory)).isEqualTo(pattern(BLOCK, BLOCK));
            }
        }
    }

    @EachCase("movesData")
    void memoryOutsideOfTheSegmentsIsNotTouched() {
        MemorySegment memory = memory(3 * BLOCK).fill((byte) 0x77);
        assertThat(read(memory.asSlice(BLOCK, BLOCK), 0)).isEqualTo(BLOCK);
        assertThat(bytes(memory.asSlice(0, BLOCK))).containsOnly(0x77);
        assertThat(bytes(memory.asSlice(2 * BLOCK, BLOCK))).containsOnly(0x77);
    }

    @EachCase
    void segmentClosedBeforeSubmitIsRefused() {
        Told told = new Told();
        Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, told, 1);
        try (Arena brief = Arena.ofShared()) {
            kiocb.addSegment(brief.allocate(BLOCK, BLOCK));
        }
        assertThat(engine.submit(kiocb)).isEqualTo(-Errno.EFAULT);
        assertThat(kiocb.isInFlight()).isFalse();
        assertThat(Told.run(engine, kiocb.prepareRead(file, 0, told, 2).addSegment(memory(BLOCK)), told))
                .isEqualTo(BLOCK);
    }

    // Limits

    @EachCase("holdsUntilCommit")
    void submitAboveTheLimitIsAnsweredAndDoesNotWait() throws IOException {
        try (AioEngine small = setup.open(AioEngineConfig.builder().depth(4).workers(2).inFlightMax(10))) {
            Told told = new Told();
            MemorySegment memory = memory(BLOCK);
            for (int i = 0; i < 10; i++) {
                assertThat(small.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, i).addSegment(memory)))
                        .isZero();
            }
            // The kernel may have been given a full ring, and have ended it; a thread may have told that.
            Kiocb next = Kiocb.withSegments(1).prepareRead(file, 0, told, 10).addSegment(memory);
            if (setup.mode() == CompletionMode.POLLED) {
                assertThat(small.submit(next)).isEqualTo(-Errno.EAGAIN);
                assertThat(next.isInFlight()).isFalse();
            }
            small.commit();
            told.await(small, 10);
            assertThat(Told.run(small, next, told)).as("there is room again").isEqualTo(BLOCK);
        }
    }

    @EachCase
    void completionFindsTheRoomOfItsOwnOperation() throws IOException {
        int rounds = 100;
        CountDownLatch ended = new CountDownLatch(1);
        AtomicInteger refused = new AtomicInteger();
        try (AioEngine small = setup.open(AioEngineConfig.builder().depth(4).workers(1).inFlightMax(1))) {
            MemorySegment memory = memory(BLOCK);
            Kiocb kiocb = Kiocb.withSegments(1);
            AioCompletion again = new AioCompletion() {
                @Override
                public void complete(long left, long result) {
                    if (left > 0) {
                        refused.addAndGet(-small.submit(kiocb.prepareRead(file, 0, this, left - 1).addSegment(memory)));
                        small.commit();
                    }
                    if (left == 0 || refused.get() != 0) {
                        ended.countDown();
                    }
                }
            };
            assertThat(small.submit(kiocb.prepareRead(file, 0, again, rounds).addSegment(memory))).isZero();
            small.commit();
            try {
                while (setup.mode() == CompletionMode.POLLED && ended.getCount() > 0) {
                    small.await(TimeUnit.SECONDS.toNanos(60));
                }
                assertThat(ended.await(300, TimeUnit.SECONDS)).isTrue();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            assertThat(refused).hasValue(0);
        }
    }

    @EachCase
    void operationWithTooManySegmentsIsRefusedWhenItIsPrepared() {
        MemorySegment memory = memory(BLOCK);
        Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, new Told(), 1);
        for (int i = 0; i < Kiocb.SEGMENTS_MAX; i++) {
            kiocb.addSegment(memory, 0, 0);
        }
        assertThatThrownBy(() -> kiocb.addSegment(memory)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(String.valueOf(Kiocb.SEGMENTS_MAX));
        assertThatThrownBy(() -> Kiocb.withSegments(1).prepareRead(file, 0, new Told(), 1).addSegment(memory, 1, BLOCK))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    // Durable writes

    @EachCase
    void writeThatIsSyncedAfterEndsWithItsBytes() throws IOException {
        for (boolean dataOnly : new boolean[]{false, true}) {
            Told told = new Told();
            MemorySegment memory = memory(3 * BLOCK).fill((byte) 0x6b);
            Kiocb kiocb = Kiocb.withSegments(3).prepareWrite(file, BLOCK, told, 1).thenSync(dataOnly);
            for (int i = 0; i < 3; i++) {
                kiocb.addSegment(memory.asSlice((long) i * BLOCK, BLOCK));
            }
            assertThat(Told.run(engine, kiocb, told)).isEqualTo(3 * BLOCK);
        }
        if (!setup.engine().equals("null")) {
            byte[] expected = pattern(0, FILE_BYTES);
            Arrays.fill(expected, BLOCK, 4 * BLOCK, (byte) 0x6b);
            assertThat(content()).isEqualTo(expected);
        }
    }

    @EachCase
    void manyWritesThatAreSyncedAfterAllEnd() throws IOException {
        try (AioEngine small = setup.open(AioEngineConfig.builder().depth(4).workers(2))) {
            Told told = new Told();
            MemorySegment memory = memory(64L * BLOCK).fill((byte) 0x11);
            for (int i = 0; i < 64; i++) {
                long at = (long) i * BLOCK;
                Kiocb kiocb = Kiocb.withSegments(1).prepareWrite(file, at, told, i);
                if (i % 3 != 0) {
                    kiocb.thenSync(i % 3 == 1);
                }
                assertThat(small.submit(kiocb.addSegment(memory.asSlice(at, BLOCK)))).isZero();
            }
            small.commit();
            told.await(small, 64);
            assertThat(told.results.values()).hasSize(64).containsOnly((long) BLOCK);
            assertSettled(small, 64);
        }
        assertThat(read(memory(BLOCK), 0)).isEqualTo(BLOCK);
    }

    @EachCase
    void onlyAWriteCanBeSyncedAfter() {
        Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, new Told(), 1);
        assertThatThrownBy(() -> kiocb.thenSync(true)).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("write");
    }

    // The file meanwhile

    @EachCase("isOfFileSystem")
    void fileThatIsRemovedMeanwhileIsStillThere() throws IOException {
        Files.delete(path);
        MemorySegment memory = memory(BLOCK);
        assertThat(write(memory.fill((byte) 7), 0)).isEqualTo(BLOCK);
        assertThat(read(memory, BLOCK)).isEqualTo(BLOCK);
        assertThat(file.size()).isEqualTo(FILE_BYTES);
        Files.createFile(path);
    }

    @EachCase({"movesData", "isWrittenThrough"})
    void fileThatIsShortenedMeanwhileEndsEarlier() throws IOException {
        try (var channel = java.nio.channels.FileChannel.open(path, java.nio.file.StandardOpenOption.WRITE)) {
            channel.truncate(8 * BLOCK);
        }
        assertThat(read(memory(4 * BLOCK), 6 * BLOCK)).isEqualTo(2 * BLOCK);
        assertThat(read(memory(BLOCK), 16 * BLOCK)).isZero();
        assertThat(file.size()).isEqualTo(8 * BLOCK);
    }

    @EachCase("isOfFileSystem")
    void whatIsNoFileIsRefusedByName() throws Exception {
        Path fifo = path.resolveSibling(path.getFileName() + ".fifo");
        Path socket = Files.createTempDirectory("blkmq").resolve("s");
        EngineSetup.skipIf(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor() != 0, "no mkfifo");
        try (var server = java.nio.channels.ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
            server.bind(java.net.UnixDomainSocketAddress.of(socket));
            for (Path strange : List.of((Path) setup.place(), fifo, socket, Path.of("/dev/null"))) {
                assertThatThrownBy(() -> engine.open(strange, AioFile.Access.READ_ONLY, setup.direct()))
                        .as("" + strange).isInstanceOf(IOException.class).hasMessageContaining(strange.toString());
            }
            assertThatThrownBy(() -> engine.open(path.resolve("below"), AioFile.Access.READ_ONLY, false))
                    .isInstanceOf(IOException.class).hasMessageContaining("below");
        } finally {
            Files.delete(fifo);
            Files.delete(socket);
            Files.delete(socket.getParent());
        }
    }

    // Ranges

    @EachCase({"movesData", "carriesOutRanges", "isOfFileSystem"})
    void allocatedRangeKeepsTheDataAndOnlyThenTheSizeIfWanted() throws IOException {
        Told told = new Told();
        Kiocb kiocb = Kiocb.withSegments(1);
        EngineSetup.skipIf(!engine.operations().contains(AioOperation.ALLOCATE), "it cannot: " + setup);
        EngineSetup.skipIf(!file.supports(AioOperation.ALLOCATE), "no allocation in " + setup.place());
        kiocb.prepareAllocate(file, FILE_BYTES - BLOCK, 3 * BLOCK, true, told, 1);
        assertThat(Told.run(engine, kiocb, told)).isZero();
        assertThat(file.size()).isEqualTo(FILE_BYTES);
        kiocb.prepareAllocate(file, FILE_BYTES - BLOCK, 3 * BLOCK, false, told, 2);
        assertThat(Told.run(engine, kiocb, told)).isZero();
        assertThat(file.size()).isEqualTo(FILE_BYTES + 2 * BLOCK);
        MemorySegment memory = memory(3 * BLOCK);
        assertThat(read(memory, FILE_BYTES - BLOCK)).isEqualTo(3 * BLOCK);
        assertThat(bytes(memory.asSlice(0, BLOCK))).isEqualTo(pattern(FILE_BYTES - BLOCK, BLOCK));
        assertThat(bytes(memory.asSlice(BLOCK))).isEqualTo(new byte[2 * BLOCK]);
    }

    @EachCase({"movesData", "carriesOutRanges", "isOfFileSystem"})
    void zeroedRangeExtendsTheFileIfWanted() throws IOException {
        Told told = new Told();
        EngineSetup.skipIf(!engine.operations().contains(AioOperation.ZERO_RANGE), "it cannot: " + setup);
        EngineSetup.skipIf(!file.supports(AioOperation.ZERO_RANGE), "no zeroing in " + setup.place());
        Kiocb kiocb = Kiocb.withSegments(1).prepareZeroRange(file, FILE_BYTES - BLOCK, 3 * BLOCK, false, told, 1);
        assertThat(Told.run(engine, kiocb, told)).isZero();
        assertThat(file.size()).isEqualTo(FILE_BYTES + 2 * BLOCK);
        MemorySegment memory = memory(3 * BLOCK);
        assertThat(read(memory, FILE_BYTES - BLOCK)).isEqualTo(3 * BLOCK);
        assertThat(bytes(memory)).isEqualTo(new byte[3 * BLOCK]);
    }

    @EachCase("movesData")
    void fileTellsWhatItCanDoAndTryingLeavesItAsItWas() throws IOException {
        for (AioOperation operation : AioOperation.values()) {
            if (!operation.isAllocation() || !engine.operations().contains(operation)) {
                assertThat(!operation.isAllocation() || !file.supports(operation) || !setup.engine().equals("io_uring"))
                        .as("" + operation).isTrue();
                continue;
            }
            Told told = new Told();
            Kiocb kiocb = Kiocb.withSegments(1);
            switch (operation) {
                case PUNCH_HOLE -> kiocb.preparePunchHole(file, 0, BLOCK, told, 1);
                case ZERO_RANGE -> kiocb.prepareZeroRange(file, 0, BLOCK, told, 1);
                default -> kiocb.prepareAllocate(file, 0, BLOCK, true, told, 1);
            }
            assertThat(Told.run(engine, kiocb, told)).as("" + operation)
                    .isEqualTo(file.supports(operation) ? 0 : -Errno.EOPNOTSUPP);
        }
        assertThat(file.supports(AioOperation.READ)).isTrue();
        assertThat(file.size()).isEqualTo(FILE_BYTES);
        try (AioFile readOnly = engine.open(path, AioFile.Access.READ_ONLY, setup.direct())) {
            assertThat(readOnly.supports(AioOperation.PUNCH_HOLE)).isFalse();
            assertThat(readOnly.supports(AioOperation.WRITE)).isFalse();
            assertThat(readOnly.supports(AioOperation.FSYNC)).isTrue();
        }
    }

    @EachCase({"movesData", "carriesOutRanges"})
    void rangeOfNothingOrBeyondEverythingIsInvalid() {
        EngineSetup.skipIf(!engine.operations().contains(AioOperation.PUNCH_HOLE), "it cannot: " + setup);
        EngineSetup.skipIf(!file.supports(AioOperation.PUNCH_HOLE), "no holes in " + setup.place());
        Told told = new Told();
        Kiocb kiocb = Kiocb.withSegments(1);
        assertThat(Told.run(engine, kiocb.preparePunchHole(file, 0, 0, told, 1), told)).isEqualTo(-Errno.EINVAL);
        assertThat(Told.run(engine, kiocb.preparePunchHole(file, Long.MAX_VALUE - BLOCK, 8 * BLOCK, told, 2), told))
                .isEqualTo(-Errno.EFBIG);
    }

    // Many files

    @EachCase("movesData")
    void oneEngineServesManyFiles() throws IOException {
        List<Path> paths = new ArrayList<>();
        List<AioFile> files = new ArrayList<>();
        try {
            Told told = new Told();
            MemorySegment memory = memory(40L * BLOCK);
            for (int i = 0; i < 40; i++) {
                paths.add(setup.make(pattern((long) i * BLOCK, BLOCK)));
                files.add(engine.open(paths.get(i), AioFile.Access.READ_ONLY, setup.direct()));
                assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(files.get(i), 0, told, i)
                        .addSegment(memory.asSlice((long) i * BLOCK, BLOCK)))).isZero();
                if (i % 2 == 0) {
                    files.get(i).close();
                }
            }
            engine.commit();
            told.await(engine, 40);
            assertThat(bytes(memory)).isEqualTo(pattern(0, 40 * BLOCK));
        } finally {
            files.forEach(AioFile::close);
            for (Path one : paths) {
                setup.remove(one);
            }
        }
    }

    // All together

    @EachCase("movesData")
    void randomOperationsLeaveTheBytesOfTheModel() {
        long seed = RandomSeed.next(EngineContractTest.class);
        String repeat = setup + ": replay with: " + RandomSeed.replay(EngineContractTest.class, seed);
        Random random = new Random(seed);
        byte[] model = pattern(0, FILE_BYTES);
        int unit = Math.max(512, file.offsetAlignment());
        int region = FILE_BYTES / 16;
        for (int round = 0; round < 12; round++) {
            // One operation in each region, so that those in flight together do not overlap.
            Told told = new Told();
            List<MemorySegment> read = new ArrayList<>();
            List<Integer> readAt = new ArrayList<>();
            for (int r = 0; r < 16; r++) {
                int units = 1 + random.nextInt(region / unit / 2);
                int offset = r * region + random.nextInt(region / unit - units + 1) * unit;
                MemorySegment memory = memory((long) units * unit);
                boolean write = random.nextBoolean();
                Kiocb kiocb = Kiocb.withSegments(1 + random.nextInt(3));
                if (write) {
                    byte[] data = new byte[units * unit];
                    random.nextBytes(data);
                    MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, 0, data.length);
                    System.arraycopy(data, 0, model, offset, data.length);
                    kiocb.prepareWrite(file, offset, told, r);
                } else {
                    kiocb.prepareRead(file, offset, told, r);
                    read.add(memory);
                    readAt.add(offset);
                }
                for (int at = 0; at < units;) {
                    int part = 1 + random.nextInt(units - at);
                    kiocb.addSegment(memory.asSlice((long) at * unit, (long) part * unit));
                    at += part;
                }
                assertThat(engine.submit(kiocb)).as(repeat).isZero();
                if (random.nextInt(4) == 0) {
                    engine.commit();
                }
            }
            engine.commit();
            told.await(engine, 16);
            assertThat(told.results.values()).as(repeat).allMatch(result -> result > 0);
            for (int i = 0; i < read.size(); i++) {
                byte[] expected = Arrays.copyOfRange(model, readAt.get(i),
                        readAt.get(i) + (int) read.get(i).byteSize());
                assertThat(bytes(read.get(i))).as(repeat).isEqualTo(expected);
            }
        }
        MemorySegment all = memory(FILE_BYTES);
        assertThat(read(all, 0)).as(repeat).isEqualTo(FILE_BYTES);
        assertThat(bytes(all)).as(repeat).isEqualTo(model);
    }

    /** The count of what was told may lag behind the last completion by a moment; closing the engine ends that. */
    private static void assertSettled(AioEngine engine, long count) {
        engine.close();
        assertThat(engine.statistics().submitted()).isEqualTo(count);
        assertThat(engine.statistics().completed()).isEqualTo(count);
        assertThat(engine.statistics().inFlight()).isZero();
    }

    /** Without a trace, which would only fill the log. */
    private static final class OnPurpose extends RuntimeException {
        private static final long serialVersionUID = 1L;

        OnPurpose() {
            super("thrown by a test, on purpose", null, false, false);
        }
    }
}
