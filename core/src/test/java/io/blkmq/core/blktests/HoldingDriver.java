package io.blkmq.core.blktests;

import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A driver that keeps what it is given until the test says so, and counts what it was made and unmade. Thread-safe. */
class HoldingDriver implements BlockDriver {
    static final IoBuffer MEMORY = IoBuffer.allocate(4096);

    private final List<Request> held = new ArrayList<>();
    private final Set<Request> tagsHeld = new HashSet<>();
    private final List<String> violations = new ArrayList<>();
    private int contexts;
    private int requests;

    Disk disk(TagSet set, String name) throws IOException {
        return Disk.of(set.newQueue(name, QueueLimits.builder().anyMemory(true).build(), 1 << 16, null), null);
    }

    @Override
    public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
        synchronized (held) {
            if (!tagsHeld.add(rq)) {
                violations.add(rq + " was given twice");
            }
            held.add(rq);
        }
        return Status.OK;
    }

    /** Completes the first so many. */
    void complete(int count, Status status) {
        for (int i = 0; i < count; i++) {
            Request rq;
            synchronized (held) {
                rq = held.removeFirst();
                tagsHeld.remove(rq);
            }
            rq.complete(status);
        }
    }

    /** Completes everything of one queue. */
    void completeOf(RequestQueue queue) {
        for (Request rq : requests()) {
            if (rq.queue().equals(queue)) {
                synchronized (held) {
                    held.remove(rq);
                    tagsHeld.remove(rq);
                }
                rq.complete(Status.OK);
            }
        }
    }

    int held() {
        synchronized (held) {
            return held.size();
        }
    }

    List<Request> requests() {
        synchronized (held) {
            return List.copyOf(held);
        }
    }

    List<String> violations() {
        synchronized (held) {
            return List.copyOf(violations);
        }
    }

    @Override
    public synchronized void initHctx(HardwareContext hctx, @Nullable Object driverData, int index) throws IOException {
        contexts++;
    }

    @Override
    public synchronized void exitHctx(HardwareContext hctx, int index) {
        contexts--;
    }

    @Override
    public synchronized void initRequest(TagSet set, Request rq, int hctxIndex) {
        requests++;
    }

    @Override
    public synchronized void exitRequest(TagSet set, Request rq, int hctxIndex) {
        requests--;
    }

    synchronized int contexts() {
        return contexts;
    }

    synchronized int initialised() {
        return requests;
    }
}
