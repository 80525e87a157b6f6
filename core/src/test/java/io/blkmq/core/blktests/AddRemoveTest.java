package io.blkmq.core.blktests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.HeldTags;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.core.nullblk.NullTags;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Devices that come and go, and that are gone without warning. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class AddRemoveTest {
    private final long seed = RandomSeed.of(AddRemoveTest.class);

    private static long threads(String prefix) {
        return Thread.getAllStackTraces().keySet().stream().filter(thread -> thread.getName().startsWith(prefix))
                .count();
    }

    @Test
    @DisplayName("block/001 devices are added and removed under load, alone and on shared tags")
    void addedAndRemovedUnderLoad() throws IOException {
        NullTags tags = NullBlk.builder().completion(Completion.REAPER).depth(16).hardwareQueues(2).buildTags();
        Disk stays = tags.newDisk("001stays");
        Load throughout = new Load(stays, seed).start(1);
        Eventually.together(3, false, number -> {
            for (int round = 0; round < 15; round++) {
                String name = "001t" + number;
                Disk disk = round % 2 == 0
                        ? tags.newDisk(name)
                        : NullBlk.builder().name(name).completion(Completion.REAPER).depth(8).build();
                Load load = new Load(disk, seed + number * 100L + round).start(2).awaitProgress(50);
                disk.close();
                load.stop();
                load.assertOnly(Status.OK, Status.NODEV);
            }
        });
        throughout.awaitProgress(100).stop();
        throughout.assertOnly(Status.OK);
        HeldTags.awaitNone(stays);
        stays.close();
        tags.close();
        assertThat(threads("blkmq-001")).isZero();
    }

    @Test
    @DisplayName("block/002 a device is removed while others take its dump all the time")
    void removedWhileTraced() throws IOException {
        for (int round = 0; round < 10; round++) {
            Disk disk = NullBlk.builder().name("002").completion(Completion.REAPER).hardwareQueues(2).depth(16).build();
            AtomicBoolean stop = new AtomicBoolean();
            AtomicInteger dumps = new AtomicInteger();
            List<Eventually.Worker<Boolean>> tracers = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                tracers.add(Eventually.start(() -> {
                    while (!stop.get()) {
                        assertThat(disk.queue().dump()).startsWith("002: ");
                        dumps.incrementAndGet();
                    }
                }));
            }
            Load load = new Load(disk, seed + round).start(2).awaitProgress(200);
            int before = dumps.get();
            Eventually.until("dumps are being taken", () -> dumps.get() > before);
            disk.close();
            int after = dumps.get();
            Eventually.until("dumps are taken of what is gone", () -> dumps.get() > after + 2);
            stop.set(true);
            tracers.forEach(Eventually.Worker::join);
            load.stop();
            assertThat(disk.queue().dump()).contains("dying").doesNotContain("in flight)");
        }
        assertThat(threads("blkmq-002")).isZero();
    }

    /** Ends what the driver has: the device cannot any more. */
    private static void abortAll(Disk disk) {
        disk.queue().busyIter(rq -> {
            rq.complete(Status.NODEV);
            return true;
        });
    }

    @Test
    @DisplayName("block/011 the device is gone in the middle of I/O: what it had is aborted, what waited is refused")
    void goneInTheMiddleOfIo() throws IOException {
        for (int round = 0; round < 20; round++) {
            HoldingDriver driver = new HoldingDriver();
            TagSet set = TagSet.builder(driver).depth(4).hardwareQueues(2).build();
            Disk disk = driver.disk(set, "011");
            // More threads than tags: some wait.
            Load load = new Load(disk, seed + round).start(4);
            Eventually.until("the driver has all that it can", () -> driver.held() >= 4);
            disk.queue().markDead();
            Eventually.until("all has ended", () -> {
                abortAll(disk);
                return disk.queue().heldTags() == 0;
            });
            load.stop();
            load.assertOnly(Status.NODEV);
            assertThat(load.ended(Status.NODEV)).isPositive();
            assertThatIllegalStateException().isThrownBy(
                    () -> disk.submit(new Bio(1).reset(Operation.READ, 0).add(HoldingDriver.MEMORY.memory())));
            assertThat(disk.queue().close(0)).isTrue();
            set.close();
            assertThat(driver.violations()).isEmpty();
            assertThat(driver.contexts()).isZero();
        }
    }

    @Test
    @DisplayName("block/019 the way to the device breaks in the middle of I/O: close runs into its bound, and ends after the abort")
    void theWayBreaks() throws Exception {
        HoldingDriver driver = new HoldingDriver();
        TagSet set = TagSet.builder(driver).depth(8).reservedTags(1).build();
        Disk disk = driver.disk(set, "019");
        Request own = disk.queue().allocateRequest(Operation.FLUSH, true);
        AtomicInteger told = new AtomicInteger();
        disk.queue().execute(own, rq -> {
            told.incrementAndGet();
            disk.queue().free(rq);
        });
        Load load = new Load(disk, seed).start(3);
        // All its tags: nothing is on its way to it that would come after the abort.
        Eventually.until("the driver has all that it can", () -> driver.held() == 8);
        // The device does not answer any more, and nobody has noticed.
        assertThat(disk.queue().close(1)).isFalse();
        assertThat(disk.queue().isDying()).isTrue();
        assertThatIllegalStateException().isThrownBy(set::close).withMessageContaining("019");
        List<Request> broken = driver.requests();
        disk.queue().markDead();
        abortAll(disk);
        assertThat(disk.queue().close(Long.MAX_VALUE)).isTrue();
        load.stop();
        load.assertOnly(Status.NODEV);
        assertThat(told).hasValue(1);
        // What the link brings after all belongs to nobody.
        long strays = disk.queue().strayCompletions();
        broken.forEach(rq -> rq.complete(Status.OK));
        assertThat(disk.queue().strayCompletions()).isEqualTo(strays + broken.size());
        set.close();
    }

    @Test
    @DisplayName("block/033 nothing leaks: threads and tag sets of removed devices are gone")
    void nothingLeaks() throws IOException {
        List<WeakReference<Object>> removed = new ArrayList<>();
        for (int round = 0; round < 40; round++) {
            for (Completion completion : Completion.values()) {
                addAndRemove(completion, round, removed);
            }
        }
        assertThat(threads("blkmq-033")).isZero();
        Eventually.until("removed devices are collected", () -> {
            System.gc();
            return removed.stream().allMatch(device -> device.refersTo(null));
        });
    }

    private void addAndRemove(Completion completion, int round, List<WeakReference<Object>> removed)
            throws IOException {
        Disk disk = NullBlk.builder().name("033").completion(completion).depth(8).hardwareQueues(1 + round % 3)
                .memoryBacked(round % 2 == 0).build();
        new Load(disk, seed + round).work(30);
        disk.close();
        removed.add(new WeakReference<>(disk.queue()));
        removed.add(new WeakReference<>(disk.queue().tagSet()));
    }

    @Test
    @DisplayName("block/034 what the driver was asked to make it is asked to undo, once, and its memory is freed")
    void whatIsMadeIsUndone() throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        for (int round = 0; round < 20; round++) {
            HoldingDriver driver = new HoldingDriver();
            TagSet set = TagSet.builder(driver).depth(4).hardwareQueues(1 + random.nextInt(4)).pduBytes(64).build();
            Disk a = driver.disk(set, "034a");
            Disk b = driver.disk(set, "034b");
            a.submit(new Bio(1).reset(Operation.READ, 0).add(HoldingDriver.MEMORY.memory()));
            Request rq = driver.requests().getFirst();
            driver.complete(1, Status.OK);
            set.updateHardwareQueues(1 + random.nextInt(6));
            int queues = set.hardwareQueues();
            assertThat(driver.contexts()).isEqualTo(2 * queues);
            assertThat(driver.initialised()).as("requests, and a flush request for each context of a queue")
                    .isEqualTo(4 * queues + 2 * queues);
            a.close();
            b.close();
            set.close();
            assertThat(driver.contexts()).isZero();
            assertThat(driver.initialised()).isZero();
            assertThat(rq.pdu().scope().isAlive()).isFalse();
        }
    }
}
