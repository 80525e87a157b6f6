package io.blkmq.core;

/**
 * Told once how an operation of the callback form ended. The rules of {@link BioCompletion} hold.
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
