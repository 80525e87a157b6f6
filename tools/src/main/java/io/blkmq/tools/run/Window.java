package io.blkmq.tools.run;

import io.blkmq.core.Disk;
import io.blkmq.core.Plug;
import io.blkmq.runtime.IoBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;

/**
 * The operations that a job has in flight, and those that it may submit: as many slots as the job is deep.
 *
 * <pre>
 *   free ──submit──▶ in flight ──ended──▶ settled ──reap──▶ free
 * </pre>
 *
 * <p>All state is the job's thread's. Where the device completes on the thread that submitted, {@link #ended} settles an operation
 * at once; elsewhere it runs on any thread, and the slot comes back by a {@link CompletionStack}. An operation that is settled
 * counts as in flight until {@link #reap} lets it go, so that a job can be kept from taking more than it wants at a time.
 */
final class Window implements AutoCloseable {
    private static final int SPINS_BEFORE_YIELD = 64;
    private static final long NAP_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final Disk disk;
    private final int context;
    private final boolean polled;
    private final boolean endsHere;
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
    private boolean waited;

    // The time of those completions that are found together on this thread.
    private long foundNanos;
    private boolean foundAny;
    private boolean collecting;

    Window(Workload workload, Accounts accounts, Thread owner) {
        this.disk = workload.device().disk();
        this.context = workload.job().deviceIndex() & disk.contexts() - 1;
        this.polled = workload.device().shape().polled();
        this.endsHere = workload.device().completesOnSubmitter();
        this.timed = !workload.spec().isClockReduced();
        this.accounts = accounts;
        this.completions = new CompletionStack(owner);
        int depth = workload.spec().depth();
        this.buffer = disk.allocate((long) depth * workload.strideBytes());
        this.idle = new IoSlot[depth];
        for (int i = 0; i < depth; i++) {
            idle[i] = new IoSlot(this, buffer.memory(), i * workload.strideBytes());
        }
        this.idleCount = depth;
        this.flushSlot = new IoSlot(this, buffer.memory(), 0);
    }

    MemorySegment memory() {
        return buffer.memory();
    }

    /** What is written where no data is verified: noise, so that nothing below can make it smaller. */
    void fillMemory(XorShift random) {
        MemorySegment memory = buffer.memory();
        for (long i = 0; i + Long.BYTES <= memory.byteSize(); i += Long.BYTES) {
            memory.set(ValueLayout.JAVA_LONG_UNALIGNED, i, random.next());
        }
    }

    Plug plug() {
        return disk.plug(context);
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

    /** Submits a flush. With no other in flight. */
    void submitFlush() {
        flushSlot.aimFlush();
        flushSlot.startNanos = System.nanoTime();
        flushInFlight = true;
        disk.submit(flushSlot.bio, context);
    }

    /** On whatever thread found the completion. */
    void ended(IoSlot slot) {
        if (endsHere) {
            if (timed || slot == flushSlot) {
                slot.endNanos = timeOfFinding();
            }
            settle(slot);
            return;
        }
        slot.endNanos = timed || slot == flushSlot ? System.nanoTime() : 0;
        completions.push(slot);
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
            if (settledCount == 0) {
                collect();
            }
            int taken = Math.min(settledCount, max - reaped);
            settledCount -= taken;
            reaped += taken;
            if (reaped >= wanted || inFlight() == 0) {
                return;
            }
            if (taken == 0) {
                await(turns);
            }
        }
    }

    /** Looks for operations that have ended, settles them, and never waits. */
    private void collect() {
        foundAny = false;
        collecting = true;
        if (polled) {
            disk.poll(context);
        }
        collecting = false;
        if (endsHere) {
            return;
        }
        for (IoSlot slot = completions.takeAll(); slot != null;) {
            // Before settling: after that the slot may be submitted, and ended, again.
            IoSlot older = slot.older;
            settle(slot);
            slot = older;
        }
    }

    /**
     * Waits a little for an operation to end: spins, then yields, where this thread finds completions; else sleeps.
     *
     * @param turns how many times nothing was found
     */
    @SuppressWarnings("ThreadPriorityCheck") // where threads are more than processors, a thread that polls must make room
    private void await(int turns) {
        waited = true;
        if (!polled) {
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
