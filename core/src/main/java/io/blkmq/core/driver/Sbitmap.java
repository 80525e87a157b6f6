package io.blkmq.core.driver;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A scalable bitmap: a set of small integers that many threads take from and give back to. The kernel's counterpart is
 * {@code struct sbitmap}.
 *
 * <p>The bits are spread over several words, so that threads that start at different words do not meet. Each word is two
 * masks on cache lines of their own:
 *
 * <pre>
 *   taken    bit set: taken, or given back and not yet folded
 *   cleared  bit set: given back and not yet folded
 *
 *   take:  taken  |= bit                 (compare and set, by takers)
 *   give:  cleared += bit                (one add, by givers; never touches the takers' line)
 *   fold:  c = cleared; cleared = 0; taken -= c    (by the taker that finds the word exhausted)
 * </pre>
 *
 * <p>A bit in {@code cleared} is always also in {@code taken}, and only the holder of a bit gives it back: so adding is or-ing
 * and subtracting is clearing, and both are one instruction. All accesses that change a mask are atomic read-modify-writes with
 * volatile semantics: what a holder wrote before giving a bit back is seen by the next one who takes it.
 *
 * <p>In the middle of a fold the folded bits are in {@code taken} alone and look held, although they are free. Who believed that
 * would wait for a bit that nobody gives back. So folds are counted, once at their begin and once at their end: while the count is
 * odd, lookers wait for the few instructions that are left, and one that has found it changed looks again.
 */
final class Sbitmap {
    private static final VarHandle WORDS = MethodHandles.arrayElementVarHandle(long[].class);
    /** Two cache lines, since processors fetch lines in pairs. */
    private static final int LINE_LONGS = 16;
    private static final int STRIDE = 2 * LINE_LONGS;
    /** How often a looker looks at a fold under way before it gives its processor away. */
    private static final int SPINS_MAX = 100;

    private final int depth;
    private final int shift;
    private final int words;
    private final long[] masks;

    /** A bitmap of bits 0 to {@code depth - 1}, all free. */
    Sbitmap(int depth) {
        assert depth >= 0;
        this.depth = depth;
        // Small bitmaps use part of each word, so that there are at least four words to spread over.
        int bits = 6;
        while (bits > 0 && depth >= 4 && (4L << bits) > depth) {
            bits--;
        }
        this.shift = bits;
        this.words = (depth + (1 << bits) - 1) >> bits;
        this.masks = new long[LINE_LONGS + words * STRIDE];
    }

    int depth() {
        return depth;
    }

    int words() {
        return words;
    }

    int wordOf(int bit) {
        return bit >> shift;
    }

    long maskOf(int bit) {
        return 1L << (bit & ((1 << shift) - 1));
    }

    /** The bit that a word's mask, with one bit set, stands for. */
    int bitOf(int word, long mask) {
        return (word << shift) + Long.numberOfTrailingZeros(mask);
    }

    /**
     * Takes up to {@code count} bits of one word in one atomic step.
     *
     * @param word which
     * @param count how many at the most, at least 1
     * @return their mask, 0 if the word has none free
     */
    long take(int word, int count) {
        int at = taken(word);
        long full = full(word);
        for (;;) {
            // Opaque is enough: the compare and set below decides.
            long taken = (long) WORDS.getOpaque(masks, at);
            long free = ~taken & full;
            if (free == 0) {
                if (!fold(word)) {
                    return 0;
                }
                continue;
            }
            long mask = lowest(free, count);
            if (WORDS.compareAndSet(masks, at, taken, taken | mask)) {
                return mask;
            }
        }
    }

    private static long lowest(long free, int count) {
        if (count == 1) {
            return Long.lowestOneBit(free);
        }
        if (Long.bitCount(free) <= count) {
            return free;
        }
        long mask = 0;
        for (int i = 0; i < count; i++) {
            long bit = Long.lowestOneBit(free);
            mask |= bit;
            free ^= bit;
        }
        return mask;
    }

    /**
     * Folds what was given back. All looks are volatile, because this is also a waiter's last one: see {@link Tags}.
     *
     * @return false if no bit of the word was free at some moment of the call
     */
    private boolean fold(int word) {
        long folds = awaitEvenFolds(word);
        if ((~(long) WORDS.getVolatile(masks, taken(word)) & full(word)) != 0) {
            return true;
        }
        if ((long) WORDS.getVolatile(masks, cleared(word)) == 0) {
            // Without a fold `taken` only grows: it was still full when `cleared` was empty.
            return (long) WORDS.getVolatile(masks, folds(word)) != folds;
        }
        if (WORDS.compareAndSet(masks, folds(word), folds, folds + 1)) {
            long cleared = (long) WORDS.getAndSet(masks, cleared(word), 0L);
            long before = (long) WORDS.getAndAdd(masks, taken(word), -cleared);
            assert (before & cleared) == cleared : "given back but not taken";
            WORDS.setVolatile(masks, folds(word), folds + 2);
        }
        return true;
    }

    /** Waits until nobody folds the word. Returns how often folds of it have begun and ended. */
    @SuppressWarnings("ThreadPriorityCheck") // the wait is right without the yield, which only shortens it
    private long awaitEvenFolds(int word) {
        for (int looks = 0;; looks++) {
            long folds = (long) WORDS.getVolatile(masks, folds(word));
            if ((folds & 1) == 0) {
                return folds;
            }
            if (looks < SPINS_MAX) {
                Thread.onSpinWait();
            } else {
                // The folding thread has lost its processor.
                Thread.yield();
            }
        }
    }

    /** Gives bits of one word back. The caller holds them all. */
    void give(int word, long mask) {
        long before = (long) WORDS.getAndAdd(masks, cleared(word), mask);
        assert (before & mask) == 0 : "given back twice";
    }

    /**
     * The bits of a word that somebody holds. A bit whose holder took it before the call and still holds it after the call is in
     * the answer; one that was free all the time is not.
     */
    long held(int word) {
        for (;;) {
            long folds = awaitEvenFolds(word);
            // In this order: a bit found in `cleared` after it was found in `taken` was free at that moment.
            long taken = (long) WORDS.getVolatile(masks, taken(word));
            long cleared = (long) WORDS.getVolatile(masks, cleared(word));
            if ((long) WORDS.getVolatile(masks, folds(word)) == folds) {
                return taken & ~cleared;
            }
        }
    }

    /** How many bits are held; exact when nothing moves. */
    int heldCount() {
        int count = 0;
        for (int word = 0; word < words; word++) {
            count += Long.bitCount(held(word));
        }
        return count;
    }

    boolean hasFree() {
        for (int word = 0; word < words; word++) {
            if (held(word) != full(word)) {
                return true;
            }
        }
        return false;
    }

    private long full(int word) {
        int bits = Math.min(1 << shift, depth - (word << shift));
        return bits == 64 ? -1L : (1L << bits) - 1;
    }

    private static int taken(int word) {
        return LINE_LONGS + word * STRIDE;
    }

    private static int cleared(int word) {
        return LINE_LONGS + word * STRIDE + LINE_LONGS;
    }

    /** On the givers' line, which a folder has to fetch anyway. */
    private static int folds(int word) {
        return cleared(word) + 1;
    }
}
