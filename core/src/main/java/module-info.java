import org.jspecify.annotations.NullMarked;

/** The block layer: tag sets, contexts, requests, dispatch, flush, freeze. Knows nothing of files. */
@NullMarked module io.blkmq.core {
    requires static transitive org.jspecify;
    requires transitive io.blkmq.runtime;
    // Not static: then a recording that begins later would find that the module is not there.
    requires jdk.jfr;

    exports io.blkmq.core;
    exports io.blkmq.core.counters;
    exports io.blkmq.core.driver;
    exports io.blkmq.core.nullblk;

    uses io.blkmq.core.driver.ElevatorType;

    provides io.blkmq.core.driver.ElevatorType
            with io.blkmq.core.elevator.MqDeadlineType, io.blkmq.core.elevator.KyberType;
}
