package io.blkmq.testkit.fs;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testkit.CrashFailure;
import io.blkmq.testkit.testing.Compiled;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/** The log of docs/examples/wal passes its tests, and with each of four faults in it they find that. Both are compiled from the example's text. */
class RecordLogExampleTest {
    private static final Path EXAMPLE = Path.of("..", "docs", "examples", "wal", "src");
    private static final String LOG = "main/java/example/RecordLog.java";
    private static final String TEST = "test/java/example/RecordLogTest.java";
    /** By each of three models. */
    private static final int RUNS = 6;

    @TempDir
    private Path directory;

    @Test
    void theLogPassesInEachState() throws Exception {
        TestExecutionSummary summary = run(Files.readString(EXAMPLE.resolve(LOG)));
        assertThat(summary.getFailures()).extracting(TestExecutionSummary.Failure::getException).isEmpty();
        assertThat(summary.getTestsSucceededCount()).isEqualTo(RUNS);
    }

    @Test
    void anAppendWithoutASyncIsFound() throws Exception {
        assertThat(failuresWithout("log.force(false);", "")).hasSize(RUNS);
    }

    @Test
    void aRenameWithoutASyncOfItsDirectoryIsFound() throws Exception {
        assertThat(failuresWithout("        sync(directory);\n    }", "    }")).isNotEmpty();
    }

    @Test
    void aNewLogThatIsNamedBeforeItIsSyncedIsFound() throws Exception {
        assertThat(failuresWithout("next.force(true);", "")).isNotEmpty();
    }

    @Test
    void aChecksumThatMissesATornTailIsFound() throws Exception {
        assertThat(failuresWithout(" || checksum(bytes.array()) != header.getInt(4)", "")).isNotEmpty();
    }

    /** The tests that fail when a part of the log is another, by their display names. Each fails by a crash. */
    private List<String> failuresWithout(String part, String other) throws Exception {
        String right = Files.readString(EXAMPLE.resolve(LOG));
        String wrong = right.replace(part, other);
        assertThat(wrong).isNotEqualTo(right);
        TestExecutionSummary summary = run(wrong);
        assertThat(summary.getFailures()).extracting(TestExecutionSummary.Failure::getException)
                .allSatisfy(failure -> assertThat(failure).isInstanceOf(CrashFailure.class)
                        .hasMessageContaining("replay with: -Dblkmq.crash="));
        return summary.getFailures().stream().map(failure -> failure.getTestIdentifier().getDisplayName()).toList();
    }

    private TestExecutionSummary run(String log) throws Exception {
        Path source = Files.writeString(directory.resolve("RecordLog.java"), log);
        return Compiled.of(directory, List.of(source, EXAMPLE.resolve(TEST))).run("example.RecordLogTest");
    }
}
