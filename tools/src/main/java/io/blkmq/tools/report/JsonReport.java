package io.blkmq.tools.report;

import com.google.gson.FormattingStyle;
import com.google.gson.stream.JsonWriter;
import io.blkmq.core.DiskStatistics;
import io.blkmq.core.IoGroup;
import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.run.DepthCounts;
import io.blkmq.tools.run.DirectionStatistics;
import io.blkmq.tools.run.LatencyStatistics;
import io.blkmq.tools.run.RunResult;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A run as JSON: names and units of fio's {@code --output-format=json}, as far as blkmq measures what they mean; beside them
 * {@code blkmq}, an object of our own.
 */
public final class JsonReport {
    private static final int KIBIBYTE = 1024;
    private static final double PERCENT = 100;
    private static final long[] NANOS = {2, 4, 10, 20, 50, 100, 250, 500, 750, 1000};
    private static final long[] MILLIS = {2, 4, 10, 20, 50, 100, 250, 500, 750, 1000, 2000};
    private static final String[] BATCHES = {"0", "4", "8", "16", "32", "64", ">=64"};

    private final StringWriter text = new StringWriter();
    private final JsonWriter json = new JsonWriter(text);
    private final boolean bins;

    private JsonReport(boolean bins) {
        this.bins = bins;
        json.setFormattingStyle(FormattingStyle.PRETTY);
    }

    /** Something that is written. */
    private interface Part {
        void write() throws IOException;
    }

    private static String text(JsonReport report, Part part) {
        try {
            part.write();
            return report.text + "\n";
        } catch (IOException e) {
            throw new UncheckedIOException("a report in memory cannot be written", e);
        }
    }

    /**
     * The report of a run.
     *
     * @param version of blkmq
     * @param result what became of it
     * @param timeMillis when it ended, since the epoch
     * @param bins whether latencies are told by length and number, as in {@code json+}
     * @return a JSON text
     */
    public static String of(String version, RunResult result, long timeMillis, boolean bins) {
        JsonReport report = new JsonReport(bins);
        return text(report, () -> report.run(version, result, timeMillis));
    }

    /**
     * The report of a comparison: each way under the name of the job and its own.
     *
     * @param version of blkmq
     * @param comparison the runs
     * @param timeMillis when it ended, since the epoch
     * @param bins whether latencies are told by length and number, as in {@code json+}
     * @return a JSON text
     */
    public static String of(String version, Comparison comparison, long timeMillis, boolean bins) {
        JsonReport report = new JsonReport(bins);
        return text(report, () -> report.comparison(version, comparison, timeMillis));
    }

    private void run(String version, RunResult result, long timeMillis) throws IOException {
        begin(version, timeMillis);
        List<ReportGroup> groups = ReportGroup.of(result);
        json.name("global options").beginObject().endObject();
        json.name("jobs").beginArray();
        for (ReportGroup group : groups) {
            job(group, group.name(), groups);
        }
        json.endArray();
        diskUtilization(result);
        json.name("blkmq").beginObject();
        devices(result);
        strings("notes", result.notes());
        json.endObject().endObject();
    }

    private void comparison(String version, Comparison comparison, long timeMillis) throws IOException {
        begin(version, timeMillis);
        json.name("jobs").beginArray();
        for (Comparison.Way way : comparison.ways()) {
            List<ReportGroup> groups = ReportGroup.of(way.result());
            for (ReportGroup group : groups) {
                job(group, group.name() + "-" + way.name(), groups);
            }
        }
        json.endArray().name("blkmq").beginObject().name("compare").beginArray();
        for (Comparison.Way way : comparison.ways()) {
            json.beginObject().name("name").value(way.name()).name("description").value(way.description())
                    .name("slices").value(comparison.slices());
            number("iops", way.medianIops());
            number("iops_min", way.minIops());
            number("iops_max", way.maxIops());
            number("ratio", comparison.ratio(way));
            devices(way.result());
            strings("notes", way.result().notes());
            json.endObject();
        }
        json.endArray().endObject().endObject();
    }

    private void begin(String version, long timeMillis) throws IOException {
        json.beginObject().name("fio version").value("blkmq-" + version).name("timestamp")
                .value(TimeUnit.MILLISECONDS.toSeconds(timeMillis)).name("timestamp_ms").value(timeMillis).name("time")
                .value(Instant.ofEpochMilli(timeMillis).toString());
    }

    private void number(String name, double value) throws IOException {
        json.name(name);
        if (value == Math.rint(value) && Math.abs(value) < 1e15) {
            json.value((long) value);
        } else {
            json.jsonValue(String.format(Locale.ROOT, "%.6f", value));
        }
    }

