package io.blkmq.core.elevator;

import org.jspecify.annotations.Nullable;

/**
 * A list of requests that takes no memory of its own: each has the links to its neighbours. Guarded by the elevator's lock.
 *
 * @param <W> the elevator's notes
 */
final class WaitingList<W extends WaitingList.Entry> {
    /** Stands in one list at most. */
    abstract static class Entry {
        /** The list that it stands in, and its neighbours there. */
        @Nullable
        WaitingList<?> list;
        @Nullable
        Entry before;
        @Nullable
        Entry after;
    }

    private @Nullable W first;
    private @Nullable W last;

    @Nullable
    W first() {
        return first;
    }

    @Nullable
    W last() {
        return last;
    }

    boolean isEmpty() {
        return first == null;
    }

    @SuppressWarnings("unchecked")
    @Nullable
    W before(W entry) {
        // Whatever stands in this list was added as a W.
        return (W) entry.before;
    }

    void addLast(W entry) {
        assert entry.list == null : entry + " waits already";
        entry.list = this;
        entry.before = last;
        if (last == null) {
            first = entry;
        } else {
            last.after = entry;
        }
        last = entry;
    }

    void addFirst(W entry) {
        assert entry.list == null : entry + " waits already";
        entry.list = this;
        entry.after = first;
        if (first == null) {
            last = entry;
        } else {
            first.before = entry;
        }
        first = entry;
    }

    /** Puts an entry of this list right before another one. */
    void moveBefore(W entry, W other) {
        remove(entry);
        entry.list = this;
        Entry before = other.before;
        entry.before = before;
        entry.after = other;
        other.before = entry;
        if (before == null) {
            first = entry;
        } else {
            before.after = entry;
        }
    }

    @SuppressWarnings({"unchecked", "ReferenceEquality"})
    void remove(W entry) {
        assert entry.list == this : entry + " does not wait here";
        Entry before = entry.before;
        Entry after = entry.after;
        if (before == null) {
            first = (W) after;
        } else {
            before.after = after;
        }
        if (after == null) {
            last = (W) before;
        } else {
            after.before = before;
        }
        entry.list = null;
        entry.before = null;
        entry.after = null;
    }
}
