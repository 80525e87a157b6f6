/**
 * The disks of this process for systems of metrics: {@link io.blkmq.metrics.MicrometerDisks} and {@link io.blkmq.metrics.OpenTelemetryDisks}.
 * Both have the names that OpenTelemetry gives the figures of a system's disks.
 */
package io.blkmq.metrics;
