package io.blkmq.tools.run;

import io.blkmq.core.Operation;

/**
 * What a job does next: read, write or discard, where, how long; and when it has done all of it. The answer to {@link #next} is in
 * fields, so that nothing is allocated. For one thread.
 */
abstract class Choices {
    /** The answer: read, write or discard. */
    Operation operation = Operation.READ;
    /** The answer: where. Set before the first answer. */
    OffsetSource offsets = OffsetSource.NOWHERE;
    /** The answer: in which part. */
    int part;

    /** Whether everything has been chosen. */
    abstract boolean isOver();

    /** How much of all is left, in bytes; {@link Long#MAX_VALUE} if there is no end. */
    abstract long bytesLeft();

    /** Whether as many writes were chosen as stand between two flushes: nothing is chosen until {@link #flushed}. */
    abstract boolean isFlushDue();

    abstract void flushed();

    /** Whether some operations can only be chosen with nothing in flight: where the order of two on a block matters. */
    abstract boolean needsQuiet();

    /**
     * Chooses.
     *
     * @param quiet whether nothing is in flight; only asked for if {@link #needsQuiet}. Of two passes over a verified block one
     *        has to end before the other begins
     * @return false if there is nothing now: all is over, a flush is due, or something in flight has to end first
     */
    abstract boolean next(boolean quiet);
}
