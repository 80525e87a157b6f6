package io.blkmq.aio;

import org.jspecify.annotations.Nullable;

/**
 * Operations that the kernel gave back because the device has no room (EAGAIN): to be submitted again when another operation has ended,
 * or else after a pause, which is longer each time. The completer's.
 */
final class HeldBack {

    private static final long PAUSE_NANOS = 20_000L;
    private static final int DOUBLINGS_MAX = 11;

    private @Nullable Kiocb first;
    private int count;
    private long until;
    private boolean roomNow;

    /** Whether there are none. */
    boolean isEmpty() {
        return first == null;
    }

    int count() {
        return count;
    }

    /** Holds an operation back, which has been tried so many times again before. */
    void add(Kiocb kiocb, int retries, long now) {
        until = now + (PAUSE_NANOS << Math.min(retries, DOUBLINGS_MAX));
        roomNow = false;
        kiocb.next = first;
        first = kiocb;
        count++;
    }

    /** An operation has ended well, so there may be room. */
    void roomAgain() {
        roomNow = true;
    }

    /** Nanoseconds until they are to be submitted again; 0 or less if they are, {@link Long#MAX_VALUE} if there are none. */
    long nanosLeft(long now) {
        if (first == null) {
            return Long.MAX_VALUE;
        }
        return roomNow ? 0 : until - now;
    }

    /** Marks all to end early. */
    void cancelAll() {
        for (Kiocb kiocb = first; kiocb != null; kiocb = kiocb.next) {
            kiocb.wantCancel();
        }
    }

    /** Takes all that are to end early, linked by their next. */
    @Nullable
    Kiocb takeCancelled() {
        Kiocb cancelled = null;
        Kiocb kept = null;
        Kiocb rest = first;
        while (rest != null) {
            Kiocb kiocb = rest;
            rest = kiocb.next;
            if (kiocb.isCancelWanted()) {
                kiocb.next = cancelled;
                cancelled = kiocb;
                count--;
            } else {
                kiocb.next = kept;
                kept = kiocb;
            }
        }
        first = kept;
        return cancelled;
    }

    /** Takes one, newest first; null if there is none. */
    @Nullable
    Kiocb take() {
        Kiocb taken = first;
        if (taken != null) {
            first = taken.next;
            taken.next = null;
            count--;
        }
        return taken;
    }
}
