package io.blkmq.core.driver;

import io.blkmq.core.Bio;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.WriteLifetime;
import io.blkmq.core.mq.RequestLife;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The unit of work of a driver: one operation on a range of sectors, with the memory of one or more bios. A request exists once per tag, is
 * made with the tag set, and is used again and again; its PDU (the driver's own bytes) and its typed object stay with it. The kernel's
 * counterpart is {@code struct request}.
 *
 * <pre>
 *   given by queueRq ──complete──▶ BlockDriver.complete ──end──▶ its bios are told, its tag is free
 *     ▲                │
 *     └──── requeue ───┘
 * </pre>
 *
 * <p>The driver owns the request from {@link BlockDriver#queueRq} to {@link #complete}; from then on the completing thread owns it, until
 * {@link #end}. Completing is one atomic step with one winner: a second call is counted ({@link RequestQueue#strayCompletions}) and does
 * nothing. While the driver is asked about a request whose time is over, the request can neither end nor be used again: a completion in
 * that time takes effect when the driver has answered.
 *
 * @since 0.1.0
 */
public abstract sealed class Request permits RequestLife {
    /** For the one implementation in the engine room. */
    protected Request() {}

    /**
     * The number of the request among those of its hardware context; no other request in flight there has it.
     *
     * @return from 0 to the tag set's depth - 1
     */
    public abstract int tag();

    /**
     * What to do.
     *
     * @return the operation
     */
    public abstract Operation operation();

    /**
     * Flags of {@link Bio} that concern a driver or an elevator: {@link Bio#FUA} of a write of data if the device has it, {@link Bio#NOUNMAP},
     * {@link Bio#SYNC}.
     *
     * @return a set of bits
     */
    public abstract int flags();

    /**
     * Where it begins.
     *
     * @return sector of 512 bytes
     */
    public abstract long sector();

    /**
     * How long it is.
     *
     * @return bytes
     */
    public abstract long bytes();

    /**
     * How urgent it is.
     *
     * @return that of its bios, {@link IoPriority#NONE} if nothing was said
     */
    public abstract IoPriority priority();

    /**
     * How long what it writes is going to stay.
     *
     * @return the hint of its first bio
     */
    public abstract WriteLifetime lifetime();

    /**
     * The elevator's object of this request. It stays with the request from use to use, so that an elevator makes one only where
     * it finds none of its own.
     *
     * @return what {@link #setElevatorData} was given, perhaps by another elevator
     */
    public abstract @Nullable Object elevatorData();

    /**
     * Gives the request an object of the elevator's, from {@link Elevator#insert} on.
     *
     * @param data anything
     */
    public abstract void setElevatorData(@Nullable Object data);

    /**
     * The driver's bytes of this request: as many as the tag set says, aligned to 64, in one slab with the others'. They keep
     * their content from use to use. The kernel's counterpart is {@code blk_mq_rq_to_pdu}.
     *
     * @return off-heap memory, valid until the tag set is closed
     */
    public abstract MemorySegment pdu();

    /**
     * The driver's object of this request.
     *
     * @return what {@link #setDriverData} was given
     */
    public abstract @Nullable Object driverData();

    /**
     * Gives the request an object of the driver's, in {@link BlockDriver#initRequest}.
     *
     * @param data anything
     */
    public abstract void setDriverData(@Nullable Object data);

    /**
     * The queue it is for.
     *
     * @return the queue
     * @throws IllegalStateException if the request was never used
     */
    public abstract RequestQueue queue();

    /**
     * The hardware context it goes through.
     *
     * @return the context
     * @throws IllegalStateException if the request was never used
     */
    public abstract HardwareContext hardwareContext();

    /**
     * The software context it came in through.
     *
     * @return the context
     * @throws IllegalStateException if the request was never used
     */
    public abstract SoftwareContext softwareContext();

    /**
     * Counts how often a driver has been given a request of this tag: each use of the tag has another number, and each try of a use that
     * the driver refused, or gave back whole or in part. A driver that may find completions late notes it when it takes the request, and
     * gives it back with them ({@link #complete(long, Status)}).
     *
     * @return another number for each time that a driver is given it
     */
    public abstract long generation();

    /**
     * How many pieces of memory there are.
     *
     * @return 0 for operations without data
     */
    public abstract int segmentCount();

    /**
     * Shows all pieces of memory in order.
     *
     * @param visitor sees them
     */
    public abstract void forEachSegment(SegmentVisitor visitor);

    /**
     * The device is done with the request and its memory. {@link BlockDriver#complete} follows on this thread. Any thread, also
     * from within {@code queueRq}. A request that is not in flight stays as it is: the call is counted.
     *
     * @param result how it went
     */
    public abstract void complete(Status result);

    /**
     * Like {@link #complete(Status)}, for the try that the completion belongs to: a late one ends neither the tag's next use nor the
     * next try of the same.
     *
     * @param forGeneration {@link #generation()} when the driver took the request
     * @param result how it went
     */
    public abstract void complete(long forGeneration, Status result);

    /**
     * The driver gives the request back, to be given it again: it goes to the queue's requeue list, and from there, when that is
     * kicked, before everything that waits. Any thread, also from within {@code queueRq} or {@code timeout}. A request that is not in
     * flight stays as it is: the call is counted. The kernel's counterpart is {@code blk_mq_requeue_request}.
     *
     * @param kick whether the list is kicked at once; else by {@link RequestQueue#kickRequeueList}
     */
    public abstract void requeue(boolean kick);

    /**
     * Like {@link #requeue(boolean)}, for the try that is given back: one that is late takes neither the tag's next use nor the next try
     * of the same from the driver.
     *
     * @param forGeneration {@link #generation()} when the driver took the request
     * @param kick whether the list is kicked at once; else by {@link RequestQueue#kickRequeueList}
     */
    public abstract void requeue(long forGeneration, boolean kick);

    /**
     * Gives a completed request back, whole or what {@link #update} has left of it, in place of {@link #end}: called once, by
     * {@link BlockDriver#complete} or later, by whoever would have ended it.
     *
     * @param kick whether the requeue list is kicked at once; else by {@link RequestQueue#kickRequeueList}
     * @throws IllegalStateException if the request has not been completed, or was ended before
     */
    public abstract void requeueCompleted(boolean kick);

    /**
     * Notes that the driver has prepared something in its part of this request, PDU or object, which it wants to find again if it gives
     * the request back. Such a request keeps its tag and goes to the dispatch list; any other goes back to the elevator, if there is
     * one, and may come with another tag. Holds for one use. While the driver has it. The kernel's counterpart is
     * {@code RQF_DONTPREP}.
     */
    public abstract void keepPrepared();

    /**
     * Sets a time-out of this request's own, while the driver has it. It holds for one use.
     *
     * @param nanos the time from its start; rounded up to the queue's tick, which is a sixteenth of its time-out and a second at
     *        the most
     * @throws IllegalArgumentException if not positive
     */
    public abstract void setTimeoutNanos(long nanos);

    /**
     * How the driver said that it went.
     *
     * @return the status given to {@link #complete}
     */
    public abstract Status status();

    /**
     * Ends a completed request: its bios are told, its tag is freed. Called once, by {@link BlockDriver#complete} or later on any
     * thread. The kernel's counterpart is {@code blk_mq_end_request}.
     *
     * @param result what the bios are told
     * @throws IllegalStateException if the request has not been completed, or was ended before
     */
    public abstract void end(Status result);

    /**
     * Ends a completed request in part: the bios that the first bytes cover are told, and what is left is the request from now on.
     * Called by {@link BlockDriver#complete} or later, before {@link #end} or {@link #requeueCompleted}. The kernel's counterpart is
     * {@code blk_update_request}.
     *
     * @param result what the bios covered are told; a bio that is covered in part keeps an error for its end
     * @param done how many bytes from the beginning: whole blocks
     * @return whether something is left
     * @throws IllegalArgumentException if the bytes are negative, more than the request has, or not whole blocks
     * @throws IllegalStateException if the request has not been completed, was ended before, or has a flush sequence
     */
    public abstract boolean update(Status result, long done);
}
