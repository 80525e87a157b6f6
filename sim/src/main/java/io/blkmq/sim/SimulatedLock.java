package io.blkmq.sim;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * A reentrant lock of a simulation. Others may run before it is taken and after it is given up; whoever finds it held waits for
 * that in the simulation, and never for real. Its state is guarded by the baton.
 */
final class SimulatedLock implements Lock {
    private final DeterministicRuntime runtime;
    private @Nullable Thread owner;
    private int holds;

    SimulatedLock(DeterministicRuntime runtime) {
        this.runtime = runtime;
    }

    @Override
    public void lock() {
        SimulatedThread me = runtime.enter(DeterministicRuntime.Entry.LOCK);
        while (!take()) {
            runtime.waitFor(me, SimulatedThread.State.LOCKING, this, SimulatedThread.NEVER);
        }
    }

    @Override
    public void lockInterruptibly() throws InterruptedException {
        if (Thread.interrupted()) {
            throw new InterruptedException();
        }
        // Who holds it holds it for a short time: an interrupt that comes meanwhile stays for the next wait.
        lock();
    }

    @Override
    public boolean tryLock() {
        var _ = runtime.enter(DeterministicRuntime.Entry.LOCK);
        return take();
    }

    @Override
    public boolean tryLock(long time, TimeUnit unit) throws InterruptedException {
        if (Thread.interrupted()) {
            throw new InterruptedException();
        }
        SimulatedThread me = runtime.enter(DeterministicRuntime.Entry.LOCK);
        long deadline = runtime.after(unit.toNanos(time));
        while (!take()) {
            if (runtime.now() >= deadline) {
                return false;
            }
            runtime.waitFor(me, SimulatedThread.State.LOCKING, this, deadline);
        }
        return true;
    }

    private boolean take() {
        Thread self = Thread.currentThread();
        if (owner != null && owner != self) {
            return false;
        }
        owner = self;
        holds++;
        return true;
    }

    @Override
    public void unlock() {
        if (owner != Thread.currentThread()) {
            throw new IllegalMonitorStateException("the lock is held by " + owner);
        }
        holds--;
        if (holds == 0) {
            owner = null;
            runtime.unlocked(this);
        }
    }

    @Override
    public Condition newCondition() {
        throw new UnsupportedOperationException("waiting goes through park");
    }

    @Override
    public String toString() {
        return "a lock" + (owner == null ? "" : " of \"" + owner.getName() + "\"");
    }
}
