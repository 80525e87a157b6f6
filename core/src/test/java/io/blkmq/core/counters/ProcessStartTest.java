package io.blkmq.core.counters;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.Command;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What tells a process from a later one, and one that lives from one that has ended. */
@NoRescues
@Timeout(300)
class ProcessStartTest {
    /** As in a container whose first process asks for nobody, or under a supervisor that asks late. */
    @Test
    void aProcessThatItsParentHasNotAskedForHasEnded() throws IOException, InterruptedException {
        Command.require("sh", "sleep");
        Process parent = new ProcessBuilder("sh", "-c", "sleep 600 & echo $!; exec sleep 600").start();
        try (BufferedReader out = parent.inputReader()) {
            long child = Long.parseLong(out.readLine());
            long started = ProcessStart.ticks(child);
            assertThat(started).isPositive();
            assertThat(ProcessStart.hasEnded(child)).isFalse();
            // A shell might ask for it.
            Path name = Path.of("/proc", "" + parent.pid(), "comm");
            Eventually.until("the parent is no shell any more", () -> read(name).equals("sleep"));
            assertThat(ProcessHandle.of(child).orElseThrow().destroyForcibly()).isTrue();
            Eventually.until("it has ended", () -> ProcessStart.hasEnded(child));
            assertThat(ProcessStart.ticks(child)).as("it still has its number").isEqualTo(started);
        } finally {
            parent.destroyForcibly().waitFor();
        }
        assertThat(ProcessStart.hasEnded(ProcessHandle.current().pid())).isFalse();
    }

    private static String read(Path file) {
        try {
            return Files.readString(file).strip();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
