package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The flush machine, seen from its driver. */
@NoRescues
class FlushQueueTest {
    @RegisterExtension
    final Simulation simulation = new Simulation(FlushQueueTest.class);
    private final DeterministicRuntime runtime = simulation.runtime();
    private final RecordingDriver driver = new RecordingDriver().runtime(runtime).depth(16).pduBytes(16);
    private final Told told = new Told();
    private final List<Disk> disks = new ArrayList<>();

    private Disk disk(boolean writeCache, boolean fua) {
        Disk disk = driver.limits(limits -> limits.writeCache(writeCache, fua)).disk();
        disks.add(disk);
        return disk;
    }

    @AfterEach
    void nothingIsLeft() {
        assertThat(driver.violations()).isEmpty();
        for (Disk disk : disks) {
            assertThat(disk.queue().heldTags()).isZero();
            disk.close();
        }
    }

    private Bio write(long sector, int flags) {
        return told.write(sector).flags(flags);
    }

    // ---- what a bio becomes

    @Test
    void withoutAWriteCacheAFlushEndsAtOnce() {
        disk(false, false).submit(told.flush());
        assertThat(told.ends()).containsExactly("FLUSH OK");
        assertThat(driver.log()).isEmpty();
    }

    @Test
    void withoutAWriteCachePreflushAndFuaMeanNothing() {
        disk(false, false).submit(write(1, Bio.PREFLUSH | Bio.FUA));
        driver.completeAll();
        assertThat(driver.log()).containsExactly("WRITE 1");
        assertThat(told.ends()).containsExactly("WRITE 1 OK");
    }

    @Test
    void aFlushIsOneFlush() {
        disk(true, false).submit(told.flush());
        driver.completeAll();
        assertThat(driver.log()).containsExactly("FLUSH");
        assertThat(told.ends()).containsExactly("FLUSH OK");
    }

    @Test
    void withoutFuaAtTheDeviceAFlushFollowsTheData() {
        disk(true, false).submit(write(1, Bio.FUA));
        assertThat(driver.log()).containsExactly("WRITE 1");
        driver.complete(Status.OK);
        assertThat(told.ends()).isEmpty();
        assertThat(driver.log()).containsExactly("FLUSH");
        driver.complete(Status.OK);
        assertThat(told.ends()).containsExactly("WRITE 1 OK");
    }

