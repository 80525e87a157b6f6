package io.blkmq.tools.run;

import io.blkmq.core.Plug;
import io.blkmq.tools.job.JobSpec;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.concurrent.atomic.AtomicLong;
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

    private final Workload workload;
    private final JobSpec spec;
    private final RunControl control;
    private final Runnable takePlace;
    private final Runnable goHome;
    private final Thread thread;
    private final boolean timed;
    private final Window window;
    private final IoSlot[] batch;
    private final int completeMin;
    private final int completeMax;

    private final Accounts accounts;
    private final @Nullable Verifier verifier;
    private final AtomicLong progressOperations = new AtomicLong();
    private final AtomicLong progressBytes = new AtomicLong();
    private long runtimeNanos;
    private long userNanos;
    private long systemNanos;

    // The phase.
    private Choices choices;
    private long deadlineNanos;
    private boolean hasDeadline;
    private boolean timeIsOver;
    private int untilClock;

    /**
     * A thread, not started.
     *
     * @param workload what it does
     * @param control ends it early
     * @param takePlace called when it is ready; returns when it may begin
     * @param goHome called when it has ended
     */
    JobThread(Workload workload, RunControl control, Runnable takePlace, Runnable goHome) {
        this.workload = workload;
        this.spec = workload.spec();
        this.control = control;
        this.takePlace = takePlace;
        this.goHome = goHome;
        this.timed = !spec.isClockReduced();
        this.thread = Thread.ofPlatform().daemon().name("blkmq-job-" + workload.job().number()).unstarted(this);
        this.accounts = new Accounts(timed);
        this.window = new Window(workload, accounts, thread);
        this.batch = new IoSlot[workload.batchMax()];
        this.completeMin = spec.batchCompleteMin();
        this.completeMax = workload.completeMax();
        this.verifier = spec.isVerified() ? new Verifier(window.memory(), workload, accounts.failures) : null;
        if (verifier != null) {
            accounts.verifyBy(verifier);
        }
        this.choices = Choices.of(workload, verifier);
        if (spec.accessPattern().writes()) {
            window.fillMemory(new XorShift(workload.seed() ^ 2));
        }
    }

    Thread thread() {
        return thread;
    }

    /** Any thread: how many operations have ended, about. */
    long progressOperations() {
        return progressOperations.get();
    }

    /** Any thread: how much they have moved, about. */
    long progressBytes() {
        return progressBytes.get();
    }

    /** After the thread has ended. */
    JobResult result() {
        return new JobResult(workload.job(), accounts.reads, accounts.writes, accounts.flushes, accounts.failures,
                runtimeNanos, userNanos, systemNanos);
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
            takePlace.run();
            runPhases();
        } catch (RuntimeException | Error e) {
            accounts.failures.jobFailed("job " + spec.name() + ": " + e);
            control.stop();
        } finally {
            goHome.run();
        }
    }

    private void runPhases() {
        ThreadMXBean processor = ManagementFactory.getThreadMXBean();
        long cpuBefore = processor.getCurrentThreadCpuTime();
        long userBefore = processor.getCurrentThreadUserTime();
        long took = runPhase(spec.runtimeNanos());
        accounts.reads.runtimeNanos = spec.accessPattern().reads() ? took : 0;
        accounts.writes.runtimeNanos = spec.accessPattern().writes() ? took : 0;
        runtimeNanos = took;
        if (verifier != null && spec.accessPattern().writes() && spec.isReadBack() && mayGoOn()) {
            choices = Choices.readBack(workload, verifier);
            took = runPhase(0);
            accounts.reads.runtimeNanos += took;
            runtimeNanos += took;
        }
        userNanos = processor.getCurrentThreadUserTime() - userBefore;
        systemNanos = Math.max(0, processor.getCurrentThreadCpuTime() - cpuBefore - userNanos);
    }

    /** One go through the loop, for so long or until all is done. Returns how long it took. */
    private long runPhase(long limitNanos) {
        long startNanos = System.nanoTime();
        hasDeadline = limitNanos > 0;
        deadlineNanos = startNanos + limitNanos;
        timeIsOver = false;
        untilClock = OPERATIONS_PER_CLOCK;
        try (Plug plug = window.plug()) {
            while (mayGoOn() && !timeIsOver && !choices.isOver()) {
                issueWhileFree(plug);
                if (choices.isFlushDue()) {
                    flush();
                } else {
                    window.reap(Math.max(1, completeMin), completeMax);
                }
                checkClock();
            }
            reapAll();
        }
        publishProgress();
        return System.nanoTime() - startNanos;
    }

    /** Whether nothing has happened that ends the job early. A block that fails verification does not. */
    private boolean mayGoOn() {
        return !accounts.hasFailedOperation() && !control.isStopped();
    }

    private void issueWhileFree(Plug plug) {
        int room = Math.min(window.freeCount(), batch.length);
        while (room > 0 && issueBatch(plug, room) == room) {
            if (completeMin == 0) {
                window.reap(0, completeMax);
            }
            room = Math.min(window.freeCount(), batch.length);
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
        if (chosen > 1) {
            plug.expecting(chosen);
        }
        for (int i = 0; i < chosen; i++) {
            plug.submit(batch[i].bio);
        }
        plug.flush();
        if (timed) {
            stampIssue(chosen, begin);
        }
        untilClock -= chosen;
        return chosen;
    }

    /** All of a batch is chosen before any of it is submitted: a short loop over a few fields, which stay in registers. */
    private int chooseBatch(int room, long begin) {
        int chosen = 0;
        while (chosen < room && choices.next(verifier == null || window.inFlight() == 0)) {
            IoSlot slot = window.take();
            slot.aim(choices.operation, choices.offsets.offsetBytes, choices.offsets.lengthBytes);
            slot.startNanos = begin;
            if (verifier != null) {
                verifier.begins(slot);
            }
            batch[chosen++] = slot;
        }
        return chosen;
    }

    private void stampIssue(int issued, long begin) {
        long now = System.nanoTime();
        for (int i = 0; i < issued; i++) {
            IoSlot slot = batch[i];
            slot.issueNanos = now;
            accounts.submitted(slot, now - begin);
        }
    }

    /** A flush makes durable what was acknowledged before it: so all writes are waited for, and then the flush. */
    private void flush() {
        reapAll();
        if (mayGoOn()) {
            window.submitFlush();
            reapAll();
            choices.flushed();
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
        timeIsOver = hasDeadline && System.nanoTime() - deadlineNanos >= 0;
        publishProgress();
    }

    private void publishProgress() {
        progressOperations.lazySet(accounts.reads.operations + accounts.writes.operations);
        progressBytes.lazySet(accounts.reads.bytes + accounts.writes.bytes);
    }
}
