package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Clients that end at any point, and a machine whose power fails then: what they were told is durable, is. */
@NoRescues
@Timeout(300)
class NbdKilledClientsTest {
    private static final int CLIENTS = 200;
    private static final int BLOCK = 4096;
    /** Blocks that belong to each client alone. */
    private static final int BLOCKS = 4;

    @TempDir
    private Path directory = Path.of("");

    /** Writes versions of its blocks, flushes now and then, and ends somewhere; returns what a flush has covered. */
    private static long[] liveAndDie(Path socket, int number, long seed) throws IOException {
        Random random = new Random(seed);
        long[] written = new long[BLOCKS];
        long[] durable = new long[BLOCKS];
        try (RawClient client = RawClient.simple(socket, "d")) {
            for (int step = 1, steps = 1 + random.nextInt(40); step <= steps; step++) {
                int block = random.nextInt(BLOCKS);
                long offset = ((long) number * BLOCKS + block) * BLOCK;
                boolean fua = random.nextInt(6) == 0;
                ByteBuffer data = ByteBuffer.allocate(BLOCK).putLong(step).rewind();
                byte[] bytes = new byte[BLOCK];
                data.get(bytes);
                client.write(RawClient.request(Nbd.CMD_WRITE, fua ? Nbd.CMD_FLAG_FUA : 0, step, offset, BLOCK, bytes));
                assertThat(client.reply(0).error()).isZero();
                written[block] = step;
                if (fua) {
                    durable[block] = step;
                }
                if (random.nextInt(4) == 0) {
                    client.write(RawClient.request(Nbd.CMD_FLUSH, 0, step, 0, 0));
                    assertThat(client.reply(0).error()).isZero();
                    durable = written.clone();
                }
            }
            // Whatever is on its way now: half a write, a write, a flush, reads that nobody takes.
            ByteBuffer last = switch (random.nextInt(4)) {
                case 0 -> RawClient.request(Nbd.CMD_WRITE, 0, 99, (long) number * BLOCKS * BLOCK, BLOCK, new byte[100]);
                case 1 -> RawClient.request(Nbd.CMD_FLUSH, 0, 99, 0, 0);
                case 2 -> RawClient.request(Nbd.CMD_READ, 0, 99, 0, 1 << 20);
                default -> ByteBuffer.allocate(11).putInt(Nbd.REQUEST_MAGIC).rewind();
            };
            client.write(last);
        }
        return durable;
    }

    @Test
    void whatTwoHundredClientsWereToldIsDurableIsSo() throws Exception {
        Random random = new Random(RandomSeed.of(NbdKilledClientsTest.class));
        Path socket = directory.resolve("s");
        long bytes = Math.max(1 << 20, (long) CLIENTS * BLOCKS * BLOCK);
        try (Disk disk = NullBlk.builder().capacityBytes(bytes).memoryBacked(true).cacheBytes(bytes)
                .completion(NullBlk.Completion.REAPER).build();
                NbdServer server = Patient.server().unix(socket).threads(2).start();
                ExecutorService clients = Executors.newFixedThreadPool(16)) {
            server.addExport(NbdExport.builder("d", disk).build());
            List<Future<long[]>> told = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                int number = i;
                long seed = random.nextLong();
                told.add(clients.submit(() -> liveAndDie(socket, number, seed)));
            }
            List<long[]> durable = new ArrayList<>();
            for (Future<long[]> one : told) {
                durable.add(one.get());
            }
            Eventually.until("all clients are gone", () -> server.statistics().connections() == 0);
            NullBlk.losePower(disk);
            for (int i = 0; i < CLIENTS; i++) {
                for (int block = 0; block < BLOCKS; block++) {
                    ByteBuffer found = ByteBuffer.allocate(BLOCK);
                    disk.read(((long) i * BLOCKS + block) * BLOCK, found);
                    assertThat(found.getLong(0)).as("block %d of client %d", block, i)
                            .isGreaterThanOrEqualTo(durable.get(i)[block]);
                }
            }
            assertThat(server.statistics().memoryBytes()).isZero();
            try (RawClient other = RawClient.simple(socket, "d")) {
                other.write(RawClient.request(Nbd.CMD_READ, 0, 1, 0, BLOCK));
                assertThat(other.reply(BLOCK).error()).isZero();
            }
        }
    }
}
