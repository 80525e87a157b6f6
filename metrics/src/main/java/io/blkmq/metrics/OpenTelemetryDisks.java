package io.blkmq.metrics;

import io.blkmq.core.Disk;
import io.opentelemetry.api.OpenTelemetry;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.AttributesBuilder;
import io.opentelemetry.api.metrics.BatchCallback;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.api.metrics.ObservableDoubleMeasurement;
import io.opentelemetry.api.metrics.ObservableLongMeasurement;
import io.opentelemetry.api.metrics.ObservableMeasurement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * The open disks of this process as instruments of OpenTelemetry, with the names of its semantic conventions: {@code system.disk.io},
 * {@code .operations}, {@code .operation_time}, {@code .io_time}, {@code .merged} and {@code .limit}, with the attributes {@code system.device} and
 * {@code disk.io.direction}; and what these have no names for, under {@code blkmq.disk}. Disks are looked for with each collection, and each is read
 * once for it, so I/O pays nothing. Thread-safe.
 *
 * <pre>{@code
 * try (var disks = OpenTelemetryDisks.register(GlobalOpenTelemetry.get())) {
 *     ...
 * }
 * }</pre>
 *
 * @since 0.1.0
 */
public final class OpenTelemetryDisks implements AutoCloseable {

    private final DiskLabels labels = new DiskLabels();
    private final List<DiskFigure> figures = DiskFigure.all();
    /** By name. */
    private final Map<String, ObservableMeasurement> instruments = new LinkedHashMap<>();
    private final BatchCallback callback;

    private OpenTelemetryDisks(OpenTelemetry telemetry) {
        Meter meter = telemetry.getMeter("io.blkmq");
        for (DiskFigure figure : figures) {
            ObservableMeasurement _ = instruments.computeIfAbsent(figure.name(), _ -> instrument(meter, figure));
        }
        List<ObservableMeasurement> all = new ArrayList<>(instruments.values());
        callback = meter.batchCallback(this::observe, all.getFirst(),
                all.subList(1, all.size()).toArray(ObservableMeasurement[]::new));
    }

    /**
     * Registers the instruments.
     *
     * @param telemetry where
     * @return to be closed when they are not to be observed any more
     */
    public static OpenTelemetryDisks register(OpenTelemetry telemetry) {
        return new OpenTelemetryDisks(telemetry);
    }

    private static ObservableMeasurement instrument(Meter meter, DiskFigure figure) {
        return switch (figure.kind()) {
            case COUNT -> meter.counterBuilder(figure.name()).setDescription(figure.what()).setUnit(figure.unit())
                    .buildObserver();
            case TIME -> meter.counterBuilder(figure.name()).ofDoubles().setDescription(figure.what())
                    .setUnit(figure.unit()).buildObserver();
            case LEVEL -> meter.upDownCounterBuilder(figure.name()).setDescription(figure.what()).setUnit(figure.unit())
                    .buildObserver();
        };
    }

    /** By a collection. */
    private void observe() {
        for (Map.Entry<String, Disk> each : labels.look().entrySet()) {
            DiskFigure.Reading reading = new DiskFigure.Reading(each.getValue());
            for (DiskFigure figure : figures) {
                AttributesBuilder attributes = Attributes.builder().put(DiskFigure.DEVICE, each.getKey());
                String tag = figure.tag();
                String value = figure.tagValue();
                if (tag != null && value != null) {
                    attributes.put(tag, value);
                }
                record(figure, figure.of().applyAsDouble(reading), attributes.build());
            }
        }
    }

    /** An implementation may be both kinds of measurement, so that its class does not tell. */
    private void record(DiskFigure figure, double value, Attributes attributes) {
        ObservableMeasurement instrument = Objects.requireNonNull(instruments.get(figure.name()));
        if (figure.kind() == DiskFigure.Kind.TIME) {
            ((ObservableDoubleMeasurement) instrument).record(value, attributes);
        } else {
            ((ObservableLongMeasurement) instrument).record((long) value, attributes);
        }
    }

    /** Ends the observation. Idempotent. */
    @Override
    public void close() {
        callback.close();
    }
}
