package io.blkmq.tools.run;

/**
 * Says where the next operation goes: to the part of a device that begins at some offset and has {@link #units} units. Answers in
 * fields, so that nothing is allocated. For one thread.
 */
abstract class OffsetSource {
    /** Has no places. */
    static final OffsetSource NOWHERE = new OffsetSource(0, 1, 0) {
        @Override
        boolean next(int wantedBytes) {
            return false;
        }

        @Override
        void restart() {}
    };

    final long baseBytes;
    final int unitBytes;
    final long units;

    /** The answer: where, in bytes of the device. */
    long offsetBytes;
    /** The answer: how long; at most what was asked for, and a multiple of the unit. */
    int lengthBytes;

    OffsetSource(long baseBytes, int unitBytes, long units) {
        this.baseBytes = baseBytes;
        this.unitBytes = unitBytes;
        this.units = units;
    }

    /**
     * Finds the next place.
     *
     * @param wantedBytes a multiple of the unit
     * @return false if the pass over the part is complete
     */
    abstract boolean next(int wantedBytes);

    /** Begins another pass. */
    abstract void restart();
}
