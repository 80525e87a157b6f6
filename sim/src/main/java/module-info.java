import org.jspecify.annotations.NullMarked;

/**
 * Time and threads under a test's control: {@link io.blkmq.sim.DeterministicRuntime} runs threads one at a time in an order that a seed
 * chooses, on a clock of its own. For tests of blkmq, and of programs that are built on it.
 */
@NullMarked module io.blkmq.sim {
    requires static transitive org.jspecify;
    requires transitive io.blkmq.runtime;

    exports io.blkmq.sim;
}
