package io.blkmq.testkit.disk;

import io.blkmq.core.Operation;

/**
 * A fault that has struck.
 *
 * @param rule which rule has struck
 * @param number how many strikes of the rule there are with this one
 * @param request the number of the request at the device, from 1; a request that comes again has another one
 * @param operation what it was to do
 * @param offset where, in bytes; 0 for a flush
 * @param bytes how much; 0 for a flush
 * @param nanos when the device was given it, by the clock of the disk's runtime
 * @since 0.1.0
 */
public record FaultStrike(FaultRule rule, long number, long request, Operation operation, long offset, long bytes,
        long nanos) {
    @Override
    public String toString() {
        String what = operation.hasRange() ? operation + " of " + bytes + " bytes at offset " + offset : "flush";
        return "strike " + number + " of rule '" + rule + "': request " + request + ", " + what + ", at " + nanos
                + " ns";
    }
}
