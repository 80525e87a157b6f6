package io.blkmq.tools.run;

/** One place after the other, with a gap between them or none; with a gap that leads backwards, from the end on. */
final class SequentialOffsets extends OffsetSource {
    private final long endBytes;
    private final long gapBytes;
    private long positionBytes;

    SequentialOffsets(long baseBytes, int unitBytes, long units, long gapBytes) {
        super(baseBytes, unitBytes, units);
        this.endBytes = baseBytes + units * unitBytes;
        this.gapBytes = gapBytes;
        restart();
    }

    @Override
    boolean next(int wantedBytes) {
        if (positionBytes >= endBytes || positionBytes < baseBytes) {
            return false;
        }
        offsetBytes = positionBytes;
        lengthBytes = (int) Math.min(wantedBytes, endBytes - positionBytes);
        positionBytes += lengthBytes + gapBytes;
        return true;
    }

    @Override
    final void restart() {
        positionBytes = gapBytes < 0 ? endBytes - unitBytes : baseBytes;
    }
}
