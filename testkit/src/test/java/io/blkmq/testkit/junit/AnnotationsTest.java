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
import io.blkmq.testing.NoRescues;
import io.blkmq.testkit.CrashFailure;
import io.blkmq.testkit.disk.FaultRule;
import io.blkmq.testkit.disk.SimulatedDisk;
import io.blkmq.testkit.fs.CrashTest;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.Objects;
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

        @SimulatedDiskTest
        @Fault(on = Operation.READ, kind = Fault.Kind.LIE)
        void contradicts(Disk disk) {}
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
    void aRequestThatIsLeftAtTheDiskIsFound() {
        assertThat(failure(Disks.class, "leavesARequest")).hasMessageContaining("left 1 requests")
                .hasMessageContaining("READ");
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
                .hasMessageContaining("[READ]");
    }
}
