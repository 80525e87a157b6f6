package io.blkmq.sim;

import java.util.concurrent.TimeUnit;

/**
 * The bounds of a simulation. Immutable.
 *
 * @param stepNanosMax the virtual time that one step takes: 1 to so many nanoseconds, chosen by the seed; 0 if steps take none
 * @param stepsMax after so many steps the simulation has failed: it goes round in a circle
 * @param virtualNanosMax after so much virtual time the simulation has failed: it waits for what never comes
 * @param hangNanos after so much real time without a step the simulation has failed: a thread loops or waits past the runtime
 * @param processors what {@link DeterministicRuntime#processors} says: the same on every machine, so that a seed replays
 * @param replay the line that replays the simulation, for the message of a failure
 * @since 0.1.0
 */
public record SimulationOptions(long stepNanosMax, long stepsMax, long virtualNanosMax, long hangNanos, int processors,
        String replay) {
    /** Steps of up to a microsecond, a million of them, an hour of virtual time, two processors. */
    public static final SimulationOptions DEFAULT = new SimulationOptions(1_000, 1_000_000, TimeUnit.HOURS.toNanos(1),
            TimeUnit.SECONDS.toNanos(60), 2, "new DeterministicRuntime(seed)");

    /**
     * Checks them.
     *
     * @throws IllegalArgumentException naming what is out of range
     */
    public SimulationOptions {
        require("stepNanosMax", stepNanosMax, 0, 1_000_000_000);
        require("stepsMax", stepsMax, 1, Long.MAX_VALUE);
        require("virtualNanosMax", virtualNanosMax, 1, Long.MAX_VALUE / 2);
        require("hangNanos", hangNanos, 1, Long.MAX_VALUE);
        require("processors", processors, 1, 1024);
    }

    private static void require(String name, long value, long min, long max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(name + " " + value + ": " + min + " to " + max + " are possible");
        }
    }

    /**
     * With another cost of steps.
     *
     * @param nanos at most, 0 for none
     * @return a copy
     */
    public SimulationOptions withStepNanosMax(long nanos) {
        return new SimulationOptions(nanos, stepsMax, virtualNanosMax, hangNanos, processors, replay);
    }

    /**
     * With another bound on steps.
     *
     * @param steps at most
     * @return a copy
     */
    public SimulationOptions withStepsMax(long steps) {
        return new SimulationOptions(stepNanosMax, steps, virtualNanosMax, hangNanos, processors, replay);
    }

    /**
     * With another bound on virtual time.
     *
     * @param nanos at most
     * @return a copy
     */
    public SimulationOptions withVirtualNanosMax(long nanos) {
        return new SimulationOptions(stepNanosMax, stepsMax, nanos, hangNanos, processors, replay);
    }

    /**
     * With another bound on real time without a step.
     *
     * @param nanos at most
     * @return a copy
     */
    public SimulationOptions withHangNanos(long nanos) {
        return new SimulationOptions(stepNanosMax, stepsMax, virtualNanosMax, nanos, processors, replay);
    }

    /**
     * With another number of processors.
     *
     * @param value what {@link DeterministicRuntime#processors} says
     * @return a copy
     */
    public SimulationOptions withProcessors(int value) {
        return new SimulationOptions(stepNanosMax, stepsMax, virtualNanosMax, hangNanos, value, replay);
    }

    /**
     * With the line that replays it.
     *
     * @param line a command, for example
     * @return a copy
     */
    public SimulationOptions withReplay(String line) {
        return new SimulationOptions(stepNanosMax, stepsMax, virtualNanosMax, hangNanos, processors, line);
    }
}
