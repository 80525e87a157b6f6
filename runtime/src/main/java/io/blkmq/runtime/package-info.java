/**
 * The ground of blkmq: {@link io.blkmq.runtime.IoRuntime} gives threads, timers and the time, and {@link io.blkmq.runtime.IoBuffer} gives memory
 * that a device may read and write without a copy.
 */
package io.blkmq.runtime;
