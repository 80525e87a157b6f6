package io.blkmq.testkit.junit;

import static io.blkmq.testkit.fs.FileSystemModel.EXT4_ORDERED;
import static io.blkmq.testkit.fs.FileSystemModel.KILL;
import static io.blkmq.testkit.junit.StorageAssertions.assertThat;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.SimulationFailure;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import io.blkmq.testing.SetProperty;
import io.blkmq.testkit.CrashFailure;
import io.blkmq.testkit.disk.FaultRule;
import io.blkmq.testkit.disk.SimulatedDisk;
import io.blkmq.testkit.fs.CrashTest;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/** What the annotations make of methods that succeed, fail, leak and are wrong. Each of those methods is run by JUnit's launcher. */
@NoRescues
class AnnotationsTest {
    private static TestExecutionSummary run(Class<?> test, String method) {
        SummaryGeneratingListener listener = new SummaryGeneratingListener();
        Class<?>[] parameters = Stream.of(test.getDeclaredMethods()).filter(each -> each.getName().equals(method))
                .findFirst().orElseThrow().getParameterTypes();
        LauncherFactory.create().execute(LauncherDiscoveryRequestBuilder.request()
                .selectors(DiscoverySelectors.selectMethod(test, method, parameters)).build(), listener);
        return listener.getSummary();
    }

    private static Throwable failure(Class<?> test, String method) {
        TestExecutionSummary summary = run(test, method);
        assertThat(summary.getFailures()).as(method).hasSize(1);
        return summary.getFailures().getFirst().getException();
    }

    private static void assertPasses(Class<?> test, String method, int times) {
        TestExecutionSummary summary = run(test, method);
        assertThat(summary.getFailures()).extracting(TestExecutionSummary.Failure::getException).isEmpty();
        assertThat(summary.getTestsSucceededCount()).isEqualTo(times);
    }

    static class Crashes {
        @PowerCuts(model = {EXT4_ORDERED, KILL})
        void byTwoModels(CrashTest<String> test) throws Exception {
            test.run((directory, _) -> Files.writeString(directory.resolve("f"), "x"))
                    .check((directory, _) -> assertThat(directory).isDirectory());
        }

        @PowerCuts(model = EXT4_ORDERED)
        void unsynced(CrashTest<String> test) throws Exception {
            test.run((directory, acknowledged) -> {
                Files.writeString(directory.resolve("f"), "x");
                acknowledged.add("f");
            }).check((directory,
                    acknowledged) -> assertThat(acknowledged.isEmpty() || Files.exists(directory.resolve("f")))
                            .isTrue());
        }

        @PowerCuts(model = EXT4_ORDERED)
        void checksNothing(CrashTest<String> test) throws Exception {
            test.run((directory, _) -> Files.writeString(directory.resolve("f"), "x"));
        }

        @PowerCuts(model = {})
        void hasNoModel(CrashTest<String> test) {}

        @PowerCuts(model = KILL, seconds = 0)
        void hasNoTime(CrashTest<String> test) {}
    }

    @Test
    void aCrashTestRunsByEachModel() {
        assertPasses(Crashes.class, "byTwoModels", 2);
    }

    @Test
    void aCrashTestFailsWithItsReport() {
        assertThat(failure(Crashes.class, "unsynced")).isInstanceOf(CrashFailure.class)
                .hasMessageContaining("replay with: -Dblkmq.crash=");
    }

    @Test
    void aCrashTestThatChecksNothingFails() {
        assertThat(failure(Crashes.class, "checksNothing")).hasMessageContaining("has checked nothing");
    }

    @Test
    void whatAnAnnotationLacksIsNamed() {
        assertThat(failure(Crashes.class, "hasNoModel")).hasMessageContaining("needs a model");
        assertThat(failure(Crashes.class, "hasNoTime")).hasMessageContaining("seconds 0: must be at least 1");
    }

    private static void write(Disk disk, long offset, int value) throws IOException {
        try (IoBuffer buffer = disk.allocate(4096)) {
            buffer.memory().fill((byte) value);
            disk.write(offset, buffer.memory());
        }
    }

