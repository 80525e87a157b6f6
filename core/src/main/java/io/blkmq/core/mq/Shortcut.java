package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.BlockDriver;
import org.jspecify.annotations.Nullable;

/**
 * What a plug knows of its queue once a bio has gone the whole way, so that those after it are asked few questions. For plain reads and writes
 * that need no flush, no cut and no copy, and meet nobody; all others go the whole way. The kernel's {@code cached_rqs} spares a plug as much.
 *
 * <p>It holds as long as the limits are the same and the gate's state is: maps, elevators and types of contexts change only while the gate is
 * closed, and {@link QueueGate#state} counts how often it has been. The plug has the tag already when it looks at the state. So one look does
 * for both of {@link DeviceQueue#enter}'s: a freezer that closes the gate after it waits for the tag.
 *
 * <p>Belongs to its plug's thread.
 */
final class Shortcut {
    private final EntryContext ctx;
    private final QueueSettings queue;
    private final BlockDriver driver;
    private final int bytesMost;

    private @Nullable QueueLimits limits;
    private int gateState;
    /** Where such bios go; null where they cannot. */
    private @Nullable DispatchContext reads;
    private @Nullable DispatchContext writes;
    private boolean polled;
    private int blockMask;
    private long bytesMax;
    private int segmentsMax;
    private int segmentBytesMax;
    private boolean anyMemory;
    private int dmaAlignmentBytes;

    /**
     * Makes one that knows nothing yet.
     *
     * @param bytesMost the longest bio that does not make a batch go down: a longer one goes the whole way
     */
    Shortcut(EntryContext ctx, int bytesMost) {
        this.ctx = ctx;
        this.bytesMost = bytesMost;
        this.queue = ctx.queue();
        this.driver = queue.set.driver();
    }

    /** A bio has gone the whole way. */
    void learn() {
        int state = queue.gate.state();
        QueueLimits now = queue.limits;
        if (state != gateState || now != limits) {
            learn(now, state);
        }
    }

    private void learn(QueueLimits now, int state) {
        limits = now;
        gateState = state;
        boolean plain = QueueGate.isOpen(state) && !now.hasMemoryBoundaries() && now.chunkBytes() == 0;
        reads = plain ? withoutElevator(ctx.hardwareContext(Operation.READ, 0)) : null;
        writes = plain && !now.isReadOnly() ? withoutElevator(ctx.hardwareContext(Operation.WRITE, 0)) : null;
        polled = (reads != null && reads.isPolled()) || (writes != null && writes.isPolled());
        blockMask = now.logicalBlockBytes() - 1;
        bytesMax = Math.min(now.requestBytesMax(), bytesMost);
        segmentsMax = now.segmentsMax();
        segmentBytesMax = now.segmentBytesMax();
        anyMemory = now.takesAnyMemory();
        dmaAlignmentBytes = now.dmaAlignmentBytes();
    }

    private static @Nullable DispatchContext withoutElevator(DispatchContext hctx) {
        return hctx.scheduler() == null ? hctx : null;
    }

    /**
     * Takes a bio from its caller if it may go this way, whose tag the plug has already. From then on it only wants a request.
     *
     * @param hctx of the tag
     * @param mayMeet whether it is the neighbour of what the plug has
     * @return false if it has to go the whole way, and has not been touched
     */
    boolean takes(Bio bio, DispatchContext hctx, boolean mayMeet) {
        if (queue.limits != limits || queue.gate.state() != gateState || queue.observer != null
                || (queue.merges && (mayMeet || hctx.list().hasWaiting()))) {
            return false;
        }
        long bytes = bio.bytes();
        long sector = bio.sector();
        if (((bytes | sector << 9) & blockMask) != 0 || bytes <= 0 || bytes > bytesMax || sector < 0
                || sector > queue.capacitySectors - (bytes >>> 9) || bio.flags() != 0) {
            return false;
        }
        int pieces = bio.vecCount();
        BioState state = bio;
        if (pieces == 0 || pieces > segmentsMax || state.longestPieceBytes() > segmentBytesMax
                || !(anyMemory || (state.isAligned(dmaAlignmentBytes) && !state.hasForeignMemory()))) {
            return false;
        }
        Operation operation = bio.operation();
        if (hctx != (operation == Operation.READ ? reads : operation == Operation.WRITE ? writes : null)) {
            return false;
        }
        if (polled) {
            driver.requireSubmitter(hctx);
        }
        return state.claimIfPlain();
    }
}
