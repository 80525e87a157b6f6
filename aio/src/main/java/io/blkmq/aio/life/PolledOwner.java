package io.blkmq.aio.life;

import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** The one thread of an engine in {@link CompletionMode#POLLED}: the platform thread that first submits. */
public final class PolledOwner {

    private final AtomicReference<@Nullable Thread> owner = new AtomicReference<>();

    /** Makes the calling thread the owner if there is none yet, and says whether that has happened just now. */
    public boolean claim(String engine) {
        Thread caller = Thread.currentThread();
        // Plain: the owner sees its own write; any other thread sees null or the owner, and goes on to the volatile
        // operation.
        if (owner.getPlain() == caller) {
            return false;
        }
        if (caller.isVirtual()) {
            throw new IllegalStateException(
                    "polled AIO engine " + engine + " needs a platform thread, and " + caller + " is virtual");
        }
        if (owner.compareAndSet(null, caller)) {
            return true;
        }
        throw foreign(engine, caller);
    }

    /** Whether the calling thread is the owner; false if there is none yet. */
    public boolean check(String engine) {
        Thread caller = Thread.currentThread();
        if (owner.getPlain() == caller) {
            return true;
        }
        if (owner.get() == null) {
            return false;
        }
        throw foreign(engine, caller);
    }

    /** Whether the calling thread is the owner, or the owner's thread has ended: true for good, since owners do not change. */
    public boolean isCallerOrDead() {
        Thread thread = owner.get();
        return thread != null && (thread == Thread.currentThread() || !thread.isAlive());
    }

    @Nullable
    public Thread get() {
        return owner.get();
    }

    public IllegalStateException foreign(String engine, Thread caller) {
        return new IllegalStateException(
                "polled AIO engine " + engine + " belongs to " + owner.get() + " and was called by " + caller);
    }
}
