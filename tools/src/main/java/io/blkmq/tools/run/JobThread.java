package io.blkmq.tools.run;

import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.tools.device.Device;
import io.blkmq.tools.job.AccessPattern;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.SteadyGoal;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * The loop of one job: keeps as many operations in flight as the job says, until its bytes are moved or its time is over.
 *
 * <pre>
 *   while there is more to do
 *       while slots are free: issue a batch        one plug, one doorbell
 *       reap those that ended                      waits if there are none
 *   reap until nothing is in flight
 * </pre>
 *
 * <p>Then, if the job verifies what it wrote, once more with reads. In steady state nothing is allocated. Where the job does
 * without latencies the clock is read once in some hundred operations; otherwise around each batch, as fio does.
 */
final class JobThread implements Runnable {
    private static final int OPERATIONS_PER_CLOCK = 512;
    private static final long SAMPLE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
    private static final long NAP_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
    private static final long SHORT_NAP_NANOS = TimeUnit.MICROSECONDS.toNanos(100);

    private final Workload workload;
    private final JobSpec spec;
    private final RunControl run;
    private final RunControl control;
    private final JobStart start;
    private final Thread thread;
    private final boolean timed;
    private final Window window;
    private final IoSlot[] batch;
    private final int completeMin;
    private final int completeMax;
    private final int depthLow;

    private final Accounts accounts;
    private final @Nullable Verifier verifier;
    private final @Nullable DataFill fill;
    private final @Nullable Pacer pacer;
    private final @Nullable DepthSearch search;
    private final @Nullable JobLogs logs;
    private final @Nullable Sampler sampler;
    private final @Nullable SteadyState steady;
    private final Thinking thinking;
    private final int backlog;
    private final long flowNapNanos;
    private Flow.@Nullable Member flow;
    /** Whether there are other bounds on what may be submitted than free slots. */
    private boolean bounded;
    private final JobProgress progress;
    private final List<String> notes = new ArrayList<>();
    private long runtimeNanos;
    private ProcessorUse use = ProcessorUse.NONE;

    // The phase.
    private Choices choices;
    private long startNanos;
    private long rampEndNanos;
    private boolean ramping;
    private long deadlineNanos;
    private boolean hasDeadline;
    private boolean timeIsOver;
    /** Whether this is the job itself, which a search or a steady state may end, and not the reading back of what it wrote. */
    private boolean measures;
    private int untilClock;
    private long sampleNanos;
    /** An operation is chosen that has to wait for its time. */
    private boolean pending;
    /** The last write before the job looked back. */
    private int backlogWrite;

