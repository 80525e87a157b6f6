package io.blkmq.core.nullblk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.SimulationOptions;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What makes a null block device slow, forgetful or unreliable. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class NullBlkExtrasTest {
    private static void simulate(DeterministicRuntime.Body body) {
        long seed = RandomSeed.next(NullBlkExtrasTest.class);
        var _ = DeterministicRuntime.run(seed,
                SimulationOptions.DEFAULT.withReplay(RandomSeed.replay(NullBlkExtrasTest.class, seed)), body);
    }

    private static MemorySegment filled(int bytes, int value) {
        return MemorySegment.ofArray(new byte[bytes]).fill((byte) value);
    }

    private static int byteAt(Disk disk, long sector) throws IOException {
        MemorySegment memory = filled(512, 99);
        disk.read(sector * 512, memory);
        assertThat(memory.mismatch(filled(512, memory.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0)))).isEqualTo(-1);
        return memory.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0);
    }

    private static void write(Disk disk, long sector, int value, int flags) throws IOException {
        disk.write(sector * 512, filled(512, value), flags);
    }

    private static NullBlk.Builder cached(boolean fua) {
        return NullBlk.builder().completion(Completion.INLINE).memoryBacked(true).cacheBytes(4 * 512).fua(fua);
    }

    private static long reapers(String name) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("blkmq-" + name + "-reaper-")).count();
    }

    @Test
    void anImpossibleParameterIsRefusedByNameAndValue() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> NullBlk.builder().memoryBacked(true).cacheBytes(700).build())
                .withMessageContaining("cacheBytes 700").withMessageContaining("512");
        assertThatIllegalArgumentException().isThrownBy(() -> NullBlk.builder().cacheBytes(512).build())
                .withMessageContaining("cacheBytes 512");
        assertThatIllegalArgumentException().isThrownBy(() -> NullBlk.builder().completionNanos(-1).build())
                .withMessageContaining("completionNanos -1");
        assertThatIllegalArgumentException().isThrownBy(() -> NullBlk.builder().bytesPerSecond(-1).build())
                .withMessageContaining("bytesPerSecond -1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> NullBlk.builder().completion(Completion.INLINE).blockNanos(5).build())
                .withMessageContaining("blockNanos 5").withMessageContaining("BLOCKING");
        assertThatIllegalArgumentException().isThrownBy(() -> Injection.seeded(1).set(1.5, 1))
                .withMessageContaining("probability 1.5");
        assertThatIllegalArgumentException().isThrownBy(() -> Injection.seeded(1).set(0.5, -1))
                .withMessageContaining("times -1");
        assertThatIllegalArgumentException().isThrownBy(() -> new BadBlocks().add(-1, 1))
                .withMessageContaining("sector -1");
    }

    @Test
    void aTimerCompletesWhenItsTimeHasCome() {
        simulate(runtime -> {
            try (Disk disk = NullBlk.builder().completion(Completion.TIMER).completionNanos(TimeUnit.SECONDS.toNanos(2))
                    .runtime(runtime).build()) {
                long begin = runtime.nanoTime();
                disk.read(0, filled(512, 0));
                assertThat(runtime.nanoTime() - begin).isGreaterThanOrEqualTo(TimeUnit.SECONDS.toNanos(2));
            }
        });
    }

    @Test
    void aBandwidthIsKept() {
        simulate(runtime -> {
            try (Disk disk = NullBlk.builder().completion(Completion.INLINE).bytesPerSecond(1 << 20).runtime(runtime)
                    .build(); IoBuffer buffer = disk.allocate(64 << 10)) {
                AtomicInteger ended = new AtomicInteger();
                long begin = runtime.nanoTime();
                for (int i = 0; i < 48; i++) {
                    disk.submit(new Bio(1).reset(Operation.WRITE, i * 256L).add(buffer.memory())
                            .onEnd(_ -> ended.incrementAndGet()));
                }
                runtime.await("all written", () -> ended.get() == 48);
                // The first takes no time, and the last is let through a burst before it would be.
                assertThat(runtime.nanoTime() - begin).isBetween(
                        TimeUnit.SECONDS.toNanos(47) / 16 - Throttle.BURST_NANOS - TimeUnit.SECONDS.toNanos(1) / 16,
                        TimeUnit.SECONDS.toNanos(4));
            }
        });
    }

    @Test
    void aLossOfPowerTakesWhatWasNotFlushed() throws IOException {
        try (Disk disk = cached(false).build()) {
            write(disk, 1, 1, 0);
            disk.flush();
            write(disk, 1, 2, 0);
            write(disk, 2, 2, 0);
            assertThat(byteAt(disk, 1)).isEqualTo(2);
            NullBlk.losePower(disk);
            assertThat(byteAt(disk, 1)).isOne();
            assertThat(byteAt(disk, 2)).isZero();
        }
    }

    @Test
    void aWriteWithFuaSurvivesWhetherTheDeviceHasItOrNot() throws IOException {
        for (boolean fua : new boolean[]{false, true}) {
            try (Disk disk = cached(fua).build()) {
                write(disk, 1, 1, 0);
                write(disk, 2, 2, 0);
                write(disk, 1, 3, Bio.FUA);
                NullBlk.losePower(disk);
                assertThat(byteAt(disk, 1)).isEqualTo(3);
                assertThat(byteAt(disk, 2)).as("only a flush takes the neighbour with it").isEqualTo(fua ? 0 : 2);
            }
        }
    }

    @Test
    void aFullCacheMakesRoomByWhatHasBeenThereForLongest() throws IOException {
        try (Disk disk = cached(false).build()) {
            for (int sector = 0; sector < 6; sector++) {
                write(disk, sector, sector + 1, 0);
            }
            NullBlk.losePower(disk);
            for (int sector = 0; sector < 6; sector++) {
                assertThat(byteAt(disk, sector)).isEqualTo(sector < 2 ? sector + 1 : 0);
            }
        }
    }

    @Test
    void whatIsDiscardedStaysSoAfterAFlush() throws IOException {
        try (Disk disk = cached(false).build()) {
            write(disk, 3, 7, Bio.FUA);
            write(disk, 3, 8, 0);
            disk.discard(0, 8 * 512);
            disk.flush();
            assertThat(byteAt(disk, 3)).isZero();
        }
    }

    @Test
    void aCachedDeviceIsReadAndWrittenInPiecesThatAreNoBlocks() throws IOException {
        try (Disk disk = cached(false).build(); IoBuffer buffer = disk.allocate(4096)) {
            for (int i = 0; i < 1024; i++) {
                buffer.memory().set(java.lang.foreign.ValueLayout.JAVA_BYTE, i, (byte) (i % 251));
            }
            List<Status> ends = new ArrayList<>();
            disk.submit(new Bio(3).reset(Operation.WRITE, 0).add(buffer.memory(), 0, 100).add(buffer.memory(), 100, 700)
                    .add(buffer.memory(), 800, 224).onEnd(bio -> ends.add(bio.status())));
            disk.submit(new Bio(2).reset(Operation.READ, 0).add(buffer.memory(), 2048, 24)
                    .add(buffer.memory(), 2072, 1000).onEnd(bio -> ends.add(bio.status())));
            assertThat(ends).containsExactly(Status.OK, Status.OK);
            assertThat(buffer.memory().asSlice(0, 1024).mismatch(buffer.memory().asSlice(2048, 1024))).isEqualTo(-1);
        }
    }

    @Test
    void badBlocksFailUntilTheyAreCleared() throws IOException {
        BadBlocks bad = new BadBlocks().add(10, 4).add(20, 2).add(14, 6).clear(12, 3);
        assertThat(bad).hasToString("bad sectors [10, 12, 15, 22]");
        try (Disk disk = NullBlk.builder().memoryBacked(true).badBlocks(bad).build()) {
            write(disk, 9, 1, 0);
            write(disk, 12, 1, 0);
            assertThatThrownBy(() -> disk.read(9 * 512, filled(2 * 512, 0))).isInstanceOfSatisfying(
                    BlockIOException.class, e -> assertThat(e.status()).isEqualTo(Status.MEDIUM));
            bad.clear(0, 100);
            disk.read(9 * 512, filled(2 * 512, 0));
        }
    }

    @Test
    void injectedTimeOutsEndTheirRequestsAndNoOthers() {
        simulate(runtime -> {
            Injection lost = Injection.seeded(runtime.seed()).set(0.3, 10);
            List<Status> ends = new ArrayList<>();
            try (Disk disk = NullBlk.builder().completion(Completion.TIMER).injectTimeouts(lost).runtime(runtime)
                    .depth(8).build(); IoBuffer buffer = disk.allocate(512)) {
                for (int i = 0; i < 200; i++) {
                    disk.submit(new Bio(1).reset(Operation.READ, i).add(buffer.memory())
                            .onEnd(bio -> ends.add(bio.status())));
                }
            }
            assertThat(ends).hasSize(200);
            assertThat(ends.stream().filter(Status.TIMEOUT::equals)).hasSize(10);
            assertThat(ends.stream().filter(Status.OK::equals)).hasSize(190);
            assertThat(lost.struck()).isEqualTo(10);
        });
    }

    @Test
    void injectedRequeuesAreCarriedOutInTheEnd() {
        simulate(runtime -> {
            Injection back = Injection.seeded(runtime.seed()).set(0.5, Long.MAX_VALUE);
            List<Long> ends = new ArrayList<>();
            try (Disk disk = NullBlk.builder().completion(Completion.INLINE).injectRequeues(back).runtime(runtime)
                    .depth(4).build(); IoBuffer buffer = disk.allocate(512)) {
                for (int i = 0; i < 100; i++) {
                    disk.submit(new Bio(1).reset(Operation.READ, i).add(buffer.memory())
                            .onEnd(bio -> ends.add(bio.sector())));
                }
            }
            assertThat(ends).hasSize(100).doesNotHaveDuplicates();
            assertThat(back.struck()).isPositive();
        });
    }

    @Test
    void theSameSeedDecidesTheSame() {
        Injection one = Injection.seeded(42).set(0.25, Long.MAX_VALUE);
        Injection other = Injection.seeded(42).set(0.25, 7);
        int struck = 0;
        for (int i = 0; i < 1_000; i++) {
            boolean strikes = one.strikes();
            if (struck < 7) {
                assertThat(other.strikes()).isEqualTo(strikes);
            } else {
                assertThat(other.strikes()).isFalse();
            }
            struck += strikes ? 1 : 0;
        }
        assertThat(struck).isBetween(150, 350);
        assertThat(one.struck()).isEqualTo(struck);
    }

    @Test
    void aContextThatCannotBeMadeLeavesNoReaperBehind() {
        Injection fails = Injection.seeded(0).set(1, 1);
        assertThatThrownBy(
                () -> NullBlk.builder().name("unmade").completion(Completion.REAPER).injectInitFailures(fails).build())
                .isInstanceOf(IOException.class).hasMessageContaining("hardware context 0");
        assertThat(reapers("unmade")).isZero();
    }

    @Test
    void reapersComeAndGoWithTheirHardwareContexts() throws IOException {
        try (Disk disk = NullBlk.builder().name("moving").completion(Completion.REAPER).build()) {
            assertThat(reapers("moving")).isOne();
            disk.queue().tagSet().updateHardwareQueues(4);
            assertThat(reapers("moving")).isEqualTo(4);
            for (int context = 0; context < disk.contexts(); context++) {
                disk.read(context * 512L, filled(512, 0));
            }
            disk.queue().tagSet().updateHardwareQueues(2);
            assertThat(reapers("moving")).isEqualTo(2);
        }
        assertThat(reapers("moving")).isZero();
    }

    @Test
    void disksThatShareTagsHaveDataOfTheirOwn() throws IOException {
        NullTags tags = NullBlk.builder().completion(Completion.INLINE).memoryBacked(true).depth(2).buildTags();
        try (Disk a = tags.newDisk("a"); Disk b = tags.newDisk("b")) {
            write(a, 0, 1, 0);
            write(b, 0, 2, 0);
            assertThat(byteAt(a, 0)).isOne();
            assertThat(byteAt(b, 0)).isEqualTo(2);
            assertThatIllegalStateException().isThrownBy(tags::close).withMessageContaining("[a, b]");
        }
        tags.close();
    }

    @Test
    void polledBiosGoByThePollQueuesAndTheRestIsReaped() throws IOException {
        try (Disk disk = NullBlk.builder().completion(Completion.REAPER).pollQueues(1).build();
                IoBuffer buffer = disk.allocate(512)) {
            disk.async().read(0, buffer.memory()).join();
            Bio polled = new Bio(1).reset(Operation.READ, 0).add(buffer.memory()).flags(Bio.POLLED);
            disk.submit(polled, 0);
            assertThat(polled.isInFlight()).isTrue();
            assertThat(disk.poll(0)).isOne();
            assertThat(polled.isInFlight()).isFalse();
        }
    }

    @Test
    void aReaperThatComesLateLeavesPolledBiosToWhoPolls() {
        for (int run = 0; run < 30; run++) {
            simulate(NullBlkExtrasTest::polledBesideReapers);
        }
    }

    private static void polledBesideReapers(DeterministicRuntime runtime) throws IOException {
        try (Disk disk = NullBlk.builder().completion(Completion.REAPER).pollQueues(1).runtime(runtime).build();
                IoBuffer buffer = disk.allocate(512)) {
            Bio polled = new Bio(1).reset(Operation.READ, 0).add(buffer.memory()).flags(Bio.POLLED);
            disk.submit(polled, 0);
            // The reapers begin here, or have begun.
            runtime.sleep(1_000_000);
            assertThat(polled.isInFlight()).isTrue();
            assertThat(disk.poll(0)).isOne();
            assertThat(polled.isInFlight()).isFalse();
        }
    }

    @Test
    void aDriverThatBlocksDoesNotBlockItsSubmitters() {
        simulate(runtime -> {
            AtomicInteger ended = new AtomicInteger();
            try (Disk disk = NullBlk.builder().completion(Completion.INLINE).flag(TagSet.Flag.BLOCKING)
                    .blockNanos(TimeUnit.SECONDS.toNanos(1)).runtime(runtime).build();
                    IoBuffer buffer = disk.allocate(512)) {
                long begin = runtime.nanoTime();
                for (int i = 0; i < 10; i++) {
                    disk.submit(new Bio(1).reset(Operation.READ, 2L * i).add(buffer.memory())
                            .onEnd(_ -> ended.incrementAndGet()));
                }
                assertThat(runtime.nanoTime() - begin).isLessThan(TimeUnit.SECONDS.toNanos(1));
                runtime.await("all read", () -> ended.get() == 10);
                assertThat(runtime.nanoTime() - begin).isGreaterThanOrEqualTo(TimeUnit.SECONDS.toNanos(10));
            }
        });
    }

    @Test
    void reservedTagsAreKeptFromBios() throws Exception {
        try (Disk disk = NullBlk.builder().depth(2).reservedTags(1).build(); IoBuffer buffer = disk.allocate(512)) {
            disk.submit(new Bio(1).reset(Operation.READ, 0).add(buffer.memory()));
            Bio second = new Bio(1).reset(Operation.READ, 1).add(buffer.memory()).flags(Bio.NOWAIT);
            disk.submit(second);
            assertThat(second.status()).isEqualTo(Status.AGAIN);
            var rq = disk.queue().allocateRequest(Operation.FLUSH, true);
            assertThat(disk.queue().execute(rq)).isEqualTo(Status.OK);
            disk.queue().free(rq);
        }
    }

    @Test
    void aLossOfPowerOfAnotherKindOfDiskIsRefused() {
        TagSet set = assertMade(() -> TagSet.builder((_, rq, _) -> {
            rq.complete(Status.OK);
            return Status.OK;
        }).build());
        Disk other = Disk
                .of(assertMade(() -> set.newQueue("other", io.blkmq.core.QueueLimits.builder().build(), 8, null)), set);
        assertThatIllegalArgumentException().isThrownBy(() -> NullBlk.losePower(other)).withMessageContaining("other");
        other.close();
    }

    private static <T> T assertMade(java.util.concurrent.Callable<T> made) {
        return Eventually.call(made).join();
    }
}
