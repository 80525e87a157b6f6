package io.blkmq.aio;

/**
 * Is called once for each accepted operation, when it has ended. The counterpart of the kernel's {@code ki_complete}.
 *
 * <p>It may run on any thread, also inside {@link AioEngine#submit} or {@link AioEngine#commit}; in
 * {@link CompletionMode#POLLED} it runs on the thread that polls, in {@link CompletionMode#AGENT} on the thread that runs the
 * agent, or on the thread that closes the engine. When it is called the {@link Kiocb} is free: it may
 * be prepared and submitted again from here. It must not block, and may neither await nor close its engine. An
 * exception that it throws is logged and counted, and changes nothing else.
 *
 * @since 0.1.0
 */
@FunctionalInterface
public interface AioCompletion {

    /** Does nothing: for an operation whose result is told by {@link AioEngine#run}. */
    AioCompletion NONE = (_, _) -> {};

    /**
     * The operation has ended.
     *
     * @param userData the user data that the operation was prepared with
     * @param result the bytes moved (0 for operations that move none), or a negative {@linkplain Errno errno}
     */
    void complete(long userData, long result);
}
