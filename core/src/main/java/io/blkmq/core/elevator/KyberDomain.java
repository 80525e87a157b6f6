package io.blkmq.core.elevator;

import io.blkmq.core.driver.ElevatorQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;

/**
 * The tokens of one of {@link Kyber}'s domains: so many of its requests may be at the driver at a time. Thread-safe.
 *
 * <p>A hardware context that finds none says that it waits and looks once more; who gives one back does so and then looks who waits.
 * All of that is volatile, so one of the two sees the other.
 */
final class KyberDomain {
    /** The most tokens. */
    final int depthMax;
    /** How many requests go in a row before another domain has its turn. */
    final int batch;

    private final ElevatorQueue queue;
    private final AtomicInteger used = new AtomicInteger();
    private final AtomicIntegerArray waits;
    private final AtomicInteger waiters = new AtomicInteger();
    private volatile int depth;

    KyberDomain(ElevatorQueue queue, int depthMax, int batch) {
        this.queue = queue;
        this.depthMax = depthMax;
        this.batch = batch;
        this.depth = depthMax;
        this.waits = new AtomicIntegerArray(queue.hardwareContexts());
    }

    int depth() {
        return depth;
    }

    int used() {
        return used.get();
    }

    /** Takes a token, or notes that the hardware context waits for one. */
    boolean take(int hctx) {
        if (tryTake()) {
            return true;
        }
        if (waits.getAndSet(hctx, 1) == 0) {
            waiters.incrementAndGet();
        }
        return tryTake();
    }

    private boolean tryTake() {
        for (;;) {
            int now = used.get();
            if (now >= depth) {
                return false;
            }
            if (used.compareAndSet(now, now + 1)) {
                return true;
            }
        }
    }

    void give() {
        used.decrementAndGet();
        wake();
    }

    /** Those in excess run out as they are given back. */
    void resize(int tokens) {
        depth = Math.clamp(tokens, 1, depthMax);
        wake();
    }

    private void wake() {
        if (waiters.get() == 0) {
            return;
        }
        for (int i = 0; i < waits.length(); i++) {
            if (waits.get(i) == 1 && waits.getAndSet(i, 0) == 1) {
                waiters.decrementAndGet();
                queue.run(i);
            }
        }
    }
}
