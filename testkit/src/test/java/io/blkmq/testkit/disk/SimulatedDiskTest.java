package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.nullblk.BadBlocks;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.LongFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a simulated disk does for its user and for whoever holds its handle. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class SimulatedDiskTest {
    private static final int SECTOR = 512;

    private static MemorySegment filled(int bytes, int value) {
        byte[] content = new byte[bytes];
        Arrays.fill(content, (byte) value);
        return MemorySegment.ofArray(content);
    }

    private static void write(SimulatedDisk simulated, long sector, int sectors, int value) throws IOException {
        simulated.disk().write(sector * SECTOR, filled(sectors * SECTOR, value));
    }

    /** The first byte of each of the first sectors, which are all alike within. */
    private static List<Integer> sectors(Supplier<DiskImage> image, int count) {
        DiskImage now = image.get();
        return IntStream.range(0, count).mapToObj(sector -> {
            byte[] content = now.read((long) sector * SECTOR, SECTOR);
            assertThat(MemorySegment.ofArray(content).mismatch(filled(SECTOR, content[0]))).isEqualTo(-1);
            return (int) content[0];
        }).toList();
    }

    private static List<Integer> read(SimulatedDisk simulated, int count) throws IOException {
        byte[] content = new byte[count * SECTOR];
        simulated.disk().read(0, MemorySegment.ofArray(content));
        return sectors(() -> DiskImage.of(content), count);
    }

    private static SimulatedDisk.Builder small() {
        return SimulatedDisk.builder().capacityBytes(64 << 10);
    }

    // ---- cache, flush, FUA

    @Test
    void whatNobodyHasFlushedIsGoneAfterAPowerCutAndReadBefore() throws IOException {
        try (SimulatedDisk simulated = small().build()) {
            write(simulated, 0, 1, 1);
            simulated.disk().flush();
            write(simulated, 0, 1, 2);
            write(simulated, 1, 1, 3);
            simulated.disk().write(2 * SECTOR, filled(SECTOR, 4), Bio.FUA);
            assertThat(read(simulated, 4)).containsExactly(2, 3, 4, 0);
            assertThat(simulated.isDurable(0, SECTOR)).isFalse();
            assertThat(simulated.isDurable(2 * SECTOR, 2 * SECTOR)).isTrue();
            simulated.powerCut(PowerCut.ALL_LOST);
            assertThat(read(simulated, 4)).containsExactly(1, 0, 4, 0);
            assertThat(simulated.isDurable(0, 64 << 10)).isTrue();
        }
    }

    @Test
    void discardsAndWritesOfZeroesAreVolatileToo() throws IOException {
        try (SimulatedDisk simulated = small().build()) {
            write(simulated, 0, 4, 7);
            simulated.disk().flush();
            simulated.disk().discard(0, SECTOR);
            simulated.disk().writeZeroes(2 * SECTOR, SECTOR, true);
            assertThat(read(simulated, 4)).containsExactly(0, 7, 0, 7);
            simulated.powerCut(PowerCut.ALL_LOST);
            assertThat(read(simulated, 4)).containsExactly(7, 7, 7, 7);
        }
    }

    @Test
    void withoutACacheEveryWriteIsDurable() throws IOException {
        try (SimulatedDisk simulated = small().writeCache(false, false).build()) {
            write(simulated, 0, 2, 5);
            simulated.powerCut(PowerCut.ALL_LOST);
            assertThat(read(simulated, 3)).containsExactly(5, 5, 0);
        }
    }

    @Test
    void withoutFuaTheBlockLayerFlushes() throws IOException {
        try (SimulatedDisk simulated = small().writeCache(true, false).build()) {
            simulated.disk().write(0, filled(SECTOR, 5), Bio.FUA);
            assertThat(simulated.lastRequests()).extracting(SeenRequest::operation).containsExactly(Operation.WRITE,
                    Operation.FLUSH);
            simulated.powerCut(PowerCut.ALL_LOST);
            assertThat(read(simulated, 1)).containsExactly(5);
        }
    }

    @Test
    void aFullCacheMakesItsOlderHalfDurable() throws IOException {
        try (SimulatedDisk simulated = small().cacheBytes(4 * SECTOR).build()) {
            for (int sector = 0; sector < 5; sector++) {
                write(simulated, sector, 1, 1 + sector);
            }
            assertThat(sectors(() -> simulated.snapshot(PowerCut.ALL_LOST), 6)).containsExactly(1, 2, 3, 0, 0, 0);
        }
    }

    // ---- power cuts

    @Test
    void eachPolicyLeavesWhatItSays() throws IOException {
        try (SimulatedDisk simulated = small().build()) {
            for (int i = 0; i < 4; i++) {
                write(simulated, 2L * i, 2, 1 + i);
            }
            assertThat(sectors(() -> simulated.snapshot(PowerCut.ALL_LOST), 8)).containsOnly(0);
            assertThat(sectors(() -> simulated.snapshot(PowerCut.ALL_KEPT), 8)).containsExactly(1, 1, 2, 2, 3, 3, 4, 4);
            for (long seed = 0; seed < 200; seed++) {
                long each = seed;
                List<Integer> inOrder = sectors(() -> simulated.snapshot(PowerCut.inOrder(each)), 8);
                int lost = inOrder.indexOf(0);
                assertThat(lost < 0 ? List.<Integer>of() : inOrder.subList(lost, 8)).allMatch(value -> value == 0);
                List<Integer> subset = sectors(() -> simulated.snapshot(PowerCut.subset(each)), 8);
                for (int i = 0; i < 8; i += 2) {
                    assertThat(subset.get(i)).isEqualTo(subset.get(i + 1));
                }
            }
            assertThat(kinds(simulated, PowerCut::inOrder)).hasSize(9);
            assertThat(kinds(simulated, PowerCut::subset)).hasSize(16);
            assertThat(kinds(simulated, PowerCut::torn)).hasSizeGreaterThan(100);
            assertThat(simulated.snapshot(PowerCut.torn(1, 0))).isEqualTo(simulated.snapshot(PowerCut.ALL_LOST));
            assertThat(simulated.snapshot(PowerCut.torn(1, 1))).isEqualTo(simulated.snapshot(PowerCut.ALL_KEPT));
            PowerCut third = PowerCut.of("the third write", piece -> piece.request() == 3);
            assertThat(sectors(() -> simulated.snapshot(third), 8)).containsExactly(0, 0, 0, 0, 3, 3, 0, 0);
            simulated.powerCut(third);
            assertThat(read(simulated, 8)).containsExactly(0, 0, 0, 0, 3, 3, 0, 0);
            assertThat(third).hasToString("the third write");
        }
    }

    /** The different images that many seeds make. */
    private static List<DiskImage> kinds(SimulatedDisk simulated, LongFunction<PowerCut> policy) {
        return IntStream.range(0, 400).mapToObj(seed -> simulated.snapshot(policy.apply(seed))).distinct().toList();
    }

    @Test
    void ofSeveralWritesToOnePlaceAnyMaySurviveAndTheNewestOfThose() throws IOException {
        try (SimulatedDisk simulated = small().build()) {
            for (int value = 1; value <= 3; value++) {
                write(simulated, 0, 1, value);
            }
            assertThat(kinds(simulated, PowerCut::torn).stream().map(image -> (int) image.read(0, 1)[0]))
                    .containsExactlyInAnyOrder(0, 1, 2, 3);
        }
    }

    @Test
    void aWriteIsTornAtTheAtomicUnitAndNowhereElse() throws IOException {
        try (SimulatedDisk simulated = small().atomicUnitBytes(2048).build()) {
            write(simulated, 2, 12, 1);
            List<DiskImage> kinds = kinds(simulated, PowerCut::torn);
            assertThat(kinds).hasSize(16);
            for (DiskImage kind : kinds) {
                List<Integer> values = sectors(() -> kind, 16);
                assertThat(values.subList(0, 2)).containsOnly(0);
                assertThat(values.subList(14, 16)).containsOnly(0);
                assertThat(values.get(2)).isEqualTo(values.get(3));
                for (int from = 4; from < 12; from += 4) {
                    assertThat(values.subList(from, from + 4)).containsOnly(values.get(from));
                }
                assertThat(values.get(12)).isEqualTo(values.get(13));
            }
        }
    }

    @Test
    void whatIsInFlightEndsWithAnErrorAndMayHaveTakenEffect() throws IOException {
        try (SimulatedDisk simulated = small().build(); IoBuffer buffer = simulated.disk().allocate(SECTOR)) {
            FaultRule hang = simulated.faults().add(FaultRule.always().then(Fault.hang()));
            for (PowerCut policy : List.of(PowerCut.ALL_KEPT, PowerCut.ALL_LOST)) {
                buffer.memory().fill((byte) (policy == PowerCut.ALL_KEPT ? 1 : 2));
                List<CompletableFuture<Void>> ended = List.of(simulated.disk().async().write(0, buffer.memory()),
                        simulated.disk().async().flush(), simulated.disk().async().read(SECTOR, filled(SECTOR, 0)));
                assertThat(simulated.inFlight()).isEqualTo(3);
                assertThat(simulated.isDurable(0, SECTOR)).isFalse();
                simulated.powerCut(policy);
                assertThat(simulated.inFlight()).isZero();
                assertThat(ended).allSatisfy(each -> assertThat(statusOf(each)).isEqualTo(Status.TRANSPORT));
                assertThat(sectors(simulated::snapshot, 1)).containsExactly(1);
            }
            assertThat(simulated.faults().remove(hang)).isTrue();
            assertThat(simulated.lastRequests()).hasSize(6).allMatch(each -> each.status() == Status.TRANSPORT);
            simulated.faults().release();
            assertThat(read(simulated, 1)).containsExactly(1);
        }
    }

    private static Status statusOf(CompletableFuture<?> future) {
        try {
            future.join();
            return Status.OK;
        } catch (CompletionException e) {
            return ((BlockIOException) Objects.requireNonNull(e.getCause())).status();
        }
    }

    @Test
    void aDiskThatIsRemovedIsGoneAndItsContentCanBeLookedAt() throws IOException {
        SimulatedDisk simulated = small().build();
        try (simulated) {
            write(simulated, 0, 1, 1);
            simulated.disk().flush();
            write(simulated, 1, 1, 2);
            FaultRule _ = simulated.faults().add(FaultRule.always().then(Fault.hang()));
            CompletableFuture<Void> inFlight = simulated.disk().async().flush();
            simulated.remove();
            assertThat(statusOf(inFlight)).isEqualTo(Status.NODEV);
            assertThatIllegalStateException().isThrownBy(() -> simulated.disk().flush());
        }
        assertThat(sectors(() -> simulated.snapshot(PowerCut.ALL_LOST), 2)).containsExactly(1, 0);
        assertThat(sectors(simulated::snapshot, 2)).containsExactly(1, 2);
    }

    // ---- images

    @Test
    void oneDiskShowsOneImageAfterTheOther() throws IOException {
        DiskImage first = DiskImage.of(filled(16 << 10, 1).toArray(ValueLayout.JAVA_BYTE));
        try (SimulatedDisk simulated = SimulatedDisk.of(first)) {
            assertThat(simulated.disk().sizeBytes()).isEqualTo(16 << 10);
            write(simulated, 1, 1, 9);
            DiskImage second = simulated.snapshot();
            for (int round = 0; round < 100; round++) {
                simulated.load(first);
                assertThat(read(simulated, 2)).containsExactly(1, 1);
                write(simulated, 0, 1, 3);
                simulated.load(second);
                assertThat(read(simulated, 2)).containsExactly(1, 9);
                assertThat(simulated.isDurable(0, 16 << 10)).isTrue();
            }
            assertThat(first.read(0, 1)).containsExactly(1);
            assertThat(simulated.snapshot()).isEqualTo(second);
            assertThatIllegalArgumentException().isThrownBy(() -> simulated.load(DiskImage.zeroes(512)))
                    .withMessageContaining("512").withMessageContaining("16384");
            FaultRule _ = simulated.faults().add(FaultRule.always().then(Fault.hang()));
            CompletableFuture<Void> _ = simulated.disk().async().flush();
            assertThatIllegalStateException().isThrownBy(() -> simulated.load(first))
                    .withMessageContaining("1 requests are in flight");
        }
    }

    // ---- time

    @Test
    void aDiskServesSoManyAtATimeAndAllShareTheBandwidth() {
        var _ = DeterministicRuntime.run(RandomSeed.next(SimulatedDiskTest.class), runtime -> {
            try (SimulatedDisk serial = small().runtime(runtime).latency(LatencyModel.fixed(1_000_000)).parallelism(2)
                    .build()) {
                assertThat(nanosOfReads(runtime, serial.disk(), 6)).isBetween(3_000_000L, 3_200_000L);
            }
            try (SimulatedDisk slow = small().runtime(runtime).bytesPerSecond(6 * 512 * 100).build()) {
                assertThat(nanosOfReads(runtime, slow.disk(), 6)).isBetween(10_000_000L, 10_200_000L);
            }
            try (SimulatedDisk parallel = small().runtime(runtime).latency(LatencyModel.fixed(1_000_000)).build()) {
                assertThat(nanosOfReads(runtime, parallel.disk(), 6)).isBetween(1_000_000L, 1_200_000L);
            }
        });
    }

    private static long nanosOfReads(DeterministicRuntime runtime, Disk disk, int count) {
        int[] left = {count};
        long begin = runtime.nanoTime();
        try (IoBuffer buffer = disk.allocate(SECTOR)) {
            for (int i = 0; i < count; i++) {
                disk.submit(new Bio(1).reset(Operation.READ, i).add(buffer.memory()).onEnd(_ -> left[0]--));
            }
            runtime.await("all reads end", () -> left[0] == 0);
        }
        return runtime.nanoTime() - begin;
    }

    @Test
    void thePresetsAreDisksOfTheirKind() {
        var _ = DeterministicRuntime.run(RandomSeed.next(SimulatedDiskTest.class), runtime -> {
            long ssd = timeOf(runtime, SimulatedDisk.consumerSsd(), true, true);
            long server = timeOf(runtime, SimulatedDisk.dataCentreSsd(), false, false);
            long hard = timeOf(runtime, SimulatedDisk.hardDisk(), true, false);
            long network = timeOf(runtime, SimulatedDisk.networkDisk(), false, false);
            assertThat(server).isLessThan(ssd);
            assertThat(ssd).isLessThan(network);
            assertThat(network).isLessThan(hard);
        });
    }

    /** The time of some reads here and there. */
    private static long timeOf(DeterministicRuntime runtime, SimulatedDisk.Builder builder, boolean cache, boolean fua)
            throws IOException {
        try (SimulatedDisk simulated = builder.runtime(runtime).capacityBytes(1L << 40).build()) {
            QueueLimits limits = simulated.disk().limits();
            assertThat(limits.hasWriteCache()).isEqualTo(cache);
            assertThat(limits.hasFua()).isEqualTo(fua);
            assertThat(limits.physicalBlockBytes()).isEqualTo(4096);
            write(simulated, 0, 8, 1);
            assertThat(sectors(() -> simulated.snapshot(PowerCut.ALL_LOST), 1)).containsExactly(cache ? 0 : 1);
            long begin = runtime.nanoTime();
            for (int i = 0; i < 32; i++) {
                simulated.disk().read((i % 2) * (1L << 39) + i * 4096L, filled(4096, 0));
            }
            return runtime.nanoTime() - begin;
        }
    }

    @Test
    void onTheSystemsRuntimeWhatTakesTimeEndsLaterOnAnotherThread() throws IOException {
        try (SimulatedDisk simulated = small().latency(LatencyModel.uniform(100_000, 2_000_000)).build()) {
            Thread submitter = Thread.currentThread();
            CompletableFuture<Thread> teller = new CompletableFuture<>();
            write(simulated, 0, 1, 1);
            simulated.disk().flush(_ -> teller.complete(Thread.currentThread()));
            assertThat(teller.join()).isNotSameAs(submitter);
            simulated.powerCut(PowerCut.ALL_LOST);
            assertThat(read(simulated, 1)).containsExactly(1);
        }
    }

    @Test
    void theSameSeedMakesTheSameLogAHundredTimes() {
        long seed = RandomSeed.of(SimulatedDiskTest.class);
        List<String> first = logOf(seed);
        assertThat(first).hasSizeGreaterThan(100);
        for (int i = 1; i < 100; i++) {
            assertThat(logOf(seed)).isEqualTo(first);
        }
        assertThat(logOf(seed + 1)).isNotEqualTo(first);
    }

    private static List<String> logOf(long seed) {
        List<String> lines = new ArrayList<>();
        var _ = DeterministicRuntime.run(seed, runtime -> {
            try (SimulatedDisk simulated = SimulatedDisk.consumerSsd().capacityBytes(1 << 20).runtime(runtime)
                    .seed(seed).build()) {
                FaultRule _ = simulated.faults()
                        .add(FaultRule.always().probability(0.2, seed).then(Fault.status(Status.MEDIUM)));
                FaultRule _ = simulated.faults().add(FaultRule.on(Operation.READ).then(Fault.flipOnRead(1)));
                DiskLog log = simulated.record();
                List<Thread> threads = IntStream.range(0, 3).mapToObj(thread -> runtime.spawn("user " + thread, () -> {
                    for (int i = 0; i < 6; i++) {
                        tryAll(simulated.disk(), thread * 8192L, i, lines);
                    }
                })).toList();
                simulated.powerCut(PowerCut.torn(seed));
                threads.forEach(runtime::join);
                simulated.stopRecording();
                log.events().forEach(event -> lines.add(event.toString()));
                simulated.faults().strikes().forEach(strike -> lines.add(strike.toString()));
                lines.add(simulated.snapshot(PowerCut.subset(seed)).toString());
            }
        });
        return lines;
    }

    private static void tryAll(Disk disk, long offset, int value, List<String> lines) {
        MemorySegment read = filled(4096, 0);
        try {
            disk.write(offset, filled(8192, value));
            disk.flush();
            disk.read(offset, read);
            lines.add(Arrays.toString(read.toArray(ValueLayout.JAVA_BYTE)));
        } catch (BlockIOException e) {
            lines.add(e.toString());
        }
    }

    // ---- bad input, and the rest

    @Test
    void badSectorsFail() throws IOException {
        try (SimulatedDisk simulated = small().badBlocks(new BadBlocks().add(3, 1)).build()) {
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> write(simulated, 0, 4, 1))
                    .matches(e -> e.status() == Status.MEDIUM);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> read(simulated, 4));
            assertThat(read(simulated, 3)).containsExactly(0, 0, 0);
        }
    }

    @Test
    void anImpossibleParameterIsRefusedByNameAndValue() {
        assertThatIllegalArgumentException().isThrownBy(() -> small().atomicUnitBytes(1000).build())
                .withMessageContaining("atomicUnitBytes 1000");
        assertThatIllegalArgumentException().isThrownBy(() -> small().atomicUnitBytes(2 << 20).build())
                .withMessageContaining("atomicUnitBytes 2097152");
        assertThatIllegalArgumentException().isThrownBy(() -> small().writeCache(false, false).cacheBytes(4096).build())
                .withMessageContaining("cacheBytes 4096").withMessageContaining("no volatile write cache");
        assertThatIllegalArgumentException().isThrownBy(() -> small().atomicUnitBytes(4096).cacheBytes(512).build())
                .withMessageContaining("cacheBytes 512").withMessageContaining("4096");
        assertThatIllegalArgumentException().isThrownBy(() -> small().bytesPerSecond(-1).build())
                .withMessageContaining("bytesPerSecond -1");
        assertThatIllegalArgumentException().isThrownBy(() -> small().parallelism(-1).build())
                .withMessageContaining("parallelism -1");
        assertThatIllegalArgumentException().isThrownBy(() -> small().capacityBytes(1000).build())
                .withMessageContaining("1000 bytes");
        assertThatIllegalArgumentException().isThrownBy(
                () -> small().capacityBytes(512).limits(QueueLimits.builder().logicalBlockBytes(4096).build()).build())
                .withMessageContaining("capacityBytes 512").withMessageContaining("4096");
        assertThatIllegalArgumentException().isThrownBy(() -> small().depth(0).build())
                .withMessageContaining("depth 0");
        assertThatIllegalArgumentException().isThrownBy(() -> PowerCut.torn(1, 1.5))
                .withMessageContaining("probability 1.5");
        assertThatIllegalArgumentException().isThrownBy(() -> LatencyModel.fixed(-1)).withMessageContaining("-1 ns");
        assertThatIllegalArgumentException().isThrownBy(() -> LatencyModel.uniform(5, 4))
                .withMessageContaining("from 5 to 4");
        assertThatIllegalArgumentException().isThrownBy(() -> LatencyModel.normal(1, -1));
        assertThatIllegalArgumentException().isThrownBy(() -> LatencyModel.longTail(10, 9))
                .withMessageContaining("median 10").withMessageContaining("percentile 9");
        assertThatIllegalArgumentException().isThrownBy(() -> LatencyModel.seek(5, 4, 0));
    }

    @Test
    void aRangeOutsideOfTheDiskIsRefused() throws IOException {
        try (SimulatedDisk simulated = small().build()) {
            assertThatThrownBy(() -> simulated.isDurable(65_000, 1000)).isInstanceOf(IndexOutOfBoundsException.class)
                    .hasMessageContaining("65536");
        }
    }

    @Test
    void closingEndsWhatHangsAndLeavesTheContent() throws IOException {
        SimulatedDisk simulated = small().build();
        write(simulated, 0, 1, 1);
        FaultRule _ = simulated.faults().add(FaultRule.on(Operation.FLUSH).then(Fault.hang()));
        FaultRule _ = simulated.faults().add(FaultRule.on(Operation.READ).then(Fault.timeOut()));
        CompletableFuture<Void> hung = simulated.disk().async().flush();
        CompletableFuture<Void> lost = simulated.disk().async().read(0, filled(SECTOR, 0));
        simulated.close();
        simulated.close();
        assertThat(statusOf(hung)).isEqualTo(Status.NODEV);
        assertThat(statusOf(lost)).isEqualTo(Status.NODEV);
        assertThat(sectors(simulated::snapshot, 1)).containsExactly(1);
        assertThat(simulated.toString()).contains("closed");
    }

    @Test
    void aRequestThatHangsDoesNotKeepTheDiskItselfFromBeingClosed() throws IOException {
        try (SimulatedDisk simulated = small().build()) {
            FaultRule _ = simulated.faults().add(FaultRule.always().then(Fault.hang()));
            CompletableFuture<Void> hung = simulated.disk().async().flush();
            simulated.disk().close();
            assertThat(statusOf(hung)).isEqualTo(Status.NODEV);
        }
    }

    @Test
    void theLastRequestsAreKeptForPeople() throws IOException {
        try (SimulatedDisk simulated = small().build()) {
            for (int i = 0; i < 70; i++) {
                write(simulated, i, 1, 1);
            }
            simulated.disk().write(0, filled(SECTOR, 1), Bio.FUA);
            assertThat(simulated.lastRequests()).hasSize(64);
            assertThat(simulated.lastRequests().getLast().toString())
                    .startsWith("request 71: WRITE of 512 bytes at offset" + " 0, FUA, at ").endsWith(" ns, OK");
        }
    }

    @Test
    void aRecordHoldsWhatWasThereAndCannotBeBegunTwice() throws IOException {
        try (SimulatedDisk simulated = small().build()) {
            write(simulated, 0, 1, 1);
            simulated.disk().write(0, filled(SECTOR, 2), Bio.FUA);
            write(simulated, 1, 1, 3);
            DiskLog log = simulated.record();
            assertThatIllegalStateException().isThrownBy(simulated::record).withMessageContaining("already");
            assertThat(simulated.acknowledge()).isEqualTo(1);
            simulated.disk().flush();
            simulated.stopRecording();
            write(simulated, 2, 1, 4);
            LogCursor cursor = new LogCursor(log);
            while (cursor.acknowledged() == 0) {
                var _ = cursor.next();
            }
            assertThat(sectors(cursor::durable, 3)).containsExactly(2, 0, 0);
            assertThat(cursor.optional()).extracting(VolatilePiece::offset).containsExactly(0L, 512L);
            assertThat(sectors(() -> cursor.lose(cursor.optional()), 3)).containsExactly(2, 3, 0);
            while (cursor.hasNext()) {
                var _ = cursor.next();
            }
            assertThat(sectors(cursor::durable, 3)).containsExactly(2, 3, 0);
            assertThat(cursor.optional()).isEmpty();
        }
    }
}
