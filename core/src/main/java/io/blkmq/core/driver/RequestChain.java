package io.blkmq.core.driver;

import org.jspecify.annotations.Nullable;

/** Requests in a row, linked by themselves, so that standing here costs no memory. For whoever holds the lock that guards it. */
final class RequestChain {
    private @Nullable Request first;
    private @Nullable Request last;

    boolean isEmpty() {
        return first == null;
    }

    @Nullable
    Request first() {
        return first;
    }

    void addLast(Request rq) {
        assert rq.next == null : rq;
        Request end = last;
        if (end == null) {
            first = rq;
        } else {
            end.next = rq;
        }
        last = rq;
    }

    /** Empties it. Returns what was the first request, from which the links lead to the others. */
    @Nullable
    Request takeAll() {
        Request all = first;
        first = null;
        last = null;
        return all;
    }

    int size() {
        int size = 0;
        for (Request rq = first; rq != null; rq = rq.next) {
            size++;
        }
        return size;
    }
}
