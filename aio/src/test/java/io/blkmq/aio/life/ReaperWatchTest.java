package io.blkmq.aio.life;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** The steps of a reaper and of submitters, one between those of another. The race tests have them at once. */
class ReaperWatchTest {
    private final ReaperWatch watch = new ReaperWatch();

    private void retire() {
        assertThat(watch.retire(() -> false, () -> false)).isTrue();
    }

    @Test
    void aReaperRetiresOnlyWhereNothingIsInFlight() {
        assertThat(watch.retire(() -> false, () -> true)).isFalse();
        assertThat(watch.isRetired()).isFalse();
        retire();
        assertThat(watch.isRetired()).isTrue();
    }

    @Test
    void whatIsInFlightWhileASubmitterIsInItsDoorbellIsForThatOneToSeeTo() {
        assertThat(watch.retire(() -> true, () -> true)).isTrue();
        assertThat(watch.lastHasGone(() -> true)).as("it has to unpark the reaper").isTrue();
        assertThat(watch.isRetired()).isFalse();
    }

    @Test
    void aReaperIsCalledOnceForWhatWasLeftBehind() {
        retire();
        watch.leaves();
        assertThat(watch.lastHasGone(() -> true)).isTrue();
        assertThat(watch.lastHasGone(() -> true)).isFalse();
        assertThat(watch.call()).isFalse();
    }

    @Test
    void aReaperIsNotCalledForWhatOthersHaveToldMeanwhile() {
        retire();
        watch.leaves();
        assertThat(watch.lastHasGone(() -> false)).isFalse();
        assertThat(watch.isRetired()).isTrue();
    }

    @Test
    void whatIsLeftBehindWhileAnotherLooksIsNotForgotten() {
        retire();
        assertThat(watch.lastHasGone(() -> {
            watch.leaves();
            return false;
        })).isFalse();
        assertThat(watch.lastHasGone(() -> true)).as("its own note is there").isTrue();
    }

    @Test
    void nothingIsNotedWhileTheReaperWatches() {
        watch.leaves();
        assertThat(watch.lastHasGone(() -> true)).isFalse();
    }
}
