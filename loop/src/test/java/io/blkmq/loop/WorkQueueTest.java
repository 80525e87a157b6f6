package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.IoRuntime;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WorkQueueTest {
    private static final int COMMANDS = 200;

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8})
    void asManyCommandsRunAtOnceAsThereAreWorkersAndNeverMore(int workers) throws Exception {
        WorkQueue queue = new WorkQueue(IoRuntime.system(), "test", workers, COMMANDS);
        AtomicInteger running = new AtomicInteger();
        AtomicInteger most = new AtomicInteger();
        CountDownLatch together = new CountDownLatch(workers);
        CountDownLatch all = new CountDownLatch(COMMANDS);
        for (int i = 0; i < COMMANDS; i++) {
            queue.add(() -> {
                most.accumulateAndGet(running.incrementAndGet(), Math::max);
                together.countDown();
                try {
                    // The first ones wait for each other, which ends only if all workers are there.
                    together.await();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
                running.decrementAndGet();
                all.countDown();
            });
        }
        all.await();
        queue.stop();
        assertThat(most).hasValue(workers);
    }
}
