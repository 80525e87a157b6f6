package io.blkmq.loop.work;

import java.util.concurrent.atomic.AtomicReference;
import org.agrona.concurrent.Agent;
import org.jspecify.annotations.Nullable;

/**
 * A worker of a {@link WorkQueue} that the application runs: each call of {@link #doWork} takes a part of the commands, carries it out, and
 * reports it. The commands block where the file does.
 */
public final class WorkAgent implements Agent {
    private final WorkQueue queue;
    private final String name;
    /** The thread that runs it; null before the first, and after {@link #onClose}. */
    private final AtomicReference<@Nullable Thread> runner = new AtomicReference<>();

    public WorkAgent(WorkQueue queue, String name) {
        this.queue = queue;
        this.name = name;
    }

    @Override
    public String roleName() {
        return name;
    }

    /** Returns how many commands were carried out. */
    @Override
    public int doWork() {
        Thread caller = Thread.currentThread();
        if (runner.get() != caller) {
            Thread other = runner.compareAndExchange(null, caller);
            if (other != null) {
                throw new IllegalStateException(name + " is run by " + other + ", and was run by " + caller);
            }
        }
        return queue.workAsAgent();
    }

    /** Another thread may run the agent from now on. */
    @Override
    public void onClose() {
        runner.set(null);
    }

    @Override
    public String toString() {
        Thread thread = runner.get();
        return name + (thread == null ? "" : ", run by " + thread);
    }
}
