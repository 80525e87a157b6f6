/**
 * The door: everything that the author of a driver ({@link io.blkmq.core.driver.BlockDriver}) or of an elevator
 * ({@link io.blkmq.core.driver.Elevator}) sees, and nothing else. The kernel's counterpart is {@code include/linux/blk-mq.h}.
 *
 * <p>A driver makes a {@link io.blkmq.core.driver.TagSet}, makes a {@link io.blkmq.core.driver.RequestQueue} of it for each device, and is given
 * {@link io.blkmq.core.driver.Request}s through {@link io.blkmq.core.driver.HardwareContext}s.
 */
package io.blkmq.core.driver;
