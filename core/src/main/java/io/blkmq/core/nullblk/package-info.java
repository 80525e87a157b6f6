/**
 * The null block driver: a device for tests and benchmarks, and an example for authors of drivers.
 */
package io.blkmq.core.nullblk;
