package io.blkmq.core.driver;

import io.blkmq.runtime.IoRuntime;
import java.util.ArrayDeque;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/** Requests that the driver has given back, until they are kicked, in the order in which it did. Guarded by the lock. */
final class RequeueList {
    private final Lock lock;
    private final ArrayDeque<Request> requests = new ArrayDeque<>();

    RequeueList(IoRuntime runtime) {
        this.lock = runtime.newLock();
    }

    void add(Request rq) {
        lock.lock();
        try {
            requests.addLast(rq);
        } finally {
            lock.unlock();
        }
    }

    /** The last one first: each is put before what waits, so that they end up in their order. */
    @Nullable
    Request takeLast() {
        lock.lock();
        try {
            return requests.pollLast();
        } finally {
            lock.unlock();
        }
    }

    int size() {
        lock.lock();
        try {
            return requests.size();
        } finally {
            lock.unlock();
        }
    }
}
