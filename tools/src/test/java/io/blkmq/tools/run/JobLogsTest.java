package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Operation;
import io.blkmq.testing.NoRescues;
import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The lines of logs, by times that the test sets. */
@NoRescues
class JobLogsTest {
    private static final long MILLI = TimeUnit.MILLISECONDS.toNanos(1);

    @TempDir
    private Path directory;

    private Path log = Path.of("");

    @BeforeEach
    void choose() {
        log = directory.resolve("l");
    }

    private void log(String lines, Steps steps) throws UsageException, IOException {
        try (RunFixture fixture = RunFixture.open("[a]\nfilename=d\nsize=64k\nwrite_bw_log=" + log + "\nwrite_iops_log="
                + log + "\nwrite_lat_log=" + log + "\n" + lines + "\n", "d=null:64k")) {
            JobLogs logs = JobLogs.of(fixture.workload().job()).orElseThrow();
            IoSlot slot = new IoSlot(fixture.window(), fixture.window().memory(), 0);
            slot.aim(Operation.READ, 0, 4096);
            steps.of(logs, slot);
            logs.write(new HashSet<>());
        }
    }

    /** What a job does with its logs. */
    private interface Steps {
        void of(JobLogs logs, IoSlot slot);
    }

    private static void ends(JobLogs logs, IoSlot slot, long millis) {
        slot.startNanos = (millis - 1) * MILLI;
        slot.issueNanos = slot.startNanos;
        slot.endNanos = millis * MILLI;
        logs.ended(slot, Direction.READ);
    }

    private String lines(String kind) throws IOException {
        return Files.readString(directory.resolve("l_" + kind + ".1.log"));
    }

    @Test
    void theRatesOfTheLastTimeAreOfAsMuchOfItAsThereWas() throws UsageException, IOException {
        log("log_avg_msec=1000", (logs, slot) -> {
            logs.begin(0, true);
            for (int i = 0; i < 15; i++) {
                ends(logs, slot, 50 + i * 100L);
            }
            logs.end(1500 * MILLI);
        });
        assertThat(lines("iops")).isEqualTo("1000, 10, 0, 0, 0\n1500, 10, 0, 0, 0\n");
        assertThat(lines("bw")).isEqualTo("1000, 40, 0, 0, 0\n1500, 40, 0, 0, 0\n");
        assertThat(lines("lat")).isEqualTo("1000, 1000000, 0, 0, 0\n1500, 1000000, 0, 0, 0\n");
    }

    @Test
    void timesInWhichNothingEndedHaveNoLine() throws UsageException, IOException {
        log("log_avg_msec=100", (logs, slot) -> {
            logs.begin(0, true);
            ends(logs, slot, 50);
            logs.end(1000 * MILLI);
        });
        assertThat(lines("iops")).isEqualTo("100, 10, 0, 0, 0\n");
    }

    @Test
    void theTimeOfALogBeginsWhereTheJobIsCounted() throws UsageException, IOException {
        log("", (logs, slot) -> {
            logs.begin(0, false);
            ends(logs, slot, 50);
            logs.begin(1000 * MILLI, true);
            ends(logs, slot, 1100);
            logs.end(1250 * MILLI);
        });
        assertThat(lines("lat")).isEqualTo("100, 1000000, 0, 4096, 0\n");
        assertThat(lines("iops")).isEqualTo("250, 4, 0, 0, 0\n");
    }

    @Test
    void aLogWithoutANameHasTheJobs() throws UsageException {
        JobClone job = RunFixture.plan("[a]\nsize=64k\nwrite_bw_log\nwrite_lat_log=\nwrite_iops_log=l\n").clones()
                .getFirst();
        assertThat(JobLogs.of(job).orElseThrow().paths()).extracting(Path::toString)
                .containsExactlyInAnyOrder("a_bw.1.log", "a_slat.1.log", "a_clat.1.log", "a_lat.1.log", "l_iops.1.log");
    }

    @Test
    void aJobThatNeverBeganLeavesTheLogsOfOthers() throws UsageException, IOException {
        log("", (_, _) -> {});
        assertThat(directory).isEmptyDirectory();
    }
}
