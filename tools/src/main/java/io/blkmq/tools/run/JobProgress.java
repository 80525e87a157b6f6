package io.blkmq.tools.run;

import java.util.concurrent.atomic.AtomicLongArray;

/** How far a job is. Written by the job's thread, read by any: each number by itself, so that they may be of different moments. */
final class JobProgress {
    private static final int READ = 0;
    private static final int WRITE = 2;
    private static final int TRIM = 4;
    private static final int DONE = 6;

    private final long bytes;
    /** Operations and bytes by direction, and the bits of the part that is done. */
    private final AtomicLongArray values = new AtomicLongArray(DONE + 1);
    // The job's thread.
    private long startNanos;
    private long limitNanos;

    JobProgress(Workload workload) {
        this.bytes = workload.spec().isTimeBased() ? 0 : workload.bytes();
    }

    void begin(long nowNanos, long limit) {
        startNanos = nowNanos;
        limitNanos = limit;
    }

    void publish(Accounts accounts, Choices choices, long nowNanos) {
        publish(READ, accounts.reads);
        publish(WRITE, accounts.writes);
        publish(TRIM, accounts.trims);
        long left = choices.bytesLeft();
        double byBytes = bytes == 0 || left == Long.MAX_VALUE ? 0 : 1 - (double) left / bytes;
        double byTime = limitNanos == 0 ? 0 : (double) (nowNanos - startNanos) / limitNanos;
        values.lazySet(DONE, Double.doubleToRawLongBits(Math.clamp(Math.max(byBytes, byTime), 0, 1)));
    }

    private void publish(int at, DirectionStatistics statistics) {
        values.lazySet(at, statistics.operations);
        values.lazySet(at + 1, statistics.bytes);
    }

    void ended() {
        values.set(DONE, Double.doubleToRawLongBits(1));
    }

    /** Any thread: which part is done. */
    double done() {
        return Double.longBitsToDouble(values.get(DONE));
    }

    private Progress.Amount amount(int at) {
        return new Progress.Amount(values.get(at), values.get(at + 1));
    }

    /** Any thread. */
    Progress.Amount reads() {
        return amount(READ);
    }

    /** Any thread. */
    Progress.Amount writes() {
        return amount(WRITE);
    }

    /** Any thread. */
    Progress.Amount trims() {
        return amount(TRIM);
    }
}
