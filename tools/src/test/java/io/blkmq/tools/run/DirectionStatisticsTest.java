package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Samples of the rates. */
class DirectionStatisticsTest {
    private static final long HALF_SECOND = 500_000_000;

    private final DirectionStatistics statistics = new DirectionStatistics(false, true, false);

    private void did(int operations) {
        statistics.operations += operations;
        statistics.bytes += operations * 4096L;
    }

    @Test
    void aTimeInWhichNothingWasDoneIsNoSample() {
        statistics.sample(HALF_SECOND);
        did(10);
        statistics.sample(HALF_SECOND);
        statistics.sample(HALF_SECOND);
        statistics.sampleRest(HALF_SECOND, HALF_SECOND);
        assertThat(statistics.iopsSamples().count()).isEqualTo(1);
        assertThat(statistics.iopsSamples().min()).isEqualTo(20);
        assertThat(statistics.bandwidthSamples().min()).isEqualTo(20 * 4096);
    }

    @Test
    void aShortRestIsASampleOnlyWhereThereIsNoOther() {
        did(10);
        statistics.sample(HALF_SECOND);
        did(1);
        statistics.sampleRest(HALF_SECOND / 2 - 1, HALF_SECOND);
        assertThat(statistics.iopsSamples().count()).isEqualTo(1);
        did(4);
        statistics.sampleRest(HALF_SECOND / 2, HALF_SECOND);
        assertThat(statistics.iopsSamples().count()).isEqualTo(2);
        assertThat(statistics.iopsSamples().min()).as("without that of the rest before").isEqualTo(16);
        DirectionStatistics brief = new DirectionStatistics(false, true, false);
        brief.operations = 3;
        brief.sampleRest(1_000_000, HALF_SECOND);
        assertThat(brief.iopsSamples().max()).isEqualTo(3000);
    }

    @Test
    void whatIsForgottenHasNoSamplesEither() {
        did(10);
        statistics.sample(HALF_SECOND);
        statistics.reset();
        assertThat(statistics.iopsSamples().count()).isZero();
        did(2);
        statistics.sample(HALF_SECOND);
        assertThat(statistics.iopsSamples().min()).isEqualTo(4);
        assertThat(statistics.iopsSamples().max()).isEqualTo(4);
        assertThat(statistics.iopsSamples().mean()).isEqualTo(4);
        assertThat(statistics.iopsSamples().deviation()).isZero();
        assertThat(statistics.bandwidthSamples().max()).isEqualTo(4 * 4096);
    }
}
