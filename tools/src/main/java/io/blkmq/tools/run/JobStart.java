package io.blkmq.tools.run;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * Lets a job begin: when all threads of the run are there, those that it waits for have ended, and its delay is over. The job's
 * thread waits and tells its end; others wait for that.
 */
final class JobStart {
    private static final long LOOK_MILLIS = 50;

    private final CountDownLatch ready;
    private final CountDownLatch sign;
    private final CountDownLatch all;
    private final CountDownLatch end = new CountDownLatch(1);
    private final long delayNanos;
    private List<JobStart> before = List.of();

    /**
     * For one job.
     *
     * @param ready is told that the job's thread is there
     * @param sign lets all threads go
     * @param all is told that the job has ended
     * @param delayNanos how much later the job begins
     */
    JobStart(CountDownLatch ready, CountDownLatch sign, CountDownLatch all, long delayNanos) {
        this.ready = ready;
        this.sign = sign;
        this.all = all;
        this.delayNanos = delayNanos;
    }

    /** Before the threads start. */
    void waitFor(List<JobStart> others) {
        before = List.copyOf(others);
    }

    /** Waits. Returns whether the job is to run: false if the run was stopped before its turn. */
    boolean await(RunControl control) {
        ready.countDown();
        await(sign, control, false);
        for (JobStart other : before) {
            await(other.end, control, true);
        }
        long begin = System.nanoTime();
        for (long rest = delayNanos; rest > 0 && !control.isStopped();) {
            LockSupport.parkNanos(this, Math.min(rest, TimeUnit.MILLISECONDS.toNanos(LOOK_MILLIS)));
            rest = delayNanos - (System.nanoTime() - begin);
        }
        return (before.isEmpty() && delayNanos == 0) || !control.isStopped();
    }

    private static void await(CountDownLatch latch, RunControl control, boolean untilStopped) {
        while (latch.getCount() > 0 && !(untilStopped && control.isStopped())) {
            try {
                boolean _ = latch.await(LOOK_MILLIS, TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                // Nobody interrupts a job's thread but to end the run.
                control.stop();
            }
        }
    }

    /** The job has ended. */
    void ended() {
        end.countDown();
        all.countDown();
    }
}
