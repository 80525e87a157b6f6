package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.EachCase;
import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;

/** A polled engine's await that other threads end, of every engine. */
@BesideOthers
class WakeupTest {
    private static final int BLOCK = 4096;

    private final Setup setup;
    private final Arena arena = Arena.ofShared();
    private Path path;
    private AioEngine engine;
    private AioFile file;

    static List<Setup> cases() throws IOException {
        return Setup.all().stream().filter(Setup::isPolled).toList();
    }

    @SuppressWarnings("NullAway.Init")
    WakeupTest(Setup setup) {
        this.setup = setup;
    }

    @BeforeEach
    void openEngine() throws IOException {
        setup.assumeAvailable();
        path = Files.createTempFile(setup.directory(), "blkmq-aio-wakeup", ".img");
        Files.write(path, new byte[16 * BLOCK]);
        engine = setup.open(AioEngineConfig.builder().depth(8).wakeable(true));
        file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct());
    }

    @AfterEach
    void closeEngine() throws IOException {
        if (engine != null) {
            engine.close();
            file.close();
            Files.deleteIfExists(path);
        }
        arena.close();
    }

    private Kiocb read(AioCompletion completion) {
        return Kiocb.withSegments(1).prepareRead(file, 0, completion, 0).addSegment(arena.allocate(BLOCK, BLOCK));
    }

    @EachCase
    void aWakeupBeforeAwaitEndsTheNextOneAndNoOther() {
        engine.wakeup();
        engine.wakeup();
        assertThat(engine.await(Long.MAX_VALUE)).as("nothing is in flight").isZero();
        assertThat(engine.await(1000)).as("nobody wakes").isZero();
        AtomicInteger ended = new AtomicInteger();
        assertThat(engine.submit(read((_, _) -> ended.incrementAndGet()))).isZero();
        while (ended.get() == 0) {
            // For ever, but for the operation: the wake-up before it has been taken.
            assertThat(engine.await(Long.MAX_VALUE)).isOne();
        }
    }

    /** A wait for one operation takes no wake-up away from the loop around it. */
    @EachCase
    @Timeout(120)
    void aWakeupDuringRunIsThereForTheNextAwait() {
        Kiocb kiocb = read(AioCompletion.NONE);
        engine.wakeup();
        assertThat(engine.run(kiocb)).isEqualTo(BLOCK);
        assertThat(engine.await(Long.MAX_VALUE)).as("woken before run").isZero();
        assertThat(engine.await(1000)).as("once").isZero();
        assertThat(engine
                .run(kiocb.prepareRead(file, 0, (_, _) -> engine.wakeup(), 0).addSegment(arena.allocate(BLOCK, BLOCK))))
                .isEqualTo(BLOCK);
        assertThat(engine.await(Long.MAX_VALUE)).as("woken inside run").isZero();
        assertThat(
                engine.run(kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(arena.allocate(BLOCK, BLOCK))))
                .isEqualTo(BLOCK);
        AtomicInteger ended = new AtomicInteger();
        assertThat(engine.submit(read((_, _) -> ended.incrementAndGet()))).isZero();
        while (ended.get() == 0) {
            assertThat(engine.await(Long.MAX_VALUE)).as("each has been taken").isOne();
        }
    }

    /** Tasks of many threads, each with an I/O of its own: none is lost, and none waits for another's I/O. */
    @EachCase
    @Timeout(120)
    void anEventLoopCarriesOutTheTasksThatOthersLeaveIt() throws Exception {
        int threads = 4;
        int each = 100;
        Queue<Runnable> tasks = new ConcurrentLinkedQueue<>();
        AtomicInteger ended = new AtomicInteger();
        AtomicBoolean done = new AtomicBoolean();
        Eventually.Worker<Boolean> loop = Eventually.call(() -> {
            while (!done.get()) {
                for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
                    task.run();
                }
                int _ = engine.await(Long.MAX_VALUE);
            }
            return true;
        });
        for (int t = 0; t < threads; t++) {
            Thread.startVirtualThread(() -> {
                for (int i = 0; i < each; i++) {
                    tasks.add(() -> assertThat(engine.submit(read((_, result) -> {
                        if (result == BLOCK) {
                            ended.incrementAndGet();
                        }
                    }))).isZero());
                    engine.wakeup();
                }
            });
        }
        Eventually.until("all I/O of all tasks has ended", () -> ended.get() == threads * each);
        done.set(true);
        engine.wakeup();
        loop.join();
    }

    @EachCase
    void aWakeupOfAClosedEngineDoesNothing() {
        engine.close();
        engine.wakeup();
        assertThat(engine.await(Long.MAX_VALUE)).isZero();
    }

    @EachCase
    @Timeout(120)
    void anOwnerThatWaitsWithNothingInFlightReturnsWhenTheEngineIsClosed() throws Exception {
        Eventually.Worker<Integer> owner = Eventually.call(() -> engine.await(Long.MAX_VALUE));
        Eventually.waitsIn(owner.thread(), OpenedEngine.class);
        engine.close();
        assertThat(owner.join()).isZero();
    }

    @EachCase
    void whoWasNotOpenedForItSaysSo() throws IOException {
        try (AioEngine another = AioEngines.open(setup.engine(),
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build())) {
            assertThatIllegalStateException().isThrownBy(another::wakeup).withMessageContaining(setup.engine())
                    .withMessageContaining("wakeable(true)");
        }
        for (CompletionMode mode : List.of(CompletionMode.REAPER, CompletionMode.AGENT)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> AioEngineConfig.builder().completionMode(mode).wakeable(true).build())
                    .withMessageContaining(mode.name());
        }
    }

    /** Nothing but the wake-up can end this wait: the operation takes an hour of a clock that stands. */
    @EachCase("isMemory")
    @Timeout(120)
    void aWakeupEndsAWaitForAnOperationThatTakesLong() throws Exception {
        AtomicLong clock = new AtomicLong();
        long hour = TimeUnit.HOURS.toNanos(1);
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).wakeable(true)
                .clock(clock::get).memoryLatency((operation, bytes) -> hour).build();
        try (AioEngine slow = AioEngines.open("memory", config);
                AioFile slowFile = slow.open(path, AioFile.Access.READ_ONLY, false)) {
            Kiocb kiocb = Kiocb.withSegments(1).prepareSync(slowFile, true, AioCompletion.NONE, 0);
            assertThat(slow.submit(kiocb)).isZero();
            wokenOutOfAwait(slow, kiocb);
            clock.addAndGet(hour);
            assertThat(slow.await(Long.MAX_VALUE)).isOne();
        }
    }

    /** The same of a read of a pipe that nobody writes. */
    @EachCase("isUring")
    @Timeout(120)
    void aWakeupEndsAWaitInTheKernel() throws Exception {
        Path pipe = path.resolveSibling(path.getFileName() + ".fifo");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).inheritIO().start().waitFor()).isZero();
        int writer = FileCalls.open(PathName.of(pipe, arena), FileCalls.O_RDWR | FileCalls.O_CLOEXEC);
        assertThat(writer).isNotNegative();
        try (NativeFile reader = NativeFile.openNothing(pipe)) {
            Kiocb kiocb = Kiocb.withSegments(1).prepareRead(reader, 0, AioCompletion.NONE, 0)
                    .addSegment(arena.allocate(8));
            assertThat(engine.submit(kiocb)).isZero();
            for (int i = 0; i < 20; i++) {
                wokenOutOfAwait(engine, kiocb);
            }
            Files.write(pipe, new byte[8]);
            assertThat(engine.await(Long.MAX_VALUE)).isOne();
            assertThat(kiocb.isInFlight()).isFalse();
        } finally {
            FileCalls.close(writer);
            Files.delete(pipe);
        }
    }

    private void wokenOutOfAwait(AioEngine waiting, Kiocb kiocb) throws Exception {
        Thread owner = Thread.currentThread();
        Eventually.Worker<Boolean> waker = Eventually.call(() -> {
            // In the kernel, or soon there; a wake-up that comes before is kept.
            Eventually.until("the owner awaits", () -> List.of(owner.getStackTrace()).stream()
                    .anyMatch(frame -> frame.getMethodName().equals("await")));
            waiting.wakeup();
            return true;
        });
        assertThat(waiting.await(Long.MAX_VALUE)).isZero();
        assertThat(kiocb.isInFlight()).isTrue();
        waker.join();
    }
}
