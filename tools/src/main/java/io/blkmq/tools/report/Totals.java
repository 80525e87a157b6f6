package io.blkmq.tools.report;

import io.blkmq.tools.job.Direction;
import io.blkmq.tools.run.DirectionStatistics;
import java.util.List;

/**
 * What the jobs of a group did together in one direction: the bytes and operations of all, divided by the time of the longest.
 *
 * @param operations how many
 * @param bytes how much
 * @param minNanos the time of the shortest job
 * @param maxNanos the time of the longest
 */
record Totals(long operations, long bytes, long minNanos, long maxNanos) {
    private static final double NANOS_PER_SECOND = 1e9;

    static Totals of(List<ReportGroup> groups, Direction direction) {
        List<DirectionStatistics> active = groups.stream().map(group -> group.of(direction))
                .filter(part -> part.runtimeNanos() > 0 && part.operations() > 0).toList();
        return new Totals(active.stream().mapToLong(DirectionStatistics::operations).sum(),
                active.stream().mapToLong(DirectionStatistics::bytes).sum(),
                active.stream().mapToLong(DirectionStatistics::runtimeNanos).min().orElse(0),
                active.stream().mapToLong(DirectionStatistics::runtimeNanos).max().orElse(0));
    }

    double operationsPerSecond() {
        return maxNanos == 0 ? 0 : operations * NANOS_PER_SECOND / maxNanos;
    }

    double bytesPerSecond() {
        return maxNanos == 0 ? 0 : bytes * NANOS_PER_SECOND / maxNanos;
    }
}
