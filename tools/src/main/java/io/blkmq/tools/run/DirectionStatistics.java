package io.blkmq.tools.run;

/** What was done in one direction, reads or writes. For one thread; to be read and merged when it has ended. */
public final class DirectionStatistics {
    private final LatencyStatistics submission = new LatencyStatistics(false);
    private final LatencyStatistics completion = new LatencyStatistics(true);
    private final LatencyStatistics total = new LatencyStatistics(false);
    long operations;
    long bytes;
    long runtimeNanos;

    DirectionStatistics() {}

    void recordTimes(long startNanos, long issueNanos, long endNanos) {
        // An operation that ends inside its submission has ended before it was seen to be issued.
        completion.record(Math.max(0, endNanos - issueNanos));
        total.record(Math.max(0, endNanos - startNanos));
    }

    void recordSubmission(long nanos) {
        submission.record(nanos);
    }

    /** Adds what was done at the same time by another. */
    void add(DirectionStatistics other) {
        submission.add(other.submission);
        completion.add(other.completion);
        total.add(other.total);
        operations += other.operations;
        bytes += other.bytes;
        runtimeNanos = Math.max(runtimeNanos, other.runtimeNanos);
    }

    /**
     * How many operations ended well.
     *
     * @return 0 or more
     */
    public long operations() {
        return operations;
    }

    /**
     * How much they moved.
     *
     * @return bytes
     */
    public long bytes() {
        return bytes;
    }

    /**
     * How long the phases took in which there were such operations.
     *
     * @return nanoseconds
     */
    public long runtimeNanos() {
        return runtimeNanos;
    }

    /**
     * How many a second.
     *
     * @return 0 if there was none
     */
    public double operationsPerSecond() {
        return perSecond(operations);
    }

    /**
     * How much a second.
     *
     * @return bytes, 0 if there was none
     */
    public double bytesPerSecond() {
        return perSecond(bytes);
    }

    private double perSecond(long amount) {
        return runtimeNanos == 0 ? 0 : amount * 1e9 / runtimeNanos;
    }

    /**
     * From the beginning to the end of submission.
     *
     * @return latencies
     */
    public LatencyStatistics submission() {
        return submission;
    }

    /**
     * From the end of submission to completion.
     *
     * @return latencies, with percentiles
     */
    public LatencyStatistics completion() {
        return completion;
    }

    /**
     * From the beginning of submission to completion.
     *
     * @return latencies
     */
    public LatencyStatistics total() {
        return total;
    }
}
