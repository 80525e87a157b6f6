package io.blkmq.testkit.fs;

import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.TreeException;

/**
 * A part of a change of a file system that a crash leaves or loses as a whole. It is applied to a tree in which other effects may be
 * missing: whatever it needs that is not there is made, or it does nothing.
 */
sealed interface FileEffect {
    /** A directory gets an entry, in place of one of the same name. */
    record Entry(long directory, String name, long inode) implements FileEffect {}

    /** A directory loses an entry. */
    record NoEntry(long directory, String name) implements FileEffect {}

    /** An entry moves. */
    record Move(long fromDirectory, String fromName, long toDirectory, String toName,
            long inode) implements FileEffect {}

    /** Two entries change places. */
    record Swap(long oneDirectory, String oneName, long one, long otherDirectory, String otherName,
            long other) implements FileEffect {}

    /** A file gets a size. */
    record Size(long inode, long size) implements FileEffect {}

    /**
     * Data of a write comes to the medium.
     *
     * @param data of the whole write
     * @param from where this part of it begins
     * @param offset of this part in the file
     * @param grows whether the file's size on the medium follows
     */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares effects, or changes their data
    record Data(long inode, long offset, byte[] data, int from, int length, boolean grows) implements FileEffect {}

    /**
     * A file's size on the medium follows its data, which is there.
     *
     * @param least what the file is smaller than only if a later truncation has made it so, which this does not undo
     */
    record Growth(long inode, long size, long least) implements FileEffect {}

    /** A truncation writes zeroes to the rest of the unit in which the file ends from then on. */
    record Trim(long inode, long offset, long length) implements FileEffect {}

    /** A range reads as zeroes. */
    record Hole(long inode, long offset, long length) implements FileEffect {}

    /**
     * Applies it.
     *
     * @param tree to which
     */
    default void applyTo(FileTree tree) {
        switch (this) {
            case Entry e -> tree.putEntry(e.directory, e.name, e.inode);
            case NoEntry e -> tree.removeEntry(e.directory, e.name);
            case Move e -> {
                tree.removeEntry(e.fromDirectory, e.fromName);
                tree.putEntry(e.toDirectory, e.toName, e.inode);
            }
            case Swap e -> {
                tree.putEntry(e.oneDirectory, e.oneName, e.other);
                tree.putEntry(e.otherDirectory, e.otherName, e.one);
            }
            case Size e -> tree.setSize(e.inode, e.size);
            case Data e -> {
                if (e.grows) {
                    grow(tree, e.inode, e.offset + e.length);
                }
                tree.poke(e.inode, e.offset, e.data, e.from, e.length);
            }
            case Growth e -> {
                long size = sizeOf(tree, e.inode);
                if (size >= e.least && size < e.size) {
                    tree.setSize(e.inode, e.size);
                }
            }
            case Trim e -> zero(tree, e.inode, e.offset, e.length);
            case Hole e -> zero(tree, e.inode, e.offset, e.length);
        }
    }

    private static void grow(FileTree tree, long inode, long size) {
        long before = sizeOf(tree, inode);
        if (before >= 0 && before < size) {
            tree.setSize(inode, size);
        }
    }

    private static void zero(FileTree tree, long inode, long offset, long length) {
        byte[] zeroes = new byte[(int) Math.min(length, ZEROES_MAX)];
        for (long done = 0; done < length; done += zeroes.length) {
            tree.poke(inode, offset + done, zeroes, 0, (int) Math.min(zeroes.length, length - done));
        }
    }

    /** Negative of a file that is gone, as one is that had no name when the record began: what is done to it changes nothing. */
    private static long sizeOf(FileTree tree, long inode) {
        try {
            return tree.attributes(inode).size();
        } catch (TreeException _) {
            return -1;
        }
    }

    /** Zeroes are written so many at once. */
    int ZEROES_MAX = 64 << 10;
}
