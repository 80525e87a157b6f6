package io.blkmq.core.driver;

import io.blkmq.core.Status;

/**
 * What a driver does for its devices. Only {@link #queueRq} has to be written. The kernel's counterpart is
 * {@code struct blk_mq_ops}.
 *
 * <p>Callbacks run on any thread, several at once unless said otherwise. What one throws is logged and counted, and ends the
 * request that it was called for with {@link Status#IOERR}.
 *
 * @since 0.1.0
 */
public interface BlockDriver {
    /**
     * Takes a request. The request is in flight already: the driver ends it by {@link Request#complete} from any thread, perhaps
     * before this method returns, and must not touch it afterwards. It may only note the request here and start it in
     * {@link #commitRqs} or when {@code last} is true.
     *
     * <p>Must not block, unless the tag set says so ({@link TagSet.Flag#BLOCKING}).
     *
     * @param hctx the hardware context
     * @param rq the request
     * @param last whether no other request follows at once; if false, another {@code queueRq} with true or a {@code commitRqs}
     *        comes soon
     * @return {@link Status#OK} if taken; {@link Status#RESOURCE} or {@link Status#DEV_RESOURCE} to be given it again later; any
     *         other status ends the request
     */
    Status queueRq(HardwareContext hctx, Request rq, boolean last);

    /**
     * A batch ended early: start what was queued with {@code last} false.
     *
     * @param hctx the hardware context
     */
    default void commitRqs(HardwareContext hctx) {}

    /**
     * Takes a whole batch, or as much of its beginning as it can, and starts it. Requests that were taken may complete at once
     * and are not to be touched afterwards. Budgets are not asked for.
     *
     * @param hctx the hardware context of all of them
     * @param batch the requests, in flight already
     * @return how many from the batch's beginning were taken; the others come by {@link #queueRq}
     */
    default int queueRqs(HardwareContext hctx, RequestBatch batch) {
        return 0;
    }

    /**
     * Replaces a map from software to hardware contexts, which begins as one that goes round. Called for each type that has
     * hardware contexts of its own.
     *
     * @param map to be changed in place
     */
    default void mapQueues(QueueMap map) {}

    /**
     * Prepares a hardware context of a new queue, or a new one of a queue ({@link TagSet#updateHardwareQueues}).
     *
     * @param hctx has {@link HardwareContext#setDriverData}
     * @param driverData of the tag set
     * @param index the hardware context's
     * @throws Exception if it cannot be: the queue is not made, or stays as it is
     */
    default void initHctx(HardwareContext hctx, Object driverData, int index) throws Exception {}

    /**
     * Undoes {@link #initHctx}.
     *
     * @param hctx the hardware context
     * @param index its index
     */
    default void exitHctx(HardwareContext hctx, int index) {}

    /**
     * Prepares a request, once, when its tag set or, for a flush request, its queue is made. The place to make the typed object
     * of the driver's ({@link Request#setDriverData}).
     *
     * @param set the tag set
     * @param rq the request; has its PDU
     * @param hctxIndex index of its hardware context, {@link TagSet#HOST_WIDE} if it has none of its own
     * @throws Exception if it cannot be: the tag set or queue is not made
     */
    default void initRequest(TagSet set, Request rq, int hctxIndex) throws Exception {}

    /**
     * Undoes {@link #initRequest}.
     *
     * @param set the tag set
     * @param rq the request
     * @param hctxIndex index of its hardware context
     */
    default void exitRequest(TagSet set, Request rq, int hctxIndex) {}

    /**
     * Repairs a flush request, which is a clone: same software context, same tag and the same bytes in the PDU as the request
     * that made the flush necessary. Called after the copy and before the flush is queued. What it throws is warned about and
     * does not stop the flush.
     *
     * @param set the tag set
     * @param queue the queue
     * @param flushRq the clone
     * @param source the original
     * @throws Exception if it cannot repair it
     */
    default void initFlushRq(TagSet set, RequestQueue queue, Request flushRq, Request source) throws Exception {}

