package io.blkmq.metrics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.testing.Eventually;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import org.junit.jupiter.api.Test;

/** The disks as meters of Micrometer. */
class MicrometerDisksTest {

    private final MeterRegistry registry = new SimpleMeterRegistry();

    private static Disk disk(String name) throws IOException {
        return NullBlk.builder().name(name).memoryBacked(true).cacheBytes(1 << 20).build();
    }

    private double count(String name, String device, String... tags) {
        return registry.get(name).tag("system.device", device).tags(tags).functionCounter().count();
    }

    private boolean has(String device) {
        return registry.find("system.disk.io").tag("system.device", device).functionCounter() != null;
    }

    @Test
    void aDiskHasItsMeters() throws Exception {
        try (MicrometerDisks disks = new MicrometerDisks(); Disk disk = disk("metered")) {
            ByteBuffer memory = ByteBuffer.allocateDirect(4096);
            disk.write(0, memory);
            disk.read(0, memory.clear());
            disks.bindTo(registry);
            assertThat(count("system.disk.io", "metered", "disk.io.direction", "write")).isEqualTo(4096);
            assertThat(count("system.disk.operations", "metered", "disk.io.direction", "read")).isEqualTo(1);
            assertThat(count("system.disk.operation_time", "metered", "disk.io.direction", "read")).isPositive();
            assertThat(count("blkmq.disk.operations", "metered", "blkmq.disk.operation", "discard")).isZero();
            assertThat(registry.get("system.disk.limit").tag("system.device", "metered").gauge().value())
                    .isEqualTo((double) disk.sizeBytes());
            assertThat(registry.get("system.disk.limit").gauge().getId().getBaseUnit()).isEqualTo("bytes");
            assertThat(registry.getMeters())
                    .filteredOn(meter -> "metered".equals(meter.getId().getTag("system.device")))
                    .hasSize(DiskFigure.all().size());
            disk.read(0, memory.clear());
            Eventually.until("the next reading",
                    () -> count("system.disk.operations", "metered", "disk.io.direction", "read") == 2);
        }
        assertThat(registry.getMeters()).as("after the end").isEmpty();
    }

    @Test
    void aMeterThatIsAnothersDoesNotEndTheLook() throws Exception {
        Counter theirs = Counter.builder("system.disk.io").tag("system.device", "odd").tag("disk.io.direction", "read")
                .register(registry);
        try (MicrometerDisks disks = new MicrometerDisks(Duration.ofMillis(5)); Disk _ = disk("odd")) {
            disks.bindTo(registry);
            try (Disk _ = disk("even")) {
                Eventually.until("the next disk has its meters", () -> has("even"));
            }
            theirs.increment();
            assertThat(theirs.count()).isEqualTo(1);
        }
    }

    @Test
    @SuppressWarnings("try")
    void disksComeAndGo() throws Exception {
        try (MicrometerDisks disks = new MicrometerDisks(Duration.ofMillis(5))) {
            disks.bindTo(registry);
            MeterRegistry other = new SimpleMeterRegistry();
            disks.bindTo(other);
            try (Disk _ = disk("guest"); Disk _ = disk("guest")) {
                Eventually.until("both are there", () -> has("guest") && has("guest (2)"));
                Eventually.until("and there",
                        () -> other.find("system.disk.io").tag("system.device", "guest (2)").functionCounter() != null);
            }
            Eventually.until("both are gone", () -> !has("guest") && !has("guest (2)"));
            disks.close();
            assertThatThrownBy(() -> disks.bindTo(registry)).isInstanceOf(IllegalStateException.class);
        }
        assertThatThrownBy(() -> new MicrometerDisks(Duration.ZERO)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("PT0S");
    }
}
