package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testkit.testing.Compiled;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/** The tests of docs/examples/kv find each of these defects in it. All are compiled from the example's text. */
@Timeout(300)
class KeyValueLogExampleTest {
    private static final Path EXAMPLE = Path.of("..", "docs", "examples", "kv", "src");
    private static final Path TEST = EXAMPLE.resolve("test/java/example/kv/KeyValueLogTest.java");

    @TempDir
    private Path directory;

    @Test
    void theLogPasses() throws Exception {
        assertThat(failuresOf("LogDisk.java", "", "")).isEmpty();
    }

    /** Another text for a part of a file, and the test that fails by it. */
    private record Defect(String name, String file, String part, String other, String foundBy) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static List<Defect> defects() {
        String cut = "aPowerCutLeavesEachDurableChangeAndNoneWithoutThoseBefore";
        String compaction = "aPowerCutDuringACompactionLosesNothing";
        return List.of(
                new Defect("a commit that is not durable", "LogDisk", "durably ? Bio.FUA | flush : 0", "flush * 0",
                        cut),
                new Defect("a commit that leaves the batches before it behind", "LogDisk",
                        "isDurable(sequence) ? 0 : Bio.PREFLUSH", "0", cut),
                new Defect("a head that comes before its area", "LogDisk", "head, Bio.PREFLUSH | Bio.FUA",
                        "head, Bio.FUA", compaction),
                new Defect("a head that stays in the cache", "LogDisk", "head, Bio.PREFLUSH | Bio.FUA",
                        "head, Bio.PREFLUSH", compaction),
                new Defect("a torn batch that is taken for a whole one", "LogDisk",
                        "batch.get(INT, 0) != checksum(batch, bytes)", "false", cut),
                new Defect("a batch of an earlier life", "LogDisk", "batch.get(LONG, 16) < opening", "false",
                        "whatAnEarlierPowerCutHasLeftNeverFollowsABatchOfToday"),
                new Defect("a batch of an earlier generation", "LogDisk", "batch.get(LONG, 8) != sequence + 1 || ", "",
                        "changesMakeManyGenerationsAndAreAsInAMap"),
                new Defect("a sync without a flush", "KeyValueLog", "disk.flush();",
                        "if (disk.isClosed()) throw new IOException();", cut),
                new Defect("a write for each change", "KeyValueLog", "first = batch.changes.size() == 1;",
                        "first = true; gathering = new Batch();", "whatGathersWhileAThreadWritesTakesOneWrite"),
                new Defect("a log that goes on after a failed write", "KeyValueLog", "failure = cause;", "",
                        "aFailedWriteEndsTheLogAndNotWhatIsOnTheDisk"),
                new Defect("no reserve for removes", "KeyValueLog", "reserve = grows ?", "reserve = !grows ?",
                        "aFullLogRefusesAChangeAndStillRemoves"));
    }

    @ParameterizedTest
    @MethodSource("defects")
    void aDefectIsFound(Defect defect) throws Exception {
        assertThat(failuresOf(defect.file() + ".java", defect.part(), defect.other()))
                .contains(defect.foundBy() + "()");
    }

    /** The tests that fail when a part of a file is another, by their display names. */
    private List<String> failuresOf(String file, String part, String other) throws Exception {
        List<Path> sources = new ArrayList<>();
        for (String name : List.of("LogDisk.java", "KeyValueLog.java")) {
            Path right = EXAMPLE.resolve("main/java/example/kv").resolve(name);
            sources.add(name.equals(file) && !part.isEmpty() ? changed(right, part, other) : right);
        }
        sources.add(TEST);
        TestExecutionSummary summary = Compiled.of(directory, sources).run("example.kv.KeyValueLogTest");
        assertThat(summary.getTestsFoundCount()).isPositive();
        return summary.getFailures().stream().map(failure -> failure.getTestIdentifier().getDisplayName()).toList();
    }

    private Path changed(Path file, String part, String other) throws IOException {
        String right = Files.readString(file);
        assertThat(right).containsOnlyOnce(part);
        return Files.writeString(directory.resolve(file.getFileName().toString()), right.replace(part, other));
    }
}
