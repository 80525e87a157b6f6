package io.blkmq.aio;

/**
 * Which threads enter the ring of an {@code io_uring} engine in {@link CompletionMode#REAPER}. In POLLED mode the owner enters it,
 * whatever is chosen here; in AGENT mode the submitters do.
 *
 * @since 0.1.0
 */
public enum RingEntry {
    /**
     * The threads that submit. Each writes entries under the ring's lock and rings the doorbell itself. It also calls the
     * completion of an operation that the kernel ends at once, without a hand-over. The default.
     */
    SUBMITTERS,
    /**
     * The reaper alone: submitters leave operations in a list without taking any lock, and wake the reaper if it
     * sleeps. The ring has one issuer, which the kernel rewards; each operation is handed over twice.
     */
    REAPER
}
