package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.Eventually;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(300)
class CompleterLockTest {

    private static final int ROUNDS = 200_000;

    private final CompleterLock lock = new CompleterLock();
    /** Guarded by the lock, and deliberately nothing else. */
    private long count;

    @Test
    void oneWaitsWhileOthersTryAndNobodyIsInsideWithAnother() throws InterruptedException {
        AtomicInteger tries = new AtomicInteger();
        Thread[] triers = new Thread[2];
        for (int t = 0; t < triers.length; t++) {
            triers[t] = Thread.ofPlatform().start(() -> {
                for (int i = 0; i < ROUNDS; i++) {
                    if (lock.tryLock()) {
                        count++;
                        tries.incrementAndGet();
                        lock.unlock();
                    }
                }
            });
        }
        for (int i = 0; i < ROUNDS; i++) {
            lock.lock();
            count++;
            lock.unlock();
        }
        for (Thread trier : triers) {
            trier.join();
        }
        assertThat(count).isEqualTo(ROUNDS + tries.get());
    }

    @Test
    void anInterruptDoesNotEndTheWaitAndIsThereAfterwards() throws InterruptedException {
        lock.lock();
        boolean[] seen = new boolean[2];
        Thread waiter = Thread.ofPlatform().start(() -> {
            Thread.currentThread().interrupt();
            lock.lock();
            seen[0] = lock.isHeldByCurrentThread();
            seen[1] = Thread.interrupted();
            lock.unlock();
        });
        Eventually.waitsIn(waiter, CompleterLock.class);
        assertThat(seen).containsOnly(false);
        lock.unlock();
        waiter.join();
        assertThat(seen).containsOnly(true);
        assertThat(lock.isHeldByCurrentThread()).isFalse();
        assertThat(lock.tryLock()).isTrue();
        assertThat(lock.tryLock()).as("it is not reentrant").isFalse();
    }
}
