package io.blkmq.testkit.disk;

import io.blkmq.core.Operation;
import java.util.random.RandomGenerator;

/**
 * How long a simulated device takes for a request once it is at it: what its medium needs, without the time in which it waits for others
 * and without the bandwidth. Immutable, and so thread-safe; what it draws it draws from the generator that it is given.
 *
 * @since 0.1.0
 */
@FunctionalInterface
public interface LatencyModel {
    /** No time at all: requests end within their submission. */
    LatencyModel NONE = (_, _) -> 0;

    /**
     * What is asked of the device.
     *
     * @param operation what to do
     * @param offset where, in bytes; 0 for a flush
     * @param bytes how much; 0 for a flush
     * @param distanceBytes how far it is from where the request before it ended
     * @param capacityBytes the size of the device
     * @since 0.1.0
     */
    record Access(Operation operation, long offset, long bytes, long distanceBytes, long capacityBytes) {}

    /**
     * The time that a request takes.
     *
     * @param access what is asked
     * @param random of the device's seed
     * @return nanoseconds; a negative number counts as 0
     */
    long nanos(Access access, RandomGenerator random);

    /**
     * Always the same.
     *
     * @param nanos how long, 0 or more
     * @return the model
     * @throws IllegalArgumentException if it is negative
     */
    static LatencyModel fixed(long nanos) {
        require(nanos >= 0, "latency of " + nanos + " ns: must be 0 or more");
        return (_, _) -> nanos;
    }

    /**
     * Any time of a range, each as likely as another.
     *
     * @param minNanos the shortest, 0 or more
     * @param maxNanos the longest
     * @return the model
     * @throws IllegalArgumentException if the shortest is negative or longer than the longest
     */
    static LatencyModel uniform(long minNanos, long maxNanos) {
        require(minNanos >= 0 && minNanos <= maxNanos, "latency from " + minNanos + " to " + maxNanos
                + " ns: must begin with 0 or more, and not with more than its end");
        return (_, random) -> maxNanos == Long.MAX_VALUE ? minNanos : random.nextLong(minNanos, maxNanos + 1);
    }

    /**
     * Around a mean, in the shape of a bell, without the part below zero.
     *
     * @param meanNanos the mean, 0 or more
     * @param deviationNanos the standard deviation, 0 or more
     * @return the model
     * @throws IllegalArgumentException if one is negative
     */
    static LatencyModel normal(long meanNanos, long deviationNanos) {
        require(meanNanos >= 0 && deviationNanos >= 0,
                "latency of " + meanNanos + " ns, deviation " + deviationNanos + " ns: both must be 0 or more");
        return (_, random) -> Math.max(0, meanNanos + Math.round(random.nextGaussian() * deviationNanos));
    }

    /**
     * Short for most and long for a few: a logarithmic normal distribution, cut at ten times its 99th percentile.
     *
     * @param medianNanos what half of the requests stay below, at least 1
     * @param p99Nanos what 99 of 100 requests stay below, at least the median
     * @return the model
     * @throws IllegalArgumentException if they are not
     */
    static LatencyModel longTail(long medianNanos, long p99Nanos) {
        require(medianNanos >= 1 && p99Nanos >= medianNanos, "latency with the median " + medianNanos
                + " ns and the 99th percentile " + p99Nanos + " ns: at least 1, and at least the median are possible");
        double deviationsOf99Percent = 2.3263;
        double sigma = Math.log((double) p99Nanos / medianNanos) / deviationsOf99Percent;
        double most = p99Nanos * 10.0;
        return (_, random) -> (long) Math.min(most, medianNanos * Math.exp(random.nextGaussian() * sigma));
    }

    /**
     * A disk with an arm: the time to the right track, which grows with the square root of the distance, and then, unless it goes on where
     * it ended, any part of a revolution. A flush has no place and takes a revolution.
     *
     * @param shortestNanos the time to the next track, 0 or more
     * @param longestNanos the time from end to end, at least the shortest
     * @param revolutionNanos the time of a revolution, 0 or more
     * @return the model
     * @throws IllegalArgumentException if they are not
     */
    static LatencyModel seek(long shortestNanos, long longestNanos, long revolutionNanos) {
        require(shortestNanos >= 0 && longestNanos >= shortestNanos && revolutionNanos >= 0,
                "seeks from " + shortestNanos + " to " + longestNanos + " ns and a revolution of " + revolutionNanos
                        + " ns: 0 or more, and the longest seek at least the shortest, are possible");
        return (access, random) -> {
            if (!access.operation().hasRange()) {
                return revolutionNanos;
            }
            if (access.distanceBytes() == 0) {
                return 0;
            }
            double part = Math.sqrt((double) access.distanceBytes() / access.capacityBytes());
            return shortestNanos + (long) (part * (longestNanos - shortestNanos))
                    + (long) (random.nextDouble() * revolutionNanos);
        };
    }

    /**
     * This time and that of another.
     *
     * @param other what comes to it
     * @return their sum
     */
    default LatencyModel plus(LatencyModel other) {
        return (access, random) -> nanos(access, random) + other.nanos(access, random);
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalArgumentException(otherwise);
        }
    }
}
