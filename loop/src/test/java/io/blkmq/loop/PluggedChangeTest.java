package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Changes of a device exclude each other, and wait for its I/O: a thread that waits for its turn must not hold some of that back. */
@NoRescues
class PluggedChangeTest {
    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void aThreadWhosePlugHoldsIoMayWaitForAnothersChange(long seed) throws IOException {
        Path image = Files.write(directory.resolve("image"), new byte[1 << 20]);
        var _ = new DeterministicRuntime(seed).run(runtime -> {
            try (LoopDevice device = LoopDevice
                    .attach(LoopConfig.builder(image).engine("memory").direct(false).runtime(runtime).build());
                    IoBuffer buffer = IoBuffer.allocate(4096)) {
                Bio held = new Bio().reset(Operation.READ, 0).add(buffer.memory());
                Plug plug = device.disk().plug();
                plug.submit(held);
                Thread other = runtime.spawn("changes", () -> device.setBlockBytes(4096));
                runtime.switchPoint();
                device.refreshCapacity();
                runtime.join(other);
                runtime.await("what was held has ended", () -> !held.isInFlight());
                assertThat(held.status()).isEqualTo(Status.OK);
                assertThat(device.disk().limits().logicalBlockBytes()).isEqualTo(4096);
            }
        });
    }
}
