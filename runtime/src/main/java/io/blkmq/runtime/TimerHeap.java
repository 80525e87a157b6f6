package io.blkmq.runtime;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Timers, the first that is due on top; those of the same time in the order in which they were added. A binary heap in which each timer
 * knows its place, so that one is called off without a search. Guarded by its user's lock.
 */
final class TimerHeap<T extends TimerHeap.Entry> {
    private static final int CAPACITY = 16;

    /** A timer. */
    abstract static class Entry {
        private static final int NOWHERE = -1;

        final long due;
        private final long number;
        /** Its place in the heap. */
        private int place = NOWHERE;

        /**
         * A timer that is in no heap.
         *
         * @param due when
         * @param number is higher for what comes later among those of the same time
         */
        Entry(long due, long number) {
            this.due = due;
            this.number = number;
        }

        private boolean isBefore(Entry other) {
            // The clock has no beginning: only differences count.
            long difference = due - other.due;
            return difference < 0 || (difference == 0 && number < other.number);
        }
    }

    private @Nullable Entry[] entries = new Entry[CAPACITY];
    private int count;

    boolean isEmpty() {
        return count == 0;
    }

    /** The first that is due; null if there is none. */
    @SuppressWarnings("unchecked") // all that are added are of that type
    @Nullable
    T first() {
        return (T) entries[0];
    }

    void add(T entry) {
        if (count == entries.length) {
            entries = Arrays.copyOf(entries, 2 * count);
        }
        rise(entry, count++);
    }

    /** Takes an entry out; false if it is not there. */
    boolean remove(T timer) {
        Entry entry = timer;
        int place = entry.place;
        if (place == Entry.NOWHERE) {
            return false;
        }
        entry.place = Entry.NOWHERE;
        Entry last = at(--count);
        entries[count] = null;
        if (place != count) {
            if (last.isBefore(entry)) {
                rise(last, place);
            } else {
                sink(last, place);
            }
        }
        return true;
    }

    /** Puts an entry at a free place, or nearer to the top. */
    private void rise(Entry entry, int free) {
        int place = free;
        while (place > 0) {
            int parent = (place - 1) / 2;
            if (!entry.isBefore(at(parent))) {
                break;
            }
            put(at(parent), place);
            place = parent;
        }
        put(entry, place);
    }

    /** Puts an entry at a free place, or further from the top. */
    private void sink(Entry entry, int free) {
        int place = free;
        for (int child = 2 * place + 1; child < count; child = 2 * place + 1) {
            if (child + 1 < count && at(child + 1).isBefore(at(child))) {
                child++;
            }
            if (!at(child).isBefore(entry)) {
                break;
            }
            put(at(child), place);
            place = child;
        }
        put(entry, place);
    }

    private Entry at(int place) {
        return Objects.requireNonNull(entries[place]);
    }

    private void put(Entry entry, int place) {
        entries[place] = entry;
        entry.place = place;
    }
}
