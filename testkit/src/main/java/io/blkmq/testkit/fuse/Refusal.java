package io.blkmq.testkit.fuse;

/** An answer to a request: an error that no tree has found. Has no stack trace, since it is nothing unusual. */
final class Refusal extends Exception {
    private static final long serialVersionUID = 1;

    private final int errno;

    /**
     * A refusal.
     *
     * @param errno positive
     */
    Refusal(int errno, String what) {
        super(what, null, false, false);
        this.errno = errno;
    }

    int errno() {
        return errno;
    }
}
