package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.blkmq.testing.RandomSeed;
import io.blkmq.tools.job.UsageException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Jobs of a flow keep to their weights, and wait for nobody who does not run. */
@Timeout(300)
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

    /** Whoever comes to a turn, and however much it takes of what it may. */
    @Test
    void membersDoOperationsInProportion() {
        long seed = RandomSeed.of(FlowTest.class);
        Random random = new Random(seed);
        Flow flow = new Flow();
        int[] weights = {1, 8, 3};
        List<Flow.Member> members = Arrays.stream(weights).mapToObj(flow::join).toList();
        members.forEach(Flow.Member::begin);
        long[] done = new long[weights.length];
        for (int turn = 0; turn < 100_000; turn++) {
            int i = random.nextInt(weights.length);
            int number = Math.min(members.get(i).room(), random.nextInt(64));
            members.get(i).began(number);
            done[i] += number;
        }
        for (int i = 1; i < weights.length; i++) {
            assertThat(done[i] / weights[i]).as("rounds of %d, seed %d", i, seed).isCloseTo(done[0], within(17L));
        }
        assertThat(done[0]).isGreaterThan(1_000);
    }

    @ParameterizedTest
    @ValueSource(strings = {"[a]\nflow=1\n[b]\nflow=1\nstonewall\n", "[a]\nflow=1\n[b]\nflow=1\nstartdelay=50ms\n",
            "[a]\nflow=1\n[b]\nflow=100\nflow_id=1\n",
            "[a]\nflow=1\nrw=write\nverify=crc32c\nsize=256k\n[b]\nflow=3\noffset=512k\n",
            "[a]\nflow=2\nflow_sleep=500\nnumjobs=3\n", "[a]\nflow=1\nrate_iops=10000\niodepth=4\n[b]\nflow=1\n"})
    void nobodyWaitsForOneThatDoesNotRun(String jobs) throws UsageException {
        RunResult result = RunFixture.run("[global]\nfilename=d\nsize=512k\n" + jobs, "d=mem:1m,hw=4");
        assertThat(result.hasErrors()).isFalse();
        assertThat(result.jobs()).allMatch(job -> job.operations() >= 128);
    }
}
