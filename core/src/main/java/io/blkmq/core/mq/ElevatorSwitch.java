package io.blkmq.core.mq;

import io.blkmq.core.driver.ElevatorAttribute;
import io.blkmq.core.driver.ElevatorType;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.jfr.DiskEvents;
import io.blkmq.core.jfr.ElevatorSwitchEvent;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The elevator of a queue, and how another takes its place: while nothing is in flight and nothing else of the tag set changes, under the tag
 * set's lock for changes. While hardware contexts change, the elevator is set aside with its depth and its tunables, and made again for the
 * new ones.
 */
final class ElevatorSwitch {
    private final QueueSettings queue;
    private final QueueContexts contexts;
    private final TagSet set;
    /** The elevator at work; null for none. Changed under the tag set's lock for changes, while the queue is frozen. */
    private volatile @Nullable Scheduler scheduler;
    /** What the elevator was, while the hardware contexts are changed. Under the same lock. */
    private @Nullable AsideElevator aside;

    ElevatorSwitch(QueueSettings queue, QueueContexts contexts) {
        this.queue = queue;
        this.contexts = contexts;
        this.set = queue.set;
    }

    /** The elevator at work; null for none. */
    @Nullable
    Scheduler now() {
        return scheduler;
    }

    /** Ends the elevator for good. Nothing is in flight. */
    void close() {
        useScheduler(null);
    }

    /** Whoever waits for a request of the elevator's looks again whether to go on waiting. */
    void wakeWaiters() {
        Scheduler elevator = scheduler;
        if (elevator != null) {
            elevator.wakeWaiters();
        }
    }

    /** The name of the elevator at work. */
    String name() {
        Scheduler now = scheduler;
        return now == null ? Elevators.NONE : now.typeName();
    }

    void set(String name) {
        ElevatorType type = Elevators.named(name);
        if (type != null && set.isWithoutElevator()) {
            throw new UnsupportedOperationException(
                    queue.name() + ": elevator '" + name + "': the device takes none (NO_ELEVATOR)");
        }
        ElevatorSwitchEvent recorded = DiskEvents.switchBegins();
        change("setElevator", () -> {
            Scheduler now = scheduler;
            if (!Objects.equals(now == null ? null : now.type(), type)) {
                String before = name();
                // Made first: if it cannot be, all stays as it is.
                useScheduler(type == null ? null : newScheduler(type, Scheduler.depthByDefault(set.depth())));
                if (recorded != null) {
                    recorded.ended(queue.name(), before, name());
                }
            }
        });
    }

    Map<String, ElevatorAttribute> attributes() {
        Scheduler now = scheduler;
        return now == null ? Map.of() : now.attributes();
    }

    int nrRequests() {
        Scheduler now = scheduler;
        return now == null ? set.resizedDepth() : now.depth();
    }

    void setNrRequests(int value) {
        change("setNrRequests", () -> {
            Scheduler now = scheduler;
            int most = now == null ? set.depth() : Scheduler.REQUESTS_MAX;
            if (value < Scheduler.REQUESTS_MIN || value > most) {
                throw new IllegalArgumentException(queue.name() + ": nrRequests " + value + ": "
                        + Scheduler.REQUESTS_MIN + " to " + most + " are possible with elevator '" + name() + "'");
            }
            if (now == null) {
                set.resize(value);
            } else if (now.depth() != value) {
                Scheduler made = remake(new AsideElevator(now.type(), now.typeName(), value, now.settings()));
                made.tellDepth();
                useScheduler(made);
            }
        });
    }

    /** What an elevator is, without being at work. */
    private record AsideElevator(ElevatorType type, String name, int depth, Map<String, String> settings) {}

    /** Changes something while nothing is in flight, and nothing else of the tag set changes. */
    private void change(String what, Runnable step) {
        queue.requireNoCompletion(what);
        queue.shared.changing.lock(what);
        try {
            queue.freeze();
            try {
                if (queue.isDying()) {
                    throw new IllegalStateException(queue.name() + " is closed");
                }
                step.run();
            } finally {
                queue.unfreeze();
            }
        } finally {
            queue.shared.changing.unlock();
        }
    }

    /** Before the hardware contexts change: frozen, and nothing is in flight. */
    void setAside() {
        Scheduler now = scheduler;
        if (now != null) {
            aside = new AsideElevator(now.type(), now.typeName(), now.depth(), now.settings());
            useScheduler(null);
        }
    }

    /** After the hardware contexts have changed, or could not be changed. */
    void takeBack() {
        AsideElevator before = aside;
        aside = null;
        if (before != null) {
            restore(before);
        }
    }

    private void restore(AsideElevator before) {
        try {
            useScheduler(remake(before));
        } catch (RuntimeException | Error e) {
            CallbackFailures.report("elevator " + before.name() + " of " + queue.name() + ": none from now on", e);
        }
    }

    private Scheduler newScheduler(ElevatorType type, int depth) {
        return new Scheduler(queue, contexts.hardware(), type, depth);
    }

    /** Another elevator that is tuned like one before. */
    private Scheduler remake(AsideElevator before) {
        Scheduler made = newScheduler(before.type(), before.depth());
        try {
            made.useSettings(before.settings());
        } catch (Throwable t) {
            made.close();
            throw t;
        }
        return made;
    }

    /** While the queue is frozen and nothing is in flight. */
    void useScheduler(@Nullable Scheduler value) {
        Scheduler before = scheduler;
        scheduler = value;
        for (DispatchContext hctx : contexts.hardware()) {
            hctx.useScheduler(value);
        }
        if (before != null) {
            before.close();
        }
    }

    /** Ends what the elevator has lost. The timer's. */
    void endLost(int tick, int ticksMax) {
        Scheduler elevator = scheduler;
        if (elevator != null) {
            Trampoline batch = Trampoline.enter();
            try {
                elevator.endLost(tick, ticksMax, !contexts.hasDriverTags(), batch);
            } finally {
                batch.leave();
            }
        }
    }
}
