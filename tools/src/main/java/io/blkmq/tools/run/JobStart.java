package io.blkmq.tools.run;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Lets a job begin: when all threads of the run are there, those that it waits for have ended, and its delay is over. The job's
 * thread waits and tells its end; others wait for that.
 *
 * <p>A thread that waits looks now and then whether the run was stopped. A look costs the same however many threads wait: they stand in no
 * common queue.
 */
final class JobStart {
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private final CountDownLatch ready;
    private final CountDownLatch sign;
    private final CountDownLatch all;
    private final long delayNanos;
    /** The jobs that wait for this one. */
    private final List<JobStart> followers = new ArrayList<>();
    /** How many jobs this one still waits for. */
    private final AtomicInteger before = new AtomicInteger();
    /** Whom the last of those jobs wakes. It looks at {@link #before} after it has put itself here, and the last job counts before it looks here. */
    private volatile @Nullable Thread waiter;

    /**
     * For one job.
     *
     * @param ready is told that the job's thread is there
     * @param sign lets all threads go; given before all are there it calls the run off
     * @param all is told that the job has ended
     * @param delayNanos how much later the job begins
     */
    JobStart(CountDownLatch ready, CountDownLatch sign, CountDownLatch all, long delayNanos) {
        this.ready = ready;
        this.sign = sign;
        this.all = all;
        this.delayNanos = delayNanos;
    }

    /** Before the threads start, once. */
    void waitFor(List<JobStart> others) {
        before.set(others.size());
        others.forEach(other -> other.followers.add(this));
    }

    /** Waits. Returns whether the job is to run: false if the run was stopped before its turn. */
    boolean await(RunControl control) {
        boolean isFirst = before.get() == 0;
        ready.countDown();
        awaitSign(control);
        if (ready.getCount() > 0) {
            return false;
        }
        waiter = Thread.currentThread();
        while (before.get() > 0 && !control.isStopped()) {
            nap(LOOK_NANOS, control);
        }
        long begin = System.nanoTime();
        for (long rest = delayNanos; rest > 0 && !control.isStopped();) {
            nap(Math.min(rest, LOOK_NANOS), control);
            rest = delayNanos - (System.nanoTime() - begin);
        }
        return (isFirst && delayNanos == 0) || !control.isStopped();
    }

    private void awaitSign(RunControl control) {
        for (boolean given = false; !given;) {
            try {
                sign.await();
                given = true;
            } catch (InterruptedException e) {
                control.stop();
            }
        }
    }

    /** Nobody interrupts a job's thread but to end the run. */
    private void nap(long nanos, RunControl control) {
        LockSupport.parkNanos(this, nanos);
        if (Thread.interrupted()) {
            control.stop();
        }
    }

    /** The job has ended. */
    void ended() {
        for (JobStart follower : followers) {
            if (follower.before.decrementAndGet() == 0) {
                LockSupport.unpark(follower.waiter);
            }
        }
        all.countDown();
    }
}
