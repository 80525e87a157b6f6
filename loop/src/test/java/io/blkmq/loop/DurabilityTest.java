package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import io.blkmq.testing.JavaProcess;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** That what a device acknowledges as durable has been synced, and is found after its process was killed. */
@NoRescues
@BesideOthers
class DurabilityTest {
    private static final int MIB = 1 << 20;
    private static final int CRASHES = 2;
    /** A process is killed after at most so many records. */
    private static final int RECORDS_MAX = 200;
    private static final long RECORDS_OF_A_PROCESS = 64L * MIB / CrashWriter.RECORD_BYTES / CRASHES;

    @TempDir
    private Path directory;
    private Path image;

    static Stream<LoopDeviceTest.Way> ways() {
        return LoopDeviceTest.ways();
    }

    static Stream<LoopDeviceTest.Way> waysOfManyThreads() {
        return ways().filter(way -> !way.polled());
    }

    @BeforeEach
    void makeImage() throws IOException {
        image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(64 * MIB);
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void everyAcknowledgementOfAFlushIsPrecededByASyncThatBeganAfterTheData(LoopDeviceTest.Way way) throws Exception {
        for (boolean fua : new boolean[]{false, true}) {
            requireSyncBeforeEachAcknowledgement(way, fua);
        }
    }

    private void requireSyncBeforeEachAcknowledgement(LoopDeviceTest.Way way, boolean fua) throws Exception {
        try (LoopDevice device = LoopDevice.attach(way.config(image).fua(fua).build());
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            Disk disk = device.disk();
            SyncLatch syncs = device.syncs();
            assertThat(disk.limits().hasFua()).isEqualTo(fua && way.direct() && !way.engine().equals("channel"));
            // A write that the engine writes through is no sync of the file's; what it is is looked at by a test of its own.
            long flushAfter = disk.limits().hasFua() ? 0 : 1;
            for (int i = 1; i <= 20; i++) {
                long before = syncs.count();
                disk.write(0, buffer.memory());
                assertThat(syncs.count()).as("an ordinary write").isEqualTo(before);
                disk.flush();
                assertThat(syncs.count()).as("a flush").isEqualTo(before + 1);
                disk.write(4096, buffer.memory(), Bio.FUA);
                assertThat(syncs.count()).as("a FUA write").isEqualTo(before + 1 + flushAfter);
                disk.write(8192, buffer.memory(), Bio.PREFLUSH);
                assertThat(syncs.count()).as("a PREFLUSH write").isEqualTo(before + 2 + flushAfter);
                disk.write(8192, buffer.memory(), Bio.PREFLUSH | Bio.FUA);
                assertThat(syncs.count()).as("both").isEqualTo(before + 3 + 2 * flushAfter);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("waysOfManyThreads")
    @DisplayName("block/004 very many flushes, from many threads at once, and after each write")
    void veryManyFlushes(LoopDeviceTest.Way way) throws Exception {
        int each = 100;
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            Disk disk = device.disk();
            List<Callable<Boolean>> all = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                long offset = i * 4096L;
                all.add(() -> {
                    try (IoBuffer buffer = IoBuffer.allocate(4096)) {
                        for (int n = 0; n < each; n++) {
                            disk.write(offset, buffer.memory());
                            disk.flush();
                        }
                    }
                    return true;
                });
            }
            for (Future<Boolean> done : threads.invokeAll(all)) {
                assertThat(done.get()).isTrue();
            }
            assertThat(device.syncs().count()).as("syncs for %d flushes", 16 * each).isPositive()
                    .isLessThanOrEqualTo(16L * each);
            disk.freeze();
            assertThat(disk.queue().heldTags()).isZero();
            disk.unfreeze();
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void afterAFailedSyncEveryFlushFailsUntilTheFailureIsCleared(LoopDeviceTest.Way way) throws Exception {
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            Disk disk = device.disk();
            disk.flush();
            device.syncs().fail(5);
            assertThatThrownBy(disk::flush).isInstanceOf(BlockIOException.class);
            assertThatThrownBy(() -> disk.write(0, buffer.memory(), Bio.FUA)).isInstanceOf(BlockIOException.class);
            disk.write(0, buffer.memory());
            assertThatThrownBy(disk::flush).isInstanceOf(BlockIOException.class);
            device.clearSyncError();
            disk.write(0, buffer.memory(), Bio.FUA);
            disk.flush();
        }
    }

    @ParameterizedTest
    @MethodSource("ways")
    void aFlushStartsNoWorkerWhereTheEngineSyncs(LoopDeviceTest.Way way) throws Exception {
        try (LoopDevice device = LoopDevice.attach(way.config(image).build());
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            for (int i = 0; i < 10; i++) {
                device.disk().write(i * 4096L, buffer.memory());
                device.disk().flush();
            }
            assertThat(device.syncs().count()).isEqualTo(10);
            boolean byEngine = way.direct() && !way.engine().equals("channel");
            assertThat(device.workQueue().workers() == 0).isEqualTo(byEngine);
        }
    }

    @ParameterizedTest
    @MethodSource("waysOfManyThreads")
    void aFlushOfOneOfSeveralQueuesWaitsForThatOfAnother(LoopDeviceTest.Way way) throws Exception {
        int each = 200;
        try (LoopDevice device = LoopDevice.attach(way.config(image).hardwareQueues(4).build());
                ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Callable<Boolean>> all = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                long offset = i * 4096L;
                all.add(() -> {
                    try (IoBuffer buffer = IoBuffer.allocate(4096)) {
                        for (int n = 0; n < each; n++) {
                            device.disk().write(offset, buffer.memory(), n % 2 == 0 ? Bio.FUA : 0);
                            device.disk().flush();
                        }
                    }
                    return true;
                });
            }
            for (Future<Boolean> done : threads.invokeAll(all)) {
                assertThat(done.get()).isTrue();
            }
            assertThat(device.syncs().count()).isBetween((long) each, 8L * each + 4L * each);
        }
    }

    @ParameterizedTest
    @MethodSource("waysOfManyThreads")
    void everyAcknowledgedRecordIsFoundAfterTheProcessWasKilled(LoopDeviceTest.Way way) throws Exception {
        long seed = RandomSeed.of(DurabilityTest.class);
        Random random = new Random(seed);
        TreeSet<Long> acknowledged = new TreeSet<>();
        for (int crash = 0; crash < CRASHES; crash++) {
            // Each has records of its own, of which enough are left however late it is killed.
            long first = crash * RECORDS_OF_A_PROCESS;
            List<Long> printed = writeUntilKilled(way, first, 1 + random.nextInt(RECORDS_MAX), crash % 2 == 0);
            assertThat(printed).as("seed %d", seed).isNotEmpty();
            acknowledged.addAll(printed);
            attachSoon(way).close();
        }
        try (LoopDevice device = attachSoon(way);
                IoBuffer found = IoBuffer.allocate(CrashWriter.RECORD_BYTES);
                Arena arena = Arena.ofConfined()) {
            MemorySegment expected = arena.allocate(CrashWriter.RECORD_BYTES, Long.BYTES);
            for (long number : acknowledged) {
                CrashWriter.fill(expected, number);
                device.disk().read(number * CrashWriter.RECORD_BYTES, found.memory());
                assertThat(found.memory().mismatch(expected)).as("record %d, seed %d", number, seed).isEqualTo(-1);
            }
        }
    }

    /** A ring of a process that was killed is taken down by the kernel in its own time, and has the file until then. */
    private LoopDevice attachSoon(LoopDeviceTest.Way way) {
        List<LoopDevice> attached = new ArrayList<>();
        Eventually.until("the file is free", () -> {
            try {
                return attached.add(LoopDevice.attach(way.config(image).build()));
            } catch (IOException e) {
                if (!e.toString().contains("in use")) {
                    throw new UncheckedIOException(e);
                }
                return false;
            }
        });
        return attached.getFirst();
    }

    private static String property(String name) {
        return Objects.requireNonNull(System.getProperty(name), name);
    }

    /** Returns the numbers of the records that another process had acknowledged when it was killed. */
    private List<Long> writeUntilKilled(LoopDeviceTest.Way way, long first, int records, boolean fua) throws Exception {
        Path errors = directory.resolve("errors");
        Process writer = JavaProcess
                .of("java",
                        List.of("--module-path", property("jdk.module.path"), "--patch-module",
                                "io.blkmq.loop=" + Path.of("target", "test-classes").toAbsolutePath(),
                                "--enable-native-access=io.blkmq.aio", "--module",
                                "io.blkmq.loop/" + CrashWriter.class.getName(), image.toString(), way.engine(),
                                way.direct() ? "direct" : "buffered", Long.toString(first),
                                Long.toString(first + RECORDS_OF_A_PROCESS), Boolean.toString(fua)))
                .redirectError(errors.toFile()).start();
        List<Long> printed = new ArrayList<>();
        try (BufferedReader out = writer.inputReader(StandardCharsets.US_ASCII)) {
            for (String line = out.readLine(); line != null; line = out.readLine()) {
                printed.add(Long.valueOf(line));
                if (printed.size() == records) {
                    // SIGKILL. By its handle, since destroying the process closes the pipe, with what it had printed before.
                    writer.toHandle().destroyForcibly();
                }
            }
        } finally {
            var _ = writer.destroyForcibly();
            writer.waitFor();
        }
        assertThat(printed).as("what it wrote, and said: %s", Files.readString(errors))
                .hasSizeGreaterThanOrEqualTo(records);
        return printed;
    }
}
