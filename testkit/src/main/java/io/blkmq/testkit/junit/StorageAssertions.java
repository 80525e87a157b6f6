package io.blkmq.testkit.junit;

import io.blkmq.testkit.disk.SimulatedDisk;

/**
 * Assertions on storage, beside those of {@link org.assertj.core.api.Assertions}.
 *
 * @since 0.1.0
 */
public final class StorageAssertions {
    private StorageAssertions() {}

    /**
     * Begins assertions on a disk.
     *
     * @param actual the disk
     * @return to be asked
     */
    public static SimulatedDiskAssert assertThat(SimulatedDisk actual) {
        return new SimulatedDiskAssert(actual);
    }
}
