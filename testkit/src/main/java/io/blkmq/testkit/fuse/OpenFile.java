package io.blkmq.testkit.fuse;

/**
 * A file or a directory that is open on a mount. A file that is mapped counts as open, also when its channel is closed, until the mapping
 * ends.
 *
 * @param path in its tree, or text that says that it has none any more
 * @param inode the number that {@code stat} tells
 * @param writable whether it is open for writing
 * @param directory whether it is a directory
 */
public record OpenFile(String path, long inode, boolean writable, boolean directory) {}
