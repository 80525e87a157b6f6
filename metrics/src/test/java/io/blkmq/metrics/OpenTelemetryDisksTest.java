package io.blkmq.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.data.MetricData;
import io.opentelemetry.sdk.metrics.data.PointData;
import io.opentelemetry.sdk.testing.exporter.InMemoryMetricReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** The disks as OpenTelemetry collects them. */
class OpenTelemetryDisksTest {

    private static final AttributeKey<String> DEVICE = AttributeKey.stringKey("system.device");

    private final InMemoryMetricReader reader = InMemoryMetricReader.create();
    private final OpenTelemetrySdk telemetry = OpenTelemetrySdk.builder()
            .setMeterProvider(SdkMeterProvider.builder().registerMetricReader(reader).build()).build();

    /** The points of a device by name and other attribute: {@code system.disk.io read}. */
    private Map<String, Number> collect(String device) {
        Map<String, Number> values = new TreeMap<>();
        for (MetricData metric : reader.collectAllMetrics()) {
            Stream.concat(metric.getLongSumData().getPoints().stream(), metric.getDoubleSumData().getPoints().stream())
                    .filter(point -> device.equals(point.getAttributes().get(DEVICE)))
                    .forEach(point -> values.put((metric.getName() + rest(point)).strip(), value(point)));
        }
        return values;
    }

    private static String rest(PointData point) {
        StringBuilder rest = new StringBuilder();
        Attributes attributes = point.getAttributes();
        attributes.forEach((key, value) -> rest.append(key.equals(DEVICE) ? "" : " " + value));
        return rest.toString();
    }

    private static Number value(PointData point) {
        return point instanceof io.opentelemetry.sdk.metrics.data.LongPointData counts
                ? (Number) counts.getValue()
                : (Number) ((io.opentelemetry.sdk.metrics.data.DoublePointData) point).getValue();
    }

    private static Disk disk(String name) throws IOException {
        return NullBlk.builder().name(name).memoryBacked(true).cacheBytes(1 << 20).build();
    }

    @Test
    void aDiskHasTheFiguresOfTheConventions() throws Exception {
        try (var _ = OpenTelemetryDisks.register(telemetry); Disk disk = disk("otel")) {
            ByteBuffer memory = ByteBuffer.allocateDirect(4096);
            disk.write(0, memory);
            disk.write(4096, memory.clear());
            disk.read(0, memory.clear());
            disk.flush();
            Map<String, Number> values = collect("otel");
            assertThat(values).containsEntry("system.disk.io write", 8192L).containsEntry("system.disk.io read", 4096L)
                    .containsEntry("system.disk.operations read", 1L)
                    .containsEntry("system.disk.limit", disk.sizeBytes()).containsEntry("system.disk.merged read", 0L)
                    .containsEntry("blkmq.disk.operations flush", disk.statistics().ios(io.blkmq.core.IoGroup.FLUSH))
                    .containsEntry("blkmq.disk.operations discard", 0L).containsEntry("blkmq.disk.in_flight write", 0L);
            assertThat(values.get("system.disk.operation_time read").doubleValue()).isPositive();
            assertThat(values.get("system.disk.io_time").doubleValue()).isPositive();
            assertThat(values).hasSize(DiskFigure.all().size());
        }
    }

    @Test
    @SuppressWarnings("try")
    void disksComeAndGoAndHaveNamesOfTheirOwn() throws Exception {
        try (var disks = OpenTelemetryDisks.register(telemetry)) {
            assertThat(collect("twin")).isEmpty();
            try (Disk first = disk("twin")) {
                first.read(0, ByteBuffer.allocateDirect(4096));
                assertThat(collect("twin")).containsEntry("system.disk.io read", 4096L);
                try (Disk second = disk("twin")) {
                    second.read(0, ByteBuffer.allocateDirect(8192));
                    assertThat(collect("twin (2)")).containsEntry("system.disk.io read", 8192L);
                    assertThat(collect("twin")).containsEntry("system.disk.io read", 4096L);
                    first.close();
                    assertThat(collect("twin (2)")).as("it keeps its name").containsEntry("system.disk.io read", 8192L);
                    assertThat(collect("twin")).isEmpty();
                }
            }
            assertThat(collect("twin (2)")).isEmpty();
            disks.close();
            try (Disk _ = disk("late")) {
                assertThat(collect("late")).isEmpty();
            }
        }
    }
}
