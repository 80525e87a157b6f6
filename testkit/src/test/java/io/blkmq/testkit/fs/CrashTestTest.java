package io.blkmq.testkit.fs;

import static io.blkmq.testkit.fs.FileSystemModel.EXT4_ORDERED;
import static io.blkmq.testkit.fs.FileSystemModel.KILL;
import static io.blkmq.testkit.fs.FileSystemModel.POSIX;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.blkmq.testkit.CrashFailure;
import io.blkmq.testkit.CrashReport;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class CrashTestTest {
    private static final CrashTest.Workload<String> UNSYNCED = (directory, acknowledged) -> {
        Files.writeString(directory.resolve("f"), "content");
        acknowledged.add("f");
    };
    private static final CrashTest.Check<String> ALL_THERE = (directory, acknowledged) -> {
        for (String name : acknowledged) {
            assertThat(directory.resolve(name)).hasContent("content");
        }
    };

    private static void writeSynced(Path file, String content) throws IOException {
        Files.writeString(file, content);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
        try (FileChannel channel = FileChannel.open(Objects.requireNonNull(file.getParent()),
                StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    @Test
    void whatWasSyncedPassesByEachModel() throws Exception {
        for (FileSystemModel model : FileSystemModel.values()) {
            CrashReport report = CrashTest.<String>of(model).run((directory, acknowledged) -> {
                writeSynced(directory.resolve("f"), "content");
                acknowledged.add("f");
            }).check(ALL_THERE);
            assertThat(report.holds()).isTrue();
            assertThat(report.checked()).isGreaterThan(1);
            assertThat(report.completePoints()).isEqualTo(report.points());
        }
    }

    @Test
    void whatWasNotSyncedSurvivesAKillAlone() throws Exception {
        assertThat(CrashTest.<String>of(KILL).run(UNSYNCED).explore(ALL_THERE).holds()).isTrue();
        assertThat(CrashTest.<String>of(POSIX).run(UNSYNCED).explore(ALL_THERE).holds()).isFalse();
        assertThat(CrashTest.<String>of(EXT4_ORDERED).run(UNSYNCED).explore(ALL_THERE).holds()).isFalse();
    }

    @Test
    void aReportNamesTheSmallestCrashAndReplaysIt() throws Exception {
        CrashTest<String>.Recorded recorded = CrashTest.<String>of(EXT4_ORDERED).run((directory, acknowledged) -> {
            writeSynced(directory.resolve("other"), "content");
            acknowledged.add("other");
            Files.writeString(directory.resolve("f"), "content");
            acknowledged.add("f");
            Files.writeString(directory.resolve("later"), "x");
        });
        CrashReport report = recorded.explore(ALL_THERE);
        CrashReport.Failure failure = Objects.requireNonNull(report.failure());
        assertThat(failure.crash()).endsWith("acknowledged: 2");
        assertThat(failure.lost()).hasSize(1).first().asString().contains("data of /store/f, 7 bytes at 0");
        assertThat(failure.acknowledged()).isEqualTo("2 [other, f]");
        assertThat(report.toString()).contains("a crash breaks a promise: files by the model EXT4_ORDERED",
                "fsync /store/other", "-Dblkmq.crash=" + failure.code());
        CrashReport replayed = CrashTest.<String>of(EXT4_ORDERED).replay(failure.code())
                .run((directory, acknowledged) -> {
                    writeSynced(directory.resolve("other"), "content");
                    acknowledged.add("other");
                    Files.writeString(directory.resolve("f"), "content");
                    acknowledged.add("f");
                    Files.writeString(directory.resolve("later"), "x");
                }).explore(ALL_THERE);
        assertThat(replayed.checked()).isEqualTo(1);
        assertThat(Objects.requireNonNull(replayed.failure()).lost()).isEqualTo(failure.lost());
    }

    @Test
    void aStateOfAnotherWorkloadIsNotReplayed() throws Exception {
        for (String code : List.of("1/1/1:0", "nonsense", "4/4/99:0", "4/4/4:0-17")) {
            assertThatThrownBy(() -> CrashTest.<String>of(POSIX).replay(code).run(UNSYNCED).check(ALL_THERE)).as(code)
                    .isInstanceOf(IllegalStateException.class).hasMessageContaining(code);
        }
    }

    @Test
    void aFailureHasTheReportAndTheChecksOwnError() {
        assertThatThrownBy(() -> CrashTest.<String>of(POSIX).run(UNSYNCED).check((_, acknowledged) -> {
            if (!acknowledged.isEmpty()) {
                throw new IOException("mine");
            }
        })).isInstanceOf(CrashFailure.class).hasMessageContaining("mine").hasCauseInstanceOf(IOException.class);
    }

    @Test
    void allFailuresAreCountedOnDemand() throws Exception {
        CrashTest.Check<String> never = (_, _) -> {
            throw new AssertionError("never");
        };
        CrashReport first = CrashTest.<String>of(POSIX).run(UNSYNCED).explore(never);
        CrashReport all = CrashTest.<String>of(POSIX).allFailures().run(UNSYNCED).explore(never);
        assertThat(first.failed()).isEqualTo(1);
        assertThat(all.failed()).isEqualTo(all.checked()).isGreaterThan(1);
    }

    @Test
    void aCheckThatDoesNotEndIsToldWithItsPlace() {
        CountDownLatch never = new CountDownLatch(1);
        // Longer and longer, until the check has come to its place in that time.
        for (int millis = 50, places = 0; places == 0; millis *= 2) {
            Duration time = Duration.ofMillis(millis);
            Throwable told = catchThrowable(
                    () -> CrashTest.<String>of(POSIX).checkTime(time).run(UNSYNCED).check((_, _) -> never.await()));
            assertThat(told).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("did not end within " + millis + " ms");
            places = (int) Arrays.stream(told.getStackTrace()).filter(frame -> frame.getMethodName().equals("await"))
                    .count();
        }
    }

    @Test
    void aCheckThatLeavesFilesOpenIsToldSo() {
        assertThatThrownBy(() -> CrashTest.<String>of(EXT4_ORDERED)
                .prepared(directory -> Files.createFile(directory.resolve("f"))).run(UNSYNCED).check((directory, _) -> {
                    var _ = FileChannel.open(directory.resolve("f"), StandardOpenOption.READ);
                })).isInstanceOf(IllegalStateException.class).hasMessageContaining("left 1 files open")
                .hasMessageContaining("/f");
    }

    /** Of a program, perhaps, that does not close all of its files when it finds them in that state. */
    @Test
    void filesThatAreLeftOpenInSomeStatesAreAFailureOfThese() throws Exception {
        CrashTest.Check<String> leaves = (directory, acknowledged) -> {
            if (!acknowledged.isEmpty()) {
                var _ = FileChannel.open(directory.resolve("f"), StandardOpenOption.READ);
            }
        };
        CrashReport report = CrashTest.<String>of(EXT4_ORDERED).allFailures().run(UNSYNCED).explore(leaves);
        assertThat(report.failed()).isPositive().isLessThan(report.checked());
        CrashReport.Failure failure = Objects.requireNonNull(report.failure());
        assertThat(failure.cause()).isInstanceOf(AssertionError.class).hasMessageContaining("left 1 files open")
                .hasMessageContaining("/f");
        CrashReport again = CrashTest.<String>of(EXT4_ORDERED).replay(failure.code()).run(UNSYNCED).explore(leaves);
        assertThat(Objects.requireNonNull(again.failure()).cause()).hasMessageContaining("left 1 files open");
    }

    /** A length that a crash has torn: the program believes it. */
    @Test
    void aCheckThatFindsNoMemoryInAStateFailsThere() throws Exception {
        CrashTest.Check<String> believing = (directory, acknowledged) -> {
            int length = acknowledged.isEmpty() || Files.exists(directory.resolve("f")) ? 1 : Integer.MAX_VALUE;
            assertThat(new byte[length]).isNotEmpty();
        };
        CrashReport report = CrashTest.<String>of(POSIX).allFailures().run(UNSYNCED).explore(believing);
        assertThat(report.failed()).isPositive().isLessThan(report.checked());
        CrashReport.Failure failure = Objects.requireNonNull(report.failure());
        assertThat(failure.cause()).isInstanceOf(OutOfMemoryError.class);
        CrashReport again = CrashTest.<String>of(POSIX).replay(failure.code()).run(UNSYNCED).explore(believing);
        assertThat(Objects.requireNonNull(again.failure()).cause()).isInstanceOf(OutOfMemoryError.class);
    }

    @Test
    void aWorkloadThatFailsEndsTheTest() {
        assertThatThrownBy(
                () -> CrashTest.<String>of(POSIX).run((directory, _) -> Files.readString(directory.resolve("none"))))
                .isInstanceOf(FileSystemException.class);
    }

    @Test
    void eachCheckHasItsOwnFilesUnderAnotherName() throws Exception {
        Set<String> names = new HashSet<>();
        CrashReport report = CrashTest.<String>of(POSIX).run(UNSYNCED).check((directory, _) -> {
            assertThat(names.add(directory.toString())).isTrue();
            assertThat(directory.resolve("mine")).doesNotExist();
            Files.writeString(directory.resolve("mine"), "x");
        });
        assertThat(names).hasSize((int) report.checked());
    }

    /** A store may keep a file without a name from before: no model has it after a crash, and none trips over it. */
    @ParameterizedTest
    @EnumSource
    void aFileThatHadNoNameWhenTheRecordBeganIsWrittenTo(FileSystemModel model) throws Exception {
        FileChannel[] unnamed = new FileChannel[1];
        try {
            CrashReport report = CrashTest.<String>of(model)
                    .prepared(directory -> unnamed[0] = FileChannel.open(directory.resolve("t"),
                            StandardOpenOption.CREATE, StandardOpenOption.WRITE, StandardOpenOption.DELETE_ON_CLOSE))
                    .run((directory, _) -> {
                        unnamed[0].write(ByteBuffer.wrap(new byte[10]));
                        unnamed[0].write(ByteBuffer.wrap(new byte[5000]));
                        Files.writeString(directory.resolve("x"), "x");
                    }).check((directory, _) -> assertThat(directory.resolve("t")).doesNotExist());
            assertThat(report.checked()).isPositive();
        } finally {
            unnamed[0].close();
        }
    }

    /** A process that is killed leaves its stores to mapped memory in the page cache. */
    @Test
    void byAKillWhatWasStoredToMappedMemorySurvives() throws Exception {
        assumeTrue(Door.FUSE.unavailable().isEmpty(), "skipped: " + Door.FUSE.unavailable().orElse(""));
        CrashReport report = CrashTest.<String>of(FileSystemModel.KILL).door(Door.FUSE)
                .prepared(directory -> Files.write(directory.resolve("f"), new byte[4096]))
                .run((directory, acknowledged) -> {
                    try (Arena arena = Arena.ofConfined();
                            FileChannel channel = FileChannel.open(directory.resolve("f"), StandardOpenOption.READ,
                                    StandardOpenOption.WRITE)) {
                        MemorySegment mapped = channel.map(FileChannel.MapMode.READ_WRITE, 0, 4096, arena);
                        for (byte step = 1; step <= 3; step++) {
                            mapped.set(ValueLayout.JAVA_BYTE, 100, step);
                            acknowledged.add("step " + step);
                        }
                    }
                }).check((directory, acknowledged) -> assertThat(Files.readAllBytes(directory.resolve("f"))[100])
                        .isBetween((byte) acknowledged.size(), (byte) Math.min(3, acknowledged.size() + 1)));
        assertThat(report.checked()).isGreaterThan(3);
    }

    @Test
    void preparedFilesSurvive() throws Exception {
        CrashReport report = CrashTest.<String>of(POSIX)
                .prepared(directory -> Files.writeString(directory.resolve("f"), "content"))
                .run((directory, acknowledged) -> {
                    acknowledged.add("f");
                    Files.writeString(directory.resolve("g"), "x");
                }).check(ALL_THERE);
        assertThat(report.checked()).isGreaterThan(2);
    }

    @Test
    void anAcknowledgementAfterTheEndIsRefused() throws Exception {
        List<List<String>> kept = new ArrayList<>();
        CrashTest.<String>of(POSIX).run((_, acknowledged) -> kept.add(acknowledged));
        assertThatThrownBy(() -> kept.getFirst().add("late")).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("late");
    }

    @Test
    void boundsAreRefusedByName() {
        assertThatThrownBy(() -> CrashTest.of(POSIX).states(0)).hasMessage("states 0: must be at least 1");
        assertThatThrownBy(() -> CrashTest.of(POSIX).time(Duration.ZERO)).hasMessage("time PT0S: must be more than 0");
        assertThatThrownBy(() -> CrashTest.of(POSIX).checkTime(Duration.ofSeconds(-1)))
                .hasMessage("checkTime PT-1S: must be more than 0");
    }
}
