package io.blkmq.tools.run;

import java.util.List;

/**
 * What one thread did.
 *
 * @param job whose it is
 * @param reads its reads
 * @param writes its writes
 * @param flushes how long its flushes took
 * @param failures what went wrong
 * @param runtimeNanos from its first to its last operation
 * @param userNanos processor time of the thread outside the kernel
 * @param systemNanos processor time of the thread in the kernel
 */
public record JobResult(JobClone job, DirectionStatistics reads, DirectionStatistics writes, LatencyStatistics flushes,
        Failures failures, long runtimeNanos, long userNanos, long systemNanos) {
    /**
     * What several threads did at the same time, as if it had been one.
     *
     * @param results at least one
     * @return the sum, under the name of the first
     */
    public static JobResult sumOf(List<JobResult> results) {
        DirectionStatistics reads = new DirectionStatistics();
        DirectionStatistics writes = new DirectionStatistics();
        LatencyStatistics flushes = new LatencyStatistics(false);
        Failures failures = new Failures();
        long runtimeNanos = 0;
        long userNanos = 0;
        long systemNanos = 0;
        for (JobResult result : results) {
            reads.add(result.reads);
            writes.add(result.writes);
            flushes.add(result.flushes);
            failures.add(result.failures);
            runtimeNanos = Math.max(runtimeNanos, result.runtimeNanos);
            userNanos += result.userNanos;
            systemNanos += result.systemNanos;
        }
        return new JobResult(results.getFirst().job, reads, writes, flushes, failures, runtimeNanos, userNanos,
                systemNanos);
    }
}
