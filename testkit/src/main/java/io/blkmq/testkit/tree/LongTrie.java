package io.blkmq.testkit.tree;

import org.jspecify.annotations.Nullable;

/**
 * A sorted map of which a copy costs nothing. Keys are from 0 to {@link #KEY_MAX}. Two copies share their branches; a branch that does
 * not belong to the {@link Owner} who modifies is copied first, and so are those above it.
 *
 * <p>A branch has up to 64 slots, one for each value of six bits of the key, of which only the used ones are stored. Levels on which
 * there is one way only are left out, so both dense and scattered keys make a flat trie.
 *
 * <p>Not thread-safe, but copies may be used by different threads.
 */
final class LongTrie<V> {
    static final long KEY_MAX = (1L << 60) - 1;

    private static final int BITS = 6;

    /** Sees the entries of a map. */
    @FunctionalInterface
    interface Visitor<V> {
        /** Returns whether it wants to see more. The map must not change meanwhile. */
        boolean visit(long key, V value);
    }

    /** What an entry adds to the fingerprint of the map. */
    @FunctionalInterface
    interface Summand<V> {
        Fingerprint of(long key, V value);
    }

    private @Nullable Branch root;
    private long size;

    LongTrie() {
        this.root = null;
    }

    private LongTrie(@Nullable Branch root, long size) {
        this.root = root;
        this.size = size;
    }

    /** The same entries; each of the two has to be modified by an owner that has modified none of the common branches. */
    LongTrie<V> copy() {
        return new LongTrie<>(root, size);
    }

    long size() {
        return size;
    }

    @Nullable
    V get(long key) {
        Branch branch = root;
        while (branch != null && branch.covers(key) && branch.has(key)) {
            Object slot = branch.slots[branch.index(key)];
            if (branch.shift == 0) {
                return value(slot);
            }
            branch = (Branch) slot;
        }
        return null;
    }

    /** Sets the value; also has to be called when a value has changed in itself, for {@link #sum}. */
    void put(Owner owner, long key, V value) {
        if (key < 0 || key > KEY_MAX) {
            throw new IllegalArgumentException("key " + key + ": 0 to " + KEY_MAX + " are possible");
        }
        root = root == null ? leaf(owner, key, value) : with(root, owner, key, value);
    }

    /** Removes an entry if it is there. */
    void remove(Owner owner, long key) {
        if (root != null && get(key) != null) {
            root = without(root, owner, key);
            size--;
        }
    }

    /** Shows the entries from a key on, in their order; returns false if the visitor has ended it. */
    boolean forEach(long from, Visitor<V> visitor) {
        return root == null || forEach(root, from, visitor);
    }

    /** The sum over all entries; what has not changed since the last time is not computed again. */
    Fingerprint sum(Summand<V> summand) {
        return root == null ? Fingerprint.ZERO : sum(root, summand);
    }

    private Branch with(Branch branch, Owner owner, long key, V value) {
        if (!branch.covers(key)) {
            return Branch.join(owner, branch, key, leaf(owner, key, value));
        }
        Branch own = branch.of(owner);
        int index = own.index(key);
        if (!own.has(key)) {
            own.insert(key, own.shift == 0 ? counted(value) : leaf(owner, key, value));
        } else if (own.shift == 0) {
            own.slots[index] = value;
        } else {
            own.slots[index] = with((Branch) own.slots[index], owner, key, value);
        }
        return own;
    }

    private Object counted(V value) {
        size++;
        return value;
    }

    private Branch leaf(Owner owner, long key, V value) {
        Branch leaf = new Branch(owner, 0, key >>> BITS);
        leaf.insert(key, counted(value));
        return leaf;
    }

    private @Nullable Branch without(Branch branch, Owner owner, long key) {
        int index = branch.index(key);
        Branch below = branch.shift == 0 ? null : without((Branch) branch.slots[index], owner, key);
        if (below == null && branch.slots.length == 1) {
            return null;
        }
        Branch own = branch.of(owner);
        if (below != null) {
            own.slots[index] = below;
        } else {
            own.delete(key);
        }
        return own.shift > 0 && own.slots.length == 1 ? (Branch) own.slots[0] : own;
    }