    /**
     * A thread, not started.
     *
     * @param workload what it does
     * @param timeline whether it is told what it did over time
     * @param run ends all jobs early
     * @param control ends those of its group
     * @param start lets it begin, and is told when it has ended
     */
    JobThread(Workload workload, boolean timeline, RunControl run, RunControl control, JobStart start) {
        this.workload = workload;
        this.spec = workload.spec();
        this.run = run;
        this.control = control;
        this.start = start;
        this.timed = !spec.isClockReduced();
        this.thread = Thread.ofPlatform().daemon().name("blkmq-job-" + workload.job().number()).unstarted(this);
        this.accounts = new Accounts(spec);
        this.window = new Window(workload, accounts, thread);
        this.batch = new IoSlot[workload.batchMax()];
        this.completeMin = spec.count(Key.IODEPTH_BATCH_COMPLETE_MIN);
        this.completeMax = workload.completeMax();
        this.depthLow = spec.count(Key.IODEPTH_LOW);
        this.verifier = spec.isVerified() ? new Verifier(window.memory(), workload, accounts.failures) : null;
        if (verifier != null) {
            accounts.verifyBy(verifier);
        }
        this.fill = dataFill();
        Pacer rates = new Pacer(spec, workload.seed());
        this.pacer = rates.isNeeded() ? rates : null;
        long target = spec.amount(Key.LATENCY_TARGET);
        this.search = target == 0
                ? null
                : new DepthSearch(target, spec.amount(Key.LATENCY_WINDOW), spec.decimal(Key.LATENCY_PERCENTILE),
                        spec.flag(Key.LATENCY_RUN), workload.depth());
        if (search != null) {
            accounts.searchBy(search);
        }
        this.logs = JobLogs.of(workload.job()).orElse(null);
        if (logs != null) {
            accounts.logTo(logs);
        }
        this.sampler = timeline ? new Sampler(accounts) : null;
        this.steady = spec.optional(Key.SS).map(goal -> new SteadyState((SteadyGoal) goal, spec.amount(Key.SS_DUR),
                spec.amount(Key.SS_RAMP), spec.amount(Key.SS_INTERVAL))).orElse(null);
        this.thinking = new Thinking(spec);
        this.flowNapNanos = Math.clamp(spec.amount(Key.FLOW_SLEEP), SHORT_NAP_NANOS, NAP_NANOS);
        this.backlog = verifier != null && spec.isReadBack() ? spec.count(Key.VERIFY_BACKLOG) : 0;
        this.bounded = search != null || thinking.isNeeded() || backlog > 0;
        this.progress = new JobProgress(workload);
        JobChoices chosen = JobChoices.of(workload, verifier);
        if (pacer != null) {
            chosen.paceBy(pacer);
        }
        this.choices = chosen;
    }

    private @Nullable DataFill dataFill() {
        if (verifier != null || !workload.pattern().writes()) {
            return null;
        }
        DataFill data = new DataFill(window.memory(), spec, new XorShift(workload.seed() ^ 2));
        data.all(workload.strideBytes());
        return data.isEachTime() ? data : null;
    }

    /** Its operations are kept in proportion to those of others. Before it begins. */
    void joins(Flow.Member share) {
        flow = share;
        bounded = true;
    }

    Thread thread() {
        return thread;
    }

    JobProgress progress() {
        return progress;
    }

    /** After the thread has ended. */
    JobResult result() {
        return new JobResult(workload.job(), accounts.reads, accounts.writes, accounts.trims, accounts.flushes,
                accounts.depths, accounts.failures, runtimeNanos, use, List.copyOf(notes),
                sampler == null ? Timeline.NONE : sampler.timeline(), search == null ? spec.depth() : search.depth());
    }

    /** Gives the memory back, unless the job broke off and the device may still use it. After the thread has ended. */
    void release() {
        if (window.inFlight() == 0) {
            window.close();
        }
    }

    @Override
    public void run() {
        try {
            if (start.await(control)) {
                runPhases();
            }
        } catch (RuntimeException | Error e) {
            accounts.failures.jobFailed(Status.IOERR, "job " + spec.name() + ": " + e);
            run.stop();
        } finally {
            boolean failed = accounts.failures.errno() != 0;
            if (spec.flag(Key.EXITALL) || (failed && spec.flag(Key.EXITALL_ON_ERROR))) {
                (spec.word(Key.EXIT_WHAT).equals("all") ? run : control).stop();
            }
            progress.ended();
            start.ended();
        }
    }

    private void runPhases() {
        ProcessorUse before = ProcessorUse.ofThisThread();
        AccessPattern pattern = workload.pattern();
        Flow.Member share = flow;
        if (share != null) {
            share.begin();
        }
        long took;
        try {
            if (verifier != null && spec.verifiesOnly()) {
                choosePlanned(verifier);
            }
            took = runPhase(spec.runtimeNanos(), true);
        } finally {
            if (share != null) {
                share.end();
            }
        }
        accounts.reads.runtimeNanos = pattern.reads() || backlogWrite > 0 ? took : 0;
        accounts.writes.runtimeNanos = pattern.writes() ? took : 0;
        accounts.trims.runtimeNanos = pattern.trims() ? took : 0;
        runtimeNanos = took;
        if (verifier != null && spec.isReadBack() && mayGoOn() && verifier.hasUnread()) {
            leaveTheCaches();
            choices = new ReadBack(verifier.unread(), readBackBytes(), Integer.MAX_VALUE);
            took = runPhase(0, false);
            accounts.reads.runtimeNanos += took;
            runtimeNanos += took;
        }
        if (search != null) {
            notes.add(search.note(spec.name()));
        }
        if (steady != null) {
            notes.add(steady.note(spec.name()));
        }
        use = ProcessorUse.ofThisThread().since(before);
        if (logs != null) {
            logs.end(System.nanoTime());
        }
    }

