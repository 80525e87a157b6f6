package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A call that names a file, or closes one, as an operation of an engine: it is counted, waited for, told and cancelled as any other, by way
 * of its {@link Kiocb}. With a ring it goes step by step, each an entry of the ring, and the operation is in flight for all of them. What
 * the ring has no entry for, or might block a thread that may not, is done by another thread ({@link CallThreads}), and the ring waits for
 * that ({@link Errand}). An engine without a ring has a thread carry all of it out.
 *
 * <pre>
 *   begin --> submit --+-- ring:      step --> goesOn --> step --> goesOn --> told --> finish
 *                      |                ^ each an entry, or an errand: a thread does the rest
 *                      +-- otherwise: run, by a thread of the engine  --> told --> finish
 * </pre>
 *
 * <p>Names, and memory that the kernel fills, live in {@link #arena}, which is reachable from the kiocb, and so from the engine, until the
 * call has been told: not before the kernel has done with them.
 *
 * <p><b>Who has the fields.</b> Who begins the call, until it has submitted; then the completer and the placer in turn, whose hand-over is
 * that of the kiocb; or a thread that carries the call out, whose hand-over is that of the errand, or of the engine that has it told.
 */
abstract class FileCall<T extends @Nullable Object> implements AioCompletion {

    static final int AT_FDCWD = -100;

    private static final long POLLIN = 1;

    final OpenedEngine engine;
    final Path path;
    final String what;
    final CallFuture<T> future = new CallFuture<>(this::endEarly);
    final Kiocb kiocb = new Kiocb(this);
    final Arena arena = Arena.ofAuto();

    // The entry of the step that is placed next.
    int opcode;
    int descriptor;
    long offset;
    long address;
    long length;

    /** What the step waits for; null if it is the kernel's. */
    private @Nullable Errand errand;
    /** What the future is to be told, once there is something. */
    private @Nullable Outcome<T> outcome;
    private @Nullable Throwable failure;

    /** What a thread does. */
    interface Work<T extends @Nullable Object> {
        T run() throws IOException;
    }

    private record Outcome<T extends @Nullable Object>(T value) {}

    FileCall(OpenedEngine engine, Path path, String what) {
        this.engine = engine;
        this.path = path;
        this.what = what;
    }

    /** Sets the first step; false if the ring has none for this. Who begins it. */
    abstract boolean firstStep(RingCalls ring) throws IOException;

    /**
     * A step of the ring has ended. Sets the next one, or has a thread do the rest ({@link #elsewhere}), and returns true; or sees to the
     * outcome ({@link #succeed}), and returns false. The completer.
     */
    abstract boolean nextStep(long result) throws IOException;

    /** Does all of it, by calls that block. */
    abstract T carryOut() throws IOException;

    /** Gives back what nobody has asked for any more. */
    void discard(T unwanted) {
        // Nothing to give back.
    }

    /** Gives back what is left of the steps. Last, by who finishes it. */
    void cleanUp() {
        // Nothing is left.
    }

    /** Whether it has to wait until its file has no user any more; if so, that runs {@code later}, on whatever thread. */
    boolean isDeferred(Runnable later) {
        return false;
    }

    /** The engine has it, and the first step is an errand. Who begins it. */
    void sendFirst(Errand to) {
        send(to, this::carryOut);
    }

    /** What the first errand of a ring was for has been done; as {@link #nextStep}. The completer. */
    boolean errandEnded() throws IOException {
        return false;
    }

    /** Begins it. The owner, where there is one. */
    final CompletableFuture<T> begin() {
        if (engine instanceof RingCalls ring) {
            try {
                if (!firstStep(ring)) {
                    awaitErrand();
                }
            } catch (IOException e) {
                notBegun(e);
                return future;
            }
        }
        Errand first = errand;
        int refused = engine.submitCall(this);
        if (refused == 0) {
            if (first != null) {
                sendFirst(first);
            }
            return future;
        }
        errand = null;
        if (first != null) {
            boolean _ = first.leave();
            boolean _ = first.end();
        }
        notBegun(refused == -Errno.EINVAL
                ? new IllegalStateException("AIO engine " + engine.name() + " is closed")
                : AioException.of(refused, path, "submit of " + what + " to AIO engine " + engine.name()));
        return future;
    }

    /** The engine has not taken it. */
    void notBegun(Exception reason) {
        future.fail(reason);
    }

    /** Asks for an early end: nobody waits for it any more. Any thread. */
    private void endEarly() {
        if (mayEndEarly() && kiocb.isInFlight()) {
            kiocb.wantCancel();
            engine.cancelWanted();
        }
    }

    boolean mayEndEarly() {
        return true;
    }

    // Steps.

    final void step(int what, int on, long at, long from, long count) {
        opcode = what;
        descriptor = on;
        offset = at;
        address = from;
        length = count;
    }

    /** A step that asks for the facts of a file: of a name, or with {@link FileFacts#AT_EMPTY_PATH} of a descriptor. */
    final void stepStatx(int on, MemorySegment name, int flags, MemorySegment statx) {
        step(Uring.OP_STATX, on, statx.address(), name.address(), FileFacts.WANTED | (long) flags << 32);
    }

    /** A step that opens a file. */
    final void stepOpen(MemorySegment name, int flags) {
        step(Uring.OP_OPENAT, AT_FDCWD, 0, name.address(), FileCalls.MODE | (long) flags << 32);
    }

    /** A step that gives a descriptor back. */
    final void stepClose(int fd) {
        step(Uring.OP_CLOSE, fd, 0, 0, 0);
    }

    /** A step that waits for an errand. */
    final Errand awaitErrand() throws IOException {
        Errand opened = Errand.open();
        errand = opened;
        step(Uring.OP_POLL_ADD, opened.fd(), 0, 0, POLLIN << 32);
        return opened;
    }

    /** Has a thread do the rest, for which the ring waits. Always true. */
    final boolean elsewhere(Work<T> rest) throws IOException {
        send(awaitErrand(), rest);
        return true;
    }

    private void send(Errand to, Work<T> rest) {
        if (!CallThreads.execute(() -> {
            if (!mayEndEarly() || !to.isLeft() || !future.isDone()) {
                run(rest);
            }
            ended(to);
        })) {
            failure = noThread();
            ended(to);
        }
    }

    /** Whether the kernel does not know a step, or lets a ring not do it: then the call that blocks decides. */
    static boolean isOpcodeRefused(long result) {
        return result == -Errno.EINVAL || result == -Errno.EOPNOTSUPP;
    }

    private void ended(Errand done) {
        if (!done.end()) {
            finish(0);
        }
    }

    final IOException noThread() {
        return AioException.of(Errno.EAGAIN, path, what + ", for which no thread can be started,");
    }

    /**
     * Whether a step that the kernel did not begin, or that a signal has ended, is placed again. A descriptor is closed once, whatever
     * comes of it.
     */
    final boolean mayTryAgain() {
        return opcode != Uring.OP_CLOSE;
    }

    /** A step of the ring has ended; whether there is another. The completer. */
    final boolean goesOn(long result) {
        Errand awaited = errand;
        if (awaited != null && result < 0) {
            // It cannot be waited for.
            return false;
        }
        try {
            if (awaited == null) {
                return nextStep(result);
            }
            errand = null;
            boolean _ = awaited.leave();
            return errandEnded();
        } catch (Throwable t) {
            failure = t;
            return false;
        }
    }

    /** This is what the future is to be told. Whoever has the call. */
    final void succeed(T value) {
        outcome = new Outcome<>(value);
    }

    /** Carries all of it out. A thread that may block. */
    final void run() {
        run(this::carryOut);
    }

    private void run(Work<T> work) {
        failure = null;
        try {
            succeed(work.run());
        } catch (Throwable t) {
            failure = t;
        }
    }

    /** There is nobody who could carry it out. Whoever has the call. */
    final void failWithoutThread() {
        failure = noThread();
    }

    // The end.

    @Override
    public final void complete(long userData, long result) {
        Errand awaited = errand;
        if (awaited == null) {
            finish(result);
            return;
        }
        // The ring has ended, or gives it up; or it cannot wait for an event, and the thread tells.
        errand = null;
        if (result == -Errno.ECANCELED || result == -Errno.EIO) {
            endedByEngine(result);
        }
        if (awaited.leave()) {
            finish(result);
        }
    }

    /** It ends early, and somebody is still at it. */
    void endedByEngine(long result) {
        future.fail(AioException.of(result, path, what));
    }

    /** It has ended: the future is told. Called once, by who completes, or by a thread that nobody waits for any more. */
    void finish(long result) {
        cleanUp();
        Outcome<T> brought = outcome;
        if (failure != null) {
            future.fail(failure);
        } else if (brought == null) {
            future.fail(AioException.of(result, path, what));
        } else if (!future.end(brought.value())) {
            discard(brought.value());
        }
    }

    /** Closes a descriptor on a thread that may block. */
    static void closeElsewhere(int fd) {
        if (!CallThreads.execute(() -> FileCalls.close(fd))) {
            FileCalls.close(fd);
        }
    }

    @Override
    public String toString() {
        return what + " of " + path;
    }
}
