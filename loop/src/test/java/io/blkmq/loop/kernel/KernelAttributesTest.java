package io.blkmq.loop.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.loop.LoopAttributes;
import io.blkmq.loop.LoopParameters;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The attributes of our device against those of the kernel's in sysfs. */
class KernelAttributesTest {
    /**
     * Those that say something else: of the file's name; what one discard carries; that memory is bounced if it has to be; what the
     * file's disk is like; where completions run, which is where they are found if nobody says otherwise.
     */
    private static final Set<String> DIFFERENT = Set.of("loop/backing_file", "queue/discard_max_bytes",
            "queue/write_zeroes_max_bytes", "queue/dma_alignment", "queue/rotational", "queue/rq_affinity");

    @TempDir
    private Path directory;

    @SuppressWarnings("NullAway.Init")
    KernelAttributesTest() {}

    @Test
    void theyHaveTheSameNamesAndValuesAsInSysfs() throws Exception {
        Optional<String> unavailable = KernelLoop.unavailable();
        assumeTrue(unavailable.isEmpty(), () -> "skipped: no loop device of the kernel: " + unavailable.orElseThrow());
        Path kernelFile = Files.write(directory.resolve("kernel"), new byte[1 << 20]);
        Path ourFile = Files.write(directory.resolve("ours"), new byte[1 << 20]);
        try (KernelLoop kernel = KernelLoop.add(kernelFile);
                OurLoop ours = new OurLoop(LoopParameters.builder().build(), ourFile)) {
            int[][] all = {{0, 0, 0, 0}, {4096, 4096, 100_000, LoopNode.DIRECT_IO}, {0, 1543, 0, LoopNode.PARTSCAN},
                    {0, 0, 0, LoopNode.READ_ONLY | LoopNode.AUTOCLEAR}};
            for (int[] each : all) {
                assertThat(kernel.configure(0, false, each[0], each[1], each[2], each[3])).isZero();
                assertThat(ours.configure(0, false, each[0], each[1], each[2], each[3])).isZero();
                compare(kernel, ours.device().attributes());
                kernel.detach();
                ours.detach();
            }
        }
    }

    private static void compare(KernelLoop kernel, LoopAttributes ours) throws Exception {
        Path sysfs = Path.of("/sys/block/loop" + kernel.index());
        int compared = 0;
        for (String name : ours.names()) {
            Path attribute = sysfs.resolve(name);
            assertThat(attribute).as("has the kernel's name").exists();
            if (!DIFFERENT.contains(name)
                    && !(name.equals("size") && ours.get("queue/logical_block_size").equals("4096"))) {
                assertThat(ours.get(name)).as(name).isEqualTo(Files.readString(attribute).strip());
                compared++;
            }
        }
        assertThat(compared).isGreaterThan(15);
    }
}
