package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.aio.Errno;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Status;
import io.blkmq.core.driver.DeviceDescription;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.loop.transfer.TransferFunctions;
import io.blkmq.loop.transfer.TransferKey;
import io.blkmq.runtime.Registration;
import io.blkmq.testing.DocPage;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
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
@NoRescues
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
    void theDescriptionNamesTheFileAndTheWay() throws Exception {
        assertThat(device.disk().description()).isEqualTo(new DeviceDescription("loop", "", "", ""));
        device.configure(LoopConfig.builder(image).direct(false).readOnly(true).build());
        assertThat(device.disk().description())
                .isEqualTo(new DeviceDescription("loop", image.toString(), "buffered,ro", "work queue"));
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
        refused(Errno.EINVAL, () -> attributes.set("queue/max_sectors_kb", "3"));
        refused(Errno.EINVAL, () -> attributes.set("queue/discard_max_bytes", "1"));
        refused(Errno.EINVAL, () -> attributes.set("queue/write_cache", "maybe"));
        refused(Errno.EINVAL, () -> attributes.set("queue/nr_requests", "129"));
        refused(Errno.EINVAL, () -> attributes.set("queue/rq_affinity", "4294967296"));
        refused(Errno.EINVAL, () -> attributes.set("queue/scheduler", "nothing"));
        refused(Errno.EINVAL, () -> attributes.set("queue/io_timeout", "0"));
        refused(Errno.EINVAL, () -> attributes.set("queue/io_poll", "1"));
        refused(Errno.ENOENT, () -> attributes.set("queue/iosched/fifo_batch", "1"));
        attributes.set("queue/scheduler", "mq-deadline");
        refused(Errno.ERANGE, () -> attributes.set("queue/iosched/fifo_batch", "2147483648"));
        refused(Errno.EINVAL, () -> attributes.set("queue/iosched/fifo_batch", "many"));
        refused(Errno.EINVAL, () -> attributes.set("queue/nr_requests", "2049"));
        assertThat(attributes.isWritable("queue/write_cache")).isTrue();
        assertThat(attributes.isWritable("loop/offset")).isFalse();
        assertThat(attributes.isWritable("queue/nothing")).isFalse();
    }

    @Test
    void thePageOnAttributesNamesAllOfThemAndSaysWhichCanBeWritten() throws Exception {
        device.configure(LoopConfig.builder(image).build());
        attributes.set("queue/scheduler", "mq-deadline");
        Map<Pattern, Boolean> writable = new LinkedHashMap<>();
        for (List<String> row : DocPage.read("docs/reference/attributes.md").rows("## The attributes")) {
            for (String name : DocPage.names(row.getFirst())) {
                writable.put(Pattern.compile(Pattern.quote(name).replace("*", "\\E.*\\Q")),
                        row.get(1).equals("read, write"));
            }
        }
        for (String name : attributes.allNames()) {
            List<Pattern> found = writable.keySet().stream().filter(pattern -> pattern.matcher(name).matches())
                    .toList();
            assertThat(found).as(name + " stands in the page").hasSize(1);
            assertThat(writable.get(found.getFirst())).as(name).isEqualTo(attributes.isWritable(name));
        }
        for (Pattern pattern : writable.keySet()) {
            assertThat(attributes.allNames()).as("the page has " + pattern)
                    .anyMatch(name -> pattern.matcher(name).matches());
        }
    }

    @Test
    void whatIsWrittenHolds() throws Exception {
        device.configure(LoopConfig.builder(image).build());
        String[][] all = {{"queue/max_sectors_kb", "64"}, {"queue/write_cache", "write through"},
                {"queue/rotational", "1"}, {"queue/rq_affinity", "2"}, {"queue/nr_requests", "16"},
                {"queue/discard_max_bytes", "65536"}, {"queue/nomerges", "2"}, {"queue/iostats", "0"},
                {"queue/io_timeout", "5000"}};
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
        attributes.set("queue/discard_max_bytes", "4294963200");
        assertThat(attributes.get("queue/discard_max_bytes")).isEqualTo(Long.toString(Backing.DISCARD_BYTES_MAX));
    }

    @Test
    void theElevatorAndItsTunablesAreThoseOfTheQueue() throws Exception {
        RequestQueue queue = device.disk().queue();
        assertThat(attributes.get("queue/scheduler")).isEqualTo("[none] kyber mq-deadline");
        assertThat(attributes.names()).noneMatch(name -> name.startsWith("queue/iosched/"));
        attributes.set("queue/scheduler", "kyber");
        assertThat(queue.elevator()).isEqualTo("kyber");
        assertThat(attributes.get("queue/scheduler")).isEqualTo("none [kyber] mq-deadline");
        assertThat(attributes.names()).contains("queue/iosched/read_lat_nsec", "queue/iosched/write_lat_nsec");
        attributes.set("queue/iosched/read_lat_nsec", "1000");
        assertThat(queue.elevatorAttributes().get("read_lat_nsec")).hasToString("read_lat_nsec = 1000 nanoseconds");
        assertThat(attributes.get("queue/nr_requests")).isEqualTo("256");
        attributes.set("queue/nr_requests", "2048");
        assertThat(queue.nrRequests()).isEqualTo(2048);
        assertThat(queue.tagSet().resizedDepth()).as("the driver's tags are as they were").isEqualTo(128);
        attributes.set("queue/scheduler", "none");
        refused(Errno.ENOENT, () -> attributes.get("queue/iosched/read_lat_nsec"));
        attributes.set("queue/nr_requests", "1");
        assertThat(queue.tagSet().resizedDepth()).as("4 at least").isEqualTo(4);
        assertThat(attributes.get("mq/0/nr_tags")).as("those there are").isEqualTo("128");
    }

    @Test
    void theTimeOutIsTheQueuesInMillisecondsRoundedUp() throws Exception {
        assertThat(attributes.get("queue/io_timeout")).isEqualTo("30000");
        attributes.set("queue/io_timeout", "5001");
        assertThat(device.disk().queue().timeoutNanos()).isEqualTo(6_000_000_000L);
        assertThat(attributes.get("queue/io_timeout")).isEqualTo("6000");
        attributes.set("queue/io_timeout", "4294967295");
        assertThat(attributes.get("queue/io_timeout")).isEqualTo("4294968000");
    }

    @Test
    void statAndInflightAreTheStatistics() throws Exception {
        device.configure(LoopConfig.builder(image).build());
        assertThat(attributes.get("inflight")).isEqualTo("       0        0");
        device.disk().write(0, MemorySegment.ofArray(new byte[8192]));
        device.disk().freeze();
        device.disk().unfreeze();
        String[] stat = attributes.get("stat").strip().split(" +", -1);
        assertThat(stat).hasSize(17);
        assertThat(stat[4]).as("writes").isEqualTo("1");
        assertThat(stat[6]).as("sectors").isEqualTo("16");
        attributes.set("queue/iostats", "0");
        device.disk().write(0, MemorySegment.ofArray(new byte[8192]));
        assertThat(attributes.get("stat").strip().split(" +", -1)[4]).as("not counted").isEqualTo("1");
    }

    @Test
    void discardCannotBeTurnedOnWhereThereIsAKey() throws Exception {
        device.configure(LoopConfig.builder(image)
                .transfer(TransferFunctions.find("xor"), TransferKey.copyOf(new byte[]{1})).build());
        assertThat(attributes.get("queue/discard_max_bytes")).isEqualTo("0");
        assertThat(attributes.get("queue/discard_max_hw_bytes")).isEqualTo("0");
        refused(Errno.EINVAL, () -> attributes.set("queue/discard_max_bytes", "65536"));
        assertThatThrownBy(() -> device.disk().discard(0, 65536)).isInstanceOfSatisfying(BlockIOException.class,
                e -> assertThat(e.status()).isEqualTo(Status.NOTSUPP));
        device.detach();
        device.configure(LoopConfig.builder(image).build());
        assertThat(attributes.get("queue/discard_max_bytes")).as("a file without a key has it again")
                .isEqualTo(Long.toString(Backing.DISCARD_BYTES_MAX));
    }

    @Test
    void aPolledDeviceTakesNoticeOfNoWriteToItsPolling() throws Exception {
        try (LoopDevice polled = LoopDevice.attach(LoopConfig.builder(image).polled(true).build())) {
            assertThat(polled.attributes().get("queue/io_poll")).isEqualTo("1");
            polled.attributes().set("queue/io_poll", "0");
            assertThat(polled.attributes().get("queue/io_poll")).isEqualTo("1");
            refused(Errno.EINVAL, () -> polled.attributes().set("queue/io_poll", "x"));
        }
    }

    @Test
    void aRemovedDeviceHasNothingToWriteTo() throws Exception {
        device.close();
        for (String name : new String[]{"queue/scheduler", "queue/nr_requests", "queue/max_sectors_kb"}) {
            refused(Errno.ENODEV, () -> attributes.set(name, name.endsWith("scheduler") ? "kyber" : "64"));
        }
    }

    @Test
    void overJmxTheyHaveTheSameNamesAndValues() throws Exception {
        MBeanServer server = ManagementFactory.getPlatformMBeanServer();
        ObjectName name = new ObjectName("io.blkmq:type=LoopDevice,name=\"loop0\"");
        try (Registration _ = device.registerMBean()) {
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
            server.setAttribute(name, new Attribute("queue/scheduler", "mq-deadline"));
            assertThat(server.getMBeanInfo(name).getAttributes()).extracting(MBeanAttributeInfo::getName)
                    .contains("queue/iosched/fifo_batch");
            server.setAttribute(name, new Attribute("queue/iosched/fifo_batch", "5"));
            assertThat(server.getAttribute(name, "queue/iosched/fifo_batch")).isEqualTo("5");
            assertThatThrownBy(() -> server.setAttribute(name, new Attribute("queue/scheduler", "nothing")))
                    .isInstanceOf(InvalidAttributeValueException.class).hasMessageContaining("mq-deadline");
            assertThat(server.getAttributes(name, new String[]{"size", "nothing", "ro"})).hasSize(2);
        }
        assertThat(server.isRegistered(name)).isFalse();
        var _ = device.registerMBean();
        device.close();
        assertThat(server.isRegistered(name)).as("gone with the device").isFalse();
    }

    @Test
    void aDeviceRemembersNothingOfRegistrationsThatWereClosed() throws Exception {
        int before = device.undoCount();
        for (int i = 0; i < 100; i++) {
            device.registerMBean().close();
        }
        assertThat(device.undoCount()).isEqualTo(before);
        device.configure(LoopConfig.builder(image).build());
        for (int i = 0; i < 10; i++) {
            device.setDirect(false);
            device.setDirect(true);
        }
        int attached = device.undoCount();
        device.detach();
        device.configure(LoopConfig.builder(image).build());
        assertThat(device.undoCount()).isEqualTo(attached);
    }

    @Test
    void aRegistrationThatIsClosedAgainLeavesAnothersAlone() throws Exception {
        MBeanServer server = ManagementFactory.getPlatformMBeanServer();
        ObjectName name = new ObjectName("io.blkmq:type=LoopDevice,name=\"loop0\"");
        Registration first = device.registerMBean();
        first.close();
        try (Registration _ = device.registerMBean()) {
            first.close();
            assertThat(server.isRegistered(name)).isTrue();
        }
        Registration last = device.registerMBean();
        device.close();
        try (LoopControl other = LoopControl.open(); Registration _ = other.add(0).registerMBean()) {
            last.close();
            assertThat(server.isRegistered(name)).as("that of another device of the name").isTrue();
        }
    }
}
