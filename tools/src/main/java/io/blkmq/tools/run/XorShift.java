package io.blkmq.tools.run;

/** Random numbers for offsets: a few instructions each, the same sequence for the same seed. For one thread. */
final class XorShift {
    private long state;

    XorShift(long seed) {
        long mixed = mix(seed);
        state = mixed == 0 ? 1 : mixed;
    }

    /** Spreads a seed over all bits, so that seeds that differ by one give unrelated sequences. */
    static long mix(long seed) {
        long z = seed + 0x9E3779B97F4A7C15L;
        z = (z ^ z >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }

    long next() {
        long x = state;
        x ^= x << 13;
        x ^= x >>> 7;
        x ^= x << 17;
        state = x;
        return x;
    }

    /** A number from 0 to bound - 1, by a multiplication in place of a division. */
    long below(long bound) {
        return Math.unsignedMultiplyHigh(next(), bound);
    }
}
