package io.blkmq.aio;

/**
 * Which thread finds completions and calls them. Chosen when an engine is opened.
 *
 * @since 0.1.0
 */
public enum CompletionMode {
    /**
     * One thread owns the engine: it submits, and finds completions by {@link AioEngine#poll} or
     * {@link AioEngine#await}. The owner is the platform thread that first submits; a call by another thread throws
     * {@link IllegalStateException}.
     */
    POLLED,
    /** A thread of the engine sleeps until there are completions and calls them; any number of threads submit. */
    REAPER,
    /**
     * The application runs the engine's {@linkplain AioEngine#agent() agent} in a duty cycle of its own, and the agent finds completions
     * and calls them; any number of threads submit. The engine starts no thread for completions.
     */
    AGENT
}
