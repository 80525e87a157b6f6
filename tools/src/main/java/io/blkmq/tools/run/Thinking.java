package io.blkmq.tools.run;

import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** The pauses of a job after some operations. For the job's thread. */
final class Thinking {
    private static final long NAP_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final long nanos;
    private final long spinNanos;
    private final int every;
    private int left;

    Thinking(JobSpec spec) {
        this.nanos = spec.amount(Key.THINKTIME);
        this.spinNanos = Math.min(nanos, spec.amount(Key.THINKTIME_SPIN));
        this.every = spec.count(Key.THINKTIME_BLOCKS);
        this.left = every;
    }

    boolean isNeeded() {
        return nanos > 0;
    }

    /** How many operations may begin before the next pause. */
    int room() {
        return nanos == 0 ? Integer.MAX_VALUE : left;
    }

    void began(int operations) {
        left -= operations;
    }

    boolean isDue() {
        return nanos > 0 && left <= 0;
    }

    /** Works, then sleeps, until the pause or the job's time is over. */
    void think(RunControl control, long deadlineNanos) {
        left = every;
        long begin = System.nanoTime();
        while (System.nanoTime() - begin < spinNanos) {
            Thread.onSpinWait();
        }
        for (long rest = nanos; rest > 0 && !control.isStopped();) {
            long now = System.nanoTime();
            rest = nanos - (now - begin);
            if (deadlineNanos != Long.MAX_VALUE) {
                rest = Math.min(rest, deadlineNanos - now);
            }
            if (rest > 0) {
                LockSupport.parkNanos(this, Math.min(rest, NAP_NANOS));
            }
        }
    }
}
