package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

@NoRescues
class LatencyHistogramTest {
    private static LatencyHistogram of(long... nanos) {
        long[] counts = new long[LatencyHistogram.BUCKETS];
        for (long one : nanos) {
            counts[LatencyHistogram.bucketOf(one)]++;
        }
        return new LatencyHistogram(counts);
    }

    @Test
    void theBucketsFollowEachOtherWithoutAGap() {
        assertThat(LatencyHistogram.lowestNanos(0)).isZero();
        for (int bucket = 0; bucket < LatencyHistogram.BUCKETS; bucket++) {
            long lowest = LatencyHistogram.lowestNanos(bucket);
            long highest = LatencyHistogram.highestNanos(bucket);
            assertThat(LatencyHistogram.bucketOf(lowest)).isEqualTo(bucket);
            assertThat(LatencyHistogram.bucketOf(highest)).isEqualTo(bucket);
            assertThat(highest - lowest).as("width of bucket %d", bucket).isLessThanOrEqualTo(lowest / 4);
            if (bucket > 0) {
                assertThat(lowest).isEqualTo(LatencyHistogram.highestNanos(bucket - 1) + 1);
            }
        }
    }

    @Test
    void whatTakesLongerThanTheLastBucketStandsInIt() {
        int last = LatencyHistogram.BUCKETS - 1;
        assertThat(LatencyHistogram.bucketOf(LatencyHistogram.highestNanos(last) + 1)).isEqualTo(last);
        assertThat(LatencyHistogram.bucketOf(Long.MAX_VALUE)).isEqualTo(last);
    }

    @Test
    void aPercentileIsTheExactOneOrAtMostAQuarterMore() {
        long seed = RandomSeed.of(LatencyHistogramTest.class);
        SplittableRandom random = new SplittableRandom(seed);
        for (int round = 0; round < 200; round++) {
            long[] nanos = new long[random.nextInt(1, 2_000)];
            int power = random.nextInt(1, 42);
            Arrays.setAll(nanos, i -> random.nextLong(1L << random.nextInt(power + 1)));
            LatencyHistogram histogram = of(nanos);
            Arrays.sort(nanos);
            for (double percent : new double[]{0.1, 1, 10, 50, 90, 99, 99.9, 100}) {
                long exact = nanos[Math.max((int) Math.ceil(percent / 100 * nanos.length), 1) - 1];
                assertThat(histogram.percentileNanos(percent)).as("%s %% of %d", percent, nanos.length).isBetween(exact,
                        exact + exact / 4);
            }
            assertThat(histogram.total()).isEqualTo(nanos.length);
        }
    }

    @Test
    void withoutOperationsEveryPercentileIsNone() {
        assertThat(of().percentileNanos(99)).isZero();
        assertThat(of()).hasToString("no operations");
    }

    @Test
    void theDifferenceOfTwoStatesIsWhatWasAddedBetweenThem() {
        LatencyHistogram before = of(10, 1_000);
        LatencyHistogram after = of(10, 1_000, 1_000, 5_000_000);
        LatencyHistogram added = after.since(before);
        assertThat(added.total()).isEqualTo(2);
        assertThat(added.count(LatencyHistogram.bucketOf(1_000))).isOne();
        assertThat(added.count(LatencyHistogram.bucketOf(10))).isZero();
        assertThatIllegalArgumentException().isThrownBy(() -> before.since(after));
    }

    @Test
    void whatIsNoPercentileIsRefusedWithItsValue() {
        for (double percent : new double[]{0, -1, 100.1, Double.NaN}) {
            assertThatIllegalArgumentException().isThrownBy(() -> of(1).percentileNanos(percent))
                    .withMessageContaining(String.valueOf(percent));
        }
    }

    @Test
    void anotherNumberOfBucketsIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new LatencyHistogram(new long[3]))
                .withMessage("3 buckets: there are 168");
    }
}
