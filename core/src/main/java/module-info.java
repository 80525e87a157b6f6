import org.jspecify.annotations.NullMarked;

/** The block layer: tag sets, contexts, requests, dispatch, flush, freeze. Knows nothing of files. */
@SuppressWarnings("module") // the testkit, which alone uses io.blkmq.core.sim, is a module that depends on this one
@NullMarked module io.blkmq.core {
    requires static transitive org.jspecify;

    exports io.blkmq.core;
    exports io.blkmq.core.driver;
    exports io.blkmq.core.nullblk;
    exports io.blkmq.core.sim to io.blkmq.testkit;

    uses io.blkmq.core.driver.ElevatorType;

    provides io.blkmq.core.driver.ElevatorType
            with io.blkmq.core.elevator.MqDeadlineType, io.blkmq.core.elevator.KyberType;
}
