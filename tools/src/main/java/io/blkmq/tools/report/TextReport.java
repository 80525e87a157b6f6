package io.blkmq.tools.report;

import io.blkmq.core.DiskStatistics;
import io.blkmq.core.IoGroup;
import io.blkmq.core.QueueLimits;
import io.blkmq.tools.job.BlockSizes;
import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.run.DepthCounts;
import io.blkmq.tools.run.DirectionStatistics;
import io.blkmq.tools.run.LatencyStatistics;
import io.blkmq.tools.run.RunResult;
import io.blkmq.tools.run.Spread;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** A run for people, in the shape that users of fio know. */
public final class TextReport {
    private static final int PERCENTILES_IN_LINE = 4;
    private static final int KIBIBYTE = 1024;

    private final PrintWriter out;

    /**
     * A report that goes somewhere.
     *
     * @param out where to
     */
    public TextReport(PrintWriter out) {
        this.out = out;
    }

    /**
     * Says what is going to run.
     *
     * @param jobs the jobs
     */
    public void header(List<JobSpec> jobs) {
        for (JobSpec job : jobs) {
            out.printf(Locale.ROOT, "%s: rw=%s, bs=%s, ioengine=%s, iodepth=%d%s%n", job.name(),
                    job.accessPattern().keyValue(), sizes(job), job.engine().fioName(), job.depth(),
                    job.clones() > 1 ? ", numjobs=" + job.clones() : "");
        }
        int threads = jobs.stream().mapToInt(JobSpec::clones).sum();
        out.printf(Locale.ROOT, "starting %d thread%s%n", threads, threads == 1 ? "" : "s");
    }

    private static String sizes(JobSpec job) {
        List<String> parts = new ArrayList<>();
        for (Direction direction : Direction.values()) {
            if (job.accessPattern().has(direction)) {
                BlockSizes sizes = job.blockSizes(direction);
                parts.add("(" + direction.name().charAt(0) + ") " + Amount.bytes(sizes.min()) + "-"
                        + Amount.bytes(sizes.max()));
            }
        }
        return String.join(", ", parts);
    }

    /**
     * Says what became of a run.
     *
     * @param result the run
     */
    public void result(RunResult result) {
        if (result.stopped()) {
            out.printf(Locale.ROOT, "%nended early: what follows is what was done until then%n");
        }
        List<ReportGroup> groups = ReportGroup.of(result);
        groups.forEach(this::group);
        devices(result);
        diskStatistics(result);
        summary(groups);
    }

    private void group(ReportGroup group) {
        out.printf(Locale.ROOT, "%n%s: jobs=%d, err=%d%n", group.name(), group.threads(), group.failures().errno());
        group.spec().optional(Key.DESCRIPTION).ifPresent(words -> out.printf("  description: %s%n", words));
        group.reported().forEach((name, statistics) -> direction(group, name, statistics));
        LatencyStatistics flushes = group.flushes();
        if (flushes.count() > 0) {
            out.printf(Locale.ROOT, "  flush: total=%d%n", flushes.count());
            latency("lat", flushes);
        }
        out.printf(Locale.ROOT, "  cpu: usr=%.2f%%, sys=%.2f%%, of these %.2f%% by threads of the devices; ctx=%d%n",
                group.userPercent(), group.systemPercent(), group.devicePercent(), group.use().contextSwitches());
        depths(group.depths());
        errors(group);
    }

    private void depths(DepthCounts depths) {
        StringBuilder line = new StringBuilder("  IO depths:");
        for (int i = 0; i < DepthCounts.LEVELS; i++) {
            line.append(String.format(Locale.ROOT, " %s%d=%.1f%%", i == DepthCounts.LEVELS - 1 ? ">=" : "", 1 << i,
                    depths.inFlightPercent(i)));
        }
        out.println(line);
    }