    private boolean forEach(Branch branch, long from, Visitor<V> visitor) {
        long first = branch.prefix << (branch.shift + BITS);
        if (from > first && !branch.covers(from)) {
            return true;
        }
        int index = from > first ? branch.index(from) : 0;
        long left = from > first ? branch.bitmap & -(1L << (from >>> branch.shift)) : branch.bitmap;
        for (; left != 0; left &= left - 1) {
            Object slot = branch.slots[index++];
            boolean more = branch.shift == 0
                    ? visitor.visit(first + Long.numberOfTrailingZeros(left), value(slot))
                    : forEach((Branch) slot, from, visitor);
            if (!more) {
                return false;
            }
        }
        return true;
    }

    private Fingerprint sum(Branch branch, Summand<V> summand) {
        Fingerprint known = branch.sum;
        if (known != null) {
            return known;
        }
        Fingerprint sum = Fingerprint.ZERO;
        long key = branch.prefix << BITS;
        int index = 0;
        for (long left = branch.bitmap; left != 0; left &= left - 1) {
            Object slot = branch.slots[index++];
            sum = sum.plus(branch.shift > 0
                    ? sum((Branch) slot, summand)
                    : summand.of(key + Long.numberOfTrailingZeros(left), value(slot)));
        }
        branch.sum = sum;
        return sum;
    }

    @SuppressWarnings("unchecked") // slots of a branch of shift 0 hold values only, which a trie of this type has put there
    private V value(Object slot) {
        return (V) slot;
    }

    /** Entries whose keys have the same bits above those of the branch. */
    private static final class Branch {
        final Owner owner;
        /** Of the six bits of the key that choose the slot: 0 for a branch of values, otherwise of branches. */
        final int shift;
        /** The bits above them. */
        final long prefix;
        /** Which slots are used. */
        long bitmap;
        Object[] slots;
        /** Null after a change. Several threads may compute it: all find the same, and it is immutable. */
        @Nullable
        Fingerprint sum;

        Branch(Owner owner, int shift, long prefix) {
            this.owner = owner;
            this.shift = shift;
            this.prefix = prefix;
            this.slots = new Object[0];
        }

        /** A branch that has both another one and a new one, whose keys it tells apart. */
        static Branch join(Owner owner, Branch one, long key, Branch other) {
            long differing = (one.prefix << (one.shift + BITS)) ^ key;
            int shift = (Long.SIZE - 1 - Long.numberOfLeadingZeros(differing)) / BITS * BITS;
            Branch joined = new Branch(owner, shift, key >>> (shift + BITS));
            joined.insert(one.prefix << (one.shift + BITS), one);
            joined.insert(key, other);
            return joined;
        }

        boolean covers(long key) {
            return key >>> (shift + BITS) == prefix;
        }

        boolean has(long key) {
            return ((bitmap >>> (key >>> shift)) & 1) != 0;
        }

        /** Where the slot of a key is, or would be. */
        int index(long key) {
            return Long.bitCount(bitmap & ((1L << (key >>> shift)) - 1));
        }

        /** This one or a copy, to be modified by an owner. */
        Branch of(Owner modifier) {
            Branch own = this;
            if (owner != modifier) {
                own = new Branch(modifier, shift, prefix);
                own.bitmap = bitmap;
                own.slots = slots.clone();
            }
            own.sum = null;
            return own;
        }

        void insert(long key, Object value) {
            int index = index(key);
            Object[] more = new Object[slots.length + 1];
            System.arraycopy(slots, 0, more, 0, index);
            more[index] = value;
            System.arraycopy(slots, index, more, index + 1, slots.length - index);
            slots = more;
            bitmap |= 1L << (key >>> shift);
        }

        void delete(long key) {
            int index = index(key);
            Object[] fewer = new Object[slots.length - 1];
            System.arraycopy(slots, 0, fewer, 0, index);
            System.arraycopy(slots, index + 1, fewer, index, fewer.length - index);
            slots = fewer;
            bitmap &= ~(1L << (key >>> shift));
        }
    }
}
