package io.blkmq.tools.report;

import io.blkmq.core.DiskStatistics;
import io.blkmq.core.IoGroup;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.run.DepthCounts;
import io.blkmq.tools.run.DirectionStatistics;
import io.blkmq.tools.run.LatencyStatistics;
import io.blkmq.tools.run.RunResult;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** A run in lines of fields with semicolons between: version 3 of fio's {@code --output-format=terse}. Latencies are microseconds. */
public final class TerseReport {
    private static final double NANOS_PER_MICRO = 1000;
    private static final int KIBIBYTE = 1024;
    private static final double PERCENT = 100;
    private static final int PERCENTILES = 20;
    private static final long[] MICROS = {2, 4, 10, 20, 50, 100, 250, 500, 750, 1000};
    private static final long[] MILLIS = {2, 4, 10, 20, 50, 100, 250, 500, 750, 1000, 2000};

    private final List<String> fields = new ArrayList<>();

    private TerseReport() {}

    /**
     * The report of a run.
     *
     * @param version of blkmq
     * @param result what became of it
     * @return a line for each job or group
     */
    public static String of(String version, RunResult result) {
        StringBuilder lines = new StringBuilder();
        for (ReportGroup group : ReportGroup.of(result)) {
            TerseReport report = new TerseReport();
            report.line(version, group, result);
            lines.append(String.join(";", report.fields)).append('\n');
        }
        return lines.toString();
    }

    private void add(Object... values) {
        for (Object value : values) {
            fields.add(value instanceof Double number
                    ? String.format(Locale.ROOT, "%.6f", number)
                    : String.valueOf(value));
        }
    }

    private void line(String version, ReportGroup group, RunResult result) {
        add(3, "blkmq-" + version, group.name().replace(';', ','), group.number(), group.failures().errno());
        List<DirectionStatistics> parts = new ArrayList<>(group.reported().values());
        direction(group.spec(), parts.get(0));
        // Where all are reported together they stand where reads do, and there are no writes.
        direction(group.spec(), parts.size() > 1 ? parts.get(1) : DirectionStatistics.none());
        add(percent(group.userPercent()), percent(group.systemPercent()), group.use().contextSwitches(),
                group.use().majorFaults(), group.use().minorFaults());
        for (int i = 0; i < DepthCounts.LEVELS; i++) {
            add(String.format(Locale.ROOT, "%.1f%%", group.depths().inFlightPercent(i)));
        }
        latencies(parts);
        for (RunResult.DeviceFacts device : result.devices()) {
            DiskStatistics stats = device.statistics();
            add(device.name(), stats.ios(IoGroup.READ), stats.ios(IoGroup.WRITE), stats.merges(IoGroup.READ),
                    stats.merges(IoGroup.WRITE), TimeUnit.NANOSECONDS.toMillis(stats.nanos(IoGroup.READ)),
                    TimeUnit.NANOSECONDS.toMillis(stats.nanos(IoGroup.WRITE)),
                    TimeUnit.NANOSECONDS.toMillis(stats.timeInQueueNanos()),
                    String.format(Locale.ROOT, "%.2f%%", stats.utilization() * PERCENT));
        }
    }

    private static String percent(double value) {
        return String.format(Locale.ROOT, "%.6f%%", value);
    }

    private void direction(JobSpec spec, DirectionStatistics statistics) {
        add(statistics.bytes() / KIBIBYTE, (long) (statistics.bytesPerSecond() / KIBIBYTE),
                (long) statistics.operationsPerSecond(), TimeUnit.NANOSECONDS.toMillis(statistics.runtimeNanos()));
        latency(statistics.submission());
        latency(statistics.completion());
        double[] percentiles = spec.flag(Key.CLAT_PERCENTILES) && !spec.flag(Key.DISABLE_CLAT)
                ? spec.percentiles()
                : new double[0];
        for (int i = 0; i < PERCENTILES; i++) {
            add(i < percentiles.length
                    ? String.format(Locale.ROOT, "%.6f%%=%d", percentiles[i],
                            Math.round(statistics.completion().percentileNanos(percentiles[i]) / NANOS_PER_MICRO))
                    : "0%=0");
        }
        latency(statistics.total());
        add((long) (statistics.bandwidthSamples().min() / KIBIBYTE),
                (long) (statistics.bandwidthSamples().max() / KIBIBYTE),
                percent(statistics.bandwidthSamples().count() == 0 ? 0 : PERCENT),
                statistics.bandwidthSamples().mean() / KIBIBYTE, statistics.bandwidthSamples().deviation() / KIBIBYTE);
    }

    private void latency(LatencyStatistics latency) {
        add(Math.round(latency.minNanos() / NANOS_PER_MICRO), Math.round(latency.maxNanos() / NANOS_PER_MICRO),
                latency.meanNanos() / NANOS_PER_MICRO, latency.deviationNanos() / NANOS_PER_MICRO);
    }

    private void latencies(List<DirectionStatistics> parts) {
        long number = parts.stream().mapToLong(part -> part.completion().count()).sum();
        long from = 0;
        for (long micros : MICROS) {
            from = bin(parts, number, from, TimeUnit.MICROSECONDS.toNanos(micros));
        }
        for (long millis : MILLIS) {
            from = bin(parts, number, from, TimeUnit.MILLISECONDS.toNanos(millis));
        }
        bin(parts, number, from, Long.MAX_VALUE);
    }

    private long bin(List<DirectionStatistics> parts, long number, long from, long to) {
        long count = parts.stream().mapToLong(part -> part.completion().countBetween(from, to)).sum();
        add(String.format(Locale.ROOT, "%.2f%%", number == 0 ? 0 : PERCENT * count / number));
        return to;
    }
}
