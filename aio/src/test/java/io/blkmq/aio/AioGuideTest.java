package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.DocPage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples of docs/guide/aio.md, from its own text: Java compiles and runs them. */
@BesideOthers
class AioGuideTest {
    private static final int LINES_MAX = 30;

    @TempDir
    private Path directory;

    @Test
    void theExampleCopiesAFileInUnderThirtyLines() throws Exception {
        DocPage guide = DocPage.read("docs/guide/aio.md");
        assertThat(guide.example("class Copy").lines().count()).isLessThan(LINES_MAX);

        // Not a whole number of blocks, and more than are in flight at a time.
        byte[] content = new byte[(5 << 20) + 4711];
        new Random(1).nextBytes(content);
        Path from = Files.write(directory.resolve("from"), content);
        Path to = directory.resolve("to");
        assertThat(DocPage.run(guide.write("Copy", directory), from.toString(), to.toString()))
                .isEqualTo(List.of("copied " + content.length + " bytes"));
        assertThat(Files.mismatch(from, to)).isEqualTo(-1);
    }

    @Test
    void theFrontNeedsNeitherAlignmentNorLengthsOfBlocks() throws Exception {
        DocPage guide = DocPage.read("docs/guide/aio.md");
        // Not a directory in memory, where direct I/O may be refused.
        Path file = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "front", ".log");
        try {
            assertThat(DocPage.run(guide.write("Front", directory), file.toString()))
                    .isEqualTo(List.of("any length, any memory", "23 bytes"));
            assertThat(file).hasSize(23);
        } finally {
            Files.deleteIfExists(file);
        }
    }

    @Test
    void filesAreOpenedLookedAtAndClosedWithoutAWait() throws Exception {
        DocPage guide = DocPage.read("docs/guide/aio.md");
        assertThat(guide.example("class Look").lines().count()).isLessThan(LINES_MAX);
        Path file = Files.write(directory.resolve("file"), new byte[4711]);
        Path missing = directory.resolve("missing");
        assertThat(DocPage.run(guide.write("Look", directory), file.toString(), missing.toString()))
                .containsExactlyInAnyOrder(file + " 4711", missing + " NoSuchFileException");
    }

    @Test
    void whatTakesTooLongIsEndedInTime() throws Exception {
        DocPage guide = DocPage.read("docs/guide/aio.md");
        Path file = Files.write(directory.resolve("file"), new byte[8192]);
        // Whether the engine has ended by then is a matter of time.
        assertThat(DocPage.run(guide.write("InTime", directory), file.toString())).satisfiesExactly(
                first -> assertThat(first).isEqualTo("TimeoutException"),
                second -> assertThat(second).endsWith(" true"));
    }

    @Test
    void aChannelAppendsLocksAndCuts() throws Exception {
        DocPage guide = DocPage.read("docs/guide/aio.md");
        assertThat(guide.example("class Journal").lines().count()).isLessThan(LINES_MAX);
        Path file = Files.createDirectories(Path.of("target", "io")).resolve("journal-" + directory.getFileName());
        try {
            assertThat(DocPage.run(guide.write("Journal", directory), file.toString()))
                    .isEqualTo(List.of("any length, ANY memory", "3 bytes, 3 written, true"));
            assertThat(file).hasContent("any");
        } finally {
            Files.deleteIfExists(file);
        }
    }

    @Test
    void theExampleOfAnAgentReadsAFileAndTheJvmPrintsNoWarning() throws Exception {
        DocPage guide = DocPage.read("docs/guide/aio.md");
        assertThat(guide.example("class Sum").lines().count()).isLessThan(LINES_MAX);
        Path file = Files.write(directory.resolve("file"), new byte[(1 << 20) + 4711]);
        assertThat(DocPage.run(guide.write("Sum", directory), file.toString()))
                .isEqualTo(List.of("read 1053287 bytes"));
    }
}
