package io.blkmq.testkit;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.DocPage;
import io.blkmq.testkit.testing.Compiled;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/** The examples of the module's README and of the guide to testing, from the pages' own text. */
class TestkitGuidesTest {
    private static final int LINES_MAX = 20;

    @TempDir
    private Path directory;

    @Test
    void theReadmesTestIsShortAndFailsAsItSays() throws Exception {
        DocPage page = DocPage.read("testkit/README.md");
        String example = page.example("class NoteTest");
        assertThat(example.lines().count()).isLessThan(LINES_MAX);
        TestExecutionSummary summary = Compiled
                .of(directory, List.of(Files.writeString(directory.resolve("NoteTest.java"), example))).run("NoteTest");
        String report = page.printedBy("class NoteTest", "text");
        assertThat(summary.getFailures()).hasSize(1).first().extracting(failure -> failure.getException().getMessage())
                .asString().startsWith(report.strip());
    }

    @Test
    void aDiskLosesWhatWasNotFlushed() throws Exception {
        DocPage page = DocPage.read("docs/guide/testing-yours.md");
        assertThat(DocPage.run(page.write("FaultyDisk", directory))).isEqualTo(page.printedBy("class FaultyDisk"));
    }

    @Test
    void aJournalPassesAllPowerCuts() throws Exception {
        DocPage page = DocPage.read("docs/guide/testing-yours.md");
        page.write("Journal", directory);
        assertThat(DocPage.run(page.write("AllPowerCuts", directory))).isEqualTo(page.printedBy("class AllPowerCuts"));
    }
}
