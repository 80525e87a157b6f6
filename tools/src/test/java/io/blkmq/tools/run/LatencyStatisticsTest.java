package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class LatencyStatisticsTest {
    private static LatencyStatistics of(long... values) {
        LatencyStatistics latency = new LatencyStatistics(true);
        for (long value : values) {
            latency.record(value);
        }
        return latency;
    }

    @Test
    void meanAndDeviationAreThoseOfASample() {
        LatencyStatistics latency = of(2, 4, 4, 4, 5, 5, 7, 9);
        assertThat(latency.count()).isEqualTo(8);
        assertThat(latency.minNanos()).isEqualTo(2);
        assertThat(latency.maxNanos()).isEqualTo(9);
        assertThat(latency.meanNanos()).isEqualTo(5);
        assertThat(latency.deviationNanos()).isEqualTo(Math.sqrt(32.0 / 7), within(1e-9));
    }

    @Test
    void aSmallDeviationSurvivesALargeMean() {
        LatencyStatistics latency = of(10_000_000_000L, 10_000_000_002L);
        assertThat(latency.deviationNanos()).isEqualTo(Math.sqrt(2), within(1e-9));
    }

    @Test
    void addingTwoIsRecordingAll() {
        LatencyStatistics sum = of(2, 4, 4);
        sum.add(of(4, 5, 5, 7, 9));
        sum.add(of());
        LatencyStatistics all = of(2, 4, 4, 4, 5, 5, 7, 9);
        assertThat(sum.meanNanos()).isEqualTo(all.meanNanos(), within(1e-9));
        assertThat(sum.deviationNanos()).isEqualTo(all.deviationNanos(), within(1e-9));
        assertThat(sum.percentileNanos(50)).isEqualTo(all.percentileNanos(50)).isEqualTo(4);
        assertThat(sum.minNanos()).isEqualTo(2);
        assertThat(sum.maxNanos()).isEqualTo(9);
    }

    @Test
    void nothingRecordedIsZeroEverywhere() {
        LatencyStatistics none = of();
        assertThat(none.minNanos() + none.maxNanos() + none.percentileNanos(99)).isZero();
        assertThat(none.meanNanos() + none.deviationNanos()).isZero();
    }

    @Test
    void percentilesAreExactToOnePartInAHundred() {
        LatencyStatistics latency = new LatencyStatistics(true);
        for (int i = 1; i <= 100_000; i++) {
            latency.record(i * 1000L);
        }
        assertThat((double) latency.percentileNanos(99)).isEqualTo(99_000_000, within(990_000.0));
        assertThat(latency.percentileNanos(100)).isEqualTo(latency.maxNanos());
    }
}
