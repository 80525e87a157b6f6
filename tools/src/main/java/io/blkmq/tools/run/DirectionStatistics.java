package io.blkmq.tools.run;

/** What was done in one direction: reads, writes or trims. For one thread; to be read and merged when it has ended. */
public final class DirectionStatistics {
    private static final double NANOS_PER_SECOND = 1e9;

    private final LatencyStatistics submission;
    private final LatencyStatistics completion;
    private final LatencyStatistics total;
    private final Spread iopsSamples = new Spread();
    private final Spread bandwidthSamples = new Spread();
    long operations;
    long bytes;
    long runtimeNanos;
    private long sampledOperations;
    private long sampledBytes;

    /** Statistics that have percentiles of which latencies? */
    DirectionStatistics(boolean ofSubmission, boolean ofCompletion, boolean ofTotal) {
        this(new LatencyStatistics(ofSubmission), new LatencyStatistics(ofCompletion), new LatencyStatistics(ofTotal));
    }

    /** Statistics with these latencies. */
    DirectionStatistics(LatencyStatistics submission, LatencyStatistics completion, LatencyStatistics total) {
        this.submission = submission;
        this.completion = completion;
        this.total = total;
    }

    /**
     * What was done where there was nothing to do.
     *
     * @return nothing at all
     */
    public static DirectionStatistics none() {
        return new DirectionStatistics(false, false, false);
    }

    /** Forgets everything: what comes now counts. */
    void reset() {
        submission.reset();
        completion.reset();
        total.reset();
        operations = 0;
        bytes = 0;
        sampledOperations = 0;
        sampledBytes = 0;
        iopsSamples.reset();
        bandwidthSamples.reset();
    }

    void recordTimes(long startNanos, long issueNanos, long endNanos) {
        // What is found to have ended while its batch is being submitted has been issued by then.
        long issued = Math.min(Math.max(issueNanos, startNanos), endNanos);
        completion.record(Math.max(0, endNanos - issued));
        total.record(Math.max(0, endNanos - startNanos));
    }

    void recordSubmission(long nanos) {
        submission.record(nanos);
    }

    /** Some time has gone by: what was done in it is one sample of the rates, as in fio only if anything was done. */
    void sample(long nanos) {
        if (operations == sampledOperations || nanos <= 0) {
            return;
        }
        iopsSamples.record((operations - sampledOperations) * NANOS_PER_SECOND / nanos);
        bandwidthSamples.record((bytes - sampledBytes) * NANOS_PER_SECOND / nanos);
        sampledOperations = operations;
        sampledBytes = bytes;
    }

    /** The same at the end, after less than the time of a sample: less than half of it counts only where there is no other sample. */
    void sampleRest(long nanos, long sampleNanos) {
        if (nanos >= sampleNanos / 2 || iopsSamples.count() == 0) {
            sample(nanos);
        }
        sampledOperations = operations;
        sampledBytes = bytes;
    }

    /** Adds what was done at the same time by another. */
    void add(DirectionStatistics other) {
        addCounts(other);
        runtimeNanos = Math.max(runtimeNanos, other.runtimeNanos);
    }

    /** Adds what was done after this. */
    void append(DirectionStatistics other) {
        addCounts(other);
        runtimeNanos += other.runtimeNanos;
    }

    private void addCounts(DirectionStatistics other) {
        submission.add(other.submission);
        completion.add(other.completion);
        total.add(other.total);
        iopsSamples.add(other.iopsSamples);
        bandwidthSamples.add(other.bandwidthSamples);
        operations += other.operations;
        bytes += other.bytes;
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
        return runtimeNanos == 0 ? 0 : amount * NANOS_PER_SECOND / runtimeNanos;
    }

    /**
     * Operations a second, in each half second of each job in which there were some.
     *
     * @return their spread
     */
    public Spread iopsSamples() {
        return iopsSamples;
    }

    /**
     * Bytes a second, in each half second of each job in which there were operations.
     *
     * @return their spread
     */
    public Spread bandwidthSamples() {
        return bandwidthSamples;
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
