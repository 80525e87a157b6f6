package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testkit.testing.Compiled;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * The tests of two examples of storage on a disk, the log of docs/examples/kv and the files of docs/examples/h2, find each of these defects. All
 * are compiled from the examples' text.
 */
@Timeout(300)
class DiskExamplesTest {
    private static final Path EXAMPLES = Path.of("..", "docs", "examples");
    private static final Example LOG = new Example("kv", List.of("LogDisk", "KeyValueLog"), "KeyValueLogTest");
    private static final Example VOLUME = new Example("h2", List.of("DiskVolume"), "DiskVolumeTest");

    /** The examples as they are, each compiled once. */
    private static final Map<Example, Compiled> RIGHT = new HashMap<>();

    @TempDir
    private static Path examples;

    @TempDir
    private Path directory;

    /** Some classes of a project, and their test. */
    record Example(String project, List<String> classes, String test) {
        String testClass() {
            return "example." + project + "." + test;
        }

        Path source(String kind, String name) {
            return EXAMPLES.resolve(project).resolve("src").resolve(kind).resolve("java").resolve("example")
                    .resolve(project).resolve(name + ".java");
        }
    }

    /** Another text for a part of a class, and the test that fails by it. */
    record Defect(String name, Example example, String type, String part, String other, String foundBy) {
        @Override
        public String toString() {
            return example.project() + ": " + name;
        }
    }

    private static List<Defect> defects() {
        String cut = "aPowerCutLeavesEachDurableChangeAndNoneWithoutThoseBefore";
        String compaction = "aPowerCutDuringACompactionLosesNothing";
        String step = "aPowerCutLeavesEachStepWholeOrNotAtAll";
        return List.of(
                new Defect("a commit that is not durable", LOG, "LogDisk", "durably ? Bio.FUA | flush : 0", "flush * 0",
                        cut),
                new Defect("a commit that leaves the batches before it behind", LOG, "LogDisk",
                        "isDurable(sequence) ? 0 : Bio.PREFLUSH", "0", cut),
                new Defect("a head that comes before its area", LOG, "LogDisk", "head, Bio.PREFLUSH | Bio.FUA",
                        "head, Bio.FUA", compaction),
                new Defect("a head that stays in the cache", LOG, "LogDisk", "head, Bio.PREFLUSH | Bio.FUA",
                        "head, Bio.PREFLUSH", compaction),
                new Defect("a torn batch that is taken for a whole one", LOG, "LogDisk",
                        "batch.get(INT, 0) != checksum(batch, bytes)", "false", cut),
                new Defect("a batch of an earlier life", LOG, "LogDisk", "batch.get(LONG, 16) < opening", "false",
                        "whatAnEarlierPowerCutHasLeftNeverFollowsABatchOfToday"),
                new Defect("a batch of an earlier generation", LOG, "LogDisk", "batch.get(LONG, 8) != sequence + 1 || ",
                        "", "changesMakeManyGenerationsAndAreAsInAMap"),
                new Defect("a sync without a flush", LOG, "KeyValueLog", "disk.flush();",
                        "if (disk.isClosed()) throw new IOException();", cut),
                new Defect("a write for each change", LOG, "KeyValueLog", "first = batch.changes.size() == 1;",
                        "first = true; gathering = new Batch();", "whatGathersWhileAThreadWritesTakesOneWrite"),
                new Defect("a log that goes on after a failed write", LOG, "KeyValueLog", "failure = cause;", "",
                        "aFailedWriteEndsTheLogAndNotWhatIsOnTheDisk"),
                new Defect("a remove that is refused with a put", LOG, "KeyValueLog",
                        "batch.noRoom != null && change.value() != null", "batch.noRoom != null",
                        "aRemoveIsNotRefusedWithThePutBesideIt"),
                new Defect("a sync after a failed one", LOG, "KeyValueLog",
                        "requireNoFailure();\n            long written", "long written",
                        "aFlushAfterAFailedOneIsRefused"),
                new Defect("a length that is believed before its checksum", LOG, "LogDisk",
                        "Math.min(areaBytes - end, BATCH_BYTES_MAX)", "areaBytes - end",
                        "whatLiesBehindTheEndIsNotReadForItsLength"),
                new Defect("no reserve for removes", LOG, "KeyValueLog", "reserve = grows ?", "reserve = !grows ?",
                        "aFullLogRefusesAChangeAndStillRemoves"),
                new Defect("a table that comes before the data", VOLUME, "DiskVolume", "Bio.PREFLUSH | Bio.FUA)",
                        "Bio.FUA)", step),
                new Defect("a table that stays in the cache", VOLUME, "DiskVolume", "Bio.PREFLUSH | Bio.FUA)",
                        "Bio.PREFLUSH)", step),
                new Defect("a table over the one in force", VOLUME, "DiskVolume", "(number + 1) % 2 * tableBytes",
                        "0L * tableBytes", step),
                new Defect("a torn table that is taken for a whole one", VOLUME, "DiskVolume",
                        "table.getInt(0) == checksum(content, length) && ", "", step),
                new Defect("a sync without a flush", VOLUME, "DiskVolume", "disk.flush();",
                        "if (disk.isClosed()) throw new IOException();", step),
                new Defect("a table after a failed one", VOLUME, "DiskVolume",
                        "requireNoFailure();\n            return change", "return change",
                        "nothingIsPromisedAfterAFailedTable"),
                new Defect("a failed table that is forgotten", VOLUME, "DiskVolume",
                        "catch (Throwable t) {\n            throw fail(t);",
                        "catch (IllegalStateException t) {\n            throw fail(t);",
                        "nothingIsPromisedAfterAFailedTable"),
                new Defect("a sync after a failed one", VOLUME, "DiskVolume",
                        "requireNoFailure();\n                try", "try", "aFlushAfterAFailedOneIsRefused"),
                new Defect("a cut that is not durable", VOLUME, "DiskVolume", "writeTable();\n                    cut.",
                        "cut.", step),
                new Defect("what was in an extent before", VOLUME, "DiskVolume", "long zeroed = size;",
                        "long zeroed = at;", "filesAreAsTextsInAMap"),
                new Defect("a buffer whose limit moves", VOLUME, "DiskVolume", "own = buffer.duplicate()",
                        "own = buffer", "theLimitOfABufferStaysWhileItIsWritten"),
                new Defect("extents that are never given back", VOLUME, "DiskVolume", "extents.forEach(used::clear);",
                        "", "aFullDiskRefusesToGrowAFileAndNothingElse"));
    }

