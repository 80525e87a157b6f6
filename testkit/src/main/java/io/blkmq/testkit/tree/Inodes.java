package io.blkmq.testkit.tree;

import org.jspecify.annotations.Nullable;

/**
 * The inodes of a tree by number, with what each takes of the capacity. Guarded by the lock of the tree. An inode that it gives may
 * belong to several trees; {@link #own} gives one that may be modified.
 */
final class Inodes {
    private final LongTrie<Inode> table;
    private Owner owner = new Owner();
    private long next;
    private long pages;

    Inodes() {
        this.table = new LongTrie<>();
        this.next = FileTree.ROOT;
    }

    private Inodes(LongTrie<Inode> table, long next, long pages) {
        this.table = table;
        this.next = next;
        this.pages = pages;
    }

    /** A copy; from now on all that both have is read-only. */
    Inodes fork() {
        owner = new Owner();
        return new Inodes(table.copy(), next, pages);
    }

    /** Who modifies what this tree alone has. */
    Owner owner() {
        return owner;
    }

    long size() {
        return table.size();
    }

    /** What all files take of the capacity. */
    long pages() {
        return pages;
    }

    /** A number that no inode has had. */
    long newNumber() {
        return next++;
    }

    /** Whether there has been an inode of that number. */
    boolean everHad(long number) {
        return number >= FileTree.ROOT && number < next;
    }

    @Nullable
    Inode find(long number) {
        return number < 0 || number > LongTrie.KEY_MAX ? null : table.get(number);
    }

    Inode get(long number) throws TreeException {
        Inode found = find(number);
        if (found == null) {
            throw new TreeException(Errno.ENOENT, "there is no inode " + number + (everHad(number) ? " any more" : ""));
        }
        return found;
    }

    Directory directory(long number) throws TreeException {
        if (get(number) instanceof Directory directory) {
            return directory;
        }
        throw new TreeException(Errno.ENOTDIR, "inode " + number + " is no directory");
    }

    RegularFile file(long number) throws TreeException {
        Inode inode = get(number);
        if (inode instanceof RegularFile file) {
            return file;
        }
        throw new TreeException(inode instanceof Directory ? Errno.EISDIR : Errno.ELOOP,
                "inode " + number + " is no regular file but a " + inode.kind());
    }

    void add(Inode inode) {
        next = Math.max(next, inode.number + 1);
        table.put(owner, inode.number, inode);
    }

    /** An inode to be modified, which is the tree's own from now on. */
    @SuppressWarnings("unchecked") // a copy has the class of its original
    <I extends Inode> I own(I inode) {
        if (inode.owner == owner) {
            return inode;
        }
        I copy = (I) inode.copyFor(owner);
        table.put(owner, inode.number, copy);
        return copy;
    }

    void drop(Inode inode) {
        pages -= inode.pages();
        table.remove(owner, inode.number);
    }

    /** Says that the pages of a file have become more or fewer. */
    void pagesChanged(long difference) {
        pages += difference;
    }

    void forEach(LongTrie.Visitor<Inode> visitor) {
        table.forEach(0, visitor);
    }
}
