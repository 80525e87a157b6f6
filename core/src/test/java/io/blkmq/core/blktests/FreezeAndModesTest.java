package io.blkmq.core.blktests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.DiskStatistics;
import io.blkmq.core.HeldTags;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.mq.Inside;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.NonWritableChannelException;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Modes of a device, waiting at it, and what can be seen of it. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class FreezeAndModesTest {
    private final long seed = RandomSeed.of(FreezeAndModesTest.class);

    /** Does its I/O on another disk, and waits for it in {@code queueRq}. */
    private static final class Forwarding implements BlockDriver {
        private final Disk below;
        private final AtomicInteger inside = new AtomicInteger();
        private final AtomicInteger insideMost = new AtomicInteger();

        Forwarding(Disk below) {
            this.below = below;
        }

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            insideMost.accumulateAndGet(inside.incrementAndGet(), Math::max);
            try {
                rq.forEachSegment((memory, offset, bytes) -> transfer(rq, memory.asSlice(offset, bytes)));
                rq.complete(Status.OK);
            } finally {
                inside.decrementAndGet();
            }
            return Status.OK;
        }

        private void transfer(Request rq, MemorySegment memory) {
            try {
                if (rq.operation() == Operation.WRITE) {
                    below.write(rq.sector() * 512, memory);
                } else {
                    below.read(rq.sector() * 512, memory);
                }
            } catch (BlockIOException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    @Test
    @DisplayName("block/006 a driver whose queueRq blocks, for a time or on another disk's I/O, holds nobody up")
    void aDriverThatBlocks() throws IOException {
        try (Disk slow = NullBlk.builder().completion(Completion.REAPER).flag(TagSet.Flag.BLOCKING).blockNanos(1_000)
                .depth(16).hardwareQueues(2).build()) {
            Load load = new Load(slow, seed).start(3).awaitProgress(500);
            for (int i = 0; i < 10; i++) {
                slow.freeze();
                assertNothingInFlight(slow);
                slow.unfreeze();
                slow.queue().quiesce();
                slow.queue().unquiesce();
            }
            load.awaitProgress(500).stop();
            load.assertOnly(Status.OK);
            HeldTags.awaitNone(slow);
        }
        try (Disk below = NullBlk.builder().completion(Completion.REAPER).memoryBacked(true).depth(4).build()) {
            Forwarding driver = new Forwarding(below);
            TagSet set = TagSet.builder(driver).flag(TagSet.Flag.BLOCKING).depth(8).hardwareQueues(2).build();
            Disk above = Disk.of(
                    set.newQueue("006", QueueLimits.builder().anyMemory(true).build(), below.sizeBytes() / 512, null),
                    set);
            Load load = new Load(above, seed + 1).start(3).awaitProgress(500);
            load.stop();
            load.assertOnly(Status.OK);
            above.write(4096, MemorySegment.ofArray(new byte[512]).fill((byte) 6));
            MemorySegment read = MemorySegment.ofArray(new byte[512]);
            below.read(4096, read);
            assertThat(read.mismatch(MemorySegment.ofArray(new byte[512]).fill((byte) 6))).isEqualTo(-1);
            above.close();
            assertThat(driver.insideMost.get()).as("one agent for each hardware queue").isBetween(1, 2);
        }
    }

    @Test
    @DisplayName("block/007 polled I/O, on a polled device, on poll queues, and where there are none")
    void polling() throws IOException {
        NullBlk.Builder[] shapes = {NullBlk.builder().completion(Completion.POLLED).hardwareQueues(2),
                NullBlk.builder().completion(Completion.REAPER).pollQueues(2),
                NullBlk.builder().completion(Completion.INLINE).pollQueues(1).readQueues(1),
                NullBlk.builder().completion(Completion.REAPER)};
        for (NullBlk.Builder shape : shapes) {
            try (Disk disk = shape.depth(8).build()) {
                Load polled = new Load(disk, seed, Bio.POLLED).start(2);
                Load mixed = new Load(disk, seed + 1).start(2);
                polled.awaitProgress(2_000);
                mixed.awaitProgress(2_000);
                MemorySegment memory = MemorySegment.ofArray(new byte[512]);
                for (int i = 0; i < 100; i++) {
                    disk.read(i * 512L, memory);
                }
                polled.stop();
                mixed.stop();
                polled.assertOnly(Status.OK);
                mixed.assertOnly(Status.OK);
                HeldTags.awaitNone(disk);
                assertThat(disk.queue().strayCompletions()).isZero();
            }
        }
    }

    @Test
    @DisplayName("block/012 a read-only device takes reads and flushes, and no change by any way")
    void readOnly() throws IOException {
        try (Disk disk = NullBlk.builder().completion(Completion.INLINE).memoryBacked(true).readOnly(true).build();
                FileChannel channel = disk.openChannel()) {
            MemorySegment memory = MemorySegment.ofArray(new byte[512]);
            disk.read(0, memory);
            disk.flush();
            assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(() -> disk.write(0, memory))
                    .withMessageContaining("read-only");
            assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(() -> disk.discard(0, 512));
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> disk.writeZeroes(0, 512, false));
            assertThatExceptionOfType(NonWritableChannelException.class)
                    .isThrownBy(() -> channel.write(ByteBuffer.allocate(512)));
            Load load = new Load(disk, seed);
            load.work(200);
            load.check();
            load.assertOnly(Status.OK);
        }
    }

    @Test
    @DisplayName("block/016 an interrupt ends the wait at a frozen queue, of that thread alone")
    void interruptedAtAFrozenQueue() throws Exception {
        HoldingDriver driver = new HoldingDriver();
        TagSet set = TagSet.builder(driver).depth(4).build();
        Disk disk = driver.disk(set, "016");
        disk.freeze();
        Bio bio = new Bio(1).reset(Operation.READ, 0).add(HoldingDriver.MEMORY.memory());
        Eventually.Worker<Boolean> submitter = Eventually.call(() -> {
            disk.submit(bio);
            return Thread.interrupted();
        });
        Bio patient = new Bio(1).reset(Operation.READ, 1).add(HoldingDriver.MEMORY.memory());
        Eventually.Worker<Boolean> waiter = Eventually.start(() -> disk.submit(patient));
        Eventually.Worker<Boolean> allocator = Eventually
                .start(() -> disk.queue().allocateRequest(Operation.READ, false));
        Eventually.Worker<Boolean> blocking = Eventually
                .start(() -> disk.read(0, MemorySegment.ofArray(new byte[512])));
        for (Eventually.Worker<Boolean> each : java.util.List.of(submitter, waiter, allocator, blocking)) {
            Eventually.waitsIn(each.thread(), Inside.gate());
        }
        submitter.thread().interrupt();
        assertThat(submitter.join()).as("the interrupt is kept").isTrue();
        assertThat(bio.isInFlight()).isFalse();
        assertThat(bio.status()).isEqualTo(Status.INTR);
        allocator.thread().interrupt();
        assertThat(allocator.failure()).isInstanceOf(InterruptedException.class);
        blocking.thread().interrupt();
        assertThat(blocking.failure()).isInstanceOfSatisfying(BlockIOException.class,
                e -> assertThat(e.status()).isEqualTo(Status.INTR));
        assertThat(waiter.isDone()).isFalse();
        assertThat(driver.held()).isZero();
        disk.unfreeze();
        waiter.join();
        assertThat(driver.held()).isOne();
        driver.complete(1, Status.OK);
        assertThat(patient.isInFlight()).isFalse();
        disk.close();
        set.close();
    }

    @Test
    @DisplayName("block/017 what is in flight is counted exactly, by direction, in each way of looking")
    void inFlightIsExact() throws IOException {
        HoldingDriver driver = new HoldingDriver();
        TagSet set = TagSet.builder(driver).depth(64).hardwareQueues(2).build();
        Disk disk = driver.disk(set, "017");
        SplittableRandom random = new SplittableRandom(seed);
        AtomicInteger reads = new AtomicInteger();
        AtomicInteger writes = new AtomicInteger();
        for (int round = 0; round < 50; round++) {
            int each = 1 + random.nextInt(6);
            long inRound = random.nextLong();
            Eventually.together(3, false, number -> {
                SplittableRandom choice = new SplittableRandom(inRound + number);
                for (int i = 0; i < each; i++) {
                    boolean read = choice.nextBoolean();
                    (read ? reads : writes).incrementAndGet();
                    disk.submit(new Bio(1).reset(read ? Operation.READ : Operation.WRITE, i)
                            .add(HoldingDriver.MEMORY.memory())
                            .onEnd(bio -> (bio.operation() == Operation.READ ? reads : writes).decrementAndGet()));
                }
            });
            assertCounted(disk, driver, reads.get(), writes.get());
            driver.complete(random.nextInt(driver.held() + 1), Status.OK);
            assertCounted(disk, driver, reads.get(), writes.get());
            driver.complete(driver.held(), Status.OK);
            assertCounted(disk, driver, 0, 0);
        }
        disk.close();
        set.close();
    }

    private static void assertCounted(Disk disk, HoldingDriver driver, int reads, int writes) {
        int[] seen = new int[2];
        disk.queue().busyIter(rq -> {
            seen[rq.operation() == Operation.READ ? 0 : 1]++;
            return true;
        });
        assertThat(seen).containsExactly(reads, writes);
        assertThat(driver.held()).isEqualTo(reads + writes);
        assertThat(disk.queue().heldTags()).isEqualTo(reads + writes);
        DiskStatistics statistics = disk.statistics();
        assertThat(statistics.readsInFlight()).isEqualTo(reads);
        assertThat(statistics.writesInFlight()).isEqualTo(writes);
        assertThat(statistics.statLine().split(" ", -1)[8]).isEqualTo(String.valueOf(reads + writes));
        assertThat(disk.queue().dump().lines().filter(line -> line.contains("in flight)"))).hasSize(reads + writes);
    }

    /** Who finds the queue frozen may have a tag for a moment, and gives it back. */
    private static void assertNothingInFlight(Disk frozen) {
        frozen.queue().busyIter(rq -> {
            throw new AssertionError("in flight in a frozen queue: " + rq);
        });
    }

    @Test
    @DisplayName("block/022 freezing and unfreezing in many threads under load does not hang")
    void freezeAndUnfreezeInManyThreads() throws IOException {
        try (Disk disk = NullBlk.builder().completion(Completion.REAPER).depth(8).hardwareQueues(2).build()) {
            Load load = new Load(disk, seed).start(2);
            Eventually.together(6, false, number -> {
                for (int i = 0; i < 60; i++) {
                    if (number % 3 == 0) {
                        disk.queue().freezeStart();
                        disk.queue().freezeWait(number * 1_000L);
                    } else {
                        disk.freeze();
                        assertNothingInFlight(disk);
                    }
                    disk.unfreeze();
                }
            });
            load.awaitProgress(100).stop();
            load.assertOnly(Status.OK);
            assertThat(disk.queue().isFrozen()).isFalse();
        }
    }

    @ParameterizedTest(name = "{0}")
    @EnumSource
    @DisplayName("block/023 every queue mode carries load and keeps data")
    void everyQueueMode(Completion completion) throws IOException {
        for (int queues : new int[]{1, 3}) {
            for (TagSet.Flag flag : TagSet.Flag.values()) {
                if (completion != Completion.POLLED || flag != TagSet.Flag.BLOCKING) {
                    try (Disk disk = NullBlk.builder().completion(completion).hardwareQueues(queues).depth(8).flag(flag)
                            .completionNanos(1_000).memoryBacked(true).build()) {
                        carriesLoad(disk);
                    }
                }
            }
        }
    }

    private void carriesLoad(Disk disk) throws IOException {
        Load load = new Load(disk, seed).start(2).awaitProgress(150);
        load.stop();
        load.assertOnly(Status.OK);
        HeldTags.awaitNone(disk);
        try (IoBuffer wrote = disk.allocate(4096); IoBuffer read = disk.allocate(4096)) {
            wrote.memory().fill((byte) 23);
            disk.write(8192, wrote.memory(), Bio.FUA);
            disk.flush();
            disk.read(8192, read.memory());
            assertThat(read.memory().mismatch(wrote.memory())).isEqualTo(-1);
            disk.discard(8192, 4096);
            disk.read(8192, read.memory());
            assertThat(read.memory().mismatch(wrote.memory().fill((byte) 0))).isEqualTo(-1);
        }
    }
}
