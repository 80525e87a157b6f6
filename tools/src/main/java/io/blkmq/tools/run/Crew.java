package io.blkmq.tools.run;

import io.blkmq.tools.job.DelayRange;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.UsageException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The threads of a run: they begin together, and are waited for. For one thread, which makes it, works and closes it. */
final class Crew implements AutoCloseable {
    private final RunControl control;
    private final RunListener listener;
    private final CountDownLatch ready;
    private final CountDownLatch sign = new CountDownLatch(1);
    private final CountDownLatch done;
    private final List<JobThread> jobs = new ArrayList<>();

    Crew(List<Workload> workloads, boolean timelines, RunControl control, RunListener listener) {
        this.control = control;
        this.listener = listener;
        this.ready = new CountDownLatch(workloads.size());
        this.done = new CountDownLatch(workloads.size());
        boolean made = false;
        try {
            List<JobStart> starts = new ArrayList<>();
            for (Workload workload : workloads) {
                starts.add(new JobStart(ready, sign, done, delayNanos(workload)));
            }
            Map<Integer, RunControl> groups = new HashMap<>();
            Map<Integer, Flow> flows = new HashMap<>();
            for (Workload workload : workloads) {
                RunControl group = groups.computeIfAbsent(workload.job().group(), _ -> control.inner());
                int number = workload.job().number();
                starts.get(number).waitFor(workload.job().after().stream().map(starts::get).toList());
                JobThread job = new JobThread(workload, timelines, control, group, starts.get(number));
                int weight = workload.spec().count(Key.FLOW);
                if (weight > 0) {
                    job.joins(flows.computeIfAbsent(workload.spec().count(Key.FLOW_ID), _ -> new Flow()).join(weight));
                }
                jobs.add(job);
            }
            made = true;
        } finally {
            if (!made) {
                close();
            }
        }
    }

    private static long delayNanos(Workload workload) {
        DelayRange range = (DelayRange) workload.spec().optional(Key.STARTDELAY).orElseThrow();
        long span = range.maxNanos() - range.minNanos();
        return range.minNanos() + (span == 0 ? 0 : new XorShift(workload.seed() ^ 6).below(span + 1));
    }

    /** The threads of the jobs. */
    Set<Long> threads() {
        return jobs.stream().map(job -> job.thread().threadId()).collect(Collectors.toSet());
    }

    /**
     * Starts all threads and waits until all have ended; an interrupt makes them end early, and is kept.
     *
     * @throws UsageException if the system has not so many threads; no job has begun then, and those that were started have ended
     */
    List<JobResult> work() throws UsageException {
        startAll();
        awaitUninterruptibly(ready);
        sign.countDown();
        boolean interrupted = false;
        Teller teller = new Teller();
        for (boolean ended = false; !ended;) {
            try {
                ended = done.await(teller.untilNextNanos(), TimeUnit.NANOSECONDS);
            } catch (InterruptedException e) {
                interrupted = true;
                control.stop();
            }
            if (!ended) {
                teller.tellIfDue();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        Set<Path> written = new HashSet<>();
        jobs.forEach(job -> job.writeLogs(written));
        return jobs.stream().map(JobThread::result).toList();
    }

    private void startAll() throws UsageException {
        int started = 0;
        try {
            for (JobThread job : jobs) {
                job.thread().start();
                started++;
            }
        } catch (OutOfMemoryError e) {
            for (int i = started; i < jobs.size(); i++) {
                done.countDown();
            }
            sign.countDown();
            awaitUninterruptibly(done);
            // The JDK's word for a system that has no thread more, too.
            if (!String.valueOf(e.getMessage()).contains("thread")) {
                throw e;
            }
            throw new UsageException("only " + started + " of " + jobs.size() + " threads can be started ("
                    + e.getMessage() + "): fewer jobs (numjobs), or a higher limit (ulimit -u, pids.max, ulimit -v)",
                    e);
        }
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
    private final class Teller {
        private final long secondNanos = TimeUnit.SECONDS.toNanos(1);
        private final long beganNanos = System.nanoTime();
        private long toldNanos = beganNanos;
        private Progress.Amount reads = new Progress.Amount(0, 0);
        private Progress.Amount writes = reads;
        private Progress.Amount trims = reads;

        long untilNextNanos() {
            return Math.max(1, secondNanos - (System.nanoTime() - toldNanos));
        }

        private Progress.Amount sum(Function<JobProgress, Progress.Amount> of) {
            return jobs.stream().map(job -> of.apply(job.progress())).reduce(new Progress.Amount(0, 0),
                    Progress.Amount::plus);
        }

        void tellIfDue() {
            long now = System.nanoTime();
            if (now - toldNanos < secondNanos) {
                return;
            }
            Progress.Amount readsNow = sum(JobProgress::reads);
            Progress.Amount writesNow = sum(JobProgress::writes);
            Progress.Amount trimsNow = sum(JobProgress::trims);
            double part = jobs.stream().mapToDouble(job -> job.progress().done()).average().orElse(0);
            long rest = part <= 0 ? -1 : (long) ((now - beganNanos) / part * (1 - part));
            listener.progress(new Progress((int) done.getCount(), jobs.size(), readsNow.since(reads),
                    writesNow.since(writes), trimsNow.since(trims), now - toldNanos, part, rest));
            reads = readsNow;
            writes = writesNow;
            trims = trimsNow;
            toldNanos = now;
        }
    }
}