    private static List<Example> rightOnes() {
        return List.of(LOG, VOLUME);
    }

    @ParameterizedTest
    @MethodSource("rightOnes")
    void anExamplePasses(Example example) throws Exception {
        TestExecutionSummary summary = right(example).run(example.testClass());
        assertThat(summary.getTestsFoundCount()).isPositive();
        assertThat(summary.getFailures()).extracting(TestExecutionSummary.Failure::getException).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("defects")
    void aDefectIsFound(Defect defect) throws Exception {
        Path wrong = changed(defect.example().source("main", defect.type()), defect.part(), defect.other());
        TestExecutionSummary summary = right(defect.example()).with(directory, List.of(wrong))
                .run(defect.example().testClass(), defect.foundBy());
        assertThat(summary.getFailures()).extracting(failure -> failure.getTestIdentifier().getDisplayName())
                .containsExactly(defect.foundBy() + "()");
    }

    private static Compiled right(Example example) throws IOException {
        Compiled compiled = RIGHT.get(example);
        if (compiled == null) {
            List<Path> sources = new ArrayList<>(List.of(example.source("test", example.test())));
            example.classes().forEach(name -> sources.add(example.source("main", name)));
            compiled = Compiled.of(Files.createDirectory(examples.resolve(example.project())), sources);
            RIGHT.put(example, compiled);
        }
        return compiled;
    }

    private Path changed(Path file, String part, String other) throws IOException {
        String right = Files.readString(file);
        assertThat(right).containsOnlyOnce(part);
        return Files.writeString(directory.resolve(file.getFileName().toString()), right.replace(part, other));
    }
}
