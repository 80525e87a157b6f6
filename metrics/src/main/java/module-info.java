import org.jspecify.annotations.NullMarked;

/** The disks of a process for systems of metrics. */
@NullMarked
// Micrometer and OpenTelemetry have names in their manifests, and no descriptors.
@SuppressWarnings({"requires-automatic", "requires-transitive-automatic"}) module io.blkmq.metrics {
    requires static transitive org.jspecify;
    requires transitive io.blkmq.core;
    // Whoever uses the one has it, and need not have the other.
    requires static transitive micrometer.core;
    requires static transitive io.opentelemetry.api;

    exports io.blkmq.metrics;
}
