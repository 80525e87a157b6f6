package io.blkmq.testkit.tree;

/**
 * What stat(2) tells of an inode, at one instant.
 *
 * @param inode its number
 * @param kind what it is
 * @param mode the twelve bits of permissions, set-id and sticky
 * @param uid its owner
 * @param gid its group
 * @param nlink how many names it has; a directory 2 and one for each directory in it, 0 after its removal
 * @param size in bytes; 4096 for a directory, the length of the target for a symbolic link
 * @param allocatedBytes what its pages take of the capacity
 * @param accessedNanos since 1970. Reading does not change it, as on a file system that is mounted with {@code noatime}.
 * @param modifiedNanos since 1970, of the data or of the entries
 * @param changedNanos since 1970, of the inode
 * @param createdNanos since 1970
 */
public record Attributes(long inode, Kind kind, int mode, int uid, int gid, int nlink, long size, long allocatedBytes,
        long accessedNanos, long modifiedNanos, long changedNanos, long createdNanos) {
    private static final int S_IFREG = 0100000;
    private static final int S_IFDIR = 0040000;
    private static final int S_IFLNK = 0120000;

    /**
     * The mode with the bits that say the kind.
     *
     * @return {@code st_mode}
     */
    public int unixMode() {
        return mode | switch (kind) {
            case FILE -> S_IFREG;
            case DIRECTORY -> S_IFDIR;
            case SYMLINK -> S_IFLNK;
        };
    }
}
