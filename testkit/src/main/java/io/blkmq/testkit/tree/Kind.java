package io.blkmq.testkit.tree;

/** What an inode is. */
public enum Kind {
    /** A regular file. */
    FILE,
    /** A directory. */
    DIRECTORY,
    /** A symbolic link. */
    SYMLINK
}
