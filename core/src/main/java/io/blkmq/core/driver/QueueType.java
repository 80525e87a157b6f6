package io.blkmq.core.driver;

/**
 * What a hardware context is for. A tag set has one group of contexts for each. The kernel's counterpart is {@code enum hctx_type}.
 *
 * @since 0.1.0
 */
public enum QueueType {
    /** Whatever has no group of its own. */
    DEFAULT,
    /** Reads. */
    READ,
    /** I/O of those who find its completion by polling ({@link io.blkmq.core.Bio#POLLED}). */
    POLL
}
