package io.blkmq.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Where seeds come from. */
@Isolated // sets system properties
class RandomSeedTest {
    private static long ask() {
        return RandomSeed.next(RandomSeedTest.class);
    }

    @Test
    void everySeedIsAnother() {
        Assumptions.assumeFalse(RandomSeed.isGiven(), "all seeds are the one that is given");
        Set<Long> seeds = new HashSet<>();
        for (int i = 0; i < 1000; i++) {
            seeds.add(ask());
        }
        assertThat(seeds).hasSize(1000);
    }

    @Test
    void theSeriesOfEveryBuildIsTheSameEachTime() {
        Assumptions.assumeTrue(!RandomSeed.isGiven() && NumberProperty.of(RandomSeed.SERIES, 0L) == 0,
                "other seeds are asked for");
        assertThat(Stream.generate(RandomSeedTest::ask).limit(2)).containsExactly(2235481409489524728L,
                -7550090714608325336L);
    }

    /** A replay that runs other programs than the one that failed would pass, and mean nothing. */
    @ParameterizedTest
    @ValueSource(strings = {"42l", "", "forty-two", "9223372036854775808", "1.0"})
    void whatIsNoSeedIsRefused(String seed) {
        try (SetProperty _ = RandomSeed.give(seed)) {
            assertThatIllegalArgumentException().isThrownBy(RandomSeedTest::ask)
                    .withMessageContaining("-D" + RandomSeed.GIVEN + "=" + seed + ": ");
            assertThatIllegalArgumentException().isThrownBy(RandomSeed::isGiven);
        }
        Assumptions.assumeFalse(RandomSeed.isGiven(), "nobody asks for the series");
        try (SetProperty _ = SetProperty.of(RandomSeed.SERIES, seed)) {
            assertThatIllegalArgumentException().isThrownBy(RandomSeedTest::ask)
                    .withMessageContaining("-D" + RandomSeed.SERIES + "=" + seed + ": ");
        }
    }

    @Test
    void aSeedIsAnyNumberAndACountASmallerOne() {
        try (SetProperty _ = RandomSeed.give("-9223372036854775808")) {
            assertThat(ask()).isEqualTo(Long.MIN_VALUE);
            assertThatIllegalArgumentException().isThrownBy(() -> NumberProperty.of(RandomSeed.GIVEN, 1));
        }
        try (SetProperty _ = RandomSeed.give("0x2a")) {
            assertThat(ask()).isEqualTo(42);
            assertThat(NumberProperty.of(RandomSeed.GIVEN, 1)).isEqualTo(42);
        }
    }
}
