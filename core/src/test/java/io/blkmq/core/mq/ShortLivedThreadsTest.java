package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.HeldTags;
import io.blkmq.testing.NoRescues;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Threads that do one I/O each and are gone. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class ShortLivedThreadsTest {
    private static final int THREADS = 300_000;
    private static final int AT_ONCE = 1_000;

    @Test
    void nothingIsKeptOfThem() throws InterruptedException {
        RecordingDriver driver = new RecordingDriver().depth(16).completesAtOnce();
        Disk disk = driver.disk();
        int contexts = disk.contexts();
        AtomicInteger ended = new AtomicInteger();
        Semaphore room = new Semaphore(AT_ONCE);
        for (int i = 0; i < THREADS; i++) {
            room.acquire();
            Thread.startVirtualThread(() -> {
                disk.submit(new Told().read(0).onEnd(_ -> ended.incrementAndGet()));
                room.release();
            });
            if (i % 1_000 == 0) {
                driver.log();
            }
        }
        room.acquire(AT_ONCE);
        assertThat(ended).hasValue(THREADS);
        HeldTags.awaitNone(disk);
        assertThat(disk.contexts()).isEqualTo(contexts);
        assertThat(Trampoline.threadsInMap()).isZero();
        assertThat(Inside.of(disk.queue()).hardwareContext(0).share.waiterCount()).isZero();
        assertThat(driver.violations()).isEmpty();
        disk.close();
    }
}