    /**
     * The second half of {@link Request#complete}: must end the request by {@link Request#end}, now or later.
     *
     * @param rq the completed request, with its {@link Request#status()}
     */
    default void complete(Request rq) {
        rq.end(rq.status());
    }

    /**
     * Whether {@link #complete} has something to do for requests alone that have not ended well. Those that have are ended by the block
     * layer then, which in a group costs less. Asked once, when a queue is made.
     *
     * @return false unless the driver says so
     */
    default boolean completesFailuresAlone() {
        return false;
    }

    /**
     * A request has been in flight for longer than its time-out.
     *
     * @param rq the request
     * @return what was done
     */
    default TimeoutAction timeout(Request rq) {
        return TimeoutAction.RESET_TIMER;
    }

    /**
     * Looks for completions and completes their requests. Only called for hardware contexts that are polled
     * ({@link HardwareContext#isPolled}), whose requests are given to the driver by threads that submit to them or poll them, and no other.
     * Must not block; where threads of the process do the I/O, it may give its processor up for less than a millisecond.
     *
     * @param hctx the hardware context
     * @param ctx the poller's software context, whose requests it would like to find first
     * @return how many were found
     */
    default int poll(HardwareContext hctx, SoftwareContext ctx) {
        return 0;
    }

    /**
     * Whether the calling thread may poll: a device whose completions belong to one thread says no to the others. Must not block.
     *
     * @param hctx a polled hardware context
     * @return true if {@link #poll} would be allowed
     */
    default boolean mayPoll(HardwareContext hctx) {
        return true;
    }

    /**
     * Refuses a thread that is not the one which alone submits to a polled hardware context, if the device has such a thread: a mistake
     * in use, which is told before anything is submitted and never looks like an error of the device. A context that belongs to nobody
     * becomes the calling thread's. Called with each bio that is submitted outside of completions, and before an operation begins that
     * may have to wait before it submits anything. Must not block. By default nobody is refused: what a thread that may not
     * {@link #claim} a context submits there waits for one that may.
     *
     * @param hctx a polled hardware context
     * @throws WrongThreadException if the calling thread may not submit; names the device, the thread whose context it is, and the
     *         calling one
     */
    default void requireSubmitter(HardwareContext hctx) {
        boolean _ = claim(hctx);
    }

    /**
     * The calling thread submits to a polled hardware context, and what it submits has to wait; or it polls, and is about to give the
     * driver what waits. With a device whose completions belong to one thread a context that belongs to nobody becomes that thread's
     * here, as it does by {@link #queueRq}. Must not block.
     *
     * @param hctx a polled hardware context
     * @return whether the calling thread may give the driver requests; if not they wait until one comes that may
     */
    default boolean claim(HardwareContext hctx) {
        return mayPoll(hctx);
    }

    /**
     * Asks for the right to queue one request, before {@link #queueRq}.
     *
     * @param queue the queue
     * @return a token of the driver's, or a negative number if there is no budget now: the request is kept and tried again
     */
    default int getBudget(RequestQueue queue) {
        return 0;
    }

    /**
     * Gives a budget back that was not used: the request was not taken.
     *
     * @param queue the queue
     * @param token from {@link #getBudget}
     */
    default void putBudget(RequestQueue queue, int token) {}

    /**
     * Whether the device has so much to do that more should wait; for drivers stacked on it.
     *
     * @param queue the queue
     * @return true if busy
     */
    default boolean busy(RequestQueue queue) {
        return false;
    }

    /**
     * The queue is being closed, and waits from now on for what is in flight. A driver whose device may be away for a long time sees to it that each
     * request ends soon all the same. Must not block; may be called more than once.
     *
     * @param queue the queue
     */
    default void hasten(RequestQueue queue) {}

    /**
     * Says what a device is. Called now and then, from any thread, also while the device changes. Must not block.
     *
     * @param queue the device's queue
     * @return by default, the name of the driver's class
     */
    default DeviceDescription describe(RequestQueue queue) {
        return new DeviceDescription(getClass().getSimpleName(), "", queue.isPolled() ? "polled" : "", "");
    }
}