    private void direction(ReportGroup group, String name, DirectionStatistics statistics) {
        if (statistics.runtimeNanos() == 0) {
            return;
        }
        JobSpec spec = group.spec();
        out.printf(Locale.ROOT, "  %s: IOPS=%s, BW=%s/s (%s/s), io=%s in %d ms, %d operations%n", name,
                Amount.count(statistics.operationsPerSecond()), Amount.bytes(statistics.bytesPerSecond()),
                Amount.decimalBytes(statistics.bytesPerSecond()), Amount.bytes((double) statistics.bytes()),
                TimeUnit.NANOSECONDS.toMillis(statistics.runtimeNanos()), statistics.operations());
        kind(spec, "slat", Key.DISABLE_SLAT, Key.SLAT_PERCENTILES, statistics.submission());
        kind(spec, "clat", Key.DISABLE_CLAT, Key.CLAT_PERCENTILES, statistics.completion());
        kind(spec, "lat", Key.DISABLE_LAT, Key.LAT_PERCENTILES, statistics.total());
        samples("bw", "KiB/s", 1.0 / KIBIBYTE, statistics.bandwidthSamples());
        samples("iops", "", 1, statistics.iopsSamples());
    }

    private void kind(JobSpec spec, String name, Key disabled, Key percentiles, LatencyStatistics latencies) {
        if (!spec.flag(disabled)) {
            latency(name, latencies);
            if (spec.flag(percentiles)) {
                percentiles(name, latencies, spec.percentiles());
            }
        }
    }

    private void samples(String name, String unit, double scale, Spread spread) {
        if (spread.count() > 1) {
            out.printf(Locale.ROOT, "    %4s%s: min=%.0f, max=%.0f, avg=%.2f, stdev=%.2f, samples=%d%n", name,
                    unit.isEmpty() ? "" : " (" + unit + ")", spread.min() * scale, spread.max() * scale,
                    spread.mean() * scale, spread.deviation() * scale, spread.count());
        }
    }

    private void latency(String name, LatencyStatistics latency) {
        if (latency.count() == 0) {
            return;
        }
        TimeScale scale = TimeScale.of(latency.meanNanos());
        out.printf(Locale.ROOT, "    %4s (%s): min=%s, max=%s, avg=%s, stdev=%s%n", name, scale.unitName(),
                scale.plain(latency.minNanos()), scale.plain(latency.maxNanos()), scale.exact(latency.meanNanos()),
                scale.exact(latency.deviationNanos()));
    }

    private void percentiles(String name, LatencyStatistics latency, double[] percentiles) {
        if (!latency.hasPercentiles()) {
            return;
        }
        TimeScale scale = TimeScale.of(latency.meanNanos());
        out.printf(Locale.ROOT, "    %s percentiles (%s):%n", name, scale.unitName());
        for (int i = 0; i < percentiles.length; i++) {
            boolean begins = i % PERCENTILES_IN_LINE == 0;
            boolean ends = i % PERCENTILES_IN_LINE == PERCENTILES_IN_LINE - 1 || i == percentiles.length - 1;
            out.printf(Locale.ROOT, "%s%5.2fth=[%6s]%s", begins ? "     | " : " ", percentiles[i],
                    scale.plain(latency.percentileNanos(percentiles[i])), ends ? "%n".formatted() : ",");
        }
    }

    private void errors(ReportGroup group) {
        if (group.failures().errno() == 0) {
            return;
        }
        if (group.failedOperations() > 0) {
            out.printf(Locale.ROOT, "  errors: %d failed operations: %s%n", group.failedOperations(),
                    group.failedByErrno());
        }
        if (group.failures().verifyErrors() > 0) {
            out.printf(Locale.ROOT, "  errors: %d blocks failed verification%n", group.failures().verifyErrors());
        }
        group.failures().told().forEach(line -> out.printf(Locale.ROOT, "    %s%n", line));
    }

    private void devices(RunResult result) {
        out.printf(Locale.ROOT, "%ndevices:%n");
        for (RunResult.DeviceFacts device : result.devices()) {
            out.printf(Locale.ROOT, "  %s: %s, %s; %s; hw=%d x depth=%d, %s; bounces=%d%n", device.name(),
                    device.backing(), Amount.bytes((double) device.sizeBytes()), device.mode(),
                    device.shape().hardwareQueues(), device.shape().depth(),
                    device.shape().polled() ? "polled" : "reaper", device.bounces());
        }
    }

