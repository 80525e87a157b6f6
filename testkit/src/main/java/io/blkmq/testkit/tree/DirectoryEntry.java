package io.blkmq.testkit.tree;

/**
 * A name in a listing.
 *
 * @param name in its directory
 * @param inode that has it
 * @param kind of the inode
 * @param cookie from which a listing goes on after this name; at least {@link FileTree#FIRST_COOKIE}. It depends on the name alone (and
 *            on names with the same hash code), so it stays right while others come and go, and equal directories are listed in the
 *            same order.
 */
public record DirectoryEntry(String name, long inode, Kind kind, long cookie) {}
