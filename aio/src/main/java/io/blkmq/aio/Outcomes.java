package io.blkmq.aio;

import org.jspecify.annotations.Nullable;

/**
 * The way of an operation that the kernel has ended: it is told, or it has to be placed again.
 *
 * <pre>
 *   ended --+--> told
 *           +--> again      a short transfer, a write whose sync is still to come or that cannot be written through, EINTR,
 *                           ECANCELED: with this batch
 *           +--> held back  EAGAIN: when the device has room
 * </pre>
 *
 * <p>The completer's, except for the counts, which any thread reads.
 */
final class Outcomes {

    private final AioEngineConfig config;
    private final CompletionDelivery delivery;

    /** Operations to be placed again, newest first: those of the batch being reaped. */
    private @Nullable Kiocb again;
    /** Operations to be placed again when the device has room. */
    private final HeldBack heldBack = new HeldBack();
    /** Who is calling completions. A thread finds itself here only if it has written that, so it needs no order. */
    private @Nullable Thread teller;

    /** Those about to be told, or told: their places are free, also for what the completion submits. */
    final SingleWriterCounter ended = new SingleWriterCounter();
    final SingleWriterCounter told = new SingleWriterCounter();
    final SingleWriterCounter continued = new SingleWriterCounter();
    final SingleWriterCounter resubmitted = new SingleWriterCounter();

    Outcomes(AioEngineConfig config, CompletionDelivery delivery) {
        this.config = config;
        this.delivery = delivery;
    }

    /** Begins a batch of completions, to be followed by {@link #endBatch}. */
    void beginBatch() {
        teller = Thread.currentThread();
        delivery.begin(config.reapListener());
    }

    void endBatch() {
        delivery.end(config.reapListener());
        teller = null;
    }

    /** Whether the calling thread, which completes, is inside of a batch. */
    boolean isTelling() {
        return Thread.currentThread().equals(teller);
    }

    /** An operation has ended in the kernel. */
    void ended(Kiocb kiocb, long result) {
        if (result >= 0 && !heldBack.isEmpty()) {
            heldBack.roomAgain();
        }
        if (kiocb.isCancelWanted() && isPassing(result) && (result == -Errno.ECANCELED || mayTryAgain(kiocb))) {
            tell(kiocb, cancelledResult(kiocb));
        } else if (result == -Errno.EAGAIN && kiocb.has(AioFlag.NOWAIT) && !kiocb.syncing) {
            tell(kiocb,
                    kiocb.operation() == AioOperation.READ && kiocb.transferred() > 0 ? kiocb.transferred() : result);
        } else if (isPassing(result) && kiocb.retries < NativeEngine.RETRIES_MAX && mayTryAgain(kiocb)) {
            tryAgain(kiocb, result == -Errno.EAGAIN);
        } else if (kiocb.syncing) {
            noteRefusal(kiocb);
            tell(kiocb, result < 0 ? result : kiocb.bytes());
        } else if (kiocb.writingThrough && isRefusal(result)) {
            writeAndSync(kiocb);
        } else if (kiocb.operation().isTransfer()) {
            transferEnded(kiocb, result);
        } else if (kiocb.call != null) {
            stepEnded(kiocb, kiocb.call, result);
        } else {
            tell(kiocb, result);
        }
    }

    /** A step of a call: another follows, or that is all. */
    private void stepEnded(Kiocb kiocb, FileCall<?> call, long result) {
        if (!call.goesOn(result)) {
            tell(kiocb, result);
        } else if (kiocb.isCancelWanted()) {
            tell(kiocb, -Errno.ECANCELED);
        } else {
            kiocb.retries = 0;
            placeAgain(kiocb);
        }
    }

    private static boolean mayTryAgain(Kiocb kiocb) {
        return kiocb.call == null || kiocb.call.mayTryAgain();
    }

    private void transferEnded(Kiocb kiocb, long result) {
        long done = kiocb.transferred();
        if (result > 0) {
            done += result;
            if (done >= kiocb.bytes()) {
                transferDone(kiocb);
            } else if (kiocb.isCancelWanted()) {
                tell(kiocb, kiocb.operation() == AioOperation.READ ? done : -Errno.ECANCELED);
            } else if (((NativeFile) kiocb.file()).isAligned(kiocb.offset() + done) && !kiocb.has(AioFlag.ATOMIC)) {
                kiocb.advance(result);
                kiocb.retries = 0;
                continued.increment();
                placeAgain(kiocb);
            } else {
                tell(kiocb, noProgress(kiocb, done));
            }
        } else if (result == 0 && kiocb.bytes() == 0) {
            transferDone(kiocb);
        } else {
            tell(kiocb, result == 0 ? noProgress(kiocb, done) : result);
        }
    }

    /** All bytes have been moved: that is all, or a sync is still to come. */
    private void transferDone(Kiocb kiocb) {
        if (!kiocb.needsSync()) {
            tell(kiocb, kiocb.bytes());
        } else if (kiocb.isCancelWanted()) {
            tell(kiocb, -Errno.ECANCELED);
        } else {
            kiocb.syncing = true;
            kiocb.retries = 0;
            placeAgain(kiocb);
        }
    }