    private void job(ReportGroup group, String name, List<ReportGroup> all) throws IOException {
        JobSpec spec = group.spec();
        json.beginObject().name("jobname").value(name).name("groupid").value(group.number()).name("error")
                .value(group.failures().errno()).name("eta").value(0).name("elapsed")
                .value(Math.ceilDiv(group.runtimeNanos(), TimeUnit.SECONDS.toNanos(1)));
        json.name("job options").beginObject().name("name").value(group.name());
        for (Map.Entry<String, String> option : spec.options().entrySet()) {
            if (!option.getKey().equals("name")) {
                json.name(option.getKey()).value(option.getValue());
            }
        }
        json.endObject();
        if (spec.has(Key.DESCRIPTION)) {
            json.name("desc").value(spec.word(Key.DESCRIPTION));
        }
        for (Map.Entry<String, DirectionStatistics> reported : group.reported().entrySet()) {
            direction(spec, reported.getKey(), reported.getValue(), part(group, reported.getKey(), all));
        }
        json.name("sync").beginObject().name("total_ios").value(group.flushes().count());
        latency("lat_ns", group.flushes(), false, spec);
        json.endObject();
        json.name("job_runtime").value(TimeUnit.NANOSECONDS.toMillis(group.runtimeNanos()) * group.threads());
        number("usr_cpu", group.userPercent());
        number("sys_cpu", group.systemPercent());
        json.name("ctx").value(group.use().contextSwitches()).name("majf").value(group.use().majorFaults()).name("minf")
                .value(group.use().minorFaults());
        depths(group.depths());
        latencies(group);
        json.name("latency_depth").value(group.latencyDepth()).name("latency_target")
                .value(TimeUnit.NANOSECONDS.toMicros(spec.amount(Key.LATENCY_TARGET)));
        number("latency_percentile", spec.decimal(Key.LATENCY_PERCENTILE));
        json.name("latency_window").value(TimeUnit.NANOSECONDS.toMicros(spec.amount(Key.LATENCY_WINDOW)));
        json.name("total_err").value(group.failedOperations() + group.failures().verifyErrors()).name("first_error")
                .value(group.failures().errno()).name("verify_errors").value(group.failures().verifyErrors());
        number("device_cpu", group.devicePercent());
        strings("error_messages", group.failures().told());
        json.endObject();
    }

    /** How much of the bandwidth of all jobs of its group it had, in percent. */
    private static double part(ReportGroup group, String name, List<ReportGroup> all) {
        double mine = group.bytesPerSecond(name);
        double sum = 0;
        for (ReportGroup other : all) {
            if (other.number() == group.number()) {
                sum += other.bytesPerSecond(name);
            }
        }
        return sum == 0 ? (mine == 0 ? 0 : PERCENT) : PERCENT * mine / sum;
    }

    private void direction(JobSpec spec, String name, DirectionStatistics statistics, double part) throws IOException {
        json.name(name).beginObject().name("io_bytes").value(statistics.bytes()).name("io_kbytes")
                .value(statistics.bytes() / KIBIBYTE).name("bw_bytes").value((long) statistics.bytesPerSecond())
                .name("bw").value((long) (statistics.bytesPerSecond() / KIBIBYTE));
        number("iops", statistics.operationsPerSecond());
        json.name("runtime").value(TimeUnit.NANOSECONDS.toMillis(statistics.runtimeNanos())).name("total_ios")
                .value(statistics.operations()).name("short_ios").value(0).name("drop_ios").value(0);
        latency("slat_ns", statistics.submission(), spec.flag(Key.SLAT_PERCENTILES), spec);
        latency("clat_ns", statistics.completion(), spec.flag(Key.CLAT_PERCENTILES), spec);
        latency("lat_ns", statistics.total(), spec.flag(Key.LAT_PERCENTILES), spec);
        json.name("bw_min").value((long) (statistics.bandwidthSamples().min() / KIBIBYTE)).name("bw_max")
                .value((long) (statistics.bandwidthSamples().max() / KIBIBYTE));
        number("bw_agg", part);
        number("bw_mean", statistics.bandwidthSamples().mean() / KIBIBYTE);
        number("bw_dev", statistics.bandwidthSamples().deviation() / KIBIBYTE);
        json.name("bw_samples").value(statistics.bandwidthSamples().count()).name("iops_min")
                .value((long) statistics.iopsSamples().min()).name("iops_max")
                .value((long) statistics.iopsSamples().max());
        number("iops_mean", statistics.iopsSamples().mean());
        number("iops_stddev", statistics.iopsSamples().deviation());
        json.name("iops_samples").value(statistics.iopsSamples().count()).endObject();
    }

    private void latency(String name, LatencyStatistics latency, boolean percentiles, JobSpec spec) throws IOException {
        json.name(name).beginObject().name("min").value(latency.minNanos()).name("max").value(latency.maxNanos());
        number("mean", latency.meanNanos());
        number("stddev", latency.deviationNanos());
        json.name("N").value(latency.count());
        if (percentiles && latency.hasPercentiles()) {
            json.name("percentile").beginObject();
            for (double percent : spec.percentiles()) {
                json.name(String.format(Locale.ROOT, "%.6f", percent)).value(latency.percentileNanos(percent));
            }
            json.endObject();
            if (bins) {
                bins(latency);
            }
        }
        json.endObject();
    }

