package io.blkmq.nbd.socket;

import java.util.function.BooleanSupplier;

/**
 * Whether a loop sleeps, and the call that wakes it. The loop says that it sleeps before it looks for the last time, and who leaves it
 * something looks at that after having left it: one of them sees the other.
 */
public final class Slumber {
    private final Runnable call;
    /** Written by the loop before its last look; read by who has left something. Volatile for that. */
    private volatile boolean asleep;

    /**
     * Makes one that is awake.
     *
     * @param call ends a sleep, also one that begins later
     */
    public Slumber(Runnable call) {
        this.call = call;
    }

    /**
     * The loop is about to sleep.
     *
     * @param busy whether there is something to do
     * @return whether it may; it calls {@link #end} afterwards
     */
    public boolean begin(BooleanSupplier busy) {
        asleep = true;
        if (busy.getAsBoolean()) {
            asleep = false;
            return false;
        }
        return true;
    }

    /** The loop has slept. */
    public void end() {
        asleep = false;
    }

    /** Wakes the loop, if it sleeps; the caller has left it something before. Any thread. */
    public void wake() {
        // Pairs with the write before the last look: without the order of the two both could miss the other.
        if (asleep) {
            call.run();
        }
    }
}
