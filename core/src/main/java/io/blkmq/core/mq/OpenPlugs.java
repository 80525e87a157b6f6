package io.blkmq.core.mq;

import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * The plugs that hold something, by thread: a thread that is about to wait inside blkmq sends down its own first, since nobody else
 * could, and it may be these that it waits for. The kernel's counterpart is {@code current->plug}.
 *
 * <p>A thread has eight slots by its id, which it may share with other threads. A plug takes one by compare-and-set, tries the one
 * first that it had before, and empties it itself; so threads whose ids meet do not get into each other's way. A slot is taken over from
 * a thread that has ended. What finds none is in a map. {@link Batch#holder} is written by the plug's thread and says to that
 * thread that the plug is its own; what another thread reads there is never that thread itself.
 */
public final class OpenPlugs {
    private static final int WAYS = 8;
    private static final int PLACES = 32;
    /** So far apart that no two slots share a cache line. */
    private static final int STRIDE_SHIFT = 4;
    private static final AtomicReferenceArray<@Nullable Batch> TABLE = new AtomicReferenceArray<>(
            (PLACES * WAYS) << STRIDE_SHIFT);
    /** The first of each thread's further plugs, linked by {@link Batch#nextOpen}. */
    private static final ConcurrentHashMap<Thread, Batch> OTHERS = new ConcurrentHashMap<>();

    private OpenPlugs() {}

    /** The first of a thread's eight slots. */
    private static int firstSlot(Thread thread) {
        return ((int) thread.threadId() & (PLACES - 1)) * WAYS;
    }

    /** A plug of the calling thread holds something from now on. */
    static void add(Batch plug) {
        Thread thread = Thread.currentThread();
        plug.holder = thread;
        int first = firstSlot(thread);
        int begin = (plug.openSlot & -WAYS) == first ? plug.openSlot : (int) (thread.threadId() / PLACES);
        for (int i = 0; i < WAYS; i++) {
            int slot = first + (begin + i & (WAYS - 1));
            if (takes(slot, plug)) {
                plug.openSlot = slot;
                return;
            }
        }
        plug.openSlot = Batch.NO_SLOT;
        plug.nextOpen = OTHERS.get(thread);
        OTHERS.put(thread, plug);
    }

    private static boolean takes(int slot, Batch plug) {
        int at = slot << STRIDE_SHIFT;
        if (TABLE.compareAndSet(at, null, plug)) {
            return true;
        }
        // A thread that has ended with a plug that holds something: nobody will flush it. That it has ended shows what it wrote last.
        Batch before = TABLE.get(at);
        Thread holder = before == null ? null : before.holder;
        return holder != null && !holder.isAlive() && TABLE.compareAndSet(at, before, plug);
    }

    /** A plug holds nothing any more. */
    @SuppressWarnings("ReferenceEquality") // this very plug
    static void remove(Batch plug) {
        Thread thread = Objects.requireNonNull(plug.holder);
        plug.holder = null;
        if (plug.openSlot != Batch.NO_SLOT) {
            int at = plug.openSlot << STRIDE_SHIFT;
            // Another's by now, if the plug's thread had ended.
            if (TABLE.getPlain(at) == plug) {
                // Release: the plug may be another thread's later. It keeps the number, to try that slot first.
                TABLE.setRelease(at, null);
            }
            return;
        }
        Batch first = OTHERS.get(thread);
        if (first == plug) {
            Batch next = plug.nextOpen;
            if (next == null) {
                OTHERS.remove(thread);
            } else {
                OTHERS.put(thread, next);
            }
        } else {
            for (Batch at = first; at != null; at = at.nextOpen) {
                if (at.nextOpen == plug) {
                    at.nextOpen = plug.nextOpen;
                    break;
                }
            }
        }
        plug.nextOpen = null;
    }

    /**
     * Sends down what the calling thread holds back, before it waits: also what completions submit to its plugs meanwhile. Returns whether
     * that was something.
     */
    public static boolean flushOwn() {
        Thread thread = Thread.currentThread();
        boolean found = false;
        for (Batch plug = first(thread); plug != null; plug = first(thread)) {
            plug.flushHeld();
            found = true;
        }
        return found;
    }

    @SuppressWarnings("ReferenceEquality") // this very thread
    private static @Nullable Batch first(Thread thread) {
        int from = firstSlot(thread);
        for (int slot = from; slot < from + WAYS; slot++) {
            Batch plug = TABLE.get(slot << STRIDE_SHIFT);
            if (plug != null && plug.holder == thread) {
                return plug;
            }
        }
        return OTHERS.get(thread);
    }
}