    private int readBackBytes() {
        return workload.sizes().write().max();
    }

    /** Goes through what the job would do without doing it; what that would leave written is what is read. */
    private void choosePlanned(Verifier planned) {
        while (mayGoOn() && !choices.isOver()) {
            if (choices.isFlushDue()) {
                choices.flushed();
            } else if (choices.next(true)) {
                planned.planned(choices.operation, choices.part, choices.offsets);
            }
        }
        choices = new ReadBack(planned.unread(), readBackBytes(), Integer.MAX_VALUE);
    }

    /** What is read back is to come from the medium: so it is made durable, and the host's copies of it are dropped. */
    private void leaveTheCaches() {
        accounts.leaveFlushesOut();
        flushDevices();
        workload.parts().stream().map(Workload.Part::device).distinct().forEach(Device::forgetPages);
    }

    /**
     * Writes the logs, after the thread has ended.
     *
     * @param written the files that jobs before this one have written, which this one adds its lines to
     */
    void writeLogs(Set<Path> written) {
        if (logs != null) {
            try {
                logs.write(written);
            } catch (IOException e) {
                accounts.failures.jobFailed(Status.IOERR, "job " + spec.name() + ": a log cannot be written: " + e);
            }
        }
    }

    /** One go through the loop, for so long or until all is done. Returns how long it took. */
    private long runPhase(long limitNanos, boolean first) {
        begin(limitNanos, first);
        try (Plug plug = window.plug()) {
            while (mayGoOn() && !timeIsOver && (pending || !choices.isOver())) {
                issueWhileFree(plug);
                if (choices.isFlushDue()) {
                    flush();
                } else if (bounded && first && pauseIsDue(plug)) {
                    timeIsOver |= hasDeadline && System.nanoTime() - deadlineNanos >= 0;
                } else if (pending) {
                    awaitDue();
                } else {
                    window.reap(reapMin(), completeMax);
                }
                checkClock();
            }
            reapAll();
            if (first && mayGoOn() && workload.pattern().writes()
                    && (spec.flag(Key.END_FSYNC) || spec.flag(Key.FSYNC_ON_CLOSE))) {
                flushDevices();
            }
        }
        long now = System.nanoTime();
        for (DirectionStatistics direction : accounts.directions()) {
            direction.sampleRest(now - sampleNanos, SAMPLE_NANOS);
        }
        if (sampler != null) {
            sampler.end(now);
        }
        progress.publish(accounts, choices, now);
        return now - startNanos;
    }

    private void begin(long limitNanos, boolean first) {
        startNanos = System.nanoTime();
        ramping = first && spec.amount(Key.RAMP_TIME) > 0;
        rampEndNanos = startNanos + spec.amount(Key.RAMP_TIME);
        hasDeadline = limitNanos > 0;
        deadlineNanos = (ramping ? rampEndNanos : startNanos) + limitNanos;
        timeIsOver = false;
        measures = first;
        // What was chosen and had to wait is left out: its time is over.
        pending = false;
        untilClock = OPERATIONS_PER_CLOCK;
        sampleNanos = startNanos;
        progress.begin(startNanos, hasDeadline ? deadlineNanos - startNanos : 0);
        if (sampler != null) {
            sampler.begin(startNanos);
        }
        if (!first) {
            return;
        }
        if (logs != null) {
            logs.begin(startNanos, !ramping);
        }
        if (pacer != null) {
            pacer.begin(startNanos);
        }
        if (search != null) {
            search.begin(startNanos);
        }
        if (steady != null) {
            steady.begin(startNanos);
        }
    }

