package io.blkmq.core.mq;

import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Parking;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.runtime.IoRuntime;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Lock;
import java.util.function.Consumer;
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
    private final IoRuntime runtime;
    private final String queue;
    private final Consumer<TagRequest> complete;
    private final int context;
    private final AtomicReference<@Nullable TagRequest> newest = new AtomicReference<>();
    private final Lock lock;
    /** Null for a thread of its own. */
    private volatile @Nullable Executor executor;
    private volatile @Nullable Thread agent;
    private volatile boolean stopped;

    /**
     * Makes one.
     *
     * @param queue its name
     * @param context the number of the software context
     * @param complete carries out a completion on the calling thread
     */
    CompletionRelay(IoRuntime runtime, String queue, int context, Consumer<TagRequest> complete) {
        this.runtime = runtime;
        this.queue = queue;
        this.context = context;
        this.complete = complete;
        this.lock = runtime.newLock();
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

    void push(TagRequest rq) {
        TagRequest before;
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
                runtime.unpark(startedAgent());
            } else {
                chosen.execute(this::drain);
            }
        } catch (Throwable t) {
            // A loop that has been shut down, or no memory for a thread: the completions must come to their submitters all the same.
            CallbackFailures.report("completion executor of " + queue + ", context " + context, t);
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
                running = runtime.startAgent("blkmq-" + queue + "-ctx-" + context, this::serve);
                agent = running;
            }
            return running;
        } finally {
            lock.unlock();
        }
    }

    private void serve() {
        while (!stopped) {
            try {
                drain();
            } catch (Throwable t) {
                // Others' completions come to this thread, too.
                CallbackFailures.report("completions of " + queue + ", context " + context, t);
                // Not at once: what there is no memory for is tried again, and meanwhile others may give some back.
                Parking.parkNanos(runtime, this, OwedTimers.REST_NANOS);
            }
            if (newest.get() == null && !stopped) {
                Parking.park(runtime, this);
            }
        }
    }

    /** Ends the thread. Nothing is in flight any more. */
    void stop() {
        stopped = true;
        Thread running = agent;
        if (running != null) {
            runtime.unpark(running);
        }
    }

    private void drain() {
        if (newest.get() == null) {
            return;
        }
        // Opened first: if there is no memory for that, nothing has been taken.
        try (CompletionBatch _ = CompletionBatch.open()) {
            for (TagRequest rq = oldestFirst(newest.getAndSet(null)); rq != null;) {
                TagRequest following = rq.next;
                rq.next = null;
                complete(rq);
                rq = following;
            }
        }
    }

    /** Those behind it are completed whatever it throws. */
    private void complete(TagRequest rq) {
        try {
            complete.accept(rq);
        } catch (Throwable t) {
            CallbackFailures.report("completion of " + rq, t);
        }
    }

    private static @Nullable TagRequest oldestFirst(@Nullable TagRequest newestFirst) {
        TagRequest reversed = null;
        for (TagRequest rq = newestFirst; rq != null;) {
            TagRequest older = rq.next;
            rq.next = reversed;
            reversed = rq;
            rq = older;
        }
        return reversed;
    }
}
