package io.blkmq.core.tag;

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
 *   limit    bit set: below the depth; written by a resize only
 *
 *   take:  taken  |= bit                 (compare and set, by takers)
 *   give:  cleared += bit                (one add, by givers; never touches the takers' line)
 *   fold:  c = cleared &amp; limit; cleared -= c; taken -= c    (by the taker that finds the word exhausted)
 *   cut:   f = free bits that leave the limit; taken |= f; cleared += f    (by a resize)
 * </pre>
 *
 * <p>A bit in {@code cleared} is always also in {@code taken}, and only the holder of a bit gives it back: so adding is or-ing
 * and subtracting is clearing, and both are one instruction. All accesses that change a mask are atomic read-modify-writes with
 * volatile semantics: what a holder wrote before giving a bit back is seen by the next one who takes it.
 *
 * <p><b>Resizing.</b> A bit beyond the depth is one that was given back and will not be folded: it stands in both masks, and a
 * taker, who looks for a zero in {@code taken}, needs no limit to pass it over. So shrinking takes the free bits out of the way by
 * the cut, and those that are held come to rest in {@code cleared} when their holders give them back. Growing only widens the
 * limit; the next fold brings the bits out. The bits of the last word for which no depth is allocated rest there for ever.
 * A word is resized in one step: once it is done, no take hands out a bit of the word beyond the depth, also none that began
 * before. The words follow one another, so that a take which overlaps a resize may find one word resized and another not yet.
 *
 * <p><b>The count of folds.</b> In the middle of a fold the folded bits are in {@code taken} alone and look held, although they are
 * free; so do those that are being cut. Who believed that would wait for a bit that nobody gives back. So folds and resizes are
 * counted, once at their begin and once at their end: while the count is odd, lookers wait for the few instructions that are left,
 * and one that has found it changed looks again. Who makes the count odd has the word for itself: folds and resizes exclude each
 * other.
 *
 * <p><b>Round-robin.</b> Such a bitmap hands its bits out in turn over all words: a cursor counts positions, without end. A taker
 * looks for the first free bit from the cursor on, moves the cursor behind that bit (compare and set: so it has the turn), and
 * takes it. So the turns of all takers together are in strictly ascending order, and after the last bit the first: a bit just given
 * back is not used again before all others that are free have had their turn. A taker that loses its processor between its turn
 * and its bit may find the bit gone when the others have gone once round; it has another turn then.
 *
 * <p><b>Shallow depth.</b> A class of takers may be shown only the first bits of each word, together as many as it names, and so
 * leaves the others for the rest of the takers.
 */
public final class Sbitmap {
    private static final VarHandle WORDS = MethodHandles.arrayElementVarHandle(long[].class);
    /** Two cache lines, since processors fetch lines in pairs. */
    private static final int LINE_LONGS = 16;
    private static final int STRIDE = 2 * LINE_LONGS;
    /** How often a looker looks at a fold under way before it gives its processor away. */
    private static final int SPINS_MAX = 100;

    private final int depthMax;
    private final boolean roundRobin;
    private final int shift;
    private final int words;
    private final long[] masks;
    /** Written by {@link #resize}. */
    private volatile int depth;

    /** A bitmap of bits 0 to {@code depth - 1}, all free. */
    public Sbitmap(int depth) {
        this(depth, false);
    }

    /**
     * A bitmap of bits 0 to {@code depth - 1}, all free.
     *
     * @param depth how many bits; as many are allocated
     * @param roundRobin whether bits go out in turn, by {@link #takeInTurn} alone
     */
    public Sbitmap(int depth, boolean roundRobin) {
        assert depth >= 0;
        this.depthMax = depth;
        this.depth = depth;
        this.roundRobin = roundRobin;
        // Small bitmaps use part of each word, so that there are at least four words to spread over.
        int bits = 6;
        while (bits > 0 && depth >= 4 && (4L << bits) > depth) {
            bits--;
        }
        this.shift = bits;
        this.words = (depth + (1 << bits) - 1) >> bits;
        this.masks = new long[LINE_LONGS + words * STRIDE + LINE_LONGS];
        for (int word = 0; word < words; word++) {
            long limit = limit(word, depth);
            masks[limitAt(word)] = limit;
            masks[takenAt(word)] = ~limit;
            masks[clearedAt(word)] = ~limit;
        }
    }

    /** Bits from here on are not handed out. Bits that were held when it shrank may still be. */
    public int depth() {
        return depth;
    }

    /** How many bits are allocated: as far as {@link #resize} goes. */
    public int depthMax() {
        return depthMax;
    }

    public boolean isRoundRobin() {
        return roundRobin;
    }

    public int words() {
        return words;
    }

    public int wordOf(int bit) {
        return bit >> shift;
    }

    public long maskOf(int bit) {
        return 1L << (bit & ((1 << shift) - 1));
    }

    /** The bit that a word's mask, with one bit set, stands for. */
    public int bitOf(int word, long mask) {
        return (word << shift) + Long.numberOfTrailingZeros(mask);
    }

    /**
     * Takes up to {@code count} bits of one word in one atomic step.
     *
     * @param word which
     * @param count how many at the most, at least 1
     * @return their mask, 0 if the word has none free
     */
    public long take(int word, int count) {
        assert !roundRobin : "a round-robin bitmap hands out by takeInTurn";
        return takeAmong(word, count, -1L);
    }

    /**
     * Like {@link #take(int, int)}, for a class of takers that together may hold no more than {@code shallowDepth} bits of the
     * bitmap: see {@link #shallow}.
     *
     * @param shallowDepth at least 1; from {@link #depth} on it is no restriction
     */
    public long take(int word, int count, int shallowDepth) {
        assert !roundRobin : "a round-robin bitmap hands out by takeInTurn";
        return takeAmong(word, count, shallow(word, shallowDepth));
    }

    /**
     * Takes the next free bit of a round-robin bitmap.
     *
     * @return the bit, -1 if there is none
     */
    public int takeInTurn() {
        return takeInTurn(Integer.MAX_VALUE);
    }

    /**
     * Takes the next free bit of a round-robin bitmap among those that a class of takers sees.
     *
     * @param shallowDepth at least 1; from {@link #depth} on it is no restriction
     * @return the bit, -1 if there is none
     */
    public int takeInTurn(int shallowDepth) {
        assert roundRobin : "only a round-robin bitmap has turns";
        if (words == 0) {
            return -1;
        }
        int positions = words << shift;
        for (;;) {
            long turn = (long) WORDS.getVolatile(masks, cursorAt());
            int first = (int) (turn % positions);
            int bit = nextFree(first, shallowDepth);
            if (bit < 0) {
                return -1;
            }
            long behind = turn + (bit < first ? bit + positions : bit) - first + 1;
            if (WORDS.compareAndSet(masks, cursorAt(), turn, behind) && takeAmong(wordOf(bit), 1, maskOf(bit)) != 0) {
                return bit;
            }
        }
    }

    /** The first bit that is free among those that a class sees, from one on and round; -1 if none was free when looked at. */
    private int nextFree(int first, int shallowDepth) {
        long notBefore = -maskOf(first);
        int word = wordOf(first);
        // The first word twice: from the bit on, and after all others up to the bit.
        for (int visit = 0; visit <= words; visit++) {
            long among = visit == 0 ? notBefore : visit == words ? ~notBefore : -1L;
            long free = free(word) & among & shallow(word, shallowDepth);
            if (free != 0) {
                return bitOf(word, Long.lowestOneBit(free));
            }
            word = word + 1 == words ? 0 : word + 1;
        }
        return -1;
    }

    /**
     * The bits of a word that a class of takers sees which may hold {@code shallowDepth} bits of the bitmap. Those are spread
     * over the words as evenly as whole bits allow, and in each word they are the first; over all words they are as many as named,
     * so a class that may hold one bit finds it in some word.
     */
    private long shallow(int word, int shallowDepth) {
        assert shallowDepth > 0 : shallowDepth;
        int all = depth;
        if (shallowDepth >= all) {
            return -1L;
        }
        long before = Math.min((long) word << shift, all);
        long until = Math.min((word + 1L) << shift, all);
        return lowBits((int) (until * shallowDepth / all - before * shallowDepth / all));
    }

    private long takeAmong(int word, int count, long among) {
        int at = takenAt(word);
        for (;;) {
            // Opaque is enough: the compare and set below decides.
            long taken = (long) WORDS.getOpaque(masks, at);
            long free = ~taken & among;
            if (free == 0) {
                if (!refill(word, among)) {
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
     * Looks for bits again and folds what was given back. All looks are volatile, because this is also a waiter's last one: see
     * {@link Tags}.
     *
     * @param among the bits that the caller wants
     * @return false if none of them was free at some moment of the call
     */
    private boolean refill(int word, long among) {
        long folds = awaitEvenFolds(word);
        if ((~(long) WORDS.getVolatile(masks, takenAt(word)) & among) != 0) {
            return true;
        }
        if ((given(word) & among) == 0) {
            // Without a fold or resize `taken` only grows: it was still full when nothing below the limit was given back.
            return (long) WORDS.getVolatile(masks, foldsAt(word)) != folds;
        }
        fold(word, folds);
        return true;
    }

    /** What was given back and can be folded. */
    private long given(int word) {
        return (long) WORDS.getVolatile(masks, clearedAt(word)) & (long) WORDS.getVolatile(masks, limitAt(word));
    }

    /** Folds what was given back, unless somebody else has begun to since the count of folds was read. */
    private void fold(int word, long folds) {
        if (beginFold(word, folds)) {
            long given = given(word);
            long clearedBefore = (long) WORDS.getAndAdd(masks, clearedAt(word), -given);
            long takenBefore = (long) WORDS.getAndAdd(masks, takenAt(word), -given);
            assert (clearedBefore & takenBefore & given) == given : "given back but not taken";
            endFold(word, folds);
        }
    }

    /** Takes the word for a fold or a resize. Volatile, like all that follows: pairs with the two looks of {@link #held}. */
    private boolean beginFold(int word, long folds) {
        return WORDS.compareAndSet(masks, foldsAt(word), folds, folds + 1);
    }

    private void endFold(int word, long folds) {
        WORDS.setVolatile(masks, foldsAt(word), folds + 2);
    }

    /**
     * Changes the depth. Takers and givers go on meanwhile. Bits beyond the new depth that are held are given back as ever, and
     * are not handed out again until the bitmap grows. Who makes it grow has freed something, and must then look for those who wait
     * as who gives back does. One resize at a time: the caller sees to that.
     *
     * @param newDepth from 0 to {@link #depthMax}
     * @throws IllegalArgumentException if it is not within these
     */
    public void resize(int newDepth) {
        if (newDepth < 0 || newDepth > depthMax) {
            throw new IllegalArgumentException(
                    "depth " + newDepth + ": must be 0 to " + depthMax + ", the depth allocated");
        }
        for (int word = 0; word < words; word++) {
            long folds;
            do {
                folds = awaitEvenFolds(word);
            } while (!beginFold(word, folds));
            long limit = limit(word, newDepth);
            cutFree(word, ~limit);
            WORDS.setVolatile(masks, limitAt(word), limit);
            endFold(word, folds);
        }
        depth = newDepth;
    }

    /** Lets those of some bits that are free look as if they had been taken and given back. While the count of folds is odd. */
    private void cutFree(int word, long bits) {
        for (;;) {
            long taken = (long) WORDS.getVolatile(masks, takenAt(word));
            long free = ~taken & bits;
            if (free == 0) {
                return;
            }
            if (WORDS.compareAndSet(masks, takenAt(word), taken, taken | free)) {
                // None of them becomes free again before the count is even.
                give(word, free);
                return;
            }
        }
    }

    /** Waits until nobody folds or resizes the word. Returns how often that has begun and ended. */
    @SuppressWarnings("ThreadPriorityCheck") // the wait is right without the yield, which only shortens it
    private long awaitEvenFolds(int word) {
        for (int looks = 0;; looks++) {
            long folds = (long) WORDS.getVolatile(masks, foldsAt(word));
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
    public void give(int word, long mask) {
        long before = (long) WORDS.getAndAdd(masks, clearedAt(word), mask);
        assert (before & mask) == 0 : "given back twice";
    }

    /**
     * The bits of a word that somebody holds. A bit whose holder took it before the call and still holds it after the call is in
     * the answer; one that was free all the time is not.
     */
    public long held(int word) {
        for (;;) {
            long folds = awaitEvenFolds(word);
            // In this order: a bit found in `cleared` after it was found in `taken` was free at that moment.
            long taken = (long) WORDS.getVolatile(masks, takenAt(word));
            long cleared = (long) WORDS.getVolatile(masks, clearedAt(word));
            if ((long) WORDS.getVolatile(masks, foldsAt(word)) == folds) {
                return taken & ~cleared;
            }
        }
    }

    /** How many bits are held; exact when nothing moves. */
    public int heldCount() {
        int count = 0;
        for (int word = 0; word < words; word++) {
            count += Long.bitCount(held(word));
        }
        return count;
    }

    /** The bits of a word that could be taken at some moment of the call. */
    private long free(int word) {
        for (;;) {
            long folds = awaitEvenFolds(word);
            long taken = (long) WORDS.getVolatile(masks, takenAt(word));
            long given = given(word);
            if ((long) WORDS.getVolatile(masks, foldsAt(word)) == folds) {
                return ~taken | given;
            }
        }
    }

    /** Whether a bit below the depth is free. */
    public boolean hasFree() {
        for (int word = 0; word < words; word++) {
            if (free(word) != 0) {
                return true;
            }
        }
        return false;
    }

    /** The bits of a word that are below a depth. */
    private long limit(int word, int below) {
        return lowBits(Math.clamp(below - (word << shift), 0, 1 << shift));
    }

    private static long lowBits(int count) {
        return count == Long.SIZE ? -1L : (1L << count) - 1;
    }

    private static int takenAt(int word) {
        return LINE_LONGS + word * STRIDE;
    }

    private static int clearedAt(int word) {
        return LINE_LONGS + word * STRIDE + LINE_LONGS;
    }

    /** On the givers' line, which a folder has to fetch anyway. */
    private static int foldsAt(int word) {
        return clearedAt(word) + 1;
    }

    /** There too: takers do without it until they fold. */
    private static int limitAt(int word) {
        return clearedAt(word) + 2;
    }

    /** On a line of its own behind the words. */
    private int cursorAt() {
        return LINE_LONGS + words * STRIDE;
    }
}
