package io.blkmq.aio;

/**
 * Failures of a ring in a row: how long to leave it alone after each, when to give it up, and which of them to log. The completer's.
 *
 * <p>The pause doubles with each failure, so that {@value #IN_A_ROW_MAX} of them, after which the ring is given up, take
 * about a second.
 */
final class Setbacks {

    /** As many failures in a row are taken for the last word. */
    static final int IN_A_ROW_MAX = 10;

    private static final long PAUSE_NANOS = 1_000_000L;
    private static final long LOGGED_NANOS = 1_000_000_000L;

    private int inARow;
    /** Not before this time, if any have been in a row. */
    private long notBefore;
    private boolean logged;
    private long loggedAt;

    /** It worked. */
    void none() {
        inARow = 0;
    }

    /** Whether there have been any since it last worked. */
    boolean any() {
        return inARow != 0;
    }

    /** How many there have been since it last worked. */
    int inARow() {
        return inARow;
    }

    /** One more. Returns whether it was one too many. */
    boolean add(long now) {
        notBefore = now + (PAUSE_NANOS << Math.min(inARow, IN_A_ROW_MAX));
        return ++inARow >= IN_A_ROW_MAX;
    }

    /** Nanoseconds for which the ring is to be left alone, 0 or less if it may be tried. */
    long pauseNanos(long now) {
        return inARow == 0 ? 0 : notBefore - now;
    }

    /** Whether to log a failure: not more than one in a second. */
    boolean isToBeLogged(long now) {
        if (logged && now - loggedAt < LOGGED_NANOS) {
            return false;
        }
        logged = true;
        loggedAt = now;
        return true;
    }
}
