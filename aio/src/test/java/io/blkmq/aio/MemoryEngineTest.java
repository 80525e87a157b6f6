package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the memory engine has beyond the contract: latency, a quota, sparse files of its own. */
class MemoryEngineTest {

    private static final int BLOCK = 4096;
    private static final int CHUNK = SparseBytes.CHUNK_BYTES;

    @TempDir
    private Path directory;

    private final Arena arena = Arena.ofShared();
    private final AtomicLong now = new AtomicLong(Long.MAX_VALUE - 1000);
    private Path path;

    @SuppressWarnings("NullAway.Init")
    MemoryEngineTest() {}

    @BeforeEach
    void make() throws IOException {
        path = Files.write(directory.resolve("file"),
                "0123456789".repeat(1000).getBytes(java.nio.charset.StandardCharsets.US_ASCII));
    }

    @AfterEach
    void close() {
        arena.close();
    }

    private static AioEngine open(AioEngineConfig.Builder builder) throws IOException {
        return AioEngines.open("memory", builder.build());
    }

    private AioEngineConfig.Builder polledWithClock(MemoryLatency latency) {
        return AioEngineConfig.builder().completionMode(CompletionMode.POLLED).clock(now::get).memoryLatency(latency);
    }

    private MemorySegment ascii(String text) {
        return arena.allocateFrom(text).asSlice(0, text.length());
    }

