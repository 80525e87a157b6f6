package io.blkmq.tools.run;

/** Any place that is a multiple of some alignment, as often as it comes. */
final class AlignedOffsets extends OffsetSource {
    private final long alignBytes;
    private final XorShift random;

    AlignedOffsets(long baseBytes, int unitBytes, long units, long alignBytes, XorShift random) {
        super(baseBytes, unitBytes, units);
        this.alignBytes = alignBytes;
        this.random = random;
    }

    @Override
    boolean next(int wantedBytes) {
        long starts = (units * unitBytes - wantedBytes) / alignBytes + 1;
        if (starts <= 0) {
            return false;
        }
        offsetBytes = baseBytes + random.below(starts) * alignBytes;
        lengthBytes = wantedBytes;
        return true;
    }

    @Override
    void restart() {}
}
