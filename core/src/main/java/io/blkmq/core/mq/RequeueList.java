package io.blkmq.core.mq;

import io.blkmq.runtime.IoRuntime;
import java.util.ArrayDeque;
import java.util.Objects;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/** Requests that the driver has given back, until they are kicked, in the order in which it did. Guarded by the lock. */
final class RequeueList {
    private final Lock lock;
    private final ArrayDeque<TagRequest> requests = new ArrayDeque<>();

    RequeueList(IoRuntime runtime) {
        this.lock = runtime.newLock();
    }

    void add(TagRequest rq) {
        lock.lock();
        try {
            requests.addLast(rq);
        } finally {
            lock.unlock();
        }
    }

    /** The last one first: each is put before what waits, so that they end up in their order. */
    @Nullable
    TagRequest takeLast() {
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

    /** What the driver has given back is the scheduler's again, and its tag is free. */
    TagRequest handBack(TagRequest carrier) {
        TagRequest rq = Objects.requireNonNull(carrier.scheduled);
        rq.takeBackFrom(carrier);
        Trampoline batch = Trampoline.enter();
        try {
            Objects.requireNonNull(rq.scheduler).requeued(rq);
            rq.hardwareContext().putTags(carrier.word, carrier.mask, carrier.reserved, batch);
        } finally {
            batch.leave();
        }
        return rq;
    }

    /** Gives the driver again what stands here, before everything that waits. */
    void kick() {
        Trampoline batch = Trampoline.enter();
        try {
            for (TagRequest rq = takeLast(); rq != null; rq = takeLast()) {
                if (rq.scheduler == null) {
                    rq.hardwareContext().list().deferFirst(rq);
                } else {
                    rq.scheduler.insertAgain(rq, batch);
                }
                batch.runLater(rq.hardwareContext());
            }
        } finally {
            batch.leave();
        }
    }
}
