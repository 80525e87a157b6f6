package io.blkmq.testkit.disk;

import io.blkmq.core.Status;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** All the faults that strike one request. For one thread. */
final class Verdict {
    /** Nothing goes wrong. Never added to. */
    static final Verdict NONE = new Verdict();

    private @Nullable Fault outcome;
    private long delayNanos;
    private final Map<Fault.Kind, Fault> changes = new EnumMap<>(Fault.Kind.class);

    /** Whether there is room for a fault beside those that have struck. */
    boolean admits(Fault fault) {
        return switch (fault.kind()) {
            case STATUS, HANG, TIME_OUT, REQUEUE, REMOVE -> outcome == null;
            case DELAY -> true;
            case TORN, SHORT, FLIP_ON_READ, FLIP_AT_REST, MISDIRECT, LOSE, LIE -> !changes.containsKey(fault.kind());
        };
    }

    void add(Fault fault) {
        switch (fault.kind()) {
            case STATUS, HANG, TIME_OUT, REQUEUE, REMOVE -> outcome = fault;
            case DELAY -> delayNanos += fault.amount();
            case TORN, SHORT, FLIP_ON_READ, FLIP_AT_REST, MISDIRECT, LOSE, LIE -> changes.put(fault.kind(), fault);
        }
    }

    /** How the request ends, if its outcome says so; {@link Status#OK} if nothing does. */
    Status status() {
        return outcome == null ? Status.OK : outcome.status();
    }

    boolean hasOutcome(Fault.Kind kind) {
        return outcome != null && outcome.kind() == kind;
    }

    /** Whether the driver does not keep the request. */
    boolean comesAgain() {
        return outcome != null && outcome.comesAgain();
    }

    /** Whether the request waits for something other than time. */
    boolean isHeld() {
        return hasOutcome(Fault.Kind.HANG) || hasOutcome(Fault.Kind.TIME_OUT);
    }

    long delayNanos() {
        return delayNanos;
    }

    boolean has(Fault.Kind kind) {
        return changes.containsKey(kind);
    }

    /** How much of a change; -1 if there is none. */
    long amount(Fault.Kind kind) {
        Fault fault = changes.get(kind);
        return fault == null ? -1 : fault.amount();
    }

    /** How far a write goes astray, in bytes. */
    long astrayBytes() {
        Fault fault = changes.get(Fault.Kind.MISDIRECT);
        return fault == null ? 0 : fault.amount();
    }
}