    @Test
    void readsWhatTheFileHadAndNeverWritesToIt() throws IOException {
        byte[] before = Files.readAllBytes(path);
        try (AioEngine engine = open(AioEngineConfig.builder());
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false);
                AioFile again = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            MemorySegment memory = arena.allocate(4);
            assertThat(file.read(12, memory)).isEqualTo(4);
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).asString().isEqualTo("2345");
            assertThat(file.write(12, ascii("abcd"))).isEqualTo(4);
            assertThat(again.read(12, memory)).as("another open of it").isEqualTo(4);
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).asString().isEqualTo("abcd");
            assertThat(again.isSameFile(file)).isTrue();
            assertThat(again.write(0, memory)).isEqualTo(-Errno.EBADF);
        }
        assertThat(Files.readAllBytes(path)).isEqualTo(before);
    }

    @Test
    void operationsEndWhenTheyAreDueInTheOrderOfTheirTimes() throws IOException {
        List<Long> told = new ArrayList<>();
        // The clock wraps around in the midst of it.
        try (AioEngine engine = open(polledWithClock((operation, bytes) -> bytes * 100));
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            for (int bytes : new int[]{30, 10, 20, 10}) {
                assertThat(
                        engine.submit(Kiocb
                                .withSegments(1).prepareRead(file, 0,
                                        (userData, result) -> told.add(userData * 100 + result), told.size() + bytes)
                                .addSegment(arena.allocate(bytes))))
                        .isZero();
            }
            engine.commit();
            assertThat(engine.poll()).isZero();
            now.addAndGet(999);
            assertThat(engine.poll()).isZero();
            now.addAndGet(1);
            assertThat(engine.poll()).isEqualTo(2);
            now.addAndGet(999);
            assertThat(engine.poll()).isZero();
            now.addAndGet(1001);
            assertThat(engine.poll()).isEqualTo(2);
            assertThat(told).containsExactly(1010L, 1010L, 2020L, 3030L);
        }
    }

    @Test
    void bytesMoveWhenTheOperationEndsAndNotBefore() throws IOException {
        try (AioEngine engine = open(polledWithClock((operation, bytes) -> 1000));
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            Told told = new Told();
            MemorySegment memory = arena.allocate(10);
            assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(memory))).isZero();
            engine.commit();
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            assertThat(file.write(0, ascii("later"))).isEqualTo(5);
            now.addAndGet(1000);
            assertThat(engine.poll()).isEqualTo(1);
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).asString().isEqualTo("later56789");
        }
    }

    @Test
    void awaitGivesUpWhenItsTimeIsOverAndTheOperationStaysInFlight() throws IOException {
        // Each look at the clock is 10 ns later than the one before.
        AtomicLong ticking = new AtomicLong();
        try (AioEngine engine = open(AioEngineConfig.builder().completionMode(CompletionMode.POLLED)
                .clock(() -> ticking.addAndGet(10)).memoryLatency((operation, bytes) -> 100_000));
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Told told = new Told();
            Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(10));
            assertThat(engine.submit(kiocb)).isZero();
            assertThat(engine.await(50)).isZero();
            assertThat(kiocb.isInFlight()).isTrue();
            assertThatThrownBy(() -> kiocb.prepareRead(file, 0, told, 2)).isInstanceOf(IllegalStateException.class);
            assertThat(engine.await(Long.MAX_VALUE)).isEqualTo(1);
            assertThat(told.result(1)).isEqualTo(10);
        }
    }

    @Test
    void quotaThatIsUsedUpIsADeviceThatIsFull() throws IOException {
        Path empty = Files.createFile(directory.resolve("empty"));
        try (AioEngine engine = open(AioEngineConfig.builder().memoryQuotaBytes(3 * CHUNK + 5));
                AioFile file = engine.open(empty, AioFile.Access.READ_WRITE, false)) {
            Told told = new Told();
            Kiocb kiocb = Kiocb.withSegments(1);
            MemorySegment memory = arena.allocate(4L * CHUNK).fill((byte) 1);
            assertThat(Told.run(engine, kiocb.prepareWrite(file, 0, told, 1).addSegment(memory), told))
                    .isEqualTo(-Errno.ENOSPC);
            assertThat(Told.run(engine, kiocb.preparePunchHole(file, 0, 4L * CHUNK, told, 2), told)).isZero();
            memory = memory.asSlice(0, 3L * CHUNK);
            assertThat(Told.run(engine, kiocb.prepareWrite(file, CHUNK, told, 3).addSegment(memory), told))
                    .isEqualTo(3 * CHUNK);
            assertThat(Told.run(engine, kiocb.prepareAllocate(file, 0, 1, true, told, 4), told))
                    .isEqualTo(-Errno.ENOSPC);
            assertThat(Told.run(engine, kiocb.prepareWrite(file, 2 * CHUNK, told, 5).addSegment(ascii("over")), told))
                    .as("what is there can be overwritten").isEqualTo(4);
        }
        assertThatThrownBy(() -> {
            try (AioEngine engine = open(AioEngineConfig.builder().memoryQuotaBytes(CHUNK - 1))) {
                engine.open(path, AioFile.Access.READ_WRITE, false).close();
            }
        }).isInstanceOf(IOException.class).hasMessageContaining("quota").hasMessageContaining(path.toString());
    }

    @Test
    void whatNobodyCanReachAnyMoreGivesItsMemoryBack() throws IOException {
        try (AioEngine engine = open(AioEngineConfig.builder().memoryQuotaBytes(3 * CHUNK))) {
            Path first = directory.resolve("first");
            Path second = directory.resolve("second");
            MemorySegment memory = arena.allocate(2 * CHUNK).fill((byte) 1);
            for (int i = 0; i < 5; i++) {
                try (AioFile file = created(engine, first)) {
                    assertThat(file.write(0, memory)).as("deleted").isEqualTo(2 * CHUNK);
                    assertThat(file.allocate(1 << 20, 1, true)).as("behind its end, too").isZero();
                }
                engine.delete(first);
            }
            for (int i = 0; i < 5; i++) {
                try (AioFile file = created(engine, first)) {
                    assertThat(file.write(0, memory.asSlice(0, CHUNK))).as("replaced").isEqualTo(CHUNK);
                }
                engine.rename(first, second);
            }
            engine.delete(second);
            AioFile file = created(engine, first);
            AioFile again = file.reopen(false);
            assertThat(file.write(0, memory)).isEqualTo(2 * CHUNK);
            engine.delete(first);
            file.close();
            MemorySegment back = arena.allocate(2 * CHUNK);
            assertThat(again.read(0, back)).as("it is open still").isEqualTo(2 * CHUNK);
            assertThat(back.mismatch(memory)).isEqualTo(-1);
            try (AioFile other = created(engine, first)) {
                assertThat(other.write(0, memory)).isEqualTo(-Errno.ENOSPC);
                again.close();
                assertThat(other.write(0, memory)).isEqualTo(2 * CHUNK);
            }
        }
    }

    private static AioFile created(AioEngine engine, Path path) throws IOException {
        return engine.open(path, AioFile.Access.READ_WRITE, false, AioFile.Option.CREATE_NEW);
    }

    @Test
    void aFileIsReadOnlyForWhoWantsItsBytes() throws IOException {
        Path large = Files.write(directory.resolve("large"),
                "x".repeat(3 * CHUNK).getBytes(java.nio.charset.StandardCharsets.US_ASCII));
        try (AioEngine engine = open(AioEngineConfig.builder().memoryQuotaBytes(2 * CHUNK))) {
            assertThatThrownBy(() -> created(engine, large)).isInstanceOf(FileAlreadyExistsException.class);
            assertThatThrownBy(() -> created(engine, directory)).isInstanceOf(FileAlreadyExistsException.class);
            assertThatThrownBy(() -> engine.open(large, AioFile.Access.READ_ONLY, false)).hasMessageContaining("quota");
            engine.delete(large);
            assertThatThrownBy(() -> engine.open(large, AioFile.Access.READ_ONLY, false))
                    .isInstanceOf(NoSuchFileException.class);
            assertThatThrownBy(() -> engine.delete(large)).isInstanceOf(NoSuchFileException.class);
            try (AioFile file = created(engine, large)) {
                assertThat(file.write(0, arena.allocate(2 * CHUNK))).as("what was not read whole took no memory")
                        .isEqualTo(2 * CHUNK);
            }
        }
        assertThat(large).hasSize(3 * CHUNK);
    }

    @Test
    void aNameThatTheSystemNeverHadIsForgotten() throws IOException {
        MemoryEngine engine = new MemoryEngine(AioEngineConfig.defaults());
        try (engine) {
            for (int i = 0; i < 10; i++) {
                Path name = directory.resolve("name" + i);
                created(engine, name).close();
                engine.delete(name);
                assertThatThrownBy(() -> engine.open(name, AioFile.Access.READ_ONLY, false))
                        .isInstanceOf(NoSuchFileException.class);
            }
            assertThat(engine.namesTakenAway()).isZero();
            engine.delete(path);
            assertThat(engine.namesTakenAway()).as("the system still has it").isOne();
        }
    }

    @Test
    void hugeSparseFileTakesNoMemory() throws IOException {
        long huge = 1L << 40;
        Path sparse = directory.resolve("sparse");
        try (RandomAccessFile file = new RandomAccessFile(sparse.toFile(), "rw")) {
            file.setLength(1 << 20);
        }
        try (AioEngine engine = open(AioEngineConfig.builder().memoryQuotaBytes(CHUNK));
                AioFile file = engine.open(sparse, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.write(huge, ascii("far"))).isEqualTo(3);
            assertThat(file.size()).isEqualTo(huge + 3);
            MemorySegment memory = arena.allocate(10).fill((byte) 9);
            assertThat(file.read(huge - 5, memory)).isEqualTo(8);
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsExactly(0, 0, 0, 0, 0, 'f', 'a', 'r', 9, 9);
            assertThat(file.read(512 << 10, memory)).isEqualTo(10);
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            assertThat(file.punchHole(0, SparseBytes.SIZE_MAX)).isZero();
            assertThat(file.read(huge, memory)).isEqualTo(3);
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).startsWith(0, 0, 0);
            assertThat(file.write(SparseBytes.SIZE_MAX, ascii("x"))).isEqualTo(-Errno.EFBIG);
        }
    }

    @Test
    void sparseBytesGiveBackWhatWasPunchedOut() {
        SparseBytes bytes = new SparseBytes(new SparseBytes.Quota(Long.MAX_VALUE), 0);
        assertThat(bytes.write(CHUNK / 2, arena.allocate(3L * CHUNK).fill((byte) 5), 0, 3L * CHUNK))
                .isEqualTo(3 * CHUNK);
        assertThat(bytes.allocatedBytes()).isEqualTo(4 * CHUNK);
        bytes.punch(CHUNK / 2 + 1, 2L * CHUNK);
        assertThat(bytes.allocatedBytes()).isEqualTo(3 * CHUNK);
        MemorySegment memory = arena.allocate(4L * CHUNK);
        assertThat(bytes.read(0, memory, 0, 4L * CHUNK)).isEqualTo(3 * CHUNK + CHUNK / 2);
        for (int i = 0; i < 3 * CHUNK + CHUNK / 2; i++) {
            boolean kept = i == CHUNK / 2 || i >= CHUNK / 2 + 1 + 2 * CHUNK;
            assertThat(memory.get(ValueLayout.JAVA_BYTE, i)).as("byte " + i).isEqualTo((byte) (kept ? 5 : 0));
        }
    }

    @Test
    void aHoleBehindEveryPossibleEndLeavesTheFileAsItIs() throws IOException {
        try (AioEngine engine = open(AioEngineConfig.builder());
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.write(0, arena.allocate(CHUNK).fill((byte) 5))).isEqualTo(CHUNK);
            for (long far : new long[]{SparseBytes.SIZE_MAX, 1L << 59, 1L << 60, Long.MAX_VALUE - CHUNK}) {
                assertThat(file.punchHole(far, CHUNK)).as("at %d", far).isZero();
                assertThat(engine.run(Kiocb.withSegments(1).preparePunchHole(file, far, CHUNK, AioCompletion.NONE, 0)))
                        .isZero();
                assertThat(file.zeroRange(far, CHUNK)).isEqualTo(-Errno.EFBIG);
                assertThat(file.allocate(far, CHUNK, true)).isEqualTo(-Errno.EFBIG);
                assertThat(file.size()).isEqualTo(CHUNK);
            }
            MemorySegment memory = arena.allocate(CHUNK);
            assertThat(file.read(0, memory)).isEqualTo(CHUNK);
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsOnly(5);
            assertThat(file.punchHole(BLOCK, SparseBytes.SIZE_MAX)).as("up to there and further").isZero();
            assertThat(file.read(0, memory)).isEqualTo(CHUNK);
            assertThat(memory.get(ValueLayout.JAVA_BYTE, BLOCK - 1)).isEqualTo((byte) 5);
            assertThat(memory.get(ValueLayout.JAVA_BYTE, BLOCK)).isZero();
        }
    }

    /** A close comes between the look whether the file is open and the lock. */
    @Test
    void aLockThatIsTakenWhileTheFileIsClosedIsGivenUp() throws IOException {
        try (AioEngine engine = open(AioEngineConfig.builder());
                AioFile other = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false);
            Eventually.Worker<Boolean> locking;
            synchronized (file.identity()) {
                locking = Eventually.call(() -> file.tryLock(true));
                Eventually.until("it waits for the lock", () -> locking.thread().getState() == Thread.State.BLOCKED);
                file.close();
            }
            assertThat(locking.join()).isTrue();
            assertThat(other.tryLock(true)).as("the other has been closed").isTrue();
        }
    }

    @Test
    @Timeout(300)
    void holesOfTheFileAreNotReadWhenItIsOpened() throws IOException {
        // As many bytes as nobody would wait for.
        long huge = 1L << 42;
        Path sparse = directory.resolve("sparse");
        try (RandomAccessFile file = new RandomAccessFile(sparse.toFile(), "rw")) {
            file.setLength(huge);
            file.seek(huge / 2 - 3);
            file.write("abcdef".getBytes(java.nio.charset.StandardCharsets.US_ASCII));
        } catch (IOException e) {
            Setup.skipIf(true, "no such large files in " + directory + ": " + e.getMessage());
        }
        try (AioEngine engine = open(AioEngineConfig.builder());
                AioFile file = engine.open(sparse, AioFile.Access.READ_ONLY, false)) {
            assertThat(file.size()).isEqualTo(huge);
            MemorySegment memory = arena.allocate(10);
            assertThat(file.read(huge / 2 - 5, memory)).isEqualTo(10);
            assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsExactly(0, 0, 'a', 'b', 'c', 'd', 'e', 'f', 0, 0);
        }
    }

    @Test
    void latencyThatThrowsIsNone() throws IOException {
        try (AioEngine engine = open(polledWithClock((operation, bytes) -> {
            throw new ArithmeticException("on purpose");
        })); AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Told told = new Told();
            Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(10));
            assertThat(Told.run(engine, kiocb, told)).isEqualTo(10);
        }
    }

    @Test
    void locksOfItsFilesExcludeEachOther() throws IOException {
        try (AioEngine engine = open(AioEngineConfig.builder());
                AioFile first = engine.open(path, AioFile.Access.READ_WRITE, false);
                AioFile reader = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            assertThat(first.tryLock(true)).isTrue();
            try (AioFile second = engine.open(path, AioFile.Access.READ_WRITE, false)) {
                assertThat(second.tryLock(false)).isFalse();
                assertThat(first.tryLock(false)).as("changed to shared").isTrue();
                assertThat(second.tryLock(false)).isTrue();
                assertThat(first.tryLock(true)).isFalse();
            }
            assertThat(first.tryLock(true)).as("the other has been closed").isTrue();
            assertThatThrownBy(() -> reader.tryLock(true)).isInstanceOf(IOException.class)
                    .hasMessageContaining("writing");
        }
    }

    @Test
    void directFileInsistsOnSectors() throws IOException {
        try (AioEngine engine = open(AioEngineConfig.builder());
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            MemorySegment memory = arena.allocate(2 * BLOCK, BLOCK);
            assertThat(file.read(512, memory.asSlice(512, 512))).isEqualTo(512);
            assertThat(file.read(100, memory.asSlice(0, 512))).isEqualTo(-Errno.EINVAL);
            assertThat(file.read(0, memory.asSlice(1, 512))).isEqualTo(-Errno.EINVAL);
            assertThat(file.write(0, memory.asSlice(0, 100))).isEqualTo(-Errno.EINVAL);
        }
    }

    @Test
    void slowEngineOfADeadOwnerEndsItsOperationsWhenItIsClosed() throws Exception {
        Told told = new Told();
        AioEngine engine = open(AioEngineConfig.builder().completionMode(CompletionMode.POLLED)
                .memoryLatency((operation, bytes) -> 1_000_000));
        try (AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Thread.ofPlatform().start(() -> {
                for (int i = 0; i < 20; i++) {
                    assertThat(engine
                            .submit(Kiocb.withSegments(1).prepareRead(file, 0, told, i).addSegment(arena.allocate(10))))
                            .isZero();
                }
            }).join();
            engine.close();
        }
        assertThat(told.results.values()).hasSize(20).containsOnly(10L);
    }
}
