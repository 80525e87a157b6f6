package io.blkmq.core.mq;

import org.jspecify.annotations.Nullable;

/** Requests in a row, linked by themselves, so that standing here costs no memory. For whoever holds the lock that guards it. */
final class RequestChain {
    private @Nullable TagRequest first;
    private @Nullable TagRequest last;

    boolean isEmpty() {
        return first == null;
    }

    @Nullable
    TagRequest first() {
        return first;
    }

    void addLast(TagRequest rq) {
        assert rq.next == null : rq;
        TagRequest end = last;
        if (end == null) {
            first = rq;
        } else {
            end.next = rq;
        }
        last = rq;
    }

    /** Empties it. Returns what was the first request, from which the links lead to the others. */
    @Nullable
    TagRequest takeAll() {
        TagRequest all = first;
        first = null;
        last = null;
        return all;
    }

    int size() {
        int size = 0;
        for (TagRequest rq = first; rq != null; rq = rq.next) {
            size++;
        }
        return size;
    }
}
