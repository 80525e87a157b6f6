package io.blkmq.core.driver;

import java.util.Objects;

/**
 * What a device is, for people.
 *
 * @param driver the kind of device, as {@code loop} or {@code null}
 * @param backing where its data is: a path, an address, the name of another device; empty if nowhere
 * @param mode how it is used, as {@code direct} or {@code polled}; empty if there is only one way
 * @param engine who carries its I/O out; empty if the driver itself does
 * @since 0.1.0
 */
public record DeviceDescription(String driver, String backing, String mode, String engine) {
    /**
     * Describes a device.
     *
     * @throws NullPointerException if a text is null; where there is nothing to say it is empty
     */
    public DeviceDescription {
        Objects.requireNonNull(driver, "driver");
        Objects.requireNonNull(backing, "backing");
        Objects.requireNonNull(mode, "mode");
        Objects.requireNonNull(engine, "engine");
    }
}
