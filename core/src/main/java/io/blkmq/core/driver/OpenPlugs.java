package io.blkmq.core.driver;

import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * The plugs that hold something, by thread: a thread that is about to wait inside blkmq sends down its own first, since nobody else
 * could, and it may be these that it waits for. The kernel's counterpart is {@code current->plug}.
 *
 * <p>One plug of a thread has a slot, found by the thread's id; further ones, and those of threads whose slot is taken, are in a map.
 * A slot is taken by compare-and-set and emptied by its owner alone, or taken over from a thread that has ended. {@link RequestBatch#holder} is written by the plug's thread
 * and says to that thread that the plug is its own; what another thread reads there is never that thread itself.
 */
final class OpenPlugs {
    private static final int SLOTS = 256;
    /** So far apart that no two slots share a cache line. */
    private static final int STRIDE_SHIFT = 4;
    private static final AtomicReferenceArray<@Nullable RequestBatch> TABLE = new AtomicReferenceArray<>(
            SLOTS << STRIDE_SHIFT);
    /** The first of each thread's further plugs, linked by {@link RequestBatch#nextOpen}. */
    private static final ConcurrentHashMap<Thread, RequestBatch> OTHERS = new ConcurrentHashMap<>();

    private OpenPlugs() {}

    private static int slot(Thread thread) {
        return ((int) thread.threadId() & (SLOTS - 1)) << STRIDE_SHIFT;
    }

    /** A plug of the calling thread holds something from now on. */
    static void add(RequestBatch plug) {
        Thread thread = Thread.currentThread();
        plug.holder = thread;
        if (!takeSlot(slot(thread), plug)) {
            plug.nextOpen = OTHERS.get(thread);
            OTHERS.put(thread, plug);
        }
    }

    private static boolean takeSlot(int slot, RequestBatch plug) {
        if (TABLE.compareAndSet(slot, null, plug)) {
            return true;
        }
        // A thread that has ended with a plug that holds something: nobody will flush it. That it has ended shows what it wrote last.
        RequestBatch before = TABLE.get(slot);
        Thread holder = before == null ? null : before.holder;
        return holder != null && !holder.isAlive() && TABLE.compareAndSet(slot, before, plug);
    }

    /** A plug holds nothing any more. */
    @SuppressWarnings("ReferenceEquality") // this very plug
    static void remove(RequestBatch plug) {
        Thread thread = Objects.requireNonNull(plug.holder);
        plug.holder = null;
        int slot = slot(thread);
        if (TABLE.getPlain(slot) == plug) {
            // Release: the plug may be another thread's later.
            TABLE.setRelease(slot, null);
            return;
        }
        RequestBatch first = OTHERS.get(thread);
        if (first == plug) {
            RequestBatch next = plug.nextOpen;
            if (next == null) {
                OTHERS.remove(thread);
            } else {
                OTHERS.put(thread, next);
            }
        } else {
            for (RequestBatch at = first; at != null; at = at.nextOpen) {
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
    static boolean flushOwn() {
        Thread thread = Thread.currentThread();
        boolean found = false;
        for (RequestBatch plug = first(thread); plug != null; plug = first(thread)) {
            plug.flushTo(plug.context().queue());
            found = true;
        }
        return found;
    }

    @SuppressWarnings("ReferenceEquality") // this very thread
    private static @Nullable RequestBatch first(Thread thread) {
        RequestBatch plug = TABLE.get(slot(thread));
        return plug != null && plug.holder == thread ? plug : OTHERS.get(thread);
    }
}
