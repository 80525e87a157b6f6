package io.blkmq.tools.run;

import io.blkmq.core.Operation;

/** Reads back blocks that were written, part by part. For one thread. */
final class ReadBack extends Choices {
    private final OffsetSource[] written;
    private final int wantedBytes;
    private int left;
    private boolean over;

    /**
     * Reads of some places.
     *
     * @param written by part
     * @param wantedBytes how long a read is at the most
     * @param readsMax how many reads at the most
     */
    ReadBack(OffsetSource[] written, int wantedBytes, int readsMax) {
        this.left = readsMax;
        this.written = written;
        this.wantedBytes = wantedBytes;
        this.operation = Operation.READ;
        this.offsets = written[0];
    }

    @Override
    boolean isOver() {
        return over;
    }

    @Override
    long bytesLeft() {
        return over ? 0 : Long.MAX_VALUE;
    }

    @Override
    boolean isFlushDue() {
        return false;
    }

    @Override
    void flushed() {
        throw new IllegalStateException("reads need no flush");
    }

    @Override
    boolean needsQuiet() {
        return false;
    }

    @Override
    boolean next(boolean quiet) {
        while (!over) {
            if (offsets.next(wantedBytes)) {
                over = --left == 0;
                return true;
            }
            over = ++part == written.length;
            if (!over) {
                offsets = written[part];
            }
        }
        return false;
    }
}
