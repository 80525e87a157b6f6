package io.blkmq.core.mq;

import io.blkmq.core.driver.Parking;
import io.blkmq.core.jfr.DiskEvents;
import io.blkmq.core.jfr.FreezeEvent;
import io.blkmq.runtime.IoRuntime;
import java.util.concurrent.locks.Lock;

/**
 * How a queue is stopped, let go on and ended.
 *
 * <pre>
 *   open ──freeze──▶ frozen ──unfreeze──▶ open          the gate: no request comes in (nestable, {@link QueueGate})
 *   going ──quiesce──▶ quiesced ──unquiesce──▶ going    dispatch: none goes to the driver (nestable, counted here)
 *   any ──close, markDead──▶ dying                      nobody comes in, who waits leaves, nothing is held
 * </pre>
 *
 * <p>The depth of quiesce is guarded by this class's lock, under which hardware contexts also come to hold, or not to, what the depth says.
 */
final class QueueLife {
    private final QueueSettings queue;
    private final QueueContexts contexts;
    private final ElevatorSwitch elevators;
    private final PoolParts shared;
    private final IoRuntime runtime;
    private final QueueGate gate;
    private final Lock lock;
    /** Guarded by the lock. */
    private int quiesceDepth;

    QueueLife(QueueSettings queue, QueueContexts contexts, ElevatorSwitch elevators) {
        this.queue = queue;
        this.contexts = contexts;
        this.elevators = elevators;
        this.shared = queue.shared;
        this.runtime = queue.set.runtime();
        this.gate = queue.gate;
        this.lock = runtime.newLock();
    }

    /** Lets new hardware contexts hold what the queue holds, and publishes them before a change of that is seen. */
    void begin(DispatchContext[] made, Runnable publish) {
        lock.lock();
        try {
            for (DispatchContext hctx : made) {
                hctx.list().setQuiesced(quiesceDepth > 0);
            }
            publish.run();
        } finally {
            lock.unlock();
        }
    }

    void quiesce() {
        requireNoCompletion("quiesce");
        setQuiesced(1);
        Trampoline.awaitOthers(runtime);
        for (DispatchContext hctx : contexts.hardware()) {
            hctx.awaitAgent(Long.MAX_VALUE);
        }
    }

    void unquiesce() {
        setQuiesced(-1);
    }

    private void setQuiesced(int change) {
        lock.lock();
        try {
            if (quiesceDepth + change < 0) {
                if (gate.isDying()) {
                    // Closing has let everything go.
                    return;
                }
                throw new IllegalStateException(queue.name() + ": unquiesce without quiesce");
            }
            quiesceDepth += change;
            for (DispatchContext hctx : contexts.hardware()) {
                hctx.list().setQuiesced(quiesceDepth > 0);
            }
        } finally {
            lock.unlock();
        }
        contexts.runAll();
    }

    void freeze() {
        freezeStart();
        freezeWait(Long.MAX_VALUE);
    }

    void freezeStart() {
        requireNoCompletion("freeze");
        gate.close();
        contexts.runAll();
    }

    boolean freezeWait(long timeoutNanos) {
        requireNoCompletion("freezeWait");
        if (!gate.isFrozen()) {
            throw new IllegalStateException(queue.name() + " is not frozen");
        }
        FreezeEvent recorded = DiskEvents.freezeBegins();
        int tags = recorded == null ? 0 : queue.heldTags();
        boolean drained = awaitIdle(timeoutNanos);
        if (recorded != null) {
            recorded.ended(queue.name(), tags, drained, gate.isDying());
        }
        return drained;
    }

    /** Whether nothing was in the queue any more before the time was over. */
    private boolean awaitIdle(long timeoutNanos) {
        long start = runtime.nanoTime();
        boolean interrupted = false;
        // Also for a wait of no length, which does not park.
        Parking.flush();
        gate.freezerComes();
        try {
            while (queue.isBusy()) {
                long left = timeoutNanos - (runtime.nanoTime() - start);
                if (left <= 0) {
                    return false;
                }
                shared.parking.parkNanos(queue, left);
                interrupted |= Thread.interrupted();
            }
            return true;
        } finally {
            gate.freezerGoes();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    void requireNoCompletion(String what) {
        refuseInCompletion(what);
        if (contexts.isServedHere()) {
            throw new IllegalStateException(
                    what + " from inside a callback of the driver of " + queue.name() + " would wait for itself");
        }
    }

    static void refuseInCompletion(String what) {
        if (Trampoline.current() != null) {
            throw new IllegalStateException(what + " from inside a completion of a block device would wait for itself");
        }
    }

    void close() {
        close(Long.MAX_VALUE);
    }

    boolean close(long timeoutNanos) {
        requireNoCompletion("close");
        long start = runtime.nanoTime();
        die();
        hasten();
        queue.kickRequeueList();
        contexts.runAll();
        queue.letAllGoOn();
        if (!freezeWait(timeoutNanos)) {
            return false;
        }
        for (DispatchContext hctx : contexts.hardware()) {
            if (!hctx.awaitAgent(timeoutNanos - (runtime.nanoTime() - start))) {
                return false;
            }
        }
        OwedTimers.forget(queue);
        boolean undone = shared.leaving.undo(queue, timeoutNanos - (runtime.nanoTime() - start));
        Trampoline.forget(queue);
        return undone;
    }

    void markDead() {
        die();
        Trampoline batch = Trampoline.enter();
        try {
            queue.kickRequeueList();
            queue.letAllGoOn();
            for (DispatchContext hctx : contexts.hardware()) {
                hctx.die(batch);
            }
        } finally {
            batch.leave();
        }
    }

    private void hasten() {
        try {
            queue.set.driver().hasten(queue);
        } catch (Throwable t) {
            CallbackFailures.report("hasten of " + queue.name(), t);
        }
    }

    /** From here on nobody comes in, who waits to come in leaves, and nothing is held. */
    private void die() {
        gate.kill();
        for (DispatchContext hctx : contexts.hardware()) {
            hctx.share.wakeWaiters();
        }
        elevators.wakeWaiters();
        letGo();
    }

    /** Ends every hold: what waits behind one has to end, too. */
    private void letGo() {
        lock.lock();
        try {
            quiesceDepth = 0;
            for (DispatchContext hctx : contexts.hardware()) {
                hctx.list().letGo();
            }
        } finally {
            lock.unlock();
        }
    }
}
