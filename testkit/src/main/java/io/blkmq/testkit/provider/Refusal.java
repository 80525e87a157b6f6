package io.blkmq.testkit.provider;

import io.blkmq.testkit.tree.Errno;
import io.blkmq.testkit.tree.TreeException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Makes of what a tree refuses the exceptions that programs know from the JDK's file system. */
final class Refusal {
    private Refusal() {}

    /** Of an operation on a path. */
    static FileSystemException of(TreeException refused, Path file) {
        return of(refused, file, null);
    }

    /** Of an operation on two paths. */
    static FileSystemException of(TreeException refused, Path file, @Nullable Path other) {
        String one = file.toString();
        String two = other == null ? null : other.toString();
        FileSystemException exception = switch (refused.errno()) {
            case EACCES -> new AccessDeniedException(one, two, null);
            case ENOENT -> new NoSuchFileException(one, two, null);
            case EEXIST -> new FileAlreadyExistsException(one, two, null);
            case ELOOP -> new FileSystemException(one, two,
                    refused.errno().text() + " or unable to access attributes of symbolic link");
            default -> new FileSystemException(one, two, refused.errno().text());
        };
        exception.initCause(refused);
        return exception;
    }

    /** Whether a tree has refused something for a reason. */
    static boolean is(FileSystemException refusal, Errno errno) {
        return refusal.getCause() instanceof TreeException refused && refused.errno() == errno;
    }

    /** A more special exception in place of one. */
    static FileSystemException because(FileSystemException refusal, FileSystemException special) {
        special.initCause(refusal.getCause());
        return special;
    }

    /** Of an operation on an open file. */
    static IOException of(TreeException refused) {
        return new IOException(refused.errno().text(), refused);
    }
}