    static class Disks {
        @SimulatedDiskTest(kind = DiskKind.CONSUMER_SSD, capacityBytes = 1 << 20)
        void flushedIsDurable(SimulatedDisk simulated, Disk disk) throws IOException {
            assertThat(disk.sizeBytes()).isEqualTo(1 << 20);
            write(disk, 0, 7);
            disk.flush();
            write(disk, 8192, 8);
            byte[] sevens = new byte[4096];
            Arrays.fill(sevens, (byte) 7);
            assertThat(simulated).hasDurable(0, sevens).hasNoInFlight().sawFlushBetween(0, 8192);
        }

        @SimulatedDiskTest
        void unflushedIsNot(SimulatedDisk simulated, Disk disk) throws IOException {
            write(disk, 0, 7);
            write(disk, 8192, 8);
            byte[] sevens = new byte[4096];
            Arrays.fill(sevens, (byte) 7);
            assertThatThrownBy(() -> assertThat(simulated).hasDurable(0, sevens)).isInstanceOf(AssertionError.class)
                    .hasMessageContaining("only in the cache");
            assertThatThrownBy(() -> assertThat(simulated).sawFlushBetween(0, 8192)).isInstanceOf(AssertionError.class)
                    .hasMessageContaining("expected a flush between request 1");
            assertThatThrownBy(() -> assertThat(simulated).sawFlushBetween(0, 40960)).isInstanceOf(AssertionError.class)
                    .hasMessageContaining("expected a write at offset 40960");
        }

        @SimulatedDiskTest
        void flushesBetween(SimulatedDisk simulated, Disk disk) throws IOException {
            write(disk, 0, 1);
            write(disk, 8192, 2);
            disk.flush();
            write(disk, 8192, 3);
            missing(simulated, "expected a flush between request 1: WRITE of 4096 bytes at offset 0, at",
                    "and request 2");
            write(disk, 0, 4);
            missing(simulated, "expected a flush between request 1", "and request 2");
            disk.flush();
            write(disk, 8192, 5);
            assertThat(simulated).sawFlushBetween(0, 8192);
            write(disk, 8192, 6);
            assertThat(simulated).sawFlushBetween(0, 8192);
        }

        private static void missing(SimulatedDisk simulated, String... texts) {
            assertThatThrownBy(() -> assertThat(simulated).sawFlushBetween(0, 8192)).isInstanceOf(AssertionError.class)
                    .hasMessageContainingAll(texts);
        }

        @SimulatedDiskTest
        @Fault(on = Operation.WRITE, nth = 1, kind = Fault.Kind.HANG)
        @Fault(on = Operation.WRITE, nth = 3, kind = Fault.Kind.HANG)
        @Fault(on = Operation.FLUSH, nth = 2, kind = Fault.Kind.HANG)
        void flushesTooEarly(SimulatedDisk simulated, Disk disk) throws IOException {
            try (IoBuffer buffer = disk.allocate(4096)) {
                // A flush covers what had ended when it began.
                CompletableFuture<Void> first = disk.async().write(0, buffer.memory());
                disk.flush();
                write(disk, 8192, 2);
                missing(simulated, "expected a flush between request 1", "in flight", "and request 3");
                simulated.faults().release();
                first.join();
                missing(simulated, "expected a flush between request 1", "and request 3");
                // A write with FUA is durable when it has ended.
                CompletableFuture<Void> through = disk.async().write(0, buffer.memory(), Bio.FUA);
                write(disk, 8192, 2);
                simulated.faults().release();
                through.join();
                missing(simulated, "expected a flush between request 4", "and request 5");
                // A flush that is under way has made nothing durable yet.
                write(disk, 0, 3);
                CompletableFuture<Void> flush = disk.async().flush();
                write(disk, 8192, 2);
                simulated.faults().release();
                flush.join();
                missing(simulated, "expected a flush between request 6", "and request 8");
                disk.write(0, buffer.memory(), Bio.FUA);
                write(disk, 8192, 2);
                assertThat(simulated).sawFlushBetween(0, 8192);
            }
        }

