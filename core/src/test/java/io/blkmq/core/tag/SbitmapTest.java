package io.blkmq.core.tag;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.util.BitSet;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;

@NoRescues
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

    @Test
    void noBitBeyondTheDepthIsHandedOutUntilTheBitmapGrows() {
        for (int depth = 1; depth <= 200; depth += 7) {
            for (int smaller = 0; smaller <= depth; smaller++) {
                Sbitmap bitmap = new Sbitmap(depth);
                bitmap.resize(smaller);
                assertThat(bitmap.depth()).isEqualTo(smaller);
                assertThat(bitmap.depthMax()).isEqualTo(depth);
                assertThat(bitmap.heldCount()).isZero();
                assertThat(bitmap.hasFree()).isEqualTo(smaller > 0);
                assertThat(takeAll(bitmap)).isEqualTo(firstBits(smaller));
                assertThat(bitmap.hasFree()).isFalse();
                bitmap.resize(depth);
                assertThat(bitmap.hasFree()).isEqualTo(smaller < depth);
                BitSet others = firstBits(depth);
                others.clear(0, smaller);
                assertThat(takeAll(bitmap)).isEqualTo(others);
                assertThat(bitmap.heldCount()).isEqualTo(depth);
            }
        }
    }

    @Test
    void aBitBeyondTheDepthIsHeldUntilItIsGivenBackAndRestsThen() {
        Sbitmap bitmap = new Sbitmap(8);
        assertThat(takeAll(bitmap)).isEqualTo(firstBits(8));
        bitmap.resize(4);
        assertThat(bitmap.heldCount()).isEqualTo(8);
        giveAll(bitmap, 2, 6);
        assertThat(bitmap.heldCount()).isEqualTo(4);
        BitSet again = takeAll(bitmap);
        assertThat(again).isEqualTo(BitSet.valueOf(new long[]{0b1100}));
        assertThat(bitmap.heldCount()).isEqualTo(6);
        bitmap.resize(5);
        assertThat(takeAll(bitmap)).isEqualTo(BitSet.valueOf(new long[]{0b10000}));
        bitmap.resize(8);
        assertThat(takeAll(bitmap)).isEqualTo(BitSet.valueOf(new long[]{0b100000}));
    }

    @Test
    void aDepthThatIsNotAllocatedIsRefused() {
        Sbitmap bitmap = new Sbitmap(8);
        assertThatThrownBy(() -> bitmap.resize(9)).isInstanceOf(IllegalArgumentException.class)
                .hasMessage("depth 9: must be 0 to 8, the depth allocated");
        assertThatThrownBy(() -> bitmap.resize(-1)).isInstanceOf(IllegalArgumentException.class);
        assertThat(bitmap.depth()).isEqualTo(8);
    }

    @Test
    void behavesLikeABitSetThatIsResized() {
        long seed = RandomSeed.of(SbitmapTest.class);
        Random random = new Random(seed);
        int depthMax = 1 + random.nextInt(200);
        Sbitmap bitmap = new Sbitmap(depthMax);
        BitSet model = new BitSet();
        int depth = depthMax;
        for (int step = 0; step < 20_000; step++) {
            int what = random.nextInt(20);
            if (what == 0) {
                depth = random.nextInt(depthMax + 1);
                bitmap.resize(depth);
            } else if (what < 11) {
                int word = random.nextInt(bitmap.words());
                for (long m = bitmap.take(word, 1 + random.nextInt(8)); m != 0; m &= m - 1) {
                    int bit = bitmap.bitOf(word, Long.lowestOneBit(m));
                    assertThat(model.get(bit)).as("bit %d taken twice, seed %d", bit, seed).isFalse();
                    assertThat(bit).as("seed %d", seed).isLessThan(depth);
                    model.set(bit);
                }
            } else {
                int bit = model.nextSetBit(random.nextInt(depthMax));
                if (bit >= 0) {
                    bitmap.give(bitmap.wordOf(bit), bitmap.maskOf(bit));
                    model.clear(bit);
                }
            }
            assertThat(bitmap.heldCount()).as("seed %d", seed).isEqualTo(model.cardinality());
            assertThat(bitmap.hasFree()).as("seed %d", seed).isEqualTo(model.nextClearBit(0) < depth);
        }
    }

    @Test
    void onceTheBitsBeyondTheDepthAreGivenBackNoneIsHeldWhateverTakersDo() {
        int depthMax = 70;
        Sbitmap bitmap = new Sbitmap(depthMax);
        AtomicIntegerArray holders = new AtomicIntegerArray(depthMax);
        AtomicBoolean stop = new AtomicBoolean();
        Eventually.Worker<Boolean> resizer = Eventually.start(() -> {
            try {
                Random random = new Random(1);
                for (int round = 0; round < 20_000; round++) {
                    int depth = random.nextInt(depthMax + 1);
                    bitmap.resize(depth);
                    Eventually.until("all bits beyond the depth are free", () -> beyond(bitmap, depth) == 0);
                    for (int look = 0; look < 10; look++) {
                        assertThat(beyond(bitmap, depth)).isZero();
                    }
                }
            } finally {
                stop.set(true);
            }
        });
        Eventually.together(3, false, number -> {
            Random random = new Random(number);
            while (!stop.get()) {
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
        resizer.join();
        bitmap.resize(depthMax);
        assertThat(bitmap.heldCount()).isZero();
        assertThat(takeAll(bitmap)).isEqualTo(firstBits(depthMax));
    }

    @Test
    void aRoundRobinBitmapHandsOutTheNextFreeBitWhateverIsGivenBack() {
        long seed = RandomSeed.of(SbitmapTest.class);
        Random random = new Random(seed);
        for (int round = 0; round < 50; round++) {
            int depthMax = 1 + random.nextInt(200);
            Sbitmap bitmap = new Sbitmap(depthMax, true);
            BitSet model = new BitSet();
            int depth = depthMax;
            int cursor = 0;
            for (int step = 0; step < 1000; step++) {
                int what = random.nextInt(20);
                if (what == 0) {
                    depth = random.nextInt(depthMax + 1);
                    bitmap.resize(depth);
                } else if (what < 11) {
                    int expected = nextFree(model, cursor, depth);
                    int bit = bitmap.takeInTurn();
                    assertThat(bit).as("from %d of %d, held %s, seed %d", cursor, depth, model, seed)
                            .isEqualTo(expected);
                    if (bit >= 0) {
                        model.set(bit);
                        cursor = bit + 1;
                    }
                } else {
                    int bit = model.nextSetBit(random.nextInt(depthMax));
                    if (bit >= 0) {
                        bitmap.give(bitmap.wordOf(bit), bitmap.maskOf(bit));
                        model.clear(bit);
                    }
                }
                assertThat(bitmap.heldCount()).isEqualTo(model.cardinality());
            }
        }
    }

    @Test
    void inARoundRobinBitmapABitJustGivenBackHasItsTurnAfterAllOthers() {
        for (int depth = 1; depth <= 200; depth++) {
            Sbitmap bitmap = new Sbitmap(depth, true);
            for (int i = 0; i < 3 * depth; i++) {
                int bit = bitmap.takeInTurn();
                assertThat(bit).isEqualTo(i % depth);
                bitmap.give(bitmap.wordOf(bit), bitmap.maskOf(bit));
            }
        }
    }

    @Test
    void threadsThatTakeInTurnNeverHoldTheSameBitAndGetEveryFreeOne() {
        int depth = 5;
        Sbitmap bitmap = new Sbitmap(depth, true);
        AtomicIntegerArray holders = new AtomicIntegerArray(depth);
        // Threads together hold fewer bits than there are: one that asks may miss a bit behind its back, but not for long.
        Eventually.together(3, false, _ -> {
            for (int i = 0; i < 100_000; i++) {
                int[] taken = {-1};
                Eventually.until("a bit is free", () -> (taken[0] = bitmap.takeInTurn()) >= 0);
                int bit = taken[0];
                assertThat(holders.incrementAndGet(bit)).isOne();
                holders.decrementAndGet(bit);
                bitmap.give(bitmap.wordOf(bit), bitmap.maskOf(bit));
            }
        });
        assertThat(bitmap.heldCount()).isZero();
    }

    @Test
    void aShallowTakerSeesAsManyBitsAsItNamesSpreadOverTheWords() {
        for (int depth = 1; depth <= 200; depth += 3) {
            for (int shallow = 1; shallow <= depth + 1; shallow++) {
                Sbitmap bitmap = new Sbitmap(depth);
                int seen = 0;
                int wordBits = Long.bitCount(new Sbitmap(depth).take(0, Integer.MAX_VALUE));
                for (int word = 0; word < bitmap.words(); word++) {
                    long mask = bitmap.take(word, Integer.MAX_VALUE, shallow);
                    assertThat(mask & (mask + 1)).as("the first bits of the word").isZero();
                    assertThat(Long.bitCount(mask) * (long) depth)
                            .isLessThan(Math.min(shallow, depth) * (long) wordBits + depth);
                    seen += Long.bitCount(mask);
                }
                assertThat(seen).isEqualTo(Math.min(shallow, depth));
                assertThat(takeAll(bitmap).cardinality()).as("what is left for the others").isEqualTo(depth - seen);
            }
        }
    }

    @Test
    void aShallowTakerIsRestrictedByTheDepthOfTheMoment() {
        Sbitmap bitmap = new Sbitmap(128);
        bitmap.resize(64);
        int seen = 0;
        for (int word = 0; word < bitmap.words(); word++) {
            seen += Long.bitCount(bitmap.take(word, Integer.MAX_VALUE, 16));
        }
        assertThat(seen).isEqualTo(16);
        assertThat(bitmap.heldCount()).isEqualTo(16);
    }

    @Test
    void aShallowTakerGetsBackWhatWasGivenBackAmongItsBits() {
        Sbitmap bitmap = new Sbitmap(3);
        assertThat(bitmap.take(0, 3)).isEqualTo(0b111);
        bitmap.give(0, 0b100);
        assertThat(bitmap.take(0, 1, 2)).isZero();
        bitmap.give(0, 0b010);
        assertThat(bitmap.take(0, 1, 1)).isZero();
        assertThat(bitmap.take(0, 3, 2)).isEqualTo(0b010);
        assertThat(bitmap.take(0, 3)).isEqualTo(0b100);
    }

    @Test
    void shallowTakersOfARoundRobinBitmapTakeTheirBitsInTurn() {
        Sbitmap bitmap = new Sbitmap(8, true);
        int[] order = new int[6];
        for (int i = 0; i < order.length; i++) {
            order[i] = bitmap.takeInTurn(4);
            bitmap.give(bitmap.wordOf(order[i]), bitmap.maskOf(order[i]));
        }
        assertThat(order).containsExactly(0, 2, 4, 6, 0, 2);
    }

    private static int nextFree(BitSet held, int cursor, int depth) {
        int bit = held.nextClearBit(cursor);
        if (bit >= depth) {
            bit = held.nextClearBit(0);
        }
        return bit < depth ? bit : -1;
    }

    private static BitSet firstBits(int count) {
        BitSet bits = new BitSet();
        bits.set(0, count);
        return bits;
    }

    private static int beyond(Sbitmap bitmap, int depth) {
        int count = 0;
        for (int word = 0; word < bitmap.words(); word++) {
            for (long held = bitmap.held(word); held != 0; held &= held - 1) {
                count += bitmap.bitOf(word, Long.lowestOneBit(held)) >= depth ? 1 : 0;
            }
        }
        return count;
    }

    private static BitSet takeAll(Sbitmap bitmap) {
        BitSet taken = new BitSet();
        for (int bit = takeAny(bitmap); bit >= 0; bit = takeAny(bitmap)) {
            taken.set(bit);
        }
        return taken;
    }

    private static void giveAll(Sbitmap bitmap, int from, int to) {
        for (int bit = from; bit < to; bit++) {
            bitmap.give(bitmap.wordOf(bit), bitmap.maskOf(bit));
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
