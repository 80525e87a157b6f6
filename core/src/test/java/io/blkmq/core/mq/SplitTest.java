package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Request;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Bios over the limits are cut into requests within them, and end once. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
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

    @Test
    void aLongReadIsCutAtPhysicalBlocks() {
        RecordingDriver driver = driver(8192, 128, 8192)
                .limits(limits -> limits.physicalBlockBytes(4096).alignmentOffsetBytes(512));
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(20 * 512)) {
            disk.submit(new Bio().reset(Operation.READ, 4).add(buffer.memory()).onEnd(told));
            assertThat(driver.log()).containsExactly("READ 4", "READ 17");
            driver.completeAll();
        }
    }

    @Test
    void anIoDoesNotCrossAChunkButADiscardMay() {
        RecordingDriver driver = driver(1 << 20, 128, 1 << 20)
                .limits(limits -> limits.chunkBytes(3 * 512).discardBytesMax(1 << 20).writeZeroesBytesMax(1 << 20));
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(4 * 512)) {
            disk.submit(new Bio().reset(Operation.READ, 2).add(buffer.memory()).onEnd(told));
            disk.submit(new Bio(0).reset(Operation.WRITE_ZEROES, 2).length(2 * 512).onEnd(told));
            disk.submit(new Bio(0).reset(Operation.DISCARD, 2).length(4 * 512).onEnd(told));
            assertThat(driver.log()).containsExactly("READ 2", "READ 3", "WRITE_ZEROES 2", "WRITE_ZEROES 3",
                    "DISCARD 2");
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 2 OK", "WRITE_ZEROES 2 OK", "DISCARD 2 OK");
        }
    }

    @Test
    void partsOfADiscardEndAtTheGranularityAndItsOddEndsGoToo() {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.discardBytesMax(20 * 512)
                .discardGranularityBytes(8 * 512).discardAlignmentBytes(2 * 512));
        try (Disk disk = driver.disk()) {
            disk.submit(new Bio(0).reset(Operation.DISCARD, 1).length(50 * 512).onEnd(told));
            assertThat(driver.log()).containsExactly("DISCARD 1", "DISCARD 18", "DISCARD 34");
            assertThat(driver.inFlight()).extracting(rq -> rq.bytes() / 512).containsExactly(17L, 16L, 17L);
            driver.completeAll();
            disk.submit(new Bio(0).reset(Operation.DISCARD, 1).length(20 * 512).onEnd(told));
            assertThat(driver.log()).as("within the limit nothing is cut").containsExactly("DISCARD 1");
            driver.completeAll();
        }
    }

    @Test
    void aNowaitBioThatWouldHaveToBeCutEndsWithAgainAndTheDriverSeesNothing() {
        RecordingDriver driver = driver(512, 8, 512);
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(1024)) {
            disk.submit(new Bio().reset(Operation.READ, 0).add(buffer.memory()).flags(Bio.NOWAIT).onEnd(told));
            assertThat(told.ends()).containsExactly("READ 0 AGAIN");
            assertThat(driver.log()).isEmpty();
        }
    }

    @Test
    void aBioOfThousandsOfPartsThatACompletionSubmitsHasOneEntryOnTheBacklog() {
        RecordingDriver driver = new RecordingDriver().depth(4).limits(limits -> limits.discardBytesMax(512));
        try (Disk disk = driver.disk()) {
            Bio huge = new Bio(0).reset(Operation.DISCARD, 0).length(2000 * 512).onEnd(told);
            disk.submit(told.read(0).onEnd(_ -> disk.submit(huge)));
            driver.complete(Status.OK);
            int parts = 0;
            while (!driver.inFlight().isEmpty()) {
                assertThat(driver.inFlight()).hasSizeBetween(1, 4);
                assertThat(disk.queue().dump()).contains(parts + 4 < 2000 ? ", backlog 1," : ", backlog 0,");
                driver.complete(Status.OK);
                parts++;
            }
            assertThat(parts).isEqualTo(2000);
            assertThat(told.ends()).containsExactly("DISCARD 0 OK");
            List<String> log = driver.log();
            assertThat(log.subList(1, log.size()).stream().map(line -> line.replace(" more", "")))
                    .doesNotHaveDuplicates().hasSize(2000);
        }
    }

    @Test
    void aBioThatWaitsBetweenItsPartsIsEndedByAClose() {
        RecordingDriver driver = new RecordingDriver().depth(2).limits(limits -> limits.discardBytesMax(512));
        Disk disk = driver.disk();
        Bio huge = new Bio(0).reset(Operation.DISCARD, 0).length(2000 * 512).onEnd(told);
        disk.submit(told.read(0).onEnd(_ -> disk.submit(huge)));
        driver.complete(Status.OK);
        Eventually.Worker<Boolean> closer = Eventually.start(disk::close);
        Eventually.until("the backlog is empty", () -> disk.queue().dump().contains(", backlog 0,"));
        assertThat(told.ends()).as("two parts are in flight").isEmpty();
        assertThat(driver.completeAll()).isEqualTo(2);
        closer.join();
        assertThat(told.ends()).containsExactly("DISCARD 0 NODEV");
    }

    @Test
    void aBioThatWaitsBetweenItsPartsGoesOnByTheLimitsThatHoldThen() {
        RecordingDriver driver = new RecordingDriver().depth(2).limits(limits -> limits.discardBytesMax(512));
        try (Disk disk = driver.disk()) {
            Bio huge = new Bio(0).reset(Operation.DISCARD, 0).length(16 * 512).onEnd(told);
            disk.submit(told.read(0).onEnd(_ -> disk.submit(huge)));
            driver.complete(Status.OK);
            disk.queue().freezeStart();
            assertThat(driver.completeAll()).isEqualTo(2);
            disk.queue().setLimits(disk.limits().toBuilder().discardBytesMax(8 * 512).build());
            disk.unfreeze();
            assertThat(driver.inFlight()).extracting(Request::bytes).containsExactly(8 * 512L, 6 * 512L);
            driver.completeAll();
            assertThat(told.ends()).containsExactly("DISCARD 0 OK");
        }
    }

    @Test
    void whatIsLeftOfADiscardEndsWithNotsuppOnceTheDeviceTurnsOutNotToHaveIt() {
        RecordingDriver driver = new RecordingDriver().depth(2).limits(limits -> limits.discardBytesMax(512));
        try (Disk disk = driver.disk()) {
            Bio huge = new Bio(0).reset(Operation.DISCARD, 0).length(16 * 512).onEnd(told);
            disk.submit(told.read(0).onEnd(_ -> disk.submit(huge)));
            driver.complete(Status.OK);
            disk.queue().disable(Operation.DISCARD);
            assertThat(driver.completeAll()).isEqualTo(2);
            assertThat(told.ends()).containsExactly("DISCARD 0 NOTSUPP");
        }
    }

    @Test
    void piecesThatDoNotMeetAtTheVirtualBoundaryGoInRequestsOfTheirOwn() {
        RecordingDriver driver = driver(1 << 20, 128, 1 << 20).limits(limits -> limits.virtualBoundaryBytes(4096));
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(5 * 4096)) {
            disk.submit(new Bio(3).reset(Operation.READ, 0).add(buffer.memory(), 3584, 512)
                    .add(buffer.memory(), 8192, 4096).add(buffer.memory(), 16384, 1024).onEnd(told));
            assertThat(driver.log()).containsExactly("READ 0");
            disk.submit(new Bio(2).reset(Operation.READ, 0).add(buffer.memory(), 0, 512).add(buffer.memory(), 4096, 512)
                    .onEnd(told));
            assertThat(driver.log()).containsExactly("READ 0", "READ 1");
            driver.completeAll();
            assertThat(disk.queue().bounces()).isZero();
            assertThat(driver.violations()).isEmpty();
        }
    }

    @Test
    void aBlockWhosePiecesLeaveAGapIsBounced() {
        RecordingDriver driver = driver(1 << 20, 128, 1 << 20).limits(limits -> limits.virtualBoundaryBytes(4096));
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(8192)) {
            disk.submit(new Bio(2).reset(Operation.WRITE, 0).add(buffer.memory(), 0, 256)
                    .add(buffer.memory(), 4096, 256).onEnd(told));
            assertThat(driver.log()).containsExactly("WRITE 0");
            driver.completeAll();
            assertThat(disk.queue().bounces()).isOne();
            assertThat(driver.violations()).isEmpty();
        }
    }

    @Test
    void aPieceThatCrossesASegmentBoundaryIsTwoSegments() {
        RecordingDriver driver = driver(1 << 20, 1, 1 << 20).limits(limits -> limits.segmentBoundaryBytes(4096));
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(8192)) {
            disk.submit(new Bio().reset(Operation.READ, 0).add(buffer.memory(), 2048, 4096).onEnd(told));
            assertThat(driver.log()).containsExactly("READ 0", "READ 4");
            driver.completeAll();
            assertThat(driver.violations()).isEmpty();
        }
    }

    /**
     * Random limits of every kind and random bios: {@link RecordingDriver} checks each part by itself; here, that they are the whole.
     */
    @Test
    void everyPartIsLegalByEveryLimitAndTogetherTheyAreTheWhole() {
        long seed = RandomSeed.of(SplitTest.class);
        Random random = new Random(seed);
        for (int round = 0; round < 300; round++) {
            String where = "seed " + seed + ", round " + round;
            QueueLimits.Builder limits = randomLimits(random);
            RecordingDriver driver = new RecordingDriver().limits(_ -> limits).depth(1 + random.nextInt(40));
            try (Disk disk = driver.disk(); Arena arena = Arena.ofShared(); IoBuffer pooled = disk.allocate(MIB)) {
                byte[] model = new byte[RecordingDriver.CAPACITY_BYTES];
                for (int step = 0; step < 8; step++) {
                    String at = where + ", step " + step + ", " + disk.limits();
                    oneOfAnyKind(disk, driver, random, model, new Memory(random, arena, pooled), at);
                    assertThat(driver.violations()).as(at).isEmpty();
                }
                assertThat(driver.data()).as(where).isEqualTo(model);
                assertThat(disk.queue().heldTags()).as(where).isZero();
            }
        }
    }

    private static QueueLimits.Builder randomLimits(Random random) {
        int block = 512 << random.nextInt(4);
        int physical = block << random.nextInt(3);
        int granularity = block << random.nextInt(4);
        long request = (long) block * (1 + random.nextInt(40));
        long segment = Math.min(request, (long) block * (1 + random.nextInt(20)));
        QueueLimits.Builder limits = QueueLimits.builder().logicalBlockBytes(block).physicalBlockBytes(physical)
                .alignmentOffsetBytes(block * random.nextInt(physical / block)).requestBytesMax(request)
                .segmentsMax(1 + random.nextInt(6)).segmentBytesMax(segment)
                .chunkBytes(random.nextInt(3) == 0 ? (long) block * (1 + random.nextInt(30)) : 0)
                .discardGranularityBytes(granularity).discardAlignmentBytes(block * random.nextInt(granularity / block))
                .discardBytesMax(granularity + (long) block * random.nextInt(30))
                .writeZeroesBytesMax((long) block * (1 + random.nextInt(30)));
        int kind = random.nextInt(4);
        if (kind == 0) {
            return limits.anyMemory(true);
        }
        limits.dmaAlignmentBytes(1 << random.nextInt(10));
        if ((kind & 2) != 0) {
            limits.segmentBoundaryBytes(4096L << random.nextInt(6));
        }
        if ((kind & 1) != 0 && segment >= 512) {
            limits.virtualBoundaryBytes(Math.min(4096, Integer.highestOneBit((int) segment)));
        }
        return limits;
    }

    private void oneOfAnyKind(Disk disk, RecordingDriver driver, Random random, byte[] model, Memory memory,
            String at) {
        Operation operation = switch (random.nextInt(4)) {
            case 0 -> Operation.READ;
            case 1 -> Operation.WRITE;
            case 2 -> Operation.DISCARD;
            default -> Operation.WRITE_ZEROES;
        };
        int block = disk.limits().logicalBlockBytes();
        int bytes = block * (1 + random.nextInt(60));
        int offset = block * random.nextInt((model.length - bytes) / block + 1);
        Bio bio = new Bio(4096).reset(operation, offset / QueueLimits.SECTOR_BYTES);
        List<MemorySegment> pieces = operation.hasData() ? memory.pieces(bytes) : List.of();
        if (operation == Operation.WRITE) {
            byte[] content = new byte[bytes];
            random.nextBytes(content);
            scatter(content, pieces);
            System.arraycopy(content, 0, model, offset, bytes);
        } else if (operation != Operation.READ) {
            Arrays.fill(model, offset, offset + bytes, (byte) 0);
        }
        pieces.forEach(bio::add);
        if (!operation.hasData()) {
            bio.length(bytes);
        }
        if (random.nextBoolean()) {
            bio.flags(Bio.CALLER_MEMORY);
        }
        List<long[]> parts = new ArrayList<>();
        submitByACompletion(disk, bio.onEnd(told));
        while (!driver.inFlight().isEmpty()) {
            List<Request> now = driver.inFlight();
            Request rq = now.get(random.nextInt(now.size()));
            parts.add(new long[]{rq.sector() * QueueLimits.SECTOR_BYTES, rq.bytes()});
            driver.complete(rq, Status.OK);
        }
        assertThat(told.ends()).as(at).hasSize(1).allMatch(end -> end.endsWith(" OK"));
        parts.sort((a, b) -> Long.compare(a[0], b[0]));
        long reached = offset;
        for (long[] part : parts) {
            assertThat(part[0]).as(at).isEqualTo(reached);
            reached += part[1];
            if (operation == Operation.DISCARD && reached < offset + bytes) {
                assertThat((reached - disk.limits().discardAlignmentBytes()) % disk.limits().discardGranularityBytes())
                        .as(at).isZero();
            }
        }
        assertThat(reached).as(at).isEqualTo(offset + bytes);
        if (operation == Operation.READ) {
            assertThat(gather(pieces, bytes)).as(at).isEqualTo(Arrays.copyOfRange(model, offset, offset + bytes));
        }
    }

    /** What a completion submits never waits, so that one thread is enough. */
    private static void submitByACompletion(Disk disk, Bio bio) {
        try (CompletionBatch batch = CompletionBatch.open()) {
            assertThat(batch).isNotNull();
            disk.submit(bio);
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
