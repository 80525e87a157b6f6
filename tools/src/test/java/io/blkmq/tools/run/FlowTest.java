package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.tools.job.UsageException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Jobs of a flow keep to their weights, and wait for nobody who does not run. */
@Timeout(120)
class FlowTest {
    @Test
    void aMemberMayBeSomeRoundsAheadOfTheSlowest() {
        Flow flow = new Flow();
        Flow.Member one = flow.join(2);
        Flow.Member other = flow.join(3);
        one.begin();
        assertThat(one.room()).as("it runs alone").isEqualTo(Integer.MAX_VALUE);
        other.begin();
        int ahead = one.room() / 2;
        assertThat(ahead).isPositive();
        assertThat(other.room()).isEqualTo(3 * ahead);
        one.began(2 * ahead);
        assertThat(one.room()).isZero();
        other.began(3);
        assertThat(one.room()).as("a round").isEqualTo(2);
        other.end();
        assertThat(one.room()).as("nobody waits for one that has ended").isEqualTo(Integer.MAX_VALUE);
    }

    @Test
    void aMemberThatBeginsLateBeginsBesideTheOthers() {
        Flow flow = new Flow();
        Flow.Member early = flow.join(1);
        early.begin();
        early.began(1_000_000);
        Flow.Member late = flow.join(5);
        late.begin();
        assertThat(late.room()).isEqualTo(5 * early.room());
    }

    @Test
    void jobsDoOperationsInProportion() throws UsageException {
        // Until the first ends, the second has done an eighth, but for some rounds. What it did before the other began, and until it was stopped, is
        // far less than the first did: without a flow both do as much.
        RunResult result = RunFixture.run(
                "[global]\nfilename=d\nrw=randread\nsize=1m\nnorandommap\niodepth=4\n[a]\nflow=8\nio_size=1600000k\nexitall\n"
                        + "[b]\nflow=1\ntime_based\nruntime=1h\n",
                "d=mem:1m,hw=2");
        List<Long> operations = result.jobs().stream().map(JobResult::operations).toList();
        assertThat(operations.getFirst()).isEqualTo(400_000);
        assertThat(operations.getLast()).isBetween(49_900L, 200_000L);
    }

    @ParameterizedTest
    @ValueSource(strings = {"[a]\nflow=1\n[b]\nflow=1\nstonewall\n", "[a]\nflow=1\n[b]\nflow=1\nstartdelay=50ms\n",
            "[a]\nflow=1\n[b]\nflow=100\nflow_id=1\n",
            "[a]\nflow=1\nrw=write\nverify=crc32c\nsize=256k\n[b]\nflow=3\noffset=512k\n",
            "[a]\nflow=2\nflow_sleep=500\nnumjobs=3\n"})
    void nobodyWaitsForOneThatDoesNotRun(String jobs) throws UsageException {
        RunResult result = RunFixture.run("[global]\nfilename=d\nsize=512k\n" + jobs, "d=mem:1m,hw=4");
        assertThat(result.hasErrors()).isFalse();
        assertThat(result.jobs()).allMatch(job -> job.operations() >= 128);
    }
}
