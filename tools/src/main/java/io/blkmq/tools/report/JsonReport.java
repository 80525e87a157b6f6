package io.blkmq.tools.report;

import io.blkmq.core.DiskStatistics;
import io.blkmq.core.IoGroup;
import io.blkmq.tools.run.DirectionStatistics;
import io.blkmq.tools.run.LatencyStatistics;
import io.blkmq.tools.run.RunResult;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * A run as JSON: names and units of fio's {@code --output-format=json}, as far as blkmq measures what they mean; beside them
 * {@code blkmq}, an object of our own.
 */
public final class JsonReport {
    private static final double[] PERCENTILES = {1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99, 99.5, 99.9, 99.95,
            99.99};

    private JsonReport() {}

    static double[] percentiles() {
        return PERCENTILES.clone();
    }

    /**
     * The report of a run.
     *
     * @param version of blkmq
     * @param result what became of it
     * @param timeMillis when it ended, since the epoch
     * @return a JSON text
     */
    public static String of(String version, RunResult result, long timeMillis) {
        JsonWriter json = begin(version, timeMillis);
        json.beginArray("jobs");
        ReportGroup.of(result).forEach(group -> job(json, group, group.name()));
        json.endArray();
        diskUtilization(json, result);
        json.beginObject("blkmq");
        devices(json, result);
        strings(json, "notes", result.notes());
        return json.endObject().endObject().toString();
    }

    /**
     * The report of a comparison: each way under the name of the job and its own.
     *
     * @param version of blkmq
     * @param comparison the runs
     * @param timeMillis when it ended, since the epoch
     * @return a JSON text
     */
    public static String of(String version, Comparison comparison, long timeMillis) {
        JsonWriter json = begin(version, timeMillis);
        json.beginArray("jobs");
        for (Comparison.Way way : comparison.ways()) {
            ReportGroup.of(way.result()).forEach(group -> job(json, group, group.name() + "-" + way.name()));
        }
        json.endArray();
        json.beginObject("blkmq").beginArray("compare");
        for (Comparison.Way way : comparison.ways()) {
            json.addObject().put("name", way.name()).put("description", way.description())
                    .put("iops", way.operationsPerSecond()).put("ratio", comparison.ratio(way));
            devices(json, way.result());
            strings(json, "notes", way.result().notes());
            json.endObject();
        }
        return json.endArray().endObject().endObject().toString();
    }

    private static JsonWriter begin(String version, long timeMillis) {
        return new JsonWriter().beginObject().put("fio version", "blkmq-" + version)
                .put("timestamp", TimeUnit.MILLISECONDS.toSeconds(timeMillis)).put("timestamp_ms", timeMillis)
                .put("time", java.time.Instant.ofEpochMilli(timeMillis).toString());
    }

    private static void job(JsonWriter json, ReportGroup group, String name) {
        json.addObject().put("jobname", name).put("groupid", 0).put("error", group.failures().errno()).put("eta", 0)
                .put("elapsed", TimeUnit.NANOSECONDS.toSeconds(group.runtimeNanos()));
        json.beginObject("job options");
        json.put("name", group.name());
        group.spec().options().forEach(json::put);
        json.endObject();
        direction(json, "read", group.reads());
        direction(json, "write", group.writes());
        json.beginObject("sync").put("total_ios", group.flushes().count());
        latency(json, "lat_ns", group.flushes(), false);
        json.endObject();
        json.put("job_runtime", TimeUnit.NANOSECONDS.toMillis(group.runtimeNanos()) * group.threads())
                .put("usr_cpu", group.userPercent()).put("sys_cpu", group.systemPercent())
                .put("total_err", group.failedOperations() + group.failures().verifyErrors())
                .put("first_error", group.failures().errno()).put("verify_errors", group.failures().verifyErrors());
        strings(json, "error_messages", group.failures().told());
        json.endObject();
    }

    private static void direction(JsonWriter json, String name, DirectionStatistics statistics) {
        json.beginObject(name).put("io_bytes", statistics.bytes()).put("io_kbytes", statistics.bytes() / 1024)
                .put("bw_bytes", (long) statistics.bytesPerSecond())
                .put("bw", (long) (statistics.bytesPerSecond() / 1024)).put("iops", statistics.operationsPerSecond())
                .put("runtime", TimeUnit.NANOSECONDS.toMillis(statistics.runtimeNanos()))
                .put("total_ios", statistics.operations());
        latency(json, "slat_ns", statistics.submission(), false);
        latency(json, "clat_ns", statistics.completion(), true);
        latency(json, "lat_ns", statistics.total(), false);
        json.endObject();
    }

    private static void latency(JsonWriter json, String name, LatencyStatistics latency, boolean percentiles) {
        json.beginObject(name).put("min", latency.minNanos()).put("max", latency.maxNanos())
                .put("mean", latency.meanNanos()).put("stddev", latency.deviationNanos()).put("N", latency.count());
        if (percentiles && latency.count() > 0) {
            json.beginObject("percentile");
            for (double percent : PERCENTILES) {
                json.put(String.format(Locale.ROOT, "%.6f", percent), latency.percentileNanos(percent));
            }
            json.endObject();
        }
        json.endObject();
    }

    private static void devices(JsonWriter json, RunResult result) {
        json.beginArray("devices");
        for (RunResult.DeviceFacts device : result.devices()) {
            json.addObject().put("name", device.name()).put("backing", device.backing()).put("mode", device.mode())
                    .put("size_bytes", device.sizeBytes()).put("hardware_queues", device.shape().hardwareQueues())
                    .put("depth", device.shape().depth()).put("polled", device.shape().polled())
                    .put("bounces", device.bounces()).endObject();
        }
        json.endArray();
    }

    private static void diskUtilization(JsonWriter json, RunResult result) {
        json.beginArray("disk_util");
        for (RunResult.DeviceFacts device : result.devices()) {
            DiskStatistics stats = device.statistics();
            json.addObject().put("name", device.name()).put("read_ios", stats.ios(IoGroup.READ))
                    .put("write_ios", stats.ios(IoGroup.WRITE)).put("read_sectors", stats.sectors(IoGroup.READ))
                    .put("write_sectors", stats.sectors(IoGroup.WRITE)).put("read_merges", stats.merges(IoGroup.READ))
                    .put("write_merges", stats.merges(IoGroup.WRITE))
                    .put("read_ticks", TimeUnit.NANOSECONDS.toMillis(stats.nanos(IoGroup.READ)))
                    .put("write_ticks", TimeUnit.NANOSECONDS.toMillis(stats.nanos(IoGroup.WRITE)))
                    .put("in_queue", TimeUnit.NANOSECONDS.toMillis(stats.timeInQueueNanos()))
                    .put("util", stats.utilization() * 100).endObject();
        }
        json.endArray();
    }

    private static void strings(JsonWriter json, String name, List<String> values) {
        json.beginArray(name);
        values.forEach(json::add);
        json.endArray();
    }
}
