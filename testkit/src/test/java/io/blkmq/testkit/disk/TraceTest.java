package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Traces of disks: recorded, read, summarised, and replayed. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class TraceTest {
    private static final int SECTOR = 512;

    @TempDir
    private Path folder;

    private static MemorySegment bytes(int count) {
        return MemorySegment.ofArray(new byte[count]);
    }

    private Path file() {
        return folder.resolve("a.trace");
    }

    private static SimulatedDisk.Builder small() {
        return SimulatedDisk.builder().capacityBytes(1 << 20);
    }

    private static List<TraceRecord> read(Path file) throws IOException {
        try (TraceReader reader = TraceReader.open(file)) {
            List<TraceRecord> records = reader.readAll();
            assertThat(reader.damaged()).isZero();
            return records;
        }
    }

    /** A trace of given records. */
    private Path traceOf(TraceRecord... records) throws IOException {
        byte[] content = new byte[TraceFormat.HEADER_BYTES + records.length * TraceFormat.RECORD_BYTES];
        byte[] header = TraceFormat.header("made", 1 << 20, SECTOR);
        System.arraycopy(header, 0, content, 0, header.length);
        MemorySegment memory = MemorySegment.ofArray(new long[content.length / Long.BYTES]);
        memory.copyFrom(MemorySegment.ofArray(content));
        for (int i = 0; i < records.length; i++) {
            long at = TraceFormat.HEADER_BYTES + (long) i * TraceFormat.RECORD_BYTES;
            TraceFormat.submit(memory, at, records[i]);
            Status status = records[i].status();
            if (status != null) {
                TraceFormat.end(memory, at, records[i].latencyNanos(), status);
            }
        }
        return Files.write(file(), memory.toArray(ValueLayout.JAVA_BYTE));
    }

    private static TraceRecord record(long submit, long latency, Operation operation, long sector, long count) {
        return new TraceRecord(submit, latency, operation, sector, count, 0, 0, latency < 0 ? null : Status.OK);
    }

    // ---- recording and reading

    @Test
    void everyBioIsRecordedAsItWasSubmittedWithItsEnd() throws IOException {
        try (SimulatedDisk simulated = small().name("traced").build()) {
            Disk disk = simulated.disk();
            FaultRule _ = simulated.faults()
                    .add(FaultRule.on(Operation.READ).range(4096, 1).then(Fault.status(Status.MEDIUM)));
            try (TraceRecorder recorder = TraceRecorder.start(disk, file());
                    Disk partition = disk.partition("part", 1 << 16, 1 << 16)) {
                disk.write(1024, bytes(2048), Bio.PREFLUSH | Bio.FUA);
                assertThatThrownBy(() -> disk.read(4096, bytes(SECTOR))).isInstanceOf(BlockIOException.class);
                disk.flush();
                disk.discard(0, 4096);
                disk.writeZeroes(0, 4096, true);
                partition.read(SECTOR, bytes(SECTOR));
                assertThat(recorder.recorded()).isEqualTo(6);
            }
            disk.flush();
        }
        try (TraceReader reader = TraceReader.open(file())) {
            assertThat(reader.diskName()).isEqualTo("traced");
            assertThat(reader.diskBytes()).isEqualTo(1 << 20);
            assertThat(reader.logicalBlockBytes()).isEqualTo(SECTOR);
            List<TraceRecord> records = reader.readAll();
            assertThat(records).extracting(TraceRecord::operation).containsExactly(Operation.WRITE, Operation.READ,
                    Operation.FLUSH, Operation.DISCARD, Operation.WRITE_ZEROES, Operation.READ);
            assertThat(records).extracting(TraceRecord::sector).containsExactly(2L, 8L, 0L, 0L, 0L, 129L);
            assertThat(records).extracting(TraceRecord::bytes).containsExactly(2048L, 512L, 0L, 4096L, 4096L, 512L);
            assertThat(records).extracting(TraceRecord::status).containsExactly(Status.OK, Status.MEDIUM, Status.OK,
                    Status.OK, Status.OK, Status.OK);
            assertThat(records.getFirst().flags()).isEqualTo(Bio.PREFLUSH | Bio.FUA);
            assertThat(records).isSortedAccordingTo((a, b) -> Long.compare(a.submitNanos(), b.submitNanos()))
                    .allMatch(each -> each.latencyNanos() >= 0 && each.endNanos() >= each.submitNanos());
            assertThat(records.getFirst().toString()).contains("WRITE", "2 +2048", "PREFLUSH FUA");
            assertThat(records.get(1).toString()).contains("MEDIUM");
        }
    }

    @Test
    void aTraceGrowsAndTakesFromSeveralThreads() throws IOException {
        int each = TraceRecorder.CHUNK_RECORDS / 2 + 100;
        try (Disk disk = NullBlk.builder().completion(NullBlk.Completion.INLINE).build();
                TraceRecorder _ = TraceRecorder.start(disk, file())) {
            Eventually.together(3, false, thread -> {
                for (int i = 0; i < each; i++) {
                    disk.read((thread * 100_000L + i) * SECTOR, bytes(SECTOR));
                }
            });
        }
        assertThat(file()).hasSize(TraceFormat.HEADER_BYTES + 3L * each * TraceFormat.RECORD_BYTES);
        List<TraceRecord> records = read(file());
        assertThat(records).hasSize(3 * each).allMatch(record -> record.status() == Status.OK);
        assertThat(records.stream().map(TraceRecord::sector).distinct().count()).isEqualTo(3L * each);
        assertThat(records.stream().map(TraceRecord::thread).distinct().count()).isEqualTo(3);
    }

    /** An interrupt of one thread that submits ends no other one's record. */
    @Test
    void anInterruptedThreadIsRecordedAndKeepsItsInterrupt() throws IOException {
        try (Disk disk = NullBlk.builder().completion(NullBlk.Completion.INLINE).build();
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            TraceRecorder trace = TraceRecorder.start(disk, file());
            try {
                // The first record of a chunk makes it.
                for (int i = 0; i <= TraceRecorder.CHUNK_RECORDS; i++) {
                    boolean first = i % TraceRecorder.CHUNK_RECORDS == 0;
                    if (first) {
                        Thread.currentThread().interrupt();
                    }
                    disk.submit(new Bio(1).reset(Operation.WRITE, 0).add(buffer.memory()));
                    assertThat(Thread.interrupted()).isEqualTo(first);
                }
                Thread.currentThread().interrupt();
            } finally {
                trace.close();
            }
            assertThat(Thread.interrupted()).isTrue();
        }
        assertThat(read(file())).hasSize(TraceRecorder.CHUNK_RECORDS + 1);
    }

    @Test
    void whatIsInFlightWhenTheTraceIsClosedStaysSo() throws IOException {
        try (SimulatedDisk simulated = small().build()) {
            FaultRule _ = simulated.faults().add(FaultRule.on(Operation.WRITE).then(Fault.hang()));
            TraceRecorder recorder = TraceRecorder.start(simulated.disk(), file());
            var hung = simulated.disk().async().write(0, bytes(SECTOR));
            simulated.disk().flush();
            recorder.close();
            recorder.close();
            simulated.faults().release();
            hung.join();
        }
        assertThat(read(file())).extracting(TraceRecord::status).containsExactly(null, Status.OK);
        assertThat(read(file()).getFirst().toString()).contains("in flight");
        assertThat(read(file()).getFirst().endNanos()).isEqualTo(Long.MAX_VALUE);
    }

    @Test
    void aTraceWhoseWriterDiesIsThere() throws Exception {
        Process process = JavaProcess.start("--enable-native-access=ALL-UNNAMED", "-cp",
                Path.of("target", "test-classes") + File.pathSeparator + JavaProcess.classPath(),
                TracedWriter.class.getName(), file().toString(), "1000");
        assertThat(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)).isEmpty();
        assertThat(process.waitFor()).isEqualTo(3);
        assertThat(Files.size(file())).isGreaterThan(TraceFormat.HEADER_BYTES + 1000 * TraceFormat.RECORD_BYTES);
        assertThat(read(file())).hasSize(1000).allMatch(record -> record.status() == Status.OK);
        assertThat(TraceSummary.of(file()).count()).isEqualTo(1000);
    }

    @Test
    void whatAWriterWasInTheMiddleOfIsLeftOutOrReadAsInFlight() throws IOException {
        traceOf(record(1, 10, Operation.READ, 1, SECTOR), record(2, 20, Operation.READ, 2, SECTOR),
                record(3, 30, Operation.READ, 3, SECTOR), record(4, -1, Operation.READ, 4, SECTOR),
                record(5, 50, Operation.READ, 5, SECTOR));
        try (RandomAccessFile raw = new RandomAccessFile(file().toFile(), "rw")) {
            // Submitted, but for the last word.
            raw.seek(TraceFormat.HEADER_BYTES + TraceFormat.RECORD_BYTES + 32);
            raw.writeLong(0);
            // Damaged.
            raw.seek(TraceFormat.HEADER_BYTES + 2L * TraceFormat.RECORD_BYTES + 16);
            raw.write(77);
            // Ended, but for the last word.
            raw.seek(TraceFormat.HEADER_BYTES + 3L * TraceFormat.RECORD_BYTES + 8);
            raw.writeLong(123);
            // Half a record in the end.
            raw.setLength(raw.length() - 20);
        }
        try (TraceReader reader = TraceReader.open(file())) {
            assertThat(reader.readAll()).containsExactly(record(1, 10, Operation.READ, 1, SECTOR),
                    record(4, -1, Operation.READ, 4, SECTOR));
            assertThat(reader.damaged()).isEqualTo(1);
        }
        assertThat(TraceSummary.of(file()).toString()).contains("damaged records: 1");
    }

    @Test
    void theSameSeedMakesTheSameTraceAHundredTimes() throws IOException {
        long seed = RandomSeed.of(TraceTest.class);
        byte[] first = simulatedTrace(seed);
        for (int i = 1; i < 100; i++) {
            assertThat(simulatedTrace(seed)).isEqualTo(first);
        }
        assertThat(simulatedTrace(seed + 1)).isNotEqualTo(first);
    }

    private byte[] simulatedTrace(long seed) throws IOException {
        var _ = DeterministicRuntime.run(seed, runtime -> {
            try (SimulatedDisk simulated = SimulatedDisk.consumerSsd().capacityBytes(1 << 20).runtime(runtime)
                    .seed(seed).build(); TraceRecorder _ = TraceRecorder.start(simulated.disk(), file())) {
                IntStream.range(0, 3).mapToObj(thread -> runtime.spawn("user " + thread, () -> {
                    for (int i = 0; i < 5; i++) {
                        simulated.disk().write(thread * 8192L + i * 512L, bytes(SECTOR));
                        simulated.disk().flush();
                    }
                })).toList().forEach(runtime::join);
            }
        });
        return Files.readAllBytes(file());
    }

    @Test
    void whatIsNoTraceIsRefused() throws IOException {
        Path other = Files.write(folder.resolve("other"), new byte[1000]);
        assertThatIllegalArgumentException().isThrownBy(() -> TraceReader.open(other)).withMessageContaining("other")
                .withMessageContaining("is no trace");
        Path empty = Files.createFile(folder.resolve("empty"));
        assertThatIllegalArgumentException().isThrownBy(() -> TraceSummary.of(empty))
                .withMessageContaining("is no trace");
        byte[] header = TraceFormat.header("disk", 512, 512);
        header[8] = 9;
        Path newer = Files.write(folder.resolve("newer"), header);
        assertThatIllegalArgumentException().isThrownBy(() -> TraceReader.open(newer))
                .withMessageContaining("version 9").withMessageContaining("version 1");
        header[8] = 1;
        header[32] = 120;
        Path damaged = Files.write(folder.resolve("damaged"), header);
        assertThatIllegalArgumentException().isThrownBy(() -> TraceReader.open(damaged))
                .withMessageContaining("damaged trace").withMessageContaining("name of 120");
    }

    // ---- summary

    @Test
    void aSummaryAddsUp() throws IOException {
        traceOf(record(0, 100, Operation.WRITE, 0, 4096), record(10, 20, Operation.WRITE, 8, SECTOR),
                record(20, 10, Operation.WRITE, 100, SECTOR), record(200, 300, Operation.READ, 0, 1024),
                new TraceRecord(300, 40, Operation.READ, 2, 1024, 0, 0, Status.MEDIUM),
                record(400, -1, Operation.FLUSH, 0, 0));
        TraceSummary summary = TraceSummary.of(file());
        assertThat(summary.count()).isEqualTo(6);
        assertThat(summary.durationNanos()).isEqualTo(500);
        assertThat(summary.depthMax()).isEqualTo(3);
        assertThat(summary.depthMean()).isEqualTo((1 + 2 + 3 + 1 + 2 + 2) / 6.0);
        assertThat(summary.errors()).containsOnlyKeys(Status.MEDIUM).containsValue(1L);
        TraceSummary.Figures writes = figures(summary, Operation.WRITE);
        assertThat(writes).isEqualTo(new TraceSummary.Figures(3, 5120, 512, 4096, 1, 0, 0,
                new TraceSummary.Latency(10, 130 / 3.0, 20, 100, 100, 100, 100)));
        assertThat(writes.sequentialShare()).isEqualTo(1 / 3.0);
        assertThat(figures(summary, Operation.READ).failed()).isEqualTo(1);
        assertThat(figures(summary, Operation.FLUSH).latency()).isNull();
        assertThat(summary.toString())
                .startsWith("made: 6 bios in 0.000001 s, in flight 1.8 on average and 3 at the most")
                .contains("WRITE: 3 bios, 5120 bytes", "33.3 % sequential", "in flight   1", "MEDIUM: 1");
    }

    private static TraceSummary.Figures figures(TraceSummary summary, Operation operation) {
        return Objects.requireNonNull(summary.operations().get(operation));
    }

    @Test
    void percentilesAreExact() throws IOException {
        List<TraceRecord> records = new ArrayList<>();
        for (int i = 1; i <= 1000; i++) {
            records.add(record(i, i * 7 % 1009, Operation.READ, 0, SECTOR));
        }
        traceOf(records.toArray(TraceRecord[]::new));
        long[] sorted = records.stream().mapToLong(TraceRecord::latencyNanos).sorted().toArray();
        TraceSummary.Latency latency = Objects
                .requireNonNull(figures(TraceSummary.of(file()), Operation.READ).latency());
        assertThat(latency.p50()).isEqualTo(sorted[499]);
        assertThat(latency.p90()).isEqualTo(sorted[899]);
        assertThat(latency.p99()).isEqualTo(sorted[989]);
        assertThat(latency.p999()).isEqualTo(sorted[998]);
        assertThat(latency.max()).isEqualTo(sorted[999]);
    }

    // ---- replay

    private Path mixedTrace() throws IOException {
        return traceOf(record(0, 100, Operation.WRITE, 0, 4096),
                new TraceRecord(1_000_000, 20, Operation.WRITE, 8, SECTOR, Bio.FUA | Bio.NOWAIT, 0, Status.OK),
                record(2_000_000, -1, Operation.READ, 0, 3 << 18), record(3_000_000, 5, Operation.FLUSH, 0, 0),
                record(4_000_000, 5, Operation.DISCARD, 0, 4096),
                record(5_000_000, 5, Operation.WRITE_ZEROES, 8, 4096));
    }

    @Test
    void aTraceIsReplayedOnAnotherDisk() throws Exception {
        Path trace = mixedTrace();
        try (SimulatedDisk simulated = small().build()) {
            TraceReplay.Result result = TraceReplay.of(trace).run(simulated.disk());
            assertThat(result.submitted()).isEqualTo(6);
            assertThat(result.failed()).isZero();
            assertThat(result.skipped()).isZero();
            assertThat(result.bytes()).isEqualTo(3 * 4096 + SECTOR + (3 << 18));
            assertThat(simulated.lastRequests()).extracting(SeenRequest::operation).containsExactly(Operation.WRITE,
                    Operation.WRITE, Operation.READ, Operation.FLUSH, Operation.DISCARD, Operation.WRITE_ZEROES);
            assertThat(simulated.lastRequests().get(1).flags()).isEqualTo(Bio.FUA);
        }
        try (SimulatedDisk hard = SimulatedDisk.hardDisk().latency(LatencyModel.NONE).bytesPerSecond(0)
                .capacityBytes(1 << 20).build()) {
            assertThat(TraceReplay.of(trace).depth(1).run(hard.disk()).skipped()).isEqualTo(2);
            FaultRule _ = hard.faults().add(FaultRule.on(Operation.WRITE).then(Fault.status(Status.IOERR)));
            assertThat(TraceReplay.of(trace).run(hard.disk()).failed()).isEqualTo(2);
        }
        try (Disk polled = NullBlk.builder().capacityBytes(1 << 20).memoryBacked(true).build()) {
            assertThat(TraceReplay.of(trace).depth(2).run(polled).submitted()).isEqualTo(6);
        }
    }

    @Test
    void aTimedReplayKeepsTheTimesAndTheDepthItsBound() throws IOException {
        Path trace = mixedTrace();
        var _ = DeterministicRuntime.run(RandomSeed.next(TraceTest.class), runtime -> {
            try (SimulatedDisk simulated = small().runtime(runtime).build()) {
                TraceReplay.Result timed = TraceReplay.of(trace).timed().run(simulated.disk());
                assertThat(timed.nanos()).isBetween(5_000_000L, 5_100_000L);
                assertThat(timed.lateNanos()).isBetween(0L, 100_000L);
                assertThat(TraceReplay.of(trace).run(simulated.disk()).nanos()).isLessThan(1_000_000);
            }
            try (SimulatedDisk slow = small().runtime(runtime).latency(LatencyModel.fixed(10_000_000)).build()) {
                assertThat(TraceReplay.of(trace).depth(2).run(slow.disk()).nanos()).isBetween(30_000_000L, 30_500_000L);
                TraceReplay.Result late = TraceReplay.of(trace).depth(1).timed().run(slow.disk());
                assertThat(late.lateNanos()).isBetween(45_000_000L, 45_500_000L);
            }
        });
    }

    @Test
    void aReplayReturnsWhenAllHasEnded() throws IOException {
        Path trace = mixedTrace();
        var _ = DeterministicRuntime.run(RandomSeed.next(TraceTest.class), runtime -> {
            try (SimulatedDisk slow = small().runtime(runtime).latency(LatencyModel.uniform(1_000, 1_000_000))
                    .build()) {
                TraceReplay.Result result = TraceReplay.of(trace).run(slow.disk());
                assertThat(slow.inFlight()).isZero();
                assertThat(result.submitted()).isEqualTo(6);
                assertThat(result.bytes()).isEqualTo(3 * 4096 + SECTOR + (3 << 18));
            }
        });
    }

    @Test
    void aTraceThatDoesNotFitIsRefusedBeforeAnythingIsWritten() throws IOException {
        Path trace = mixedTrace();
        try (SimulatedDisk tiny = SimulatedDisk.builder().capacityBytes(4096).build();
                SimulatedDisk coarse = small()
                        .limits(QueueLimits.builder().logicalBlockBytes(4096).anyMemory(true).build()).build();
                SimulatedDisk fixed = small().limits(QueueLimits.builder().readOnly(true).build()).build()) {
            assertThatIllegalArgumentException().isThrownBy(() -> TraceReplay.of(trace).run(tiny.disk()))
                    .withMessageContaining("sector 8").withMessageContaining("past its end at 4096");
            assertThatIllegalArgumentException().isThrownBy(() -> TraceReplay.of(trace).run(coarse.disk()))
                    .withMessageContaining("sector 8").withMessageContaining("blocks of 4096");
            assertThatIllegalArgumentException().isThrownBy(() -> TraceReplay.of(trace).run(fixed.disk()))
                    .withMessageContaining("read-only");
            assertThat(tiny.lastRequests()).isEmpty();
            assertThatIllegalArgumentException().isThrownBy(() -> TraceReplay.of(trace).depth(0))
                    .withMessageContaining("depth 0");
        }
    }

    @Test
    void anInterruptEndsAReplayWhenWhatItHasSubmittedHasEnded() throws Exception {
        Path trace = mixedTrace();
        try (SimulatedDisk simulated = small().build(); IoBuffer _ = simulated.disk().allocate(SECTOR)) {
            FaultRule _ = simulated.faults().add(FaultRule.always().nth(2).then(Fault.hang()));
            var worker = Eventually.start(() -> {
                var _ = TraceReplay.of(trace).depth(1).run(simulated.disk());
            });
            Eventually.until("the second bio hangs", () -> simulated.faults().struck() == 1);
            worker.thread().interrupt();
            assertThat(worker.isDone()).isFalse();
            simulated.faults().release();
            assertThat(worker.failure()).isInstanceOf(InterruptedException.class);
            assertThat(simulated.inFlight()).isZero();
        }
    }
}
