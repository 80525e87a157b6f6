package io.blkmq.testkit.disk;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import org.jspecify.annotations.Nullable;

/**
 * A request as a simulated disk has seen it.
 *
 * @param number counts the requests of the disk, from 1; those that the device did not take have a number, too
 * @param operation what to do
 * @param offset where, in bytes; 0 for a flush
 * @param bytes how much; 0 for a flush
 * @param flags of {@link Bio}, as far as they reach a device
 * @param receivedNanos when the device was given it, by the clock of its runtime
 * @param status how it ended; null if it is in flight
 * @param endedAfter the number of the last request that the disk had been given when this one ended, so that those with a higher one came
 *        later; 0 if it is in flight
 * @since 0.1.0
 */
public record SeenRequest(long number, Operation operation, long offset, long bytes, int flags, long receivedNanos,
        @Nullable Status status, long endedAfter) {
    @Override
    public String toString() {
        String what = operation.hasRange() ? operation + " of " + bytes + " bytes at offset " + offset : "FLUSH";
        return "request " + number + ": " + what + ((flags & Bio.FUA) != 0 ? ", FUA" : "") + ", at " + receivedNanos
                + " ns, " + (status == null ? "in flight" : status);
    }
}
