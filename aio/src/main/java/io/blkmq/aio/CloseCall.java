package io.blkmq.aio;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Closes a file, when its last operation in flight has ended. The file is told at once that it is closed; who uses it last says that it is
 * {@link #idle}, and the call goes on: by a ring, or by a thread. A file that has been told is closed in any case, whatever the engine has
 * to say.
 *
 * <pre>
 *   in use -- last user --> idle --+--> OP_CLOSE --+--> closed
 *                                  +--> a thread --+
 * </pre>
 *
 * <p>What closes it is one: the ring, as long as it has an entry for that; a thread, where the engine has refused the call, or has ended it
 * before the entry. If the engine tells nothing of the entry but that it has been given up, a thread looks whether the descriptor is still
 * the file's.
 */
final class CloseCall extends FileCall<@Nullable Void> implements AioFile.Closer {

    private final AioFile file;
    /** Whether the first errand is the last user's. Who begins it, then the completer. */
    private boolean awaitsUsers;
    /** Whether the ring has been given an entry that closes the descriptor. Who has the call. */
    private boolean inRing;
    /** Whether the file has been closed, or a thread is about to. Who has the call. */
    private boolean over;

    /** Guarded by the monitor. */
    private boolean idle;
    /** What the last user runs. Guarded by the monitor. */
    private @Nullable Runnable whenIdle;

    CloseCall(OpenedEngine engine, AioFile file) {
        super(engine, file.path(), "close");
        this.file = file;
    }

    /** Closes the file. The owner, where there is one. */
    CompletableFuture<@Nullable Void> close() {
        return file.closeBy(this) ? begin() : CompletableFuture.completedFuture(null);
    }

    @Override
    public void idle() {
        Runnable then;
        synchronized (this) {
            idle = true;
            then = whenIdle;
        }
        if (then != null) {
            then.run();
        }
    }

    @Override
    boolean isDeferred(Runnable later) {
        synchronized (this) {
            if (!idle) {
                whenIdle = later;
                return true;
            }
        }
        return false;
    }

    private synchronized boolean isIdle() {
        return idle;
    }

    @Override
    boolean firstStep(RingCalls ring) throws IOException {
        if (isIdle()) {
            return placesClose();
        }
        if (!ring.hasSlotToSpare()) {
            throw new IOException("no slot to wait in for the users of " + path);
        }
        awaitsUsers = true;
        awaitErrand();
        return true;
    }

    /** Has the ring close the descriptor, if it can. The file has no user any more. */
    private boolean placesClose() {
        if (!(engine instanceof RingCalls ring) || !ring.carriesOut(Uring.OP_CLOSE)
                || !(file instanceof NativeFile known) || known.isLocked()) {
            return false;
        }
        known.leaveRings();
        inRing = true;
        stepClose(known.fd());
        return true;
    }

    @Override
    void sendFirst(Errand to) {
        if (!awaitsUsers) {
            super.sendFirst(to);
        } else if (!isDeferred(() -> usersEnded(to))) {
            usersEnded(to);
        }
    }

    /** Whoever has used it last. */
    private void usersEnded(Errand awaited) {
        if (!awaited.end()) {
            closeAlone();
        }
    }

    @Override
    boolean errandEnded() throws IOException {
        if (!awaitsUsers) {
            return false;
        }
        awaitsUsers = false;
        return placesClose() || elsewhere(this::carryOut);
    }

    @Override
    boolean nextStep(long result) throws IOException {
        if (result == -Errno.ECANCELED || isOpcodeRefused(result)) {
            return elsewhere(this::carryOut);
        }
        // The descriptor is gone, whatever else has failed: the kernel takes it away first.
        over = true;
        if (result < 0) {
            throw AioException.of(result, path, what);
        }
        succeed(null);
        return false;
    }

    @Override
    @Nullable
    Void carryOut() throws IOException {
        over = true;
        int result = inRing ? ((NativeFile) file).closeIfItsOwn() : file.closeNow();
        if (result < 0) {
            throw AioException.of(result, path, what);
        }
        return null;
    }

    @Override
    boolean mayEndEarly() {
        return false;
    }

    @Override
    void notBegun(Exception reason) {
        if (!isDeferred(this::closeAlone)) {
            closeAlone();
        }
    }

    @Override
    void endedByEngine(long result) {
        // It goes on.
    }

    @Override
    void finish(long result) {
        if (over) {
            super.finish(result);
        } else {
            closeAlone();
        }
    }

    /** The engine does not do it. The file has no user any more. */
    private void closeAlone() {
        if (!CallThreads.execute(this::closeHere)) {
            closeHere();
        }
    }

    private void closeHere() {
        run();
        super.finish(0);
    }
}
