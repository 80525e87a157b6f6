package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.aio.Errno;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Status;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import javax.management.Attribute;
import javax.management.AttributeNotFoundException;
import javax.management.InvalidAttributeValueException;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The attributes of a device, directly and over JMX. */
class LoopAttributesTest {
    private static final int MIB = 1 << 20;

    @TempDir
    private Path directory;
    private Path image;
    private final LoopControl control = LoopControl.open();
    private LoopDevice device;
    private LoopAttributes attributes;

    @SuppressWarnings("NullAway.Init")
    LoopAttributesTest() {}

    @BeforeEach
    void make() throws IOException {
        image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(MIB);
        }
        device = control.add();
        attributes = device.attributes();
    }

    @AfterEach
    void close() {
        control.close();
    }

    private static void refused(int errno, ThrowingCallable what) {
        assertThatThrownBy(what).isInstanceOfSatisfying(LoopException.class,
                e -> assertThat(e.errno()).as(e.getMessage()).isEqualTo(errno));
    }

    @Test
    void thoseOfTheFileAreThereWhileThereIsAFile() throws Exception {
        assertThat(attributes.names()).contains("size", "ro", "queue/logical_block_size")
                .noneMatch(name -> name.startsWith("loop/"));
        refused(Errno.ENOENT, () -> attributes.get("loop/offset"));
        assertThat(attributes.get("size")).isEqualTo("0");

        device.configure(LoopConfig.builder(image).direct(false).offsetBytes(4096).sizeLimitBytes(100_000).build());
        assertThat(attributes.names()).contains("loop/backing_file", "loop/offset", "loop/sizelimit", "loop/autoclear",
                "loop/partscan", "loop/dio");
        assertThat(attributes.get("size")).isEqualTo("195");
        assertThat(attributes.get("loop/backing_file")).isEqualTo(image.toString());
        assertThat(attributes.get("loop/offset")).isEqualTo("4096");
        assertThat(attributes.get("loop/sizelimit")).isEqualTo("100000");
        assertThat(attributes.get("loop/autoclear")).isEqualTo("0");
        assertThat(attributes.get("loop/dio")).isEqualTo("0");
        device.setStatus(device.status().with(LoopFlag.AUTOCLEAR, true).with(LoopFlag.PARTSCAN, true));
        assertThat(attributes.get("loop/autoclear")).isEqualTo("1");
        assertThat(attributes.get("loop/partscan")).isEqualTo("1");
        device.setBlockBytes(4096);
        assertThat(attributes.get("queue/logical_block_size")).isEqualTo("4096");
        assertThat(attributes.get("queue/physical_block_size")).isEqualTo("4096");
        device.detach();
        refused(Errno.ENOENT, () -> attributes.get("loop/backing_file"));
    }

    @Test
    void whatIsNotThereOrCannotBeWrittenIsRefusedByName() throws Exception {
        device.configure(LoopConfig.builder(image).build());
        refused(Errno.ENOENT, () -> attributes.get("queue/nothing"));
        refused(Errno.ENOENT, () -> attributes.set("queue/nothing", "1"));
        refused(Errno.EACCES, () -> attributes.set("loop/offset", "512"));
        refused(Errno.EACCES, () -> attributes.set("queue/logical_block_size", "512"));
        refused(Errno.EINVAL, () -> attributes.set("queue/max_sectors_kb", "many"));
        refused(Errno.EINVAL, () -> attributes.set("queue/max_sectors_kb", "1281"));
        refused(Errno.EINVAL, () -> attributes.set("queue/max_sectors_kb", "3"));
        refused(Errno.EINVAL, () -> attributes.set("queue/discard_max_bytes", "1"));
        refused(Errno.EINVAL, () -> attributes.set("queue/write_cache", "maybe"));
        refused(Errno.EINVAL, () -> attributes.set("queue/nr_requests", "129"));
        refused(Errno.EINVAL, () -> attributes.set("queue/nr_requests", "0"));
        refused(Errno.EINVAL, () -> attributes.set("queue/rq_affinity", "3"));
        assertThat(attributes.isWritable("queue/write_cache")).isTrue();
        assertThat(attributes.isWritable("loop/offset")).isFalse();
        assertThat(attributes.isWritable("queue/nothing")).isFalse();
    }

    @Test
    void whatIsWrittenHolds() throws Exception {
        device.configure(LoopConfig.builder(image).build());
        String[][] all = {{"queue/max_sectors_kb", "64"}, {"queue/write_cache", "write through"},
                {"queue/rotational", "1"}, {"queue/rq_affinity", "2"}, {"queue/nr_requests", "16"},
                {"queue/discard_max_bytes", "65536"}};
        for (String[] each : all) {
            attributes.set(each[0], each[1]);
            assertThat(attributes.get(each[0])).as(each[0]).isEqualTo(each[1]);
        }
        assertThat(device.disk().limits().requestBytesMax()).isEqualTo(64 << 10);
        device.setStatus(device.status().withOffsetBytes(4096));
        for (String[] each : all) {
            assertThat(attributes.get(each[0])).as(each[0] + " after a move").isEqualTo(each[1]);
        }
        long syncs = device.syncs().count();
        device.disk().flush();
        assertThat(device.syncs().count()).as("no flush without a cache").isEqualTo(syncs);
        attributes.set("queue/write_cache", "write back");
        device.disk().flush();
        assertThat(device.syncs().count()).isEqualTo(syncs + 1);
        attributes.set("queue/discard_max_bytes", "0");
        assertThatThrownBy(() -> device.disk().discard(0, 4096)).isInstanceOfSatisfying(BlockIOException.class,
                e -> assertThat(e.status()).isEqualTo(Status.NOTSUPP));
        attributes.set("queue/discard_max_bytes", Long.toString(1L << 40));
        assertThat(attributes.get("queue/discard_max_bytes")).isEqualTo(Long.toString(Backing.DISCARD_BYTES_MAX));
    }

    @Test
    void overJmxTheyHaveTheSameNamesAndValues() throws Exception {
        MBeanServer server = ManagementFactory.getPlatformMBeanServer();
        ObjectName name = new ObjectName("io.blkmq:type=LoopDevice,name=\"loop0\"");
        try (AutoCloseable _ = device.registerMBean()) {
            refused(Errno.EEXIST, device::registerMBean);
            assertThat(server.getAttribute(name, "loop/offset")).isNull();
            device.configure(LoopConfig.builder(image).build());
            for (MBeanAttributeInfo info : server.getMBeanInfo(name).getAttributes()) {
                assertThat(server.getAttribute(name, info.getName())).as(info.getName())
                        .isEqualTo(attributes.get(info.getName()));
                assertThat(info.isWritable()).as(info.getName()).isEqualTo(attributes.isWritable(info.getName()));
            }
            server.setAttribute(name, new Attribute("queue/max_sectors_kb", "128"));
            assertThat(attributes.get("queue/max_sectors_kb")).isEqualTo("128");
            assertThatThrownBy(() -> server.setAttribute(name, new Attribute("queue/max_sectors_kb", "-1")))
                    .isInstanceOf(InvalidAttributeValueException.class).hasMessageContaining("-1");
            assertThatThrownBy(() -> server.setAttribute(name, new Attribute("loop/offset", "0")))
                    .isInstanceOf(AttributeNotFoundException.class);
            assertThatThrownBy(() -> server.getAttribute(name, "nothing"))
                    .isInstanceOf(AttributeNotFoundException.class);
            assertThat(server.getAttributes(name, new String[]{"size", "nothing", "ro"})).hasSize(2);
        }
        assertThat(server.isRegistered(name)).isFalse();
        var _ = device.registerMBean();
        device.close();
        assertThat(server.isRegistered(name)).as("gone with the device").isFalse();
    }
}
