package io.blkmq.tools.report;

import io.blkmq.core.Status;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.run.DirectionStatistics;
import io.blkmq.tools.run.Failures;
import io.blkmq.tools.run.JobResult;
import io.blkmq.tools.run.LatencyStatistics;
import io.blkmq.tools.run.RunResult;
import java.util.ArrayList;
import java.util.List;

/** Threads that are reported as one: all jobs that say {@code group_reporting}, and any other alone. */
final class ReportGroup {
    private final JobSpec spec;
    private final int threads;
    private final JobResult sum;

    private ReportGroup(List<JobResult> members) {
        this.spec = members.getFirst().job().spec();
        this.threads = members.size();
        this.sum = members.size() == 1 ? members.getFirst() : JobResult.sumOf(members);
    }

    static List<ReportGroup> of(RunResult result) {
        List<List<JobResult>> groups = new ArrayList<>();
        List<JobResult> shared = new ArrayList<>();
        for (JobResult job : result.jobs()) {
            if (!job.job().spec().isGroupReporting()) {
                groups.add(List.of(job));
            } else {
                if (shared.isEmpty()) {
                    groups.add(shared);
                }
                shared.add(job);
            }
        }
        return groups.stream().map(ReportGroup::new).toList();
    }

    JobSpec spec() {
        return spec;
    }

    String name() {
        return spec.name();
    }

    int threads() {
        return threads;
    }

    DirectionStatistics reads() {
        return sum.reads();
    }

    DirectionStatistics writes() {
        return sum.writes();
    }

    LatencyStatistics flushes() {
        return sum.flushes();
    }

    Failures failures() {
        return sum.failures();
    }

    long runtimeNanos() {
        return sum.runtimeNanos();
    }

    double userPercent() {
        return percentOfRuntime(sum.userNanos());
    }

    double systemPercent() {
        return percentOfRuntime(sum.systemNanos());
    }

    private double percentOfRuntime(long nanos) {
        return sum.runtimeNanos() == 0 ? 0 : 100.0 * nanos / ((double) sum.runtimeNanos() * threads);
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
