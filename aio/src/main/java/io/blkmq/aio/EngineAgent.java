package io.blkmq.aio;

import java.util.concurrent.atomic.AtomicReference;
import org.agrona.concurrent.Agent;
import org.jspecify.annotations.Nullable;

/**
 * The duty cycle of an engine in {@link CompletionMode#AGENT}: see {@link AioEngine#agent}. Others know it as an {@code Agent}, made by
 * {@link #of}: so they can be loaded where Agrona is not there, as in a run-time image of {@code jlink}, which takes no module without a
 * descriptor.
 */
final class EngineAgent implements Agent {

    private final OpenedEngine engine;
    /** The thread that runs it; null before the first, and after {@link #onClose}. */
    private final AtomicReference<@Nullable Thread> runner = new AtomicReference<>();

    private EngineAgent(OpenedEngine engine) {
        this.engine = engine;
    }

    static Agent of(OpenedEngine engine) {
        return new EngineAgent(engine);
    }

    /** The thread that runs an agent that was made here; null if none does, as far as is known. */
    static @Nullable Thread runner(Agent agent) {
        return ((EngineAgent) agent).runner.get();
    }

    @Override
    public String roleName() {
        return "blkmq-aio-" + engine.name();
    }

    @Override
    public int doWork() {
        Thread caller = Thread.currentThread();
        if (runner.get() != caller) {
            claim(caller);
        }
        return engine.workAsAgent();
    }

    private void claim(Thread caller) {
        Thread other = runner.compareAndExchange(null, caller);
        if (other != null) {
            throw new IllegalStateException(
                    "the agent of AIO engine " + engine.name() + " is run by " + other + ", and was run by " + caller);
        }
    }

    /** Another thread may run the agent from now on. The engine stays open. */
    @Override
    public void onClose() {
        runner.set(null);
    }

    @Override
    public String toString() {
        Thread thread = runner.get();
        return roleName() + (thread == null ? "" : ", run by " + thread);
    }
}
