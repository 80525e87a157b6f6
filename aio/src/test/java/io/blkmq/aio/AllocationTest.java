package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.AllocatedBytes;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Steady I/O makes no garbage: neither on the thread that submits nor on those of the engine. What is counted is what each
 * thread has allocated, to the byte, system calls included; what is tolerated is less than one object for each batch would be.
 */
@Isolated
class AllocationTest {
    private static final int IO_COUNT = 200_000;
    private static final int RUN_COUNT = 20_000;
    private static final int BATCH = 50;
    private static final int BLOCK = 512;
    /** What the measurement itself may take, and the runtime compiler's last corrections: one object in 80 batches. */
    private static final long TOLERATED_BYTES = 2000;

    /** One way to do the same reads and writes. */
    record Way(String engine, CompletionMode mode, RingEntry entry, int segments, boolean slow) {
        @Override
        public String toString() {
            return engine + " " + mode + (entry == RingEntry.REAPER ? " with its own ring" : "")
                    + (segments > 1 ? ", " + segments + " segments" : "") + (slow ? ", with a latency" : "");
        }
    }

    static List<Way> ways() {
        List<Way> ways = new ArrayList<>();
        for (String engine : List.of("io_uring", "libaio", "memory", "null")) {
            for (CompletionMode mode : CompletionMode.values()) {
                ways.add(new Way(engine, mode, RingEntry.SUBMITTERS, 1, false));
            }
        }
        ways.add(new Way("io_uring", CompletionMode.REAPER, RingEntry.REAPER, 1, false));
        ways.add(new Way("io_uring", CompletionMode.POLLED, RingEntry.SUBMITTERS, 5, false));
        ways.add(new Way("memory", CompletionMode.POLLED, RingEntry.SUBMITTERS, 5, false));
        ways.add(new Way("memory", CompletionMode.POLLED, RingEntry.SUBMITTERS, 1, true));
        return ways;
    }

    private final Arena arena = Arena.ofShared();
    private final List<Thread> threads = Collections.synchronizedList(new ArrayList<>());
    private Path path;

    @SuppressWarnings("NullAway.Init")
    AllocationTest() {}

    @BeforeEach
    void make() throws IOException {
        Path shared = Path.of("/dev/shm");
        Path directory = Files.isWritable(shared) ? shared : Files.createDirectories(Path.of("target", "io"));
        path = Files.write(Files.createTempFile(directory, "blkmq-allocation", ".img"), new byte[BATCH * 8 * BLOCK]);
    }

    @AfterEach
    void remove() throws IOException {
        Files.delete(path);
        arena.close();
    }

    /** An engine whose threads count, and the calling thread with them. */
    private AioEngine open(Way way) throws IOException {
        Setup.skipIf(AioEngines.find(way.engine()).unavailable().isPresent(), way.engine() + " is not available");
        threads.add(Thread.currentThread());
        return AioEngines.open(way.engine(), AioEngineConfig.builder().completionMode(way.mode()).ringEntry(way.entry())
                .memoryLatency(way.slow() ? (operation, bytes) -> 1 : MemoryLatency.NONE).threadFactory(body -> {
                    Thread thread = Thread.ofPlatform().unstarted(body);
                    threads.add(thread);
                    return thread;
                }).build());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("ways")
    void readsAndWritesAllocateNothing(Way way) throws Exception {
        try (AioEngine engine = open(way); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            if (way.mode() == CompletionMode.AGENT) {
                threads.add(AgentThread.run(engine));
            }
            Batches batches = new Batches(engine, file, way.segments());
            long least = AllocatedBytes.whenWarm(TOLERATED_BYTES, this::allocated, batches::run);
            assertThat(least).as("bytes allocated by %d operations", IO_COUNT).isLessThanOrEqualTo(TOLERATED_BYTES);
            assertThat(batches.wrong).isZero();
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("ways")
    void operationsThatAThreadWaitsForAllocateNothing(Way way) throws Exception {
        try (AioEngine engine = open(way); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            if (way.mode() == CompletionMode.AGENT) {
                threads.add(AgentThread.run(engine));
            }
            Kiocb kiocb = Kiocb.withSegments(1);
            MemorySegment memory = arena.allocate(BLOCK);
            long least = AllocatedBytes.whenWarm(TOLERATED_BYTES, this::allocated, () -> {
                for (int i = 0; i < RUN_COUNT; i++) {
                    kiocb.prepareRead(file, (long) i % BATCH * BLOCK, AioCompletion.NONE, i).addSegment(memory);
                    if (engine.run(kiocb) != BLOCK) {
                        throw new AssertionError(kiocb.toString());
                    }
                }
            });
            assertThat(least).as("bytes allocated by %d operations", RUN_COUNT).isLessThanOrEqualTo(TOLERATED_BYTES);
        }
    }

    /** What all threads that have part in it have allocated so far. */
    private long allocated() {
        long sum = 0;
        for (Thread thread : threads) {
            sum += AllocatedBytes.of(thread);
        }
        return sum;
    }

    /** Submits batches and waits for each. */
    private final class Batches implements AioCompletion {
        private final AioEngine engine;
        private final AioFile file;
        private final Kiocb[] kiocbs = new Kiocb[BATCH];
        private final MemorySegment memory;
        private final int segments;
        private final Thread submitter = Thread.currentThread();
        private final AtomicInteger left = new AtomicInteger();
        private volatile int wrong;

        Batches(AioEngine engine, AioFile file, int segments) {
            this.engine = engine;
            this.file = file;
            this.segments = segments;
            memory = arena.allocate((long) BATCH * segments * BLOCK, 4096);
            for (int i = 0; i < BATCH; i++) {
                kiocbs[i] = Kiocb.withSegments(1);
            }
        }

        @Override
        public void complete(long userData, long result) {
            if (result != (long) segments * BLOCK) {
                wrong = (int) result;
            }
            if (left.decrementAndGet() == 0) {
                LockSupport.unpark(submitter);
            }
        }

        void run() {
            for (int i = 0; i < IO_COUNT / BATCH; i++) {
                left.set(BATCH);
                for (int k = 0; k < BATCH; k++) {
                    submit(kiocbs[k], k);
                }
                engine.commit();
                while (left.get() != 0) {
                    if (engine.completionMode() == CompletionMode.POLLED) {
                        engine.await(Long.MAX_VALUE);
                    } else {
                        LockSupport.park(this);
                    }
                }
            }
        }

        private void submit(Kiocb kiocb, int k) {
            long at = (long) k * segments * BLOCK;
            if (k % 4 == 0) {
                kiocb.prepareWrite(file, at, this, k);
            } else {
                kiocb.prepareRead(file, at, this, k);
            }
            for (int s = 0; s < segments; s++) {
                kiocb.addSegment(memory, at + (long) s * BLOCK, BLOCK);
            }
            int refused = engine.submit(kiocb);
            if (refused != 0) {
                throw new AssertionError(Errno.name(refused));
            }
        }
    }
}
