package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.DocPage;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.NoRescues;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The programs of docs/guide, from its own text: Java compiles and runs them, and they print what the page says. */
@NoRescues
class GuidesTest {
    private static final int DRIVER_LINES_MAX = 80;

    @TempDir
    private Path directory;

    @Test
    void theDriverIsADiskInUnderEightyLines() throws Exception {
        DocPage page = DocPage.read("docs/guide/driver.md");
        assertThat(page.example("class RamDisk").lines().count()).isLessThan(DRIVER_LINES_MAX);
        page.write("RamDisk", directory);
        assertThat(DocPage.run(page.write("Main", directory))).isEqualTo(page.printedBy("class Main"));
    }

    @Test
    void theStalledDeviceIsFoundByTheFlightRecorder() throws Exception {
        DocPage page = DocPage.read("docs/guide/observe.md");
        page.write("Stalled", directory);
        try (InputStream settings = Disk.class.getResourceAsStream("/META-INF/blkmq.jfc")) {
            Files.copy(Objects.requireNonNull(settings), directory.resolve("blkmq.jfc"));
        }
        Path recorded = directory.resolve("stalled.jfr");
        assertThat(DocPage.run("java",
                List.of("-XX:StartFlightRecording:settings=" + directory.resolve("blkmq.jfc") + ",filename=" + recorded,
                        "-Xlog:jfr*=off", "-cp", JavaProcess.classPath(),
                        directory.resolve("Stalled.java").toString())))
                .isEqualTo(page.printedBy("class Stalled"));
        assertThat(DocPage.run("jfr", List.of("print", "--events", "io.blkmq.Request,io.blkmq.Timeout", "" + recorded)))
                .contains("io.blkmq.Timeout {", "io.blkmq.Request {", "  device = \"nullb7\"", "  sector = 336",
                        "  status = \"TIMEOUT\"", "  answer = \"DONE\"");
    }

    @Test
    void theJournalPassesItsTests() throws Exception {
        DocPage page = DocPage.read("docs/guide/testing-yours.md");
        page.write("Journal", directory);
        for (String test : List.of("PowerTest", "SimulatedTest")) {
            assertThat(DocPage.run(page.write(test, directory))).isEqualTo(page.printedBy("class " + test));
        }
    }

    @Test
    void aJournalWithoutAFlushFailsWithoutPower() throws Exception {
        assertThat(failureOf("PowerTest", journal -> journal.replace("disk.flush();", "")))
                .contains("java.lang.AssertionError: found []");
    }

    @Test
    void aJournalForOneThreadFailsInTheSimulation() throws Exception {
        assertThat(failureOf("SimulatedTest",
                journal -> journal.replace("blocks.getAndIncrement()", "blocks.get()").replace("disk.flush();",
                        "disk.flush(); blocks.set(block + 1);")))
                .contains("SimulationFailure").contains("java.lang.AssertionError: owed [")
                .contains("replay with: new DeterministicRuntime(seed)");
    }

    /** The errors of a test of the page, after a change of its journal. */
    private String failureOf(String test, UnaryOperator<String> change) throws Exception {
        DocPage page = DocPage.read("docs/guide/testing-yours.md");
        String journal = page.example("class Journal");
        String changed = change.apply(journal);
        assertThat(changed).isNotEqualTo(journal);
        Files.writeString(directory.resolve("Journal.java"), changed);
        return String.join("\n", DocPage.failureOf(page.write(test, directory)));
    }
}
