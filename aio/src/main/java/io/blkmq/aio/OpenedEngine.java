package io.blkmq.aio;

import io.blkmq.aio.life.EngineEnd;
import io.blkmq.aio.life.PolledOwner;
import io.blkmq.aio.life.Wakeup;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;
import org.agrona.concurrent.Agent;
import org.jspecify.annotations.Nullable;

/**
 * The part of an engine that does not depend on how it carries operations out: its name, its configuration, the operations that it can
 * do, and the first steps of a submission.
 *
 * <pre>
 *   submit -> the owner takes the engine into use (POLLED) -> operation supported? -> kiocb claimed -> accept (subclass)
 * </pre>
 */
abstract class OpenedEngine implements AioEngine {

    final AioEngineConfig config;
    final boolean polled;
    final PolledOwner owner = new PolledOwner();
    final EngineEnd end = new EngineEnd();
    final Wakeup wakeup = new Wakeup();
    final CompletionDelivery delivery;

    private final String name;
    /** Null in other modes than AGENT. */
    private final @Nullable EngineAgent agent;
    private final Set<AioOperation> operations;
    /** The same, for a look with each submission. */
    private final int operationBits;
    private final Set<AioFlag> flags;
    private final int flagBits;
    private final boolean hasPriorities;

    /**
     * An engine that can do so much.
     *
     * @param flags those that it knows
     * @param hasPriorities whether it knows priorities
     */
    OpenedEngine(String name, Set<AioOperation> operations, Set<AioFlag> flags, boolean hasPriorities,
            AioEngineConfig config) {
        this.name = name;
        this.flags = flags;
        flagBits = flags.stream().mapToInt(flag -> flag.bit).sum();
        this.hasPriorities = hasPriorities;
        operationBits = operations.stream().mapToInt(operation -> operation.bit).sum();
        this.operations = Collections.unmodifiableSet(EnumSet.copyOf(operations));
        this.config = config;
        polled = config.isPolled();
        delivery = new CompletionDelivery(name);
        agent = config.completionMode() == CompletionMode.AGENT ? new EngineAgent(this) : null;
    }

    @Override
    public final String name() {
        return name;
    }

    @Override
    public final Set<AioOperation> operations() {
        return operations;
    }

    @Override
    public final Set<AioFlag> flags() {
        return flags;
    }

    @Override
    public final boolean hasPriorities() {
        return hasPriorities;
    }

    @Override
    public final CompletionMode completionMode() {
        return config.completionMode();
    }

    @Override
    public final Agent agent() {
        return agent != null ? agent : AioEngine.super.agent();
    }

    @Override
    public void rename(Path from, Path to) throws IOException {
        Names.rename(from, to);
    }

    @Override
    public void delete(Path path) throws IOException {
        Names.delete(path);
    }

    @Override
    public void syncDirectory(Path directory) throws IOException {
        Names.syncDirectory(directory);
    }

    @Override
    public final void wakeup() {
        if (!config.wakeable()) {
            throw new IllegalStateException("AIO engine " + name + " was opened without wakeable(true)");
        }
        wakeup.want();
        try {
            if (end.visit()) {
                try {
                    wakeOwner();
                } finally {
                    int _ = end.leave();
                }
            }
        } finally {
            LockSupport.unpark(owner.get());
        }
    }

    /** Whether the calling thread may await: it is the owner, or becomes that if others may have reason to wake it before it submits. */
    final boolean mayAwait() {
        if (polled && config.wakeable()) {
            boolean _ = owner.claim(name);
            return true;
        }
        return polled && owner.check(name);
    }

