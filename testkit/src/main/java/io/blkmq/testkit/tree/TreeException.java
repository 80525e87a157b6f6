package io.blkmq.testkit.tree;

import java.io.IOException;

/** A refusal of a {@link FileTree}, which has not changed. */
public final class TreeException extends IOException {
    private static final long serialVersionUID = 1;

    private final Errno errno;

    /**
     * A refusal.
     *
     * @param errno why
     * @param what was refused: names the value and the limit
     */
    public TreeException(Errno errno, String what) {
        super(errno + ": " + what);
        this.errno = errno;
    }

    /**
     * Why.
     *
     * @return as a system call would say it
     */
    public Errno errno() {
        return errno;
    }
}
