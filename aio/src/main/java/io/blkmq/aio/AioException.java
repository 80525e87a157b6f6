package io.blkmq.aio;

import java.io.IOException;
import java.io.Serial;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.FileSystemLoopException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * An operation on a file has ended with an error number: the bridge from the results of engines and files, which are negative
 * {@linkplain Errno errnos}, to exceptions. Where the JDK has an exception for an error, {@link #of} makes that.
 *
 * @since 0.1.0
 */
public final class AioException extends FileSystemException {
    @Serial
    private static final long serialVersionUID = 1L;

    /** The error number, positive. */
    private final int errno;

    private AioException(@Nullable String file, int errno, String reason) {
        super(file, null, reason);
        this.errno = errno;
    }

    /** {@return the error number, positive: one of those in {@link Errno}, or another of the system's} */
    public int errno() {
        return errno;
    }

    /**
     * The exception for an error: {@link NoSuchFileException} (ENOENT, ENOTDIR), {@link FileAlreadyExistsException} (EEXIST),
     * {@link AccessDeniedException} (EACCES, EPERM, EROFS), {@link DirectoryNotEmptyException} (ENOTEMPTY),
     * {@link FileSystemLoopException} (ELOOP), and an {@link AioException} for any other. To be thrown by the caller. Any thread may call it.
     *
     * @param errno the error number, positive or negated
     * @param path the file; null if there is none to be named
     * @param operation what was tried, as {@code "write"}
     * @return the exception, which names path, operation and error
     */
    public static IOException of(long errno, @Nullable Path path, String operation) {
        int error = (int) Math.abs(errno);
        String name = path == null ? null : path.toString();
        String reason = operation + " failed: " + Errno.words(error) + " (" + Errno.name(error) + ")";
        return switch (error) {
            case Errno.ENOENT, Errno.ENOTDIR -> new NoSuchFileException(name, null, reason);
            case Errno.EEXIST -> new FileAlreadyExistsException(name, null, reason);
            case Errno.EACCES, Errno.EPERM, Errno.EROFS -> new AccessDeniedException(name, null, reason);
            case Errno.ENOTEMPTY -> new DirectoryNotEmptyException(String.valueOf(name));
            case Errno.ELOOP -> new FileSystemLoopException(name);
            default -> new AioException(name, error, reason);
        };
    }
}
