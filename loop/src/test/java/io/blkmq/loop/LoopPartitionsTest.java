package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.core.Disk;
import io.blkmq.core.DiskBusyException;
import io.blkmq.core.Partition;
import io.blkmq.core.PartitionListener;
import io.blkmq.core.PartitionTable.Scheme;
import io.blkmq.core.Partitions;
import io.blkmq.loop.PartitionedImage.Part;
import io.blkmq.testing.Command;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Partitions of a file, with the flag PARTSCAN. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class LoopPartitionsTest {
    private static final int IMAGE_BYTES = 3 << 20;
    private static final List<Part> PARTS = List.of(new Part(64, 1000), new Part(2048, 512));
    private static final List<Part> MORE_PARTS = List.of(new Part(64, 1000), new Part(1100, 512), new Part(2049, 512),
            new Part(3000, 1000));

    @TempDir
    private Path directory;
    private Path image;
    private final List<String> events = Collections.synchronizedList(new ArrayList<>());

    /** Writes down what it is told. */
    private final class Listener implements PartitionListener {
        @Override
        public void partitionAdded(Disk disk, Partition partition) {
            events.add("+" + disk.partitions().nameOf(partition.index()));
        }

        @Override
        public void partitionRemoved(Disk disk, Partition partition) {
            events.add("-" + disk.partitions().nameOf(partition.index()));
        }
    }

    @BeforeEach
    void nameTheImage() {
        image = directory.resolve("disk.img");
    }

    private LoopConfig.Builder config(boolean direct) {
        return LoopConfig.builder(image).direct(direct).partScan(true).partitionListener(new Listener());
    }

    private List<String> events() {
        List<String> copy = List.copyOf(events);
        events.clear();
        return copy;
    }

    private static List<String> shortly(LoopDevice device) {
        return device.disk().partitions().list().stream().map(p -> device.disk().partitions().nameOf(p.index()) + " "
                + p.startBytes() / 512 + "+" + p.sizeBytes() / 512).toList();
    }

    // ---- blktests

    @ParameterizedTest(name = "loop/001 partitions of the image are found (GPT), direct {0}")
    @ValueSource(booleans = {true, false})
    @DisplayName("loop/001 partitions of the image are found (GPT)")
    void gptIsFound(boolean direct) throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        try (LoopDevice device = LoopDevice.attach(config(direct).build())) {
            assertThat(device.disk().partitions().table().scheme()).isEqualTo(Scheme.GPT);
            assertThat(device.disk().partitions().table().remarks()).isEmpty();
            assertThat(shortly(device)).containsExactly("loop0p1 64+1000", "loop0p2 2048+512");
            dataGoesWhereThePartitionIs(device, 2, 2048);
        }
    }

    @ParameterizedTest(name = "loop/001 partitions of the image are found (MBR), direct {0}")
    @ValueSource(booleans = {true, false})
    @DisplayName("loop/001 partitions of the image are found (MBR)")
    void mbrIsFound(boolean direct) throws Exception {
        PartitionedImage.mbr(image, IMAGE_BYTES, MORE_PARTS);
        try (LoopDevice device = LoopDevice.attach(config(direct).build())) {
            assertThat(device.disk().partitions().table().scheme()).isEqualTo(Scheme.MBR);
            assertThat(device.disk().partitions().table().remarks()).isEmpty();
            assertThat(shortly(device)).containsExactly("loop0p1 64+1000", "loop0p2 1100+512", "loop0p3 2048+2",
                    "loop0p5 2049+512", "loop0p6 3000+1000");
            dataGoesWhereThePartitionIs(device, 6, 3000);
        }
    }

    private void dataGoesWhereThePartitionIs(LoopDevice device, int index, long start) throws IOException {
        byte[] before = Files.readAllBytes(image);
        byte[] data = new byte[8192];
        Arrays.fill(data, (byte) index);
        try (Disk part = device.disk().partitions().open(index)) {
            part.write(4096, MemorySegment.ofArray(data));
            part.flush();
            byte[] read = new byte[8192];
            part.read(4096, MemorySegment.ofArray(read));
            assertThat(read).isEqualTo(data);
        }
        System.arraycopy(data, 0, before, (int) start * 512 + 4096, data.length);
        assertThat(Arrays.mismatch(Files.readAllBytes(image), before)).isEqualTo(-1);
    }

    @Test
    @DisplayName("loop/001 the kernel finds the same partitions")
    void theKernelFindsTheSame() throws Exception {
        List<Path> images = List.of(PartitionedImage.gpt(directory.resolve("gpt.img"), IMAGE_BYTES, PARTS),
                PartitionedImage.mbr(directory.resolve("mbr.img"), IMAGE_BYTES, MORE_PARTS));
        assumeTrue(Files.isWritable(Path.of("/dev/loop-control")), "no loop device of the kernel can be had here");
        Command.require("losetup");
        List<List<String>> theirs = new ArrayList<>();
        for (Path one : images) {
            theirs.add(kernelPartitions(one));
        }
        assumeTrue(theirs.stream().anyMatch(list -> !list.isEmpty()),
                "this kernel reads no partition tables: it was built without");
        for (int i = 0; i < images.size(); i++) {
            image = images.get(i);
            try (LoopDevice device = LoopDevice.attach(config(true).readOnly(true).build())) {
                assertThat(shortly(device).stream().map(line -> line.replaceFirst(".*p", "p"))).as(image.toString())
                        .containsExactlyInAnyOrderElementsOf(theirs.get(i));
            }
        }
    }

    /** What a kernel device shows in sysfs. */
    private static List<String> kernelPartitions(Path file) throws Exception {
        String node;
        try {
            node = Command.run("", "losetup", "--find", "--show", "--partscan", "--read-only", file.toString()).strip();
        } catch (IOException e) {
            assumeTrue(false, "no loop device of the kernel can be had here: " + e.getMessage());
            throw e;
        }
        try (Stream<Path> entries = Files.list(Path.of("/sys/block", Path.of(node).getFileName().toString()))) {
            List<String> found = new ArrayList<>();
            for (Path entry : entries.filter(path -> Files.exists(path.resolve("partition"))).toList()) {
                found.add("p" + Files.readString(entry.resolve("partition")).strip() + " "
                        + Files.readString(entry.resolve("start")).strip() + "+"
                        + Files.readString(entry.resolve("size")).strip());
            }
            return found;
        } finally {
            Command.run("", "losetup", "--detach", node);
        }
    }

    @ParameterizedTest(name = "loop/008 a GPT made through the device on a raw image is there, direct {0}")
    @ValueSource(booleans = {true, false})
    @DisplayName("loop/008 a GPT made through the device on a raw image is there")
    void gptOnARawImage(boolean direct) throws Exception {
        PartitionedImage.raw(image, IMAGE_BYTES);
        try (LoopDevice device = LoopDevice.attach(config(direct).build())) {
            assertThat(shortly(device)).isEmpty();
            try (FileChannel channel = device.disk().openChannel()) {
                PartitionedImage.writeGpt(channel, PARTS);
                channel.force(true);
            }
            assertThat(shortly(device)).as("before the table is read again").isEmpty();
            device.disk().partitions().rescan();
            assertThat(shortly(device)).containsExactly("loop0p1 64+1000", "loop0p2 2048+512");
        }
        try (LoopDevice device = LoopDevice.attach(config(direct).build())) {
            assertThat(shortly(device)).as("attached anew").containsExactly("loop0p1 64+1000", "loop0p2 2048+512");
        }
        if (Command.isInstalled("sfdisk")) {
            assertThat(Command.run("", "sfdisk", "--verify", image.toString())).contains("No errors detected");
        }
    }

    @Test
    @DisplayName("loop/009 partitions are told of on attach")
    void eventsOnAttach() throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        LoopDevice device = LoopDevice.attach(config(true).name("loop7").build());
        assertThat(events()).containsExactly("+loop7p1", "+loop7p2");
        device.close();
        assertThat(events()).containsExactly("-loop7p1", "-loop7p2");
    }

    @Test
    @DisplayName("loop/010 no stale partition is left, whatever is attached next")
    void noStalePartitions() throws Exception {
        Path partitioned = PartitionedImage.gpt(directory.resolve("partitioned.img"), IMAGE_BYTES, PARTS);
        Path other = PartitionedImage.mbr(directory.resolve("other.img"), IMAGE_BYTES, MORE_PARTS);
        Path raw = PartitionedImage.raw(directory.resolve("raw.img"), IMAGE_BYTES);
        List<List<String>> expected = List.of(List.of("loop0p1 64+1000", "loop0p2 2048+512"), List.of("loop0p1 64+1000",
                "loop0p2 1100+512", "loop0p3 2048+2", "loop0p5 2049+512", "loop0p6 3000+1000"), List.of());
        List<Path> images = List.of(partitioned, other, raw);
        for (int i = 0; i < 30; i++) {
            image = images.get(i % 3);
            try (LoopDevice device = LoopDevice.attach(config(i % 2 == 0).build())) {
                assertThat(shortly(device)).isEqualTo(expected.get(i % 3));
            }
        }
        image = partitioned;
        try (LoopDevice device = LoopDevice.attach(config(true).readOnly(true).build())) {
            for (int i = 0; i < 30; i++) {
                device.changeBackingFile(images.get(i % 3));
                assertThat(shortly(device)).as("behind the same device").isEqualTo(expected.get(i % 3));
            }
        }
        assertThat(events().stream().mapToInt(event -> event.startsWith("+") ? 1 : -1).sum()).isZero();
    }

    @Test
    @DisplayName("loop/012 no spurious partition appears and none is told of")
    void noSpuriousPartitions() throws Exception {
        PartitionedImage.raw(image, IMAGE_BYTES);
        try (LoopDevice device = LoopDevice.attach(config(true).build())) {
            device.disk().partitions().rescan();
            device.refreshCapacity();
            assertThat(events()).as("without a table").isEmpty();
        }
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        try (LoopDevice device = LoopDevice.attach(config(true).partScan(false).build())) {
            device.refreshCapacity();
            assertThat(events()).as("without the flag").isEmpty();
            assertThat(shortly(device)).isEmpty();
        }
        try (LoopDevice device = LoopDevice.attach(config(true).build())) {
            events();
            for (int i = 0; i < 10; i++) {
                device.disk().partitions().rescan();
                device.refreshCapacity();
            }
            assertThat(events()).as("where nothing has changed").isEmpty();
        }
    }

    @Test
    @DisplayName("loop/013 no partition is left over of a device that was detached, open ones included")
    void noPartitionIsLeftOver() throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        LoopDevice device = LoopDevice.attach(config(true).build());
        Partitions partitions = device.disk().partitions();
        Disk one = partitions.open(1);
        one.read(0, MemorySegment.ofArray(new byte[4096]));
        device.close();
        assertThat(partitions.list()).isEmpty();
        assertThat(one.isClosed()).isTrue();
        assertThatIllegalStateException().isThrownBy(() -> one.read(0, MemorySegment.ofArray(new byte[512])))
                .withMessage("loop0p1 is closed");
        one.close();
        assertThat(partitions.openers()).isZero();
        assertThat(events()).containsExactly("+loop0p1", "+loop0p2", "-loop0p1", "-loop0p2");
        try (LoopDevice again = LoopDevice.attach(config(true).build())) {
            assertThat(shortly(again)).hasSize(2);
        }
    }

    // ---- changes

    @Test
    void aGrownFileIsReadAgainAndAPartitionThatWasCutOffHasItsWholeLength() throws Exception {
        PartitionedImage.mbr(image, IMAGE_BYTES, List.of(new Part(64, 5000)));
        try (FileChannel file = FileChannel.open(image, StandardOpenOption.WRITE)) {
            file.truncate(1 << 20);
        }
        try (LoopDevice device = LoopDevice.attach(config(true).build())) {
            assertThat(shortly(device)).containsExactly("loop0p1 64+1984");
            assertThat(device.disk().partitions().table().remarks()).singleElement().asString().contains("cut off");
            try (FileChannel file = FileChannel.open(image, StandardOpenOption.WRITE)) {
                file.write(ByteBuffer.allocate(1), IMAGE_BYTES - 1);
            }
            device.refreshCapacity();
            assertThat(shortly(device)).containsExactly("loop0p1 64+5000");
            assertThat(events()).containsExactly("+loop0p1", "-loop0p1", "+loop0p1");
        }
    }

    @Test
    void whilePartitionsAreInUseTheOldOnesStay() throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        Path raw = PartitionedImage.raw(directory.resolve("raw.img"), IMAGE_BYTES);
        try (LoopDevice device = LoopDevice.attach(config(true).readOnly(true).build())) {
            events();
            try (Disk two = device.disk().partitions().open(2)) {
                device.changeBackingFile(raw);
                device.refreshCapacity();
                assertThat(shortly(device)).hasSize(2);
                assertThat(events()).isEmpty();
                assertThatExceptionOfType(DiskBusyException.class).isThrownBy(() -> device.disk().partitions().rescan())
                        .withMessageContaining("{loop0p2=1}");
                two.read(0, MemorySegment.ofArray(new byte[512]));
            }
            device.disk().partitions().rescan();
            assertThat(shortly(device)).isEmpty();
            assertThat(events()).containsExactly("-loop0p1", "-loop0p2");
        }
    }

    @ParameterizedTest(name = "with the flag PARTSCAN {0}")
    @ValueSource(booleans = {false, true})
    void whatStayedForItsUsersGoesWithTheLastOfThem(boolean partScan) throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        Path other = PartitionedImage.mbr(directory.resolve("other.img"), IMAGE_BYTES, List.of(new Part(64, 5000)));
        try (LoopDevice device = LoopDevice.attach(config(true).partScan(partScan).readOnly(true).build())) {
            device.disk().partitions().rescan();
            events();
            Disk one = device.disk().partitions().open(1);
            Disk two = device.disk().partitions().open(2);
            device.changeBackingFile(other);
            one.close();
            assertThat(shortly(device)).hasSize(2);
            two.close();
            assertThat(shortly(device)).isEqualTo(partScan ? List.of("loop0p1 64+5000") : List.of());
            assertThat(events()).startsWith("-loop0p1", "-loop0p2");
        }
    }

    @Test
    void aChangeThatComesWhileTheTableOfTheOneBeforeIsToldIsNotForgotten() throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        Path between = PartitionedImage.gpt(directory.resolve("between.img"), IMAGE_BYTES, MORE_PARTS);
        Path last = PartitionedImage.mbr(directory.resolve("last.img"), IMAGE_BYTES, List.of(new Part(64, 5000)));
        List<Disk> opened = new ArrayList<>();
        AtomicReference<@Nullable LoopDevice> changing = new AtomicReference<>();
        PartitionListener opens = new PartitionListener() {
            @Override
            public void partitionAdded(Disk disk, Partition partition) {
                LoopDevice device = changing.getAndSet(null);
                if (device != null) {
                    try {
                        opened.add(disk.partitions().open(partition.index()));
                        device.changeBackingFile(last);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                }
            }

            @Override
            public void partitionRemoved(Disk disk, Partition partition) {
                // Not what this is about.
            }
        };
        try (LoopDevice device = LoopDevice.attach(config(true).readOnly(true).partitionListener(opens).build())) {
            changing.set(device);
            device.changeBackingFile(between);
            assertThat(shortly(device)).as("in use").hasSize(4);
            opened.getFirst().close();
            assertThat(shortly(device)).containsExactly("loop0p1 64+5000");
        }
    }

    @Test
    void partitionsThatWereReadOnRequestGoWithTheirFile() throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        Path other = PartitionedImage.mbr(directory.resolve("other.img"), IMAGE_BYTES, List.of(new Part(64, 5000)));
        try (LoopDevice device = LoopDevice.attach(config(true).partScan(false).readOnly(true).build())) {
            device.disk().partitions().rescan();
            assertThat(events()).containsExactly("+loop0p1", "+loop0p2");
            device.changeBackingFile(other);
            assertThat(shortly(device)).as("of the file that is not there any more").isEmpty();
            assertThat(events()).containsExactly("-loop0p1", "-loop0p2");
            device.disk().partitions().rescan();
            assertThat(shortly(device)).containsExactly("loop0p1 64+5000");
            device.refreshCapacity();
            device.setBlockBytes(4096);
            device.setBlockBytes(512);
            assertThat(shortly(device)).as("as long as the table is where it was").hasSize(1);
            device.setStatus(new LoopStatus(4096, 0, Set.of(), ""));
            assertThat(shortly(device)).as("a table that lies before the device").isEmpty();
        }
    }

    @Test
    void thePartitionsOfAPolledDeviceGoWithTheirFile() throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        Path other = PartitionedImage.raw(directory.resolve("raw.img"), IMAGE_BYTES);
        try (LoopDevice device = LoopDevice.attach(config(true).polled(true).readOnly(true).build())) {
            device.disk().partitions().rescan();
            assertThat(shortly(device)).hasSize(2);
            device.changeBackingFile(other);
            assertThat(shortly(device)).isEmpty();
        }
    }

    @Test
    void aPartitionInUsePutsOffTheDetachmentLikeAHandle() throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        try (LoopControl control = LoopControl.open()) {
            LoopDevice device = control.add(5);
            device.disk().partitions().addListener(new Listener());
            device.configure(LoopConfig.builder(image).partScan(true).build());
            assertThat(events()).containsExactly("+loop5p1", "+loop5p2");
            Disk one = device.disk().partitions().open(1);
            Disk two = device.disk().partitions().open(2);
            assertThat(device.openers()).isEqualTo(2);
            device.detach();
            assertThat(device.state()).isEqualTo(LoopState.BOUND);
            assertThat(device.status().flags()).contains(LoopFlag.PARTSCAN, LoopFlag.AUTOCLEAR);
            one.close();
            two.read(0, MemorySegment.ofArray(new byte[4096]));
            two.close();
            assertThat(device.state()).isEqualTo(LoopState.UNBOUND);
            assertThat(device.disk().partitions().list()).isEmpty();
            assertThat(events()).containsExactly("-loop5p1", "-loop5p2");
            device.configure(LoopConfig.builder(PartitionedImage.raw(directory.resolve("raw.img"), IMAGE_BYTES))
                    .partScan(true).build());
            assertThat(events()).as("of another file").isEmpty();
        }
    }

    @Test
    void theFlagCanBeSetLater() throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        try (LoopDevice device = LoopDevice.attach(config(true).partScan(false).build())) {
            assertThat(events()).isEmpty();
            LoopStatus now = device.status();
            device.setStatus(
                    new LoopStatus(now.offsetBytes(), now.sizeLimitBytes(), Set.of(LoopFlag.PARTSCAN), now.fileName()));
            assertThat(events()).containsExactly("+loop0p1", "+loop0p2");
            // From here on it begins a block later, where no table is.
            device.setStatus(new LoopStatus(512, 0, Set.of(), ""));
            assertThat(events()).containsExactly("-loop0p1", "-loop0p2");
        }
    }

    @Test
    void aPolledDeviceLeavesTheScanToTheOwnerOfItsRing() throws Exception {
        PartitionedImage.gpt(image, IMAGE_BYTES, PARTS);
        try (LoopDevice device = LoopDevice.attach(config(true).polled(true).build())) {
            assertThat(shortly(device)).isEmpty();
            device.disk().partitions().rescan();
            assertThat(shortly(device)).hasSize(2);
            try (Disk one = device.disk().partitions().open(1)) {
                one.write(0, MemorySegment.ofArray(new byte[4096]));
                one.flush();
            }
        }
    }

    private static void table(ByteBuffer bytes, int at, int sector, int sectors) {
        bytes.put(at + 446 + 4, (byte) 0x83).putInt(at + 446 + 8, sector).putInt(at + 446 + 12, sectors)
                .putShort(at + 510, (short) 0xaa55);
    }

    /** Writes would go to places of the old table. */
    @Test
    void anInterruptKeepsNoPartitionsOfTheFormerPlace() throws Exception {
        ByteBuffer bytes = ByteBuffer.allocate(IMAGE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        table(bytes, 0, 64, 128);
        table(bytes, 1 << 20, 512, 256);
        Files.write(image, bytes.array());
        try (LoopDevice device = LoopDevice.attach(config(false).build())) {
            assertThat(shortly(device)).containsExactly("loop0p1 64+128");
            device.disk().freeze();
            FutureTask<Boolean> change = new FutureTask<>(() -> {
                LoopStatus status = device.status();
                device.setStatus(new LoopStatus(1 << 20, status.sizeLimitBytes(), status.flags(), status.fileName()));
                return Thread.currentThread().isInterrupted();
            });
            Thread thread = Thread.ofPlatform().daemon().start(change);
            try {
                Eventually.waits(thread);
                thread.interrupt();
                Eventually.letOthersRun();
            } finally {
                device.disk().unfreeze();
            }
            assertThat(change.get()).as("it keeps its interrupt").isTrue();
            assertThat(device.status().offsetBytes()).isEqualTo(1 << 20);
            assertThat(shortly(device)).containsExactly("loop0p1 512+256");
        }
    }
}
