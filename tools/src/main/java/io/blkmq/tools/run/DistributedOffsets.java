package io.blkmq.tools.run;

/** Places by a law that is not uniform, as often as they come. */
final class DistributedOffsets extends OffsetSource {
    private final UnitLaw law;

    DistributedOffsets(long baseBytes, int unitBytes, long units, UnitLaw law) {
        super(baseBytes, unitBytes, units);
        this.law = law;
    }

    @Override
    boolean next(int wantedBytes) {
        long last = Math.max(0, units - wantedBytes / unitBytes);
        offsetBytes = baseBytes + Math.min(law.next(), last) * unitBytes;
        lengthBytes = (int) Math.min(wantedBytes, units * unitBytes);
        return true;
    }

    @Override
    void restart() {}
}
