package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.blkmq.testing.RandomSeed;
import io.blkmq.tools.job.JobFile;
import io.blkmq.tools.job.UsageException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a timeline tells is what was counted, in its interval. */
class SamplerTest {
    private static final long INTERVAL = Timeline.INTERVAL_NANOS;

    private Accounts accounts;
    private Sampler sampler;

    @BeforeEach
    void make() throws UsageException {
        accounts = new Accounts(JobFile.parse("test.fio", "[a]\nsize=1m\n").getFirst());
        sampler = new Sampler(accounts);
    }

    private void read(long... latencies) {
        for (long latency : latencies) {
            accounts.reads.operations++;
            accounts.reads.bytes += 4096;
            accounts.reads.recordTimes(0, 0, latency);
        }
    }

    private List<Timeline.Sample> samples() {
        return sampler.timeline().samples();
    }

    @Test
    void aSampleHasWhatWasDoneInItsInterval() {
        sampler.begin(1_000);
        read(1_000, 2_000);
        sampler.tick(1_000 + INTERVAL - 1);
        assertThat(samples()).as("it is not time yet").isEmpty();
        read(3_000);
        sampler.tick(1_000 + INTERVAL);
        read(50_000);
        sampler.tick(1_000 + 3 * INTERVAL);
        sampler.tick(1_000 + 4 * INTERVAL);
        assertThat(samples()).extracting(Timeline.Sample::fromNanos).containsExactly(1_000L, 1_000 + INTERVAL,
                1_000 + 3 * INTERVAL);
        assertThat(samples()).extracting(sample -> sample.reads().operationsPerSecond()).containsExactly(30.0, 5.0,
                0.0);
        assertThat(samples()).extracting(sample -> sample.reads().bytesPerSecond()).containsExactly(30.0 * 4096,
                5.0 * 4096, 0.0);
        assertThat(samples().get(0).reads().p99Nanos()).isBetween(3_000L, 3_030L);
        assertThat(samples().get(1).reads().p99Nanos()).isBetween(50_000L, 50_500L);
        assertThat(samples().get(2).reads().p99Nanos()).as("of no operation").isZero();
        assertThat(samples()).extracting(Timeline.Sample::writes).containsOnly(new Timeline.Rate(0, 0, 0));
    }

    @Test
    void whatWasDoneBeforeTheTimeThatCountsIsNotTold() {
        sampler.begin(0);
        read(900_000);
        accounts.reset();
        sampler.begin(INTERVAL);
        read(1_000);
        sampler.tick(2 * INTERVAL);
        assertThat(samples()).hasSize(1);
        assertThat(samples().getFirst().reads().operationsPerSecond()).isEqualTo(10);
        assertThat(samples().getFirst().reads().p99Nanos()).isLessThan(1_100);
    }

    @Test
    void aShortRestBelongsToTheSampleBefore() {
        sampler.begin(0);
        read(1_000);
        sampler.tick(INTERVAL);
        sampler.end(INTERVAL + INTERVAL / 4);
        assertThat(samples()).hasSize(1);
        assertThat(samples().getFirst().toNanos()).isEqualTo(INTERVAL + INTERVAL / 4);
        assertThat(samples().getFirst().reads().operationsPerSecond()).isEqualTo(8);
    }

    @Test
    void aJobThatIsShorterThanASampleHasOne() {
        sampler.begin(0);
        read(1_000);
        sampler.end(1_000_000);
        assertThat(samples()).hasSize(1);
        assertThat(samples().getFirst().reads().operationsPerSecond()).isEqualTo(1_000);
    }

    @Test
    void aLongRunHasAsManySamplesAsAShortOneAndLosesNothing() {
        Random random = new Random(RandomSeed.of(SamplerTest.class));
        sampler.begin(0);
        long now = 0;
        for (int i = 0; i < 5 * Timeline.SAMPLES_MAX; i++) {
            read(random.longs(random.nextInt(3), 1_000, 1_000_000).toArray());
            now += INTERVAL;
            sampler.tick(now);
        }
        sampler.end(now + 1);
        assertThat(samples()).hasSizeBetween(Timeline.SAMPLES_MAX / 2, Timeline.SAMPLES_MAX);
        for (int i = 1; i < samples().size(); i++) {
            assertThat(samples().get(i).fromNanos()).isEqualTo(samples().get(i - 1).toNanos());
        }
        assertThat(operations(sampler.timeline())).isEqualTo((double) accounts.reads.operations, within(0.001));
        assertThat(samples().stream().mapToLong(sample -> sample.reads().p99Nanos()).max().orElseThrow())
                .as("the slowest operation is in one of them")
                .isBetween(accounts.reads.completion().maxNanos(), accounts.reads.completion().maxNanos() * 102 / 100);
    }

    private static double operations(Timeline timeline) {
        return timeline.samples().stream()
                .mapToDouble(
                        sample -> sample.reads().operationsPerSecond() * (sample.toNanos() - sample.fromNanos()) / 1e9)
                .sum();
    }

    private static Timeline timeline(long from, long step, double... rates) {
        Timeline.Sample[] samples = new Timeline.Sample[rates.length];
        for (int i = 0; i < rates.length; i++) {
            samples[i] = new Timeline.Sample(from + i * step, from + (i + 1) * step,
                    new Timeline.Rate(rates[i], 0, (long) rates[i]), new Timeline.Rate(0, 0, 0),
                    new Timeline.Rate(0, 0, 0));
        }
        return new Timeline(Arrays.asList(samples));
    }

    @Test
    void threadsTogetherDidWhatEachDid() {
        Timeline one = timeline(0, INTERVAL, 10, 20, 30);
        Timeline other = timeline(INTERVAL / 2, INTERVAL, 100, 200);
        Timeline both = Timeline.together(List.of(one, Timeline.NONE, other));
        assertThat(both.samples()).extracting(sample -> sample.reads().operationsPerSecond()).containsExactly(60.0,
                170.0, 130.0);
        assertThat(both.samples()).extracting(sample -> sample.reads().p99Nanos()).as("of the slowest")
                .containsExactly(100L, 200L, 200L);
        assertThat(operations(both)).isEqualTo(operations(one) + operations(other), within(1e-6));
        assertThat(Timeline.together(List.of(one, Timeline.NONE))).isSameAs(one);
        assertThat(Timeline.together(List.of(Timeline.NONE))).isSameAs(Timeline.NONE);
    }

    @Test
    void threadsOfALongRunTogetherHaveNoMoreSamplesThanOne() {
        double[] rates = new double[Timeline.SAMPLES_MAX];
        Arrays.fill(rates, 7);
        Timeline long1 = timeline(0, 16 * INTERVAL, rates);
        Timeline both = Timeline.together(List.of(long1, timeline(5, 16 * INTERVAL, rates)));
        assertThat(both.samples()).hasSizeLessThanOrEqualTo(Timeline.SAMPLES_MAX);
        assertThat(operations(both)).isEqualTo(2 * operations(long1), within(1e-3));
    }

    @Test
    void runsInTurnFollowEachOther() {
        Timeline chain = Timeline
                .inTurn(List.of(timeline(700, INTERVAL, 1, 2), Timeline.NONE, timeline(9_000_000_000L, INTERVAL, 3)));
        assertThat(chain.samples()).extracting(Timeline.Sample::fromNanos).containsExactly(700L, 700 + INTERVAL,
                700 + 2 * INTERVAL);
        assertThat(chain.samples()).extracting(sample -> sample.reads().operationsPerSecond()).containsExactly(1.0, 2.0,
                3.0);
    }
}
