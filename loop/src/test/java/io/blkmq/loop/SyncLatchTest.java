package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.NoRescues;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

@NoRescues
class SyncLatchTest {
    private static final int EIO = 5;
    private static final int EINVAL = 22;

    private final ArrayDeque<Integer> results = new ArrayDeque<>();
    private final SyncLatch latch = new SyncLatch("file", results::removeFirst);

    @Test
    void aSyncThatFailedIsNotForgottenAndNotTriedAgain() {
        results.addAll(List.of(0, -EIO, 0));
        assertThat(latch.sync()).isZero();
        assertThat(latch.hasFailed()).isFalse();
        assertThat(latch.sync()).isEqualTo(-EIO);
        assertThat(latch.sync()).isEqualTo(-EIO);
        assertThat(latch.hasFailed()).isTrue();
        assertThat(results).as("not asked again").hasSize(1);
    }

    @Test
    void itIsForgottenOnRequest() {
        results.addAll(List.of(-EIO, 0));
        assertThat(latch.sync()).isEqualTo(-EIO);
        latch.clear();
        assertThat(latch.sync()).isZero();
        assertThat(latch.count()).isEqualTo(2);
    }

    @Test
    void aFileThatCannotSyncHasNothingToLose() {
        results.addAll(List.of(-EINVAL, 0));
        assertThat(latch.sync()).isZero();
        assertThat(latch.sync()).isZero();
    }

    @Test
    void aSyncThatAnEngineDoesIsOneOfThemAndAloneToo() throws Exception {
        results.add(0);
        assertThat(latch.tryBegin()).isTrue();
        assertThat(latch.tryBegin()).as("another is under way").isFalse();
        try (ExecutorService worker = Executors.newSingleThreadExecutor()) {
            Future<Integer> waits = worker.submit(latch::sync);
            while (!latch.isAwaited()) {
                Thread.onSpinWait();
            }
            assertThat(waits.isDone()).isFalse();
            assertThat(latch.end(0)).isZero();
            assertThat(waits.get()).isZero();
        }
        assertThat(latch.count()).isEqualTo(2);
        assertThat(latch.tryBegin()).isTrue();
        latch.unbegin();
        assertThat(latch.count()).as("one that was not done").isEqualTo(2);
        assertThat(latch.tryBegin()).isTrue();
        assertThat(latch.end(-EIO)).isEqualTo(-EIO);
        assertThat(latch.tryBegin()).as("after one that failed").isFalse();
        assertThat(latch.sync()).isEqualTo(-EIO);
        latch.clear();
        assertThat(latch.tryBegin()).isTrue();
        assertThat(latch.end(-EINVAL)).isZero();
    }

    @Test
    void aFailureThatIsForgottenWhileItsSyncIsUnderWayFailsThatSyncAlone() {
        results.add(0);
        assertThat(latch.tryBegin()).isTrue();
        latch.clear();
        assertThat(latch.end(-EIO)).isEqualTo(-EIO);
        assertThat(latch.hasFailed()).isFalse();
        assertThat(latch.sync()).isZero();
    }

    @Test
    void aDurableWriteThatFailedBesideASyncFailsItToo() {
        assertThat(latch.tryBegin()).isTrue();
        assertThat(latch.failedBeside(-EIO)).isTrue();
        assertThat(latch.failedBeside(-EIO)).as("the first is remembered").isFalse();
        assertThat(latch.end(0)).isEqualTo(-EIO);
        assertThat(latch.tryBegin()).isFalse();
    }

    @Test
    void ofManyAtOnceNoneIsToldThatAllIsWellAfterOneHasTakenTheError() throws Exception {
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger together = new AtomicInteger();
        AtomicInteger number = new AtomicInteger();
        SyncLatch shared = new SyncLatch("file", () -> {
            if (inside.incrementAndGet() > 1) {
                together.incrementAndGet();
            }
            Thread.onSpinWait();
            int result = number.incrementAndGet() == 3 ? -EIO : 0;
            inside.decrementAndGet();
            return result;
        });
        List<Callable<Integer>> callers = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            callers.add(shared::sync);
        }
        int well = 0;
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            for (Future<Integer> each : threads.invokeAll(callers)) {
                well += each.get() == 0 ? 1 : 0;
            }
        }
        assertThat(together).hasValue(0);
        assertThat(well).as("those before the error").isEqualTo(2);
    }
}
