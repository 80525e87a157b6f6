package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.nullblk.BadBlocks;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Futures of a disk that is polled: nobody but the thread that waits finds the end. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class AsyncDiskTest {
    private static Disk polled() throws IOException {
        return NullBlk.builder().completion(NullBlk.Completion.POLLED).build();
    }

    @Test
    void whoWaitsForAFutureOfAPolledDiskPollsForIt() throws Exception {
        try (Disk disk = polled(); IoBuffer buffer = disk.allocate(4096)) {
            AsyncDisk async = disk.async();
            assertThat(async.read(0, buffer.memory()).join()).isNull();
            assertThat(async.read(0, buffer.memory()).get()).isNull();
            assertThat(async.read(0, buffer.memory()).get(1, TimeUnit.HOURS)).isNull();
            assertThat(async.flush().thenApply(_ -> 7).thenApply(seven -> seven + 1).join()).isEqualTo(8);
            CompletableFuture<Void> first = async.read(0, buffer.memory());
            CompletableFuture<Void> second = async.read(4096, buffer.memory());
            second.join();
            first.join();
        }
    }

    @Test
    void aFailureIsToldByTheWait() throws Exception {
        try (Disk disk = NullBlk.builder().completion(NullBlk.Completion.POLLED).badBlocks(new BadBlocks().add(0, 8))
                .build(); IoBuffer buffer = disk.allocate(4096)) {
            assertThatExceptionOfType(ExecutionException.class)
                    .isThrownBy(() -> disk.async().read(0, buffer.memory()).get())
                    .withCauseInstanceOf(BlockIOException.class);
        }
    }

    @Test
    void aWaitEndsByItsTimeOrByAnInterrupt() throws Exception {
        try (Disk disk = polled()) {
            CompletableFuture<Void> never = new WaitingFuture<>(disk.deviceQueue());
            assertThatExceptionOfType(TimeoutException.class).isThrownBy(() -> never.get(1, TimeUnit.MILLISECONDS));
            assertThatExceptionOfType(TimeoutException.class).isThrownBy(() -> never.get(0, TimeUnit.SECONDS));
            Thread.currentThread().interrupt();
            assertThatExceptionOfType(InterruptedException.class).isThrownBy(never::get);
            assertThat(Thread.currentThread().isInterrupted()).isFalse();
            Thread.currentThread().interrupt();
            assertThatExceptionOfType(InterruptedException.class).isThrownBy(() -> never.get(1, TimeUnit.HOURS));
        }
    }

    @Test
    void insideOfACompletionAWaitIsRefused() throws Exception {
        AtomicReference<Throwable> refusal = new AtomicReference<>();
        try (Disk disk = polled(); IoBuffer buffer = disk.allocate(4096)) {
            AsyncDisk async = disk.async();
            async.read(0, buffer.memory()).thenRun(() -> {
                CompletableFuture<Void> next = async.read(4096, buffer.memory());
                try {
                    next.join();
                } catch (IllegalStateException e) {
                    refusal.set(e);
                }
            }).join();
            assertThatIllegalStateException().isThrownBy(() -> {
                throw refusal.get();
            }).withMessageContaining("waiting for an operation on " + disk.name());
            while (disk.poll() == 0) {
                Thread.onSpinWait();
            }
        }
    }
}
