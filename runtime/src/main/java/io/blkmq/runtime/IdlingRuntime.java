package io.blkmq.runtime;

import io.blkmq.runtime.log.FailureLog;
import java.util.concurrent.locks.Lock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Another runtime in all but how its threads idle while they poll: {@link IoRuntime#idlingBy}. */
final class IdlingRuntime implements IoRuntime {
    private static final System.Logger LOG = System.getLogger(IdlingRuntime.class.getName());

    private final IoRuntime base;
    /** Of a thread whose own way has failed. */
    private final PollIdle baseWay;
    /** The calling thread's way; {@link #base}'s own after a failure. */
    private final ThreadLocal<PollIdle> ways;

    IdlingRuntime(IoRuntime base, Supplier<? extends PollIdle> perThread) {
        this.base = base;
        this.baseWay = base::idle;
        this.ways = ThreadLocal.withInitial(() -> {
            try {
                PollIdle way = perThread.get();
                return way == null ? failed(null) : way;
            } catch (Throwable t) {
                return failed(t);
            }
        });
    }

    /**
     * A thread that left its wait by an exception would leave its memory to an operation in flight: it goes on by another way. What the other
     * runtime throws itself is thrown here, too: a simulation ends its threads so.
     */
    @Override
    public void idle(int found) {
        PollIdle way = ways.get();
        if (baseWay.equals(way)) {
            base.idle(found);
            return;
        }
        try {
            way.idle(found);
        } catch (Throwable t) {
            ways.set(failed(t));
        }
    }

    private PollIdle failed(@Nullable Throwable cause) {
        String how = cause == null ? "has no way to idle (the supplier gave null)" : "failed to idle";
        FailureLog.log(LOG, System.Logger.Level.ERROR,
                () -> Thread.currentThread() + " " + how + ", and polls without a rest from now on", cause);
        return baseWay;
    }

    @Override
    public long nanoTime() {
        return base.nanoTime();
    }

    @Override
    public void execute(Runnable work) {
        base.execute(work);
    }

    @Override
    public Timer schedule(long delayNanos, Runnable work) {
        return base.schedule(delayNanos, work);
    }

    @Override
    public void tell(Runnable call) {
        base.tell(call);
    }

    @Override
    public Thread startAgent(String name, Runnable work) {
        return base.startAgent(name, work);
    }

    @Override
    public void park(Object blocker) {
        base.park(blocker);
    }

    @Override
    public void parkNanos(Object blocker, long nanos) {
        base.parkNanos(blocker, nanos);
    }

    @Override
    public Lock newLock() {
        return base.newLock();
    }

    @Override
    public void spinWait() {
        base.spinWait();
    }

    @Override
    public void unpark(Thread thread) {
        base.unpark(thread);
    }

    @Override
    public void unparkAll(Iterable<Thread> threads) {
        base.unparkAll(threads);
    }

    @Override
    public void join(Thread thread) {
        base.join(thread);
    }

    @Override
    public int threadIndex() {
        return base.threadIndex();
    }

    @Override
    public boolean mayUse(long threadId) {
        return base.mayUse(threadId);
    }

    @Override
    public int processors() {
        return base.processors();
    }
}