    private void bins(LatencyStatistics latency) throws IOException {
        Map<String, Long> counts = new LinkedHashMap<>();
        latency.forEachBin((nanos, number) -> counts.merge(Long.toString(nanos), number, Long::sum));
        json.name("bins").beginObject();
        for (Map.Entry<String, Long> bin : counts.entrySet()) {
            json.name(bin.getKey()).value(bin.getValue());
        }
        json.endObject();
    }

    private void depths(DepthCounts depths) throws IOException {
        json.name("iodepth_level").beginObject();
        for (int i = 0; i < DepthCounts.LEVELS; i++) {
            number(i == DepthCounts.LEVELS - 1 ? ">=64" : Integer.toString(1 << i), depths.inFlightPercent(i));
        }
        json.endObject().name("iodepth_submit").beginObject();
        for (int i = 0; i < BATCHES.length; i++) {
            number(BATCHES[i], depths.submittedPercent(i));
        }
        json.endObject().name("iodepth_complete").beginObject();
        for (int i = 0; i < BATCHES.length; i++) {
            number(BATCHES[i], depths.completedPercent(i));
        }
        json.endObject();
    }

    /** Which part of the operations took so long: in each bin, up to its name and longer than the bin before. */
    private void latencies(ReportGroup group) throws IOException {
        List<LatencyStatistics> all = new ArrayList<>();
        for (Direction direction : Direction.values()) {
            all.add(group.of(direction).completion());
        }
        long number = all.stream().mapToLong(LatencyStatistics::count).sum();
        long from = histogram("latency_ns", NANOS, 1, 0, all, number);
        from = histogram("latency_us", NANOS, TimeUnit.MICROSECONDS.toNanos(1), from, all, number);
        histogram("latency_ms", MILLIS, TimeUnit.MILLISECONDS.toNanos(1), from, all, number);
    }

    private long histogram(String name, long[] bounds, long unitNanos, long fromNanos, List<LatencyStatistics> all,
            long number) throws IOException {
        json.name(name).beginObject();
        long from = fromNanos;
        for (long bound : bounds) {
            number(Long.toString(bound), percent(all, from, bound * unitNanos, number));
            from = bound * unitNanos;
        }
        if (bounds.length > NANOS.length) {
            number(">=2000", percent(all, from, Long.MAX_VALUE, number));
        }
        json.endObject();
        return from;
    }

    private static double percent(List<LatencyStatistics> all, long from, long to, long number) {
        long count = 0;
        for (LatencyStatistics latency : all) {
            count += latency.countBetween(from, to);
        }
        return number == 0 ? 0 : PERCENT * count / number;
    }

    private void devices(RunResult result) throws IOException {
        json.name("devices").beginArray();
        for (RunResult.DeviceFacts device : result.devices()) {
            json.beginObject().name("name").value(device.name()).name("backing").value(device.backing()).name("mode")
                    .value(device.mode()).name("size_bytes").value(device.sizeBytes()).name("hardware_queues")
                    .value(device.shape().hardwareQueues()).name("depth").value(device.shape().depth()).name("polled")
                    .value(device.shape().polled()).name("bounces").value(device.bounces()).endObject();
        }
        json.endArray();
    }

    private void diskUtilization(RunResult result) throws IOException {
        json.name("disk_util").beginArray();
        for (RunResult.DeviceFacts device : result.devices()) {
            DiskStatistics stats = device.statistics();
            json.beginObject().name("name").value(device.name()).name("read_ios").value(stats.ios(IoGroup.READ))
                    .name("write_ios").value(stats.ios(IoGroup.WRITE)).name("read_sectors")
                    .value(stats.sectors(IoGroup.READ)).name("write_sectors").value(stats.sectors(IoGroup.WRITE))
                    .name("read_merges").value(stats.merges(IoGroup.READ)).name("write_merges")
                    .value(stats.merges(IoGroup.WRITE)).name("read_ticks")
                    .value(TimeUnit.NANOSECONDS.toMillis(stats.nanos(IoGroup.READ))).name("write_ticks")
                    .value(TimeUnit.NANOSECONDS.toMillis(stats.nanos(IoGroup.WRITE))).name("in_queue")
                    .value(TimeUnit.NANOSECONDS.toMillis(stats.timeInQueueNanos()));
            number("util", stats.utilization() * PERCENT);
            json.endObject();
        }
        json.endArray();
    }

    private void strings(String name, List<String> values) throws IOException {
        json.name(name).beginArray();
        for (String value : values) {
            json.value(value);
        }
        json.endArray();
    }
}
