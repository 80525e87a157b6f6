package io.blkmq.aio;

import io.blkmq.aio.life.EngineEnd;
import io.blkmq.aio.life.PolledOwner;
import io.blkmq.aio.life.Wakeup;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
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

    /** How long to wait for what has been cancelled. */
    private static final long CANCEL_NANOS = 100_000_000L;

    final AioEngineConfig config;
    final boolean polled;
    final PolledOwner owner = new PolledOwner();
    final EngineEnd end = new EngineEnd();
    final Wakeup wakeup = new Wakeup();
    final CompletionDelivery delivery;

    private final String name;
    /** Null in other modes than AGENT. */
    private final @Nullable Agent agent;
    private final Set<AioOperation> operations;
    /** The same, for a look with each submission. */
    private final int operationBits;
    private final Set<AioFlag> flags;
    private final int flagBits;
    private final boolean hasPriorities;
    /** Whether an interrupt is put aside while a wait has pauses. Of who waits: the owner, or who closes. */
    private boolean pauseInterrupted;

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
        agent = config.completionMode() == CompletionMode.AGENT ? EngineAgent.of(this) : null;
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

    // Calls that name files.

    @Override
    public final CompletableFuture<AioFile> openAsync(Path path, AioFile.Access access, boolean direct,
            AioFile.Option... options) {
        Opening opening = Opening.of(path, access, direct, options);
        requireName(path);
        claimOwner();
        return new OpenCall(this, opening).begin();
    }

    @Override
    public final CompletableFuture<@Nullable Void> closeAsync(AioFile file) {
        if (file.getClass() != family()) {
            throw new IllegalArgumentException("AIO engine " + name + " takes no file of another family: " + file);
        }
        claimOwner();
        return new CloseCall(this, file).close();
    }

    @Override
    public final CompletableFuture<AioFileAttributes> attributesAsync(Path path) {
        requireName(path);
        claimOwner();
        return new AttributesCall(this, path).begin();
    }

    @Override
    public final CompletableFuture<@Nullable Void> deleteAsync(Path path) {
        requireName(path);
        claimOwner();
        return new DeleteCall(this, path).begin();
    }

    /** Refuses a path that the engine can do nothing with. */
    void requireName(Path path) {
        // Any provider's.
    }

    private void claimOwner() {
        if (polled) {
            boolean _ = owner.claim(name);
        }
    }

    /** The attributes of a file, by calls that may block. */
    AioFileAttributes attributes(Path path) throws IOException {
        return AioFileAttributes.of(path);
    }

    /** {@link #submit} of a call. */
    final int submitCall(FileCall<?> call) {
        if (!polled || end.isInUse()) {
            return acceptCall(call);
        }
        if (!end.use()) {
            return -Errno.EINVAL;
        }
        try {
            inUse();
            return acceptCall(call);
        } finally {
            letGoIfIdle();
        }
    }

    /** Takes a call: 0, or a negative errno, and the call is not the engine's. */
    abstract int acceptCall(FileCall<?> call);

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

    /**
     * Waits for so long at most, in the middle of a wait for operations. An interrupt does not end that wait: it is put aside, as it would end
     * each pause at once, until {@link #endPauses}. The owner, or who closes.
     */
    final void pause(long nanos) {
        pauseInterrupted |= Thread.interrupted();
        LockSupport.parkNanos(this, nanos);
        pauseInterrupted |= Thread.interrupted();
    }

    /** The wait is over: an interrupt that was put aside is there again. */
    final void endPauses() {
        if (pauseInterrupted) {
            pauseInterrupted = false;
            Thread.currentThread().interrupt();
        }
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
        if (agent != null && Thread.currentThread().equals(EngineAgent.runner(agent))) {
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
        if (kiocb.wasCancelWanted()) {
            // By another thread, before it was to be found; or it has ended, and this is another operation: a look too many.
            cancelWanted();
        }
        if (full != 0) {
            kiocb.unclaim();
        }
        return full;
    }

    @Override
    public final boolean cancel(Kiocb kiocb) {
        if ((polled && !owner.check(name)) || !kiocb.isInFlight()) {
            return false;
        }
        kiocb.wantCancel();
        cancelWanted();
        return true;
    }

    /** Some operation is marked to end early: what waits is ended, and what is under way is asked back. Any thread; the owner if polled. */
    abstract void cancelWanted();

    /** Marks all that are in flight, or are as soon as they are found; then as {@link #cancelWanted}. Nothing is accepted any more. */
    abstract void cancelAll();

    // The end.

    @Override
    public final void close() {
        requireNoCompletion("close");
        if (!beginEnd()) {
            end.awaitDone();
            return;
        }
        acceptNoMore();
        bringHomeAndEnd();
    }

    @Override
    public final boolean closeWithin(long timeoutNanos) {
        requireNoCompletion("closeWithin");
        boolean mine = beginEnd();
        if (mine) {
            acceptNoMore();
            if (owner.get() == Thread.currentThread()) {
                return closeAsOwner(timeoutNanos);
            }
            closeElsewhere();
        }
        if (end.awaitDone(timeoutNanos)) {
            return true;
        }
        cancelAll();
        return end.awaitDone(CANCEL_NANOS);
    }

    /** While the time lasts, what is in flight is the calling thread's to poll. */
    private boolean closeAsOwner(long timeoutNanos) {
        boolean home = tellWithin(timeoutNanos);
        if (!home) {
            cancelAll();
            home = tellWithin(CANCEL_NANOS);
        }
        if (home) {
            bringHomeAndEnd();
        } else {
            closeElsewhere();
        }
        return home;
    }

    private boolean beginEnd() {
        return polled ? end.beginPolled(owner, name, this::isKeptByOwner) : end.tryBegin(false);
    }

    /** The rest of the end may take as long as the kernel likes. */
    private void closeElsewhere() {
        try {
            Thread.ofPlatform().daemon().name("blkmq-aio-" + name + "-close").start(this::bringHomeAndEnd);
        } catch (OutOfMemoryError e) {
            // No thread is left: then it is this one that waits.
            bringHomeAndEnd();
        }
    }

    private void bringHomeAndEnd() {
        try {
            bringHome();
            giveBack();
        } finally {
            end.done();
        }
    }

    /** Whether operations are in flight that nobody but the owner can bring home: those about to be told are none. */
    abstract boolean isKeptByOwner();

    /** From now on nothing is accepted. Who closes. */
    abstract void acceptNoMore();

    /** Tells what ends, until nothing is in flight, at most so long; whether nothing is. The owner, which closes, or who stands for it. */
    abstract boolean tellWithin(long timeoutNanos);

    /** Tells all that is in flight when it has ended. Who closes, or another thread that it has left that to. */
    abstract void bringHome();

    /** Gives everything back; nothing is in flight. Called once. */
    abstract void giveBack();

    /** The owner is about to leave the engine, which it has in use: it keeps it if operations are in flight. */
    final void letGoIfIdle() {
        if (inFlight() == 0) {
            end.letGo();
        }
    }

    /** Takes back that the descriptor was raised, with nothing in flight: another thread may be closing the engine. The owner. */
    final void drainIdle(ReadyEvent ready) {
        if (ready.fd() >= 0 && end.visit()) {
            try {
                ready.drain();
            } finally {
                int _ = end.leave();
            }
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
