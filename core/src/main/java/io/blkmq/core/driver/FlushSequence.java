package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;

/**
 * Which steps a request with flush semantics has to go through and which it has done. Belongs to its request, and is guarded by
 * the lock of the flush queue from the first step to the last.
 */
final class FlushSequence {
    static final int PREFLUSH = 1;
    static final int DATA = 1 << 1;
    static final int POSTFLUSH = 1 << 2;

    private final int steps;
    private int done;

    private FlushSequence(int steps) {
        this.steps = steps;
    }

    /**
     * The steps that a bio needs on a device: the policy of the flush machine.
     *
     * @return 0 if there is nothing to do at all; {@link #DATA} alone if no flush is needed
     */
    static int policy(Bio bio, QueueLimits limits) {
        boolean data = bio.operation() != Operation.FLUSH;
        int steps = data ? DATA : 0;
        if (limits.hasWriteCache()) {
            if (!data || (bio.flags() & Bio.PREFLUSH) != 0) {
                steps |= PREFLUSH;
            }
            if (data && (bio.flags() & Bio.FUA) != 0 && !limits.hasFua()) {
                steps |= POSTFLUSH;
            }
        }
        return steps;
    }

    static FlushSequence of(int steps) {
        return new FlushSequence(steps);
    }

    /** The next step, 0 if all are done. */
    int next() {
        return Integer.lowestOneBit(steps & ~done);
    }

    void finished(int step) {
        assert step == next();
        done |= step;
    }

    void abandon() {
        done = steps;
    }
}
