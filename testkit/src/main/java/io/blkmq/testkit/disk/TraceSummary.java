package io.blkmq.testkit.disk;

import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.PriorityQueue;
import org.jspecify.annotations.Nullable;

/**
 * What a trace comes to: how many bios of which size, how long they took, how many were in flight at a time, and how many went on where
 * the one before had ended. Percentiles are exact. Immutable.
 *
 * @since 0.1.0
 */
public final class TraceSummary {
    private static final double NANOS_PER_SECOND = 1e9;
    private static final double NANOS_PER_MICRO = 1e3;

    /**
     * All bios of one operation.
     *
     * @param count how many
     * @param bytes how much they asked for together
     * @param bytesMin the smallest
     * @param bytesMax the largest
     * @param sequential how many began where the one of this operation before had ended
     * @param failed how many ended with an error
     * @param inFlight how many had not ended
     * @param latency how long those took that ended; null if none did
     * @since 0.1.0
     */
    public record Figures(long count, long bytes, long bytesMin, long bytesMax, long sequential, long failed,
            long inFlight, @Nullable Latency latency) {
        /**
         * The share of bios that go on where the one before ended.
         *
         * @return from 0 to 1
         */
        public double sequentialShare() {
            return count == 0 ? 0 : (double) sequential / count;
        }
    }

    /**
     * How long bios took, in nanoseconds.
     *
     * @param min the shortest
     * @param mean the mean
     * @param p50 what half of them stay within
     * @param p90 what 90 of 100 stay within
     * @param p99 what 99 of 100 stay within
     * @param p999 what 999 of 1000 stay within
     * @param max the longest
     * @since 0.1.0
     */
    public record Latency(long min, double mean, long p50, long p90, long p99, long p999, long max) {
        static @Nullable Latency of(long[] nanos, int count) {
            if (count == 0) {
                return null;
            }
            long[] sorted = Arrays.copyOf(nanos, count);
            Arrays.sort(sorted);
            double sum = 0;
            for (long each : sorted) {
                sum += each;
            }
            return new Latency(sorted[0], sum / count, at(sorted, 0.5), at(sorted, 0.9), at(sorted, 0.99),
                    at(sorted, 0.999), sorted[count - 1]);
        }

        private static long at(long[] sorted, double share) {
            return sorted[Math.max(0, (int) Math.ceil(share * sorted.length) - 1)];
        }
    }

    private final String diskName;
    private final long count;
    private final long durationNanos;
    private final int depthMax;
    private final double depthMean;
    private final Map<Operation, Figures> operations;
    private final Map<Status, Long> errors;
    private final long damaged;

    private TraceSummary(Counting counted, TraceReader reader) {
        this.diskName = reader.diskName();
        this.damaged = reader.damaged();
        this.count = counted.count;
        this.durationNanos = counted.lastNanos;
        this.depthMax = counted.depthMax;
        this.depthMean = counted.count == 0 ? 0 : (double) counted.depthSum / counted.count;
        Map<Operation, Figures> figures = new EnumMap<>(Operation.class);
        counted.operations.forEach((operation, of) -> figures.put(operation, of.figures()));
        this.operations = Collections.unmodifiableMap(figures);
        this.errors = Collections.unmodifiableMap(new EnumMap<>(counted.errors));
    }

    /**
     * Summarises a trace.
     *
     * @param file the trace
     * @return its figures
     * @throws IOException if it cannot be read
     * @throws IllegalArgumentException if it is no trace, or of another version
     */
    public static TraceSummary of(Path file) throws IOException {
        try (TraceReader reader = TraceReader.open(file)) {
            Counting counting = new Counting();
            for (TraceRecord record = reader.next(); record != null; record = reader.next()) {
                counting.add(record);
            }
            return new TraceSummary(counting, reader);
        }
    }

    /** Adds up. */
    private static final class Counting {
        private final Map<Operation, OfOperation> operations = new EnumMap<>(Operation.class);
        private final Map<Status, Long> errors = new EnumMap<>(Status.class);
        /** When those end that are in flight. */
        private final PriorityQueue<Long> ends = new PriorityQueue<>();
        private long count;
        private long lastNanos;
        private int depthMax;
        private long depthSum;

