package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A file system that is full, made of a small tmpfs by whoever may mount one. */
class FullDeviceTest {

    private static final int BLOCK = 4096;
    private static final int DEVICE_BLOCKS = 64;

    @TempDir
    private Path directory;

    private static boolean run(String... command) throws Exception {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getInputStream().readAllBytes();
            return process.waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }

    private static boolean isUnmounted(Path directory) {
        try {
            return run("umount", directory.toString());
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio", "channel"})
    void writesToAFullDeviceEndWithTheirErrnoAndTheOthersGoOn(String name) throws Exception {
        Setup.skipIf(AioEngines.find(name).unavailable().isPresent(), name + " is not available");
        Setup.skipIf(!run("mount", "-t", "tmpfs", "-o", "size=" + DEVICE_BLOCKS * BLOCK, "tmpfs", directory.toString()),
                "no file system can be mounted here");
        try (Arena arena = Arena.ofShared();
                AioEngine engine = AioEngines.open(name, AioEngineConfig.builder().workers(1).build())) {
            Path path = Files.createFile(directory.resolve("file"));
            try (AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
                fill(engine, file, arena.allocate(2L * DEVICE_BLOCKS * BLOCK, BLOCK).fill((byte) 1));
            }
        } finally {
            // The kernel lets go of a ring's files a little after the ring has been closed.
            Eventually.until("it is unmounted", () -> isUnmounted(directory));
        }
    }

    /** The kernel tells the error of a sync but once, so a second try of the write would succeed, and its data be lost. */
    @Test
    void aWriteThatSyncsIsTriedOnce() throws Exception {
        Path counts = Path.of("/proc/thread-self/io");
        Setup.skipIf(!Files.isReadable(counts), "the kernel does not count system calls");
        Setup.skipIf(!run("mount", "-t", "tmpfs", "-o", "size=" + DEVICE_BLOCKS * BLOCK, "tmpfs", directory.toString()),
                "no file system can be mounted here");
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate((DEVICE_BLOCKS + 1L) * BLOCK, BLOCK);
            MemorySegment block = memory.asSlice(0, BLOCK);
            Path path = Files.createFile(directory.resolve("file"));
            for (Map.Entry<List<AioFile.Option>, Long> tries : Map.of(List.of(AioFile.Option.DSYNC), 1L,
                    List.of(AioFile.Option.SYNC), 1L, List.<AioFile.Option>of(), 2L).entrySet()) {
                try (AioFile file = NativeFile.open(Opening.of(path, AioFile.Access.READ_WRITE, false,
                        tries.getKey().toArray(AioFile.Option[]::new)))) {
                    assertThat(file.write(0, memory)).isEqualTo(-Errno.ENOSPC);
                    long before = writes(counts);
                    assertThat(file.write((long) DEVICE_BLOCKS * BLOCK, block)).isEqualTo(-Errno.ENOSPC);
                    assertThat(writes(counts) - before).as("calls by a file opened with " + tries.getKey())
                            .isEqualTo(tries.getValue());
                }
            }
        } finally {
            Eventually.until("it is unmounted", () -> isUnmounted(directory));
        }
    }

    /** How many system calls for writes the thread has made. */
    private static long writes(Path counts) throws IOException {
        return Files.readAllLines(counts).stream().filter(line -> line.startsWith("syscw: "))
                .mapToLong(line -> Long.parseLong(line.substring("syscw: ".length()))).sum();
    }

    private static void fill(AioEngine engine, AioFile file, MemorySegment memory) throws Exception {
        Told told = new Told();
        Kiocb kiocb = Kiocb.withSegments(1);
        // Begins to fit, so that the transfer is short, is continued, and fails then.
        assertThat(Told.run(engine, kiocb.prepareWrite(file, 0, told, 1).addSegment(memory), told))
                .isEqualTo(-Errno.ENOSPC);
        assertThat(Told.run(engine, kiocb.prepareWrite(file, 0, told, 2).thenSync(false).addSegment(memory), told))
                .as("with a sync linked to it").isEqualTo(-Errno.ENOSPC);
        assertThat(Told.run(engine, kiocb.prepareRead(file, 0, told, 3).addSegment(memory.asSlice(0, BLOCK)), told))
                .isEqualTo(BLOCK);
        if (engine.operations().contains(AioOperation.ALLOCATE)) {
            long far = 4L * DEVICE_BLOCKS * BLOCK;
            assertThat(Told.run(engine, kiocb.prepareAllocate(file, far, BLOCK * 8L, true, told, 4), told))
                    .isEqualTo(-Errno.ENOSPC);
        }
        if (engine.operations().contains(AioOperation.PUNCH_HOLE)) {
            assertThat(Told.run(engine, kiocb.preparePunchHole(file, 0, 2L * DEVICE_BLOCKS * BLOCK, told, 5), told))
                    .isZero();
        } else {
            assertThat(file.punchHole(0, 2L * DEVICE_BLOCKS * BLOCK)).isZero();
        }
        MemorySegment some = memory.asSlice(0, 8L * BLOCK);
        assertThat(Told.run(engine, kiocb.prepareWrite(file, 0, told, 6).thenSync(true).addSegment(some), told))
                .as("there is room again").isEqualTo(8 * BLOCK);
    }
}
