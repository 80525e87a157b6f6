package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Freezing, and closing, which freezes for good. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class FreezeTest {
    private final RecordingDriver driver = new RecordingDriver();
    private final Told told = new Told();

    @Test
    void aFreezeWaitsForWhatIsInFlight() {
        try (Disk disk = driver.disk()) {
            told.submitReads(disk, 0, 3);
            Eventually.Worker<Boolean> freezer = Eventually.start(disk::freeze);
            Eventually.waitsIn(freezer.thread(), QueueLife.class);
            driver.complete(Status.OK);
            driver.complete(Status.OK);
            assertThat(freezer.isDone()).isFalse();
            driver.complete(Status.OK);
            freezer.join();
            assertThat(disk.queue().isFrozen()).isTrue();
            disk.unfreeze();
            assertThat(disk.queue().isFrozen()).isFalse();
        }
    }

    @Test
    void submittersWaitAtAFrozenQueueUntilTheLastUnfreeze() {
        try (Disk disk = driver.disk()) {
            disk.freeze();
            disk.freeze();
            Eventually.Worker<Boolean> submitter = Eventually.start(() -> disk.submit(told.read(7)));
            Eventually.waitsIn(submitter.thread(), QueueGate.class);
            disk.unfreeze();
            assertThat(driver.log()).isEmpty();
            disk.unfreeze();
            submitter.join();
            assertThat(driver.log()).containsExactly("READ 7");
            driver.completeAll();
        }
    }

    @Test
    void aNowaitBioEndsWithAgainAtAFrozenQueue() {
        try (Disk disk = driver.disk()) {
            disk.freeze();
            disk.submit(told.read(0).flags(Bio.NOWAIT));
            assertThat(told.ends()).containsExactly("READ 0 AGAIN");
            assertThat(disk.queue().heldTags()).isZero();
            disk.unfreeze();
        }
    }

    @Test
    void whatACompletionSubmitsToAFrozenQueueGoesOnAfterTheUnfreeze() {
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(0).onEnd(_ -> told.submitReads(disk, 1, 4)));
            Eventually.Worker<Boolean> freezer = Eventually.start(disk::freeze);
            Eventually.waitsIn(freezer.thread(), QueueLife.class);
            driver.log();
            driver.complete(Status.OK);
            freezer.join();
            assertThat(driver.log()).isEmpty();
            disk.unfreeze();
            assertThat(driver.completeAll()).isEqualTo(3);
            assertThat(told.ends()).hasSize(3);
        }
    }

    @Test
    void aTimedWaitGivesUpAndTheQueueStaysFrozen() {
        Simulation.run(FreezeTest.class, runtime -> {
            try (Disk disk = driver.runtime(runtime).disk()) {
                RequestQueue queue = disk.queue();
                disk.submit(told.read(0));
                queue.freezeStart();
                assertThat(queue.freezeWait(0)).isFalse();
                long begin = runtime.nanoTime();
                long wait = TimeUnit.SECONDS.toNanos(1000);
                assertThat(queue.freezeWait(wait)).isFalse();
                assertThat(runtime.nanoTime() - begin).isBetween(wait, wait + TimeUnit.SECONDS.toNanos(1));
                assertThat(queue.isFrozen()).isTrue();
                driver.complete(Status.OK);
                assertThat(queue.freezeWait(0)).isTrue();
                queue.unfreeze();
            }
        });
    }

    @Test
    void anInterruptDoesNotEndAFreezeAndIsKept() {
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(0));
            Eventually.Worker<Boolean> freezer = Eventually.call(() -> {
                Thread.currentThread().interrupt();
                disk.freeze();
                return Thread.interrupted();
            });
            Eventually.until("frozen", disk.queue()::isFrozen);
            assertThat(freezer.isDone()).isFalse();
            driver.complete(Status.OK);
            assertThat(freezer.join()).isTrue();
            disk.unfreeze();
        }
    }

    @Test
    void anInterruptEndsTheWaitOfASubmitterAndItsBioAndIsKept() {
        try (Disk disk = driver.depth(1).disk()) {
            disk.submit(told.read(0));
            Eventually.Worker<Boolean> forTag = Eventually.call(() -> {
                disk.submit(told.read(1));
                return Thread.interrupted();
            });
            Eventually.waitsIn(forTag.thread(), TagShare.class);
            forTag.thread().interrupt();
            assertThat(forTag.join()).isTrue();
            driver.complete(Status.OK);
            disk.freeze();
            Eventually.Worker<Boolean> atGate = Eventually.call(() -> {
                disk.submit(told.read(2));
                return Thread.interrupted();
            });
            Eventually.waitsIn(atGate.thread(), QueueGate.class);
            atGate.thread().interrupt();
            assertThat(atGate.join()).isTrue();
            disk.unfreeze();
            assertThat(told.ends()).containsExactly("READ 1 INTR", "READ 0 OK", "READ 2 INTR");
            assertThat(driver.log()).containsExactly("READ 0");
        }
    }

    @Test
    void anInterruptDoesNotEndTheWaitOfABioThatIsInPartSubmitted() {
        try (Disk disk = driver.depth(1).limits(l -> l.requestBytesMax(4096)).disk()) {
            Eventually.Worker<Boolean> second = Eventually.call(() -> {
                disk.submit(new Bio(1).reset(Operation.READ, 0).onEnd(told).add(IoBuffer.allocate(8192).memory()));
                return Thread.interrupted();
            });
            Eventually.waitsIn(second.thread(), TagShare.class);
            second.thread().interrupt();
            driver.complete(Status.OK);
            assertThat(second.join()).isTrue();
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 0 OK");
        }
    }

    @Test
    void anUnfreezeWithoutAFreezeIsRefused() {
        try (Disk disk = driver.disk()) {
            assertThatIllegalStateException().isThrownBy(disk::unfreeze).withMessageContaining("without freeze");
            assertThatIllegalStateException().isThrownBy(() -> disk.queue().freezeWait(0))
                    .withMessageContaining("not frozen");
            disk.submit(told.read(0));
            driver.completeAll();
            assertThat(told.ends()).containsExactly(Told.ok(0));
        }
    }

    @Test
    void limitsChangeOnlyWhileFrozen() {
        try (Disk disk = driver.disk()) {
            QueueLimits other = disk.limits().toBuilder().logicalBlockBytes(4096).physicalBlockBytes(4096).build();
            assertThatIllegalStateException().isThrownBy(() -> disk.queue().setLimits(other))
                    .withMessageContaining("frozen");
            disk.freeze();
            disk.queue().setLimits(other);
            disk.unfreeze();
            assertThat(disk.limits().logicalBlockBytes()).isEqualTo(4096);
        }
    }

    @Test
    void whoWaitedWhileTheLimitsChangedIsHeldToTheNewOnes() {
        driver.limits(limits -> limits.dmaAlignmentBytes(512)).completesAtOnce();
        try (Disk disk = driver.disk()) {
            byte[] pattern = new byte[16384];
            new Random(1).nextBytes(pattern);
            disk.freeze();
            Bio waiting = new Bio().reset(Operation.WRITE, 0).add(MemorySegment.ofArray(pattern)).onEnd(told);
            Bio unaligned = told.write(101);
            List<Eventually.Worker<Boolean>> submitters = List.of(Eventually.start(() -> disk.submit(waiting)),
                    Eventually.start(() -> disk.submit(unaligned)));
            submitters.forEach(submitter -> Eventually.waitsIn(submitter.thread(), QueueGate.class));
            disk.queue().setLimits(disk.limits().toBuilder().logicalBlockBytes(4096).physicalBlockBytes(4096)
                    .requestBytesMax(4096).build());
            disk.unfreeze();
            submitters.forEach(Eventually.Worker::join);
            assertThat(told.ends()).containsExactlyInAnyOrder("WRITE 0 OK", "WRITE 101 INVAL");
            assertThat(driver.log()).containsExactly("WRITE 0", "WRITE 8", "WRITE 16", "WRITE 24");
            assertThat(driver.violations()).isEmpty();
            assertThat(Arrays.copyOf(driver.data(), pattern.length)).isEqualTo(pattern);
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void whatStoodOnTheBacklogWhileTheLimitsChangedIsHeldToTheNewOnes() {
        driver.limits(limits -> limits.dmaAlignmentBytes(512));
        try (Disk disk = driver.disk()) {
            byte[] target = new byte[16384];
            new Random(1).nextBytes(driver.data());
            disk.submit(told.read(0).onEnd(_ -> {
                disk.submit(new Bio().reset(Operation.READ, 8).add(MemorySegment.ofArray(target)).onEnd(told));
                disk.submit(told.read(101));
            }));
            Eventually.Worker<Boolean> freezer = Eventually.start(disk::freeze);
            Eventually.waitsIn(freezer.thread(), QueueLife.class);
            driver.complete(Status.OK);
            freezer.join();
            disk.queue().setLimits(disk.limits().toBuilder().logicalBlockBytes(4096).physicalBlockBytes(4096)
                    .requestBytesMax(4096).build());
            disk.unfreeze();
            assertThat(driver.completeAll()).isEqualTo(4);
            assertThat(told.ends()).containsExactlyInAnyOrder("READ 8 OK", "READ 101 INVAL");
            assertThat(driver.violations()).isEmpty();
            assertThat(target).isEqualTo(Arrays.copyOfRange(driver.data(), 4096, 4096 + target.length));
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void aFreezeOfAPolledQueuePollsByItself() {
        try (Disk disk = driver.polled().disk()) {
            told.submitReads(disk, 0, 5);
            disk.freeze();
            assertThat(told.ends()).hasSize(5);
            disk.unfreeze();
        }
    }

    @Test
    void aFreezeWaitsForThePlugOfAnotherThread() {
        try (Disk disk = driver.completesAtOnce().disk()) {
            Plug plug = disk.plug();
            plug.submit(told.read(0));
            Eventually.Worker<Boolean> freezer = Eventually.start(disk::freeze);
            Eventually.waitsIn(freezer.thread(), QueueLife.class);
            plug.flush();
            freezer.join();
            assertThat(told.ends()).containsExactly(Told.ok(0));
            disk.unfreeze();
        }
    }

    @Test
    void aFreezeDispatchesWhatWaitsOnTheDispatchList() {
        Simulation.run(FreezeTest.class, runtime -> {
            try (Disk disk = driver.runtime(runtime).disk()) {
                driver.answer(Status.RESOURCE);
                disk.submit(told.read(0));
                disk.queue().freezeStart();
                assertThat(driver.completeAll()).isOne();
                assertThat(disk.queue().freezeWait(0)).isTrue();
                disk.unfreeze();
            }
        });
    }

    /** A driver that counts, for each queue, what is in flight, and completes from a thread of its own. */
    private static final class Counting extends RecordingDriver {
        final AtomicInteger inFlight = new AtomicInteger();
        final AtomicBoolean stop = new AtomicBoolean();

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            inFlight.incrementAndGet();
            Status status = super.queueRq(hctx, rq, last);
            if (status != Status.OK) {
                inFlight.decrementAndGet();
            }
            log();
            return status;
        }

        @Override
        public void complete(Request rq) {
            inFlight.decrementAndGet();
            super.complete(rq);
        }

        void completeUntilStopped() {
            while (!stop.get()) {
                if (completeAll() == 0) {
                    Eventually.letOthersRun();
                }
            }
        }
    }

    @Test
    void nothingIsInFlightBetweenFreezeAndUnfreezeWhateverThreadsDo() {
        long seed = RandomSeed.of(FreezeTest.class);
        Counting counting = new Counting();
        Disk disk = counting.depth(6).disk();
        Eventually.Worker<Boolean> completer = Eventually.start(counting::completeUntilStopped);
        AtomicInteger submitted = new AtomicInteger();
        AtomicInteger ended = new AtomicInteger();
        Eventually.together(7, false, number -> {
            Random random = new Random(seed + number);
            for (int i = 0; i < 300; i++) {
                if (number < 3) {
                    disk.freeze();
                    for (int look = 0; look < 20; look++) {
                        assertThat(counting.inFlight.get()).as("in flight while frozen, seed %d", seed).isZero();
                        Eventually.letOthersRun();
                    }
                    disk.unfreeze();
                } else if (number == 3) {
                    try (Plug plug = disk.plug()) {
                        for (int k = random.nextInt(9); k >= 0; k--) {
                            submitted.incrementAndGet();
                            plug.submit(told.read(k).onEnd(_ -> ended.incrementAndGet()));
                        }
                    }
                } else {
                    submitted.addAndGet(2);
                    disk.submit(told.read(number).onEnd(first -> {
                        ended.incrementAndGet();
                        disk.submit(first.onEnd(_ -> ended.incrementAndGet()));
                    }));
                }
            }
        });
        Eventually.until("all have ended", () -> ended.get() == submitted.get());
        counting.stop.set(true);
        completer.join();
        assertThat(counting.violations()).isEmpty();
        assertThat(disk.queue().heldTags()).isZero();
        disk.close();
    }

    // ---- closing

    @Test
    void aCloseWaitsForWhatIsInFlight() {
        Disk disk = driver.disk();
        told.submitReads(disk, 0, 2);
        Eventually.Worker<Boolean> closer = Eventually.start(disk::close);
        Eventually.waitsIn(closer.thread(), QueueLife.class);
        driver.complete(Status.OK);
        assertThat(closer.isDone()).isFalse();
        driver.complete(Status.OK);
        closer.join();
        assertThat(told.ends()).containsExactly(Told.ok(0), Told.ok(1));
    }

    @Test
    void aSubmissionAfterTheCloseIsRefused() {
        Disk disk = driver.disk();
        disk.close();
        Bio bio = told.read(0);
        assertThatIllegalStateException().isThrownBy(() -> disk.submit(bio)).withMessage("rec0 is closed");
        assertThat(bio.isInFlight()).isFalse();
        assertThatIllegalStateException().isThrownBy(() -> disk.plug().submit(bio)).withMessage("rec0 is closed");
        disk.close();
    }

    @Test
    void whoWaitsAtTheGateIsToldNodevByAClose() {
        Disk disk = driver.disk();
        disk.freeze();
        Eventually.Worker<Boolean> submitter = Eventually.start(() -> disk.submit(told.read(0)));
        Eventually.waitsIn(submitter.thread(), QueueGate.class);
        Eventually.Worker<Boolean> closer = Eventually.start(disk::close);
        submitter.join();
        closer.join();
        assertThat(told.ends()).containsExactly("READ 0 NODEV");
    }

    @Test
    void whoWaitsForATagIsToldNodevByAClose() {
        Disk disk = driver.depth(1).disk();
        disk.submit(told.read(0));
        Eventually.Worker<Boolean> submitter = Eventually.start(() -> disk.submit(told.read(1)));
        Eventually.waitsIn(submitter.thread(), TagShare.class);
        Eventually.Worker<Boolean> closer = Eventually.start(disk::close);
        Eventually.until("closing", disk.queue()::isDying);
        Eventually.waitsIn(closer.thread(), QueueLife.class);
        driver.complete(Status.OK);
        submitter.join();
        closer.join();
        assertThat(told.ends()).containsExactlyInAnyOrder(Told.ok(0), "READ 1 NODEV");
    }

    @Test
    void whatStandsOnTheBacklogIsToldNodevByAClose() {
        Disk disk = driver.depth(1).disk();
        disk.submit(told.read(0).onEnd(_ -> told.submitReads(disk, 1, 6)));
        driver.complete(Status.OK);
        Eventually.Worker<Boolean> closer = Eventually.start(disk::close);
        Eventually.until("the backlog is told", () -> told.count() == 4);
        driver.complete(Status.OK);
        closer.join();
        assertThat(told.ends()).containsExactly("READ 2 NODEV", "READ 3 NODEV", "READ 4 NODEV", "READ 5 NODEV",
                Told.ok(1));
    }

    @Test
    void aFrozenQueueCanBeClosedAndUnfrozenAfterwards() {
        Disk disk = driver.disk();
        disk.freeze();
        disk.close();
        disk.unfreeze();
        assertThatIllegalStateException().isThrownBy(() -> disk.submit(told.read(0)));
    }

    @Test
    void closingFromManyThreadsUnderLoadLosesNoBio() {
        for (int round = 0; round < 50; round++) {
            RecordingDriver each = new RecordingDriver().depth(4).completesAtOnce();
            Disk disk = each.disk();
            AtomicInteger accepted = new AtomicInteger();
            AtomicInteger ended = new AtomicInteger();
            Eventually.together(4, false, number -> {
                if (number == 0) {
                    disk.close();
                    return;
                }
                try {
                    for (;;) {
                        disk.submit(told.read(number).onEnd(_ -> ended.incrementAndGet()));
                        accepted.incrementAndGet();
                    }
                } catch (IllegalStateException e) {
                    assertThat(e).hasMessageContaining("closed");
                }
            });
            assertThat(ended.get()).isEqualTo(accepted.get());
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void anInterruptedCloseStillWaits() {
        Disk disk = driver.disk();
        disk.submit(told.read(0));
        Eventually.Worker<Boolean> closer = Eventually.call(() -> {
            Thread.currentThread().interrupt();
            disk.close();
            return Thread.interrupted();
        });
        Eventually.until("closing", disk.queue()::isDying);
        assertThat(closer.isDone()).isFalse();
        driver.complete(Status.OK);
        assertThat(closer.join()).isTrue();
        assertThat(disk.queue().freezeWait(TimeUnit.DAYS.toNanos(1))).isTrue();
    }
}
