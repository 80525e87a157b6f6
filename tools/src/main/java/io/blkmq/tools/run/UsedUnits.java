package io.blkmq.tools.run;

import java.util.Arrays;

/**
 * Which units were used: a bit each, and above them, level by level, a bit for each word that is full. So the next free unit is
 * found in as many steps as there are levels, however full it is: four levels for 16 million units. For one thread.
 */
final class UsedUnits {
    /** Two gibibits are 256 MiB, and 8 TiB of 4 KiB blocks. */
    static final long UNITS_MAX = 1L << 31;

    private final long units;
    /** From the bits up to a single word. */
    private final long[][] levels;

    UsedUnits(long units) {
        if (units < 1 || units > UNITS_MAX) {
            throw new IllegalArgumentException(units + " units: 1 to " + UNITS_MAX + " are possible");
        }
        this.units = units;
        int count = 1;
        for (long words = words(units); words > 1; words = words(words)) {
            count++;
        }
        levels = new long[count][];
        long size = units;
        for (int i = 0; i < count; i++) {
            size = words(size);
            levels[i] = new long[(int) size];
        }
        markEnd();
    }

    private static long words(long bits) {
        return (bits + 63) >>> 6;
    }

    /** What does not exist counts as used. */
    private void markEnd() {
        long bits = units;
        for (long[] level : levels) {
            if ((bits & 63) != 0) {
                level[level.length - 1] |= -1L << (bits & 63);
            }
            bits = level.length;
        }
    }

    void clear() {
        for (long[] level : levels) {
            Arrays.fill(level, 0);
        }
        markEnd();
    }

    void useAll() {
        for (long[] level : levels) {
            Arrays.fill(level, -1);
        }
    }

    boolean isFree(long unit) {
        return (levels[0][(int) (unit >>> 6)] & 1L << unit) == 0;
    }

    void use(long unit) {
        long index = unit;
        for (long[] level : levels) {
            int word = (int) (index >>> 6);
            long now = level[word] | 1L << index;
            level[word] = now;
            if (now != -1L) {
                return;
            }
            index = word;
        }
    }

    void free(long unit) {
        long index = unit;
        for (long[] level : levels) {
            int word = (int) (index >>> 6);
            boolean wasFull = level[word] == -1L;
            level[word] &= ~(1L << index);
            if (!wasFull) {
                return;
            }
            index = word;
        }
    }

    /** The first free unit from a given one on, -1 if there is none. */
    long nextFree(long from) {
        long index = from;
        for (int level = 0; level < levels.length; level++) {
            int word = (int) (index >>> 6);
            if (word >= levels[level].length) {
                return -1;
            }
            long free = ~levels[level][word] & -1L << index;
            if (free != 0) {
                return descend(level, ((long) word << 6) + Long.numberOfTrailingZeros(free));
            }
            index = word + 1L;
        }
        return -1;
    }

    private long descend(int fromLevel, long found) {
        long index = found;
        for (int level = fromLevel - 1; level >= 0; level--) {
            index = (index << 6) + Long.numberOfTrailingZeros(~levels[level][(int) index]);
        }
        return index;
    }
}
