package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.Plug;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.AllocatedBytes;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Threads whose ids meet in the tables by which the block layer finds what belongs to a thread. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class ThreadSlotsTest {
    private static final int ROUNDS = 20_000;

    /** What a thread does. */
    @FunctionalInterface
    private interface Body {
        void run() throws Exception;
    }

    /** Runs a body on threads whose ids are so far apart. */
    private static void together(int threads, int apart, Body body) throws Exception {
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        List<Thread> all = new ArrayList<>();
        while (all.size() < threads) {
            Thread thread = new Thread(() -> {
                try {
                    body.run();
                } catch (Throwable t) {
                    failure.compareAndSet(null, t);
                }
            });
            if (all.isEmpty() || (thread.threadId() - all.getFirst().threadId()) % apart == 0) {
                all.add(thread);
            }
        }
        all.forEach(Thread::start);
        for (Thread thread : all) {
            thread.join();
        }
        assertThat(failure.get()).isNull();
    }

    @ParameterizedTest
    @ValueSource(ints = {32, 256, 4096})
    void eightOfThemAreInTheBlockLayerAtOnceWithoutTheMap(int apart) throws Exception {
        CyclicBarrier barrier = new CyclicBarrier(8);
        together(8, apart, () -> {
            for (int round = 0; round < 20; round++) {
                assertThat(CompletionBatch.current()).isNull();
                try (CompletionBatch own = CompletionBatch.open()) {
                    barrier.await();
                    assertThat(CompletionBatch.current()).isSameAs(own);
                    assertThat(Trampoline.threadsInMap()).isZero();
                    try (CompletionBatch nested = CompletionBatch.open()) {
                        assertThat(nested).isSameAs(own);
                    }
                    barrier.await();
                }
            }
        });
    }

    @Test
    void aNinthFindsItsOwnAllTheSame() throws Exception {
        CyclicBarrier barrier = new CyclicBarrier(9);
        together(9, 256, () -> {
            for (int round = 0; round < 20; round++) {
                try (CompletionBatch own = CompletionBatch.open()) {
                    barrier.await();
                    assertThat(CompletionBatch.current()).isSameAs(own);
                    assertThat(Trampoline.threadsInMap()).isOne();
                    barrier.await();
                }
                assertThat(CompletionBatch.current()).isNull();
            }
        });
        assertThat(Trampoline.threadsInMap()).isZero();
    }

    @Test
    void threadsThatHaveEndedKeepNoDeviceThatIsClosed() throws Exception {
        List<WeakReference<Object>> closed = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            together(1, 1, () -> closed.add(useAndClose()));
        }
        Eventually.until("the devices are collected", () -> {
            System.gc();
            return closed.stream().allMatch(device -> device.refersTo(null));
        });
    }

    private static WeakReference<Object> useAndClose() throws Exception {
        try (Disk disk = NullBlk.builder().completion(NullBlk.Completion.INLINE).build();
                IoBuffer buffer = disk.allocate(4096)) {
            disk.read(0, buffer.memory());
            return new WeakReference<>(disk.queue());
        }
    }

    @Test
    void aThreadWhoseSlotIsMadeToForgetHasOneSlotAllTheSame() throws Exception {
        AtomicBoolean done = new AtomicBoolean();
        try (Disk disk = NullBlk.builder().completion(NullBlk.Completion.INLINE).build();
                IoBuffer buffer = disk.allocate(4096)) {
            QueueSettings queue = (QueueSettings) disk.queue();
            Thread forgets = Thread.ofPlatform().start(() -> {
                while (!done.get()) {
                    Trampoline.forget(queue);
                }
            });
            try {
                for (int round = 0; round < 10 * ROUNDS; round++) {
                    disk.read(0, buffer.memory());
                    try (CompletionBatch own = CompletionBatch.open();
                            CompletionBatch nested = CompletionBatch.open()) {
                        assertThat(nested).isSameAs(own);
                        assertThat(CompletionBatch.current()).isSameAs(own);
                    }
                    assertThat(CompletionBatch.current()).isNull();
                }
            } finally {
                done.set(true);
                forgets.join();
            }
        }
    }

    @Test
    void oneAllocatesNothingWhileAnotherIsInTheBlockLayerAndHoldsAPlug() throws Exception {
        RecordingDriver driver = new RecordingDriver();
        CountDownLatch first = new CountDownLatch(1);
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch done = new CountDownLatch(1);
        try (Disk disk = driver.disk()) {
            together(2, 256, () -> {
                Plug plug = disk.plug();
                if (isFirst(first)) {
                    plug.submit(new Told().read(0));
                    try (CompletionBatch own = CompletionBatch.open()) {
                        assertThat(CompletionBatch.current()).isSameAs(own);
                        inside.countDown();
                        done.await();
                    }
                    plug.flush();
                    return;
                }
                inside.await();
                try {
                    long allocated = AllocatedBytes.whenWarm(ROUNDS - 1, () -> {
                        for (int round = 0; round < ROUNDS; round++) {
                            try (CompletionBatch own = CompletionBatch.open()) {
                                assert own != null;
                            }
                            OpenPlugs.add(plug);
                            OpenPlugs.remove(plug);
                        }
                    });
                    assertThat(allocated).as("bytes in " + ROUNDS + " rounds").isLessThan(ROUNDS);
                } finally {
                    done.countDown();
                }
            });
            driver.completeAll();
        }
    }

    private static synchronized boolean isFirst(CountDownLatch latch) {
        boolean first = latch.getCount() != 0;
        latch.countDown();
        return first;
    }
}
