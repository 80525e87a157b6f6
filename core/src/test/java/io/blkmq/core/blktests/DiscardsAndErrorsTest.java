package io.blkmq.core.blktests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.HeldTags;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.BadBlocks;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.util.Arrays;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Discards, block sizes, odd memory, and blocks that fail. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class DiscardsAndErrorsTest {
    private static final int BYTES = 1 << 20;
    private static final int BAD_SECTOR = 100;

    private final long seed = RandomSeed.of(DiscardsAndErrorsTest.class);

    private static void changeLimits(Disk disk, UnaryOperator<QueueLimits.Builder> change) {
        disk.freeze();
        try {
            disk.queue().setLimits(change.apply(disk.limits().toBuilder()).build());
        } finally {
            disk.unfreeze();
        }
    }

    private static byte[] fill(Disk disk, SplittableRandom random) throws IOException {
        byte[] content = new byte[BYTES];
        random.nextBytes(content);
        disk.write(0, MemorySegment.ofArray(content));
        return content;
    }

    private static byte[] readAll(Disk disk) throws IOException {
        byte[] read = new byte[BYTES];
        disk.read(0, MemorySegment.ofArray(read));
        return read;
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"none", "mq-deadline", "kyber"})
    @DisplayName("block/003 discards of many sizes zero what they name and nothing else")
    void discardsOfManySizes(String elevator) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        try (Disk disk = NullBlk.builder().name("003").completion(Completion.REAPER).depth(4).memoryBacked(true)
                .capacityBytes(BYTES).build()) {
            disk.queue().setElevator(elevator);
            changeLimits(disk, limits -> limits.discardBytesMax(24 << 10).discardRangesMax(4));
            byte[] model = fill(disk, random);
            for (int i = 0; i < 200; i++) {
                int blocks = 1 + random.nextInt(1 << random.nextInt(1, 11));
                int from = 512 * random.nextInt(BYTES / 512 - blocks + 1);
                disk.discard(from, blocks * 512L);
                Arrays.fill(model, from, from + blocks * 512, (byte) 0);
                if (random.nextInt(8) == 0) {
                    assertThat(readAll(disk)).isEqualTo(model);
                    model = fill(disk, random);
                }
            }
            assertThat(readAll(disk)).isEqualTo(model);
            disk.discard(0, BYTES);
            assertThat(readAll(disk)).isEqualTo(new byte[BYTES]);
        }
    }

    /** Takes discards, and keeps the books. */
    private static final class Discarding implements BlockDriver {
        final AtomicLong bytes = new AtomicLong();
        final Queue<String> wrong = new ConcurrentLinkedQueue<>();
        private final long partMax;
        private volatile long nextSector;

        Discarding(long partMax) {
            this.partMax = partMax;
        }

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            if (rq.operation() != Operation.DISCARD || rq.bytes() > partMax || rq.bytes() % 4096 != 0
                    || rq.sector() % 8 != 0) {
                wrong.add(rq.toString());
            }
            bytes.addAndGet(rq.bytes());
            nextSector = Math.max(nextSector, rq.sector() + rq.bytes() / 512);
            rq.complete(Status.OK);
            return Status.OK;
        }
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"none", "mq-deadline", "kyber"})
    @DisplayName("block/025 a huge discard with 4 KiB sectors goes down in parts that the device takes, each once")
    void hugeDiscard(String elevator) throws IOException {
        long partMax = (1L << 40) - 4096;
        long sectors = 1L << 50;
        Discarding driver = new Discarding(partMax);
        try (TagSet set = TagSet.builder(driver).depth(2).build()) {
            Disk disk = Disk.of(set.newQueue("025",
                    QueueLimits.builder().logicalBlockBytes(4096).discardBytesMax(partMax).build(), sectors, null),
                    null);
            disk.queue().setElevator(elevator);
            disk.discard(0, sectors * 512);
            assertThat(driver.wrong).isEmpty();
            assertThat(driver.bytes).hasValue(sectors * 512);
            assertThat(driver.nextSector).isEqualTo(sectors);
            driver.bytes.set(0);
            disk.discard((1L << 32) - 4096, 1L << 33);
            assertThat(driver.bytes).as("across the 4 GiB").hasValue(1L << 33);
            disk.close();
        }
    }

    @ParameterizedTest(name = "{0}")
    @EnumSource
    @DisplayName("block/009 a reader sees zeroes after a discard, by the disk and by a channel that was open before")
    void readsAfterADiscard(Completion completion) throws IOException {
        for (String elevator : new String[]{"none", "mq-deadline", "kyber"}) {
            try (Disk disk = NullBlk.builder().name("009").completion(completion).memoryBacked(true)
                    .capacityBytes(BYTES).build(); FileChannel channel = disk.openChannel()) {
                disk.queue().setElevator(elevator);
                byte[] model = fill(disk, new SplittableRandom(seed));
                assertThat(readByChannel(channel, 1000, 9000)).isEqualTo(Arrays.copyOfRange(model, 1000, 10_000));
                disk.discard(4096, 4096);
                Arrays.fill(model, 4096, 8192, (byte) 0);
                assertThat(readByChannel(channel, 1000, 9000)).isEqualTo(Arrays.copyOfRange(model, 1000, 10_000));
                assertThat(readAll(disk)).isEqualTo(model);
                // What is written into it afterwards is there again.
                channel.write(ByteBuffer.wrap(new byte[]{9, 9, 9}), 5000);
                Arrays.fill(model, 5000, 5003, (byte) 9);
                assertThat(readByChannel(channel, 4096, 4096)).isEqualTo(Arrays.copyOfRange(model, 4096, 8192));
                assertThat(readAll(disk)).isEqualTo(model);
            }
        }
    }

    private static byte[] readByChannel(FileChannel channel, long position, int bytes) throws IOException {
        ByteBuffer read = ByteBuffer.allocate(bytes);
        assertThat(channel.read(read, position)).isEqualTo(bytes);
        return read.array();
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"none", "mq-deadline", "kyber"})
    @DisplayName("block/039 the block size is set while reads run: each ends well, or is refused as not whole blocks")
    void blockSizeWhileReadsRun(String elevator) throws IOException {
        try (Disk disk = NullBlk.builder().name("039").completion(Completion.REAPER).depth(8).build()) {
            disk.queue().setElevator(elevator);
            AtomicBoolean stop = new AtomicBoolean();
            AtomicInteger small = new AtomicInteger();
            Eventually.Worker<Boolean> reader = Eventually.start(() -> {
                MemorySegment block = MemorySegment.ofArray(new byte[512]);
                while (!stop.get()) {
                    try {
                        disk.read(512, block);
                        small.incrementAndGet();
                    } catch (IllegalArgumentException e) {
                        assertThat(e).hasMessageContaining("512").hasMessageContaining("block");
                    } catch (BlockIOException e) {
                        assertThat(e.status()).isEqualTo(Status.INVAL);
                    }
                }
            });
            // Its I/O is of whole blocks whatever their size.
            Load load = new Load(disk, seed).start(2);
            for (int round = 0; round < 10; round++) {
                for (int bytes = 512; bytes <= 4096; bytes *= 2) {
                    int now = bytes;
                    changeLimits(disk, limits -> limits.logicalBlockBytes(now).physicalBlockBytes(4096));
                    assertThat(disk.limits().logicalBlockBytes()).isEqualTo(bytes);
                    load.awaitProgress(10);
                }
            }
            changeLimits(disk, limits -> limits.logicalBlockBytes(512));
            int before = small.get();
            Eventually.until("small reads succeed again", () -> small.get() > before);
            stop.set(true);
            reader.join();
            load.stop();
            load.assertOnly(Status.OK);
            HeldTags.awaitNone(disk);
        }
    }

    @Test
    @DisplayName("block/042 the smallest I/O goes to every block, and what is not whole blocks is refused with its size")
    void smallestIo() throws IOException {
        for (int block : new int[]{512, 1024, 4096}) {
            try (Disk disk = NullBlk.builder().name("042").completion(Completion.INLINE).memoryBacked(true)
                    .blockBytes(block).capacityBytes(64L * block).build()) {
                changeLimits(disk, limits -> limits.dmaAlignmentBytes(4).anyMemory(false));
                for (int i = 0; i < 64; i++) {
                    disk.write((long) i * block, MemorySegment.ofArray(new byte[block]).fill((byte) i));
                }
                MemorySegment all = MemorySegment.ofArray(new byte[64 * block]);
                disk.read(0, all);
                for (int i = 0; i < 64; i++) {
                    assertThat(all.get(ValueLayout.JAVA_BYTE, i * (long) block)).isEqualTo((byte) i);
                    assertThat(all.get(ValueLayout.JAVA_BYTE, (i + 1L) * block - 1)).isEqualTo((byte) i);
                }
                for (long[] odd : new long[][]{{1, block}, {0, block - 1}, {block / 2, block}, {0, block + 1}}) {
                    assertThatThrownBy(() -> disk.read(odd[0], MemorySegment.ofArray(new byte[(int) odd[1]])))
                            .isInstanceOf(IllegalArgumentException.class).hasMessageContaining(Integer.toString(block));
                }
            }
        }
    }

    @ParameterizedTest(name = "dmaAlignmentBytes {0}")
    @ValueSource(ints = {1, 4, 16, 512})
    @DisplayName("block/045 block/046 memory at every odd address and in odd pieces carries the right bytes")
    void oddMemory(int alignment) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        for (String elevator : new String[]{"none", "mq-deadline", "kyber"}) {
            try (Disk disk = NullBlk.builder().name("045").completion(Completion.REAPER).memoryBacked(true)
                    .capacityBytes(BYTES).build(); Arena arena = Arena.ofShared()) {
                disk.queue().setElevator(elevator);
                changeLimits(disk, limits -> limits.anyMemory(false).dmaAlignmentBytes(alignment).segmentsMax(5)
                        .segmentBytesMax(4096).virtualBoundaryBytes(random.nextBoolean() ? 4096 : 0));
                byte[] model = fill(disk, random);
                MemorySegment memory = arena.allocate(3 << 13, 4096);
                for (int i = 0; i < 100; i++) {
                    int bytes = 512 * (1 + random.nextInt(16));
                    int offset = 512 * random.nextInt((BYTES - bytes) / 512);
                    Bio bio = pieces(random, memory, bytes);
                    boolean write = random.nextBoolean();
                    if (write) {
                        byte[] data = new byte[bytes];
                        random.nextBytes(data);
                        move(bio, data, true);
                        System.arraycopy(data, 0, model, offset, bytes);
                    }
                    assertThat(carryOut(disk, bio, write, offset)).isEqualTo(Status.OK);
                    if (!write) {
                        byte[] read = new byte[bytes];
                        move(bio, read, false);
                        assertThat(read).isEqualTo(Arrays.copyOfRange(model, offset, offset + bytes));
                    }
                }
                assertThat(readAll(disk)).isEqualTo(model);
            }
        }
    }

    /** A bio with memory in pieces of any length at any address. */
    private static Bio pieces(SplittableRandom random, MemorySegment memory, int bytes) {
        Bio bio = new Bio(8).reset(Operation.READ, 0).flags(Bio.CALLER_MEMORY);
        long at = random.nextInt(512);
        int left = bytes;
        for (int i = 0; i < 7 && left > 1; i++) {
            int piece = 1 + random.nextInt(left);
            bio.add(memory, at, piece);
            left -= piece;
            at += piece + random.nextInt(64);
        }
        if (left > 0) {
            bio.add(memory, at, left);
        }
        return bio;
    }

    private static void move(Bio bio, byte[] data, boolean toBio) {
        int at = 0;
        for (int i = 0; i < bio.vecCount(); i++) {
            MemorySegment piece = bio.vec(i).memory().asSlice(bio.vec(i).offset(), bio.vec(i).bytes());
            MemorySegment part = MemorySegment.ofArray(data).asSlice(at, piece.byteSize());
            (toBio ? piece : part).copyFrom(toBio ? part : piece);
            at += (int) piece.byteSize();
        }
    }

    private static Status carryOut(Disk disk, Bio shape, boolean write, int offset) {
        AtomicBoolean told = new AtomicBoolean();
        Bio bio = new Bio(8).reset(write ? Operation.WRITE : Operation.READ, offset / 512).flags(Bio.CALLER_MEMORY)
                .onEnd(_ -> told.set(true));
        for (int i = 0; i < shape.vecCount(); i++) {
            bio.add(shape.vec(i).memory(), shape.vec(i).offset(), shape.vec(i).bytes());
        }
        disk.submit(bio);
        Eventually.until("the bio ends", told::get);
        return bio.status();
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"none", "mq-deadline", "kyber"})
    @DisplayName("block/044 blocks that fail fail the I/O that touches them and no other, and work again when they are mended")
    void injectedErrors(String elevator) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        for (Completion completion : new Completion[]{Completion.INLINE, Completion.REAPER, Completion.TIMER}) {
            BadBlocks bad = new BadBlocks();
            try (Disk disk = NullBlk.builder().name("044").completion(completion).completionNanos(1_000).depth(4)
                    .memoryBacked(true).capacityBytes(BYTES).badBlocks(bad).build()) {
                disk.queue().setElevator(elevator);
                // A request fails as a whole, and with it all bios that have joined it.
                disk.queue().setNomerges(2);
                bad.add(BAD_SECTOR, 7).add(1000, 1);
                int failed = submitOverall(disk, random, bad);
                assertThat(failed).isPositive();
                bad.clear(BAD_SECTOR, 7).clear(1000, 1);
                assertThat(submitOverall(disk, random, bad)).isZero();
                HeldTags.awaitNone(disk);
            }
        }
    }

    private static int submitOverall(Disk disk, SplittableRandom random, BadBlocks bad) {
        int bios = 400;
        AtomicInteger ended = new AtomicInteger();
        AtomicInteger failed = new AtomicInteger();
        Queue<String> wrong = new ConcurrentLinkedQueue<>();
        try (IoBuffer memory = IoBuffer.allocate(16 << 10)) {
            for (int i = 0; i < bios; i++) {
                int sectors = 1 + random.nextInt(32);
                // By chance alone, one program in two thousand meets no bad block.
                int sector = i % 50 == 0 ? BAD_SECTOR : random.nextInt(BYTES / 512 - sectors);
                Status expected = bad.isAnyBad(sector, sectors) ? Status.MEDIUM : Status.OK;
                disk.submit(new Bio(1).reset(random.nextBoolean() ? Operation.READ : Operation.WRITE, sector)
                        .add(memory.memory(), 0, sectors * 512L).onEnd(bio -> {
                            if (bio.status() != expected) {
                                wrong.add(bio + " instead of " + expected);
                            }
                            failed.addAndGet(bio.status() == Status.OK ? 0 : 1);
                            ended.incrementAndGet();
                        }));
            }
            Eventually.until("all bios end", () -> ended.get() == bios);
        }
        assertThat(wrong).isEmpty();
        return failed.get();
    }
}
