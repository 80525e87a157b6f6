package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.aio.AioEngines;
import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.loop.transfer.TransferFunctions;
import io.blkmq.loop.transfer.TransferKey;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.AllocatedBytes;
import io.blkmq.testing.NoRescues;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.agrona.concurrent.Agent;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Steady I/O of a loop device makes no garbage, with a transfer function or without, over engines that do no system call. */
@Timeout(600)
@NoRescues
@Isolated
class AllocationTest {
    private static final int IO_COUNT = 25_000;
    private static final int QUEUE_DEPTH = 50;
    /** Two sectors where the file system allows it: a transfer function has them one by one, and they take most of the time. */
    private static final int IO_BYTES = 1024;
    private static final int IO_BYTES_MAX = 4096;
    /** What the measurement itself may take, and the runtime compiler's last corrections: less than one object in 400 I/Os. */
    private static final long TOLERATED_BYTES = 1000;

    @TempDir
    private Path directory;
    private int ended;

    @ParameterizedTest(name = "{0} with {1} bytes of key over {2}")
    @CsvSource({"none, 0, memory", "xor, 16, memory", "aes-xts-java, 32, memory", "aes-xts-java, 64, memory",
            "aes-xts-openssl, 32, memory", "aes-xts-openssl, 64, memory", "none, 0, null", "xor, 16, null",
            "aes-xts-java, 32, null", "aes-xts-openssl, 64, null"})
    void readsAndWritesAllocateNothing(String function, int keyBytes, String engine) throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[QUEUE_DEPTH * 2 * IO_BYTES_MAX]);
        byte[] key = new byte[keyBytes];
        for (int i = 0; i < keyBytes; i++) {
            key[i] = (byte) i;
        }
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).direct(true).engine(engine).polled(true)
                .transfer(TransferFunctions.find(function), TransferKey.copyOf(key)).build());
                Disk disk = device.disk();
                Plug plug = disk.plug();
                IoBuffer buffer = disk.allocate(QUEUE_DEPTH * IO_BYTES_MAX)) {
            assertThat(device.isDirect()).isTrue();
            Bio[] bios = bios(buffer, Math.max(IO_BYTES, disk.limits().logicalBlockBytes()));
            long least = AllocatedBytes.whenWarm(TOLERATED_BYTES, () -> {
                for (int i = 0; i < IO_COUNT; i += QUEUE_DEPTH) {
                    batch(disk, plug, bios);
                }
            });
            assertThat(least).as("bytes allocated by %d I/Os", IO_COUNT).isLessThanOrEqualTo(TOLERATED_BYTES);
            for (Bio bio : bios) {
                assertThat(bio.status()).isEqualTo(Status.OK);
            }
        }
    }

    /** The worker is the calling thread. */
    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio"})
    void aWorkerAllocatesNothing(String engine) throws Exception {
        assumeTrue(AioEngines.find(engine).unavailable().isEmpty(), "skipped: no " + engine);
        Path image = Files.write(directory.resolve("disk.img"), new byte[QUEUE_DEPTH * 2 * IO_BYTES_MAX]);
        List<Agent> agents = new ArrayList<>();
        try (LoopDevice device = LoopDevice.attach(
                LoopConfig.builder(image).direct(false).engine(engine).polled(true).workerRunner(agents::add).build());
                Disk disk = device.disk();
                Plug plug = disk.plug();
                IoBuffer buffer = disk.allocate(QUEUE_DEPTH * IO_BYTES_MAX)) {
            Agent worker = agents.getFirst();
            Bio[] bios = bios(buffer, Math.max(IO_BYTES, disk.limits().logicalBlockBytes()));
            long least = AllocatedBytes.whenWarm(TOLERATED_BYTES, () -> {
                for (int i = 0; i < IO_COUNT; i += QUEUE_DEPTH) {
                    batch(disk, plug, bios, worker);
                }
            });
            assertThat(least).as("bytes allocated by %d I/Os", IO_COUNT).isLessThanOrEqualTo(TOLERATED_BYTES);
        }
    }

    /** Reads and writes by turns, apart from each other, so that each is a request of its own. */
    private Bio[] bios(IoBuffer buffer, int bytes) {
        Bio[] bios = new Bio[QUEUE_DEPTH];
        for (int i = 0; i < bios.length; i++) {
            bios[i] = new Bio().reset(i % 2 == 0 ? Operation.READ : Operation.WRITE, i * 2L * (bytes / 512))
                    .add(buffer.memory(), (long) i * bytes, bytes).onEnd(_ -> ended++);
        }
        return bios;
    }

    private void batch(Disk disk, Plug plug, Bio[] bios) throws Exception {
        batch(disk, plug, bios, null);
    }

    private void batch(Disk disk, Plug plug, Bio[] bios, @Nullable Agent worker) throws Exception {
        ended = 0;
        plug.expecting(QUEUE_DEPTH);
        for (Bio bio : bios) {
            plug.submit(bio);
        }
        plug.flush();
        while (ended < QUEUE_DEPTH) {
            if (worker != null) {
                int _ = worker.doWork();
            }
            disk.poll();
        }
    }
}
