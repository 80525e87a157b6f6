package io.blkmq.tools.run;

/** A place of another source for the first of some operations; the others follow it, or have the same. */
final class RepeatedOffsets extends OffsetSource {
    private final OffsetSource places;
    private final long operations;
    private final boolean identical;
    private long left;

    RepeatedOffsets(OffsetSource places, long operations, boolean identical) {
        super(places.baseBytes, places.unitBytes, places.units);
        this.places = places;
        this.operations = operations;
        this.identical = identical;
    }

    @Override
    boolean next(int wantedBytes) {
        if (left > 0) {
            left--;
            if (identical) {
                return true;
            }
            offsetBytes += lengthBytes;
            long endBytes = baseBytes + units * unitBytes;
            if (offsetBytes + wantedBytes <= endBytes) {
                lengthBytes = wantedBytes;
                return true;
            }
        }
        if (!places.next(wantedBytes)) {
            return false;
        }
        offsetBytes = places.offsetBytes;
        lengthBytes = places.lengthBytes;
        left = operations - 1;
        return true;
    }

    @Override
    void restart() {
        places.restart();
        left = 0;
    }
}
