package io.blkmq.testkit.junit;

import io.blkmq.testkit.disk.SimulatedDisk;
import java.util.function.Supplier;

/**
 * What the disk of a test is like.
 *
 * @since 0.1.0
 */
public enum DiskKind {
    /** A volatile write cache, and no latency. */
    PLAIN(SimulatedDisk::builder),
    /** As {@link SimulatedDisk#consumerSsd}. */
    CONSUMER_SSD(SimulatedDisk::consumerSsd),
    /** As {@link SimulatedDisk#dataCentreSsd}. */
    DATA_CENTRE_SSD(SimulatedDisk::dataCentreSsd),
    /** As {@link SimulatedDisk#hardDisk}. */
    HARD_DISK(SimulatedDisk::hardDisk),
    /** As {@link SimulatedDisk#networkDisk}. */
    NETWORK_DISK(SimulatedDisk::networkDisk);

    @SuppressWarnings("ImmutableEnumChecker") // a method, without state
    private final Supplier<SimulatedDisk.Builder> builder;

    DiskKind(Supplier<SimulatedDisk.Builder> builder) {
        this.builder = builder;
    }

    /**
     * Begins such a disk.
     *
     * @return a new builder
     */
    public SimulatedDisk.Builder builder() {
        return builder.get();
    }
}
