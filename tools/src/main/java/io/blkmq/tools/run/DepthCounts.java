package io.blkmq.tools.run;

import java.util.Arrays;

/**
 * How many operations were in flight at each submission, and how many were submitted and completed together: by powers of two. For
 * one thread; to be read and merged when it has ended.
 */
public final class DepthCounts {
    /** 1, 2, 4, 8, 16, 32, and 64 or more. */
    public static final int LEVELS = 7;

    private final long[] inFlight = new long[LEVELS];
    private final long[] submitted = new long[LEVELS + 1];
    private final long[] completed = new long[LEVELS + 1];

    DepthCounts() {}

    private static int level(int depth) {
        return Math.min(LEVELS - 1, Integer.SIZE - 1 - Integer.numberOfLeadingZeros(Math.max(1, depth)));
    }

    /** So many were submitted together, and then there were so many. */
    void submitted(int number, int nowInFlight) {
        inFlight[level(nowInFlight)] += number;
        submitted[batch(number)]++;
    }

    /** So many were taken together. */
    void completed(int number) {
        completed[batch(number)]++;
    }

    /** None, up to 4, 8, 16, 32, 64, and more. */
    private static int batch(int number) {
        return number == 0
                ? 0
                : number <= 4 ? 1 : Math.min(LEVELS - 1, Integer.SIZE - Integer.numberOfLeadingZeros(number - 1) - 1);
    }

    void reset() {
        Arrays.fill(inFlight, 0);
        Arrays.fill(submitted, 0);
        Arrays.fill(completed, 0);
    }

    void add(DepthCounts other) {
        for (int i = 0; i < LEVELS; i++) {
            inFlight[i] += other.inFlight[i];
            submitted[i] += other.submitted[i];
            completed[i] += other.completed[i];
        }
    }

    /**
     * Which part of the operations found so many in flight.
     *
     * @param level from 0: 1, 2 to 3, 4 to 7, and so on
     * @return percent
     */
    public double inFlightPercent(int level) {
        return percent(inFlight, level);
    }

    /**
     * Which part of the submissions had so many operations.
     *
     * @param level from 0: none, up to 4, 8, 16, 32, 64, more
     * @return percent
     */
    public double submittedPercent(int level) {
        return percent(submitted, level);
    }

    /**
     * Which part of the looks for completions found so many.
     *
     * @param level from 0: none, up to 4, 8, 16, 32, 64, more
     * @return percent
     */
    public double completedPercent(int level) {
        return percent(completed, level);
    }

    private static double percent(long[] counts, int level) {
        long all = 0;
        for (long count : counts) {
            all += count;
        }
        return all == 0 ? 0 : 100.0 * counts[level] / all;
    }
}
