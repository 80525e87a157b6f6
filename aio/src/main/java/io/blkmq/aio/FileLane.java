package io.blkmq.aio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * What one file has in one ring: how many operations hold a slot, and those that wait for one, oldest first.
 *
 * <p>The count has two parts, each with one writer: {@link #taken} is the placer's, {@link #given} the completer's. The rest is the
 * placer's.
 */
final class FileLane {

    private static final VarHandle GIVEN;

    static {
        try {
            GIVEN = MethodHandles.lookup().findVarHandle(FileLane.class, "given", int.class).withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** The ring, for {@link NativeFile#lane}. */
    final Slots slots;

    /** The next of those that have operations waiting; a circle. The {@link DeferredList}'s. */
    FileLane next = this;
    /** The one before. The {@link DeferredList}'s. */
    FileLane before = this;

    private @Nullable Kiocb head;
    private @Nullable Kiocb tail;
    /** Slots taken so far; may wrap around. */
    private int taken;
    /** Slots given back so far; may wrap around. Written through GIVEN. */
    private int given;

    FileLane(Slots slots) {
        this.slots = slots;
    }

    // Slots.

    /** How many slots the file holds, or a few more: one that is being given back may still count. The placer. */
    int held() {
        // Acquire: pairs with the release in gaveBack. Who looks again after the fences of the deferred list misses none.
        return taken - (int) GIVEN.getAcquire(this);
    }

    /** The file has taken a slot. The placer. */
    void took() {
        taken++;
    }

    /** The slot just taken did not get into the ring. The placer. */
    void left() {
        taken--;
    }

    /** The file has given a slot back. The completer. */
    void gaveBack() {
        // Release: pairs with the acquire in held. Only the completer writes it, so that its own plain look is right.
        GIVEN.setRelease(this, given + 1);
    }

    // Operations that wait.

    @Nullable
    Kiocb first() {
        return head;
    }

    void addLast(Kiocb kiocb) {
        kiocb.next = null;
        Kiocb last = tail;
        if (last == null) {
            head = kiocb;
        } else {
            last.next = kiocb;
        }
        tail = kiocb;
    }

    void addFirst(Kiocb kiocb) {
        kiocb.next = head;
        if (tail == null) {
            tail = kiocb;
        }
        head = kiocb;
    }

    /** Takes all, linked by their next. */
    @Nullable
    Kiocb takeAll() {
        Kiocb all = head;
        head = null;
        tail = null;
        return all;
    }

    /** Removes the first, whose next was {@code second}. */
    void removeFirst(@Nullable Kiocb second) {
        head = second;
        if (second == null) {
            tail = null;
        }
    }
}
