package io.blkmq.core.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.IoBuffer;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.RandomSeed;
import io.blkmq.core.Status;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Bios over the limits are cut into requests within them, and end once. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class SplitTest {
    private static final int MIB = 1 << 20;

    private final Told told = new Told();

    private static RecordingDriver driver(int requestBytes, int segments, int segmentBytes) {
        return new RecordingDriver().limits(limits -> limits.requestBytesMax(requestBytes).segmentsMax(segments)
                .segmentBytesMax(segmentBytes).discardBytesMax(8192).writeZeroesBytesMax(4096));
    }

    @Test
    void aBioWithinTheLimitsIsOneRequest() {
        RecordingDriver driver = driver(4096, 4, 1024);
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(4096)) {
            Bio bio = new Bio(4).reset(Operation.READ, 0).onEnd(told);
            for (int i = 0; i < 4; i++) {
                bio.add(buffer.memory(), i * 1024L, 1024);
            }
            disk.submit(bio);
            assertThat(driver.completeAll()).isOne();
        }
    }

    @Test
    void aLongBioIsCutAtTheLimitAndInOrder() {
        RecordingDriver driver = driver(4096, 128, 4096);
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(9 * 1024)) {
            disk.submit(new Bio().reset(Operation.READ, 8).add(buffer.memory()).onEnd(told));
            assertThat(driver.log()).containsExactly("READ 8", "READ 16", "READ 24");
            assertThat(driver.inFlight()).extracting(Request::bytes).containsExactly(4096L, 4096L, 1024L);
            driver.complete(Status.OK);
            driver.complete(Status.OK);
            assertThat(told.ends()).isEmpty();
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 8 OK");
        }
    }

    @Test
    void theFirstErrorOfItsPartsIsTheBios() {
        RecordingDriver driver = driver(512, 128, 512);
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(2048)) {
            disk.submit(new Bio().reset(Operation.READ, 0).add(buffer.memory()).onEnd(told));
            driver.complete(Status.OK);
            driver.complete(Status.MEDIUM);
            driver.complete(Status.NOSPC);
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 0 MEDIUM");
        }
    }

    @Test
    void discardsAndZeroesAreCutToo() {
        RecordingDriver driver = driver(512, 1, 512);
        try (Disk disk = driver.disk()) {
            disk.submit(new Bio(0).reset(Operation.DISCARD, 0).length(20 * 1024).onEnd(told));
            assertThat(driver.log()).containsExactly("DISCARD 0", "DISCARD 16", "DISCARD 32");
            disk.submit(new Bio(0).reset(Operation.WRITE_ZEROES, 0).length(5 * 1024).onEnd(told));
            assertThat(driver.log()).containsExactly("WRITE_ZEROES 0", "WRITE_ZEROES 8");
            driver.completeAll();
            assertThat(told.ends()).containsExactly("DISCARD 0 OK", "WRITE_ZEROES 0 OK");
        }
    }

    @Test
    void whatTheDeviceDoesNotHaveEndsWithNotsupp() {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            disk.submit(told.bio(Operation.DISCARD, 0));
            disk.submit(told.bio(Operation.WRITE_ZEROES, 0));
            assertThat(told.ends()).containsExactly("DISCARD 0 NOTSUPP", "WRITE_ZEROES 0 NOTSUPP");
            assertThat(driver.log()).isEmpty();
        }
    }

    @Test
    void aBioWithMorePartsThanThereAreTagsGoesThroughBitByBit() {
        RecordingDriver driver = driver(512, 8, 512).depth(2).polled();
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(64 * 512)) {
            disk.submit(new Bio().reset(Operation.READ, 0).add(buffer.memory()).onEnd(told));
            disk.poll();
            assertThat(told.ends()).containsExactly("READ 0 OK");
            assertThat(driver.log()).hasSize(64);
        }
    }

    @Test
    void aBioThatIsCutOnAPlugIsHeldBackToo() {
        RecordingDriver driver = driver(512, 8, 512);
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(2048)) {
            try (Plug plug = disk.plug()) {
                plug.submit(new Bio().reset(Operation.READ, 0).add(buffer.memory()).onEnd(told));
                assertThat(driver.log()).isEmpty();
            }
            assertThat(driver.log()).containsExactly("READ 0 more", "READ 1 more", "READ 2 more", "READ 3");
            driver.completeAll();
        }
    }

    @Test
    void tooManySegmentsInOneBlockAreBouncedAlsoWhereAnyMemoryWillDo() {
        RecordingDriver driver = driver(4096, 2, 4096).limits(limits -> limits.anyMemory(true));
        try (Disk disk = driver.disk()) {
            byte[] bytes = new byte[512];
            new Random(2).nextBytes(bytes);
            Bio bio = new Bio(512).reset(Operation.WRITE, 3).onEnd(told);
            for (int i = 0; i < 512; i++) {
                bio.add(MemorySegment.ofArray(bytes), i, 1);
            }
            disk.submit(bio);
            driver.completeAll();
            assertThat(driver.violations()).isEmpty();
            assertThat(Arrays.copyOfRange(driver.data(), 3 * 512, 4 * 512)).isEqualTo(bytes);
            assertThat(disk.queue().bounces()).isOne();
        }
    }

    /** Random limits, memory and places, against an array. */
    @Test
    void oddlySegmentedBiosMoveTheRightBytes() {
        long seed = RandomSeed.of(SplitTest.class);
        Random random = new Random(seed);
        for (int round = 0; round < 40; round++) {
            int block = 512 << random.nextInt(4);
            boolean anyMemory = random.nextBoolean();
            RecordingDriver driver = driver(block * (1 + random.nextInt(16)), 1 + random.nextInt(6),
                    block * (1 + random.nextInt(4))).completesAtOnce().depth(1 + random.nextInt(8))
                    .limits(limits -> limits.logicalBlockBytes(block).discardBytesMax(0).writeZeroesBytesMax(0)
                            .anyMemory(anyMemory).dmaAlignmentBytes(1 << random.nextInt(10)));
            try (Disk disk = driver.disk(); Arena arena = Arena.ofShared(); IoBuffer pooled = disk.allocate(MIB)) {
                byte[] model = new byte[RecordingDriver.CAPACITY_BYTES];
                for (int step = 0; step < 30; step++) {
                    randomIo(disk, random, block, model, new Memory(random, arena, pooled),
                            "seed " + seed + ", round " + round + ", step " + step);
                }
                assertThat(driver.data()).as("seed %d, round %d", seed, round).isEqualTo(model);
                assertThat(driver.violations()).as("seed %d, round %d", seed, round).isEmpty();
                assertThat(disk.queue().heldTags()).isZero();
            }
        }
    }

    private void randomIo(Disk disk, Random random, int block, byte[] model, Memory memory, String where) {
        int bytes = block * (1 + random.nextInt(40));
        int offset = block * random.nextInt((model.length - bytes) / block + 1);
        List<MemorySegment> pieces = memory.pieces(bytes);
        boolean write = random.nextBoolean();
        byte[] content = new byte[bytes];
        random.nextBytes(content);
        if (write) {
            scatter(content, pieces);
            System.arraycopy(content, 0, model, offset, bytes);
        }
        Bio bio = new Bio(pieces.size()).reset(write ? Operation.WRITE : Operation.READ,
                offset / QueueLimits.SECTOR_BYTES);
        pieces.forEach(bio::add);
        disk.submit(bio.onEnd(told));
        assertThat(told.ends()).as(where).hasSize(1).allMatch(end -> end.endsWith(" OK"));
        if (!write) {
            assertThat(gather(pieces, bytes)).as(where).isEqualTo(Arrays.copyOfRange(model, offset, offset + bytes));
        }
    }

    /** Memory of all kinds, cut at random. */
    private record Memory(Random random, Arena arena, IoBuffer pooled) {
        List<MemorySegment> pieces(int bytes) {
            List<MemorySegment> pieces = new ArrayList<>();
            boolean coarse = random.nextBoolean();
            long pooledAt = 0;
            for (int left = bytes; left > 0;) {
                int length = 1 + random.nextInt(coarse ? left : Math.min(left, 700));
                int shift = random.nextInt(3);
                pieces.add(switch (random.nextInt(3)) {
                    case 0 -> MemorySegment.ofArray(new byte[length + shift]).asSlice(shift, length);
                    case 1 -> arena.allocate(length + shift, 512).asSlice(shift, length);
                    default -> pooled.memory().asSlice(pooledAt + shift, length);
                });
                pooledAt += length + shift;
                left -= length;
            }
            return pieces;
        }
    }

    private static void scatter(byte[] content, List<MemorySegment> pieces) {
        int at = 0;
        for (MemorySegment piece : pieces) {
            piece.copyFrom(MemorySegment.ofArray(content).asSlice(at, piece.byteSize()));
            at += (int) piece.byteSize();
        }
    }

    private static byte[] gather(List<MemorySegment> pieces, int bytes) {
        byte[] content = new byte[bytes];
        int at = 0;
        for (MemorySegment piece : pieces) {
            MemorySegment.ofArray(content).asSlice(at, piece.byteSize()).copyFrom(piece);
            at += (int) piece.byteSize();
        }
        return content;
    }
}
