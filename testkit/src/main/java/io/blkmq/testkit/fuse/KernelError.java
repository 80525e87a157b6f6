package io.blkmq.testkit.fuse;

/** Error numbers of Linux that system calls of a server return, or that it answers with. The same on every architecture. */
final class KernelError {
    static final int EPERM = 1;
    static final int ENOENT = 2;
    static final int EINTR = 4;
    static final int EIO = 5;
    static final int EAGAIN = 11;
    static final int EACCES = 13;
    static final int EBUSY = 16;
    static final int EXDEV = 18;
    static final int ENODEV = 19;
    static final int EINVAL = 22;
    static final int EROFS = 30;
    static final int ENOSYS = 38;
    static final int EPROTO = 71;
    static final int EILSEQ = 84;
    static final int EOPNOTSUPP = 95;
    static final int ECONNABORTED = 103;
    static final int ENOTCONN = 107;
    static final int ESTALE = 116;

    private KernelError() {}

    /** What an error means to somebody who wants to mount, in a few words. */
    static String meaning(int errno) {
        return switch (Math.abs(errno)) {
            case EPERM -> "it is not permitted (EPERM)";
            case ENOENT -> "it does not exist (ENOENT)";
            case EACCES -> "access is denied (EACCES)";
            case ENODEV -> "the kernel has no FUSE (ENODEV)";
            case EINVAL -> "the kernel finds an argument invalid (EINVAL)";
            case ENOTCONN -> "its server is gone (ENOTCONN)";
            default -> "errno " + Math.abs(errno);
        };
    }
}
