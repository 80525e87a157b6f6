package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import java.util.Map;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * Decides in which order the requests of one queue go to its driver. The kernel's counterpart is {@code struct elevator_mq_ops}.
 *
 * <p>It holds a request from {@link #insert} until it gives it out by {@link #dispatch} or lets it go by {@link #absorbed}; it must
 * give out each exactly once. A request's way is
 *
 * <pre>
 *   limitDepth, tag taken ─▶ insert ─▶ dispatch ─▶ the driver ─▶ completed ─▶ finished, tag freed
 *                              ▲  └─▶ absorbed ─▶ finished         │
 *                              └── insert at head ◀── requeued ◀───┘
 * </pre>
 *
 * <p>Requests of flush sequences and requests without bios never come here.
 *
 * <p>Locks. {@link #lock} names the lock of what an elevator keeps for a hardware context; it may be one for all. The queue holds it,
 * and no other of its locks, in every call that says <i>under the lock</i>. So an elevator need not lock there, and the queue can merge
 * what a look-up has found before anybody dispatches it. All other calls come from any thread at any time. No call may wait or call the
 * queue, except {@link ElevatorQueue#run} where it is allowed. The clock is the caller's {@code nowNanos}, read once per batch.
 *
 * <p>What a call throws is logged and counted, and an elevator that breaks this contract keeps nobody waiting for ever: a request that
 * it does not take, or loses, ends with {@link io.blkmq.core.Status#IOERR}.
 *
 * <p>An elevator is made and closed while the queue is frozen and nothing is in flight, also when the number of hardware contexts
 * changes.
 *
 * @since 0.1.0
 */
public interface Elevator {
    /**
     * The lock of a hardware context: from {@link io.blkmq.runtime.IoRuntime#newLock}.
     *
     * @param hctx index of the hardware context
     * @return always the same for an index: it is asked for once
     */
    Lock lock(int hctx);

    /**
     * Takes a request. Called by the submitter, or when a plug is flushed for each of its requests; at the head for requests that
     * have come back from the driver. Under the lock. Before the queue asks anything of what was inserted, and before it lets the lock go,
     * there is a full fence: so {@link #hasWork} may read what is written here by release, and one who frees something and then looks
     * there is not missed.
     *
     * @param hctx index of the hardware context that it goes through
     * @param rq holds its data and nobody else has it
     * @param atHead whether it goes before all that wait
     * @param nowNanos the time
     */
    void insert(int hctx, Request rq, boolean atHead, long nowNanos);

    /**
     * Gives out the request that is to go next. Called when the hardware context is run, until it gives none or the driver refuses:
     * several times in a row, for as many requests as there are tags, before the driver is given the first of them. Under the lock.
     *
     * @param hctx index of the hardware context
     * @param nowNanos the time
     * @return one that came through this context, or through another with the same lock; null if none is to go now: then the elevator
     *         sees to it that the context is run when one is. What waits for a time-out after all that was given out has ended counts
     *         as lost
     */
    @Nullable
    Request dispatch(int hctx, long nowNanos);

    /**
     * Whether there may be something to dispatch. Any thread, without a lock: it sees at least what the same thread has inserted
     * before.
     *
     * @param hctx index of the hardware context
     * @return true as long as something that came through the context waits here, also if it may not go yet: an elevator that says
     *         no while it has requests has lost them, and they end with an error
     */
    boolean hasWork(int hctx);

    /**
     * A request that waits and ends where a bio begins, of the same operation and priority. Called before a request is made of
     * the bio; whether the two may be merged is decided by the queue. Under the lock.
     *
     * @param hctx index of the hardware context
     * @param bio whose neighbour is looked for
     * @return null if none is known
     */
    @Nullable
    Request endingAt(int hctx, Bio bio);

    /**
     * A request that waits and begins where a bio ends, of the same operation and priority. Called if the bio did not go to the
     * end of another. Under the lock.
     *
     * @param hctx index of the hardware context
     * @param bio whose neighbour is looked for
     * @return null if none is known, or if the elevator does not want such merges
     */
    @Nullable
    Request beginningAt(int hctx, Bio bio);

    /**
     * The request that waits and begins where another one ends, of the same operation and priority: after that one has grown, they
     * may be merged. Under the lock.
     *
     * @param hctx index of the hardware context
     * @param rq waits here
     * @return null if none is known
     */
    @Nullable
    Request following(int hctx, Request rq);

    /**
     * The request that waits and ends where another one begins, of the same operation and priority. Under the lock.
     *
     * @param hctx index of the hardware context
     * @param rq waits here
     * @return null if none is known
     */
    @Nullable
    Request preceding(int hctx, Request rq);

    /**
     * A bio has been merged into a request that waits here. Under the lock, which has been held since the look-up.
     *
     * @param hctx index of the hardware context
     * @param rq begins earlier, or ends later, than before
     * @param atFront whether it begins earlier
     */
    void merged(int hctx, Request rq, boolean atFront);

    /**
     * A request that waits here has taken over the bios of the one that follows it: that one is gone. Under the lock, which has been
     * held since the look-up.
     *
     * @param hctx index of the hardware context
     * @param kept has grown at its end
     * @param gone still has its sector and length, and must not be given out
     */
    void absorbed(int hctx, Request kept, Request gone);

    /**
     * The driver is done with a request. Any thread, not under the lock; before the bios are told.
     *
     * @param rq from {@link #dispatch}
     * @param nowNanos the time
     */
    default void completed(Request rq, long nowNanos) {}

    /**
     * The driver has given a request back; {@link #insert} at the head follows. Any thread, not under the lock; may run contexts.
     *
     * @param rq from {@link #dispatch}
     */
    default void requeued(Request rq) {}

    /**
     * The tag of a request is about to be freed: it has ended, or was absorbed. Once for each request that was inserted. Any
     * thread, not under the lock; may run contexts.
     *
     * @param rq was inserted once or more often
     */
    default void finished(Request rq) {}

    /**
     * How many of the tags of one hardware context an I/O may have at most, so that others find some. Called before its tag is taken,
     * on the path of every I/O. Any thread, not under the lock.
     *
     * @param operation what it does
     * @param flags of its bio
     * @return at least 1; {@link Integer#MAX_VALUE} for all
     */
    default int depthLimit(Operation operation, int flags) {
        return Integer.MAX_VALUE;
    }

    /**
     * It takes the place of another of its type, whose settings it has been given and which had another number of tags: what follows
     * from the number begins anew. While the queue is frozen.
     *
     * @param depth tags of one hardware context
     */
    default void depthChanged(int depth) {}

    /**
     * The tunables, as sysfs shows them below {@code queue/iosched}.
     *
     * @return by name
     */
    default Map<String, ElevatorAttribute> attributes() {
        return Map.of();
    }

    /** Ends it. While the queue is frozen, and nothing waits here. */
    default void close() {}
}
