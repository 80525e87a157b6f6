package io.blkmq.core.jfr;

import io.blkmq.core.Bio;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TimeoutAction;
import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;
import org.jspecify.annotations.Nullable;

/**
 * Where the block layer tells the flight recorder what happens. Thread-safe.
 *
 * <p>A class of events registers itself with the recorder when it is initialized, which takes a good part of a second where nothing is
 * recorded. So no such class is touched before there is a recording in this process: until then each question here is a look at one field
 * of the recorder, and after that at that field and at one of the event's. Nothing is allocated for an event that nobody records.
 */
public final class DiskEvents {
    /** Why a bio waits, as {@link SubmitWaitEvent} says it. */
    public static final String QUEUE_FULL = "queue full";
    /** The queue lets nobody in. */
    public static final String FROZEN = "frozen";
    /** Bounce buffers have their bound. */
    public static final String BOUNCES_FULL = "bounce buffers full";

    private DiskEvents() {}

    /** One event of each kind, to ask whether it is recorded. Made when there is a recording, and never committed. */
    private static final class Sample {
        static final RequestEvent REQUEST = new RequestEvent(0);
        static final FreezeEvent FREEZE = new FreezeEvent();
        static final RequeueEvent REQUEUE = new RequeueEvent();
        static final TimeoutEvent TIMEOUT = new TimeoutEvent();
        static final ElevatorSwitchEvent ELEVATOR_SWITCH = new ElevatorSwitchEvent();
        static final FlushEvent FLUSH = new FlushEvent();
        static final BounceEvent BOUNCE = new BounceEvent();
        static final SubmitWaitEvent SUBMIT_WAIT = new SubmitWaitEvent("", false);
    }

    private static <E extends Event> E begun(E event) {
        event.begin();
        return event;
    }

    // ---- requests

    /** Whether requests are recorded: the question of each I/O. */
    public static boolean recordsRequests() {
        return FlightRecorder.isInitialized() && Sample.REQUEST.isEnabled();
    }

    /**
     * A request begins.
     *
     * @param sentNanos when, by the clock of its queue
     * @return to be ended with it
     */
    public static RequestEvent requestBegins(long sentNanos) {
        return begun(new RequestEvent(sentNanos));
    }

    /**
     * A request will be given to the driver again.
     *
     * @param rq not in flight
     * @param cause why
     */
    public static void requeued(Request rq, String cause) {
        if (FlightRecorder.isInitialized() && Sample.REQUEUE.isEnabled()) {
            new RequeueEvent().happened(rq, cause);
        }
    }

    /**
     * The driver has been asked about a request.
     *
     * @param rq still kept from its end
     * @param ageNanos for how long the driver has had it
     * @param answer the driver's
     */
    public static void timedOut(Request rq, long ageNanos, TimeoutAction answer) {
        if (FlightRecorder.isInitialized() && Sample.TIMEOUT.isEnabled()) {
            new TimeoutEvent().happened(rq, ageNanos, answer.name());
        }
    }

    // ---- the way in

    /**
     * A bio begins to wait.
     *
     * @param cause one of the causes here
     * @param threadWaits whether its thread does, too
     * @return to be ended when it goes on; null if nobody records it
     */
    public static @Nullable SubmitWaitEvent waitBegins(String cause, boolean threadWaits) {
        return FlightRecorder.isInitialized() && Sample.SUBMIT_WAIT.isEnabled()
                ? begun(new SubmitWaitEvent(cause, threadWaits))
                : null;
    }

    /** Whether bounces are recorded. */
    public static boolean recordsBounces() {
        return FlightRecorder.isInitialized() && Sample.BOUNCE.isEnabled();
    }

    /**
     * A bio is given a bounce buffer.
     *
     * @param device its name
     * @param bio which
     * @param cause why its memory cannot go to the device
     */
    public static void bounced(String device, Bio bio, String cause) {
        new BounceEvent().happened(device, bio, cause);
    }

    // ---- the queue

    /**
     * A freeze begins to wait.
     *
     * @return to be ended with it; null if nobody records it
     */
    public static @Nullable FreezeEvent freezeBegins() {
        return FlightRecorder.isInitialized() && Sample.FREEZE.isEnabled() ? begun(new FreezeEvent()) : null;
    }

    /**
     * Another elevator takes over.
     *
     * @return to be ended when it has; null if nobody records it
     */
    public static @Nullable ElevatorSwitchEvent switchBegins() {
        return FlightRecorder.isInitialized() && Sample.ELEVATOR_SWITCH.isEnabled()
                ? begun(new ElevatorSwitchEvent())
                : null;
    }

    /**
     * A flush of the device begins.
     *
     * @return to be ended with it; null if nobody records it
     */
    public static @Nullable FlushEvent flushBegins() {
        return FlightRecorder.isInitialized() && Sample.FLUSH.isEnabled() ? begun(new FlushEvent()) : null;
    }
}
