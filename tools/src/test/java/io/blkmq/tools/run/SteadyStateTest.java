package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.tools.job.JobFile;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.SteadyGoal;
import io.blkmq.tools.job.UsageException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A job is steady when its last measurements say so, and then it ends. */
@Timeout(300)
class SteadyStateTest {
    private static final long SECOND = 1_000_000_000;

    /** At which measurement, from 1, a job with such operations in each second is steady; 0 for never. */
    private static int steadyAfter(String goal, String measurements) throws UsageException {
        JobSpec spec = JobFile.parse("test.fio", "[a]\nsize=1m\nss=" + goal + "\n").getFirst();
        SteadyState steady = new SteadyState((SteadyGoal) spec.optional(Key.SS).orElseThrow(), 3 * SECOND, 2 * SECOND,
                SECOND);
        Accounts accounts = new Accounts(spec);
        steady.begin(0);
        assertThat(steady.tick(accounts, SECOND)).as("in the ramp").isFalse();
        accounts.reads.operations += 1_000_000;
        assertThat(steady.tick(accounts, 2 * SECOND)).isFalse();
        int number = 0;
        for (String operations : measurements.split(" ", -1)) {
            for (int i = Integer.parseInt(operations); i > 0; i--) {
                accounts.reads.operations++;
                accounts.reads.bytes += 512;
                accounts.reads.recordTimes(0, 0, 1_000L * Integer.parseInt(operations));
            }
            number++;
            if (steady.tick(accounts, (2L + number) * SECOND)) {
                assertThat(steady.note("a")).contains("attained after " + (2 + number) * 1000 + " ms");
                return number;
            }
        }
        assertThat(steady.note("a")).contains("not attained");
        return 0;
    }

    @ParameterizedTest
    @CsvSource({"iops:10%, 100 200 100 100 109 95, 5", "iops:10%, 100 200 100, 0", "iops:5, 100 90 96 100 104, 5",
            "iops:0, 7 7 7, 3", "bw:10%, 100 200 100 100 109 95, 5", "bw:2048, 100 104 98 100, 3",
            "iops_slope:1%, 100 120 140 160 180 180 180, 7", "iops_slope:1%, 100 500 100 100, 3",
            "bw_slope:0.1%, 100 500 101 100, 0", "lat:10%, 100 200 100 100 109 95, 5",
            "lat_slope:1%, 100 120 140 160 180 180 180, 7"})
    void itIsSteadyWhenTheWindowMeetsTheGoal(String goal, String measurements, int after) throws UsageException {
        assertThat(steadyAfter(goal, measurements)).isEqualTo(after);
    }

    @Test
    void aJobEndsWhenItIsSteadyAndSaysSo() throws UsageException {
        RunResult result = RunFixture.run(
                "[a]\nfilename=d\nsize=1m\ntime_based\nruntime=1h\nss=iops:100000%\nss_dur=30ms\nss_ramp=10ms\nss_interval=10ms\n",
                "d=mem:1m");
        assertThat(result.hasErrors()).isFalse();
        assertThat(result.notes())
                .anyMatch(note -> note.startsWith("job a: steady state iops:100000.0%: attained after"));
        assertThat(RunFixture.run("[a]\nfilename=d\nsize=64k\nss=iops:1%\nss_dur=1h\n", "d=mem:1m").notes())
                .anyMatch(note -> note.contains("not attained; the job was shorter than ss_ramp and ss_dur"));
    }

    @Test
    void whatASteadyJobWroteIsReadBackWhole() throws UsageException {
        // More and more time: how many operations go into a time is up to who else has the processor.
        JobResult job;
        int millis = 30;
        do {
            assertThat(millis).as("a job that goes on writes more").isLessThan(100_000);
            RunResult result = RunFixture.run("""
                [a]
                filename=d
                size=8m
                bs=512
                rw=write
                verify=crc32c
                time_based
                runtime=1h
                ss=iops:100000%%
                ss_dur=%dms
                ss_ramp=10ms
                ss_interval=10ms
                """.formatted(millis), "d=mem:8m");
            assertThat(result.hasErrors()).isFalse();
            job = result.jobs().getFirst();
            assertThat(job.reads().operations()).as("each block that was written")
                    .isEqualTo(Math.min(job.writes().operations(), 8 << 20 >> 9));
            millis *= 2;
        } while (job.writes().operations() <= 1024);
    }

    @ParameterizedTest
    @ValueSource(strings = {"ss=iops", "ss=iops:", "ss=iops:-1%", "ss=iops:x", "ss=speed:1%", "ss=iops:1:2",
            "ss=iops:nan", "ss=iops:1%", "ss=iops:1%\nss_dur=100ms", "ss=iops:1%\nss_dur=1\nss_interval=0",
            "ss=iops:1%\nss_dur=3h\nss_interval=1us", "ss=lat:1%\nss_dur=2\ngtod_reduce=1",
            "ss=lat:1%\nss_dur=2\ndisable_lat=1"})
    void whatMakesNoSenseIsRefused(String lines) {
        assertThatThrownBy(() -> RunFixture.run("[a]\nfilename=d\nsize=64k\n" + lines + "\n", "d=mem:1m"))
                .isInstanceOf(UsageException.class).hasMessageContaining("ss");
    }
}
