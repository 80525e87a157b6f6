package io.blkmq.core.nullblk;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Ranges of sectors that cannot be read, written or discarded: they fail with {@link io.blkmq.core.Status#MEDIUM}. They may change
 * while the device is in use. The kernel's counterpart is {@code struct badblocks}. Thread-safe.
 *
 * @since 0.1.0
 */
public final class BadBlocks {
    /** The first sector of a range and the one after its last, and so on: in ascending order, with a gap between two ranges. */
    private final AtomicReference<long[]> ranges = new AtomicReference<>(new long[0]);

    /** None is bad. */
    public BadBlocks() {}

    /**
     * Makes a range bad.
     *
     * @param sector its first sector
     * @param count how many
     * @return this
     * @throws IllegalArgumentException if the sector is negative, the count is not positive, or the end overflows
     */
    public BadBlocks add(long sector, long count) {
        change(sector, count, true);
        return this;
    }

    /**
     * Makes a range good.
     *
     * @param sector its first sector
     * @param count how many
     * @return this
     * @throws IllegalArgumentException if the sector is negative, the count is not positive, or the end overflows
     */
    public BadBlocks clear(long sector, long count) {
        change(sector, count, false);
        return this;
    }

    /**
     * Whether a sector of a range is bad.
     *
     * @param sector its first sector
     * @param count how many
     * @return false also for an empty range
     */
    public boolean isAnyBad(long sector, long count) {
        long[] now = ranges.get();
        for (int i = 0; i < now.length && now[i] < sector + count; i += 2) {
            if (now[i + 1] > sector && count > 0) {
                return true;
            }
        }
        return false;
    }

    private void change(long sector, long count, boolean bad) {
        if (sector < 0 || count <= 0 || sector > Long.MAX_VALUE - count) {
            throw new IllegalArgumentException("bad blocks at sector " + sector + ", " + count
                    + " sectors: from 0 on, at least 1, and the end at most " + Long.MAX_VALUE + " are possible");
        }
        ranges.updateAndGet(now -> changed(now, sector, sector + count, bad));
    }

    private static long[] changed(long[] now, long from, long to, boolean bad) {
        long[] made = new long[now.length + 2];
        int size = 0;
        long first = from;
        long end = to;
        for (int i = 0; i < now.length; i += 2) {
            boolean apart = bad ? now[i + 1] < from || now[i] > to : now[i + 1] <= from || now[i] >= to;
            if (apart) {
                size = append(made, size, now[i], now[i + 1]);
            } else if (bad) {
                first = Math.min(first, now[i]);
                end = Math.max(end, now[i + 1]);
            } else {
                size = append(made, size, now[i], from);
                size = append(made, size, to, now[i + 1]);
            }
        }
        if (bad) {
            size = append(made, size, first, end);
        }
        long[] result = Arrays.copyOf(made, size);
        // All ends follow their beginnings, and no two ranges touch: sorting the bounds sorts the ranges.
        Arrays.sort(result);
        return result;
    }

    private static int append(long[] to, int size, long from, long end) {
        if (from >= end) {
            return size;
        }
        to[size] = from;
        to[size + 1] = end;
        return size + 2;
    }

    @Override
    public String toString() {
        return "bad sectors " + Arrays.toString(ranges.get());
    }
}