    /** Whether kernel or file may not know what it was asked for beside the transfer. */
    private static boolean isRefusal(long result) {
        return result == -Errno.EOPNOTSUPP || result == -Errno.EINVAL;
    }

    /**
     * The kernel has refused a write with the flag that makes it durable. It is written without, and synced after that. That was
     * the flag's fault unless it is refused again.
     */
    private void writeAndSync(Kiocb kiocb) {
        if (kiocb.isCancelWanted()) {
            tell(kiocb, -Errno.ECANCELED);
            return;
        }
        kiocb.refusedThrough = true;
        resubmitted.increment();
        placeAgain(kiocb);
    }

    /** All bytes have been written: if only the flag stood in the way, it is not used again. */
    private static void noteRefusal(Kiocb kiocb) {
        if (kiocb.refusedThrough) {
            ((NativeFile) kiocb.file()).cannotWriteThrough();
        }
    }

    /** A read that cannot go on has met the end of the file; a write that cannot go on has failed. */
    private static long noProgress(Kiocb kiocb, long done) {
        return kiocb.operation() == AioOperation.READ ? done : -Errno.EIO;
    }

    /**
     * Whether the kernel did nothing and another try may succeed. ECANCELED of what was not to be cancelled means that the thread
     * which submitted it has ended before the kernel got to it.
     */
    private static boolean isPassing(long result) {
        return result == -Errno.EAGAIN || result == -Errno.EINTR || result == -Errno.ECANCELED;
    }

    private void tryAgain(Kiocb kiocb, boolean forWantOfRoom) {
        resubmitted.increment();
        if (forWantOfRoom) {
            heldBack.add(kiocb, kiocb.retries, config.nanoTime());
        } else {
            placeAgain(kiocb);
        }
        kiocb.retries++;
    }

    private void placeAgain(Kiocb kiocb) {
        kiocb.next = again;
        again = kiocb;
    }

    /** Tells an operation its result. */
    void tell(Kiocb kiocb, long result) {
        ended.increment();
        delivery.tell(kiocb, result);
        told.increment();
    }

    // Operations to be placed again.

    /** Whether {@link #takeAgain} has one, those included that were held back and whose time has come. */
    boolean hasAgain() {
        if (!heldBack.isEmpty() && heldBack.nanosLeft(config.nanoTime()) <= 0) {
            for (Kiocb kiocb = heldBack.take(); kiocb != null; kiocb = heldBack.take()) {
                placeAgain(kiocb);
            }
        }
        return again != null;
    }

    /** Takes an operation that is to be placed again, newest first; null if there is none. */
    @Nullable
    Kiocb takeAgain() {
        Kiocb first = again;
        if (first != null) {
            again = first.next;
            first.next = null;
        }
        return first;
    }

    /** The result of an operation that ends early: of a read the bytes it has. */
    long cancelledResult(Kiocb kiocb) {
        return kiocb.operation() == AioOperation.READ && kiocb.transferred() > 0
                ? kiocb.transferred()
                : -Errno.ECANCELED;
    }

    /** Marks those that are to be placed again to end early. */
    void cancelAllAgain() {
        heldBack.cancelAll();
        for (Kiocb kiocb = again; kiocb != null; kiocb = kiocb.next) {
            kiocb.wantCancel();
        }
    }

    /** Tells those that were to be placed again, and are to end early. */
    void tellCancelled() {
        Kiocb held = heldBack.takeCancelled();
        Kiocb rest = again;
        again = null;
        Kiocb cancelled = held;
        while (rest != null) {
            Kiocb kiocb = rest;
            rest = kiocb.next;
            if (kiocb.isCancelWanted()) {
                kiocb.next = cancelled;
                cancelled = kiocb;
            } else {
                placeAgain(kiocb);
            }
        }
        while (cancelled != null) {
            Kiocb kiocb = cancelled;
            cancelled = kiocb.next;
            kiocb.next = null;
            tell(kiocb, cancelledResult(kiocb));
        }
    }

    /** How many operations are held back. */
    int heldBack() {
        return heldBack.count();
    }

    /** Nanoseconds until those held back are to be placed, 0 or less if they are; {@link Long#MAX_VALUE} if there are none. */
    long heldBackNanos() {
        return heldBack.isEmpty() ? Long.MAX_VALUE : heldBack.nanosLeft(config.nanoTime());
    }

    /** Tells those that were to be placed again that they are not going to be. */
    void cancelAgain(int errno) {
        for (Kiocb kiocb = heldBack.take(); kiocb != null; kiocb = heldBack.take()) {
            tell(kiocb, -errno);
        }
        for (Kiocb kiocb = takeAgain(); kiocb != null; kiocb = takeAgain()) {
            tell(kiocb, -errno);
        }
    }
}