        @SimulatedDiskTest
        @Fault(on = Operation.WRITE, nth = 1)
        void failsToWrite(SimulatedDisk simulated, Disk disk) throws IOException {
            assertThatThrownBy(() -> write(disk, 0, 1)).isInstanceOf(BlockIOException.class);
            disk.flush();
            write(disk, 8192, 2);
            missing(simulated, "expected a write at offset 0 that ends well");
        }

        @SimulatedDiskTest
        @Fault(on = Operation.WRITE, kind = Fault.Kind.TORN, amount = 2, nth = 2)
        void isTorn(SimulatedDisk simulated, Disk disk) throws IOException {
            write(disk, 0, 1);
            write(disk, 0, 2);
            assertContent(simulated, 1024);
        }

        @SimulatedDiskTest
        @Fault(on = Operation.WRITE, kind = Fault.Kind.SHORT, amount = 1024, nth = 2)
        void isShort(SimulatedDisk simulated, Disk disk) throws IOException {
            write(disk, 0, 1);
            assertThatThrownBy(() -> write(disk, 0, 2)).isInstanceOf(BlockIOException.class)
                    .hasMessageContaining("IOERR");
            assertContent(simulated, 1024);
        }

        @SimulatedDiskTest(deterministic = true)
        @Fault(on = Operation.WRITE, kind = Fault.Kind.TIME_OUT, nth = 2)
        void timesOut(SimulatedDisk simulated, Disk disk) throws IOException {
            write(disk, 0, 1);
            assertThatThrownBy(() -> write(disk, 0, 2)).isInstanceOf(BlockIOException.class)
                    .hasMessageContaining("TIMEOUT");
            assertContent(simulated, 0);
        }

        /** Of the second write so much is there. */
        private static void assertContent(SimulatedDisk simulated, int newBytes) {
            byte[] expected = new byte[4096];
            Arrays.fill(expected, (byte) 1);
            Arrays.fill(expected, 0, newBytes, (byte) 2);
            assertThat(simulated.snapshot().read(0, 4096)).isEqualTo(expected);
        }

        @SimulatedDiskTest
        @Fault(on = Operation.WRITE, offset = 4096)
        void strikesFromAnOffsetOn(Disk disk) throws IOException {
            write(disk, 0, 1);
            assertThatThrownBy(() -> write(disk, 4096, 1)).isInstanceOf(BlockIOException.class);
            assertThatThrownBy(() -> write(disk, disk.sizeBytes() - 4096, 1)).isInstanceOf(BlockIOException.class);
        }

        @SimulatedDiskTest(capacityBytes = 8192)
        @Fault(on = Operation.WRITE, offset = 8192)
        void beginsBeyondTheDisk(Disk disk) {}

        @SimulatedDiskTest
        @Fault(on = Operation.WRITE, kind = Fault.Kind.TORN, status = Status.MEDIUM)
        void hasAStatusThatNobodySees(Disk disk) {}

        @SimulatedDiskTest
        @Fault(on = Operation.WRITE, kind = Fault.Kind.LOSE, amount = 2)
        void hasAnAmountThatCountsNothing(Disk disk) {}

        @SimulatedDiskTest
        @Fault(on = Operation.WRITE, nth = 2, status = Status.MEDIUM)
        @Fault(on = Operation.READ, kind = Fault.Kind.FLIP_ON_READ, amount = 3)
        void faultsStrike(SimulatedDisk simulated, Disk disk) throws IOException {
            write(disk, 0, 7);
            assertThatThrownBy(() -> write(disk, 0, 8)).isInstanceOf(BlockIOException.class)
                    .hasMessageContaining("MEDIUM");
            assertThat(simulated.faults().struck()).isEqualTo(1);
        }

        @SimulatedDiskTest
        void fails(Disk disk) throws IOException {
            write(disk, 4096, 1);
            throw new AssertionError("mine");
        }

        @SimulatedDiskTest
        void leavesARequest(SimulatedDisk simulated, Disk disk) throws IOException {
            simulated.faults().add(FaultRule.on(Operation.READ).then(io.blkmq.testkit.disk.Fault.hang()));
            IoBuffer buffer = disk.allocate(4096);
            var _ = disk.async().read(0, buffer.memory());
        }

