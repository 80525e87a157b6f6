package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.aio.AioStatistics;
import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.IoGroup;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Stream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Small writes in a row reach the file in large ones. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
@BesideOthers
class SequentialWritesTest {
    private static final int BLOCK_BYTES = 4096;
    private static final int DEPTH = 32;
    private static final int FILE_BYTES = 16 << 20;

    @TempDir
    private Path directory;

    static Stream<LoopDeviceTest.Way> ways() {
        return LoopDeviceTest.ways();
    }

    @ParameterizedTest
    @MethodSource("ways")
    void fourKibibytesEachWithThirtyTwoOnAPlugArriveAs128KibibytesEach(LoopDeviceTest.Way way) throws Exception {
        Path file = directory.resolve("disk.img");
        Files.write(file, new byte[FILE_BYTES]);
        // Deeper than a ring that is shared, whose figures are those of other devices, too.
        try (LoopDevice device = LoopDevice.attach(way.config(file).depth(2048).build());
                IoBuffer buffer = IoBuffer.allocate((long) DEPTH * BLOCK_BYTES)) {
            Disk disk = device.disk();
            Bio[] bios = new Bio[DEPTH];
            for (int i = 0; i < DEPTH; i++) {
                bios[i] = new Bio().reset(Operation.WRITE, 0).add(buffer.memory(), (long) i * BLOCK_BYTES, BLOCK_BYTES);
            }
            for (int offset = 0; offset < FILE_BYTES; offset += DEPTH * BLOCK_BYTES) {
                writeOneDepth(disk, buffer, bios, offset, way.polled());
            }
            long count = FILE_BYTES / BLOCK_BYTES;
            long requests = count - disk.statistics().merges(IoGroup.WRITE);
            assertThat(FILE_BYTES / requests).as("average bytes of a request").isEqualTo(DEPTH * BLOCK_BYTES);
            if (device.isAio()) {
                long submitted = device.engineStatistics().stream().mapToLong(AioStatistics::submitted).sum();
                assertThat(FILE_BYTES / submitted).as("average bytes of an operation on the file")
                        .isEqualTo(DEPTH * BLOCK_BYTES);
            }
        }
        requireWritten(file);
    }

    private static void writeOneDepth(Disk disk, IoBuffer buffer, Bio[] bios, int offset, boolean polled)
            throws InterruptedException {
        CountDownLatch ended = new CountDownLatch(DEPTH);
        try (Plug plug = disk.plug()) {
            for (int i = 0; i < DEPTH; i++) {
                int at = offset + i * BLOCK_BYTES;
                buffer.memory().set(ValueLayout.JAVA_INT, (long) i * BLOCK_BYTES, at);
                plug.submit(bios[i].retarget(Operation.WRITE, at / 512).onEnd(_ -> ended.countDown()));
            }
        }
        while (polled && ended.getCount() > 0) {
            disk.poll();
        }
        ended.await();
        for (Bio bio : bios) {
            assertThat(bio.status()).isEqualTo(Status.OK);
        }
    }

    private static void requireWritten(Path file) throws IOException {
        byte[] written = Files.readAllBytes(file);
        for (int at = 0; at < FILE_BYTES; at += BLOCK_BYTES) {
            int found = (written[at] & 0xFF) | (written[at + 1] & 0xFF) << 8 | (written[at + 2] & 0xFF) << 16
                    | written[at + 3] << 24;
            assertThat(found).isEqualTo(at);
        }
    }
}
