package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An interrupt at every call that waits: it ends the wait while nothing has been submitted, never after, and is never lost. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class InterruptTest {
    private final Told told = new Told();
    private final RecordingDriver driver = new RecordingDriver().depth(2).reservedTags(1);
    private final TagSet set = driver.tagSet();
    private final Disk disk = Disk.of(driver.queue(set, "q"), set);
    private final RequestQueue queue = disk.queue();

    @AfterEach
    void close() {
        Eventually.until("nothing is held", () -> driver.completeAll() == 0 && queue.heldTags() == 0);
        disk.close();
    }

    /** Does something until it waits somewhere, and interrupts it. Returns the worker, whose result is whether the interrupt was kept. */
    private Eventually.Worker<Boolean> interrupted(Class<?> where, Eventually.Work work) {
        Eventually.Worker<Boolean> worker = Eventually.call(() -> {
            work.run();
            return Thread.interrupted();
        });
        Eventually.waitsIn(worker.thread(), where);
        worker.thread().interrupt();
        return worker;
    }

    @Test
    void whoWaitsForATagIsLetGoWithIntr() {
        disk.submit(told.read(0));
        assertThat(interrupted(TagShare.class, () -> disk.submit(told.read(1))).join()).isTrue();
        assertThat(told.ends()).containsExactly("READ 1 INTR");
        driver.completeAll();
        disk.submit(told.read(2));
        assertThat(driver.inFlight()).as("the tag did not go to the one who had left").hasSize(1);
    }

    @Test
    void whoWaitsAtAFrozenQueueIsLetGoWithIntr() {
        disk.freeze();
        assertThat(interrupted(QueueGate.class, () -> disk.submit(told.read(1))).join()).isTrue();
        assertThat(told.ends()).containsExactly("READ 1 INTR");
        disk.unfreeze();
    }

    @Test
    void aBlockingReadThatHasNotBegunFailsWithIntrAndOneThatHasGoesOn() {
        disk.submit(told.read(0));
        AtomicReference<Status> status = new AtomicReference<>();
        assertThat(interrupted(TagShare.class, () -> {
            try (IoBuffer buffer = IoBuffer.allocate(512)) {
                disk.read(0, buffer.memory());
            } catch (BlockIOException e) {
                status.set(e.status());
            }
        }).join()).isTrue();
        assertThat(status).hasValue(Status.INTR);
        driver.completeAll();
        Eventually.Worker<Boolean> begun = interrupted(QueuePolling.class, () -> {
            try (IoBuffer buffer = IoBuffer.allocate(512)) {
                disk.read(0, buffer.memory());
            }
        });
        driver.completeAll();
        assertThat(begun.join()).as("kept").isTrue();
    }

    /** Keeps what it is given. */
    private static final class Keeping implements BlockDriver {
        private final Queue<Request> kept = new ConcurrentLinkedQueue<>();

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            kept.add(rq);
            return Status.OK;
        }

        void completeOne() {
            Eventually.until("one is in flight", () -> !kept.isEmpty());
            Objects.requireNonNull(kept.poll()).complete(Status.OK);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anOperationInPiecesOfWhichOneHasGoneGoesOn(boolean scattered) throws IOException {
        Keeping keeping = new Keeping();
        QueueLimits limits = QueueLimits.builder().requestBytesMax(1 << 20).segmentBytesMax(1 << 20).build();
        TagSet tags = TagSet.builder(keeping).depth(1).build();
        try (Disk large = Disk.of(tags.newQueue("large", limits, 4 << 11, null), tags)) {
            Eventually.Worker<Boolean> writer = Eventually.call(() -> {
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment memory = arena.allocate((1 << 20) + 512);
                    if (scattered) {
                        large.write(0, List.of(memory.asSlice(0, 512), memory.asSlice(512)), 0);
                    } else {
                        large.write(0, memory);
                    }
                }
                return Thread.interrupted();
            });
            Eventually.until("the first piece is in flight", () -> !keeping.kept.isEmpty());
            large.queue().freezeStart();
            writer.thread().interrupt();
            keeping.completeOne();
            Eventually.waitsIn(writer.thread(), QueueGate.class);
            writer.thread().interrupt();
            large.unfreeze();
            keeping.completeOne();
            assertThat(writer.join()).as("kept").isTrue();
        }
    }

    @Test
    void whoWaitsForARequestOfItsOwnGetsAnException() throws InterruptedException {
        disk.submit(told.read(0));
        Request reserved = queue.allocateRequest(Operation.READ, true);
        for (boolean ofReserved : new boolean[]{false, true}) {
            Eventually.Worker<Boolean> waiter = interrupted(TagShare.class,
                    () -> queue.allocateRequest(Operation.READ, ofReserved));
            assertThat(waiter.failure()).isInstanceOf(InterruptedException.class)
                    .hasMessage("q: interrupted while waiting for a request");
        }
        queue.free(reserved);
        driver.completeAll();
        disk.freeze();
        Eventually.Worker<Boolean> atGate = interrupted(QueueGate.class,
                () -> queue.allocateRequest(Operation.READ, false));
        assertThat(atGate.failure()).isInstanceOf(InterruptedException.class);
        disk.unfreeze();
    }

    @Test
    void whoWaitsForTheEndOfARequestOfItsOwnGoesOnWaiting() throws InterruptedException {
        Request rq = queue.allocateRequest(Operation.READ, false);
        Eventually.Worker<Boolean> waiter = interrupted(QueuePolling.class, () -> queue.execute(rq));
        driver.complete(rq, Status.OK);
        assertThat(waiter.join()).as("kept").isTrue();
        queue.free(rq);
    }

    @Test
    void aFreezeGoesOnWaiting() {
        disk.submit(told.read(0));
        Eventually.Worker<Boolean> freezer = interrupted(QueueLife.class, disk::freeze);
        driver.completeAll();
        assertThat(freezer.join()).as("kept").isTrue();
        disk.unfreeze();
    }

    @Test
    void whoWaitsForAnotherChangeOfTheTagSetGoesOnWaiting() {
        disk.submit(told.read(0));
        Eventually.Worker<Boolean> update = Eventually.start(() -> set.updateHardwareQueues(2));
        Eventually.until("the queue is frozen", queue::isFrozen);
        Eventually.Worker<Boolean> second = interrupted(SleepingLock.class, () -> set.updateHardwareQueues(3));
        driver.completeAll();
        update.join();
        assertThat(second.join()).as("kept").isTrue();
        assertThat(set.hardwareQueues()).isEqualTo(3);
    }

    @Test
    void anInterruptBeforeACallThatNeedNotWaitChangesNothing() {
        Thread.currentThread().interrupt();
        disk.submit(told.read(0));
        assertThat(Thread.interrupted()).isTrue();
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 0 OK");
    }

    @Test
    void interruptsAgainstTagsThatComeLoseNeitherTagNorBio() {
        RecordingDriver quick = new RecordingDriver().depth(1).completesAtOnce();
        try (Disk busy = quick.disk()) {
            Told all = new Told();
            Thread[] threads = new Thread[3];
            java.util.concurrent.atomic.AtomicBoolean stop = new java.util.concurrent.atomic.AtomicBoolean();
            java.util.concurrent.CountDownLatch started = new java.util.concurrent.CountDownLatch(3);
            Eventually.Worker<Boolean> pest = Eventually.start(() -> {
                started.await();
                for (int i = 0; !stop.get(); i++) {
                    threads[i % 3].interrupt();
                    Eventually.letOthersRun();
                }
            });
            Eventually.together(3, false, number -> {
                threads[number] = Thread.currentThread();
                started.countDown();
                for (int i = 0; i < 3_000; i++) {
                    busy.submit(all.read(i % 2048));
                }
            });
            stop.set(true);
            pest.join();
            assertThat(all.ends()).hasSize(9_000).allMatch(end -> end.endsWith("OK") || end.endsWith("INTR"));
            assertThat(busy.queue().heldTags()).isZero();
        }
    }
}
