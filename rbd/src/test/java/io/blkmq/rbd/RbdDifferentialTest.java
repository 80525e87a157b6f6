package io.blkmq.rbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.testing.NumberProperty;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Random operations on an image and on a plain file of the same size, several in flight: the same bytes, the same statuses. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class RbdDifferentialTest {
    private static final int ROUNDS = NumberProperty.of("blkmq.rbd.rounds", 40);
    /** Over three objects, the last of them not whole. */
    private static final int BYTES = 10 << 20;
    private static final int REGIONS = 8;
    private static final int REGION = BYTES / REGIONS;
    private static final int SECTOR = 512;

    @TempDir
    private Path directory;

    @SuppressWarnings("NullAway.Init") // the folder is JUnit's to set
    RbdDifferentialTest() {}

    /** What is done in one region, on either disk. */
    private interface Step {
        CompletableFuture<Void> on(Disk disk, MemorySegment read);
    }

    @Test
    void anImageDoesWhatAFileDoes() throws IOException {
        SmallCluster cluster = SmallCluster.shared();
        Path file = directory.resolve("disk.img");
        byte[] zeroes = new byte[BYTES];
        Files.write(file, zeroes);
        Path image = Path.of(cluster.address(cluster.create("differential", BYTES)));
        long seed = RandomSeed.of(RbdDifferentialTest.class);
        Random random = new Random(seed);
        try (LoopDevice one = LoopDevice.attach(LoopConfig.builder(image).build());
                LoopDevice other = LoopDevice.attach(LoopConfig.builder(file).direct(false).build());
                Arena arena = Arena.ofShared()) {
            for (int round = 0; round < ROUNDS; round++) {
                round(random, one.disk(), other.disk(), arena, "round " + round + " of seed " + seed);
            }
            byte[] ours = new byte[BYTES];
            byte[] theirs = new byte[BYTES];
            one.disk().read(0, MemorySegment.ofArray(ours));
            other.disk().read(0, MemorySegment.ofArray(theirs));
            assertThat(ours).as("the whole image").isEqualTo(theirs);
            assertThat(ours).as("something was written").isNotEqualTo(zeroes);
        }
    }

    private static void round(Random random, Disk one, Disk other, Arena arena, String as) {
        List<Step> steps = new ArrayList<>();
        List<MemorySegment> ours = new ArrayList<>();
        List<MemorySegment> theirs = new ArrayList<>();
        List<CompletableFuture<Void>> ourEnds = new ArrayList<>();
        List<CompletableFuture<Void>> theirEnds = new ArrayList<>();
        for (int region = 0; region < REGIONS; region++) {
            int sectors = 1 + random.nextInt(1 + random.nextInt(REGION / SECTOR));
            long offset = (long) region * REGION + (long) random.nextInt(REGION / SECTOR - sectors + 1) * SECTOR;
            int bytes = sectors * SECTOR;
            steps.add(step(random, offset, bytes, arena));
            ours.add(arena.allocate(bytes).fill((byte) 0xee));
            theirs.add(arena.allocate(bytes).fill((byte) 0xee));
        }
        for (int i = 0; i < REGIONS; i++) {
            ourEnds.add(steps.get(i).on(one, ours.get(i)));
            theirEnds.add(steps.get(i).on(other, theirs.get(i)));
        }
        for (int i = 0; i < REGIONS; i++) {
            assertThat(status(ourEnds.get(i))).as(as).isEqualTo(status(theirEnds.get(i)));
            assertThat(ours.get(i).toArray(ValueLayout.JAVA_BYTE)).as(as)
                    .isEqualTo(theirs.get(i).toArray(ValueLayout.JAVA_BYTE));
        }
    }

    private static Step step(Random random, long offset, int bytes, Arena arena) {
        return switch (random.nextInt(9)) {
            case 0, 1, 2 -> (disk, read) -> disk.async().read(offset, read);
            case 3, 4, 5 -> {
                List<MemorySegment> parts = parts(random, bytes, arena);
                int flags = random.nextInt(4) == 0 ? Bio.FUA : 0;
                yield (disk, _) -> disk.async().write(offset, parts, flags);
            }
            case 6 -> (disk, _) -> disk.async().writeZeroes(offset, bytes, random.nextBoolean());
            case 7 -> {
                // A discard need not zero what is no whole block of the file's.
                long from = (offset + 4095) / 4096 * 4096;
                long to = (offset + bytes) / 4096 * 4096;
                yield (disk, _) -> from < to
                        ? disk.async().discard(from, to - from)
                        : CompletableFuture.completedFuture(null);
            }
            default -> (disk, _) -> disk.async().flush();
        };
    }

    private static List<MemorySegment> parts(Random random, int bytes, Arena arena) {
        byte[] content = new byte[bytes];
        random.nextBytes(content);
        List<MemorySegment> parts = new ArrayList<>();
        for (int at = 0; at < bytes;) {
            int length = Math.min(bytes - at, (1 + random.nextInt(64)) * SECTOR);
            MemorySegment part = arena.allocate(length);
            MemorySegment.copy(content, at, part, ValueLayout.JAVA_BYTE, 0, length);
            parts.add(part);
            at += length;
        }
        return parts;
    }

    /** How it ended, in words. */
    private static String status(CompletableFuture<Void> end) {
        try {
            end.join();
            return "OK";
        } catch (CompletionException e) {
            return e.getCause() instanceof BlockIOException failed ? failed.status().toString() : e.toString();
        }
    }
}
