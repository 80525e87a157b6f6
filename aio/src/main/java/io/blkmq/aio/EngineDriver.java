package io.blkmq.aio;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Set;

/**
 * The part of an engine that begins operations and finds those that have ended, for an engine that another module provides. The rest is here:
 * who may call an engine and when, the life of each {@link Kiocb}, the three completion modes, counting, and the end. So a module that knows
 * another kind of storage writes a driver, a {@link DrivenFile}, and an {@link AioEngineProvider} whose {@code open} returns
 * {@link AioEngines#drive}.
 *
 * <pre>
 *   submit -> begin (driver) -> the storage has it -> reap (driver) -> Ended.ended -> the completion is called
 * </pre>
 *
 * <p><b>Who calls.</b> {@link #begin}, {@link #open} and {@link #wake} are called by any thread, several at a time. {@link #reap} and
 * {@link #await} are called by one thread at a time, which is the owner, the reaper, the agent, or who closes; of {@link #await} that thread
 * may be another one each time. {@link #close} is called once, last.
 *
 * <p><b>Memory.</b> That of an operation is the driver's from {@link #begin} until it says that the operation has ended. Who says so early, because
 * the storage does not answer, must not let the storage write there any more.
 *
 * @since 0.1.0
 */
public interface EngineDriver {

    /** {@return the name of the engine, as its provider has it} */
    String name();

    /** {@return the operations that it carries out, always the same} */
    Set<AioOperation> operations();

    /** {@return the class of its files, which no other engine takes} */
    Class<? extends DrivenFile> files();

    /**
     * Opens a file.
     *
     * @param path its name
     * @param access what it is opened for
     * @param direct what the caller wants to be told by {@link AioFile#isDirect}
     * @param options what else is done; empty for reading
     * @return the file, of the class {@link #files}
     * @throws IOException if it cannot be opened, naming the path and the reason
     */
    AioFile open(Path path, AioFile.Access access, boolean direct, Set<AioFile.Option> options) throws IOException;

    /**
     * Begins an operation: {@link #reap} is to find its end, whatever comes of it. Never waits, and throws nothing. It has been checked: the
     * operation is one of {@link #operations}, the file is open in the direction that it needs, and stays so until the end.
     *
     * @param kiocb what is to be done, with the sync after it, if it has one
     */
    void begin(Kiocb kiocb);

    /**
     * Tells of operations that have ended, each once, of those that were begun here. Never waits. A completion, which this calls, may begin others.
     *
     * @param to is told of each
     */
    void reap(Ended to);

    /**
     * Waits until there may be something to {@link #reap}, or {@link #wake} has been called since the last wait began or ended. May return
     * earlier for no reason, and must not where it could go on so for long. The thread waits in the system, and is a platform thread.
     *
     * @param timeoutNanos the longest wait in nanoseconds; {@link Long#MAX_VALUE} for ever
     */
    void await(long timeoutNanos);

    /** Ends the wait of another thread, now or, if there is none, the next one. */
    void wake();

    /** The engine is about to wait for all that is in flight: it ends soon from now on, if need be with ETIMEDOUT, also where the storage is away. */
    void hasten();

    /** Gives back what the driver has. Nothing is in flight, and nobody calls any more. */
    void close();

    /** Is told of operations that have ended. */
    @FunctionalInterface
    interface Ended {
        /**
         * An operation has ended.
         *
         * @param kiocb the operation, which is not the driver's any more when this returns
         * @param result bytes or 0; or a negative errno
         */
        void ended(Kiocb kiocb, long result);
    }
}