    @Test
    void withoutFuaAtTheDevicePreflushAndFuaMakeThreeSteps() {
        disk(true, false).submit(write(1, Bio.PREFLUSH | Bio.FUA));
        List<String> steps = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            steps.addAll(driver.log());
            assertThat(told.ends()).isEmpty();
            driver.complete(Status.OK);
        }
        assertThat(steps).containsExactly("FLUSH", "WRITE 1", "FLUSH");
        assertThat(told.ends()).containsExactly("WRITE 1 OK");
    }

    @Test
    void withFuaAtTheDeviceItGoesDownWithTheData() {
        disk(true, true).submit(write(1, Bio.FUA));
        driver.completeAll();
        assertThat(driver.log()).containsExactly("WRITE 1 FUA");
        assertThat(told.ends()).containsExactly("WRITE 1 OK");
    }

    /** A device with FUA has it for writes of data: what a discard or zeroes have changed may be known by its mapping alone. */
    @ParameterizedTest
    @EnumSource(names = {"DISCARD", "WRITE_ZEROES"})
    void withFuaAtTheDeviceAFlushFollowsADiscardAndZeroes(Operation operation) {
        driver.limits(limits -> limits.discardBytesMax(1 << 20).writeZeroesBytesMax(1 << 20));
        Disk disk = disk(true, true);
        disk.submit(told.bio(operation, 1).flags(Bio.FUA));
        assertThat(driver.log()).containsExactly(operation + " 1");
        driver.complete(Status.OK);
        assertThat(told.ends()).isEmpty();
        assertThat(driver.log()).containsExactly("FLUSH");
        driver.complete(Status.OK);
        assertThat(told.ends()).containsExactly(operation + " 1 OK");

        disk.submit(told.bio(operation, 2).flags(Bio.PREFLUSH));
        assertThat(driver.log()).containsExactly("FLUSH");
        driver.complete(Status.OK);
        assertThat(driver.log()).containsExactly(operation + " 2");
        driver.complete(Status.OK);
        assertThat(told.ends()).containsExactly(operation + " 2 OK");
    }

    @Test
    void withFuaAtTheDeviceItGoesDownWithTheDataAlsoBehindAPreflush() {
        disk(true, true).submit(write(1, Bio.PREFLUSH | Bio.FUA));
        assertThat(driver.log()).containsExactly("FLUSH");
        driver.complete(Status.OK);
        assertThat(driver.log()).containsExactly("WRITE 1 FUA");
        driver.complete(Status.OK);
        assertThat(driver.log()).isEmpty();
        assertThat(told.ends()).containsExactly("WRITE 1 OK");
    }

    @Test
    void aPreflushAloneNeedsNoFlushAfterTheData() {
        disk(true, false).submit(write(1, Bio.PREFLUSH));
        driver.completeAll();
        assertThat(driver.log()).containsExactly("FLUSH", "WRITE 1");
        assertThat(told.ends()).containsExactly("WRITE 1 OK");
    }

    @Test
    void anOrdinaryWriteKnowsNothingOfAllThis() {
        Disk disk = disk(true, false);
        disk.submit(told.flush());
        disk.submit(told.write(3));
        assertThat(driver.log()).containsExactly("FLUSH", "WRITE 3");
        driver.completeAll();
    }

    // ---- who shares a flush

    @Test
    void thoseWhoComeDuringAFlushShareTheNextOne() {
        Disk disk = disk(true, false);
        for (int i = 0; i < 6; i++) {
            disk.submit(told.flush());
        }
        assertThat(driver.log()).as("C1: one flush at a time").containsExactly("FLUSH");
        driver.complete(Status.OK);
        assertThat(told.ends()).as("told by a flush that began after they came").hasSize(1);
        assertThat(driver.log()).containsExactly("FLUSH");
        driver.complete(Status.OK);
        assertThat(told.ends()).hasSize(5);
        assertThat(driver.log()).isEmpty();
    }

    @Test
    void aFlushIsPutOffWhileDataOfASequenceIsInFlight() {
        Disk disk = disk(true, false);
        disk.submit(write(1, Bio.FUA));
        disk.submit(write(2, Bio.FUA));
        disk.submit(told.flush());
        assertThat(driver.log()).containsExactly("WRITE 1", "WRITE 2");
        driver.complete(Status.OK);
        assertThat(driver.log()).as("C2").isEmpty();
        driver.complete(Status.OK);
        assertThat(driver.log()).containsExactly("FLUSH");
        driver.complete(Status.OK);
        assertThat(told.ends()).containsExactlyInAnyOrder("WRITE 1 OK", "WRITE 2 OK", "FLUSH OK");
    }

    @Test
    void thoseWhoSharedAPreflushShareThePostflush() {
        Disk disk = disk(true, false);
        disk.submit(told.flush());
        for (int i = 1; i <= 3; i++) {
            disk.submit(write(i, Bio.PREFLUSH | Bio.FUA));
        }
        driver.complete(Status.OK);
        driver.complete(Status.OK);
        assertThat(driver.log()).containsExactly("FLUSH", "FLUSH", "WRITE 1", "WRITE 2", "WRITE 3");
        driver.complete(Status.OK);
        driver.complete(Status.OK);
        assertThat(driver.log()).isEmpty();
        driver.complete(Status.OK);
        assertThat(driver.log()).containsExactly("FLUSH");
        driver.complete(Status.OK);
        assertThat(told.ends()).hasSize(4);
    }

    @Test
    void whoHasWaitedForFiveSecondsIsNotPutOffAnyMore() {
        Disk disk = disk(true, false);
        disk.submit(write(1, Bio.FUA));
        disk.submit(told.flush());
        runtime.sleep(TimeUnit.SECONDS.toNanos(5) - 1_000_000);
        disk.submit(told.flush());
        assertThat(driver.log()).containsExactly("WRITE 1");
        runtime.sleep(1_000_000);
        disk.submit(told.flush());
        assertThat(driver.log()).as("C3").containsExactly("FLUSH");
        driver.completeAll();
        assertThat(told.ends()).hasSize(4);
    }

    // ---- what fails

    @Test
    void aFailedFlushFailsExactlyThoseWhoWaitedForIt() {
        Disk disk = disk(true, false);
        disk.submit(told.flush());
        disk.submit(write(1, Bio.PREFLUSH));
        disk.submit(write(2, Bio.PREFLUSH | Bio.FUA));
        driver.complete(Status.OK);
        assertThat(told.ends()).containsExactly("FLUSH OK");
        disk.submit(told.flush());
        driver.log();
        driver.complete(Status.MEDIUM);
        assertThat(told.ends()).containsExactly("WRITE 1 MEDIUM", "WRITE 2 MEDIUM");
        assertThat(driver.log()).containsExactly("FLUSH");
        driver.complete(Status.OK);
        assertThat(told.ends()).containsExactly("FLUSH OK");
    }

    @Test
    void failedDataEndsItsRequestWithoutAFlush() {
        disk(true, false).submit(write(1, Bio.PREFLUSH | Bio.FUA));
        driver.complete(Status.OK);
        driver.complete(Status.NOSPC);
        assertThat(driver.log()).containsExactly("FLUSH", "WRITE 1");
        assertThat(told.ends()).containsExactly("WRITE 1 NOSPC");
    }

    @Test
    void aFlushThatTheDriverRefusesIsOfferedAgain() {
        driver.answer(Status.RESOURCE);
        disk(true, false).submit(told.flush());
        runtime.sleep(DispatchContext.RESOURCE_DELAY_NANOS + 1_000_000);
        driver.completeAll();
        assertThat(driver.log()).containsExactly("FLUSH", "FLUSH");
        assertThat(told.ends()).containsExactly("FLUSH OK");
    }

    @Test
    void aFlushThatTheDriverFailsAtOnceFailsItsWaiters() {
        Disk disk = disk(true, false);
        driver.answer(Status.IOERR);
        disk.submit(told.flush());
        assertThat(told.ends()).containsExactly("FLUSH IOERR");
        disk.submit(told.flush());
        driver.completeAll();
        assertThat(told.ends()).containsExactly("FLUSH OK");
    }

    @Test
    void aFlushThatTheDriverGivesBackIsGivenAgainAndTellsItsWaitersOnce() {
        Disk disk = disk(true, false);
        disk.submit(told.flush());
        disk.submit(told.flush());
        Request flush = driver.inFlight().getFirst();
        driver.requeue(flush, false);
        assertThat(driver.log()).containsExactly("FLUSH");
        disk.queue().kickRequeueList();
        assertThat(driver.log()).containsExactly("FLUSH");
        assertThat(told.ends()).isEmpty();
        driver.completeAll();
        assertThat(told.ends()).containsExactly("FLUSH OK", "FLUSH OK");
    }

    @Test
    void aFlushThatTimesOutFailsItsWaitersAndItsLateCompletionEndsNothing() {
        Disk disk = disk(true, false);
        disk.queue().setTimeoutNanos(TimeUnit.SECONDS.toNanos(30));
        List<Request> timedOut = new ArrayList<>();
        driver.onTimeout(rq -> {
            timedOut.add(rq);
            driver.complete(rq, Status.TIMEOUT);
            return TimeoutAction.DONE;
        });
        disk.submit(write(1, Bio.PREFLUSH));
        Request flush = driver.inFlight().getFirst();
        int tag = flush.tag();
        long generation = flush.generation();
        runtime.sleep(TimeUnit.SECONDS.toNanos(33));
        assertThat(timedOut).containsExactly(flush);
        assertThat(told.ends()).containsExactly("WRITE 1 TIMEOUT");
        for (int i = 0; i < 16; i++) {
            disk.submit(told.write(2));
        }
        driver.log();
        Request successor = flush.hardwareContext().request(tag);
        assertThat(driver.inFlight()).contains(successor);
        successor.complete(generation, Status.OK);
        assertThat(told.ends()).as("told by a completion of the flush").isEmpty();
        assertThat(disk.queue().strayCompletions()).isEqualTo(1);
        driver.completeAll();
        assertThat(told.ends()).hasSize(16);
    }

    @Test
    void noTwoUsesOfATagHaveTheSameGenerationWhetherItIsLentOrNot() {
        Disk disk = driver.depth(1).limits(limits -> limits.writeCache(true, false)).disk();
        disks.add(disk);
        List<Long> generations = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            disk.submit(write(i, Bio.PREFLUSH | Bio.FUA));
            for (int step = 0; step < 3; step++) {
                generations.add(driver.inFlight().getFirst().generation());
                driver.complete(Status.OK);
            }
        }
        assertThat(generations).hasSize(9).doesNotHaveDuplicates();
        driver.log();
    }

    // ---- when the queue changes, or goes

    @Test
    void whoWaitsForAFlushWhenTheDeviceGoesIsToldSo() {
        Disk disk = disk(true, false);
        disk.submit(write(1, Bio.FUA));
        disk.submit(told.flush());
        disk.submit(write(2, Bio.PREFLUSH));
        disk.queue().markDead();
        assertThat(told.ends()).as("the driver still has the data").isEmpty();
        driver.complete(Status.OK);
        assertThat(told.ends()).containsExactlyInAnyOrder("WRITE 1 NODEV", "FLUSH NODEV", "WRITE 2 NODEV");
        assertThat(driver.log()).containsExactly("WRITE 1");
    }

    @Test
    void aFlushThatWasGivenBackWhenTheDeviceGoesEndsWithNodev() {
        Disk disk = disk(true, false);
        disk.submit(told.flush());
        Request flush = driver.inFlight().getFirst();
        driver.requeue(flush, false);
        disk.queue().markDead();
        assertThat(told.ends()).containsExactly("FLUSH NODEV");
    }

    @Test
    void aFreezeWaitsForEveryStepOfASequenceAndLetsNoneIn() {
        Disk disk = disk(true, false);
        disk.submit(write(1, Bio.PREFLUSH | Bio.FUA));
        disk.queue().freezeStart();
        Bio refused = write(2, Bio.FUA | Bio.NOWAIT);
        disk.submit(refused);
        assertThat(refused.status()).isEqualTo(Status.AGAIN);
        for (int step = 0; step < 3; step++) {
            assertThat(disk.queue().freezeWait(1_000)).isFalse();
            driver.complete(Status.OK);
        }
        assertThat(disk.queue().freezeWait(1_000)).isTrue();
        assertThat(driver.log()).containsExactly("FLUSH", "WRITE 1", "FLUSH");
        disk.unfreeze();
        assertThat(told.ends()).containsExactly("WRITE 2 AGAIN", "WRITE 1 OK");
    }

    @Test
    void theWriteCacheIsSwitchedWhileTheQueueIsInUse() {
        Disk disk = disk(true, false);
        disk.submit(told.flush());
        Thread switcher = runtime.spawn("switch", () -> disk.queue().setWriteCache(false, false));
        runtime.sleep(1_000_000);
        Thread late = runtime.spawn("late", () -> disk.submit(write(1, Bio.PREFLUSH | Bio.FUA)));
        runtime.sleep(1_000_000);
        assertThat(driver.log()).as("before the switch").containsExactly("FLUSH");
        driver.complete(Status.OK);
        runtime.join(switcher);
        runtime.join(late);
        driver.completeAll();
        assertThat(driver.log()).as("without a cache").containsExactly("WRITE 1");
        disk.submit(told.flush());
        disk.queue().setWriteCache(true, true);
        disk.submit(write(2, Bio.FUA));
        driver.completeAll();
        assertThat(driver.log()).as("with FUA").containsExactly("WRITE 2 FUA");
        assertThat(told.ends()).containsExactly("FLUSH OK", "WRITE 1 OK", "FLUSH OK", "WRITE 2 OK");
    }

    @Test
    void eachHardwareContextHasAFlushMachineOfItsOwnAlsoAfterTheirNumberChanges() throws Exception {
        TagSet set = driver.hardwareQueues(2).limits(limits -> limits.writeCache(true, false)).tagSet();
        RequestQueue queue = driver.queue(set, "two");
        queue.submit(told.flush(), queue.context(0));
        queue.submit(told.flush(), queue.context(1));
        assertThat(driver.inFlight()).as("one flush for each").hasSize(2).doesNotHaveDuplicates();
        driver.completeAll();
        set.updateHardwareQueues(1);
        queue.submit(told.flush(), queue.context(0));
        queue.submit(told.flush(), queue.context(1));
        assertThat(driver.inFlight()).hasSize(1);
        driver.completeAll();
        set.updateHardwareQueues(3);
        for (int i = 0; i < 3; i++) {
            queue.submit(told.flush(), queue.context(i));
        }
        assertThat(driver.inFlight()).hasSize(3);
        driver.completeAll();
        assertThat(told.ends()).hasSize(7).containsOnly("FLUSH OK");
        queue.close();
        set.close();
    }

    // ---- the flush request

    @Test
    void theFlushRequestIsFoundUnderTheTagThatWasLentToIt() {
        Disk disk = disk(true, false);
        disk.submit(told.flush());
        Request flush = driver.inFlight().getFirst();
        HardwareContext hctx = flush.hardwareContext();
        assertThat(hctx.request(flush.tag())).isSameAs(flush);
        assertThat(Inside.of(hctx).tags.requests[flush.tag()]).isNotSameAs(flush);
        int tag = flush.tag();
        driver.complete(Status.OK);
        assertThat(hctx.request(tag)).isSameAs(Inside.of(hctx).tags.requests[tag]);
    }

    /** A driver that notes what the flush request looks like. */
    private static final class Repairing extends RecordingDriver {
        final List<String> repairs = new ArrayList<>();
        boolean throwing;

        @Override
        public void initRequest(TagSet set, Request rq, int hctxIndex) {
            rq.setDriverData("object of " + System.identityHashCode(rq));
        }

        @Override
        public void initFlushRq(TagSet set, RequestQueue queue, Request flushRq, Request source) throws Exception {
            repairs.add("bytes " + flushRq.pdu().get(ValueLayout.JAVA_INT, 0)
                    + (flushRq.tag() == source.tag() ? ", same tag" : "")
                    + (flushRq.softwareContext().equals(source.softwareContext()) ? ", same context" : "")
                    + (("object of " + System.identityHashCode(flushRq)).equals(flushRq.driverData())
                            ? ", own object"
                            : ""));
            // What a repair writes is what queueRq finds: the bytes were copied before.
            flushRq.pdu().set(ValueLayout.JAVA_INT, 4, 77);
            if (throwing) {
                throw new java.io.IOException("on purpose");
            }
        }

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            if (rq.operation() == Operation.FLUSH) {
                repairs.add("queued with " + rq.pdu().get(ValueLayout.JAVA_INT, 4));
            }
            return super.queueRq(hctx, rq, last);
        }
    }

    @Test
    void theFlushRequestHasTheBytesOfItsSourceAndAnObjectOfItsOwnBeforeItIsRepaired() {
        for (boolean throwing : new boolean[]{false, true}) {
            Repairing repairing = new Repairing();
            repairing.throwing = throwing;
            repairing.depth(4).pduBytes(8).limits(limits -> limits.writeCache(true, false));
            try (Disk disk = repairing.disk()) {
                for (Request rq : Inside.of(disk.queue()).hardwareContext(0).tags.requests) {
                    rq.pdu().set(ValueLayout.JAVA_INT, 0, 42);
                }
                disk.submit(told.flush());
                repairing.completeAll();
                assertThat(repairing.repairs).containsExactly("bytes 42, same tag, same context, own object",
                        "queued with 77");
                assertThat(told.ends()).containsExactly("FLUSH OK");
            }
        }
    }
}
