package io.blkmq.core.blktests;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.HeldTags;
import io.blkmq.core.ManualRuntime;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.Injection;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.core.nullblk.NullTags;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Hardware queues that come and go, and tags that are shared. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class QueuesAndTagsTest {
    private final long seed = RandomSeed.of(QueuesAndTagsTest.class);

    @Test
    @DisplayName("block/008 I/O of threads that live for one I/O each, while contexts come and go")
    void contextsComeAndGo() throws IOException {
        try (Disk disk = NullBlk.builder().name("008").completion(Completion.REAPER).depth(8).build()) {
            AtomicBoolean stop = new AtomicBoolean();
            AtomicInteger changes = new AtomicInteger();
            Eventually.Worker<Boolean> changer = Eventually.start(() -> {
                SplittableRandom random = new SplittableRandom(seed);
                while (!stop.get()) {
                    disk.queue().tagSet().updateHardwareQueues(1 + random.nextInt(8));
                    changes.incrementAndGet();
                }
            });
            AtomicInteger told = new AtomicInteger();
            for (int round = 0; round < 20 || changes.get() < 20; round++) {
                Eventually.together(50, true, number -> {
                    disk.read(number * 512L, MemorySegment.ofArray(new byte[512]));
                    told.incrementAndGet();
                });
                assertThat(told.getAndSet(0)).isEqualTo(50);
            }
            stop.set(true);
            changer.join();
            HeldTags.awaitNone(disk);
        }
    }

    @Test
    @DisplayName("block/010 several devices on shared tags, of each hardware queue or host-wide, in every mode")
    void sharedTags() throws IOException {
        for (Completion completion : Completion.values()) {
            for (boolean hostWide : new boolean[]{false, true}) {
                NullBlk.Builder shape = NullBlk.builder().completion(completion).depth(12).hardwareQueues(2)
                        .completionNanos(1_000);
                if (hostWide) {
                    shape.flag(TagSet.Flag.HOST_WIDE_TAGS);
                }
                NullTags tags = shape.buildTags();
                List<Disk> disks = new ArrayList<>();
                List<Load> loads = new ArrayList<>();
                for (int i = 0; i < 3; i++) {
                    Disk disk = tags.newDisk("010" + i);
                    disks.add(disk);
                    loads.add(new Load(disk, seed + i).start(1));
                }
                for (int i = 0; i < 100; i++) {
                    assertThat(disks.getFirst().queue().heldTags()).isLessThanOrEqualTo(hostWide ? 12 : 24);
                }
                loads.forEach(load -> load.awaitProgress(200));
                loads.forEach(Load::stop);
                loads.forEach(load -> load.assertOnly(Status.OK));
                disks.forEach(HeldTags::awaitNone);
                disks.forEach(Disk::close);
                tags.close();
            }
        }
    }

    @Test
    @DisplayName("block/029 the number of hardware queues changes during I/O, of every type")
    void updateDuringIo() throws IOException {
        for (Completion completion : List.of(Completion.REAPER, Completion.INLINE, Completion.TIMER)) {
            SplittableRandom random = new SplittableRandom(seed);
            try (Disk disk = NullBlk.builder().name("029").completion(completion).depth(8).completionNanos(1_000)
                    .build()) {
                TagSet set = disk.queue().tagSet();
                Load load = new Load(disk, seed).start(3);
                for (int i = 0; i < 25; i++) {
                    int defaults = 1 + random.nextInt(6);
                    int reads = random.nextInt(3);
                    set.updateHardwareQueues(defaults, reads, 0);
                    assertThat(set.hardwareQueues()).isEqualTo(defaults + reads);
                    load.awaitProgress(20);
                }
                load.stop();
                load.assertOnly(Status.OK);
                HeldTags.awaitNone(disk);
            }
        }
    }

    @Test
    @DisplayName("block/030 a hardware context that cannot be made leaves the queues as they were, under load")
    void updateFails() throws IOException {
        Injection fails = Injection.seeded(seed);
        try (Disk disk = NullBlk.builder().name("030").completion(Completion.REAPER).depth(8).hardwareQueues(2)
                .injectInitFailures(fails).build()) {
            TagSet set = disk.queue().tagSet();
            Load load = new Load(disk, seed).start(3);
            SplittableRandom random = new SplittableRandom(seed);
            fails.set(0.3, Long.MAX_VALUE);
            int failed = 0;
            int succeeded = 0;
            for (int i = 0; i < 400 && (failed < 10 || succeeded < 10); i++) {
                int before = set.hardwareQueues();
                int wanted = 1 + random.nextInt(6);
                try {
                    set.updateHardwareQueues(wanted);
                    assertThat(set.hardwareQueues()).isEqualTo(wanted);
                    succeeded++;
                } catch (IOException e) {
                    assertThat(e).hasMessageContaining("stay as they are").hasMessageContaining("030");
                    assertThat(set.hardwareQueues()).isEqualTo(before);
                    failed++;
                }
                load.awaitProgress(5);
            }
            assertThat(failed).isPositive();
            assertThat(succeeded).isPositive();
            fails.stop();
            load.stop();
            load.assertOnly(Status.OK);
            HeldTags.awaitNone(disk);
            assertThat(Thread.getAllStackTraces().keySet().stream()
                    .filter(thread -> thread.getName().startsWith("blkmq-030-reaper-"))).hasSize(set.hardwareQueues());
        }
    }

    /** Says so when a tag is in flight twice, on whatever hardware queue. */
    private static final class UniqueTags extends HoldingDriver {
        private final Set<Integer> inFlight = new HashSet<>();
        private final List<String> twice = new ArrayList<>();
        private int most;

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            synchronized (inFlight) {
                if (!inFlight.add(rq.tag())) {
                    twice.add(rq + " on hardware queue " + hctx.index());
                }
                most = Math.max(most, inFlight.size());
            }
            return super.queueRq(hctx, rq, last);
        }

        @Override
        public void complete(Request rq) {
            synchronized (inFlight) {
                inFlight.remove(rq.tag());
            }
            rq.end(rq.status());
        }
    }

    @Test
    @DisplayName("block/031 host-wide tags: no more in flight than one queue is deep, and no tag twice on any of them")
    void hostWideTags() throws IOException {
        UniqueTags driver = new UniqueTags();
        TagSet set = TagSet.builder(driver).depth(10).hardwareQueues(4).flag(TagSet.Flag.HOST_WIDE_TAGS).build();
        Disk a = driver.disk(set, "031a");
        Disk b = driver.disk(set, "031b");
        Load ofA = new Load(a, seed).start(2);
        Load ofB = new Load(b, seed + 1).start(2);
        AtomicBoolean stop = new AtomicBoolean();
        Eventually.Worker<Boolean> device = Eventually.start(() -> {
            SplittableRandom random = new SplittableRandom(seed);
            while (!stop.get() || driver.held() > 0) {
                driver.complete(Math.min(driver.held(), random.nextInt(12)), Status.OK);
                Eventually.letOthersRun();
            }
        });
        ofA.awaitProgress(2_000);
        ofB.awaitProgress(2_000);
        ofA.stop();
        ofB.stop();
        stop.set(true);
        device.join();
        ofA.assertOnly(Status.OK);
        ofB.assertOnly(Status.OK);
        assertThat(driver.twice).isEmpty();
        assertThat(driver.violations()).isEmpty();
        assertThat(driver.most).isBetween(1, 10);
        HeldTags.awaitNone(a);
        a.close();
        b.close();
        set.close();
    }

    /** Submits reads that do not wait. Returns how many were taken. */
    private static int submitMany(Disk disk, int count) {
        int taken = 0;
        for (int i = 0; i < count; i++) {
            Bio bio = new Bio(1).reset(Operation.READ, i).add(HoldingDriver.MEMORY.memory()).flags(Bio.NOWAIT);
            disk.submit(bio, 0);
            taken += bio.isInFlight() ? 1 : 0;
        }
        return taken;
    }

    @ParameterizedTest(name = "host-wide: {0}")
    @EnumSource(Share.class)
    @DisplayName("block/035 shared tags are shared fairly: a device that holds on to its tags leaves the others theirs")
    void fairShares(Share share) throws IOException {
        HoldingDriver driver = new HoldingDriver();
        // Time stands still, so that no device becomes idle, whose share the other would have.
        TagSet.Builder shape = TagSet.builder(driver).depth(16).hardwareQueues(1).runtime(new ManualRuntime());
        TagSet set = (share == Share.HOST_WIDE ? shape.flag(TagSet.Flag.HOST_WIDE_TAGS) : shape).build();
        Disk slow = driver.disk(set, "035slow");
        Disk fast = driver.disk(set, "035fast");
        assertThat(submitMany(fast, 1)).isOne();
        assertThat(submitMany(slow, 16)).as("half of them, since there are two").isEqualTo(8);
        List<Request> ofSlow = driver.requests().subList(1, 9);
        driver.complete(1, Status.OK);
        // The slow one's eight stay in flight all the time.
        for (int round = 0; round < 100; round++) {
            assertThat(submitMany(fast, 16)).isEqualTo(8);
            assertThat(driver.requests()).containsAll(ofSlow);
            driver.completeOf(fast.queue());
        }
        assertThat(driver.held()).isEqualTo(8);
        driver.complete(8, Status.OK);
        HeldTags.awaitNone(slow);
        slow.close();
        // Who is alone has them all.
        assertThat(submitMany(fast, 20)).isEqualTo(16);
        driver.complete(16, Status.OK);
        fast.close();
        set.close();
    }

    enum Share {
        OF_EACH_QUEUE, HOST_WIDE
    }

    @Test
    @DisplayName("block/038 devices are switched on and off while the number of hardware queues changes")
    void powerAndQueuesAtOnce() throws IOException {
        NullTags tags = NullBlk.builder().completion(Completion.REAPER).depth(8).buildTags();
        AtomicBoolean stop = new AtomicBoolean();
        Eventually.Worker<Boolean> changer = Eventually.start(() -> {
            SplittableRandom random = new SplittableRandom(seed);
            while (!stop.get()) {
                tags.tagSet().updateHardwareQueues(1 + random.nextInt(4), random.nextInt(2), 0);
                tags.tagSet().resize(4 + random.nextInt(5));
            }
        });
        Eventually.together(2, false, number -> {
            for (int round = 0; round < 25; round++) {
                Disk disk = tags.newDisk("038" + number);
                Load load = new Load(disk, seed + round).start(1).awaitProgress(10);
                disk.close();
                load.stop();
                load.assertOnly(Status.OK, Status.NODEV);
            }
        });
        stop.set(true);
        changer.join();
        tags.close();
        assertThat(
                Thread.getAllStackTraces().keySet().stream().filter(thread -> thread.getName().startsWith("blkmq-038")))
                .isEmpty();
    }
}
