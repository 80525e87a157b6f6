package io.blkmq.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** Where seeds come from. */
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
        Assumptions.assumeTrue(!RandomSeed.isGiven() && Long.getLong(RandomSeed.SERIES, 0) == 0,
                "other seeds are asked for");
        assertThat(Stream.generate(RandomSeedTest::ask).limit(2)).containsExactly(2235481409489524728L,
                -7550090714608325336L);
    }
}
