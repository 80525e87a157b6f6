package io.blkmq.tools.report;

import io.blkmq.core.Status;
import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.run.DepthCounts;
import io.blkmq.tools.run.DirectionStatistics;
import io.blkmq.tools.run.Failures;
import io.blkmq.tools.run.JobResult;
import io.blkmq.tools.run.LatencyStatistics;
import io.blkmq.tools.run.ProcessorUse;
import io.blkmq.tools.run.RunResult;
import io.blkmq.tools.run.ThreadTimes;
import io.blkmq.tools.run.Timeline;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Threads that are reported as one: all jobs of a group that say {@code group_reporting}, and any other alone. */
final class ReportGroup {
    /** The name of all directions together. */
    static final String MIXED = "mixed";
    private static final double PERCENT = 100;

    private final JobSpec spec;
    private final int number;
    private final int threads;
    private final JobResult sum;
    /** Its share of the time of the threads that do the devices' I/O. */
    private final ThreadTimes deviceTimes;

    private ReportGroup(List<JobResult> members, RunResult result) {
        this.spec = members.getFirst().job().spec();
        this.number = members.getFirst().job().group();
        this.threads = members.size();
        this.sum = members.size() == 1 ? members.getFirst() : JobResult.sumOf(members);
        long all = result.jobs().stream().mapToLong(JobResult::operations).sum();
        this.deviceTimes = result.deviceTimes().share(all == 0 ? 0 : (double) sum.operations() / all);
    }

    static List<ReportGroup> of(RunResult result) {
        List<List<JobResult>> groups = new ArrayList<>();
        Map<Integer, List<JobResult>> shared = new HashMap<>();
        for (JobResult job : result.jobs()) {
            if (!job.job().spec().isGroupReporting()) {
                groups.add(List.of(job));
            } else {
                shared.computeIfAbsent(job.job().group(), _ -> {
                    List<JobResult> begun = new ArrayList<>();
                    groups.add(begun);
                    return begun;
                }).add(job);
            }
        }
        return groups.stream().map(members -> new ReportGroup(members, result)).toList();
    }

    JobSpec spec() {
        return spec;
    }

    String name() {
        return spec.name();
    }

    /** Which jobs it is summed up with. */
    int number() {
        return number;
    }

    int threads() {
        return threads;
    }

    DirectionStatistics of(Direction direction) {
        return sum.of(direction);
    }

    /** What a second was moved of what is reported by a name. */
    double bytesPerSecond(String name) {
        DirectionStatistics of = name.equals(MIXED)
                ? sum.mixed()
                : sum.of(Direction.valueOf(name.toUpperCase(Locale.ROOT)));
        return of.bytesPerSecond();
    }

    /** What is reported, by name: each direction, their sum, or both. */
    Map<String, DirectionStatistics> reported() {
        String unified = spec.word(Key.UNIFIED_RW_REPORTING);
        Map<String, DirectionStatistics> reported = new LinkedHashMap<>();
        if (!unified.equals("mixed")) {
            reported.put("read", sum.reads());
            reported.put("write", sum.writes());
            reported.put("trim", sum.trims());
        }
        if (!unified.equals("none")) {
            reported.put(MIXED, sum.mixed());
        }
        return reported;
    }

    LatencyStatistics flushes() {
        return sum.flushes();
    }

    DepthCounts depths() {
        return sum.depths();
    }

    Failures failures() {
        return sum.failures();
    }

    /** The depth that a search for a latency has found, or that a job has. */
    int latencyDepth() {
        return sum.latencyDepth();
    }

    Timeline timeline() {
        return sum.timeline();
    }

    long runtimeNanos() {
        return sum.runtimeNanos();
    }

    ProcessorUse use() {
        return sum.use();
    }

    /** Of the jobs' threads and of those that did their I/O. */
    double userPercent() {
        return percentOfRuntime(sum.use().userNanos() + deviceTimes.userNanos());
    }

    double systemPercent() {
        return percentOfRuntime(sum.use().systemNanos() + deviceTimes.systemNanos());
    }

    /** How much of both is of threads that are no jobs: pools, work queues, reapers. */
    double devicePercent() {
        return percentOfRuntime(deviceTimes.nanos());
    }

    private double percentOfRuntime(long nanos) {
        return sum.runtimeNanos() == 0 ? 0 : PERCENT * nanos / ((double) sum.runtimeNanos() * threads);
    }

    long failedOperations() {
        return failures().failedOperations().values().stream().mapToLong(Long::longValue).sum();
    }

    /** Failed operations as text, by errno. */
    String failedByErrno() {
        List<String> parts = new ArrayList<>();
        failures().failedOperations().forEach((Status status, Long count) -> parts
                .add(count + " x errno " + status.errno() + " (" + status.text() + ")"));
        return String.join(", ", parts);
    }
}
