package io.blkmq.core;

import io.blkmq.runtime.IoRuntime;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.locks.Lock;

/** Another runtime that at times has no memory for a thread: then it throws what the JDK throws. Thread-safe. */
public final class ScantRuntime implements IoRuntime {
    /** The calls for which it needs a thread. */
    public enum Call {
        /** Of {@link IoRuntime#execute}. */
        EXECUTE,
        /** Of {@link IoRuntime#schedule}. */
        SCHEDULE,
        /** Of {@link IoRuntime#tell}. */
        TELL,
        /** Of {@link IoRuntime#startAgent}. */
        START_AGENT
    }

    private final IoRuntime runtime;
    private final Map<Call, Integer> refusals = new EnumMap<>(Call.class);

    /**
     * One that refuses nothing yet.
     *
     * @param runtime does what is not refused
     */
    public ScantRuntime(IoRuntime runtime) {
        this.runtime = runtime;
    }

    /**
     * Refuses the next calls.
     *
     * @param call of which kind
     * @param times how many
     */
    public synchronized void refuse(Call call, int times) {
        refusals.put(call, times);
    }

    /**
     * How many calls are still going to be refused.
     *
     * @param call of which kind
     * @return 0 if it has thrown as often as it should
     */
    public synchronized int refusalsLeft(Call call) {
        return refusals.getOrDefault(call, 0);
    }

    private synchronized void pass(Call call) {
        int left = refusalsLeft(call);
        if (left > 0) {
            refusals.put(call, left - 1);
            throw new OutOfMemoryError("unable to create native thread: on purpose");
        }
    }

    @Override
    public long nanoTime() {
        return runtime.nanoTime();
    }

    @Override
    public void execute(Runnable work) {
        pass(Call.EXECUTE);
        runtime.execute(work);
    }

    @Override
    public Timer schedule(long delayNanos, Runnable work) {
        pass(Call.SCHEDULE);
        return runtime.schedule(delayNanos, work);
    }

    @Override
    public void tell(Runnable call) {
        pass(Call.TELL);
        runtime.tell(call);
    }

    @Override
    public Thread startAgent(String name, Runnable work) {
        pass(Call.START_AGENT);
        return runtime.startAgent(name, work);
    }

    @Override
    public void park(Object blocker) {
        runtime.park(blocker);
    }

    @Override
    public void parkNanos(Object blocker, long nanos) {
        runtime.parkNanos(blocker, nanos);
    }

    @Override
    public Lock newLock() {
        return runtime.newLock();
    }

    @Override
    public void spinWait() {
        runtime.spinWait();
    }

    @Override
    public void unpark(Thread thread) {
        runtime.unpark(thread);
    }

    @Override
    public void unparkAll(Iterable<Thread> threads) {
        runtime.unparkAll(threads);
    }

    @Override
    public void join(Thread thread) {
        runtime.join(thread);
    }

    @Override
    public int threadIndex() {
        return runtime.threadIndex();
    }

    @Override
    public int processors() {
        return runtime.processors();
    }
}
