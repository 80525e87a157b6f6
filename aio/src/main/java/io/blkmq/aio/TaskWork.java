package io.blkmq.aio;

/**
 * When the kernel does the work that ends an operation of an {@code io_uring}. On a kernel that is too old for a value the engine
 * takes the next one.
 *
 * @since 0.1.0
 */
public enum TaskWork {
    /** When the ring's only thread enters it (DEFER_TASKRUN, 6.1). The default where one thread enters. */
    DEFERRED,
    /**
     * With the next system call of the thread that submitted (COOP_TASKRUN, 5.19). A thread that computes for long holds the
     * completions of its operations up.
     */
    COOPERATIVE,
    /** At once, by interrupting the thread that submitted. The default where many threads enter. */
    INTERRUPTING
}
