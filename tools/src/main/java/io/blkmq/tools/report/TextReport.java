package io.blkmq.tools.report;

import io.blkmq.core.DiskStatistics;
import io.blkmq.core.IoGroup;
import io.blkmq.core.QueueLimits;
import io.blkmq.tools.job.AccessPattern;
import io.blkmq.tools.job.BlockSizes;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.run.DirectionStatistics;
import io.blkmq.tools.run.LatencyStatistics;
import io.blkmq.tools.run.RunResult;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** A run for people, in the shape that users of fio know. */
public final class TextReport {
    private static final int PERCENTILES_IN_LINE = 4;

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
            BlockSizes sizes = job.blockSizes();
            out.printf(Locale.ROOT, "%s: rw=%s, bs=%s, ioengine=%s, iodepth=%d%s%n", job.name(),
                    job.accessPattern().name().toLowerCase(Locale.ROOT), sizes(job.accessPattern(), sizes),
                    job.engine().fioName(), job.depth(), job.clones() > 1 ? ", numjobs=" + job.clones() : "");
        }
        int threads = jobs.stream().mapToInt(JobSpec::clones).sum();
        out.printf(Locale.ROOT, "starting %d thread%s%n", threads, threads == 1 ? "" : "s");
    }

    private static String sizes(AccessPattern pattern, BlockSizes sizes) {
        String reads = "(R) " + Amount.bytes(sizes.readMin()) + "-" + Amount.bytes(sizes.readMax());
        String writes = "(W) " + Amount.bytes(sizes.writeMin()) + "-" + Amount.bytes(sizes.writeMax());
        return !pattern.writes() ? reads : !pattern.reads() ? writes : reads + ", " + writes;
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
        direction("read", group.reads());
        direction("write", group.writes());
        LatencyStatistics flushes = group.flushes();
        if (flushes.count() > 0) {
            out.printf(Locale.ROOT, "  flush: total=%d%n", flushes.count());
            latency("lat", flushes);
        }
        out.printf(Locale.ROOT, "  cpu: usr=%.2f%%, sys=%.2f%%%n", group.userPercent(), group.systemPercent());
        errors(group);
    }

    private void direction(String name, DirectionStatistics statistics) {
        if (statistics.runtimeNanos() == 0) {
            return;
        }
        out.printf(Locale.ROOT, "  %s: IOPS=%s, BW=%s/s (%s/s), io=%s in %d ms, %d operations%n", name,
                Amount.count(statistics.operationsPerSecond()), Amount.bytes(statistics.bytesPerSecond()),
                Amount.decimalBytes(statistics.bytesPerSecond()), Amount.bytes((double) statistics.bytes()),
                TimeUnit.NANOSECONDS.toMillis(statistics.runtimeNanos()), statistics.operations());
        latency("slat", statistics.submission());
        latency("clat", statistics.completion());
        latency("lat", statistics.total());
        percentiles(statistics.completion());
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

    private void percentiles(LatencyStatistics latency) {
        if (latency.count() == 0) {
            return;
        }
        TimeScale scale = TimeScale.of(latency.meanNanos());
        out.printf(Locale.ROOT, "    clat percentiles (%s):%n", scale.unitName());
        double[] percentiles = JsonReport.percentiles();
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
        out.printf(Locale.ROOT, "%nall jobs:%n");
        summary("READ", groups.stream().map(ReportGroup::reads).toList());
        summary("WRITE", groups.stream().map(ReportGroup::writes).toList());
    }

    private void summary(String name, List<DirectionStatistics> parts) {
        List<DirectionStatistics> active = parts.stream().filter(part -> part.runtimeNanos() > 0).toList();
        if (active.isEmpty()) {
            return;
        }
        double bandwidth = active.stream().mapToDouble(DirectionStatistics::bytesPerSecond).sum();
        out.printf(Locale.ROOT, "%6s: IOPS=%s, bw=%s/s (%s/s), io=%s, run=%d-%d ms%n", name,
                Amount.count(active.stream().mapToDouble(DirectionStatistics::operationsPerSecond).sum()),
                Amount.bytes(bandwidth), Amount.decimalBytes(bandwidth),
                Amount.bytes((double) active.stream().mapToLong(DirectionStatistics::bytes).sum()),
                active.stream().mapToLong(TextReport::millis).min().orElse(0),
                active.stream().mapToLong(TextReport::millis).max().orElse(0));
    }

    private static long millis(DirectionStatistics statistics) {
        return TimeUnit.NANOSECONDS.toMillis(statistics.runtimeNanos());
    }

    /**
     * Says how several ways compare.
     *
     * @param comparison the runs
     */
    public void comparison(Comparison comparison) {
        out.printf(Locale.ROOT, "%ncompared on %s:%n", comparison.image());
        for (Comparison.Way way : comparison.ways()) {
            out.printf(Locale.ROOT, "  %10s IOPS  %6.2f x  %s%n", Amount.count(way.operationsPerSecond()),
                    comparison.ratio(way), way.description());
        }
    }
}
