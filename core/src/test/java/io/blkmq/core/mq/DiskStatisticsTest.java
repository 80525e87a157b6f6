package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.DiskStatistics;
import io.blkmq.core.IoGroup;
import io.blkmq.core.LatencyHistogram;
import io.blkmq.core.ManualRuntime;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a disk counts, on a clock that the test moves. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class DiskStatisticsTest {
    private final ManualRuntime time = new ManualRuntime();
    private final RecordingDriver driver = new RecordingDriver().runtime(time);
    private final IoBuffer buffer = IoBuffer.allocate(1 << 20);

    @AfterEach
    void driverWasGivenNothingWrong() {
        assertThat(driver.violations()).isEmpty();
        buffer.close();
    }

    private Disk disk(UnaryOperator<TagSet.Builder> more) {
        TagSet set = driver.tagSet(more);
        return Disk.of(driver.queue(set, "stat0"), set);
    }

    private Bio bio(Operation operation, long sector, int sectors) {
        return new Bio().reset(operation, sector).add(buffer.memory().asSlice(sector * 512, sectors * 512L));
    }

    private static Bio ranged(Operation operation, long sector, int sectors) {
        return new Bio(0).reset(operation, sector).length(sectors * 512L);
    }

    private static void assertNothingOf(DiskStatistics statistics, IoGroup... groups) {
        for (IoGroup group : groups) {
            assertThat(statistics.ios(group)).as("%s", group).isZero();
            assertThat(statistics.sectors(group)).as("%s", group).isZero();
            assertThat(statistics.nanos(group)).as("%s", group).isZero();
            assertThat(statistics.latencies(group).total()).as("%s", group).isZero();
        }
    }

    // ---- what counts where

    @ParameterizedTest
    @EnumSource(value = Status.class, names = {"OK", "IOERR", "TIMEOUT"})
    void aReadCountsOnceWithItsSectorsAndItsTimeWhateverBecomesOfIt(Status end) {
        try (Disk disk = driver.disk()) {
            disk.submit(bio(Operation.READ, 8, 3));
            assertNothingOf(disk.statistics(), IoGroup.values());
            assertThat(disk.statistics().readsInFlight()).isOne();
            time.advance(7_000);
            driver.complete(end);
            time.advance(50_000);
            DiskStatistics now = disk.statistics();
            assertThat(now.ios(IoGroup.READ)).isOne();
            assertThat(now.sectors(IoGroup.READ)).isEqualTo(3);
            assertThat(now.bytes(IoGroup.READ)).isEqualTo(3 * 512);
            assertThat(now.nanos(IoGroup.READ)).isEqualTo(7_000);
            assertThat(now.meanNanos(IoGroup.READ)).isEqualTo(7_000);
            assertThat(now.waitNanos(IoGroup.READ)).isZero();
            assertThat(now.busyNanos()).isEqualTo(7_000);
            assertThat(now.timeInQueueNanos()).isEqualTo(7_000);
            assertThat(now.readsInFlight()).isZero();
            assertThat(now.latencies(IoGroup.READ).count(LatencyHistogram.bucketOf(7_000))).isOne();
            assertNothingOf(now, IoGroup.WRITE, IoGroup.DISCARD, IoGroup.FLUSH);
        }
    }

    @Test
    void writesOfZeroesAreWritesAndDiscardsAreCountedApart() {
        driver.limits(limits -> limits.discardBytesMax(1 << 20).writeZeroesBytesMax(1 << 20));
        try (Disk disk = driver.disk()) {
            disk.submit(bio(Operation.WRITE, 0, 1));
            disk.submit(ranged(Operation.WRITE_ZEROES, 8, 16));
            disk.submit(ranged(Operation.DISCARD, 100, 32));
            assertThat(disk.statistics().writesInFlight()).isEqualTo(3);
            driver.completeAll();
            DiskStatistics now = disk.statistics();
            assertThat(now.ios(IoGroup.WRITE)).isEqualTo(2);
            assertThat(now.sectors(IoGroup.WRITE)).isEqualTo(17);
            assertThat(now.ios(IoGroup.DISCARD)).isOne();
            assertThat(now.sectors(IoGroup.DISCARD)).isEqualTo(32);
            assertThat(now.writesInFlight()).isZero();
            assertNothingOf(now, IoGroup.READ, IoGroup.FLUSH);
        }
    }

    @Test
    void aFlushIsAWriteOfNoSectorsAndTheDevicesFlushCountsApart() {
        driver.limits(limits -> limits.writeCache(true, false));
        try (Disk disk = driver.disk()) {
            disk.submit(new Bio(0).reset(Operation.FLUSH, 0));
            disk.submit(new Bio(0).reset(Operation.FLUSH, 0));
            disk.submit(new Bio(0).reset(Operation.FLUSH, 0));
            assertThat(disk.statistics().writesInFlight()).as("flushes of the device do not count").isZero();
            time.advance(1_000);
            driver.complete(Status.OK);
            time.advance(500);
            driver.complete(Status.OK);
            DiskStatistics now = disk.statistics();
            assertThat(now.ios(IoGroup.FLUSH)).as("the second and third share one").isEqualTo(2);
            assertThat(now.nanos(IoGroup.FLUSH)).isEqualTo(1_500);
            assertThat(now.ios(IoGroup.WRITE)).isEqualTo(3);
            assertThat(now.sectors(IoGroup.WRITE)).isZero();
            assertThat(now.nanos(IoGroup.WRITE)).isEqualTo(1_000 + 2 * 1_500);
            assertThat(now.waitNanos(IoGroup.WRITE)).isEqualTo(now.nanos(IoGroup.WRITE));
            assertThat(now.busyNanos()).isEqualTo(1_500);
        }
    }

    @Test
    void aDurableWriteCountsOnceWithItsFlushes() {
        driver.limits(limits -> limits.writeCache(true, false));
        try (Disk disk = driver.disk()) {
            disk.submit(bio(Operation.WRITE, 0, 4).flags(Bio.PREFLUSH | Bio.FUA));
            for (int step = 0; step < 3; step++) {
                time.advance(100);
                driver.complete(Status.OK);
            }
            DiskStatistics now = disk.statistics();
            assertThat(now.ios(IoGroup.WRITE)).isOne();
            assertThat(now.sectors(IoGroup.WRITE)).isEqualTo(4);
            assertThat(now.nanos(IoGroup.WRITE)).isEqualTo(300);
            assertThat(now.waitNanos(IoGroup.WRITE)).as("for the first flush").isEqualTo(100);
            assertThat(now.ios(IoGroup.FLUSH)).isEqualTo(2);
            assertThat(now.nanos(IoGroup.FLUSH)).isEqualTo(200);
        }
    }

    @Test
    void requestsWithoutBiosDoNotCount() throws InterruptedException {
        driver.completesAtOnce();
        try (Disk disk = driver.disk()) {
            Request rq = disk.queue().allocateRequest(Operation.READ, false);
            assertThat(disk.queue().execute(rq)).isEqualTo(Status.OK);
            disk.queue().free(rq);
            assertNothingOf(disk.statistics(), IoGroup.values());
            assertThat(disk.statistics().busyNanos()).isZero();
        }
    }

    // ---- what is merged, cut, and ended in part

    @Test
    void whatJoinsARequestIsAMergeAndItsSectorsCountWithThatRequest() {
        try (Disk disk = disk(set -> set.flag(TagSet.Flag.MERGE))) {
            try (Plug plug = disk.plug()) {
                plug.submit(bio(Operation.WRITE, 10, 1));
                plug.submit(bio(Operation.WRITE, 11, 2));
                plug.submit(bio(Operation.WRITE, 8, 2));
                time.advance(500);
            }
            time.advance(1_000);
            driver.completeAll();
            DiskStatistics now = disk.statistics();
            assertThat(now.ios(IoGroup.WRITE)).isOne();
            assertThat(now.merges(IoGroup.WRITE)).isEqualTo(2);
            assertThat(now.sectors(IoGroup.WRITE)).isEqualTo(5);
            assertThat(now.nanos(IoGroup.WRITE)).as("from when it left the plug").isEqualTo(1_000);
            assertThat(now.merges(IoGroup.READ)).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mq-deadline", "kyber"})
    void whatWaitsWithAnElevatorWaitsAndWhatIsAbsorbedIsAMerge(String elevator) {
        try (Disk disk = disk(set -> set.flag(TagSet.Flag.MERGE))) {
            disk.queue().setElevator(elevator);
            disk.queue().quiesce();
            disk.submit(bio(Operation.READ, 10, 1));
            time.advance(300);
            disk.submit(bio(Operation.READ, 12, 1));
            time.advance(200);
            disk.submit(bio(Operation.READ, 11, 1));
            assertThat(disk.statistics().readsInFlight()).as("the driver has none yet").isZero();
            disk.queue().unquiesce();
            time.advance(1_000);
            int requests = driver.completeAll();
            time.advance(10_000);
            DiskStatistics now = disk.statistics();
            assertThat(now.ios(IoGroup.READ)).isEqualTo(requests);
            assertThat(now.merges(IoGroup.READ)).isEqualTo(3 - requests).isPositive();
            assertThat(now.sectors(IoGroup.READ)).isEqualTo(3);
            assertThat(now.nanos(IoGroup.READ) - now.waitNanos(IoGroup.READ)).isEqualTo(requests * 1_000L);
            assertThat(now.latencies(IoGroup.READ).count(LatencyHistogram.bucketOf(1_500))).as("the oldest one's time")
                    .isOne();
            assertThat(now.busyNanos()).as("nothing is in flight any more").isEqualTo(1_500);
        }
    }

    @Test
    void thePartsOfABioThatIsCutCountEach() {
        driver.limits(limits -> limits.requestBytesMax(4096));
        try (Disk disk = driver.disk()) {
            disk.submit(bio(Operation.READ, 0, 20));
            driver.completeAll();
            assertThat(disk.statistics().ios(IoGroup.READ)).isEqualTo(3);
            assertThat(disk.statistics().sectors(IoGroup.READ)).isEqualTo(20);
        }
    }

    @Test
    void aRequestThatEndsInPartsIsOneWithAllItsSectors() throws IOException {
        List<Request> given = new ArrayList<>();
        BlockDriver byBlocks = new BlockDriver() {
            @Override
            public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
                given.add(rq);
                return Status.OK;
            }

            @Override
            public void complete(Request rq) {
                if (rq.update(Status.OK, 512)) {
                    rq.requeueCompleted(true);
                } else {
                    rq.end(Status.OK);
                }
            }
        };
        try (TagSet set = TagSet.builder(byBlocks).runtime(time).build();
                Disk disk = Disk.of(set.newQueue("parts", QueueLimits.builder().build(), 2048, null), null)) {
            disk.submit(bio(Operation.READ, 0, 4));
            for (int part = 0; part < 4; part++) {
                time.advance(100);
                given.get(part).complete(Status.OK);
            }
            DiskStatistics now = disk.statistics();
            assertThat(now.ios(IoGroup.READ)).isOne();
            assertThat(now.sectors(IoGroup.READ)).isEqualTo(4);
            assertThat(now.nanos(IoGroup.READ)).isEqualTo(400);
            assertThat(now.waitNanos(IoGroup.READ)).as("until it was given to the driver for the last time")
                    .isEqualTo(300);
        }
    }

    // ---- times

    @Test
    void whatStandsOnAListBeforeTheDriverWaits() {
        try (Disk disk = driver.disk()) {
            disk.queue().quiesce();
            disk.submit(bio(Operation.READ, 0, 1));
            time.advance(500);
            disk.queue().unquiesce();
            time.advance(300);
            driver.completeAll();
            DiskStatistics now = disk.statistics();
            assertThat(now.nanos(IoGroup.READ)).isEqualTo(800);
            assertThat(now.waitNanos(IoGroup.READ)).isEqualTo(500);
            assertThat(now.busyNanos()).isEqualTo(800);
        }
    }

    @Test
    void whatADeadDeviceIsNeverGivenHasWaitedAllTheTime() {
        try (Disk disk = driver.disk()) {
            disk.queue().quiesce();
            disk.submit(bio(Operation.READ, 0, 1));
            time.advance(500);
            disk.queue().markDead();
            DiskStatistics now = disk.statistics();
            assertThat(now.ios(IoGroup.READ)).isOne();
            assertThat(now.waitNanos(IoGroup.READ)).isEqualTo(500);
            assertThat(now.busyNanos()).isEqualTo(500);
        }
    }

    @Test
    void aDriverThatTakesItsTimeAndCompletesAtOnceIsTimed() throws IOException {
        BlockDriver slow = (_, rq, _) -> {
            time.advance(2_000);
            rq.complete(Status.OK);
            return Status.OK;
        };
        try (TagSet set = TagSet.builder(slow).runtime(time).build();
                Disk disk = Disk.of(set.newQueue("slow", QueueLimits.builder().build(), 2048, null), null)) {
            try (Plug plug = disk.plug()) {
                plug.submit(bio(Operation.READ, 0, 1));
                plug.submit(bio(Operation.READ, 8, 1));
            }
            DiskStatistics now = disk.statistics();
            assertThat(now.nanos(IoGroup.READ)).isEqualTo(2 * 4_000);
            assertThat(now.nanos(IoGroup.READ) - now.waitNanos(IoGroup.READ)).isGreaterThanOrEqualTo(2 * 2_000);
            assertThat(now.busyNanos()).isEqualTo(4_000);
        }
    }

    @Test
    void busyIsTheTimeInWhichAnythingWasInFlightHoweverItOverlaps() {
        int contexts = 4;
        long seed = RandomSeed.of(DiskStatisticsTest.class);
        SplittableRandom random = new SplittableRandom(seed);
        for (int round = 0; round < 100; round++) {
            // One context is exact to the nanosecond; several do not see shorter pauses than this.
            int used = round % 2 == 0 ? 1 : contexts;
            long shortest = used == 1 ? 1 : BusyTime.PAUSE_NANOS + 1;
            try (Disk disk = disk(set -> set.hardwareQueues(contexts))) {
                ArrayDeque<Integer> inFlight = new ArrayDeque<>();
                long busy = 0;
                for (int step = 0; step < 60; step++) {
                    if (random.nextBoolean() || inFlight.isEmpty()) {
                        int context = random.nextInt(used);
                        disk.submit(bio(Operation.READ, step, 1), context);
                        inFlight.add(context);
                    } else {
                        for (int ends = random.nextInt(inFlight.size()) + 1; ends > 0; ends--) {
                            inFlight.remove();
                            driver.complete(Status.OK);
                        }
                    }
                    long nanos = shortest + random.nextLong(40_000);
                    time.advance(nanos);
                    busy += inFlight.isEmpty() ? 0 : nanos;
                    if (random.nextInt(4) == 0) {
                        assertThat(disk.statistics().busyNanos()).as("round %d, step %d", round, step).isEqualTo(busy);
                    }
                }
                driver.completeAll();
                assertThat(disk.statistics().busyNanos()).as("round %d", round).isEqualTo(busy);
            }
        }
    }

    @Test
    void theClockIsReadOnceForABatchThatIsSentAndOnceForABatchThatIsCompleted() throws IOException {
        AtomicInteger reads = new AtomicInteger();
        IoRuntime counting = (IoRuntime) Proxy.newProxyInstance(IoRuntime.class.getClassLoader(),
                new Class<?>[]{IoRuntime.class}, (_, method, arguments) -> {
                    if (method.getName().equals("nanoTime")) {
                        reads.incrementAndGet();
                    }
                    try {
                        return method.invoke(IoRuntime.system(), arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
        try (Disk disk = NullBlk.builder().runtime(counting).build(); Plug plug = disk.plug()) {
            for (boolean counted : new boolean[]{true, false}) {
                disk.queue().setIostats(counted);
                reads.set(0);
                for (int i = 0; i < 32; i++) {
                    plug.submit(bio(Operation.READ, i * 4L, 1));
                }
                plug.flush();
                assertThat(disk.poll()).isEqualTo(32);
                assertThat(reads.get()).isEqualTo(counted ? 2 : 0);
            }
            assertThat(disk.statistics().ios(IoGroup.READ)).isEqualTo(32);
        }
    }

    // ---- readings

    @Test
    void theDifferenceOfTwoReadingsIsWhatWasDoneBetweenThem() {
        try (Disk disk = driver.disk()) {
            disk.submit(bio(Operation.READ, 0, 1));
            time.advance(1_000);
            driver.completeAll();
            DiskStatistics before = disk.statistics();
            disk.submit(bio(Operation.READ, 0, 8));
            time.advance(3_000);
            driver.completeAll();
            disk.submit(bio(Operation.WRITE, 0, 1));
            time.advance(1_000);
            DiskStatistics during = disk.statistics().since(before);
            assertThat(during.atNanos()).isEqualTo(4_000);
            assertThat(during.ios(IoGroup.READ)).isOne();
            assertThat(during.nanos(IoGroup.READ)).isEqualTo(3_000);
            assertThat(during.iosPerSecond(IoGroup.READ)).isEqualTo(250_000);
            assertThat(during.bytesPerSecond(IoGroup.READ)).isEqualTo(250_000.0 * 4096);
            assertThat(during.utilization()).isEqualTo(1);
            assertThat(during.writesInFlight()).isOne();
            assertThat(during.latencies(IoGroup.READ).total()).isOne();
            DiskStatistics after = disk.statistics();
            assertThatIllegalArgumentException().isThrownBy(() -> before.since(after))
                    .withMessageContaining(before.toString()).withMessageContaining(after.toString());
            driver.completeAll();
        }
    }

    @Test
    void theRatesOfAReadingAreThoseSinceTheDiskWasMade() {
        time.advance(1_000_000_000_000L);
        try (Disk disk = driver.disk()) {
            disk.submit(bio(Operation.READ, 0, 8));
            time.advance(1_000);
            driver.completeAll();
            time.advance(3_000);
            DiskStatistics all = disk.statistics();
            assertThat(all.periodNanos()).isEqualTo(4_000);
            assertThat(all.iosPerSecond(IoGroup.READ)).isEqualTo(250_000);
            assertThat(all.bytesPerSecond(IoGroup.READ)).isEqualTo(250_000.0 * 4096);
            assertThat(all.utilization()).isEqualTo(0.25);
            assertThat(disk.statistics().since(all).periodNanos()).isZero();
            assertThat(disk.statistics().since(all).iosPerSecond(IoGroup.READ)).isZero();
        }
    }

    @Test
    void theLineIsTheKernels() {
        driver.limits(limits -> limits.discardBytesMax(1 << 20));
        try (Disk disk = driver.disk()) {
            assertThat(disk.statistics().statLine()).isEqualTo("0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
            disk.submit(bio(Operation.READ, 0, 8));
            disk.submit(bio(Operation.WRITE, 0, 1));
            disk.submit(ranged(Operation.DISCARD, 0, 64));
            time.advance(5_000_000);
            driver.completeAll();
            disk.submit(bio(Operation.READ, 0, 8));
            assertThat(disk.statistics().statLine()).isEqualTo("1 0 8 5 1 0 1 5 1 5 15 1 0 64 5 0 0");
            driver.completeAll();
        }
    }

    @Test
    void theTextNamesItsFigures() {
        try (Disk disk = driver.disk()) {
            assertThat(disk.statistics()).hasToString("in flight: 0 reads, 0 others; busy 0 ms");
            disk.submit(bio(Operation.READ, 0, 8));
            disk.submit(bio(Operation.WRITE, 0, 1));
            time.advance(5_000_000);
            driver.completeAll();
            disk.submit(bio(Operation.READ, 0, 8));
            assertThat(disk.statistics())
                    .hasToString("read: 1 requests, 8 sectors, mean 5000.0 µs, 99 % within 5242.9 µs; "
                            + "write: 1 requests, 1 sectors, mean 5000.0 µs, 99 % within 5242.9 µs; "
                            + "in flight: 1 reads, 0 others; busy 5 ms");
            driver.completeAll();
        }
    }

    @Test
    void whileTheyAreOffNothingCountsAndWhatWasCountedStays() {
        driver.completesAtOnce();
        try (Disk disk = disk(set -> set.flag(TagSet.Flag.MERGE))) {
            assertThat(disk.queue().iostats()).isTrue();
            disk.submit(bio(Operation.READ, 0, 1));
            disk.queue().setIostats(false);
            disk.submit(bio(Operation.READ, 0, 1));
            try (Plug plug = disk.plug()) {
                plug.submit(bio(Operation.WRITE, 0, 1));
                plug.submit(bio(Operation.WRITE, 1, 1));
            }
            assertThat(disk.statistics().statLine()).isEqualTo("1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
            disk.queue().setIostats(true);
            disk.submit(bio(Operation.WRITE, 0, 2));
            assertThat(disk.statistics().statLine()).isEqualTo("1 0 1 0 1 0 2 0 0 0 0 0 0 0 0 0 0");
        }
    }

    // ---- threads

    @ParameterizedTest
    @EnumSource(Completion.class)
    void whoIsToldOfAnOperationFindsItCounted(Completion completion) throws IOException {
        try (Disk disk = NullBlk.builder().completion(completion).completionNanos(1_000).memoryBacked(true).build();
                IoBuffer memory = disk.allocate(4096)) {
            for (int i = 1; i <= 500; i++) {
                disk.write(0, memory.memory());
                assertThat(disk.statistics().ios(IoGroup.WRITE)).isEqualTo(i);
            }
        }
    }

    @Test
    void underLoadNoFigureGoesBackAndAFrozenDiskIsExact() throws IOException {
        try (Disk disk = NullBlk.builder().completion(Completion.REAPER).hardwareQueues(2).depth(16).build()) {
            AtomicBoolean over = new AtomicBoolean();
            AtomicInteger sent = new AtomicInteger();
            DiskStatistics first = disk.statistics();
            Eventually.together(4, false, number -> {
                if (number > 0) {
                    for (int i = 0; i < 20_000; i++) {
                        disk.submit(bio(i % 3 == 0 ? Operation.WRITE : Operation.READ, i % 1_000, number));
                        sent.incrementAndGet();
                    }
                    over.set(true);
                    return;
                }
                DiskStatistics before = first;
                do {
                    DiskStatistics now = disk.statistics();
                    // Refuses what has gone back.
                    assertThat(now.since(before).utilization()).isBetween(0.0, 1.0);
                    assertThat(now.busyNanos()).isLessThanOrEqualTo(now.since(first).atNanos());
                    before = now;
                } while (!over.get());
            });
            disk.freeze();
            DiskStatistics end = disk.statistics();
            disk.unfreeze();
            assertThat(end.ios(IoGroup.READ) + end.ios(IoGroup.WRITE)).isEqualTo(sent.get());
            assertThat(end.sectors(IoGroup.READ) + end.sectors(IoGroup.WRITE)).isEqualTo(20_000L * (1 + 2 + 3));
            assertThat(end.readsInFlight() + end.writesInFlight()).isZero();
            assertThat(end.busyNanos()).isPositive().isEqualTo(disk.statistics().busyNanos());
        }
    }
}
