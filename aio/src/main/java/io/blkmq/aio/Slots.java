package io.blkmq.aio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * The operations in a ring, each in a slot: a small number, which is what the kernel gets as user data and gives back.
 * There are as many slots as the kernel's completion ring has room for, so that ring cannot overflow by what we do.
 *
 * <pre>
 *   FREE --- take (placer) ---> TAKEN --- keep (placer), the kernel, giveBack (completer) ---> FREE
 *     ^                           |
 *     +------- leave (placer) ----+
 * </pre>
 *
 * <p>Slots go from the placer to the completer through the table of operations, and come back through the ring of free
 * ones. Each has one writer and one reader at a time, and two pairs of accesses:
 * <ul>
 * <li>The placer puts the operation into its slot with release, and the completer reads it with acquire: all that was
 * written to the operation before it was placed is seen by who ends it.
 * <li>The completer clears the slot, writes its number into the ring, and moves the ring's tail with release; the
 * placer reads the tail with acquire: the number is there, and the former operation is gone.
 * </ul>
 */
final class Slots {

    /** What {@link #take} returns when no slot is free. */
    static final int NONE = -1;

    private static final VarHandle KIOCB = MethodHandles.arrayElementVarHandle(Kiocb[].class);
    private static final VarHandle FREE_TAIL;

    static {
        try {
            FREE_TAIL = MethodHandles.lookup().findVarHandle(Slots.class, "freeTail", int.class)
                    .withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** What is in the kernel, by slot. */
    private final @Nullable Kiocb[] kiocbs;
    /** Slots that are free, from freeHead to freeTail. */
    private final int[] free;
    private final int freeMask;
    /** The placer's. */
    private int freeHead;
    /** Written by the completer, through FREE_TAIL. */
    private int freeTail;
    /** Whether the ring is gone. */
    private volatile boolean retired;
    /** How many files that are open have used the ring. */
    private final AtomicInteger files = new AtomicInteger();

    Slots(int count) {
        kiocbs = new Kiocb[count];
        free = new int[Integer.highestOneBit(Math.max(count * 2 - 1, 1))];
        freeMask = free.length - 1;
        for (int slot = 0; slot < count; slot++) {
            free[slot] = slot;
        }
        freeTail = count;
    }

    /** A file uses the ring for the first time. Any thread. */
    void fileCame() {
        files.getAndIncrement();
    }

    /** A file that has used the ring is closed. Any thread. */
    void fileWent() {
        files.getAndDecrement();
    }

    /** Whether a file has to leave room for others. */
    boolean isShared() {
        return files.getOpaque() > 1;
    }

    /** The ring is gone: what files remember of it may go, too. */
    void retire() {
        retired = true;
    }

    /** Whether the ring is gone. Any thread. */
    boolean isRetired() {
        return retired;
    }

    /** How many there are, free or not. */
    int count() {
        return kiocbs.length;
    }

    /**
     * Puts an operation into a free slot, for the kernel to be told of; {@link #NONE} if none is free. To be followed
     * by {@link #keep} or {@link #leave}. The placer.
     */
    int take(Kiocb kiocb) {
        // Acquire: pairs with the release in giveBack; the slot's number is there, and its former kiocb is gone.
        if (freeHead == (int) FREE_TAIL.getAcquire(this)) {
            return NONE;
        }
        int slot = free[freeHead & freeMask];
        // Release: pairs with the acquire in get. The kernel's own order between the doorbell and the completion
        // would do; this says it.
        KIOCB.setRelease(kiocbs, slot, kiocb);
        return slot;
    }

    /** How many are free, or more by now. The placer. */
    int free() {
        // Acquire: pairs with the release in giveBack.
        return (int) FREE_TAIL.getAcquire(this) - freeHead;
    }

    /** The slot just taken is in the ring; the operation may even have ended. The placer. */
    void keep() {
        freeHead++;
    }

    /** The slot just taken did not get into the ring: it is free as before. The placer. */
    void leave(int slot) {
        kiocbs[slot] = null;
    }

    /** The operation of a slot that has been placed and has not ended. The completer, and who rings. */
    Kiocb get(int slot) {
        // Acquire: pairs with the release in take.
        Kiocb kiocb = (Kiocb) KIOCB.getAcquire(kiocbs, slot);
        assert kiocb != null : "slot " + slot + " is free";
        return kiocb;
    }

    /** The operation of a slot, which the completer may be ending; null if there is none. The placer. */
    @Nullable
    Kiocb peek(int slot) {
        // Acquire: as get.
        return (Kiocb) KIOCB.getAcquire(kiocbs, slot);
    }

    /** Whether there is an operation in a slot. The completer, when nobody places. */
    boolean isTaken(int slot) {
        return kiocbs[slot] != null;
    }

    /** Whether there is an operation in any. The completer, when nobody places. */
    boolean isAnyTaken() {
        for (int slot = 0; slot < kiocbs.length; slot++) {
            if (isTaken(slot)) {
                return true;
            }
        }
        return false;
    }

    /** Frees a slot whose operation has ended. The completer. */
    void giveBack(int slot) {
        kiocbs[slot] = null;
        int tail = freeTail;
        free[tail & freeMask] = slot;
        // Release: pairs with the acquire in take.
        FREE_TAIL.setRelease(this, tail + 1);
    }
}
