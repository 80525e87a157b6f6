package io.blkmq.aio;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Says in words why the kernel refused a ring. */
final class UringRefusal {

    private static final Path SWITCH = Path.of("/proc/sys/kernel/io_uring_disabled");

    private UringRefusal() {}

    /** An exception that tells "not here" from "not now". */
    static IOException exception(int errno) {
        return exception(errno, reason(errno));
    }

    static IOException exception(int errno, String reason) {
        return isPassing(errno)
                ? new IOException("no io_uring can be opened: " + reason)
                : new AioUnavailableException(UringEngine.NAME, reason);
    }

    /** Whether the kernel would make a ring if it had what it lacks now. */
    static boolean isPassing(int errno) {
        return switch (errno) {
            case Errno.ENOMEM, Errno.EMFILE, Errno.ENFILE, Errno.EAGAIN -> true;
            default -> false;
        };
    }

    static String reason(int errno) {
        return reason(errno, disabled());
    }

    /**
     * The reason.
     *
     * @param errno of io_uring_setup
     * @param disabled value of kernel.io_uring_disabled; -1 if the kernel has no such switch
     */
    static String reason(int errno, int disabled) {
        return switch (errno) {
            case Errno.ENOSYS ->
                "the kernel has no io_uring (it came with Linux 5.1), or a seccomp filter hides it (ENOSYS)";
            case Errno.EPERM -> disabled > 0
                    ? "io_uring is forbidden by the sysctl kernel.io_uring_disabled=" + disabled
                            + (disabled == 1
                                    ? " to processes that are neither privileged nor in kernel.io_uring_group"
                                    : "")
                            + " (EPERM)"
                    : "io_uring is forbidden, most likely by a container's seccomp filter or a security module (EPERM)";
            case Errno.EACCES -> "io_uring is forbidden by a security module or seccomp filter (EACCES)";
            case Errno.ENOMEM -> "no memory for a ring, or it is over RLIMIT_MEMLOCK (ENOMEM)";
            case Errno.EMFILE, Errno.ENFILE -> "too many open files (" + Errno.name(errno) + ")";
            default -> "io_uring_setup failed (" + Errno.name(errno) + ")";
        };
    }

    private static int disabled() {
        try {
            return Integer.parseInt(Files.readString(SWITCH).strip());
        } catch (IOException | NumberFormatException e) {
            return -1;
        }
    }
}
