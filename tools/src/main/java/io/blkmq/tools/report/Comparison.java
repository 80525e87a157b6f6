package io.blkmq.tools.report;

import io.blkmq.tools.run.JobResult;
import io.blkmq.tools.run.RunResult;
import io.blkmq.tools.run.ThreadTimes;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The same jobs on the same file in several ways, which took turns. Ratios are to the first way.
 *
 * @param image what they ran on
 * @param ways the ways that had a turn, in the order in which they took turns
 */
public record Comparison(String image, List<Way> ways) {
    private static final double NANOS_PER_SECOND = 1e9;

    /**
     * One way.
     *
     * @param name short, for a machine
     * @param description for people
     * @param slices what became of it each time, at least once
     */
    public record Way(String name, String description, List<RunResult> slices) {
        /** Operations a second of each slice, in order of size. */
        private double[] rates() {
            return slices.stream().mapToDouble(Way::operationsPerSecond).sorted().toArray();
        }

        private static double operationsPerSecond(RunResult slice) {
            long nanos = slice.jobs().stream().mapToLong(JobResult::runtimeNanos).max().orElse(0);
            long operations = slice.jobs().stream().mapToLong(JobResult::operations).sum();
            return nanos == 0 ? 0 : operations * NANOS_PER_SECOND / nanos;
        }

        /**
         * Operations a second of the slice in the middle.
         *
         * @return reads, writes and trims of all jobs
         */
        public double medianIops() {
            double[] rates = rates();
            int half = rates.length / 2;
            return rates.length % 2 == 1 ? rates[half] : (rates[half - 1] + rates[half]) / 2;
        }

        /**
         * Operations a second of the slowest slice.
         *
         * @return of all jobs
         */
        public double minIops() {
            return rates()[0];
        }

        /**
         * Operations a second of the fastest slice.
         *
         * @return of all jobs
         */
        public double maxIops() {
            return Arrays.stream(rates()).max().orElse(0);
        }

        /**
         * All slices as if they had been one run.
         *
         * @return jobs with the sums of their slices; devices and statistics of the last slice
         */
        public RunResult result() {
            RunResult last = slices.getLast();
            List<JobResult> jobs = IntStream.range(0, last.jobs().size())
                    .mapToObj(i -> JobResult.chainOf(slices.stream().map(slice -> slice.jobs().get(i)).toList()))
                    .toList();
            return last.withJobs(jobs,
                    slices.stream().map(RunResult::deviceTimes).reduce(ThreadTimes.NONE, ThreadTimes::plus));
        }
    }

    /**
     * How often each way had its turn.
     *
     * @return 0 if it was stopped before the first
     */
    public int slices() {
        return ways.isEmpty() ? 0 : ways.getFirst().slices().size();
    }

    /**
     * How much faster a way is than the first.
     *
     * @param way one of them
     * @return 2 for twice as fast; 0 if the first did nothing
     */
    public double ratio(Way way) {
        double first = ways.getFirst().medianIops();
        return first == 0 ? 0 : way.medianIops() / first;
    }

    /**
     * Whether anything went wrong in any of them.
     *
     * @return true for I/O or verification errors
     */
    public boolean hasErrors() {
        return ways.stream().flatMap(way -> way.slices().stream()).anyMatch(RunResult::hasErrors);
    }
}
