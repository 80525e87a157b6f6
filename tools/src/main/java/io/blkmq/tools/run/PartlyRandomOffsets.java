package io.blkmq.tools.run;

/** Random places, of which some follow the one before. */
final class PartlyRandomOffsets extends OffsetSource {
    private static final int PERCENT = 100;

    private final OffsetSource places;
    private final int percent;
    private final XorShift random;
    private long positionBytes;

    PartlyRandomOffsets(OffsetSource places, int percent, XorShift random) {
        super(places.baseBytes, places.unitBytes, places.units);
        this.places = places;
        this.percent = percent;
        this.random = random;
        this.positionBytes = baseBytes;
    }

    @Override
    boolean next(int wantedBytes) {
        if (random.below(PERCENT) < percent) {
            if (!places.next(wantedBytes)) {
                return false;
            }
            offsetBytes = places.offsetBytes;
            lengthBytes = places.lengthBytes;
        } else {
            long endBytes = baseBytes + units * unitBytes;
            offsetBytes = positionBytes >= endBytes ? baseBytes : positionBytes;
            lengthBytes = (int) Math.min(wantedBytes, endBytes - offsetBytes);
        }
        positionBytes = offsetBytes + lengthBytes;
        return true;
    }

    @Override
    void restart() {
        places.restart();
    }
}
