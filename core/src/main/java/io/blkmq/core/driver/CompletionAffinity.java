package io.blkmq.core.driver;

/**
 * Where a completion runs that another thread than its submitter's finds. The kernel's counterpart is {@code rq_affinity}.
 *
 * @since 0.1.0
 */
public enum CompletionAffinity {
    /** On the thread that finds it (0). */
    ANY,
    /**
     * There too if that thread's software context goes through the same hardware context as the submitter's; else on the
     * submitter's context (1).
     */
    GROUP,
    /** On the submitter's context always (2). */
    EXACT
}
