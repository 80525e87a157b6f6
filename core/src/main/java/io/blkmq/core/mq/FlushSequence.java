package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;

/**
 * Which steps a request with flush semantics has to go through and which it has done: one number, so that a sequence costs no
 * memory. The steps stand in its lowest bits, those that are done above them. It belongs to its request
 * ({@link TagRequest#flush}), and is guarded by the lock of the flush queue from the first step to the last.
 */
final class FlushSequence {
    /** Of a request that is in no sequence; no sequence is this number. */
    static final int NONE = 0;

    static final int PREFLUSH = 1;
    static final int DATA = 1 << 1;
    static final int POSTFLUSH = 1 << 2;

    private static final int STEPS = PREFLUSH | DATA | POSTFLUSH;
    private static final int DONE_SHIFT = 3;

    private FlushSequence() {}

    /**
     * The steps that a bio needs on a device: the policy of the flush machine.
     *
     * @return 0 if there is nothing to do at all; {@link #DATA} alone if no flush is needed; else the sequence with no step done
     */
    static int policy(Bio bio, QueueLimits limits) {
        boolean data = bio.operation() != Operation.FLUSH;
        int steps = data ? DATA : 0;
        if (limits.hasWriteCache()) {
            if (!data || (bio.flags() & Bio.PREFLUSH) != 0) {
                steps |= PREFLUSH;
            }
            if (data && (bio.flags() & Bio.FUA) != 0 && !goesThrough(bio, limits)) {
                steps |= POSTFLUSH;
            }
        }
        return steps;
    }

    /**
     * Whether the device itself makes a bio with FUA durable: a write of data. What a discard, or zeroes without data, change is often known
     * by a device's mapping alone, for which it has no such command.
     */
    static boolean goesThrough(Bio bio, QueueLimits limits) {
        return limits.hasFua() && bio.operation() == Operation.WRITE;
    }

    /** The next step, 0 if all are done. */
    static int next(int sequence) {
        return Integer.lowestOneBit(sequence & STEPS & ~(sequence >>> DONE_SHIFT));
    }

    /** The sequence after its next step. */
    static int finished(int sequence) {
        assert next(sequence) != 0;
        return sequence | next(sequence) << DONE_SHIFT;
    }

    /** The sequence with no step left to do. */
    static int abandoned(int sequence) {
        return sequence | (sequence & STEPS) << DONE_SHIFT;
    }
}
