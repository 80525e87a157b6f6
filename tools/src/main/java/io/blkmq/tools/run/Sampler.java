package io.blkmq.tools.run;

import io.blkmq.tools.job.Direction;
import java.util.ArrayList;
import java.util.List;

/**
 * Looks at a job's accounts ten times a second, and keeps what was done since the last look. When there is no room for more samples, two
 * neighbours become one, and it looks half as often from then on. Allocates nothing once the first operations have ended. For the job's thread.
 */
final class Sampler {
    private static final double NANOS_PER_SECOND = 1e9;
    private static final double PERCENT = 99;
    private static final int DIRECTIONS = Direction.values().length;

    private final DirectionStatistics[] statistics;
    private final LatencyWindow[] latencies;
    private final long[] fromNanos = new long[Timeline.SAMPLES_MAX];
    private final long[] toNanos = new long[Timeline.SAMPLES_MAX];
    private final long[][] operations = new long[DIRECTIONS][Timeline.SAMPLES_MAX];
    private final long[][] bytes = new long[DIRECTIONS][Timeline.SAMPLES_MAX];
    private final long[][] p99Nanos = new long[DIRECTIONS][Timeline.SAMPLES_MAX];
    private int count;
    private long intervalNanos = Timeline.INTERVAL_NANOS;
    private long lastNanos;
    private final long[] lastOperations = new long[DIRECTIONS];
    private final long[] lastBytes = new long[DIRECTIONS];

    Sampler(Accounts accounts) {
        this.statistics = accounts.directions();
        this.latencies = new LatencyWindow[DIRECTIONS];
        for (int i = 0; i < DIRECTIONS; i++) {
            latencies[i] = new LatencyWindow(statistics[i].completion());
        }
    }

    /** Time that counts begins: what was done before it is not told, or has been. */
    void begin(long nowNanos) {
        lastNanos = nowNanos;
        for (int i = 0; i < DIRECTIONS; i++) {
            lastOperations[i] = statistics[i].operations;
            lastBytes[i] = statistics[i].bytes;
            latencies[i].begin();
        }
    }

    /** Looks, if it is time to. */
    void tick(long nowNanos) {
        if (nowNanos - lastNanos >= intervalNanos) {
            look(nowNanos);
        }
    }

    /** Time that counts ends. What is left of it is no sample of its own if it is short: its rates would be those of a few operations. */
    void end(long nowNanos) {
        long left = nowNanos - lastNanos;
        boolean goesOn = count > 0 && toNanos[count - 1] == lastNanos;
        if (left > 0) {
            look(nowNanos);
            if (goesOn && count > 1 && left < intervalNanos / 2) {
                join(count - 2, count - 1, count - 2);
                count--;
            }
        }
    }

    private void look(long nowNanos) {
        if (count == Timeline.SAMPLES_MAX) {
            for (int i = 0; i < count / 2; i++) {
                join(2 * i, 2 * i + 1, i);
            }
            count /= 2;
            intervalNanos *= 2;
        }
        fromNanos[count] = lastNanos;
        toNanos[count] = nowNanos;
        for (int i = 0; i < DIRECTIONS; i++) {
            operations[i][count] = statistics[i].operations - lastOperations[i];
            bytes[i][count] = statistics[i].bytes - lastBytes[i];
            p99Nanos[i][count] = latencies[i].percentileNanos(PERCENT);
            lastOperations[i] = statistics[i].operations;
            lastBytes[i] = statistics[i].bytes;
        }
        lastNanos = nowNanos;
        count++;
    }

    private void join(int one, int other, int into) {
        fromNanos[into] = fromNanos[one];
        toNanos[into] = toNanos[other];
        for (int i = 0; i < DIRECTIONS; i++) {
            operations[i][into] = operations[i][one] + operations[i][other];
            bytes[i][into] = bytes[i][one] + bytes[i][other];
            p99Nanos[i][into] = Math.max(p99Nanos[i][one], p99Nanos[i][other]);
        }
    }

    Timeline timeline() {
        List<Timeline.Sample> samples = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            samples.add(new Timeline.Sample(fromNanos[i], toNanos[i], rate(Direction.READ, i), rate(Direction.WRITE, i),
                    rate(Direction.TRIM, i)));
        }
        return new Timeline(List.copyOf(samples));
    }

    private Timeline.Rate rate(Direction direction, int i) {
        int code = direction.code();
        double seconds = (toNanos[i] - fromNanos[i]) / NANOS_PER_SECOND;
        return new Timeline.Rate(operations[code][i] / seconds, bytes[code][i] / seconds, p99Nanos[code][i]);
    }
}
