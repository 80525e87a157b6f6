package io.blkmq.tools.job;

import java.io.Serial;

/** What the user asked for makes no sense or cannot be had. The message is one line for people and names what is wrong. */
public final class UsageException extends Exception {
    @Serial
    private static final long serialVersionUID = 1L;

    /**
     * Something that is wrong.
     *
     * @param message names it, and what is possible
     */
    public UsageException(String message) {
        super(message);
    }

    /**
     * Something that is wrong, found by an exception.
     *
     * @param message names it, and what is possible
     * @param cause what was caught
     */
    public UsageException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * Something that is wrong at a place in a job file.
     *
     * @param location where
     * @param message names it, and what is possible
     */
    public UsageException(Location location, String message) {
        super(location + ": " + message);
    }
}
