package io.blkmq.core.elevator;

import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.Request;
import org.jspecify.annotations.Nullable;

/** An elevator's note on a request: made once per request and elevator, used again and again. Guarded by the elevator's lock. */
class Waiting {
    final Request request;
    /** Through which hardware context it came. */
    int hctx;
    long insertedNanos;

    /** The list that it stands in, and its neighbours there. */
    @Nullable
    WaitingList<?> list;
    @Nullable
    Waiting before;
    @Nullable
    Waiting after;

    Waiting(Request request) {
        this.request = request;
    }

    final long endSector() {
        return endOf(request);
    }

    static long endOf(Request rq) {
        return rq.sector() + rq.bytes() / QueueLimits.SECTOR_BYTES;
    }
}
