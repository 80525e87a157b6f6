package io.blkmq.testkit.crash;

import java.util.BitSet;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import java.util.function.Predicate;

/**
 * The sets of pending effects that a crash may lose: those that, with an effect, lose all that require it. For one thread.
 *
 * <p>Sets are of effects' numbers.
 */
final class StateSets {
    /** With more pending effects than these not all sets are tried, however many are allowed. */
    private static final int EXHAUSTIVE_MAX = 40;

    private final History history;
    private final int[] pending;

    StateSets(History history, int[] pending) {
        this.history = history;
        this.pending = pending;
    }

    /**
     * Gives each set to a visitor, until it has seen as many as allowed, or says that it has seen enough.
     *
     * @param max how many sets at the most; at least nothing lost and everything lost are among them
     * @param random chooses where there are more
     * @param visitor gets a set that is its own until it returns; false ends the visit
     * @return whether there are no other sets than the visited ones
     */
    boolean each(long max, SplittableRandom random, Predicate<BitSet> visitor) {
        if (pending.length <= EXHAUSTIVE_MAX && countUpTo(max, 0, new BitSet()) <= max) {
            return eachOf(0, new BitSet(), visitor);
        }
        Sample sample = new Sample(Math.max(2, max), random, visitor);
        sample.take();
        return false;
    }

    /** Counts the sets that agree with what is lost among the effects before an index; stops when there are more than max. */
    private long countUpTo(long max, int index, BitSet lost) {
        if (index == pending.length) {
            return 1;
        }
        int effect = pending[index];
        lost.set(effect);
        long count = countUpTo(max, index + 1, lost);
        lost.clear(effect);
        if (count <= max && mayStay(effect, lost)) {
            count += countUpTo(max - count, index + 1, lost);
        }
        return count;
    }

    private boolean eachOf(int index, BitSet lost, Predicate<BitSet> visitor) {
        if (index == pending.length) {
            return visitor.test(lost);
        }
        int effect = pending[index];
        if (mayStay(effect, lost) && !eachOf(index + 1, lost, visitor)) {
            return false;
        }
        lost.set(effect);
        boolean goesOn = eachOf(index + 1, lost, visitor);
        lost.clear(effect);
        return goesOn;
    }

    private boolean mayStay(int effect, BitSet lost) {
        for (int required : history.requiredBy(effect)) {
            if (lost.get(required)) {
                return false;
            }
        }
        return true;
    }

    /** Adds to what is lost all that requires something of it. */
    void close(BitSet lost) {
        for (int effect : pending) {
            if (!lost.get(effect) && !mayStay(effect, lost)) {
                lost.set(effect);
            }
        }
    }

    /** Takes from what is lost an effect, and all that it requires. */
    void keep(int effect, BitSet lost) {
        BitSet open = new BitSet();
        open.set(effect);
        for (int each = effect; each >= 0; each = open.previousSetBit(each)) {
            open.clear(each);
            if (lost.get(each)) {
                lost.clear(each);
                for (int required : history.requiredBy(each)) {
                    open.set(required);
                }
            }
        }
    }

    private BitSet everything() {
        BitSet all = new BitSet();
        for (int effect : pending) {
            all.set(effect);
        }
        return all;
    }

    /** Some of too many sets. */
    private final class Sample {
        private final SplittableRandom random;
        private final Predicate<BitSet> visitor;
        private long left;
        private boolean goesOn = true;

        Sample(long max, SplittableRandom random, Predicate<BitSet> visitor) {
            this.left = max;
            this.random = random;
            this.visitor = visitor;
        }

        void take() {
            visit(new BitSet());
            visit(everything());
            long quarter = left / 4;
            spread(quarter, this::inOrder);
            spread(quarter, this::withoutOne);
            spread(quarter, this::oneAlone);
            while (left > 0 && goesOn) {
                visit(drawn());
            }
        }

        private void visit(BitSet lost) {
            if (left > 0 && goesOn) {
                left--;
                goesOn = visitor.test(lost);
            }
        }

        /** Visits one set for each pending effect, or for some that lie evenly among them. */
        private void spread(long max, IntFunction<BitSet> set) {
            long count = Math.min(max, pending.length);
            for (long i = 0; i < count; i++) {
                visit(set.apply((int) (i * pending.length / count)));
            }
        }

        /** Nothing from an index on survives. */
        private BitSet inOrder(int index) {
            BitSet lost = new BitSet();
            for (int i = index; i < pending.length; i++) {
                lost.set(pending[i]);
            }
            return lost;
        }

        private BitSet withoutOne(int index) {
            BitSet lost = new BitSet();
            lost.set(pending[index]);
            close(lost);
            return lost;
        }

        private BitSet oneAlone(int index) {
            BitSet lost = everything();
            keep(pending[index], lost);
            return lost;
        }

        /** All up to some moment, but for effects that are lost by a chance which is itself drawn. */
        private BitSet drawn() {
            int moment = random.nextInt(pending.length + 1);
            double chance = 1.0 / (1 << random.nextInt(1, 6));
            BitSet lost = inOrder(moment);
            for (int i = 0; i < moment; i++) {
                if (random.nextDouble() < chance) {
                    lost.set(pending[i]);
                }
            }
            close(lost);
            return lost;
        }
    }
}
