package io.blkmq.aio;

/**
 * When the kernel does the work that ends an operation of an {@code io_uring}. A kernel that is too old for what is
 * chosen gets the next one down.
 */
public enum TaskWork {
    /** When the ring's only thread enters it (DEFER_TASKRUN, 6.1). The default where one thread enters. */
    DEFERRED,
    /**
     * When the thread that submitted next enters the kernel for whatever reason (COOP_TASKRUN, 5.19). A thread that
     * computes for long holds up the completions of what it submitted.
     */
    COOPERATIVE,
    /** At once, by interrupting the thread that submitted. The default where many threads enter. */
    INTERRUPTING
}
