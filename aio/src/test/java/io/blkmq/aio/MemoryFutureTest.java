package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Futures that are done when the memory is the caller's again, whoever wants them to be done before. */
@BesideOthers
class MemoryFutureTest {

    @TempDir
    private Path directory;
    private Path path;

    @BeforeEach
    void make() throws IOException {
        path = Files.write(directory.resolve("file"), new byte[4096]);
    }

    /** A time-out, or who cancels, ends the operation, and the future is done when that has ended. */
    @Test
    @Timeout(120)
    void aFutureThatIsCancelledIsDoneWhenTheMemoryIsFree() throws Exception {
        AioEngineConfig config = AioEngineConfig.builder().memoryLatency((_, _) -> TimeUnit.HOURS.toNanos(1)).build();
        try (AioEngine engine = AioEngines.open("memory", config);
                AsyncFile file = AsyncFile.open(engine, path, AioFile.Access.READ_WRITE, false);
                Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(4096, 4096);
            CompletableFuture<Long> read = file.readAsync(0, memory);
            boolean _ = read.cancel(true);
            assertThatThrownBy(read::join).isInstanceOf(CancellationException.class);
            assertThat(read.isCancelled()).isTrue();
            CompletableFuture<Long> write = file.writeAsync(0, memory).orTimeout(1, TimeUnit.MILLISECONDS);
            assertThatThrownBy(write::join).hasCauseInstanceOf(TimeoutException.class);
            CompletableFuture<Long> sync = file.syncAsync(true).completeOnTimeout(7L, 1, TimeUnit.MILLISECONDS);
            assertThat(sync.join()).isEqualTo(7);
            // They count when they have been told.
            Eventually.until("three have ended", () -> engine.statistics().completed() == 3);
            assertThat(engine.statistics().submitted()).isEqualTo(3);
        }
    }

    /** What the engine cannot end goes its way, and the future tells its result, whatever was asked of it. */
    @Test
    void aFutureWhoseOperationGoesOnTellsItsResult() throws Exception {
        CountDownLatch begun = new CountDownLatch(1);
        CountDownLatch mayGo = new CountDownLatch(1);
        Executor late = task -> Thread.ofVirtual().start(() -> {
            begun.countDown();
            await(mayGo);
            task.run();
        });
        try (AioEngine engine = AioEngines.open("memory", AioEngineConfig.defaults());
                AsyncFile file = AsyncFile.of(engine, engine.open(path, AioFile.Access.READ_WRITE, false), late)) {
            // Of the heap, so it takes steps.
            CompletableFuture<Long> read = file.readAsync(0, MemorySegment.ofArray(new byte[100]));
            begun.await();
            assertThat(read.cancel(true)).isFalse();
            assertThat(read.completeExceptionally(new IllegalStateException())).isFalse();
            assertThat(read.complete(1L)).isFalse();
            assertThat(read).isNotDone();
            mayGo.countDown();
            assertThat(read.join()).isEqualTo(100);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
