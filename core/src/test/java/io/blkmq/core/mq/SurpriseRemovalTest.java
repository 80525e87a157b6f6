package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.ManualRuntime;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A device that has gone: everything that its driver does not have ends at once, wherever it stands. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class SurpriseRemovalTest {
    private final Told told = new Told();
    private final ManualRuntime runtime = new ManualRuntime();
    private final RecordingDriver driver = new RecordingDriver().depth(4).runtime(runtime)
            .limits(limits -> limits.writeCache(true, false));
    private final TagSet set = driver.tagSet();
    private final RequestQueue queue = driver.queue(set, "gone");

    /** Ends the test: the driver gives back what it has, and the queue can be closed. */
    private void closeAll() {
        driver.completeAll();
        assertThat(driver.violations()).isEmpty();
        assertThat(queue.heldTags()).isZero();
        assertThat(queue.strayCompletions()).isZero();
        queue.close();
        set.close();
    }

    private void failWhatTheDriverHas() {
        set.busyIter(rq -> {
            driver.complete(rq, Status.NODEV);
            return true;
        });
    }

    @Test
    void whatTheDriverHasIsTheDriversAndIsFoundByBusyIter() {
        queue.submit(told.read(0));
        queue.markDead();
        assertThat(told.ends()).isEmpty();
        failWhatTheDriverHas();
        assertThat(told.ends()).containsExactly("READ 0 NODEV");
        assertThatIllegalStateException().isThrownBy(() -> queue.submit(told.read(1))).withMessageContaining("gone");
        assertThatIllegalStateException().isThrownBy(() -> queue.allocateRequest(Operation.READ, false))
                .withMessage("gone is closed");
        assertThatIllegalStateException().isThrownBy(() -> queue.tryAllocateRequest(Operation.READ, false))
                .withMessage("gone is closed");
        closeAll();
    }

    @Test
    void whatTheDriverHasRefusedEndsInOrder() {
        for (int i = 0; i < 4; i++) {
            driver.answer(Status.DEV_RESOURCE);
        }
        queue.submit(told.read(0));
        queue.submit(told.read(1));
        queue.submit(told.read(2));
        queue.markDead();
        assertThat(told.ends()).containsExactly("READ 0 NODEV", "READ 1 NODEV", "READ 2 NODEV");
        closeAll();
    }

    @Test
    void whatIsStoppedOrQuiescedEnds() {
        queue.quiesce();
        queue.hardwareContext(0).stop();
        queue.submit(told.read(0));
        queue.markDead();
        assertThat(told.ends()).containsExactly("READ 0 NODEV");
        queue.unquiesce();
        closeAll();
    }

    @Test
    void whatWasRequeuedEndsAlsoIfItIsRequeuedLater() {
        queue.submit(told.read(0));
        queue.submit(told.read(1));
        driver.requeue(driver.inFlight().getFirst(), false);
        queue.markDead();
        assertThat(told.ends()).containsExactly("READ 0 NODEV");
        driver.requeue(driver.inFlight().getLast(), false);
        assertThat(told.ends()).containsExactly("READ 1 NODEV");
        assertThat(queue.heldTags()).isZero();
        assertThat(queue.close(0)).isTrue();
        set.close();
    }

    @Test
    void aPlugEndsWhenItIsFlushed() {
        try (Plug plug = io.blkmq.core.Disk.of(queue, null).plug().expecting(3)) {
            plug.submit(told.read(0));
            plug.submit(told.read(1));
            queue.markDead();
            assertThat(told.ends()).isEmpty();
        }
        assertThat(told.ends()).containsExactly("READ 0 NODEV", "READ 1 NODEV");
        closeAll();
    }

    @Test
    void whatWaitsForATagEnds() {
        told.submitReads(io.blkmq.core.Disk.of(queue, null), 0, 4);
        Eventually.Worker<Boolean> waiter = Eventually.start(() -> queue.submit(told.read(4)));
        Eventually.waitsIn(waiter.thread(), TagShare.class);
        queue.markDead();
        waiter.join();
        assertThat(told.ends()).containsExactly("READ 4 NODEV");
        closeAll();
    }

    @Test
    void whatStandsOnTheBacklogEnds() {
        // Four tags: one is freed by the completion, and two bios come for it.
        told.submitReads(io.blkmq.core.Disk.of(queue, null), 0, 3);
        queue.submit(told.read(3).onEnd(_ -> told.submitReads(io.blkmq.core.Disk.of(queue, null), 10, 12)));
        driver.complete(driver.inFlight().getLast(), Status.OK);
        assertThat(queue.dump()).contains("backlog 1");
        queue.markDead();
        assertThat(told.ends()).containsExactly("READ 11 NODEV");
        closeAll();
    }

    @Test
    void whatWaitsAtTheGateEndsAndTheFreezeEnds() {
        queue.submit(told.read(0));
        queue.freezeStart();
        Eventually.Worker<Boolean> waiter = Eventually.start(() -> queue.submit(told.read(1)));
        Eventually.waitsIn(waiter.thread(), QueueGate.class);
        queue.markDead();
        waiter.join();
        assertThat(told.ends()).containsExactly("READ 1 NODEV");
        failWhatTheDriverHas();
        assertThat(queue.freezeWait(Long.MAX_VALUE)).isTrue();
        queue.unfreeze();
        closeAll();
    }

    @Test
    void flushesThatWaitForTheOneThatIsUnderWayEndWithIt() {
        queue.submit(told.flush());
        queue.submit(told.flush());
        queue.submit(told.flush());
        queue.markDead();
        assertThat(told.ends()).isEmpty();
        failWhatTheDriverHas();
        assertThat(told.ends()).containsExactly("FLUSH NODEV", "FLUSH NODEV", "FLUSH NODEV");
        closeAll();
    }

    @Test
    void aFlushSequenceThatIsInItsDataStepEndsWithoutItsFlush() {
        queue.submit(told.write(0).flags(io.blkmq.core.Bio.FUA));
        queue.markDead();
        driver.completeAll();
        assertThat(told.ends()).containsExactly("WRITE 0 NODEV");
        assertThat(driver.log()).containsExactly("WRITE 0");
        closeAll();
    }

    @Test
    void aRequestOfTheCallersOwnEndsAndIsFreedByItsCaller() throws InterruptedException {
        Request rq = queue.allocateRequest(Operation.READ, false);
        queue.markDead();
        assertThat(queue.execute(rq)).isEqualTo(Status.NODEV);
        assertThat(queue.close(0)).as("the caller has a request").isFalse();
        queue.free(rq);
        closeAll();
    }

    @Test
    void aCompletionMayFindThatTheDeviceIsGone() {
        driver.answer(Status.OK).answer(Status.DEV_RESOURCE);
        queue.submit(told.read(0).onEnd(bio -> {
            queue.markDead();
            told.ended(bio);
        }));
        queue.submit(told.read(1));
        driver.complete(Status.IOERR);
        assertThat(told.ends()).contains("READ 0 IOERR", "READ 1 NODEV");
        closeAll();
    }

    @Test
    void nothingIsLostWhenItHappensUnderLoad() {
        for (int round = 0; round < 200; round++) {
            RecordingDriver quick = new RecordingDriver().depth(2).completesAtOnce();
            TagSet tags = quick.tagSet();
            RequestQueue dying = quick.queue(tags, "dying");
            Told all = new Told();
            java.util.concurrent.atomic.AtomicInteger submitted = new java.util.concurrent.atomic.AtomicInteger();
            Eventually.together(3, false, number -> {
                for (int i = 0; i < 200; i++) {
                    if (number == 0) {
                        if (i == 20) {
                            dying.markDead();
                        }
                        continue;
                    }
                    try {
                        dying.submit(all.read(i));
                        submitted.incrementAndGet();
                    } catch (IllegalStateException e) {
                        return;
                    }
                }
            });
            dying.close();
            assertThat(all.count()).isEqualTo(submitted.get());
            tags.close();
        }
    }
}
