package io.blkmq.core.driver;

import io.blkmq.core.Status;
import io.blkmq.core.mq.Trampoline;
import io.blkmq.core.tag.CacheLines;
import org.jspecify.annotations.Nullable;

/**
 * A burst of completions. A driver that finds several completions at once opens one around them
 * ({@code try (var b = CompletionBatch.open())}): then their tags are freed together, and the bios that their users submit meanwhile go
 * down as one batch. For the thread that opened it.
 *
 * <p>blkmq never calls a user back from inside a driver's {@code queueRq}, and never recursively. It puts such work on a per-thread list, and
 * the outermost call of the block layer works the list off before it returns; {@link #close} is such a call.
 *
 * @since 0.1.0
 */
@SuppressWarnings("exports") // padding between cache lines
public abstract sealed class CompletionBatch extends CacheLines implements AutoCloseable permits Trampoline {
    /** For the one implementation in the engine room. */
    protected CompletionBatch() {}

    /**
     * Opens a batch of completions on the calling thread, or joins the one that is open.
     *
     * @return to be closed by the same thread
     */
    public static CompletionBatch open() {
        return Trampoline.enter();
    }

    /**
     * The batch that is open on the calling thread.
     *
     * @return null if the thread is not in the block layer
     */
    public static @Nullable CompletionBatch current() {
        return Trampoline.current();
    }

    /**
     * Completes a request as {@link Request#complete(Status)} does, and with less effort where its driver leaves {@link BlockDriver#complete} as
     * it is.
     *
     * @param rq a request in flight
     * @param status how it went
     */
    public abstract void complete(Request rq, Status status);

    /** Does what is left to do, if this is the outermost one. */
    @Override
    public abstract void close();
}
