package io.blkmq.core.elevator;

import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.Request;

/** An elevator's note on a request: made once per request and elevator, used again and again. Guarded by the elevator's lock. */
class Waiting extends WaitingList.Entry {
    final Request request;
    /** Through which hardware context it came. */
    int hctx;
    long insertedNanos;

    Waiting(Request request) {
        this.request = request;
    }

    @Override
    public final String toString() {
        return request.toString();
    }

    final long endSector() {
        return endOf(request);
    }

    static long endOf(Request rq) {
        return rq.sector() + rq.bytes() / QueueLimits.SECTOR_BYTES;
    }
}
