package io.blkmq.tools.run;

import io.blkmq.tools.job.Direction;
import java.util.ArrayList;
import java.util.List;

/**
 * What one thread did.
 *
 * @param job whose it is
 * @param reads its reads
 * @param writes its writes
 * @param trims its discards
 * @param flushes how long its flushes took
 * @param depths how many operations were in flight when one was submitted
 * @param failures what went wrong
 * @param runtimeNanos from its first to its last operation
 * @param use what the thread took of the machine
 * @param notes what turned out otherwise than asked for
 * @param timeline what it did over time, if that was asked for
 * @param latencyDepth the depth that was last tried for {@code latency_target}, and at its end found; else {@code iodepth}
 */
public record JobResult(JobClone job, DirectionStatistics reads, DirectionStatistics writes, DirectionStatistics trims,
        LatencyStatistics flushes, DepthCounts depths, Failures failures, long runtimeNanos, ProcessorUse use,
        List<String> notes, Timeline timeline, int latencyDepth) {
    /**
     * What it did in a direction.
     *
     * @param direction which
     * @return its statistics
     */
    public DirectionStatistics of(Direction direction) {
        return switch (direction) {
            case READ -> reads;
            case WRITE -> writes;
            case TRIM -> trims;
        };
    }

    /**
     * All its operations.
     *
     * @return reads, writes and trims
     */
    public long operations() {
        return reads.operations() + writes.operations() + trims.operations();
    }

    /**
     * Reads, writes and trims as if there were no difference.
     *
     * @return their sum
     */
    public DirectionStatistics mixed() {
        DirectionStatistics mixed = Accounts.statistics(job.spec());
        mixed.add(reads);
        mixed.add(writes);
        mixed.add(trims);
        return mixed;
    }

    /**
     * What several threads did at the same time, as if it had been one.
     *
     * @param results at least one
     * @return the sum, under the name of the first
     */
    public static JobResult sumOf(List<JobResult> results) {
        return merged(results, false);
    }

    /**
     * What a job did in several runs, one after the other, as if it had been one.
     *
     * @param results at least one
     * @return the sum
     */
    public static JobResult chainOf(List<JobResult> results) {
        return merged(results, true);
    }

    private static JobResult merged(List<JobResult> results, boolean inTurn) {
        JobClone first = results.getFirst().job;
        DirectionStatistics reads = Accounts.statistics(first.spec());
        DirectionStatistics writes = Accounts.statistics(first.spec());
        DirectionStatistics trims = Accounts.statistics(first.spec());
        LatencyStatistics flushes = new LatencyStatistics(false);
        DepthCounts depths = new DepthCounts();
        Failures failures = new Failures();
        List<String> notes = new ArrayList<>();
        long runtimeNanos = 0;
        ProcessorUse use = ProcessorUse.NONE;
        for (JobResult result : results) {
            if (inTurn) {
                reads.append(result.reads);
                writes.append(result.writes);
                trims.append(result.trims);
            } else {
                reads.add(result.reads);
                writes.add(result.writes);
                trims.add(result.trims);
            }
            flushes.add(result.flushes);
            depths.add(result.depths);
            failures.add(result.failures);
            runtimeNanos = inTurn ? runtimeNanos + result.runtimeNanos : Math.max(runtimeNanos, result.runtimeNanos);
            use = use.plus(result.use);
            notes.addAll(result.notes);
        }
        List<Timeline> timelines = results.stream().map(JobResult::timeline).toList();
        return new JobResult(first, reads, writes, trims, flushes, depths, failures, runtimeNanos, use,
                List.copyOf(notes), inTurn ? Timeline.inTurn(timelines) : Timeline.together(timelines),
                results.getLast().latencyDepth);
    }
}