        void add(TraceRecord record) {
            count++;
            while (!ends.isEmpty() && ends.peek() <= record.submitNanos()) {
                var _ = ends.poll();
            }
            ends.add(record.endNanos());
            depthMax = Math.max(depthMax, ends.size());
            depthSum += ends.size();
            lastNanos = Math.max(lastNanos, record.status() == null ? record.submitNanos() : record.endNanos());
            Status status = record.status();
            if (status != null && status != Status.OK) {
                errors.merge(status, 1L, Long::sum);
            }
            operations.computeIfAbsent(record.operation(), _ -> new OfOperation()).add(record);
        }
    }

    /** Adds up for one operation. */
    private static final class OfOperation {
        private long count;
        private long bytes;
        private long bytesMin = Long.MAX_VALUE;
        private long bytesMax;
        private long sequential;
        private long failed;
        private long inFlight;
        private long endSector = -1;
        private long[] latencies = new long[64];
        private int ended;

        void add(TraceRecord record) {
            count++;
            bytes += record.bytes();
            bytesMin = Math.min(bytesMin, record.bytes());
            bytesMax = Math.max(bytesMax, record.bytes());
            if (record.operation().hasRange()) {
                sequential += record.sector() == endSector ? 1 : 0;
                endSector = record.sector() + record.bytes() / QueueLimits.SECTOR_BYTES;
            }
            if (record.status() == null) {
                inFlight++;
                return;
            }
            failed += record.status() == Status.OK ? 0 : 1;
            if (ended == latencies.length) {
                latencies = Arrays.copyOf(latencies, ended * 2);
            }
            latencies[ended++] = record.latencyNanos();
        }

        Figures figures() {
            return new Figures(count, bytes, bytesMin, bytesMax, sequential, failed, inFlight,
                    Latency.of(latencies, ended));
        }
    }

    /**
     * How many bios there are.
     *
     * @return of all operations
     */
    public long count() {
        return count;
    }

    /**
     * How long it went on.
     *
     * @return nanoseconds from the beginning of the trace to the last event
     */
    public long durationNanos() {
        return durationNanos;
    }

    /**
     * How many bios were in flight at a time, at the most.
     *
     * @return looked at when a bio was submitted, with that one
     */
    public int depthMax() {
        return depthMax;
    }

    /**
     * How many bios were in flight at a time, on average.
     *
     * @return looked at when a bio was submitted, with that one
     */
    public double depthMean() {
        return depthMean;
    }

    /**
     * The figures of each operation.
     *
     * @return of those that the trace has
     */
    public Map<Operation, Figures> operations() {
        return operations;
    }

    /**
     * How often each error occurred.
     *
     * @return of those that did
     */
    public Map<Status, Long> errors() {
        return errors;
    }

    /**
     * How many records could not be made sense of.
     *
     * @return 0 unless the file is damaged
     */
    public long damaged() {
        return damaged;
    }

    /** Some lines for people. */
    @Override
    public String toString() {
        List<String> lines = new ArrayList<>();
        lines.add(String.format(Locale.ROOT, "%s: %d bios in %.6f s, in flight %.1f on average and %d at the most",
                diskName, count, durationNanos / NANOS_PER_SECOND, depthMean, depthMax));
        operations.forEach((operation, figures) -> describe(operation, figures, lines));
        errors.forEach((status, times) -> lines.add("  " + status + ": " + times));
        if (damaged > 0) {
            lines.add("  damaged records: " + damaged);
        }
        return String.join("\n", lines);
    }

    private static void describe(Operation operation, Figures figures, List<String> lines) {
        lines.add("  " + operation + ": " + figures.count + " bios, " + figures.bytes + " bytes");
        if (operation.hasRange()) {
            lines.add(String.format(Locale.ROOT, "    sizes       %d to %d bytes, %.1f %% sequential", figures.bytesMin,
                    figures.bytesMax, figures.sequentialShare() * 100));
        }
        Latency took = figures.latency;
        if (took != null) {
            lines.add(String.format(Locale.ROOT,
                    "    latency us  min %.1f, mean %.1f, p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, max %.1f",
                    took.min / NANOS_PER_MICRO, took.mean / NANOS_PER_MICRO, took.p50 / NANOS_PER_MICRO,
                    took.p90 / NANOS_PER_MICRO, took.p99 / NANOS_PER_MICRO, took.p999 / NANOS_PER_MICRO,
                    took.max / NANOS_PER_MICRO));
        }
        if (figures.failed > 0) {
            lines.add("    failed      " + figures.failed);
        }
        if (figures.inFlight > 0) {
            lines.add("    in flight   " + figures.inFlight);
        }
    }
}
