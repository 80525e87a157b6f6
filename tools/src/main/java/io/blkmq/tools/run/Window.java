package io.blkmq.tools.run;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Plug;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.tools.job.Key;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * The operations that a job has in flight, and those that it may submit: as many slots as the job is deep.
 *
 * <pre>
 *   free ──submit──▶ in flight ──found──▶ ended ──reap──▶ free
 * </pre>
 *
 * <p>All state is the job's thread's. Where the device completes on the thread that submitted, {@link #ended} finds an operation
 * at once; elsewhere it runs on any thread, and the slot comes back by a {@link CompletionStack}. An operation that has ended
 * counts as in flight until {@link #reap} lets it go, so that a job can be kept from taking more than it wants at a time.
 *
 * <p>For the job an operation ends when it is reaped, as in fio: what waits here while the job deals with others is part of its latency.
 * A job that reaps all that it finds learns of each when it is found. It is accounted for then, which spares it the second way through
 * the same memory.
 */
final class Window implements AutoCloseable {
    private static final int SPINS_BEFORE_YIELD = 64;
    private static final long NAP_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final Target[] targets;
    /** One for each polled device. */
    private final Target[] polled;
    private final boolean severalDisks;
    private final boolean timed;
    private final Accounts accounts;
    private final IoBuffer buffer;
    private final CompletionStack completions;
    private final IoSlot flushSlot;

    /** Slots that are not submitted: settled ones are among them, but are not given out before they are reaped. */
    private final IoSlot[] idle;
    private int idleCount;
    private int settledCount;
    private boolean flushInFlight;
    /** Whether each reap takes all that was found. */
    private final boolean reapsAll;
    /** What was found and not reaped, of a job that does not reap all: a ring, as long as the job is deep. */
    private final IoSlot[] found;
    private int foundFirst;
    private int foundCount;
    private boolean waited;

    // The time of those completions that are found together on this thread.
    private long foundNanos;
    private boolean foundAny;
    private boolean collecting;

    /**
     * A device of the job.
     *
     * @param disk to submit to
     * @param context through which way in
     * @param endsHere whether completions are told on the job's thread alone
     */
    private record Target(Disk disk, int context, boolean polled, boolean endsHere) {}

    Window(Workload workload, Accounts accounts, Thread owner) {
        this.targets = workload.parts().stream()
                .map(part -> new Target(part.device().disk(), part.user() & part.device().disk().contexts() - 1,
                        part.device().shape().polled(), part.device().completesOnSubmitter()))
                .toArray(Target[]::new);
        List<Target> devices = Stream.of(targets).distinct().toList();
        this.polled = devices.stream().filter(Target::polled).toArray(Target[]::new);
        this.severalDisks = devices.size() > 1;
        this.timed = !workload.spec().isClockReduced();
        this.accounts = accounts;
        this.completions = new CompletionStack(owner);
        int depth = workload.depth();
        this.buffer = IoBuffer.allocate((long) depth * workload.strideBytes());
        this.idle = new IoSlot[depth];
        int writeFlags = workload.spec().word(Key.SYNC).equals("none") ? 0 : Bio.FUA;
        for (int i = 0; i < depth; i++) {
            idle[i] = new IoSlot(this, buffer.memory(), i * workload.strideBytes());
            idle[i].writeFlags = writeFlags;
        }
        this.idleCount = depth;
        this.reapsAll = workload.completeMax() >= depth;
        this.found = new IoSlot[reapsAll ? 0 : depth];
        this.flushSlot = new IoSlot(this, buffer.memory(), 0);
    }

    MemorySegment memory() {
        return buffer.memory();
    }

    Plug plug() {
        return severalDisks ? targets[0].disk.plug() : targets[0].disk.plug(targets[0].context);
    }

    /** Puts an operation on the plug. */
    void submit(Plug plug, IoSlot slot) {
        if (severalDisks) {
            plug.submit(targets[slot.part].disk, slot.bio);
        } else {
            plug.submit(slot.bio);
        }
    }

    /** How many operations may be submitted. */
    int freeCount() {
        return idleCount - settledCount;
    }

    /** How many were submitted and not reaped. */
    int inFlight() {
        return idle.length - freeCount() + (flushInFlight ? 1 : 0);
    }

    /** A free slot, which from now on counts as in flight: the caller submits it. Only if some are free. */
    IoSlot take() {
        return idle[--idleCount];
    }

    /** How many parts of devices may have to be flushed: each device once. */
    int flushTargets() {
        return targets.length;
    }

    /** Submits a flush of a part's device, unless a part before it has the same. With no other in flight. */
    void submitFlush(int part) {
        for (int i = 0; i < part; i++) {
            if (targets[i].equals(targets[part])) {
                return;
            }
        }
        flushSlot.part = part;
        flushSlot.aimFlush();
        flushSlot.startNanos = System.nanoTime();
        flushInFlight = true;
        targets[part].disk.submit(flushSlot.bio, targets[part].context);
    }

    /** On whatever thread found the completion. */
    void ended(IoSlot slot) {
        if (targets[slot.part].endsHere) {
            found(slot);
        } else {
            completions.push(slot);
        }
    }

    private void found(IoSlot slot) {
        if (reapsAll || slot == flushSlot) {
            if (timed || slot == flushSlot) {
                slot.endNanos = timeOfFinding();
            }
            settle(slot);
        } else {
            found[(foundFirst + foundCount++) % found.length] = slot;
        }
    }

    /** Lets go the first of those that were found. */
    private void release(int number) {
        long now = timed && number > 0 ? System.nanoTime() : 0;
        for (int i = 0; i < number; i++) {
            IoSlot slot = found[foundFirst];
            foundFirst = (foundFirst + 1) % found.length;
            slot.endNanos = now;
            accounts.settle(slot);
            idle[idleCount++] = slot;
        }
        foundCount -= number;
    }

    private long timeOfFinding() {
        if (!collecting) {
            // Found by a submission that had to wait for a tag.
            return System.nanoTime();
        }
        if (!foundAny) {
            foundAny = true;
            foundNanos = System.nanoTime();
        }
        return foundNanos;
    }

    private void settle(IoSlot slot) {
        accounts.settle(slot);
        if (slot == flushSlot) {
            flushInFlight = false;
        } else {
            idle[idleCount++] = slot;
            settledCount++;
        }
    }

    /**
     * Lets go operations that have ended: at least so many, waiting for them, unless fewer are in flight.
     *
     * @param min at least
     * @param max at most
     */
    void reap(int min, int max) {
        int wanted = Math.min(min, inFlight());
        int reaped = 0;
        for (int turns = 0;; turns++) {
            if (settledCount + foundCount == 0) {
                collect();
            }
            int taken = Math.min(settledCount + foundCount, max - reaped);
            if (reapsAll) {
                settledCount -= taken;
            } else {
                release(taken);
            }
            reaped += taken;
            if (reaped >= wanted || inFlight() == 0) {
                accounts.depths.completed(reaped);
                return;
            }
            if (taken == 0) {
                await(turns);
            }
        }
    }

    /**
     * Looks for operations that have ended, and never waits.
     */
    private void collect() {
        foundAny = false;
        collecting = true;
        for (Target target : polled) {
            if (severalDisks) {
                target.disk.poll();
            } else {
                target.disk.poll(target.context);
            }
        }
        for (IoSlot slot = completions.takeAll(); slot != null;) {
            // Before it is settled: after that the slot may be submitted, and ended, again.
            IoSlot older = slot.older;
            found(slot);
            slot = older;
        }
        collecting = false;
    }

    /**
     * Waits a little for an operation to end: spins, then yields, where this thread finds completions; else sleeps.
     *
     * @param turns how many times nothing was found
     */
    @SuppressWarnings("ThreadPriorityCheck") // where threads are more than processors, a thread that polls must make room
    private void await(int turns) {
        waited = true;
        if (polled.length == 0) {
            completions.await(NAP_NANOS);
        } else if (turns < SPINS_BEFORE_YIELD) {
            Thread.onSpinWait();
        } else {
            Thread.yield();
        }
    }

    /** Whether there was a wait since this was last asked. */
    boolean hasWaited() {
        boolean was = waited;
        waited = false;
        return was;
    }

    /** Gives the memory back. With nothing in flight. */
    @Override
    public void close() {
        buffer.close();
    }
}
