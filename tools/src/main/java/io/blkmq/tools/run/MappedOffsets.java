package io.blkmq.tools.run;

/** Any place, but each only once in a pass: a random one, or the next after it that was not used. */
final class MappedOffsets extends OffsetSource {
    private final XorShift random;
    private final UsedUnits used;

    MappedOffsets(long baseBytes, int unitBytes, long units, XorShift random) {
        super(baseBytes, unitBytes, units);
        this.random = random;
        this.used = new UsedUnits(units);
    }

    @Override
    boolean next(int wantedBytes) {
        long unit = used.nextFree(random.below(units));
        if (unit < 0) {
            unit = used.nextFree(0);
            if (unit < 0) {
                return false;
            }
        }
        used.use(unit);
        long end = unit + 1;
        if (wantedBytes != unitBytes) {
            long wantedEnd = Math.min(units, unit + wantedBytes / unitBytes);
            while (end < wantedEnd && used.isFree(end)) {
                used.use(end++);
            }
        }
        offsetBytes = baseBytes + unit * unitBytes;
        lengthBytes = (int) (end - unit) * unitBytes;
        return true;
    }

    @Override
    void restart() {
        used.clear();
    }
}
