package io.blkmq.core;

/**
 * Called once when an operation of the callback form has ended. The rules of {@link BioCompletion} hold.
 *
 * @since 0.1.0
 */
@FunctionalInterface
public interface IoCompletion {
    /**
     * The operation has ended and its memory is the caller's again.
     *
     * @param status how it ended
     */
    void ended(Status status);
}
