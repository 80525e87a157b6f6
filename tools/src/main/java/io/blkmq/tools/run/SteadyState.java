package io.blkmq.tools.run;

import io.blkmq.tools.job.SteadyGoal;
import java.util.concurrent.TimeUnit;

/**
 * Measures a job in intervals, and says when the last of them, as many as its window holds, meet the goal: then the job is steady. For the job's
 * thread.
 */
final class SteadyState {
    /** A window has no more. */
    static final int MEASUREMENTS_MAX = 1_000_000;

    private static final double NANOS_PER_SECOND = 1e9;
    private static final double PERCENT = 100;

    private final SteadyGoal goal;
    private final long rampNanos;
    private final long intervalNanos;
    /** The window, a ring. */
    private final double[] measured;
    private long count;
    private long lookNanos;
    private long beginNanos;
    private long operations;
    private long bytes;
    private double latencyNanos;
    private double distance = Double.NaN;
    private long attainedNanos;
    private boolean attained;

    /**
     * Nothing is measured yet.
     *
     * @param goal what is steady
     * @param windowNanos how long the job has to be so: 1 to {@link #MEASUREMENTS_MAX} measurements
     * @param rampNanos how long it runs before the first measurement
     * @param intervalNanos how long a measurement is
     */
    SteadyState(SteadyGoal goal, long windowNanos, long rampNanos, long intervalNanos) {
        this.goal = goal;
        this.rampNanos = rampNanos;
        this.intervalNanos = intervalNanos;
        this.measured = new double[(int) (windowNanos / intervalNanos)];
    }

    /** The job's time begins. */
    void begin(long nowNanos) {
        beginNanos = nowNanos;
        lookNanos = nowNanos + rampNanos;
        count = 0;
        operations = -1;
    }

    /** Looks, if it is time to. Returns whether the job is steady. */
    boolean tick(Accounts accounts, long nowNanos) {
        if (attained || nowNanos < lookNanos) {
            return attained;
        }
        long operationsNow = 0;
        long bytesNow = 0;
        double latencyNow = 0;
        for (DirectionStatistics each : accounts.directions()) {
            operationsNow += each.operations;
            bytesNow += each.bytes;
            latencyNow += each.total().meanNanos() * each.total().count();
        }
        if (operations >= 0) {
            double nanos = nowNanos - lookNanos + intervalNanos;
            long done = operationsNow - operations;
            measured[(int) (count++ % measured.length)] = switch (goal.measure()) {
                case IOPS -> done * NANOS_PER_SECOND / nanos;
                case BW -> (bytesNow - bytes) * NANOS_PER_SECOND / nanos;
                case LAT -> done == 0 ? 0 : (latencyNow - latencyNanos) / done;
            };
        }
        operations = operationsNow;
        bytes = bytesNow;
        latencyNanos = latencyNow;
        lookNanos = nowNanos + intervalNanos;
        if (count >= measured.length) {
            distance = goal.slope() ? slope() : deviation();
            attained = distance <= goal.limit();
            attainedNanos = nowNanos - beginNanos;
        }
        return attained;
    }

    private double mean() {
        double sum = 0;
        for (double each : measured) {
            sum += each;
        }
        return sum / measured.length;
    }

    private double relative(double value) {
        double mean = mean();
        return !goal.percent() || value == 0 ? value : PERCENT * value / mean;
    }

    /** The greatest distance from the mean. */
    private double deviation() {
        double mean = mean();
        double greatest = 0;
        for (double each : measured) {
            greatest = Math.max(greatest, Math.abs(each - mean));
        }
        return relative(greatest);
    }

    /** How much the line that is nearest to all measurements rises or falls from one to the next. */
    private double slope() {
        double mean = mean();
        double middle = (measured.length - 1) / 2.0;
        double products = 0;
        double squares = 0;
        for (int i = 0; i < measured.length; i++) {
            double value = measured[(int) ((count + i) % measured.length)];
            products += (i - middle) * (value - mean);
            squares += (i - middle) * (i - middle);
        }
        return squares == 0 ? 0 : relative(Math.abs(products / squares));
    }

    String note(String job) {
        return "job " + job + ": steady state " + goal + ": "
                + (attained ? "attained after " + TimeUnit.NANOSECONDS.toMillis(attainedNanos) + " ms" : "not attained")
                + (Double.isNaN(distance)
                        ? "; the job was shorter than ss_ramp and ss_dur"
                        : String.format("; last %.2f%s", distance, goal.percent() ? "%" : ""));
    }
}
