package io.blkmq.tools.run;

/** Any place, as often as it comes. */
final class RandomOffsets extends OffsetSource {
    private final XorShift random;

    RandomOffsets(long baseBytes, int unitBytes, long units, XorShift random) {
        super(baseBytes, unitBytes, units);
        this.random = random;
    }

    @Override
    boolean next(int wantedBytes) {
        long starts = wantedBytes == unitBytes ? units : units - wantedBytes / unitBytes + 1;
        lengthBytes = wantedBytes;
        if (starts <= 0) {
            starts = 1;
            lengthBytes = (int) (units * unitBytes);
        }
        offsetBytes = baseBytes + random.below(starts) * unitBytes;
        return true;
    }

    @Override
    void restart() {}
}
