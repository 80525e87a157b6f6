package io.blkmq.aio;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Operations that wait for a slot or for room in the ring. So what is in flight is bounded only by the kiocbs there are. The
 * placer's, but for {@link #mayHaveAny}.
 *
 * <p>The operations of a file wait in its {@link FileLane}, first come first served, and what the kernel gave back before all others.
 * The files take turns, one operation each. So however many operations of one file wait, those of another wait only for their turn.
 *
 * <p><b>A file's share of the slots.</b> Where several files use the ring, a file takes a slot only while it holds fewer than there are
 * free. One that wants all has half of the slots then, which is the ring's depth; two have a third each, <i>n</i> an <i>(n+1)</i>-th. So
 * there is a slot for a file that has none, also while all others wait for a disk that does not answer. (These are the dynamic thresholds
 * of Choudhury and Hahne for buffers of packets. The kernel's counterpart for tags, {@code hctx_may_queue}, needs to know how many take
 * part.) A file that has the ring to itself may have all slots.
 *
 * <p>No operation is forgotten here. One waits only while no slot is free, or its file holds one, so a slot will come back. Each side
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

    private static final VarHandle SIZE;

    static {
        try {
            SIZE = MethodHandles.lookup().findVarHandle(DeferredList.class, "size", int.class)
                    .withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Whose turn it is, of the files that have operations here; null if none has. */
    private @Nullable FileLane turn;
    /** Operations in all lanes. Written by the placer through SIZE; others look whether there is any. */
    private int size;

    /** How many wait. The placer. */
    int size() {
        return size;
    }

    /** Whether any waits, as far as the calling thread knows. Any thread; the completer after its fence. */
    boolean mayHaveAny() {
        // Opaque: pairs with the opaque stores of the size; the fences give the order.
        return (int) SIZE.getOpaque(this) != 0;
    }

    private void resize(int by) {
        // Opaque: the look from outside of the lock sees it in the end, and the fences do the rest.
        SIZE.setOpaque(this, size + by);
    }

    /** The completer's fence: after slots have been given back, before {@link #mayHaveAny}. */
    static void fenceBeforeLook() {
        // Pairs with the fence in addLastFenced: see there.
        VarHandle.fullFence();
    }

    /** Whether any of a file wait. The placer. */
    static boolean isWaiting(FileLane lane) {
        return lane.first() != null;
    }

    /** Whether a file may take one of so many free slots. The placer. */
    static boolean mayTake(FileLane lane, int free) {
        return lane.held() < free || (free > 0 && !lane.slots.isShared());
    }

    /**
     * The file whose turn it is, of those that may take one of so many free slots: its first operation is to be placed, and then
     * {@link #removeFirst}. Null if there is none. The placer.
     */
    @Nullable
    FileLane next(int free) {
        FileLane first = turn;
        if (first == null || free == 0) {
            return null;
        }
        FileLane lane = first;
        do {
            if (mayTake(lane, free)) {
                turn = lane;
                return lane;
            }
            lane = lane.next;
        } while (lane != first);
        return null;
    }

    /** Adds an operation behind all others of its file. The slots are to be looked at once more after this. The placer. */
    void addLastFenced(FileLane lane, Kiocb kiocb) {
        addLast(lane, kiocb);
        // Pairs with the fence in fenceBeforeLook: a slot given back meanwhile is seen by who looks after this, or the
        // list is seen by who looks there.
        VarHandle.fullFence();
    }

    /** Adds an operation behind all others of its file, without a fence. The placer, where it is the completer, too. */
    void addLast(FileLane lane, Kiocb kiocb) {
        if (lane.first() == null) {
            join(lane);
        }
        lane.addLast(kiocb);
        resize(1);
    }

    /** Adds an operation before all others of its file. The placer. */
    void addFirst(FileLane lane, Kiocb kiocb) {
        if (lane.first() == null) {
            join(lane);
        }
        lane.addFirst(kiocb);
        resize(1);
    }

    /**
     * Removes the first of a file whose turn it was, whose next was {@code second}: the caller read it before it placed the first, since
     * from then on the completer may have that, and its next is the list of the batch. The next file has its turn. The placer.
     */
    void removeFirst(FileLane lane, @Nullable Kiocb second) {
        lane.removeFirst(second);
        resize(-1);
        turn = lane.next;
        if (second == null) {
            part(lane);
        }
    }

    /** Takes one; null if there is none. The placer. */
    @Nullable
    Kiocb takeFirst() {
        FileLane lane = turn;
        if (lane == null) {
            return null;
        }
        Kiocb first = Objects.requireNonNull(lane.first());
        removeFirst(lane, first.next);
        first.next = null;
        return first;
    }

    /** Marks all to end early. The placer. */
    void cancelAll() {
        FileLane first = turn;
        if (first != null) {
            FileLane lane = first;
            do {
                for (Kiocb kiocb = lane.first(); kiocb != null; kiocb = kiocb.next) {
                    kiocb.wantCancel();
                }
                lane = lane.next;
            } while (lane != first);
        }
    }

    /** Takes all that are to end early, linked by their next; the others keep their places. The placer. */
    @Nullable
    Kiocb takeCancelled() {
        Kiocb cancelled = null;
        // Each file comes round once: those that part meanwhile are not the ones to come.
        for (int lanes = lanes(); lanes > 0; lanes--) {
            FileLane lane = Objects.requireNonNull(turn);
            turn = lane.next;
            Kiocb rest = lane.takeAll();
            while (rest != null) {
                Kiocb kiocb = rest;
                rest = kiocb.next;
                kiocb.next = null;
                if (kiocb.isCancelWanted()) {
                    kiocb.next = cancelled;
                    cancelled = kiocb;
                    resize(-1);
                } else {
                    lane.addLast(kiocb);
                }
            }
            if (lane.first() == null) {
                part(lane);
            }
        }
        return cancelled;
    }

    private int lanes() {
        int lanes = 0;
        FileLane first = turn;
        if (first != null) {
            FileLane lane = first;
            do {
                lanes++;
                lane = lane.next;
            } while (lane != first);
        }
        return lanes;
    }

    /** Lets a file take turns, behind all that do. */
    private void join(FileLane lane) {
        FileLane first = turn;
        if (first == null) {
            turn = lane;
            return;
        }
        FileLane last = first.before;
        last.next = lane;
        lane.before = last;
        lane.next = first;
        first.before = lane;
    }

    /** None of a file waits any more. */
    private void part(FileLane lane) {
        if (lane.next == lane) {
            turn = null;
            return;
        }
        lane.before.next = lane.next;
        lane.next.before = lane.before;
        lane.next = lane;
        lane.before = lane;
    }
}
