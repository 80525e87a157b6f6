package io.blkmq.core.driver;

import io.blkmq.runtime.IoRuntime;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Brings completions to the software context that they were submitted through: to an executor that the user named for it, an event
 * loop's for one, or to a thread of its own, which is started with the first completion. The kernel's counterpart is the list of
 * completions that each processor has for its soft interrupt.
 *
 * <p>Any thread pushes with a compare-and-set; who drains takes everything with one exchange. The push that finds the list empty sees to
 * it that it is drained: a list that is not empty has a drain to come.
 */
final class CompletionRelay {
    private final RequestQueue queue;
    private final int context;
    private final AtomicReference<@Nullable Request> newest = new AtomicReference<>();
    private final Lock lock;
    /** Null for a thread of its own. */
    private volatile @Nullable Executor executor;
    private volatile @Nullable Thread agent;
    private volatile boolean stopped;

    CompletionRelay(RequestQueue queue, int context) {
        this.queue = queue;
        this.context = context;
        this.lock = runtime().newLock();
    }

    private IoRuntime runtime() {
        return queue.tagSet().runtime();
    }

    void useExecutor(@Nullable Executor value) {
        executor = value;
        if (newest.get() != null) {
            // The one before may have been shut down with the drain that it had accepted. One drain too many finds nothing.
            signal();
        }
    }

    /** Whether completions of this context may run on a thread that comes in by another one. */
    boolean takes(HardwareContext hctx, SoftwareContext here, CompletionAffinity affinity) {
        if (executor != null) {
            return true;
        }
        if (Thread.currentThread().equals(agent) || here.index() == context) {
            return false;
        }
        return affinity == CompletionAffinity.EXACT || !here.hardwareContext(hctx.type()).equals(hctx);
    }

    void push(Request rq) {
        Request before;
        do {
            before = newest.get();
            rq.next = before;
        } while (!newest.compareAndSet(before, rq));
        if (before == null) {
            signal();
        }
    }

    private void signal() {
        Executor chosen = executor;
        try {
            if (chosen == null) {
                runtime().unpark(startedAgent());
            } else {
                chosen.execute(this::drain);
            }
        } catch (Throwable t) {
            // A loop that has been shut down, or no memory for a thread: the completions must come to their submitters all the same.
            CallbackFailures.report("completion executor of " + queue.name() + ", context " + context, t);
            drain();
        }
    }

    private Thread startedAgent() {
        Thread running = agent;
        if (running != null) {
            return running;
        }
        lock.lock();
        try {
            running = agent;
            if (running == null) {
                running = runtime().startAgent("blkmq-" + queue.name() + "-ctx-" + context, this::serve);
                agent = running;
            }
            return running;
        } finally {
            lock.unlock();
        }
    }

    private void serve() {
        while (!stopped) {
            drain();
            if (newest.get() == null && !stopped) {
                Parking.park(runtime(), this);
            }
        }
    }

    /** Ends the thread. Nothing is in flight any more. */
    void stop() {
        stopped = true;
        Thread running = agent;
        if (running != null) {
            runtime().unpark(running);
        }
    }

    private void drain() {
        Request rq = oldestFirst(newest.getAndSet(null));
        if (rq == null) {
            return;
        }
        CompletionBatch batch = CompletionBatch.enter();
        try {
            while (rq != null) {
                Request following = rq.next;
                rq.next = null;
                queue.completeHere(rq);
                rq = following;
            }
        } finally {
            batch.leave();
        }
    }

    private static @Nullable Request oldestFirst(@Nullable Request newestFirst) {
        Request reversed = null;
        for (Request rq = newestFirst; rq != null;) {
            Request older = rq.next;
            rq.next = reversed;
            reversed = rq;
            rq = older;
        }
        return reversed;
    }
}
