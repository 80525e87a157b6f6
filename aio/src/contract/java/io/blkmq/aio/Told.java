package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.agrona.concurrent.AgentInvoker;

/** Remembers what it is told, by user data, and waits for it. */
final class Told implements AioCompletion {

    private static final long PATIENCE_SECONDS = 120;

    final Map<Long, Long> results = new ConcurrentHashMap<>();
    private final Semaphore told = new Semaphore(0);

    @Override
    public void complete(long userData, long result) {
        Long before = results.put(userData, result);
        assertThat(before).as("told twice: " + userData).isNull();
        told.release();
    }

    /** Waits until so many have been told since the last wait. */
    void await(AioEngine engine, int count) {
        if (engine.completionMode() == CompletionMode.POLLED) {
            while (told.availablePermits() < count) {
                assertThat(engine.await(TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS))).as("completions").isPositive();
            }
        }
        if (engine.completionMode() == CompletionMode.AGENT && EngineAgent.runner(engine.agent()) == null) {
            runAgent(engine, count);
        }
        try {
            assertThat(told.tryAcquire(count, PATIENCE_SECONDS, TimeUnit.SECONDS)).as("told " + results).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Nobody else runs the agent: so this thread does, until so many have been told. */
    private void runAgent(AioEngine engine, int count) {
        AgentInvoker invoker = new AgentInvoker(failure -> {
            throw new AssertionError(failure);
        }, null, engine.agent());
        invoker.start();
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (told.availablePermits() < count) {
            if (invoker.invoke() == 0) {
                assertThat(System.nanoTime() - deadline).as("told " + results).isNegative();
                Thread.onSpinWait();
            }
        }
        invoker.close();
    }

    /** Waits until one more has been told by whatever thread. */
    void awaitOne() throws InterruptedException {
        assertThat(told.tryAcquire(PATIENCE_SECONDS, TimeUnit.SECONDS)).as("told " + results).isTrue();
    }

    long result(long userData) {
        Long result = results.get(userData);
        assertThat(result).as("result of " + userData).isNotNull();
        return result == null ? Long.MIN_VALUE : result;
    }

    /** Submits one operation, commits, waits, and returns its result. */
    static long run(AioEngine engine, Kiocb kiocb, Told told) {
        assertThat(engine.submit(kiocb)).isZero();
        engine.commit();
        told.await(engine, 1);
        return told.result(kiocb.userData());
    }
}
