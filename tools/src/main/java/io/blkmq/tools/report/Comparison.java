package io.blkmq.tools.report;

import io.blkmq.tools.run.JobResult;
import io.blkmq.tools.run.RunResult;
import java.util.List;

/**
 * The same jobs on the same file in several ways. Ratios are to the first way.
 *
 * @param image what they ran on
 * @param ways the runs, in the order in which they were made
 */
public record Comparison(String image, List<Way> ways) {
    /**
     * One way.
     *
     * @param name short, for a machine
     * @param description for people
     * @param result what became of it
     */
    public record Way(String name, String description, RunResult result) {
        /**
         * How many operations a second all jobs made together.
         *
         * @return reads and writes
         */
        public double operationsPerSecond() {
            return result.jobs().stream().map(Way::operationsPerSecond).mapToDouble(Double::doubleValue).sum();
        }

        private static double operationsPerSecond(JobResult job) {
            return job.reads().operationsPerSecond() + job.writes().operationsPerSecond();
        }
    }

    /**
     * How much faster a way is than the first.
     *
     * @param way one of them
     * @return 2 for twice as fast; 0 if the first did nothing
     */
    public double ratio(Way way) {
        double first = ways.getFirst().operationsPerSecond();
        return first == 0 ? 0 : way.operationsPerSecond() / first;
    }

    /**
     * Whether anything went wrong in any of them.
     *
     * @return true for I/O or verification errors
     */
    public boolean hasErrors() {
        return ways.stream().anyMatch(way -> way.result().hasErrors());
    }
}
