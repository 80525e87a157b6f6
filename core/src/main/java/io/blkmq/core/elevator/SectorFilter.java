package io.blkmq.core.elevator;

import java.util.Arrays;

/**
 * The sectors where something that waits begins or ends: two Bloom filters of one hash. Most requests have no neighbour, and nearly all are
 * asked for one: the filter says without a search that there is none. What it says otherwise is to be looked up. It forgets when nothing
 * waits, and is no use where much waits for long: there the search was needed before, too. Guarded by the elevator's lock.
 */
final class SectorFilter {
    /** The bits of each filter are as many as a power of two: sixteen or more for each request of a batch. */
    private static final int HASH_BITS = 10;
    private static final int WORDS = 1 << (HASH_BITS - 6);

    private final long[] begins = new long[WORDS];
    private final long[] ends = new long[WORDS];

    void add(long begin, long end) {
        set(begins, begin);
        set(ends, end);
    }

    /** What begins somewhere has come to end elsewhere. */
    void addEnd(long end) {
        set(ends, end);
    }

    /** What ends somewhere has come to begin elsewhere. */
    void addBegin(long begin) {
        set(begins, begin);
    }

    /** Nothing waits. */
    void clear() {
        Arrays.fill(begins, 0);
        Arrays.fill(ends, 0);
    }

    /** Whether something that waits may begin there. */
    boolean mayBegin(long sector) {
        return isSet(begins, sector);
    }

    /** Whether something that waits may end there. */
    boolean mayEnd(long sector) {
        return isSet(ends, sector);
    }

    private static void set(long[] filter, long sector) {
        int hash = hash(sector);
        filter[hash >>> 6] |= 1L << hash;
    }

    private static boolean isSet(long[] filter, long sector) {
        int hash = hash(sector);
        return (filter[hash >>> 6] & (1L << hash)) != 0;
    }

    /** By the golden ratio: requests are of few lengths, and often aligned. */
    private static int hash(long sector) {
        return (int) ((sector * 0x9E3779B97F4A7C15L) >>> (Long.SIZE - HASH_BITS));
    }
}