    /** Whether nothing has happened that ends the job early. */
    private boolean mayGoOn() {
        return !accounts.mustEnd() && !control.isStopped();
    }

    private int reapMin() {
        int min = Math.max(1, completeMin);
        return depthLow > 0 && window.freeCount() == 0 ? Math.max(min, window.inFlight() - depthLow) : min;
    }

    private int room() {
        int room = Math.min(window.freeCount(), batch.length);
        if (!bounded || !measures) {
            return room;
        }
        if (search != null) {
            room = Math.min(room, search.depth() - window.inFlight());
        }
        if (backlog > 0 && verifier != null) {
            room = Math.min(room, backlogWrite + backlog - verifier.writes());
        }
        if (flow != null) {
            room = Math.min(room, flow.room());
        }
        return Math.max(0, Math.min(room, thinking.room()));
    }

    private void issueWhileFree(Plug plug) {
        int room = room();
        while (room > 0 && issueBatch(plug, room) == room) {
            if (completeMin == 0) {
                window.reap(0, completeMax);
            }
            room = room();
            if (room > 0) {
                checkClock();
                room = timeIsOver ? 0 : room;
            }
        }
    }

    /** Submits up to so many operations together, and returns how many it were. */
    private int issueBatch(Plug plug, int room) {
        long begin = timed ? System.nanoTime() : 0;
        int chosen = chooseBatch(room, begin);
        if (chosen == 0) {
            return 0;
        }
        if (chosen > 1) {
            plug.expecting(chosen);
        }
        for (int i = 0; i < chosen; i++) {
            window.submit(plug, batch[i]);
        }
        plug.flush();
        if (timed) {
            stampIssue(chosen, begin);
        }
        accounts.depths.submitted(chosen, window.inFlight());
        untilClock -= chosen;
        return chosen;
    }

    /** All of a batch is chosen before any of it is submitted: a short loop over a few fields, which stay in registers. */
    private int chooseBatch(int room, long begin) {
        int chosen = 0;
        while (chosen < room && (pending || choices.next(!choices.needsQuiet() || window.inFlight() == 0))) {
            if (pacer != null && measures && !isDue(pacer)) {
                break;
            }
            IoSlot slot = window.take();
            slot.part = choices.part;
            slot.aim(choices.operation, choices.offsets.offsetBytes, choices.offsets.lengthBytes);
            slot.startNanos = begin;
            if (verifier != null) {
                verifier.begins(slot);
            } else if (fill != null) {
                fill.one(slot);
            }
            batch[chosen++] = slot;
        }
        if (measures) {
            thinking.began(chosen);
            if (flow != null) {
                flow.began(chosen);
            }
        }
        return chosen;
    }

    /** Whether the operation that is chosen may begin; it stays chosen if not. */
    private boolean isDue(Pacer rates) {
        pending = rates.waitNanos(choices.operation, System.nanoTime()) > 0;
        if (!pending) {
            rates.began(choices.operation, choices.offsets.lengthBytes);
        }
        return !pending;
    }

    private void stampIssue(int issued, long begin) {
        long now = System.nanoTime();
        for (int i = 0; i < issued; i++) {
            IoSlot slot = batch[i];
            slot.issueNanos = now;
            accounts.submitted(slot, now - begin);
        }
    }

    /** Until the next operation is due: looks for completions, and sleeps a little. */
    private void awaitDue() {
        // All that there are: none is to wait for the next nap's end.
        window.reap(0, Integer.MAX_VALUE);
        Pacer rates = pacer;
        long wait = rates == null ? 0 : rates.waitNanos(choices.operation, System.nanoTime());
        if (wait > SHORT_NAP_NANOS || (window.inFlight() == 0 && wait > 0)) {
            LockSupport.parkNanos(this, Math.min(wait, window.inFlight() > 0 ? SHORT_NAP_NANOS : NAP_NANOS));
        }
        untilClock = 0;
    }