        @SimulatedDiskTest
        void leavesABuffer(Disk disk) {
            kept = disk.allocate(4096);
        }

        private static @Nullable IoBuffer kept;

        private static @Nullable Plug open;

        @SimulatedDiskTest
        void leavesATag(Disk disk) {
            Plug plug = disk.plug();
            open = plug;
            plug.submit(new Bio(0).reset(Operation.DISCARD, 0).length(4096));
        }

        private static final CountDownLatch END = new CountDownLatch(1);

        @SimulatedDiskTest
        void leavesAThread(Disk disk) {
            Thread.ofPlatform().daemon().name("left-over").start(() -> {
                try {
                    END.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
        }

        @SimulatedDiskTest(deterministic = true)
        @Seed(5)
        void inASimulation(DeterministicRuntime runtime, Disk disk) throws IOException {
            assertThat(runtime.seed()).isEqualTo(5);
            long begin = runtime.nanoTime();
            runtime.sleep(1_000_000_000_000L);
            assertThat(runtime.nanoTime() - begin).isGreaterThanOrEqualTo(1_000_000_000_000L);
            write(disk, 0, 1);
        }

        @SimulatedDiskTest(deterministic = true)
        void leavesARequestInASimulation(SimulatedDisk simulated, Disk disk) {
            simulated.faults().add(FaultRule.on(Operation.READ).then(io.blkmq.testkit.disk.Fault.hang()));
            IoBuffer buffer = disk.allocate(4096);
            var _ = disk.async().read(0, buffer.memory());
        }

        @SimulatedDiskTest(deterministic = true)
        void leavesATagInASimulation(Disk disk) {
            leavesATag(disk);
        }

        @SimulatedDiskTest(deterministic = true)
        void failsWithATagInASimulation(Disk disk) {
            leavesATag(disk);
            throw new AssertionError("mine");
        }

        @SimulatedDiskTest(deterministic = true)
        void failsBeforeAThreadDoes(DeterministicRuntime runtime, Disk disk) {
            runtime.spawn("other", () -> {
                runtime.sleep(1_000_000);
                throw new AssertionError("the other's");
            });
            throw new AssertionError("mine");
        }

        @SimulatedDiskTest(deterministic = true)
        void waitsForEverInASimulation(DeterministicRuntime runtime, Disk disk) {
            runtime.park(disk);
        }

        @SimulatedDiskTest
        @Fault(on = Operation.READ, kind = Fault.Kind.LIE)
        void contradicts(Disk disk) {}

        private static final long UNUSUAL_BYTES = 4096L * 4099;

        @SimulatedDiskTest(capacityBytes = UNUSUAL_BYTES)
        @Fault(on = Operation.WRITE, offset = UNUSUAL_BYTES)
        void hasAFaultBesideItsRange(Disk disk) {}

        @SimulatedDiskTest(capacityBytes = 7)
        void hasNoSuchCapacity(Disk disk) {}
    }

    @Test
    void aMethodGetsADiskOfTheKindThatItNames() {
        assertPasses(Disks.class, "flushedIsDurable", 1);
    }

    @Test
    void assertionsTellWhatIsMissing() {
        assertPasses(Disks.class, "unflushedIsNot", 1);
    }

    @Test
    void aFlushIsMissedThatTheFirstLaterWriteDoesNotHave() {
        assertPasses(Disks.class, "flushesBetween", 1);
    }

    @Test
    void aFlushIsMissedThatDoesNotCoverTheWrite() {
        assertPasses(Disks.class, "flushesTooEarly", 1);
        assertPasses(Disks.class, "failsToWrite", 1);
    }

    @Test
    void annotatedFaultsEndAsTheirTextsSay() {
        assertPasses(Disks.class, "isTorn", 1);
        assertPasses(Disks.class, "isShort", 1);
        assertPasses(Disks.class, "timesOut", 1);
    }

    @Test
    void aFaultWithoutALengthStrikesFromItsOffsetOn() {
        assertPasses(Disks.class, "strikesFromAnOffsetOn", 1);
        assertThat(failure(Disks.class, "beginsBeyondTheDisk")).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("offset 8192: the disk has 8192 bytes");
    }

    @Test
    void whatAFaultOfItsKindDoesNotUseIsRefused() {
        assertThat(failure(Disks.class, "hasAStatusThatNobodySees")).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("status MEDIUM").hasMessageContaining("TORN");
        assertThat(failure(Disks.class, "hasAnAmountThatCountsNothing")).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("amount 2").hasMessageContaining("LOSE");
    }

    @Test
    void annotatedFaultsStrike() {
        assertPasses(Disks.class, "faultsStrike", 1);
    }

    @Test
    void aFailureTellsTheLastRequestsAndTheSeed() {
        Throwable failure = failure(Disks.class, "fails");
        assertThat(failure).hasMessage("mine");
        assertThat(failure.getSuppressed()).extracting(Throwable::getMessage).singleElement().asString()
                .contains("seed 1, replay with -D", "request 1: WRITE of 4096 bytes at offset 4096");
    }

    @Test
    void aSeedThatIsGivenCountsAndWhatIsNoneIsRefused() {
        try (SetProperty _ = RandomSeed.give("7")) {
            assertThat(failure(Disks.class, "inASimulation")).hasMessageContaining("expected: 5")
                    .hasMessageContaining("but was: 7");
        }
        try (SetProperty _ = RandomSeed.give("7l")) {
            assertThat(failure(Disks.class, "inASimulation")).isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("seed=7l: ");
        }
    }

    @Test
    void aRequestThatIsLeftAtTheDiskIsFound() {
        assertThat(failure(Disks.class, "leavesARequest")).hasMessageContaining("left 1 requests")
                .hasMessageContaining("READ");
    }

    @Test
    void whatASimulatedMethodLeavesIsFound() {
        assertThat(failure(Disks.class, "leavesARequestInASimulation")).hasMessageContaining("left 1 requests")
                .hasMessageContaining("READ");
        assertThat(failure(Disks.class, "leavesATagInASimulation")).hasMessageContaining("left 1 tags in use");
    }

    @Test
    void aSimulatedMethodFailsByItsOwnFailure() {
        assertThat(failure(Disks.class, "failsWithATagInASimulation")).hasMessage("mine");
        assertThat(failure(Disks.class, "failsBeforeAThreadDoes")).hasMessage("mine").satisfies(
                failure -> assertThat(failure.getSuppressed()).hasAtLeastOneElementOfType(SimulationFailure.class));
        assertThat(failure(Disks.class, "waitsForEverInASimulation")).isInstanceOf(SimulationFailure.class)
                .hasMessageContaining("deadlock");
    }

    @Test
    void aBufferThatIsLeftIsFound() {
        assertThat(failure(Disks.class, "leavesABuffer")).hasMessageContaining("left buffers of 4096 bytes");
        Objects.requireNonNull(Disks.kept).close();
    }

    @Test
    void aTagThatIsLeftIsFound() {
        try {
            assertThat(failure(Disks.class, "leavesATag")).hasMessageContaining("left 1 tags in use");
        } finally {
            Objects.requireNonNull(Disks.open).close();
        }
    }

    @Test
    void aThreadThatIsLeftIsFound() {
        assertThat(failure(Disks.class, "leavesAThread")).hasMessage("the test left threads: [left-over]");
        Disks.END.countDown();
    }

    @Test
    void aMethodRunsInASimulation() {
        assertPasses(Disks.class, "inASimulation", 1);
    }

    @Test
    void aFaultThatCannotStrikeIsRefused() {
        assertThat(failure(Disks.class, "contradicts")).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("[READ]").hasNoSuppressedExceptions();
    }

    @Test
    void aDiskThatCannotBeAsItIsAnnotatedIsClosed() {
        assertThat(failure(Disks.class, "hasAFaultBesideItsRange")).isInstanceOf(IllegalArgumentException.class)
                .hasNoSuppressedExceptions();
        assertThat(Disk.live()).extracting(Disk::sizeBytes).doesNotContain(Disks.UNUSUAL_BYTES);
        assertThat(failure(Disks.class, "hasNoSuchCapacity")).isInstanceOf(IllegalArgumentException.class)
                .hasNoSuppressedExceptions();
    }
}
