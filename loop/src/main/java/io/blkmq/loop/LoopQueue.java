package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.Kiocb;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.loop.work.Work;
import io.blkmq.loop.work.WorkQueue;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * What the driver keeps for one hardware context: its engine, and the commands that a worker has done for it. On a polled device
 * those wait here for the poller, so that its callers are told on their own thread.
 *
 * <p>A polled context has one {@link #owner}, the first thread that submits to it. Others, which freeze the device for one, ask who it is
 * before they do anything here.
 */
final class LoopQueue {
    /** So long a poller that has found nothing waits, where the threads that do the I/O need its processor. */
    private static final long MOMENT_NANOS = 500_000;
    /** A poller that has found nothing so often, while workers are at work, gives its processor up for a moment. */
    private static final int POLLS_BEFORE_YIELD = 16;

    /** Opened with the device's first file, and kept if that can be attached. Volatile: a poller looks at it without having passed the gate of the queue. */
    private volatile @Nullable AioEngine engine;
    private final boolean polled;
    private final boolean only;
    private final WorkQueue workers;
    /** Of several queues on one polled engine of the application's the same. */
    private final AtomicReference<@Nullable Thread> owner;
    /**
     * Whether a thread has submitted several operations, or is about to, and nobody has rung for all since. Volatile: raised after a
     * submission, so that who sees it sees that in flight.
     */
    private volatile boolean batched;
    /** How often in a row the owner has polled and found nothing. */
    private int fruitless;
    /** Commands that workers have done, the newest first. Pushed by workers, taken all at once by the poller. */
    private final AtomicReference<@Nullable Work> done = new AtomicReference<>();

    /**
    /**
     * A queue without an engine.
     *
     * @param only whether the device has no other
     * @param owner whose the engine is, where others use it, too; null for an owner of its own
     */
    LoopQueue(boolean polled, boolean only, WorkQueue workers, @Nullable AtomicReference<@Nullable Thread> owner) {
        this.polled = polled;
        this.only = only;
        this.workers = workers;
        this.owner = owner != null ? owner : new AtomicReference<>();
    }

    void useEngine(@Nullable AioEngine opened) {
        this.engine = opened;
    }

    boolean hasEngine() {
        return engine != null;
    }

    /** The engine, as it is now; null if there is none. */
    @Nullable
    AioEngine engineIfAny() {
        return engine;
    }

    /** The engine of a device that has, or has had, a file. */
    AioEngine engine() {
        return Objects.requireNonNull(engine);
    }

    /** The calling thread has submitted something, and will submit more before it rings. */
    void moreToCome() {
        if (!polled && !batched) {
            batched = true;
        }
    }

    /**
     * Whether a sync may be left to the engine, whose end others may have to wait for. Of several polled contexts each has an owner, who need
     * not look for the sync's end soon.
     */
    boolean mayLeaveSyncs() {
        return only || !polled;
    }

    /** Whether completions come from a reaper, and nobody has submitted what is still to be rung for. */
    boolean isReaperAlone() {
        return !polled && !batched;
    }

    /**
     * Rings the doorbell, if there is one.
     *
     * @param last what the calling thread has submitted to the engine; null if that may be none, or several
     */
    void commit(@Nullable Kiocb last) {
        AioEngine opened = engine;
        if (opened == null) {
            return;
        }
        boolean several = batched;
        if (several) {
            // Before the doorbell, which then sees to all that is in flight, whoever has submitted it.
            batched = false;
        }
        opened.commit(several ? null : last);
    }

    /**
     * Refuses a thread that is not the owner; without an owner the calling thread becomes it.
     *
     * @param device for the message
     * @param throughEngine whether what is submitted goes to the engine, which takes nothing from virtual threads
     */
    void requireOwner(String device, boolean throughEngine) {
        Thread caller = Thread.currentThread();
        // Plain: the owner sees its own write, any other thread goes on to the compare-and-set.
        if (owner.getPlain() == caller) {
            return;
        }
        if (caller.isVirtual() && throughEngine) {
            throw new WrongThreadException(
                    device + " is polled: what uses it has to be a platform thread, and " + caller + " is virtual");
        }
        requireEngine(device);
        if (!owner.compareAndSet(null, caller)) {
            throw new WrongThreadException(device + " is polled by " + owner.get()
                    + ", which alone may use this hardware context, and was used by " + caller);
        }
    }

    /** Refuses a thread where the engine, which may be the application's, belongs to another. */
    private void requireEngine(String device) {
        AioEngine opened = engine;
        if (opened == null) {
            return;
        }
        try {
            int _ = opened.poll();
        } catch (IllegalStateException e) {
            throw wrongThread(device + ": " + e.getMessage(), e);
        }
    }

    private static WrongThreadException wrongThread(String message, Throwable cause) {
        WrongThreadException wrong = new WrongThreadException(message);
        wrong.initCause(cause);
        return wrong;
    }

    /** The calling thread submits: on a polled device it is the owner from now on. */
    void submitting() {
        if (polled && owner.get() == null) {
            owner.compareAndSet(null, Thread.currentThread());
        }
    }

    /** Whether the calling thread may look for completions. */
    boolean isPollable() {
        Thread thread = owner.get();
        return thread == null || thread == Thread.currentThread();
    }

    /**
     * A worker has done commands.
     *
     * @param first a list in the order in which they were done, of one queue of a device or of several
     */
    static void workDone(Work first) {
        if (!queueOf(first).polled) {
            // One batch: their tags go back together, and what their callers submit goes down together.
            try (CompletionBatch _ = CompletionBatch.open()) {
                int _ = complete(first);
            }
            return;
        }
        for (Work rest = first; rest != null;) {
            rest = queueOf(rest).leaveToPoller(rest);
        }
    }

    private static LoopQueue queueOf(Work work) {
        return ((LoopCommand) work).queue();
    }

    /** Pushes those at the beginning of a list that are of this queue. Returns the rest. */
    private @Nullable Work leaveToPoller(Work first) {
        Work last = first;
        Work rest = first.next;
        while (rest != null && queueOf(rest) == this) {
            last = rest;
            rest = rest.next;
        }
        last.next = null;
        Work newest = Work.turn(first);
        Work before;
        do {
            before = done.get();
            first.next = before;
        } while (!done.compareAndSet(before, newest));
        return rest;
    }

    /** Completes what workers and the engine have done. The owner. */
    int poll() {
        int found = done.get() == null ? 0 : completeDone();
        AioEngine opened = engine;
        if (opened != null) {
            found += opened.poll();
            if (found == 0 && opened.worksByThreads()) {
                found = opened.await(MOMENT_NANOS);
            }
        }
        if (found > 0) {
            fruitless = 0;
        } else if (++fruitless >= POLLS_BEFORE_YIELD) {
            fruitless = 0;
            makeRoom();
        }
        return found;
    }

    /** Where there are no more processors than threads that poll, a worker gets one only if they let go of it. */
    @SuppressWarnings("ThreadPriorityCheck") // what is waited for may be done by a thread that waits for this processor
    private void makeRoom() {
        if (workers.isBusy()) {
            Thread.yield();
        }
    }

    private int completeDone() {
        Work newest = done.getAndSet(null);
        return newest == null ? 0 : complete(Work.turn(newest));
    }

    private static int complete(Work first) {
        int count = 0;
        for (Work work = first; work != null; count++) {
            // Before completing: after that the command may be used again.
            Work following = work.next;
            work.next = null;
            ((LoopCommand) work).completeDone();
            work = following;
        }
        return count;
    }
}
