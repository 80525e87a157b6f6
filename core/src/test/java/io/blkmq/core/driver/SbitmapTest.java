package io.blkmq.core.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Eventually;
import io.blkmq.core.RandomSeed;
import java.util.BitSet;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

class SbitmapTest {
    @Test
    void everyDepthHandsOutEachBitOnceAndThenNone() {
        for (int depth = 1; depth <= 200; depth++) {
            Sbitmap bitmap = new Sbitmap(depth);
            BitSet taken = new BitSet();
            for (int bit = takeAny(bitmap); bit >= 0; bit = takeAny(bitmap)) {
                assertThat(bit).isBetween(0, depth - 1);
                assertThat(taken.get(bit)).as("bit %d of %d twice", bit, depth).isFalse();
                taken.set(bit);
            }
            assertThat(taken.cardinality()).isEqualTo(depth);
            assertThat(bitmap.heldCount()).isEqualTo(depth);
            assertThat(bitmap.hasFree()).isFalse();
        }
    }

    @Test
    void whatIsGivenBackCanBeTakenAgain() {
        for (int depth = 1; depth <= 200; depth++) {
            Sbitmap bitmap = new Sbitmap(depth);
            for (int round = 0; round < 3; round++) {
                for (int bit = 0; bit < depth; bit++) {
                    assertThat(takeAny(bitmap)).isNotNegative();
                }
                assertThat(takeAny(bitmap)).isNegative();
                for (int bit = 0; bit < depth; bit++) {
                    bitmap.give(bitmap.wordOf(bit), bitmap.maskOf(bit));
                }
                assertThat(bitmap.heldCount()).isZero();
                assertThat(bitmap.hasFree()).isTrue();
            }
        }
    }

    @Test
    void aBatchTakesBitsOfOneWordOnly() {
        Sbitmap bitmap = new Sbitmap(128);
        long mask = bitmap.take(1, 5);
        assertThat(Long.bitCount(mask)).isEqualTo(5);
        assertThat(bitmap.held(1)).isEqualTo(mask);
        assertThat(bitmap.held(0)).isZero();
    }

    @Test
    void aBatchTakesWhatThereIsIfThatIsLess() {
        Sbitmap bitmap = new Sbitmap(128);
        int perWord = Long.bitCount(bitmap.take(0, Integer.MAX_VALUE));
        assertThat(perWord).isEqualTo(32);
        assertThat(bitmap.take(0, 1)).isZero();
        bitmap.give(0, 0b101);
        assertThat(bitmap.take(0, 3)).isEqualTo(0b101);
    }

    @Test
    void smallBitmapsAreSpreadOverFourWordsAtLeast() {
        for (int depth = 4; depth <= 200; depth++) {
            assertThat(new Sbitmap(depth).words()).as("depth %d", depth).isGreaterThanOrEqualTo(4);
        }
    }

    @Test
    void anEmptyBitmapHasNothing() {
        Sbitmap bitmap = new Sbitmap(0);
        assertThat(bitmap.words()).isZero();
        assertThat(bitmap.hasFree()).isFalse();
        assertThat(bitmap.heldCount()).isZero();
    }

    @Test
    void behavesLikeABitSet() {
        long seed = RandomSeed.of(SbitmapTest.class);
        Random random = new Random(seed);
        int depth = 1 + random.nextInt(200);
        Sbitmap bitmap = new Sbitmap(depth);
        BitSet model = new BitSet();
        for (int step = 0; step < 20_000; step++) {
            int word = random.nextInt(bitmap.words());
            if (random.nextBoolean()) {
                long mask = bitmap.take(word, 1 + random.nextInt(8));
                for (long m = mask; m != 0; m &= m - 1) {
                    int bit = bitmap.bitOf(word, Long.lowestOneBit(m));
                    assertThat(model.get(bit)).as("bit %d taken twice, seed %d", bit, seed).isFalse();
                    model.set(bit);
                }
            } else {
                int bit = model.nextSetBit(random.nextInt(depth));
                if (bit >= 0) {
                    bitmap.give(bitmap.wordOf(bit), bitmap.maskOf(bit));
                    model.clear(bit);
                }
            }
            assertThat(bitmap.heldCount()).isEqualTo(model.cardinality());
            assertThat(bitmap.hasFree()).isEqualTo(model.cardinality() < depth);
        }
    }

    @Test
    void threadsNeverHoldTheSameBit() {
        int depth = 70;
        Sbitmap bitmap = new Sbitmap(depth);
        AtomicIntegerArray holders = new AtomicIntegerArray(depth);
        Eventually.together(4, false, number -> {
            Random random = new Random(number);
            for (int i = 0; i < 200_000; i++) {
                int word = random.nextInt(bitmap.words());
                long mask = bitmap.take(word, 1 + random.nextInt(3));
                for (long m = mask; m != 0; m &= m - 1) {
                    assertThat(holders.incrementAndGet(bitmap.bitOf(word, Long.lowestOneBit(m)))).isOne();
                }
                for (long m = mask; m != 0; m &= m - 1) {
                    holders.decrementAndGet(bitmap.bitOf(word, Long.lowestOneBit(m)));
                }
                if (mask != 0) {
                    bitmap.give(word, mask);
                }
            }
        });
        assertThat(bitmap.heldCount()).isZero();
    }

    @Test
    void aFreeBitIsFoundAlsoWhileAnotherThreadFolds() {
        // Two bits and two threads that hold one at the most: there is always a bit for the one that asks.
        Sbitmap bitmap = new Sbitmap(2);
        Eventually.together(2, false, _ -> {
            for (int i = 0; i < 300_000; i++) {
                long mask = bitmap.take(0, 1);
                assertThat(mask).isNotZero();
                bitmap.give(0, mask);
            }
        });
    }

    @Test
    void aFreeBitIsNotReportedAsHeldWhileItIsFolded() {
        Sbitmap bitmap = new Sbitmap(2);
        AtomicBoolean stop = new AtomicBoolean();
        Eventually.Worker<Boolean> holderOfOne = Eventually.start(() -> {
            while (!stop.get()) {
                bitmap.give(0, bitmap.take(0, 1));
            }
        });
        try {
            for (int i = 0; i < 1_000_000; i++) {
                assertThat(Long.bitCount(bitmap.held(0))).isLessThanOrEqualTo(1);
            }
        } finally {
            stop.set(true);
            holderOfOne.join();
        }
    }

    private static int takeAny(Sbitmap bitmap) {
        for (int word = 0; word < bitmap.words(); word++) {
            long mask = bitmap.take(word, 1);
            if (mask != 0) {
                return bitmap.bitOf(word, mask);
            }
        }
        return -1;
    }
}
