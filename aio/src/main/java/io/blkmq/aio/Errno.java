package io.blkmq.aio;

/**
 * The error numbers that results carry, negated. The numbers are Linux's generic ones, the same on every architecture that
 * is supported, and are used on other systems too, so that a result means the same everywhere.
 *
 * @since 0.1.0
 */
public final class Errno {

    /** The caller may not do it. */
    public static final int EPERM = 1;
    /** There is no such file. */
    public static final int ENOENT = 2;
    /** A signal ended the call. */
    public static final int EINTR = 4;
    /** The device failed, or a ring was given up. */
    public static final int EIO = 5;
    /** There is no such device, or no data behind the offset. */
    public static final int ENXIO = 6;
    /** The file is closed, or not open in this direction. */
    public static final int EBADF = 9;
    /** There is no room now; another try may succeed. */
    public static final int EAGAIN = 11;
    /** The kernel lacks memory. */
    public static final int ENOMEM = 12;
    /** The permissions of the file do not allow it. */
    public static final int EACCES = 13;
    /** The memory cannot be used: its arena is closed. */
    public static final int EFAULT = 14;
    /** The object is in use; a kiocb: in flight. */
    public static final int EBUSY = 16;
    /** It exists already; a ring: it belongs to another thread. */
    public static final int EEXIST = 17;
    /** The two paths are on different file systems. */
    public static final int EXDEV = 18;
    /** There is no such device. */
    public static final int ENODEV = 19;
    /** A part of the path is no directory. */
    public static final int ENOTDIR = 20;
    /** The file is a directory. */
    public static final int EISDIR = 21;
    /** An argument is not valid: an alignment, or an engine that is closed. */
    public static final int EINVAL = 22;
    /** The system has no descriptors left. */
    public static final int ENFILE = 23;
    /** The process has no descriptors left. */
    public static final int EMFILE = 24;
    /** The file would become larger than it may be. */
    public static final int EFBIG = 27;
    /** The device has no space left. */
    public static final int ENOSPC = 28;
    /** The file system is read-only. */
    public static final int EROFS = 30;
    /** A number is out of range. */
    public static final int ERANGE = 34;
    /** The kernel has no such system call. */
    public static final int ENOSYS = 38;
    /** The directory is not empty. */
    public static final int ENOTEMPTY = 39;
    /** The path has too many symbolic links. */
    public static final int ELOOP = 40;
    /** The time is over. */
    public static final int ETIME = 62;
    /** A value is too large for its type. */
    public static final int EOVERFLOW = 75;
    /** The file, or the engine, has no such operation. */
    public static final int EOPNOTSUPP = 95;
    /** The storage takes nothing more from this client, as one whose lock on an image was broken. */
    public static final int ESHUTDOWN = 108;
    /** The storage has not answered in time; the operation may still be carried out. */
    public static final int ETIMEDOUT = 110;
    /** The user's quota is used up. */
    public static final int EDQUOT = 122;
    /** The operation was cancelled; it may have been carried out. */
    public static final int ECANCELED = 125;

    private Errno() {}

    /**
     * The symbol of an error number.
     *
     * @param errno the number, positive or negated
     * @return as {@code "EIO"}; {@code "errno 4711"} for a number that is not one of these
     */
    public static String name(long errno) {
        return switch ((int) Math.abs(errno)) {
            case EPERM -> "EPERM";
            case ENOENT -> "ENOENT";
            case EINTR -> "EINTR";
            case EIO -> "EIO";
            case ENXIO -> "ENXIO";
            case EBADF -> "EBADF";
            case EAGAIN -> "EAGAIN";
            case ENOMEM -> "ENOMEM";
            case EACCES -> "EACCES";
            case EFAULT -> "EFAULT";
            case EBUSY -> "EBUSY";
            case EEXIST -> "EEXIST";
            case EXDEV -> "EXDEV";
            case ENODEV -> "ENODEV";
            case ENOTDIR -> "ENOTDIR";
            case EISDIR -> "EISDIR";
            case EINVAL -> "EINVAL";
            case ENFILE -> "ENFILE";
            case EMFILE -> "EMFILE";
            case EFBIG -> "EFBIG";
            case ENOSPC -> "ENOSPC";
            case EROFS -> "EROFS";
            case ERANGE -> "ERANGE";
            case ENOSYS -> "ENOSYS";
            case ENOTEMPTY -> "ENOTEMPTY";
            case ELOOP -> "ELOOP";
            case ETIME -> "ETIME";
            case EOVERFLOW -> "EOVERFLOW";
            case EOPNOTSUPP -> "EOPNOTSUPP";
            case ESHUTDOWN -> "ESHUTDOWN";
            case ETIMEDOUT -> "ETIMEDOUT";
            case EDQUOT -> "EDQUOT";
            case ECANCELED -> "ECANCELED";
            default -> "errno " + Math.abs(errno);
        };
    }

    /** An error in words, for a message. */
    static String words(int errno) {
        return switch (errno) {
            case EPERM, EACCES -> "it is not permitted";
            case ENOENT -> "there is no such file";
            case EINTR -> "a signal ended the call";
            case EIO -> "the device failed, or the ring was given up";
            case EBADF -> "the file is closed, or not open in this direction";
            case EAGAIN -> "there is no room now, another try may succeed";
            case ENOMEM -> "the system lacks memory";
            case EFAULT -> "the memory's arena is closed";
            case EBUSY -> "it is in use";
            case EEXIST -> "it exists already";
            case EXDEV -> "the paths are on different file systems";
            case ENOTDIR -> "a part of the path is no directory";
            case EISDIR -> "it is a directory";
            case EINVAL -> "an argument is not valid, for example its alignment for direct I/O";
            case ENFILE, EMFILE -> "too many open files";
            case EFBIG -> "the file would become too large";
            case ENOSPC -> "no space is left on the device";
            case EROFS -> "the file system is read-only";
            case ENOTEMPTY -> "the directory is not empty";
            case ELOOP -> "the path has too many symbolic links";
            case ETIME -> "the time is over";
            case EOPNOTSUPP, ENOSYS -> "engine, file or system has no such operation";
            case ESHUTDOWN -> "the storage takes nothing more from this client";
            case ETIMEDOUT -> "the storage has not answered in time";
            case EDQUOT -> "the user's quota is used up";
            case ECANCELED -> "it was cancelled";
            default -> "the system refused";
        };
    }
}
