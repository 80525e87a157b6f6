package io.blkmq.testing.runs;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The line that the soak prints for each failure. */
class FailureTest {
    @TempDir
    private Path folder = Path.of("");

    private Failure failure(String what) throws IOException {
        Files.createDirectories(folder.resolve("built/core"));
        Files.writeString(folder.resolve("built/core/classpath"), "");
        Files.createDirectories(folder.resolve("core"));
        Files.writeString(folder.resolve("core/pom.xml"), "");
        Files.writeString(folder.resolve("pom.xml"), "");
        return Failure.of(new TestedModule(folder, folder.resolve("built"), "core"), "io.blkmq.core.mq.SomeTest", 2, 77,
                what, "log");
    }

    @Test
    void theSeedThatTheTestSaysIsReplayed() throws IOException {
        // As it stands in a file of one line each.
        String said = "program 3 fails, replay with: " + RandomSeed.replay(FailureTest.class, 4211) + "\\nand so on";
        assertThat(failure(said).replay()).isEqualTo("bin/test testing FailureTest -Dblkmq.seed=4211");
        assertThat(failure("replay with: bin/test core X -Dblkmq.seed=-1").replay())
                .isEqualTo("bin/test core X -Dblkmq.seed=-1");
    }

    @Test
    void aFailureWithoutALineIsReplayedByTheSeriesOfItsRound() throws IOException {
        assertThat(failure("expected 1, was 2").replay()).isEqualTo("bin/test core --seeds 77 SomeTest");
    }
}
