package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousCloseException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Channels of one disk that several threads use, in every order that a seed can choose. */
@NoRescues
class DiskChannelInterleavingTest {
    private static final int SEEDS = 100;
    private static final int THREADS = 3;
    private static final int BYTES = 1_500;

    private static void forManySeeds(DeterministicRuntime.Body body) {
        for (int i = 0; i < SEEDS; i++) {
            Simulation.run(DiskChannelInterleavingTest.class, body);
        }
    }

    @Test
    void thoseWhoWriteTheirBytesOfACommonBlockOverwriteNobodyElses() {
        forManySeeds(runtime -> {
            try (Disk disk = NullBlk.builder().completion(NullBlk.Completion.REAPER).memoryBacked(true).depth(4)
                    .capacityBytes(4096).runtime(runtime).build(); FileChannel shared = disk.openChannel()) {
                List<Thread> writers = new ArrayList<>();
                for (int i = 0; i < THREADS; i++) {
                    int number = i;
                    writers.add(runtime.spawn("writer " + i, () -> writeEvery(disk, shared, number, runtime.seed())));
                }
                writers.forEach(runtime::join);
                ByteBuffer all = ByteBuffer.allocate(BYTES);
                assertThat(shared.read(all, 0)).isEqualTo(BYTES);
                for (int at = 0; at < BYTES; at++) {
                    assertThat(all.get(at)).as("byte %d", at).isEqualTo((byte) (1 + at / 100 % THREADS));
                }
            }
        });
    }

    /** Writes each third hundred of bytes, in random pieces, through the common channel or one of its own. */
    private static void writeEvery(Disk disk, FileChannel shared, int number, long seed) throws IOException {
        Random random = new Random(seed + number);
        try (FileChannel own = disk.openChannel()) {
            for (int at = number * 100; at < BYTES; at += THREADS * 100) {
                for (int done = 0; done < 100;) {
                    int length = Math.min(100 - done, 30 + random.nextInt(100));
                    ByteBuffer piece = ByteBuffer.allocate(length);
                    while (piece.hasRemaining()) {
                        piece.put((byte) (1 + number));
                    }
                    FileChannel channel = random.nextBoolean() ? own : shared;
                    assertThat(channel.write(piece.flip(), at + done)).isEqualTo(length);
                    done += length;
                }
            }
        }
    }

    /** What a thread that waits in an operation finds when the channel is closed. */
    private static String readUntilClosed(FileChannel channel) throws IOException {
        try {
            int bytes = channel.read(ByteBuffer.allocate(512));
            return "read " + bytes;
        } catch (ClosedByInterruptException e) {
            assertThat(Thread.interrupted()).isTrue();
            return "interrupted";
        } catch (AsynchronousCloseException e) {
            return "closed";
        } catch (ClosedChannelException e) {
            return "too late";
        }
    }

    @Test
    void anInterruptOrACloseEndsTheWaitOfAllWhoUseTheChannel() {
        forManySeeds(runtime -> {
            RecordingDriver driver = new RecordingDriver().runtime(runtime);
            try (Disk disk = driver.disk(); FileChannel channel = disk.openChannel()) {
                List<String> found = new ArrayList<>();
                List<Thread> readers = new ArrayList<>();
                for (int i = 0; i < THREADS; i++) {
                    readers.add(runtime.spawn("reader " + i, () -> found.add(readUntilClosed(channel))));
                }
                runtime.sleep(1_000_000);
                // One reader has the position and its request in flight, the others wait for the position.
                assertThat(driver.inFlight()).hasSize(1);
                List<Thread> closers = new ArrayList<>();
                closers.add(runtime.spawn("interrupter", () -> readers.forEach(runtime::interrupt)));
                closers.add(runtime.spawn("closer", channel::close));
                closers.forEach(runtime::join);
                readers.forEach(runtime::join);
                assertThat(found).hasSize(THREADS).isSubsetOf("interrupted", "closed");
                // The memory was the device's all the time.
                assertThat(driver.completeAll()).isOne();
            }
        });
    }
}
