package io.blkmq.aio.life;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Whether the owner of a polled engine is to be woken. Any thread wants it, the owner takes it: several that come before it is taken are one,
 * and none is lost.
 *
 * <pre>
 *   waker: leaves a task -> want -> ends the owner's wait      owner: take -> sees the tasks of all whose wake-up it took -> waits
 * </pre>
 *
 * <p>A wait for one operation takes wake-ups, too, that are meant for the owner's own wait: they are wanted again after it.
 */
public final class Wakeup {

    private static final VarHandle WANTED;

    static {
        try {
            WANTED = MethodHandles.lookup().findVarHandle(Wakeup.class, "wanted", boolean.class)
                    .withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Set by any thread, taken back by the owner. */
    private volatile boolean wanted;
    /** Whether one has been taken since {@link #beginRun}. The owner's. */
    private boolean taken;

    /** Wants the owner to be woken. Any thread; it has to end the owner's wait afterwards. */
    public void want() {
        // Volatile: who waits looks after it has been woken, and before it waits again.
        wanted = true;
    }

    /** Whether it is wanted; it stays so. */
    public boolean isWanted() {
        return wanted;
    }

    /** Whether the owner was to be woken; from now on it is not. The owner. */
    public boolean take() {
        // Looked at first, since most of the time there is none. Then swapped, so that the owner acquires what each waker did before: one
        // whose wake-up fell between a look and a plain store would be overwritten, and what it left not seen.
        if (!wanted || !(boolean) WANTED.getAndSet(this, false)) {
            return false;
        }
        taken = true;
        return true;
    }

    /** The owner is about to wait for one operation. */
    public void beginRun() {
        taken = false;
    }

    /** It has waited: what it took meanwhile is wanted again. The owner. */
    public void endRun() {
        if (taken) {
            wanted = true;
        }
    }
}
