package io.blkmq.core;

/**
 * Called once when a bio has ended. The kernel's counterpart is {@code bi_end_io}.
 *
 * @since 0.1.0
 */
@FunctionalInterface
public interface BioCompletion {
    /**
     * The bio has ended: its {@link Bio#status()} is final, its memory is the caller's again, and it may be reused and submitted
     * at once, also to the same disk. Runs on the thread that found the completion, which may be the submitting one.
     *
     * <p>It must not block on a disk: the blocking calls and freezing throw {@link IllegalStateException} in here, since the
     * thread may be the one that has to complete the awaited I/O. An exception that it throws is logged and counted, and concerns
     * no other bio.
     *
     * @param bio the bio that ended
     */
    void ended(Bio bio);
}