    private void diskStatistics(RunResult result) {
        out.printf(Locale.ROOT, "%ndisk stats (read/write):%n");
        for (RunResult.DeviceFacts device : result.devices()) {
            DiskStatistics stats = device.statistics();
            out.printf(Locale.ROOT, "  %s: ios=%d/%d, merge=%d/%d, size=%s/%s, ticks=%d/%d, in_queue=%d, util=%.2f%%%n",
                    device.name(), stats.ios(IoGroup.READ), stats.ios(IoGroup.WRITE), stats.merges(IoGroup.READ),
                    stats.merges(IoGroup.WRITE), meanSize(stats, IoGroup.READ), meanSize(stats, IoGroup.WRITE),
                    TimeUnit.NANOSECONDS.toMillis(stats.nanos(IoGroup.READ)),
                    TimeUnit.NANOSECONDS.toMillis(stats.nanos(IoGroup.WRITE)),
                    TimeUnit.NANOSECONDS.toMillis(stats.timeInQueueNanos()), stats.utilization() * 100);
        }
    }

    /** Of a request at the driver, after merging and cutting. */
    private static String meanSize(DiskStatistics stats, IoGroup group) {
        long ios = stats.ios(group);
        return ios == 0 ? "0" : Amount.bytes((double) stats.sectors(group) * QueueLimits.SECTOR_BYTES / ios);
    }

    private void summary(List<ReportGroup> groups) {
        Map<Integer, List<ReportGroup>> byNumber = groups.stream()
                .collect(Collectors.groupingBy(ReportGroup::number, TreeMap::new, Collectors.toList()));
        byNumber.forEach((number, members) -> {
            out.printf(Locale.ROOT, "%nall jobs%s:%n", byNumber.size() == 1 ? "" : " of group " + number);
            for (Direction direction : Direction.values()) {
                summary(direction.name(), Totals.of(members, direction));
            }
        });
    }

    private void summary(String name, Totals totals) {
        if (totals.maxNanos() == 0) {
            return;
        }
        out.printf(Locale.ROOT, "%6s: IOPS=%s, bw=%s/s (%s/s), io=%s, run=%d-%d ms%n", name,
                Amount.count(totals.operationsPerSecond()), Amount.bytes(totals.bytesPerSecond()),
                Amount.decimalBytes(totals.bytesPerSecond()), Amount.bytes((double) totals.bytes()),
                TimeUnit.NANOSECONDS.toMillis(totals.minNanos()), TimeUnit.NANOSECONDS.toMillis(totals.maxNanos()));
    }

    /**
     * Says what became of one way of a comparison.
     *
     * @param way all its slices together
     */
    public void way(Comparison.Way way) {
        out.printf(Locale.ROOT, "%n---- %s: %s, %d slices together%n", way.name(), way.description(),
                way.slices().size());
        result(way.result());
    }

    /**
     * Says how several ways compare.
     *
     * @param comparison the runs
     */
    public void comparison(Comparison comparison) {
        if (comparison.ways().isEmpty()) {
            out.printf(Locale.ROOT, "%nstopped before anything ran on %s%n", comparison.image());
            return;
        }
        out.printf(Locale.ROOT,
                "%ncompared on %s: %d slices of each way in turn, after one that is not counted%n"
                        + "  IOPS: median (min to max of the slices), and its ratio to the first way%n",
                comparison.image(), comparison.slices());
        for (Comparison.Way way : comparison.ways()) {
            out.printf(Locale.ROOT, "  %10s: %s (%s to %s), %.2f x  %s%n", way.name(), Amount.count(way.medianIops()),
                    Amount.count(way.minIops()), Amount.count(way.maxIops()), comparison.ratio(way), way.description());
        }
    }
}
