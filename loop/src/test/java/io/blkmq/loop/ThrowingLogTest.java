package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngines;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Operation;
import io.blkmq.loop.transfer.TransferKey;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.ThrowingLoggers;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The log of the failed disk is on that disk: devices go on, and each request ends, in spite of what the log throws. */
@NoRescues
@BesideOthers
class ThrowingLogTest {
    private static final int BYTES = 1 << 20;

    @TempDir
    @SuppressWarnings("NullAway.Init")
    Path folder;

    @Test
    @Timeout(300)
    void requestsEndAndDevicesAreClosedWhateverTheLogThrows() throws Exception {
        assertThat(ThrowingLoggers.run(folder, Program.class, folder.resolve("disk.img").toString()).lines().toList())
                .containsExactly("latch -5 -5", "told 2", "worker failed", "worker failed", "worker closed",
                        "engine failed", "engine failed", "engine closed", "sync failed", "sync failed", "sync closed");
    }

    /** What is run in the other process. */
    static final class Program {
        private Program() {}

        public static void main(String[] arguments) throws IOException {
            SyncLatch latch = new SyncLatch("a file", () -> {
                throw new IllegalStateException("on purpose");
            });
            System.out.println("latch " + latch.sync() + " " + latch.sync());
            Path image = Files.write(Path.of(arguments[0]), new byte[BYTES]);
            tellAListener(image);
            transform("worker", LoopConfig.builder(image).engine("channel").direct(false).workers(1));
            transform("engine", LoopConfig.builder(image).engine("channel").direct(true));
            sync(image);
            // Also where a thread goes on for ever.
            System.exit(0);
        }

        private static void tellAListener(Path image) throws IOException {
            int[] told = new int[1];
            try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).engine("channel").build());
                    var _ = device.listen(_ -> {
                        told[0]++;
                        throw new IllegalStateException("on purpose");
                    })) {
                for (int i = 2; i < 4; i++) {
                    try (FileChannel file = FileChannel.open(image, StandardOpenOption.WRITE)) {
                        int _ = file.write(ByteBuffer.allocate(BYTES), (i - 1L) * BYTES);
                    }
                    long _ = device.refreshCapacity();
                }
                System.out.println("told " + told[0]);
            }
        }

        private static void transform(String name, LoopConfig.Builder config) throws IOException {
            LoopFailuresTest.Faulty function = new LoopFailuresTest.Faulty();
            function.inFromFile = new NoClassDefFoundError("on purpose");
            try (LoopDevice device = LoopDevice
                    .attach(config.transfer(function, TransferKey.copyOf(new byte[16])).build());
                    IoBuffer memory = IoBuffer.allocate(4096)) {
                end(name, device.disk().async().read(0, memory.memory()));
                end(name, device.disk().async().read(0, memory.memory()));
            }
            System.out.println(name + " closed");
        }

        /** As a full disk fails them. */
        private static void sync(Path image) throws IOException {
            boolean some = AioEngines.find("io_uring").unavailable().isEmpty();
            for (int i = 0; i < 2 && !some; i++) {
                System.out.println("sync failed");
            }
            if (some) {
                try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).engine("io_uring").build())) {
                    LoopQueue queue = device.loopQueue(0);
                    AioEngine engine = queue.engine();
                    queue.useEngine(LoopFailuresTest.endingWith(device, engine, Operation.FLUSH, -5));
                    end("sync", device.disk().async().flush());
                    device.clearSyncError();
                    end("sync", device.disk().async().flush());
                    queue.useEngine(engine);
                }
            }
            System.out.println("sync closed");
        }

        private static void end(String name, CompletableFuture<Void> future) {
            try {
                future.join();
                System.out.println(name + " ended");
            } catch (CompletionException e) {
                System.out.println(name + (e.getCause() instanceof BlockIOException ? " failed" : " " + e));
            }
        }
    }
}