    /** Thinks, or reads back what was written last. Returns whether it was time for that. */
    private boolean pauseIsDue(Plug plug) {
        if (thinking.isDue()) {
            reapAll();
            long begin = System.nanoTime();
            thinking.think(control, hasDeadline ? deadlineNanos : Long.MAX_VALUE);
            if (pacer != null && spec.flag(Key.RATE_IGNORE_THINKTIME)) {
                pacer.postpone(System.nanoTime() - begin);
            }
            return true;
        }
        if (backlog > 0 && verifier != null && verifier.writes() >= backlogWrite + backlog) {
            readBacklog(plug, verifier);
            return true;
        }
        if (flow != null && window.inFlight() == 0 && flow.room() == 0) {
            LockSupport.parkNanos(this, flowNapNanos);
            return true;
        }
        return false;
    }

    private void readBacklog(Plug plug, Verifier written) {
        reapAll();
        Choices job = choices;
        boolean waits = pending;
        int batchMax = spec.count(Key.VERIFY_BACKLOG_BATCH);
        choices = new ReadBack(written.unread(), readBackBytes(), batchMax == 0 ? Integer.MAX_VALUE : batchMax);
        backlogWrite = written.writes();
        pending = false;
        measures = false;
        while (mayGoOn() && !choices.isOver()) {
            int room = Math.min(window.freeCount(), batch.length);
            if (room == 0 || issueBatch(plug, room) == 0) {
                window.reap(1, completeMax);
            }
        }
        reapAll();
        choices = job;
        pending = waits;
        measures = true;
    }

    /** A flush makes durable what was acknowledged before it: so all writes are waited for, and then the flush. */
    private void flush() {
        reapAll();
        if (mayGoOn()) {
            flushDevices();
            choices.flushed();
        }
    }

    private void flushDevices() {
        for (int i = 0; i < window.flushTargets(); i++) {
            window.submitFlush(i);
            reapAll();
        }
    }

    private void reapAll() {
        while (window.inFlight() > 0) {
            window.reap(1, Integer.MAX_VALUE);
        }
    }

    /** Looks at the clock, if it is time to. Somebody who has waited has time. */
    private void checkClock() {
        if (untilClock > 0 && !window.hasWaited()) {
            return;
        }
        untilClock = OPERATIONS_PER_CLOCK;
        long now = System.nanoTime();
        if (ramping && now - rampEndNanos >= 0) {
            ramping = false;
            // The job's time begins when the end of the ramp is noticed: from there on it is counted.
            deadlineNanos += now - rampEndNanos;
            startNanos = now;
            sampleNanos = now;
            accounts.reset();
            if (logs != null) {
                logs.begin(now, true);
            }
            if (pacer != null) {
                pacer.beginMinimum(now);
            }
            if (steady != null) {
                steady.begin(now);
            }
            if (sampler != null) {
                sampler.begin(now);
            }
        }
        timeIsOver = hasDeadline && now - deadlineNanos >= 0;
        if (now - sampleNanos >= SAMPLE_NANOS) {
            for (DirectionStatistics direction : accounts.directions()) {
                direction.sample(now - sampleNanos);
            }
            sampleNanos = now;
        }
        if (pacer != null && measures && !ramping) {
            pacer.check(accounts, now);
        }
        if (sampler != null && !ramping) {
            sampler.tick(now);
        }
        if (measures && search != null && search.tick(now)) {
            timeIsOver = true;
        }
        if (measures && steady != null && !ramping && steady.tick(accounts, now)) {
            timeIsOver = true;
        }
        progress.publish(accounts, choices, now);
    }
}