    /** Awaits with nothing in flight: what may come is a wake-up, or the end of the engine. Always 0. The owner. */
    final int awaitWakeup(long timeoutNanos) {
        if (!config.wakeable()) {
            return 0;
        }
        // May wrap around, and is compared by difference.
        long deadline = config.nanoTime() + timeoutNanos;
        long left = timeoutNanos;
        boolean interrupted = false;
        while (!wakeup.take() && left > 0 && isOpen()) {
            if (timeoutNanos == Long.MAX_VALUE) {
                LockSupport.park(this);
            } else {
                LockSupport.parkNanos(this, left);
                left = deadline - config.nanoTime();
            }
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return 0;
    }

    /** The engine is closed: an owner that waits with nothing in flight is told. */
    final void tellOwnerOfEnd() {
        LockSupport.unpark(owner.get());
    }

    /** Gets the owner out of its wait, if it is in one. Any thread; the engine's descriptors are there. */
    abstract void wakeOwner();

    @Override
    public final long run(Kiocb kiocb) {
        requireMayWait("run");
        if (kiocb.isInFlight()) {
            return -Errno.EBUSY;
        }
        kiocb.waiter = Thread.currentThread();
        try {
            int refused = submit(kiocb);
            if (refused != 0) {
                return refused;
            }
            commit(kiocb);
            awaitEnd(kiocb);
            return kiocb.result;
        } finally {
            kiocb.waiter = null;
        }
    }

    /** Waits for an operation that says when it has ended. An interrupt does not end the wait; it is there again afterwards. */
    private void awaitEnd(Kiocb kiocb) {
        if (polled) {
            awaitEndAsOwner(kiocb);
            return;
        }
        boolean interrupted = false;
        // Acquires, with the end, the result.
        while (kiocb.isInFlight()) {
            LockSupport.park(this);
            interrupted |= Thread.interrupted();
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** The same by awaiting. Wake-ups that come meanwhile are meant for the owner's own wait, and are wanted again afterwards. */
    private void awaitEndAsOwner(Kiocb kiocb) {
        wakeup.beginRun();
        try {
            while (kiocb.isInFlight()) {
                int _ = await(Long.MAX_VALUE);
            }
        } finally {
            wakeup.endRun();
        }
    }

    /** Refuses a call that waits for an operation, on a thread that has to call completions first. */
    final void requireMayWait(String call) {
        requireNoCompletion(call);
        if (agent != null && Thread.currentThread().equals(agent.runner())) {
            throw new IllegalStateException(call + " on the thread that runs the agent of AIO engine " + name
                    + ", which would wait for itself");
        }
    }

    /** Refuses a call that waits, inside of a completion. */
    final void requireNoCompletion(String call) {
        if (isInCompletion()) {
            throw new IllegalStateException(call + " inside a completion of AIO engine " + name);
        }
    }

    /** Whether the calling thread is in a completion of this engine. */
    abstract boolean isInCompletion();

    @Override
    public final int submit(Kiocb kiocb) {
        if (!polled) {
            return submitInUse(kiocb);
        }
        boolean _ = owner.claim(name);
        if (end.isInUse()) {
            return submitInUse(kiocb);
        }
        if (!end.use()) {
            return -Errno.EINVAL;
        }
        try {
            inUse();
            return submitInUse(kiocb);
        } finally {
            letGoIfIdle();
        }
    }

    /** The owner, with the engine in use, or anybody in the other modes. */
    private int submitInUse(Kiocb kiocb) {
        if ((operationBits & kiocb.operation().bit) == 0) {
            return -Errno.EOPNOTSUPP;
        }
        AioOperation syncAfter = kiocb.syncAfter();
        if (syncAfter != null && (operationBits & syncAfter.bit) == 0) {
            return -Errno.EOPNOTSUPP;
        }
        int more = kiocb.flags();
        if ((more & ~flagBits) != 0 || (kiocb.priorityValue() != 0 && !hasPriorities)) {
            return -Errno.EOPNOTSUPP;
        }
        int refused = kiocb.claim(family());
        if (refused != 0) {
            return refused;
        }
        int full = kiocb.has(AioFlag.ATOMIC) && !kiocb.isOneEntry() ? -Errno.EINVAL : accept(kiocb);
        if (full != 0) {
            kiocb.unclaim();
        }
        return full;
    }

    /** The owner is about to leave the engine, which it has in use: it keeps it if operations are in flight. */
    final void letGoIfIdle() {
        if (inFlight() == 0) {
            end.letGo();
        }
    }

    /** The class of the files that it takes. */
    abstract Class<? extends AioFile> family();

    /** The owner has just taken the engine into use, for a submission. */
    void inUse() {
        // Nothing to do.
    }

    /** Calls the completions that are there, and returns how many; never waits. The thread that runs the agent. */
    abstract int workAsAgent();

    /** Takes a claimed operation: 0, or a negative errno, and the operation is not the engine's. */
    abstract int accept(Kiocb kiocb);

    /** Operations that have been accepted, and whose completions have not returned. */
    abstract long inFlight();
}
