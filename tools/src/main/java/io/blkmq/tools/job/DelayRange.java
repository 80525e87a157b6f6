package io.blkmq.tools.job;

/**
 * When a job begins: at a time, or at a random time of a range.
 *
 * @param minNanos at the earliest
 * @param maxNanos at the latest
 */
public record DelayRange(long minNanos, long maxNanos) {
    static DelayRange parse(String text) {
        String[] parts = text.split("-", 2);
        long one = Quantity.nanos(parts[0]);
        long other = parts.length < 2 ? one : Quantity.nanos(parts[1]);
        return new DelayRange(Math.min(one, other), Math.max(one, other));
    }
}
