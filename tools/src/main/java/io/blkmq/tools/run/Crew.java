package io.blkmq.tools.run;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** The threads of a run: they begin together, and are waited for. For one thread, which makes it, works and closes it. */
final class Crew implements AutoCloseable {
    private final RunControl control;
    private final RunListener listener;
    private final CountDownLatch ready;
    private final CountDownLatch start = new CountDownLatch(1);
    private final CountDownLatch done;
    private final List<JobThread> jobs = new ArrayList<>();

    Crew(List<Workload> workloads, RunControl control, RunListener listener) {
        this.control = control;
        this.listener = listener;
        this.ready = new CountDownLatch(workloads.size());
        this.done = new CountDownLatch(workloads.size());
        for (Workload workload : workloads) {
            jobs.add(new JobThread(workload, control, this::takePlace, done::countDown));
        }
    }

    /** Called by each thread: waits for the others and for the sign. */
    private void takePlace() {
        ready.countDown();
        awaitUninterruptibly(start);
    }

    /** Starts all threads and waits until all have ended; an interrupt makes them end early, and is kept. */
    List<JobResult> work() {
        jobs.forEach(job -> job.thread().start());
        awaitUninterruptibly(ready);
        start.countDown();
        boolean interrupted = false;
        Progress progress = new Progress();
        for (boolean ended = false; !ended;) {
            try {
                ended = done.await(progress.untilNextNanos(), TimeUnit.NANOSECONDS);
            } catch (InterruptedException e) {
                interrupted = true;
                control.stop();
            }
            if (!ended) {
                progress.tellIfDue();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return jobs.stream().map(JobThread::result).toList();
    }

    private void awaitUninterruptibly(CountDownLatch latch) {
        boolean interrupted = false;
        while (latch.getCount() > 0) {
            try {
                latch.await();
            } catch (InterruptedException e) {
                interrupted = true;
                control.stop();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Gives the threads' memory back. */
    @Override
    public void close() {
        jobs.forEach(JobThread::release);
    }

    /** Counts seconds, and what was done in each. */
    private final class Progress {
        private final long secondNanos = TimeUnit.SECONDS.toNanos(1);
        private long toldNanos = System.nanoTime();
        private long operations;
        private long bytes;

        long untilNextNanos() {
            return Math.max(1, secondNanos - (System.nanoTime() - toldNanos));
        }

        void tellIfDue() {
            long now = System.nanoTime();
            if (now - toldNanos < secondNanos) {
                return;
            }
            long operationsNow = jobs.stream().mapToLong(JobThread::progressOperations).sum();
            long bytesNow = jobs.stream().mapToLong(JobThread::progressBytes).sum();
            listener.progress((int) done.getCount(), operationsNow - operations, bytesNow - bytes, now - toldNanos);
            operations = operationsNow;
            bytes = bytesNow;
            toldNanos = now;
        }
    }
}
