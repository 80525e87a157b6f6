package io.blkmq.aio;

/** Which thread finds completions. Chosen when an engine is opened. */
public enum CompletionMode {
    /**
     * One thread owns the engine: it submits, and finds completions by {@link AioEngine#poll} or
     * {@link AioEngine#await}. The owner is the platform thread that first submits; a call by another thread throws
     * {@link IllegalStateException}.
     */
    POLLED,
    /** A thread of the engine sleeps until there are completions and calls them; any number of threads submit. */
    REAPER
}
