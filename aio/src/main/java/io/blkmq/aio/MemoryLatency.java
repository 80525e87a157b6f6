package io.blkmq.aio;

/**
 * How long an operation of the {@code memory} engine takes. The submitting thread calls it, so it must be quick.
 *
 * @since 0.1.0
 */
@FunctionalInterface
public interface MemoryLatency {

    /** Every operation ends at once. */
    MemoryLatency NONE = (operation, bytes) -> 0;

    /**
     * The time from submit to completion of an operation.
     *
     * @param operation its kind
     * @param bytes bytes to move, or the length of the range; 0 for a sync
     * @return nanoseconds; 0 or less for at once
     */
    long nanos(AioOperation operation, long bytes);
}
