package io.blkmq.tools.run;

import io.blkmq.tools.job.Direction;
import java.util.ArrayList;
import java.util.List;

/**
 * What a job did over time.
 *
 * @param samples one behind the other; none where nobody wanted them
 */
public record Timeline(List<Sample> samples) {
    /** Of nobody's interest. */
    static final Timeline NONE = new Timeline(List.of());

    /** More is not kept: of long runs a sample stands for a longer time. */
    static final int SAMPLES_MAX = 600;
    /** The time of a sample, unless the run is long. */
    static final long INTERVAL_NANOS = 100_000_000;

    /**
     * What was done in an interval.
     *
     * @param fromNanos its begin, on the JVM's clock
     * @param toNanos its end
     * @param reads its reads
     * @param writes its writes
     * @param trims its discards
     */
    public record Sample(long fromNanos, long toNanos, Rate reads, Rate writes, Rate trims) {
        /**
         * What was done in a direction.
         *
         * @param direction which
         * @return its rate
         */
        public Rate of(Direction direction) {
            return switch (direction) {
                case READ -> reads;
                case WRITE -> writes;
                case TRIM -> trims;
            };
        }

        private Sample shifted(long nanos) {
            return new Sample(fromNanos + nanos, toNanos + nanos, reads, writes, trims);
        }

        private long overlap(long from, long to) {
            return Math.min(toNanos, to) - Math.max(fromNanos, from);
        }
    }

    /**
     * Operations of one direction.
     *
     * @param operationsPerSecond how many a second
     * @param bytesPerSecond how much they moved
     * @param p99Nanos how long 99 of 100 took at the most, from issue to completion; 0 if that is not known. Of several jobs or
     *            intervals it is the longest
     */
    public record Rate(double operationsPerSecond, double bytesPerSecond, long p99Nanos) {
        private static final Rate ZERO = new Rate(0, 0, 0);

        /** With what another did in a part of the same time. */
        private Rate plus(Rate other, double part) {
            return new Rate(operationsPerSecond + other.operationsPerSecond * part,
                    bytesPerSecond + other.bytesPerSecond * part, Math.max(p99Nanos, other.p99Nanos));
        }
    }

    private long beginNanos() {
        return samples.getFirst().fromNanos;
    }

    private long endNanos() {
        return samples.getLast().toNanos;
    }

    private static List<Timeline> kept(List<Timeline> timelines) {
        return timelines.stream().filter(each -> !each.samples.isEmpty()).toList();
    }

    /** What several did at the same time: rates are added, in intervals that are the same for all. */
    static Timeline together(List<Timeline> timelines) {
        List<Timeline> some = kept(timelines);
        if (some.size() <= 1) {
            return some.isEmpty() ? NONE : some.getFirst();
        }
        long begin = some.stream().mapToLong(Timeline::beginNanos).min().orElseThrow();
        long end = some.stream().mapToLong(Timeline::endNanos).max().orElseThrow();
        long step = INTERVAL_NANOS;
        while ((end - begin) / step >= SAMPLES_MAX) {
            step *= 2;
        }
        List<Sample> samples = new ArrayList<>();
        int[] next = new int[some.size()];
        for (long from = begin; from < end; from += step) {
            long to = Math.min(end, from + step);
            samples.add(new Sample(from, to, Rate.ZERO, Rate.ZERO, Rate.ZERO));
            for (int i = 0; i < next.length; i++) {
                next[i] = addTo(samples, some.get(i).samples, next[i]);
            }
        }
        return new Timeline(List.copyOf(samples));
    }

    /** Adds to the last sample those of another that lie in it, and returns the first that goes on behind it. */
    private static int addTo(List<Sample> sums, List<Sample> others, int first) {
        Sample sum = sums.removeLast();
        int i = first;
        for (; i < others.size() && others.get(i).fromNanos < sum.toNanos; i++) {
            Sample other = others.get(i);
            double part = (double) other.overlap(sum.fromNanos, sum.toNanos) / (sum.toNanos - sum.fromNanos);
            if (part > 0) {
                sum = new Sample(sum.fromNanos, sum.toNanos, sum.reads.plus(other.reads, part),
                        sum.writes.plus(other.writes, part), sum.trims.plus(other.trims, part));
            }
            if (other.toNanos > sum.toNanos) {
                break;
            }
        }
        sums.add(sum);
        return i;
    }

    /** What one did in several runs, as if each had begun when the one before ended. */
    static Timeline inTurn(List<Timeline> timelines) {
        List<Sample> samples = new ArrayList<>();
        for (Timeline timeline : kept(timelines)) {
            long shift = samples.isEmpty() ? 0 : samples.getLast().toNanos - timeline.beginNanos();
            timeline.samples.forEach(sample -> samples.add(sample.shifted(shift)));
        }
        return new Timeline(List.copyOf(samples));
    }

    /**
     * Whether there is anything of a direction.
     *
     * @param direction which
     * @return false if nothing was done
     */
    public boolean has(Direction direction) {
        return samples.stream().anyMatch(sample -> sample.of(direction).operationsPerSecond > 0);
    }
}
