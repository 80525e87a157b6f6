package io.blkmq.sim;

/** Thrown by every entry of the runtime once the simulation is over: unwinds the threads that are left. */
final class SimulationEnded extends Error {
    private static final long serialVersionUID = 1;

    SimulationEnded() {
        super("the simulation is over", null, false, false);
    }
}
