package io.blkmq.aio;

/** How long an operation of the {@code memory} engine takes. Called by the submitting thread, so it must be quick. */
@FunctionalInterface
public interface MemoryLatency {

    /** Every operation ends at once. */
    MemoryLatency NONE = (operation, bytes) -> 0;

    /**
     * The time from submit to completion in nanoseconds; 0 or less for at once.
     *
     * @param operation what is to be done
     * @param bytes bytes to move, or the length of the range; 0 for a sync
     */
    long nanos(AioOperation operation, long bytes);
}
