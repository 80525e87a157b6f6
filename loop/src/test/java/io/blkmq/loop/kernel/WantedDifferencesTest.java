package io.blkmq.loop.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.aio.AioEngines;
import io.blkmq.aio.Errno;
import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Status;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.loop.LoopException;
import io.blkmq.loop.LoopParameters;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.Unmount;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Where our loop device is to be another than the kernel's, as docs/reference/semantics.md says: what ours does, and, where there is a loop
 * device of the kernel, what that does.
 */
@NoRescues
class WantedDifferencesTest {
    private static final int MIB = 1 << 20;

    @TempDir
    private Path directory;
    private Path ourFile;
    private Path kernelFile;

    @SuppressWarnings("NullAway.Init")
    WantedDifferencesTest() {}

    @BeforeEach
    void make() throws IOException {
        byte[] content = new byte[MIB];
        new Random(1).nextBytes(content);
        ourFile = Files.write(directory.resolve("ours"), content);
        kernelFile = Files.write(directory.resolve("kernel"), content);
    }

    private static void assumeKernel() {
        Optional<String> unavailable = KernelLoop.unavailable();
        assumeTrue(unavailable.isEmpty(), () -> "skipped: no loop device of the kernel: " + unavailable.orElseThrow());
    }

    private static void truncate(Path file, long bytes) throws IOException {
        try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
            open.setLength(bytes);
        }
    }

    private LoopNode ours() throws IOException {
        return new OurLoop(LoopParameters.builder().build(), ourFile);
    }

    @Test
    void theSizeIsInWholeBlocksAndTheKernelsInSectors() throws IOException {
        assumeKernel();
        truncate(ourFile, 1_000_000);
        truncate(kernelFile, 1_000_000);
        try (LoopNode ours = ours();
                LoopNode kernel = KernelLoop.add(kernelFile);
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            assertThat(ours.configure(0, false, 4096, 0, 0, 0)).isZero();
            assertThat(kernel.configure(0, false, 4096, 0, 0, 0)).isZero();
            assertThat(kernel.size()).isEqualTo(1_000_000 / 512 * 512);
            assertThat(ours.size()).isEqualTo(1_000_000 / 4096 * 4096);
            assertThat(kernel.read(true, 999_424, buffer.memory())).isEqualTo(-Errno.EINVAL);
            assertThat(kernel.read(false, 999_424, buffer.memory())).isEqualTo(-Errno.EIO);
            assertThat(ours.read(true, 999_424, buffer.memory())).as("the end of the device").isZero();
            assertThat(ours.write(true, 999_424, buffer.memory())).isEqualTo(-Errno.ENOSPC);
        }
    }

    @Test
    void memoryThatIsNotAlignedIsBouncedAndTheKernelRefusesIt() throws IOException {
        assumeKernel();
        try (LoopNode ours = ours();
                LoopNode kernel = KernelLoop.add(kernelFile);
                IoBuffer buffer = IoBuffer.allocate(8192)) {
            assertThat(ours.configure(0, false, 0, 0, 0, LoopNode.DIRECT_IO)).isZero();
            assertThat(kernel.configure(0, false, 0, 0, 0, LoopNode.DIRECT_IO)).isZero();
            MemorySegment odd = buffer.memory().asSlice(1, 4096);
            assertThat(kernel.read(true, 0, odd)).isEqualTo(-Errno.EINVAL);
            assertThat(ours.read(true, 0, odd)).isEqualTo(4096);
            assertThat(odd.toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(java.util.Arrays.copyOf(Files.readAllBytes(ourFile), 4096));
        }
    }

    @Test
    void aFileIsForOneWriterAndTheKernelTakesItTwice() throws IOException {
        try (LoopDevice first = LoopDevice.attach(LoopConfig.builder(ourFile).build())) {
            assertThatThrownBy(() -> LoopDevice.attach(LoopConfig.builder(ourFile).build()))
                    .isInstanceOfSatisfying(LoopException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EBUSY));
            assertThat(first.disk().sizeBytes()).isEqualTo(MIB);
        }
        assumeKernel();
        try (LoopNode one = KernelLoop.add(kernelFile); LoopNode other = KernelLoop.add(kernelFile)) {
            assertThat(one.configure(0, false, 0, 0, 0, 0)).isZero();
            assertThat(other.configure(0, false, 0, 0, 0, 0)).isZero();
        }
    }

    /** The file is a loop device of the kernel's, which counts the flushes that reach it. */
    @Test
    void aWriteWithFuaIsDurableAtItsEndByItselfAndTheKernelFlushesAfterIt() throws Exception {
        assumeKernel();
        for (String engine : List.of("io_uring", "libaio")) {
            assumeTrue(AioEngines.find(engine).unavailable().isEmpty(), "skipped: no " + engine);
            for (boolean fua : new boolean[]{true, false}) {
                try (KernelLoop below = KernelLoop.add(kernelFile)) {
                    assertThat(below.configure(0, false, 0, 0, 0, 0)).isZero();
                    assertThat(below.attribute("queue/fua")).isEqualTo("0");
                    // Deeper than a ring that is shared, whose figures are those of other devices, too.
                    try (LoopDevice device = LoopDevice
                            .attach(LoopConfig.builder(below.node()).engine(engine).depth(2048).fua(fua).build());
                            IoBuffer buffer = IoBuffer.allocate(4096)) {
                        assertThat(device.attributes().get("queue/fua")).isEqualTo(fua ? "1" : "0");
                        for (int i = 0; i < 10; i++) {
                            long before = flushes(below);
                            device.disk().write(i * 4096L, buffer.memory());
                            assertThat(flushes(below)).as("a write").isEqualTo(before);
                            device.disk().write(i * 4096L, buffer.memory(), Bio.FUA);
                            assertThat(flushes(below)).as("a write with FUA").isGreaterThan(before);
                        }
                        assertThat(device.engineStatistics().getFirst().submitted()).as("with its flushes")
                                .isEqualTo(fua ? 20 : 30);
                    }
                }
            }
        }
    }

    /** Flush requests that a device has ended: the last but one of the numbers in its {@code stat}. */
    private static long flushes(KernelLoop device) throws IOException {
        String[] numbers = device.attribute("stat").split(" +", -1);
        return Long.parseLong(numbers[numbers.length - 2]);
    }

    @Test
    void anEndInTheMiddleOfASectorIsFilledWithZeroes() throws IOException {
        for (boolean direct : new boolean[]{false, true}) {
            byte[] content = new byte[MIB];
            new Random(2).nextBytes(content);
            Files.write(ourFile, content);
            try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(ourFile).direct(direct).build());
                    IoBuffer buffer = IoBuffer.allocate(8192)) {
                truncate(ourFile, 4096 + 700);
                int end = 4096 + 700;
                device.disk().read(4096, buffer.memory().asSlice(0, 1024));
                assertThat(buffer.memory().asSlice(0, 700)
                        .mismatch(MemorySegment.ofArray(content).asSlice(4096, end - 4096))).isEqualTo(-1);
                assertThat(buffer.memory().asSlice(700, 324).toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
                buffer.memory().fill((byte) 9);
                assertThatThrownBy(() -> device.disk().read(4096, buffer.memory().asSlice(0, 4096)))
                        .isInstanceOfSatisfying(BlockIOException.class,
                                e -> assertThat(e.status()).isEqualTo(Status.IOERR));
                assertThat(buffer.memory().asSlice(0, 700).mismatch(MemorySegment.ofArray(content).asSlice(4096, 700)))
                        .isEqualTo(-1);
                assertThat(buffer.memory().asSlice(700, 4096 - 700).toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            }
        }
    }

    @Test
    void whatIsWrongWithAConfigurationIsFoundWhenItIsBuilt() {
        assertThatThrownBy(() -> LoopConfig.builder(ourFile).offsetBytes(-1).build())
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("offsetBytes -1");
        assertThatThrownBy(() -> LoopConfig.builder(ourFile).blockBytes(1000).build())
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("blockBytes 1000");
        assertThatThrownBy(() -> LoopConfig.builder(ourFile).fileName("x".repeat(64)).build())
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("64 bytes")
                .hasMessageContaining("63");
    }

    // ---- attributes

    /** A device of each kind, both with a file. */
    private interface WithBoth {
        void run(OurLoop ours, KernelLoop kernel) throws Exception;
    }

    private void withBoth(int flags, WithBoth test) throws Exception {
        assumeKernel();
        try (OurLoop ours = new OurLoop(LoopParameters.builder().build(), ourFile);
                KernelLoop kernel = KernelLoop.add(kernelFile)) {
            assertThat(ours.configure(0, false, 0, 0, 0, flags)).isZero();
            assertThat(kernel.configure(0, false, 0, 0, 0, flags)).isZero();
            test.run(ours, kernel);
        }
    }

    private static String attribute(OurLoop ours, String name) throws IOException {
        return ours.device().attributes().get(name);
    }

    @Test
    void thereIsATimeOutAndTheKernelsHasNone() throws Exception {
        withBoth(0, (ours, kernel) -> {
            assertThat(attribute(ours, "queue/io_timeout")).isEqualTo("30000");
            assertThat(kernel.setAttribute("queue/io_timeout", "30000")).isEqualTo(-Errno.ENOENT);
        });
    }

    @Test
    void discardThatWasTurnedOffCanBeTurnedOnAndTheKernelsCannot() throws Exception {
        withBoth(0, (ours, kernel) -> {
            for (String value : new String[]{"65536", "0"}) {
                assertThat(ours.setAttribute("queue/discard_max_bytes", value)).isZero();
                assertThat(kernel.setAttribute("queue/discard_max_bytes", value)).isZero();
            }
            assertThat(kernel.setAttribute("queue/discard_max_bytes", "65536")).isEqualTo(-Errno.EINVAL);
            assertThat(ours.setAttribute("queue/discard_max_bytes", "65536")).isZero();
            assertThat(ours.discard(0, 65536)).isZero();
        });
    }

    @Test
    void aReadOnlyDeviceSaysThatItHasNoDiscardAndTheKernelsSaysOtherwise() throws Exception {
        withBoth(LoopNode.READ_ONLY, (ours, kernel) -> {
            for (String name : new String[]{"discard_max_bytes", "discard_max_hw_bytes", "write_zeroes_max_bytes"}) {
                assertThat(attribute(ours, "queue/" + name)).as(name).isEqualTo("0");
                assertThat(kernel.attribute("queue/" + name)).as(name).isNotEqualTo("0");
            }
            assertThat(ours.discard(0, 65536)).as("no difference").isEqualTo(kernel.discard(0, 65536)).isNegative();
        });
    }

    @Test
    void aRequestCarriesABlockAtLeastAndTheKernelsNone() throws Exception {
        withBoth(0, (ours, kernel) -> {
            assertThat(ours.setBlock(65536)).isEqualTo(kernel.setBlock(65536)).isZero();
            assertThat(ours.setAttribute("queue/max_sectors_kb", "5"))
                    .isEqualTo(kernel.setAttribute("queue/max_sectors_kb", "5")).isZero();
            assertThat(attribute(ours, "queue/max_sectors_kb")).isEqualTo("64");
            assertThat(kernel.attribute("queue/max_sectors_kb")).isEqualTo("0");
        });
    }

    @Test
    void nothingAndWhatFollowsAValueAreNoValuesAndTheKernelTakesThem() throws Exception {
        withBoth(0, (ours, kernel) -> {
            assertThat(kernel.setAttribute("queue/nomerges", "")).isZero();
            assertThat(ours.setAttribute("queue/nomerges", "")).isEqualTo(-Errno.EINVAL);
            assertThat(kernel.setAttribute("queue/write_cache", "write back or so")).isZero();
            assertThat(ours.setAttribute("queue/write_cache", "write back or so")).isEqualTo(-Errno.EINVAL);
        });
    }

    @Test
    void tunablesAreDecimalAndInMilliseconds() throws Exception {
        withBoth(0, (ours, kernel) -> {
            String expire = "queue/iosched/read_expire";
            assertThat(ours.setAttribute("queue/scheduler", "mq-deadline"))
                    .isEqualTo(kernel.setAttribute("queue/scheduler", "mq-deadline")).isZero();
            assertThat(ours.setAttribute(expire, "1")).isEqualTo(kernel.setAttribute(expire, "1")).isZero();
            assertThat(attribute(ours, expire)).isEqualTo("1");
            assertThat(Integer.parseInt(kernel.attribute(expire))).as("a tick").isBetween(1, 10);
            assertThat(kernel.setAttribute(expire, "0x64")).isZero();
            assertThat(Integer.parseInt(kernel.attribute(expire))).isEqualTo(100);
            assertThat(ours.setAttribute(expire, "0x64")).isEqualTo(-Errno.EINVAL);
            assertThat(ours.setAttribute(expire, "0100")).isZero();
            assertThat(attribute(ours, expire)).isEqualTo("100");
        });
    }

    /** A file system of one MiB, which takes less than that. */
    @Test
    void aFullFileSystemIsToldAsWhatItIsAndTheDeviceStaysUsable() throws Exception {
        Path small = Files.createDirectory(directory.resolve("small"));
        assumeTrue(run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small.toString()) == 0,
                "skipped: no file system of limited size can be mounted here");
        try {
            full(small);
        } finally {
            Unmount.of(small);
        }
    }

    private void full(Path small) throws Exception {
        Path file = Files.createFile(small.resolve("sparse"));
        truncate(file, 4L * MIB);
        for (boolean direct : new boolean[]{false, true}) {
            try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(file).direct(direct).build());
                    IoBuffer buffer = IoBuffer.allocate(64 << 10)) {
                Disk disk = device.disk();
                buffer.memory().fill((byte) 7);
                assertThatThrownBy(() -> {
                    for (int i = 0; i < 64; i++) {
                        disk.write(i * (64L << 10), buffer.memory());
                    }
                }).isInstanceOfSatisfying(BlockIOException.class, e -> assertThat(e.status()).isEqualTo(Status.NOSPC));
                disk.write(0, buffer.memory());
                disk.flush();
                disk.discard(0, MIB);
                disk.write(2L * MIB, buffer.memory());
                disk.read(2L * MIB, buffer.memory());
                assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE)).containsOnly(7);
                disk.discard(0, 4L * MIB);
            }
        }
        assumeKernel();
        try (LoopNode kernel = KernelLoop.add(file); IoBuffer buffer = IoBuffer.allocate(64 << 10)) {
            assertThat(kernel.configure(0, false, 0, 0, 0, 0)).isZero();
            long result = 1;
            for (int i = 0; i < 64 && result > 0; i++) {
                result = kernel.write(true, i * (64L << 10), buffer.memory());
            }
            assertThat(result).as("no difference").isEqualTo(-Errno.ENOSPC);
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
