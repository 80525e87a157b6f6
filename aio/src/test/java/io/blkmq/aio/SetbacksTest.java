package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** How long a ring that fails is left alone, when it is given up, and what is logged of it. */
class SetbacksTest {

    private static final long MILLI = 1_000_000L;
    /** Any origin will do, also one that wraps around. */
    private static final long START = Long.MAX_VALUE - 5 * MILLI;

    private final Setbacks setbacks = new Setbacks();

    @Test
    void pauseDoublesUntilTheRingIsGivenUp() {
        long now = START;
        for (int i = 0; i < Setbacks.IN_A_ROW_MAX - 1; i++) {
            assertThat(setbacks.add(now)).isFalse();
            assertThat(setbacks.pauseNanos(now)).isEqualTo(MILLI << i);
            now += MILLI << i;
            assertThat(setbacks.pauseNanos(now)).isZero();
        }
        assertThat(setbacks.add(now)).isTrue();
    }

    @Test
    void onlyFailuresInARowCount() {
        for (int i = 0; i < 100; i++) {
            assertThat(setbacks.add(START)).isFalse();
            assertThat(setbacks.any()).isTrue();
            setbacks.none();
            assertThat(setbacks.any()).isFalse();
            assertThat(setbacks.pauseNanos(START)).isZero();
        }
    }

    @Test
    void notMoreThanOneFailureInASecondIsLogged() {
        long logged = LongStream.range(0, 5000).filter(milli -> setbacks.isToBeLogged(START + milli * MILLI)).count();
        assertThat(logged).isEqualTo(5);
    }
}
