package io.blkmq.testkit.fs;

import java.util.Optional;

/**
 * How the program under test reaches the files of a crash test.
 *
 * @since 0.1.0
 */
public enum Door {
    /** By the {@link java.nio.file.Path} that it is given: a file system of this process. For programs that open files by {@code java.nio.file}. */
    PROVIDER,
    /**
     * By any way, also {@code java.io} and native code: a FUSE file system that is mounted at a temporary folder. Needs Linux, and the
     * right to mount.
     */
    FUSE;

    /**
     * Whether programs can come in by it here.
     *
     * @return empty if they can, else the reason why not
     */
    public Optional<String> unavailable() {
        return this == FUSE ? FuseStage.unavailable() : Optional.empty();
    }
}
