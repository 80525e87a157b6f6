package io.blkmq.testkit.fs;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testkit.CrashFailure;
import io.blkmq.testkit.testing.Compiled;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/** The log of docs/examples/wal passes its tests, and with each of some faults in it they find that. Both are compiled from the example's text. */
class RecordLogExampleTest {
    private static final Path EXAMPLE = Path.of("..", "docs", "examples", "wal", "src");
    private static final String LOG = "main/java/example/RecordLog.java";
    private static final String TEST = "test/java/example/RecordLogTest.java";
    /** Of tests with power cuts, by each of three models. */
    private static final int RUNS = 6;
    /** Of tests without. */
    private static final int OTHERS = 4;

    @TempDir
    private Path directory;

    @Test
    void theLogPassesInEachState() throws Exception {
        TestExecutionSummary summary = run(Files.readString(EXAMPLE.resolve(LOG)));
        assertThat(summary.getFailures()).extracting(TestExecutionSummary.Failure::getException).isEmpty();
        assertThat(summary.getTestsSucceededCount()).isEqualTo(RUNS + OTHERS);
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

    @ParameterizedTest
    @ValueSource(strings = {"bytes.length == 0 || ", " || bytes.length > RECORD_BYTES_MAX"})
    void aRecordOfASizeThatRecoveryDoesNotTakeIsFound(String part) throws Exception {
        assertThat(run(without(part, "")).getFailures()).hasSize(1).extracting(RecordLogExampleTest::method)
                .containsExactly("aRecordThatRecoveryWouldNotFindIsRefused");
    }

    @Test
    void aLogThatGoesOnAfterAFailedAppendIsFound() throws Exception {
        assertThat(run(without("log.close();\n            throw t;", "throw t;")).getFailures())
                .extracting(RecordLogExampleTest::method).containsExactlyInAnyOrder(
                        "afterAFailedAppendNoneIsAcknowledged", "afterARewriteThatFailedInAnyWayNoneIsAcknowledged");
    }

    @Test
    void aLogThatGoesOnAfterAFailureThatIsNoExceptionOfIoIsFound() throws Exception {
        assertThat(
                run(without("} catch (Throwable t) {\n            log", "} catch (IOException t) {\n            log"))
                        .getFailures())
                .extracting(RecordLogExampleTest::method)
                .containsExactly("afterARewriteThatFailedInAnyWayNoneIsAcknowledged");
    }

    private static String method(TestExecutionSummary.Failure failure) {
        return ((MethodSource) failure.getTestIdentifier().getSource().orElseThrow()).getMethodName();
    }

    private static String without(String part, String other) throws IOException {
        String right = Files.readString(EXAMPLE.resolve(LOG));
        String wrong = right.replace(part, other);
        assertThat(wrong).isNotEqualTo(right);
        return wrong;
    }

    /** The tests that fail when a part of the log is another, by their display names. Each fails by a crash. */
    private List<String> failuresWithout(String part, String other) throws Exception {
        TestExecutionSummary summary = run(without(part, other));
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
