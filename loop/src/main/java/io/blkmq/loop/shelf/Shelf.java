package io.blkmq.loop.shelf;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Where tools lie that are dear to make, that one thread uses at a time, and of which nothing may be left behind. A thread looks first
 * where its id points to, since it finds there the tool that it used last; then everywhere else. So whoever finds none needs one that
 * does not exist: there are never more tools than threads that have used one at the same time.
 *
 * <p>A tool lies in one place or is one thread's. It leaves its place by a swap, which gives it to one of those that reach for it, and
 * comes to a place by a swap for nothing, so that it displaces none.
 *
 * <p>The end. Who closes says so, and then takes what lies there; who gives puts down, and then looks whether it is closed. Both are
 * volatile, so at least one of them sees what the other did, and the swap decides which of them has the tool. Thread-safe.
 */
public final class Shelf<T> {
    /** How many tools can lie here. A thread that finds no place for one does away with it. */
    public static final int PLACES = 32;
    /** Places are a line of the cache apart: 64 bytes of references. */
    private static final int STRIDE = 16;

    private final AtomicReferenceArray<@Nullable T> places = new AtomicReferenceArray<>(PLACES * STRIDE);
    private volatile boolean closed;

    /**
     * Takes a tool.
     *
     * @param id of the thread that takes
     * @return null if there is none
     */
    @Nullable
    public T take(long id) {
        for (int i = 0; i < PLACES; i++) {
            int place = place(id + i);
            if (places.get(place) != null) {
                T tool = places.getAndSet(place, null);
                if (tool != null) {
                    return tool;
                }
            }
        }
        return null;
    }

    /**
     * Puts a tool down.
     *
     * @param id of the thread that gives
     * @return false if there is no room, or nothing is kept any more: the tool is the caller's, who does away with it
     */
    public boolean give(long id, T tool) {
        for (int i = 0; i < PLACES; i++) {
            int place = place(id + i);
            if (places.get(place) == null && places.compareAndSet(place, null, tool)) {
                // After it lies there: who closes has not seen it, or has it.
                return !closed || !places.compareAndSet(place, tool, null);
            }
        }
        return false;
    }

    private static int place(long id) {
        return (int) (id & (PLACES - 1)) * STRIDE;
    }

    /**
     * Keeps nothing from now on.
     *
     * @return the tools that lay here, for the caller to do away with
     */
    public List<T> close() {
        // Before the look: see above.
        closed = true;
        List<T> left = new ArrayList<>();
        for (int i = 0; i < PLACES; i++) {
            T tool = places.getAndSet(place(i), null);
            if (tool != null) {
                left.add(tool);
            }
        }
        return left;
    }
}
