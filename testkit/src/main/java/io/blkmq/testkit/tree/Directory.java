package io.blkmq.testkit.tree;

import org.jspecify.annotations.Nullable;

/**
 * An inode with names. They are kept by their cookies: the hash code of the name, mixed, and below it a number that tells names with the
 * same hash code apart.
 */
final class Directory extends Inode {
    private static final int SLOT_BITS = 20;
    /** As on ext4. */
    private static final int SIZE = 4096;

    private static final Fingerprint IDENTITY = Fingerprint.ZERO.and(2);

    private final LongTrie<Name> names;
    /** The directory above; of the root the root. */
    long parent;

    Directory(Owner owner, long number, int mode, long parent, long nowNanos) {
        super(owner, number, mode, nowNanos);
        this.names = new LongTrie<>();
        this.parent = parent;
    }

    private Directory(Owner owner, Directory other) {
        super(owner, other);
        this.names = other.names.copy();
        this.parent = other.parent;
    }

    @Override
    Directory copyFor(Owner modifier) {
        return new Directory(modifier, this);
    }

    @Override
    Kind kind() {
        return Kind.DIRECTORY;
    }

    /** All there is to a directory is that it is one: its entries are inodes. */
    @Override
    Fingerprint identity() {
        return IDENTITY;
    }

    @Override
    long size() {
        return SIZE;
    }

    boolean isEmpty() {
        return names.size() == 0;
    }

    /** The inode that has a name, 0 for none. */
    long find(String name) {
        Name found = names.get(cookieOf(name));
        if (found == null || !found.text.equals(name)) {
            found = search(name);
        }
        return found == null ? 0 : found.inode;
    }

    private @Nullable Name search(String name) {
        long cookie = cookieFor(name);
        Name found = names.get(cookie);
        return found != null && found.text.equals(name) ? found : null;
    }

    /** Gives a name to an inode, in place of the one that has it. */
    void put(String name, long inode) {
        names.put(owner, cookieFor(name), new Name(name, inode));
    }

    /** Takes a name away, if it is there. */
    void remove(String name) {
        long cookie = cookieFor(name);
        if (names.get(cookie) != null) {
            names.remove(owner, cookie);
        }
    }

    void forEach(long from, LongTrie.Visitor<Name> visitor) {
        names.forEach(from, visitor);
    }

    /** The cookie that a name has, or the first free one that it may get. */
    private long cookieFor(String name) {
        long first = cookieOf(name);
        long[] free = {first, -1};
        names.forEach(first, (cookie, found) -> {
            if (cookie >>> SLOT_BITS != first >>> SLOT_BITS) {
                return false;
            }
            if (found.text.equals(name)) {
                free[1] = cookie;
                return false;
            }
            free[0] += free[0] == cookie ? 1 : 0;
            return true;
        });
        return free[1] >= 0 ? free[1] : free[0];
    }

    /** Mixed, so that an order of names in which they were made, or which is theirs, is not the order of listings. */
    private static long cookieOf(String name) {
        int mixed = name.hashCode() * 0x9e37_79b9;
        mixed ^= mixed >>> 15;
        return (Integer.toUnsignedLong(mixed) << SLOT_BITS) + FileTree.FIRST_COOKIE;
    }

    /** A name; immutable. */
    static final class Name {
        final String text;
        final long inode;
        /** Several threads may compute it: all find the same, and it is immutable. */
        private @Nullable Fingerprint digest;

        Name(String text, long inode) {
            this.text = text;
            this.inode = inode;
        }

        Fingerprint digest() {
            Fingerprint known = digest;
            if (known == null) {
                known = Fingerprint.ofText(text);
                digest = known;
            }
            return known;
        }
    }
}
