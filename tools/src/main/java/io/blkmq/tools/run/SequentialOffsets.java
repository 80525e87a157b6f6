package io.blkmq.tools.run;

/** One place after the other. */
final class SequentialOffsets extends OffsetSource {
    private final long endBytes;
    private long positionBytes;

    SequentialOffsets(long baseBytes, int unitBytes, long units) {
        super(baseBytes, unitBytes, units);
        this.endBytes = baseBytes + units * unitBytes;
        this.positionBytes = baseBytes;
    }

    @Override
    boolean next(int wantedBytes) {
        if (positionBytes == endBytes) {
            return false;
        }
        offsetBytes = positionBytes;
        lengthBytes = (int) Math.min(wantedBytes, endBytes - positionBytes);
        positionBytes += lengthBytes;
        return true;
    }

    @Override
    void restart() {
        positionBytes = baseBytes;
    }
}
