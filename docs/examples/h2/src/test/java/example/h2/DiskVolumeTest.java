package example.h2;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.testkit.disk.CrashExplorer;
import io.blkmq.testkit.disk.Fault;
import io.blkmq.testkit.disk.FaultRule;
import io.blkmq.testkit.disk.PowerCut;
import io.blkmq.testkit.disk.SimulatedDisk;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class DiskVolumeTest {
    private static final int DISK_BYTES = 4 << 20;

    private static SimulatedDisk.Builder disk() {
        return SimulatedDisk.builder().capacityBytes(DISK_BYTES);
    }

    private static void write(DiskVolume volume, String name, String text, long at) throws IOException {
        volume.get(name).write(ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1)), at);
    }

    private static Map<String, String> content(DiskVolume volume) throws IOException {
        Map<String, String> content = new TreeMap<>();
        for (String name : volume.names("")) {
            ByteBuffer bytes = ByteBuffer.allocate((int) volume.get(name).size() + 10);
            while (volume.get(name).read(bytes, bytes.position()) > 0) {
                assertThat(bytes.position()).isEqualTo((int) volume.get(name).size());
            }
            content.put(name, new String(bytes.array(), 0, bytes.position(), StandardCharsets.ISO_8859_1));
        }
        return content;
    }

    /** A change that is durable when it has ended. */
    private interface Step {
        void run(DiskVolume volume) throws IOException;
    }

    /** At each moment the files are as after a step that had ended, or the one that was being done. */
    @Test
    void aPowerCutLeavesEachStepWholeOrNotAtAll() throws Exception {
        // So that the table is in several sectors, of which some may be lost.
        String name = "n".repeat(600);
        List<Step> steps = List.of(volume -> volume.create(name), volume -> volume.create("a"), volume -> {
            write(volume, "a", "A".repeat(5000), 0);
            volume.get("a").sync();
        }, volume -> {
            write(volume, "a", "B".repeat(3000), 8000);
            volume.create("b");
        }, volume -> {
            write(volume, "b", "C".repeat(100), 0);
            volume.get("b").sync();
        }, volume -> volume.rename("b", "a"), volume -> volume.create("c"), volume -> {
            // In the extent that the first file has given back.
            write(volume, "c", "D".repeat(9000), 0);
            volume.get("c").sync();
        }, volume -> volume.get("a").truncate(10), volume -> volume.delete("c"), volume -> {
            write(volume, "a", "E".repeat(5), 0);
            volume.get("a").sync();
        });
        List<Map<String, String>> contents = new ArrayList<>(List.of(Map.of()));
        try (SimulatedDisk simulated = disk().build()) {
            DiskVolume volume = DiskVolume.open(simulated.disk());
            for (Step step : steps) {
                step.run(volume);
                contents.add(content(volume));
            }
        }
        assertThat(contents.get(4)).isEqualTo(Map.of(name, "", "a", "A".repeat(5000) + "\0".repeat(3000) + "B".repeat(3000), "b", ""));
        assertThat(contents.getLast()).isEqualTo(Map.of(name, "", "a", "EEEEECCCCC"));

        var report = CrashExplorer.<Integer>on(disk()).run((disk, acknowledged) -> {
            DiskVolume volume = DiskVolume.open(disk);
            for (int i = 0; i < steps.size(); i++) {
                steps.get(i).run(volume);
                acknowledged.add(i + 1);
            }
        }).check((disk, acknowledged) -> {
            int last = acknowledged.size();
            assertThat(content(DiskVolume.open(disk))).isIn(contents.subList(last, Math.min(last + 2, contents.size())));
        });
        assertThat(report.checked()).isGreaterThan(100);
    }

    @Test
    void filesAreAsTextsInAMap() throws Exception {
        Random random = new Random(1);
        Map<String, String> model = new TreeMap<>();
        try (SimulatedDisk simulated = disk().build()) {
            for (int opening = 0; opening < 5; opening++) {
                DiskVolume volume = DiskVolume.open(simulated.disk());
                assertThat(content(volume)).isEqualTo(model);
                for (int i = 0; i < 200; i++) {
                    String name = "f" + random.nextInt(3);
                    if (!model.containsKey(name)) {
                        assertThat(volume.create(name)).isNotNull();
                        model.put(name, "");
                        continue;
                    }
                    StringBuilder text = new StringBuilder(model.get(name));
                    switch (random.nextInt(12)) {
                        case 0 -> {
                            volume.delete(name);
                            model.remove(name);
                            continue;
                        }
                        case 1 -> {
                            String to = "f" + random.nextInt(3);
                            volume.rename(name, to);
                            model.remove(name);
                            model.put(to, text.toString());
                            continue;
                        }
                        case 2 -> {
                            int size = random.nextInt(20_000);
                            volume.get(name).truncate(size);
                            text.setLength(Math.min(size, text.length()));
                        }
                        default -> {
                            int at = random.nextInt(random.nextInt(5) == 0 ? 1 << 20 : 20_000);
                            String written = Integer.toString(i).repeat(random.nextInt(4000));
                            write(volume, name, written, at);
                            if (!written.isEmpty()) {
                                text.setLength(Math.max(text.length(), at + written.length()));
                                text.replace(at, at + written.length(), written);
                            }
                        }
                    }
                    model.put(name, text.toString());
                }
                for (String name : volume.names("")) {
                    volume.get(name).sync();
                }
            }
        }
    }

    /** H2 reads pages out of a buffer that is being written: the JDK's channels leave its limit alone. */
    @Test
    void theLimitOfABufferStaysWhileItIsWritten() throws Exception {
        try (SimulatedDisk simulated = disk().build()) {
            DiskVolume volume = DiskVolume.open(simulated.disk());
            DiskVolume.File file = volume.create("a");
            simulated.faults().add(FaultRule.on(Operation.WRITE).nth(1).then(Fault.hang()));
            ByteBuffer buffer = ByteBuffer.allocate(3 << 19);
            Thread writer = Thread.startVirtualThread(() -> {
                try {
                    file.write(buffer, 0);
                } catch (IOException e) {
                    throw new IllegalStateException(e);
                }
            });
            while (simulated.inFlight() == 0) {
                Thread.sleep(1);
            }
            try {
                assertThat(buffer.limit()).isEqualTo(buffer.capacity());
            } finally {
                simulated.faults().release();
                writer.join();
            }
            assertThat(buffer.hasRemaining()).isFalse();
            assertThat(file.size()).isEqualTo(buffer.capacity());
        }
    }

    @Test
    void aFullDiskRefusesToGrowAFileAndNothingElse() throws Exception {
        try (SimulatedDisk simulated = disk().build()) {
            DiskVolume volume = DiskVolume.open(simulated.disk());
            volume.create("a");
            volume.create("b");
            write(volume, "a", "x", (2 << 20) - 1);
            write(volume, "b", "y", 0);
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> write(volume, "b", "z", 1 << 20))
                    .withMessageContaining("No space left on").withMessageContaining("wants 2 extents of 1048576 bytes and has 1, and 0 are free");
            assertThat(volume.get("b").size()).isEqualTo(1);
            volume.delete("a");
            write(volume, "b", "z", 1 << 20);
            assertThat(volume.get("b").size()).isEqualTo((1 << 20) + 1);
        }
    }

    /** A change of a volume or of its file a, which is durable when it has ended. */
    private interface Change {
        void make(DiskVolume volume, DiskVolume.File file) throws IOException;
    }

    /** A retry that succeeded would promise what may not be on the disk. */
    @Test
    void nothingIsPromisedAfterAFailedTable() throws Exception {
        List<Change> changes = List.of((_, file) -> file.truncate(0), (volume, _) -> volume.delete("a"), (volume, _) -> volume.create("c"),
                (volume, _) -> volume.rename("a", "b"), (_, file) -> {
                    file.write(ByteBuffer.allocate(1), 10);
                    file.sync();
                });
        for (Change change : changes) {
            try (SimulatedDisk simulated = disk().build()) {
                DiskVolume volume = DiskVolume.open(simulated.disk());
                DiskVolume.File file = volume.create("a");
                volume.create("b");
                write(volume, "a", "x", 0);
                file.sync();
                Map<String, String> before = content(volume);
                // The first 128 KiB have both tables, and nothing of a file.
                simulated.faults().add(FaultRule.on(Operation.WRITE).range(0, 128 << 10).nth(1).then(Fault.status(Status.MEDIUM)));
                assertThatExceptionOfType(IOException.class).isThrownBy(() -> change.make(volume, file)).withMessageContaining("open the files again");
                for (Change later : changes) {
                    assertThatExceptionOfType(IOException.class).isThrownBy(() -> later.make(volume, file));
                }
                assertThatExceptionOfType(IOException.class).isThrownBy(file::sync);
                simulated.powerCut(PowerCut.ALL_LOST);
                assertThat(content(DiskVolume.open(simulated.disk()))).isEqualTo(before);
            }
        }
    }

    @Test
    void aFlushAfterAFailedOneIsRefused() throws Exception {
        try (SimulatedDisk simulated = disk().build()) {
            DiskVolume volume = DiskVolume.open(simulated.disk());
            volume.create("a");
            write(volume, "a", "x", 0);
            DiskVolume.File file = volume.get("a");
            file.sync();
            write(volume, "a", "y", 0);
            simulated.faults().add(FaultRule.on(Operation.FLUSH).nth(1).then(Fault.status(Status.IOERR)));
            for (int i = 0; i < 2; i++) {
                assertThatExceptionOfType(IOException.class).isThrownBy(file::sync).withMessageContaining("open the files again");
            }
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> write(volume, "a", "z", 0));
            assertThat(content(volume)).isEqualTo(Map.of("a", "y"));
        }
    }

    @Test
    void aDiskWithSomethingElseIsRefused() throws Exception {
        try (SimulatedDisk simulated = disk().build()) {
            Disk disk = simulated.disk();
            disk.write(4096, MemorySegment.ofArray("mine".repeat(128).getBytes(StandardCharsets.US_ASCII)));
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> DiskVolume.open(disk)).withMessageContaining("no files of");
        }
        try (SimulatedDisk small = SimulatedDisk.builder().capacityBytes(1 << 20).build()) {
            assertThatIllegalArgumentException().isThrownBy(() -> DiskVolume.open(small.disk())).withMessageContaining("1048576 bytes")
                    .withMessageContaining("need at least");
        }
    }

    @Test
    void anInterruptEndsNothingAndIsKept() throws Exception {
        try (SimulatedDisk simulated = disk().build()) {
            DiskVolume volume = DiskVolume.open(simulated.disk());
            volume.create("other");
            Thread interrupted = Thread.currentThread();
            AtomicBoolean stopped = new AtomicBoolean();
            Thread interrupting = Thread.ofPlatform().start(() -> {
                while (!stopped.get()) {
                    interrupted.interrupt();
                }
            });
            try {
                for (int i = 0; i < 200; i++) {
                    volume.create("file");
                    write(volume, "file", "text" + i, i);
                    volume.get("file").sync();
                    assertThat(content(volume).get("file")).endsWith("text" + i);
                    volume.rename("file", "other");
                }
            } finally {
                stopped.set(true);
                while (interrupting.isAlive()) {
                    Thread.onSpinWait();
                }
            }
            assertThat(Thread.interrupted()).isTrue();
            write(volume, "other", "x", 0);
        }
    }
}
