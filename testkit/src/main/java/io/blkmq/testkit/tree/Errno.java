package io.blkmq.testkit.tree;

/** Why an operation on a {@link FileTree} is refused, with the numbers and texts of Linux. */
public enum Errno {
    /** The caller may not do this to such a file. */
    EPERM(1, "Operation not permitted"),
    /** There is no such name, or no such inode any more. */
    ENOENT(2, "No such file or directory"),
    /** The storage fails. */
    EIO(5, "Input/output error"),
    /** There is no data, or no hole, from there on. */
    ENXIO(6, "No such device or address"),
    /** The file is not open for this. */
    EBADF(9, "Bad file descriptor"),
    /** The mode forbids it. */
    EACCES(13, "Permission denied"),
    /** The file is in use. */
    EBUSY(16, "Device or resource busy"),
    /** The name is taken. */
    EEXIST(17, "File exists"),
    /** The two names are in different file systems. */
    EXDEV(18, "Invalid cross-device link"),
    /** A directory is needed. */
    ENOTDIR(20, "Not a directory"),
    /** A directory cannot be used so. */
    EISDIR(21, "Is a directory"),
    /** The arguments make no sense. */
    EINVAL(22, "Invalid argument"),
    /** The file would be too large. */
    EFBIG(27, "File too large"),
    /** The capacity is used up. */
    ENOSPC(28, "No space left on device"),
    /** The tree is read-only. */
    EROFS(30, "Read-only file system"),
    /** The name or the path is too long. */
    ENAMETOOLONG(36, "File name too long"),
    /** The directory has entries. */
    ENOTEMPTY(39, "Directory not empty"),
    /** Symbolic links go round in a circle, or there are too many. */
    ELOOP(40, "Too many levels of symbolic links"),
    /** The operation does not exist here. */
    EOPNOTSUPP(95, "Operation not supported");

    private final int number;
    private final String text;

    Errno(int number, String text) {
        this.number = number;
        this.text = text;
    }

    /**
     * The number that Linux gives it on all machines that the JVM knows.
     *
     * @return positive
     */
    public int number() {
        return number;
    }

    /**
     * What strerror(3) says.
     *
     * @return in English
     */
    public String text() {
        return text;
    }
}
