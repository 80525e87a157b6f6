package io.blkmq.aio;

/**
 * Told once that an operation has ended. The counterpart of a kiocb's {@code ki_complete}.
 *
 * <p>It may run on any thread, also inside {@link AioEngine#submit} or {@link AioEngine#commit}; in
 * {@link CompletionMode#POLLED} it runs on the thread that polls. When it is called the {@link Kiocb} is free: it may
 * be prepared and submitted again from here. It must not block, and may neither await nor close its engine. What it
 * throws is logged and counted and changes nothing else.
 */
@FunctionalInterface
public interface AioCompletion {

    /**
     * The operation has ended.
     *
     * @param userData what the operation was prepared with
     * @param result the bytes moved (0 for operations that move none), or a negative {@linkplain Errno errno}
     */
    void complete(long userData, long result);
}
