package io.blkmq.testkit.tree;

/**
 * A change of a {@link FileTree}, or a request to make changes durable, in the order in which they took effect. It names files by their
 * inode numbers, which are never used again, and so says the same wherever the file is moved later.
 */
public sealed interface Change {
    /** A new file, directory or symbolic link with its first name. */
    record Create(long directory, String name, long inode, Kind kind, String target) implements Change {}

    /** Another name of a file. */
    record Link(long directory, String name, long inode) implements Change {}

    /** A name that is removed, of a file, a link or an empty directory. */
    record Unlink(long directory, String name, long inode) implements Change {}

    /**
     * A name that is moved, atomically.
     *
     * @param replaced the inode that had the new name before, 0 for none
     */
    record Rename(long fromDirectory, String fromName, long toDirectory, String toName, long inode,
            long replaced) implements Change {}

    /** Two names that change places, atomically. */
    record Exchange(long oneDirectory, String oneName, long one, long otherDirectory, String otherName,
            long other) implements Change {}

    /**
     * Data that is written; the file grows where it ends beyond its size.
     *
     * @param data owned by the change, never modified
     * @param sizeBefore of the file
     */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares writes, or changes their data
    record Write(long inode, long offset, byte[] data, long sizeBefore) implements Change {}

    /** A new size: what is beyond is gone, what is new reads as zeroes. */
    record Truncate(long inode, long size, long sizeBefore) implements Change {}

    /** A range that reads as zeroes from now on, within the size. */
    record Punch(long inode, long offset, long length) implements Change {}

    /**
     * fsync or fdatasync of a file or of a directory, that has succeeded.
     *
     * @param dataOnly fdatasync
     */
    record Sync(long inode, boolean dataOnly) implements Change {}

    /** sync or syncfs. */
    record SyncAll() implements Change {}

    /**
     * The workload has acknowledged something.
     *
     * @param count how many acknowledgements there are with this one
     */
    record Acknowledge(int count) implements Change {}
}
