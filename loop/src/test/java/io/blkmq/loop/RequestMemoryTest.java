package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;

/** What a request costs, with everything that is made with it: the driver's command, its kiocb, its PDU with room for eight segments. */
@NoRescues
@Isolated
class RequestMemoryTest {
    private static final int DEPTH = 10_000;
    private static final int DEVICES = 4;
    private static final long BYTES_MAX = 1024;

    @TempDir
    private Path directory;

    private static long heapBytes() {
        long least = Long.MAX_VALUE;
        // The least of several looks: other threads of the process leave garbage.
        for (int i = 0; i < 3; i++) {
            System.gc();
            least = Math.min(least, Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory());
        }
        return least;
    }

    private LoopDevice attach(int number, int depth) throws IOException {
        Path image = directory.resolve("image" + number);
        if (Files.notExists(image)) {
            Files.write(image, new byte[1 << 16]);
        }
        return LoopDevice.attach(LoopConfig.builder(image).engine("channel").direct(false).depth(depth).build());
    }

    @Test
    void aRequestWithPduKiocbAndEightSegmentsTakesAtMostOneKib() throws IOException {
        try (LoopDevice warm = attach(0, 1)) {
            assertThat(warm.disk().sizeBytes()).isEqualTo(1 << 16);
        }
        long before = heapBytes();
        List<LoopDevice> devices = new ArrayList<>();
        for (int i = 0; i < DEVICES; i++) {
            devices.add(attach(i, DEPTH));
        }
        long heap = (heapBytes() - before) / (DEPTH * DEVICES);
        for (LoopDevice device : devices) {
            device.close();
        }
        IO.println("a request takes " + heap + " bytes of heap and " + LoopCommand.PDU_BYTES + " of PDU");
        assertThat(LoopCommand.SEGMENTS_INLINE).isGreaterThanOrEqualTo(8);
        assertThat(heap).as("objects of a request").isGreaterThan(100);
        assertThat(heap + LoopCommand.PDU_BYTES).as("bytes of a request").isLessThanOrEqualTo(BYTES_MAX);
    }
}
