/**
 * A disk in memory that fails on command: {@link io.blkmq.testkit.disk.SimulatedDisk} with faults by
 * {@link io.blkmq.testkit.disk.FaultRule rule}, {@link io.blkmq.testkit.disk.PowerCut power cuts} and
 * {@link io.blkmq.testkit.disk.DiskImage images} of its content; and {@link io.blkmq.testkit.disk.TraceRecorder traces} of any disk.
 */
package io.blkmq.testkit.disk;
