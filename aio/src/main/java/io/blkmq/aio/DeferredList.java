package io.blkmq.aio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import org.jspecify.annotations.Nullable;

/**
 * Operations that wait for a slot or for room in the ring, linked through {@link Kiocb#next}: first come first served,
 * and what the kernel gave back before all others. So what is in flight is bounded only by the kiocbs there are. The
 * placer's, but for {@link #mayHaveAny}.
 *
 * <p>No operation is forgotten here. The list grows only when no slot is free, so slots will come back. Each side
 * writes, then looks at what the other side writes:
 *
 * <pre>
 *   placer                          completer
 *     puts an operation here          gives slots back
 *     full fence (addLastFenced)      full fence (fenceBeforeLook)
 *     looks at the slots              looks here (mayHaveAny)
 * </pre>
 *
 * <p>The two fences make sure that at least one of them sees what the other did, and places the operation. Without one
 * of them both looks may come too early: a slot is free, an operation waits, and nobody comes again. Where placer and
 * completer are one thread, it sees its own writes, and needs no fence as the completer.
 */
final class DeferredList {

    private static final VarHandle HEAD;

    static {
        try {
            HEAD = MethodHandles.lookup().findVarHandle(DeferredList.class, "head", Kiocb.class)
                    .withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Written by the placer; others look through HEAD whether there is any. */
    private @Nullable Kiocb head;
    private @Nullable Kiocb tail;
    /** The placer's. */
    private int size;

    /** The first, which stays; null if there is none. The placer. */
    @Nullable
    Kiocb first() {
        return head;
    }

    /** How many wait. The placer. */
    int size() {
        return size;
    }

    /** Whether any waits, as far as the calling thread knows. Any thread; the completer after its fence. */
    boolean mayHaveAny() {
        // Opaque: pairs with the opaque stores of the head; the fences give the order.
        return (Kiocb) HEAD.getOpaque(this) != null;
    }

    /** The completer's fence: after slots have been given back, before {@link #mayHaveAny}. */
    static void fenceBeforeLook() {
        // Pairs with the fence in addLastFenced: see there.
        VarHandle.fullFence();
    }

    /** Adds an operation behind all others. The slots are to be looked at once more after this. The placer. */
    void addLastFenced(Kiocb kiocb) {
        addLast(kiocb);
        // Pairs with the fence in fenceBeforeLook: a slot given back meanwhile is seen by who looks after this, or the
        // list is seen by who looks there.
        VarHandle.fullFence();
    }

    /** Adds an operation behind all others, without a fence. The placer, where it is the completer, too. */
    void addLast(Kiocb kiocb) {
        kiocb.next = null;
        Kiocb last = tail;
        if (last == null) {
            // Opaque, like every store of it: the look from outside of the lock sees it in the end, and the fences do
            // the rest.
            HEAD.setOpaque(this, kiocb);
        } else {
            last.next = kiocb;
        }
        tail = kiocb;
        size++;
    }

    /** Adds an operation before all others. The placer. */
    void addFirst(Kiocb kiocb) {
        kiocb.next = head;
        if (tail == null) {
            tail = kiocb;
        }
        HEAD.setOpaque(this, kiocb);
        size++;
    }

    /**
     * Removes the first, whose next was {@code second}: the caller read it before it placed the first, since from then
     * on the completer may have that, and its next is the list of the batch. The placer.
     */
    void removeFirst(@Nullable Kiocb second) {
        HEAD.setOpaque(this, second);
        size--;
        if (second == null) {
            tail = null;
        }
    }

    /** Takes the first; null if there is none. The placer. */
    @Nullable
    Kiocb takeFirst() {
        Kiocb first = head;
        if (first != null) {
            removeFirst(first.next);
            first.next = null;
        }
        return first;
    }
}
