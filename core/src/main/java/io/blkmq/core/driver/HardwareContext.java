package io.blkmq.core.driver;

import io.blkmq.core.Status;
import io.blkmq.core.mq.DispatchContext;
import org.jspecify.annotations.Nullable;

/**
 * One submission queue to the device. Submitting threads call the driver from here themselves; requests that the driver refused stand on the
 * dispatch list, in order, and go before anything new. The kernel's counterpart is {@code struct blk_mq_hw_ctx}. Thread-safe.
 *
 * <p>A driver gets its contexts by {@link BlockDriver#initHctx}. It stops a context while its device can take nothing ({@link #stop}), and
 * runs it when the device can take requests again ({@link #run}).
 *
 * <p>A polled context belongs to the thread that polls it: no other thread gives its driver a request, and {@link #run} does nothing on
 * any other thread. Where the driver may block ({@link TagSet.Flag#BLOCKING}), an agent of the context's own calls it, from outside of the
 * block layer, so that the driver may itself do I/O and wait for it.
 *
 * @since 0.1.0
 */
public abstract sealed class HardwareContext permits DispatchContext {
    /** For the one implementation in the engine room. */
    protected HardwareContext() {}

    /**
     * Its number.
     *
     * @return from 0
     */
    public abstract int index();

    /**
     * What it is for.
     *
     * @return changes only with {@link TagSet#updateHardwareQueues}
     */
    public abstract QueueType type();

    /**
     * Whether completions are found by {@link BlockDriver#poll}.
     *
     * @return true if its type is {@link QueueType#POLL}, or with {@link TagSet.Flag#POLLED}
     */
    public abstract boolean isPolled();

    /**
     * Its queue.
     *
     * @return always the same
     */
    public abstract RequestQueue queue();

    /**
     * The driver's object.
     *
     * @return what {@link #setDriverData} was given
     */
    public abstract @Nullable Object driverData();

    /**
     * Gives the context an object of the driver's, in {@link BlockDriver#initHctx}.
     *
     * @param data anything
     */
    public abstract void setDriverData(@Nullable Object data);

    /**
     * The request that is in flight under a tag: how a driver finds it again from a number. Meaningful only while the driver
     * has the request.
     *
     * @param tag of a request that the driver was given
     * @return the request; while its tag is lent, the flush request
     */
    public abstract Request request(int tag);

    /**
     * Stops the dispatch of this context: what is submitted waits in order. A driver may stop its own from within
     * {@code queueRq}. Calls that are under way are not waited for ({@link RequestQueue#quiesce} does). The kernel's counterpart
     * is {@code blk_mq_stop_hw_queue}.
     */
    public abstract void stop();

    /** Undoes {@link #stop}, and dispatches what waits. */
    public abstract void start();

    /**
     * Whether the context is stopped.
     *
     * @return true from {@link #stop} to {@link #start}
     */
    public abstract boolean isStopped();

    /**
     * Like {@link #run}, on a thread of the runtime: for callers that hold locks of the driver's. The kernel's counterpart is
     * {@code blk_mq_run_hw_queue} with {@code async}.
     */
    public abstract void runAsync();

    /**
     * Like {@link #runAsync}, later. The kernel's counterpart is {@code blk_mq_delay_run_hw_queue}.
     *
     * @param delayNanos how much later
     */
    public abstract void runLater(long delayNanos);

    /**
     * Serves the dispatch list until it is empty or the driver refuses. Any thread; returns at once if another is at it, which
     * then goes round again. A driver that answered {@link Status#DEV_RESOURCE} calls it when it can take requests again. A polled
     * context is served by who polls it, with each poll: then this does nothing for any other thread.
     */
    public abstract void run();
}
