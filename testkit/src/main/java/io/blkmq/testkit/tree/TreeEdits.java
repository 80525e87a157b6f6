package io.blkmq.testkit.tree;

/**
 * Takes single effects on a tree, as {@link FileTree} has them: from {@link FileTree#difference} to a tree, or to where a tree is. In the
 * order in which they come; a {@link FileTree#settle} is due after the last.
 */
public interface TreeEdits {
    /** See {@link FileTree#restore}. */
    void restore(long inode, Kind kind, String target, int mode);

    /** See {@link FileTree#setMode}, {@link FileTree#setOwner} and {@link FileTree#setTimes}. */
    void describe(long inode, int mode, int uid, int gid, long accessedNanos, long modifiedNanos);

    /** See {@link FileTree#removeEntry}. */
    void removeEntry(long directory, String name);

    /** See {@link FileTree#putEntry}. */
    void putEntry(long directory, String name, long inode);

    /** See {@link FileTree#setSize}. */
    void setSize(long inode, long size);

    /** See {@link FileTree#poke}. The data is not modified later. */
    void poke(long inode, long offset, byte[] data, int from, int length);

    /** A range of a file reads as zeroes. */
    void zero(long inode, long offset, long length);
}
