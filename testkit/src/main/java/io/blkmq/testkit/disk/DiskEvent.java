package io.blkmq.testkit.disk;

import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import java.util.List;

/**
 * What happens to a simulated disk, in the order in which it takes effect.
 *
 * <pre>
 *   submitter   Submitted ────────────────────────────────────────────▶ Told, Acknowledged
 *   device      Received ──▶ Written (each piece) ──▶ Completed
 *               Received, FlushBegun ──▶ FlushEnded ──▶ Completed
 * </pre>
 *
 * <p>So what a power cut may leave follows for each moment: the pieces that were written before a flush began that has ended and was
 * effective are durable, and so are those that were written through. All others that were received are optional, each for itself; of
 * several for one place the one that took effect last wins among those that survive.
 */
sealed interface DiskEvent {
    /**
     * A bio was submitted, as its submitter gave it.
     *
     * @param bio counts them, from 1
     * @param flags of {@link io.blkmq.core.Bio}
     */
    record Submitted(long bio, Operation operation, long offset, long bytes, int flags) implements DiskEvent {}

    /** The submitter of a bio is told how it ended. */
    record Told(long bio, Status status) implements DiskEvent {}

    /**
     * The device was given a request. From here on its pieces are optional. A read that finds a bit turned over at rest is received once
     * more, with what stands on the medium from then on.
     *
     * @param request counts them, from 1
     * @param flags of {@link io.blkmq.core.Bio}, without those that do not reach a driver
     * @param pieces what it will do, which is not what it was asked for if a fault has struck; empty unless it writes
     */
    record Received(long request, Operation operation, long offset, long bytes, int flags,
            List<VolatilePiece> pieces) implements DiskEvent {}

    /**
     * A piece took effect: a read sees it.
     *
     * @param through whether it is durable with that
     */
    record Written(VolatilePiece piece, boolean through) implements DiskEvent {}

    /** What was written before is covered by this flush. */
    record FlushBegun(long request) implements DiskEvent {}

    /**
     * A flush is over.
     *
     * @param effective whether it has made durable what it covers; if not it has failed, or lies
     */
    record FlushEnded(long request, boolean effective) implements DiskEvent {}

    /** The device is done with a request, and the block layer is told. What has not been written of it never will be. */
    record Completed(long request, Status status) implements DiskEvent {}

    /**
     * The workload has acknowledged something.
     *
     * @param count how many acknowledgements there are with this one
     */
    record Acknowledged(int count) implements DiskEvent {}

    /**
     * The power has failed and come back.
     *
     * @param survivors the optional pieces that are durable now; all others are gone, and what was in flight with them
     */
    record PowerLost(List<VolatilePiece> survivors) implements DiskEvent {}

    /** The content was exchanged for another, which is durable. */
    record Exchanged(DiskImage image) implements DiskEvent {}
}
