package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.BioObserver;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.mq.QueueSettings;
import io.blkmq.core.mq.Rescues;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The queue of one device: takes bios, makes requests of them and gives those to the driver. The kernel's counterpart is
 * {@code struct request_queue}. Thread-safe.
 *
 * <p>{@link #submit(Bio)} checks the bio against the limits, cuts it if it is too large, gives it a bounce buffer if its memory may not go to
 * the device, takes a tag (a preallocated request), and gives the request to the driver on the calling thread, or leaves it with the
 * caller's {@link io.blkmq.core.Plug}.
 *
 * <p>A thread that submits may wait: for a tag, and while the queue is frozen. A thread that is inside a completion never waits, since it may
 * be the one that frees tags: its bios stand in the same line as waiting threads do.
 *
 * @since 0.1.0
 */
public abstract sealed class RequestQueue permits QueueSettings {
    /** For the one implementation in the engine room. */
    protected RequestQueue() {}

    /**
     * Submits a bio through the calling thread's context. It is the device's until its completion runs, perhaps before this
     * method returns. Waits for a tag, and at a frozen queue, unless the bio says NOWAIT; called by a completion it never waits.
     * An interrupt ends the wait, and the bio with {@link Status#INTR}, if nothing of it has been submitted yet; it is kept for the
     * caller.
     *
     * @param bio an idle bio
     * @throws IllegalArgumentException if it is empty, unaligned, negative or contradicts itself, or its memory can be used by
     *         one thread only
     * @throws IndexOutOfBoundsException if it reaches past the end of the device
     * @throws UnsupportedOperationException if it writes to a read-only device
     * @throws IllegalStateException if it is in flight, or the queue is closed
     * @throws WrongThreadException if the hardware context is polled by another thread, which alone may submit to it
     */
    public abstract void submit(Bio bio);

    /**
     * Submits a bio through a given context.
     *
     * @param bio an idle bio
     * @param ctx of this queue
     * @see #submit(Bio)
     */
    public abstract void submit(Bio bio, SoftwareContext ctx);

    /**
     * Looks for completions on a polled queue, and tells them, all on the calling thread. Never waits.
     *
     * @param ctx whose hardware context to look at
     * @return how many were found; 0 if this queue is not polled, or if called by a completion
     */
    public abstract int poll(SoftwareContext ctx);

    /**
     * Looks for completions where a request's would be found, and tells them. Never waits. The kernel's counterpart is
     * {@code blk_rq_poll}.
     *
     * @param rq a request of the caller's own
     * @return how many were found; 0 if its hardware context is not polled, or if called by a completion
     */
    public abstract int poll(Request rq);

    /**
     * Looks once for completions of everything that is in flight and that the calling thread may poll for, whoever has submitted it: for
     * a thread that waits for another one's I/O. Never waits.
     *
     * @return how many were found
     */
    public abstract int pollInFlight();

    /**
     * A request of the caller's own, for a command that is no I/O of a bio: a driver's or a test's. The caller fills what the
     * driver looks at (PDU, typed object), executes it as often as it likes, and frees it; until then it holds a tag, and a freeze
     * waits for it. Waits for a tag, and at a frozen queue. The kernel's counterpart is {@code blk_mq_alloc_request}.
     *
     * @param operation what the driver is told
     * @param reserved whether to take one of the reserved tags, which no bio gets
     * @return the request
     * @throws IllegalArgumentException if a reserved tag is asked for and the tag set has none
     * @throws IllegalStateException if the queue is closed, or if called by a completion
     * @throws InterruptedException if the calling thread is interrupted while it waits
     */
    public abstract Request allocateRequest(Operation operation, boolean reserved) throws InterruptedException;

    /**
     * Like {@link #allocateRequest}, without waiting (BLK_MQ_REQ_NOWAIT).
     *
     * @param operation what the driver is told
     * @param reserved whether to take one of the reserved tags, which no bio gets
     * @return the request, null if there is no tag now or the queue is frozen
     * @throws IllegalArgumentException if a reserved tag is asked for and the tag set has none
     * @throws IllegalStateException if the queue is closed
     */
    public abstract @Nullable Request tryAllocateRequest(Operation operation, boolean reserved);

    /**
     * Sends a request of the caller's own to the driver.
     *
     * @param rq from {@link #allocateRequest}, not in flight
     * @param ended is told once, with the request's {@link Request#status()}; the rules of {@link io.blkmq.core.BioCompletion} hold
     * @throws IllegalStateException if the request is in flight, or not the caller's
     */
    public abstract void execute(Request rq, Consumer<? super Request> ended);

    /**
     * Sends a request of the caller's own to the driver and waits until it has ended. An interrupt does not end the wait and is
     * kept for the caller. The kernel's counterpart is {@code blk_execute_rq}.
     *
     * @param rq from {@link #allocateRequest}, not in flight
     * @return how it ended
     * @throws IllegalStateException if the request is in flight or not the caller's, or if called by a completion
     */
    public abstract Status execute(Request rq);

    /**
     * Gives a request of the caller's own back.
     *
     * @param rq from {@link #allocateRequest}, not in flight
     * @throws IllegalStateException if it is in flight, or was freed before
     */
    public abstract void free(Request rq);

    /**
     * Gives the driver again what it has requeued, before everything that waits. Any thread. The kernel's counterpart is
     * {@code blk_mq_kick_requeue_list}.
     */
    public abstract void kickRequeueList();

    /**
     * Kicks the requeue list later.
     *
     * @param delayNanos how much later
     */
    public abstract void delayKickRequeueList(long delayNanos);

    /**
     * Stops dispatch and waits until the driver is in none of its callbacks that take requests. Requests pile up behind it, in
     * order; those that the driver has may complete. Nestable; each needs its {@link #unquiesce}. The kernel's counterpart is
     * {@code blk_mq_quiesce_queue}.
     *
     * @throws IllegalStateException if called by a completion
     */
    public abstract void quiesce();

    /**
     * Takes one {@link #quiesce} back; the last one dispatches what has piled up.
     *
     * @throws IllegalStateException if the queue is not quiesced
     */
    public abstract void unquiesce();

    /**
     * Stops new requests and waits until none is in flight. Nestable; each needs its {@link #unfreeze}. Requests that are held
     * back by a plug are waited for: a thread flushes its own before it freezes. The kernel's counterpart is {@code blk_mq_freeze_queue}.
     *
     * @throws IllegalStateException if called by a completion
     */
    public abstract void freeze();

    /**
     * Stops new requests: those who submit wait, or get AGAIN if they said NOWAIT.
     *
     * @throws IllegalStateException if called by a completion
     */
    public abstract void freezeStart();

    /**
     * Waits until no request is in flight; polls meanwhile if the queue is polled and the calling thread may. An interrupt does
     * not end the wait and is kept for the caller.
     *
     * @param timeoutNanos at most this long; {@link Long#MAX_VALUE} for ever
     * @return whether there is none
     * @throws IllegalStateException if called by a completion, or if the queue is not frozen
     */
    public abstract boolean freezeWait(long timeoutNanos);

    /**
     * Takes one freeze back; the last one lets requests in again.
     *
     * @throws IllegalStateException if the queue is not frozen
     */
    public abstract void unfreeze();

    /**
     * Whether completions of some or all hardware contexts are found by polling.
     *
     * @return true if {@link #poll} has something to look at
     */
    public abstract boolean isPolled();

    /**
     * Refuses what would wait for itself: from within a completion, or from within a callback of this queue's driver that may block.
     *
     * @param what for the message
     * @throws IllegalStateException if the calling thread is completing, or serves this queue
     */
    public abstract void requireNoCompletion(String what);

    /**
     * Ends the queue: who waits to submit gets NODEV, what is stopped, quiesced or requeued goes down, what is in flight is waited for, and
     * the driver's contexts are undone.
     * Closing again does nothing but wait.
     *
     * @throws IllegalStateException if called by a completion
     */
    public abstract void close();

    /**
     * Like {@link #close()}, with a bound, for a driver that may never complete what it has. After a close that ran into its bound
     * the queue refuses everything, its memory and contexts are still there, and it can be closed again.
     *
     * @param timeoutNanos at most this long
     * @return whether the queue is closed; false if a request is still in flight, a driver that may block has not returned, or a
     *         change of the tag set is under way
     * @throws IllegalStateException if called by a completion
     */
    public abstract boolean close(long timeoutNanos);

    /**
     * The device has gone, without warning. From now on everything is refused with {@link Status#NODEV}, and so is what has not
     * reached the driver yet; what the driver has is the driver's to complete, which finds it by {@link #busyIter}. Any thread, also
     * one that completes; never waits. {@link #close} is still due. The kernel's counterpart is {@code blk_mark_disk_dead}.
     */
    public abstract void markDead();

    /**
     * Shows every request that the driver has. A request that is shown can neither end nor be used again until the visitor has
     * returned: a completion in that time, also the visitor's own, is carried out then. Requests that come or go meanwhile may be
     * shown or not. The visitor must not wait for a request. The kernel's counterpart is {@code blk_mq_tagset_busy_iter}.
     *
     * @param visitor says whether to go on
     */
    public abstract void busyIter(Predicate<? super Request> visitor);

    /**
     * What orders its requests.
     *
     * @return a name of {@link Elevators#names}
     */
    public abstract String elevator();

    /**
     * Changes what orders its requests: freezes, changes, and lets go on. Waits for what is in flight; an interrupt does not end that
     * and is kept for the caller. Tunables and {@link #nrRequests} begin with their defaults. Setting what it is already changes nothing.
     *
     * @param name one of {@link Elevators#names}
     * @throws IllegalArgumentException if there is no such elevator, with the names of those there are
     * @throws UnsupportedOperationException if the tag set has {@link TagSet.Flag#NO_ELEVATOR}, unless it is {@code none}
     * @throws IllegalStateException if the queue is closed, or if called by a completion or from within a callback that would wait for
     *         itself
     */
    public abstract void setElevator(String name);

    /**
     * The tunables of the elevator, as sysfs shows them below {@code queue/iosched}. They are the elevator's: after a change of that
     * these have no effect.
     *
     * @return by name; empty for {@code none}
     */
    public abstract Map<String, ElevatorAttribute> elevatorAttributes();

    /**
     * How many requests a hardware context can have: of the elevator's tags if there is one, else of the driver's. The kernel's
     * counterpart is {@code queue/nr_requests}.
     *
     * @return with reserved ones
     */
    public abstract int nrRequests();

    /**
     * Changes how many requests a hardware context can have. With an elevator: freezes, makes other requests, and lets go on. Without
     * one it is {@link TagSet#resize}, and concerns all queues of the tag set.
     *
     * @param value at least 4; at most {@link TagSet#depth()} without an elevator, and 2048 with one
     * @throws IllegalArgumentException if it is not within these
     * @throws IllegalStateException if the queue is closed, or if called by a completion or from within a callback that would wait for
     *         itself
     */
    public abstract void setNrRequests(int value);

    /**
     * How far merging goes.
     *
     * @return the kernel's {@code queue/nomerges}: 0 for all merges; 1 for those that cost no search, with the newest request of a plug
     *         or of a list; 2 for none
     */
    public abstract int nomerges();

    /**
     * Changes how far merging goes, from the next bios on.
     *
     * @param value 0, 1 or 2, see {@link #nomerges()}
     * @throws IllegalArgumentException if it is another
     */
    public abstract void setNomerges(int value);

    /**
     * Whether what the device does is counted: see {@link io.blkmq.core.Disk#statistics()}.
     *
     * @return the kernel's {@code queue/iostats}; true for a new queue
     */
    public abstract boolean iostats();

    /**
     * Changes whether what the device does is counted: freezes, changes, and lets go on. What has been counted stays.
     *
     * @param value whether it is
     * @throws IllegalStateException if called by a completion
     */
    public abstract void setIostats(boolean value);

    /**
     * Lets somebody see each bio that is submitted from now on, whole disk and partitions alike. Several see it in the order in which they
     * were added. The kernel's counterpart is {@code BLKTRACESETUP}.
     *
     * @param observer sees bios until it is removed
     */
    public abstract void addObserver(BioObserver observer);

    /**
     * Shows an observer no bio that is submitted from now on. Of those that it has seen it is still told the end.
     *
     * @param observer one that was added; another changes nothing
     */
    public abstract void removeObserver(BioObserver observer);

    /**
     * Its name.
     *
     * @return for people
     */
    public abstract String name();

    /**
     * Its tag set.
     *
     * @return always the same
     */
    public abstract TagSet tagSet();

    /**
     * The driver's object.
     *
     * @return what {@link TagSet#newQueue} was given
     */
    public abstract @Nullable Object queueData();

    /**
     * What the device can take now.
     *
     * @return the limits
     */
    public abstract QueueLimits limits();

    /**
     * Changes the limits. Only while the queue is frozen, and after {@link #freezeWait} has found nothing in flight.
     *
     * @param value the new ones
     * @throws IllegalStateException if the queue is not frozen
     */
    public abstract void setLimits(QueueLimits value);

    /**
     * Changes whether the queue takes its device to have a volatile write cache: freezes, changes, and lets go on. Bios that wait
     * meanwhile go by what holds then. The device is not changed, as by the kernel's {@code queue/write_cache}: a driver whose device
     * is, freezes the queue, changes the device, calls this, and unfreezes. A device whose cache is turned off has to make what is in
     * it durable first: from here on no flush is sent.
     *
     * @param cache whether it has one
     * @param throughCache whether it has FUA
     * @throws IllegalArgumentException if it is to have FUA without a cache
     * @throws IllegalStateException if called by a completion
     */
    public abstract void setWriteCache(boolean cache, boolean throughCache);

    /**
     * Notes that the device has turned out not to have an operation: from now on it is refused before it gets there. Any thread,
     * also the driver's while it has a request; the kernel's counterpart is {@code blk_queue_disable_discard}.
     *
     * @param operation {@link Operation#DISCARD} or {@link Operation#WRITE_ZEROES}
     * @throws IllegalArgumentException if it is another
     */
    public abstract void disable(Operation operation);

    /**
     * The size of the device.
     *
     * @return sectors of 512 bytes
     */
    public abstract long capacitySectors();

    /**
     * Changes the size of the device. What is in flight is not concerned.
     *
     * @param sectors of 512 bytes
     * @throws IllegalArgumentException if negative
     */
    public abstract void setCapacitySectors(long sectors);

    /**
     * How many software contexts there are.
     *
     * @return a power of two; it grows only where {@link TagSet#updateHardwareQueues} makes more hardware contexts than that
     */
    public abstract int contexts();

    /**
     * One of the software contexts.
     *
     * @param index from 0 to {@link #contexts()} - 1
     * @return the context
     */
    public abstract SoftwareContext context(int index);

    /**
     * Where completions run.
     *
     * @return now
     */
    public abstract CompletionAffinity completionAffinity();

    /**
     * Changes where completions run, from the next ones on.
     *
     * @param value where
     */
    public abstract void setCompletionAffinity(CompletionAffinity value);

    /**
     * Lets the completions of a context run on an executor, an event loop for one, unless the affinity is
     * {@link CompletionAffinity#ANY}. Without one they run on the submitting thread or, if another finds them, on a thread of the
     * context's own. What the executor refuses runs on the thread that found it. What one accepts and drops, as when it is shut down at
     * once, is held up until another is set.
     *
     * @param context from 0 to {@link #contexts()} - 1
     * @param executor runs short work one after the other; null for none
     */
    public abstract void setCompletionExecutor(int context, @Nullable Executor executor);

    /**
     * How long a request may be in flight before its driver is asked. The kernel's counterpart is {@code queue/io_timeout}.
     *
     * @return nanoseconds: the tag set's, or what {@link #setTimeoutNanos} has made of what was set, which is rounded up
     */
    public abstract long timeoutNanos();

    /**
     * Changes how long a request may be in flight before its driver is asked, rounded up to a sixteenth of the tag set's time-out.
     * Holds for requests in flight, too.
     *
     * @param nanos positive
     * @throws IllegalArgumentException if not positive
     */
    public abstract void setTimeoutNanos(long nanos);

    /**
     * The software context that the calling thread is mapped to, by its number at the runtime.
     *
     * @return always the same for a thread
     */
    public abstract SoftwareContext contextOfCurrentThread();

    /**
     * How many hardware contexts there are.
     *
     * @return of all types
     */
    public abstract int hardwareContexts();

    /**
     * One of the hardware contexts.
     *
     * @param index from 0 to the tag set's number - 1
     * @return the context
     */
    public abstract HardwareContext hardwareContext(int index);

    /**
     * Whether the queue refuses everything.
     *
     * @return true from {@link #close} on
     */
    public abstract boolean isDying();

    /**
     * Whether new requests are held up.
     *
     * @return true between freeze and unfreeze
     */
    public abstract boolean isFrozen();

    /**
     * How many bios went through a bounce buffer.
     *
     * @return since the queue was made
     */
    public abstract long bounces();

    /**
     * How many times a driver completed a request that was not in flight.
     *
     * @return since the queue was made
     */
    public abstract long strayCompletions();

    /**
     * How many times a timer has found I/O that could have gone on and that nobody was about to let go on, and has done it: each is a
     * mistake of blkmq's, or of an elevator, that has cost time. Polled I/O is not counted, which waits for its poller.
     *
     * @return of all queues since the start
     */
    public static long rescues() {
        return Rescues.count();
    }

    /**
     * How many tags are held now, by requests and by plugs that took them in advance. Of all queues that share the tags.
     *
     * @return exact when nothing moves
     */
    public abstract int heldTags();

    /**
     * The state of the queue in words, as debugfs shows that of the kernel's: tags, lists, and each request that holds a tag with
     * what it does, its state and its age. Safe at any time; what moves meanwhile is shown as it was found.
     *
     * @return lines for people
     */
    public abstract String dump();
}
