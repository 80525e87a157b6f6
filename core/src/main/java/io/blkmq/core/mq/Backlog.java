package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.jfr.DiskEvents;
import io.blkmq.runtime.IoRuntime;
import java.util.ArrayDeque;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Bios that wait without a thread, in the order in which they came, for something else than a tag: at the gate of a frozen queue, or for
 * bounce buffers. Those that wait for a tag stand in its line ({@link TagWaiters}). Guarded by the lock; the size is volatile for those
 * who only look: who puts a bio here looks after that once more whether it could go on, who frees something does so and then looks here.
 *
 * <p>One that is let try counts here until it has gone on ({@link #settle}) or is back in its place, the first
 * ({@link #addFirst}): so nobody who comes meanwhile gets what it has waited for.
 */
final class Backlog {
    private final Lock lock;
    private final ArrayDeque<Bio> bios = new ArrayDeque<>();
    /** Whether one is trying. */
    private boolean trying;
    private volatile int size;

    Backlog(IoRuntime runtime) {
        this.lock = runtime.newLock();
    }

    /**
     * Makes a bio ready to stand in a line: in a part's place its whole does, so that a bio of any length stands in one line at most.
     *
     * @param cause why, for the flight recorder
     * @return what stands there; once it does it is not the calling thread's any more
     */
    static Bio inLine(Bio bio, EntryContext ctx, String cause) {
        BioState state = bio;
        BioSplit split = state.split;
        Bio stands = bio;
        if (split != null) {
            state.unbounce();
            state.takenBack = true;
            split.takeBack();
            stands = split.whole();
            ((BioState) stands).split = split;
        }
        BioState waits = stands;
        waits.context = ctx;
        waits.waiting = DiskEvents.waitBegins(cause, false);
        return stands;
    }

    boolean isEmpty() {
        return size == 0;
    }

    int size() {
        return size;
    }

    void add(Bio bio) {
        lock.lock();
        try {
            bios.addLast(bio);
            count();
        } finally {
            lock.unlock();
        }
    }

    /** The one that was trying goes on waiting, before all others. */
    void addFirst(Bio bio) {
        lock.lock();
        try {
            bios.addFirst(bio);
            trying = false;
            count();
        } finally {
            lock.unlock();
        }
    }

    /** Takes the first one off, for good. */
    @Nullable
    Bio poll() {
        lock.lock();
        try {
            Bio bio = bios.pollFirst();
            count();
            return bio;
        } finally {
            lock.unlock();
        }
    }

    /** Lets all go on. */
    void letAllGoOn() {
        Trampoline batch = Trampoline.enter();
        try {
            for (Bio bio = poll(); bio != null; bio = poll()) {
                batch.goOn(bio);
            }
        } finally {
            batch.leave();
        }
    }

    /** Lets the first one try, unless another does: {@link #settle} or {@link #addFirst} is due. */
    @Nullable
    Bio letTry() {
        lock.lock();
        try {
            if (trying) {
                return null;
            }
            Bio bio = bios.pollFirst();
            trying = bio != null;
            count();
            return bio;
        } finally {
            lock.unlock();
        }
    }

    /** The one that was trying has gone on. */
    void settle() {
        lock.lock();
        try {
            trying = false;
            count();
        } finally {
            lock.unlock();
        }
    }

    /** Under the lock. */
    private void count() {
        size = bios.size() + (trying ? 1 : 0);
    }
}
