package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.BioVec;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.jfr.DiskEvents;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/**
 * Bounce buffers of one queue: copies of memory that may not go to the device as it is. What they take at a time is bounded, and bios that find
 * no room stand in a line of their own. Who frees room does so and then looks at the line; who joins the line looks after that at the room.
 */
final class BounceBuffers {
    private final QueueGate gate;
    private final BounceRoom room;
    /** Bios that wait for a buffer, without a thread. */
    private final Backlog waiting;
    private final LongAdder count = new LongAdder();

    /**
     * Makes it.
     *
     * @param queue its name
     */
    BounceBuffers(String queue, IoRuntime runtime, QueueGate gate) {
        this.gate = gate;
        this.room = new BounceRoom(queue, this::tryNext);
        this.waiting = new Backlog(runtime);
    }

    /** How many bios went through one. */
    long count() {
        return count.sum();
    }

    /** How many bios wait for one. */
    int waitingBios() {
        return waiting.size();
    }

    /** The bio whose turn it was has gone on. */
    void turnEnds() {
        waiting.settle();
        tryNext();
    }

    /** Lets all go on that wait: the queue ends. */
    void letAllGoOn() {
        waiting.letAllGoOn();
    }

    static boolean isNeeded(Bio bio, QueueLimits lim) {
        if (lim.takesAnyMemory()) {
            return BioSplit.isIllShaped(bio, lim) && !((BioState) bio).isBounced();
        }
        BioState memory = bio;
        if (memory.isBounced()) {
            return false;
        }
        return !memory.isAligned(lim.dmaAlignmentBytes()) || (memory.hasForeignMemory() && !isVouchedFor(bio))
                || BioSplit.isIllShaped(bio, lim);
    }

    /** Why a bio needs one, for people. */
    private static String cause(Bio bio, QueueLimits lim) {
        BioState memory = bio;
        if (lim.takesAnyMemory() || BioSplit.isIllShaped(bio, lim)) {
            return "shape";
        }
        return memory.isAligned(lim.dmaAlignmentBytes()) ? "memory" : "alignment";
    }

    /** Whether all of the memory that is not blkmq's own may go to the device as it is, because the caller says so. */
    private static boolean isVouchedFor(Bio bio) {
        if ((bio.flags() & Bio.CALLER_MEMORY) == 0) {
            return false;
        }
        for (int i = 0; i < bio.vecCount(); i++) {
            BioVec vec = bio.vec(i);
            if (!vec.isPooled() && !vec.memory().isNative()) {
                return false;
            }
        }
        return true;
    }

    /** Gives a bio a bounce buffer. If it can have none now, or never, it stands in the line for one or has ended. */
    boolean bounce(Bio bio, EntryContext ctx, @Nullable Batch plug, QueueLimits lim) {
        long bytes = BioState.bounceBytes(bio.bytes(), lim);
        boolean first = plug != null && plug.isTrying();
        // Those who have waited come first.
        if ((!first && !waiting.isEmpty()) || !room.take(bytes)) {
            if (gate.isDying()) {
                Trampoline.endAlone(bio, ctx, Status.NODEV);
            } else if ((bio.flags() & Bio.NOWAIT) != 0) {
                Trampoline.endAlone(bio, ctx, Status.AGAIN);
            } else {
                if (first && plug != null && plug.endTrying()) {
                    waiting.addFirst(Backlog.inLine(bio, ctx, DiskEvents.BOUNCES_FULL));
                } else {
                    waiting.add(Backlog.inLine(bio, ctx, DiskEvents.BOUNCES_FULL));
                }
                // After adding: pairs with who frees memory, or ends the queue, and then looks at who waits for it.
                if (gate.isDying() || room.has(bytes)) {
                    tryNext();
                }
            }
            return false;
        }
        try {
            if (DiskEvents.recordsBounces()) {
                DiskEvents.bounced(room.queue(), bio, cause(bio, lim));
            }
            copyOut(bio, IoBuffer.allocate(bytes), lim);
        } catch (Throwable t) {
            // The caller has closed its arena, or cut the file that the memory maps, or the pool is at its limit.
            room.give(bytes);
            CallbackFailures.report("bounce buffer of " + room.queue() + " for a bio (" + bio + ")", t);
            Trampoline.endAlone(bio, ctx, Status.IOERR);
            return false;
        }
        count.increment();
        return true;
    }

    private void copyOut(Bio bio, IoBuffer buffer, QueueLimits lim) {
        try {
            BioState.bounce(bio, buffer, room, lim);
        } catch (Throwable t) {
            buffer.close();
            throw t;
        }
    }

    /** Lets the first bio that waits for a bounce buffer try to get one. When it has one, the next is let. */
    private void tryNext() {
        if (waiting.isEmpty()) {
            return;
        }
        Trampoline batch = Trampoline.enter();
        try {
            Bio bio = waiting.letTry();
            if (bio != null) {
                BioState state = bio;
                state.isTrying = true;
                batch.goOn(bio);
            }
        } finally {
            batch.leave();
        }
    }
}
