package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.testkit.disk.TraceRecorder;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the command does with traces. */
@Timeout(300)
class TraceCommandTest {
    @TempDir
    private Path directory;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private Path trace = Path.of("");

    @BeforeEach
    void recordATrace() throws IOException {
        trace = directory.resolve("run.trace");
        MemorySegment page = MemorySegment.ofArray(new byte[4096]);
        try (Disk disk = NullBlk.builder().name("traced").completion(NullBlk.Completion.INLINE).capacityBytes(1 << 20)
                .build(); TraceRecorder _ = TraceRecorder.start(disk, trace)) {
            for (int i = 0; i < 10; i++) {
                disk.write(i * 4096L, page);
            }
            disk.flush();
            disk.read(8192, page);
        }
    }

    private int execute(Object... arguments) {
        return Blkmq.execute(new PrintWriter(out), new PrintWriter(err),
                Stream.of(arguments).map(Object::toString).toArray(String[]::new));
    }

    private void refused(String message, Object... arguments) {
        assertThat(execute(arguments)).isEqualTo(2);
        assertThat(err.toString()).contains(message).hasLineCount(1);
        assertThat(out.toString()).isEmpty();
        err.getBuffer().setLength(0);
    }

    @Test
    void biosArePrintedOneALine() {
        assertThat(execute("trace", "print", trace)).isZero();
        assertThat(out.toString()).startsWith("traced, 1048576 bytes in blocks of 512").hasLineCount(14)
                .containsPattern("WRITE +72 \\+4096 +\\d").containsPattern("FLUSH +\\d")
                .containsPattern("READ +16 \\+4096 +\\d");
        assertThat(err.toString()).isEmpty();
    }

    @Test
    void theListIsBoundedAndOfSomeOperations() {
        assertThat(execute("trace", "print", "--limit", 3, trace)).isZero();
        assertThat(out.toString()).hasLineCount(5);
        out.getBuffer().setLength(0);
        assertThat(execute("trace", "print", "--operation", "READ,FLUSH", trace)).isZero();
        assertThat(out.toString()).hasLineCount(4).doesNotContain("WRITE");
    }

    @Test
    void aTraceIsSummarised() {
        assertThat(execute("trace", "summary", trace)).isZero();
        assertThat(out.toString()).startsWith("traced: 12 bios in ").contains("WRITE: 10 bios, 40960 bytes",
                "4096 to 4096 bytes, 90.0 % sequential", "READ: 1 bios", "latency us", "FLUSH: 1 bios");
    }

    @Test
    void aTraceIsReplayedInMemoryAndOnAFileThatMayBeOverwritten() throws IOException {
        assertThat(execute("trace", "replay", "--attach", "mem:1m", "--depth", 4, trace)).isZero();
        assertThat(out.toString()).contains("mem:1m", "12 bios and 45056 bytes in ");
        assertThat(execute("trace", "replay", "--attach", "mem:1m", "--timed", trace)).isZero();
        assertThat(out.toString()).contains(" us late");
        Path image = Files.write(directory.resolve("disk.img"), new byte[1 << 20]);
        out.getBuffer().setLength(0);
        refused("10 writes, which would overwrite the file; --overwrite", "trace", "replay", "--attach", image, trace);
        refused("10 writes, which would overwrite the export; --overwrite", "trace", "replay", "--attach",
                "nbd+unix:///?socket=/nowhere", trace);
        assertThat(Files.readAllBytes(image)).containsOnly(0);
        assertThat(execute("trace", "replay", "--attach", image, "--overwrite", trace)).isZero();
        assertThat(Files.readAllBytes(image)).contains(1);
    }

    @Test
    void whatCannotBeIsRefusedInOneLine() throws IOException {
        Path other = Files.writeString(directory.resolve("other"), "no trace");
        refused("other is no trace", "trace", "summary", other);
        refused("there is no such file", "trace", "print", directory.resolve("none"));
        refused("--limit -1", "trace", "print", "--limit", -1, trace);
        refused("depth 0", "trace", "replay", "--attach", "mem:1m", "--depth", 0, trace);
        refused("past its end at 4096 bytes", "trace", "replay", "--attach", "mem:4k", trace);
        refused("\"wrong\" is not known", "trace", "replay", "--attach", "mem:1m", "--ioengine", "wrong", trace);
        refused("a size like", "trace", "replay", "--attach", "mem:x", trace);
        refused("a command is needed: print, summary or replay", "trace");
        refused("--attach", "trace", "replay", trace);
    }
}
