package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.aio.Errno;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.IoGroup;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.Unmount;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;

/** What the cases of blktests' group {@code loop} try, but for those about partitions. */
@NoRescues
@Isolated
class LoopBlktestsTest {
    private static final int MIB = 1 << 20;

    @TempDir
    private Path directory;
    private final LoopControl control = LoopControl.open();

    @SuppressWarnings("NullAway.Init")
    LoopBlktestsTest() {}

    @AfterEach
    void close() {
        control.close();
    }

    private Path file(String name, long bytes) throws IOException {
        Path path = directory.resolve(name);
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(bytes);
        }
        return path;
    }

    @Test
    @DisplayName("loop/002 every block size from 512 to 64 KiB is taken, and no other")
    void everyBlockSize() throws Exception {
        LoopDevice device = control.attach(LoopConfig.builder(file("disk.img", MIB)).build());
        Disk disk = device.disk();
        try (IoBuffer buffer = IoBuffer.allocate(64 << 10)) {
            for (int block = 512; block <= 65536; block *= 2) {
                device.setBlockBytes(block);
                assertThat(device.attributes().get("queue/logical_block_size")).isEqualTo(Integer.toString(block));
                assertThat(disk.limits().logicalBlockBytes()).isEqualTo(block);
                buffer.memory().fill((byte) (block / 512));
                disk.write(block, buffer.memory().asSlice(0, block));
                disk.read(block, buffer.memory().asSlice(0, block));
                assertThat(buffer.memory().get(ValueLayout.JAVA_BYTE, block - 1L)).isEqualTo((byte) (block / 512));
                int half = block / 2;
                assertThatThrownBy(() -> disk.read(0, buffer.memory().asSlice(0, half)))
                        .isInstanceOf(IllegalArgumentException.class);
                for (int wrong : new int[]{block - 1, block + 1, block * 3}) {
                    assertThatThrownBy(() -> device.setBlockBytes(wrong))
                            .isInstanceOfSatisfying(LoopException.class,
                                    e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL))
                            .hasMessageContaining(wrong + " bytes");
                }
            }
            for (int wrong : new int[]{256, 131072, -512, Integer.MIN_VALUE}) {
                assertThatThrownBy(() -> device.setBlockBytes(wrong)).isInstanceOf(LoopException.class);
            }
            assertThat(disk.limits().logicalBlockBytes()).isEqualTo(65536);
        }
    }

    @Test
    @DisplayName("loop/003 opening and closing an unbound device ten thousand times leaves nothing open")
    void openAndCloseUnbound() throws Exception {
        Path descriptors = Path.of("/proc/self/fd");
        LoopDevice device = control.add();
        device.open().close();
        long before = count(descriptors);
        Set<Thread> threads = threads();
        for (int i = 0; i < 10_000; i++) {
            try (LoopHandle handle = device.open()) {
                assertThat(handle.disk().sizeBytes()).isZero();
            }
        }
        assertThat(device.openers()).isZero();
        assertThat(device.state()).isEqualTo(LoopState.UNBOUND);
        assertThat(device.engineStatistics()).as("no engine was opened").isEmpty();
        // Others of the process may close some, or open a few.
        assertThat(count(descriptors)).isLessThan(before + 100);
        assertThat(threads).as("threads of ours").containsAll(threads());
    }

    private static Set<Thread> threads() {
        Set<Thread> all = new HashSet<>(Thread.getAllStackTraces().keySet());
        all.removeIf(thread -> !thread.getName().startsWith("blkmq"));
        return all;
    }

    private static long count(Path descriptors) throws IOException {
        if (!Files.isDirectory(descriptors)) {
            return 0;
        }
        try (Stream<Path> open = Files.list(descriptors)) {
            return open.count();
        }
    }

    @Test
    @DisplayName("loop/004 direct I/O goes together with a block size of one's own")
    void directAndBlockSize() throws Exception {
        Path image = file("disk.img", MIB);
        for (int block : new int[]{4096, 8192, 65536}) {
            LoopDevice device = control.attach(LoopConfig.builder(image).blockBytes(block).build());
            assumeTrue(device.isDirect(), "skipped: no direct I/O on this file system");
            assertThat(device.disk().limits().logicalBlockBytes()).isEqualTo(block);
            try (IoBuffer buffer = IoBuffer.allocate(block)) {
                buffer.memory().fill((byte) 4);
                device.disk().write(block, buffer.memory());
                assertThatThrownBy(() -> device.disk().write(512, buffer.memory()))
                        .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("" + block);
            }
            device.setDirect(false);
            device.setDirect(true);
            assertThat(device.isDirect()).isTrue();
            assertThat(device.disk().limits().logicalBlockBytes()).isEqualTo(block);
            device.detach();
            assertThat(Files.readAllBytes(image)).as("block %d", block)
                    .satisfies(content -> assertThat(Arrays.copyOfRange(content, block, 2 * block)).containsOnly(4));
        }
    }

    @Test
    @SuppressWarnings("NullAway")
    @DisplayName("loop/005 a null argument gets an exception, and the device goes on")
    void nullArguments() throws Exception {
        Path image = file("disk.img", MIB);
        LoopDevice device = control.add();
        assertThatThrownBy(() -> device.configure(null)).isInstanceOf(NullPointerException.class);
        device.configure(LoopConfig.builder(image).readOnly(true).build());
        assertThatThrownBy(() -> device.setStatus(null)).isInstanceOf(NullPointerException.class);
        assertThatThrownBy(() -> device.changeBackingFile(null)).isInstanceOf(NullPointerException.class);
        assertThatThrownBy(() -> device.attributes().set("queue/rotational", null))
                .isInstanceOf(NullPointerException.class);
        try (LoopHandle handle = device.open(); IoBuffer buffer = IoBuffer.allocate(512)) {
            handle.disk().read(0, buffer.memory());
        }
        assertThat(device.status().offsetBytes()).isZero();
        device.detach();
    }

    @Test
    @DisplayName("loop/006 the backing file is changed while other devices come and go")
    void changeWhileOthersComeAndGo() throws Exception {
        Path[] files = {file("one.img", MIB), file("other.img", MIB)};
        Path another = file("another.img", MIB);
        LoopDevice device = control.add(0);
        device.configure(LoopConfig.builder(files[0]).readOnly(true).build());
        AtomicBoolean stop = new AtomicBoolean();
        AtomicInteger cycles = new AtomicInteger();
        try (ExecutorService threads = Executors.newSingleThreadExecutor()) {
            Future<?> others = threads.submit(() -> {
                while (!stop.get() || cycles.get() == 0) {
                    LoopDevice other = control.add(1);
                    other.configure(LoopConfig.builder(another).build());
                    other.detach();
                    control.remove(1);
                    cycles.incrementAndGet();
                }
                return null;
            });
            try {
                for (int i = 1; i <= 200; i++) {
                    device.changeBackingFile(files[i % 2]);
                }
            } finally {
                stop.set(true);
            }
            others.get();
        }
        assertThat(device.backingFile()).isEqualTo(files[0]);
        assertThat(cycles.get()).isPositive();
        assertThat(control.devices()).containsExactly(device);
    }

    @Test
    @DisplayName("loop/007 the capacity changes while the device is in use")
    void capacityWhileInUse() throws Exception {
        Path image = file("disk.img", MIB);
        LoopDevice device = control.attach(LoopConfig.builder(image).build());
        AtomicBoolean stop = new AtomicBoolean();
        List<Future<Integer>> users = new ArrayList<>();
        try (LoopHandle handle = device.open(); ExecutorService threads = Executors.newFixedThreadPool(3)) {
            for (int t = 0; t < 3; t++) {
                long offset = t * 4096L;
                users.add(threads.submit(() -> {
                    int n = 0;
                    try (IoBuffer buffer = IoBuffer.allocate(4096)) {
                        for (; !stop.get() || n == 0; n++) {
                            buffer.memory().fill((byte) n);
                            handle.disk().write(offset, buffer.memory());
                            handle.disk().read(offset, buffer.memory());
                            assertThat(buffer.memory().get(ValueLayout.JAVA_BYTE, 4095)).isEqualTo((byte) n);
                        }
                    }
                    return n;
                }));
            }
            try {
                for (int i = 0; i < 200; i++) {
                    file("disk.img", MIB + i % 7 * 4096L);
                    assertThat(device.refreshCapacity()).isEqualTo(MIB + i % 7 * 4096L);
                    device.setStatus(device.status().withSizeLimitBytes(i % 2 * 65536L));
                    assertThat(handle.disk().sizeBytes()).isEqualTo(i % 2 == 1 ? 65536 : MIB + i % 7 * 4096L);
                    device.setStatus(device.status().withSizeLimitBytes(0));
                }
            } finally {
                stop.set(true);
            }
            for (Future<Integer> user : users) {
                assertThat(user.get()).isPositive();
            }
        }
    }

    @Test
    @DisplayName("loop/011 a file that cannot be punched refuses discards once, quietly, and they are off from then on")
    void discardThatIsNotSupported() throws Exception {
        Path mounted = Files.createDirectory(directory.resolve("ramfs"));
        assumeTrue(run("mount", "-t", "ramfs", "ramfs", mounted.toString()) == 0,
                "skipped: no file system without holes can be mounted here");
        try {
            Path image = Files.write(mounted.resolve("disk.img"), new byte[MIB]);
            LoopDevice device = control.attach(LoopConfig.builder(image).build());
            assertThat(device.attributes().get("queue/discard_max_bytes")).isNotEqualTo("0");
            for (int i = 0; i < 3; i++) {
                assertThatThrownBy(() -> device.disk().discard(0, 4096)).isInstanceOfSatisfying(BlockIOException.class,
                        e -> assertThat(e.status()).isEqualTo(Status.NOTSUPP));
                assertThat(device.attributes().get("queue/discard_max_bytes")).isEqualTo("0");
                assertThat(device.attributes().get("queue/discard_max_hw_bytes")).isEqualTo("0");
            }
            assertThat(device.disk().statistics().ios(IoGroup.DISCARD)).as("asked of the file").isOne();
            assertThatThrownBy(() -> device.attributes().set("queue/discard_max_bytes", "65536"))
                    .isInstanceOf(LoopException.class).hasMessageContaining("has no discard");
            try (IoBuffer buffer = IoBuffer.allocate(4096)) {
                buffer.memory().fill((byte) 1);
                device.disk().write(4096, buffer.memory());
                device.disk().writeZeroes(4096, 4096, true);
                assertThat(device.attributes().get("queue/write_zeroes_max_bytes")).isEqualTo("0");
                device.disk().writeZeroes(4096, 4096, false);
                device.disk().read(4096, buffer.memory());
                assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            }
            device.setStatus(device.status().withOffsetBytes(4096));
            assertThat(device.attributes().get("queue/discard_max_bytes")).as("still the same file").isEqualTo("0");
            device.detach();
            assertThat(LoggedLife.run("discards", image.toString())).as("nothing is logged").containsExactly("NOTSUPP",
                    "NOTSUPP", "NOTSUPP");
        } finally {
            Unmount.of(mounted);
        }
    }

    private static int run(String... command) throws Exception {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
            assertThat(process.waitFor(300, TimeUnit.SECONDS)).isTrue();
            return process.exitValue();
        } catch (IOException e) {
            return -1;
        }
    }
}
