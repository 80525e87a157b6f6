package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import io.blkmq.testkit.crash.CrashState;
import io.blkmq.testkit.crash.Explorer;
import io.blkmq.testkit.disk.DiskHistory.DiskCrashes;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/**
 * The history that a log is read as allows what the disk itself leaves at a power cut, and nothing else: two ways to the same images, one by
 * effects and what they require, the other by a cache whose pieces stand in a line. Writes overlap, and end in another order than they came.
 */
@NoRescues
class DiskHistoryTest {
    private static final int PROGRAMS = 400;
    private static final int SECTOR = 512;
    private static final int SECTORS = 4;
    private static final int ROUNDS = 2;
    private static final int ROUND_MAX = 4;
    private static final int LATENCY_NANOS_MAX = 8_000;

    @Test
    void theHistoryAllowsWhatTheDiskLeavesAndNothingElse() {
        SplittableRandom seeds = new SplittableRandom(RandomSeed.of(DiskHistoryTest.class));
        for (int i = 0; i < PROGRAMS; i++) {
            var _ = DeterministicRuntime.run(seeds.nextLong(), runtime -> {
                SplittableRandom random = new SplittableRandom(~runtime.seed());
                try (SimulatedDisk simulated = SimulatedDisk.builder().capacityBytes(SECTORS * SECTOR).runtime(runtime)
                        .seed(runtime.seed()).writeCache(true, true).atomicUnitBytes(SECTOR << random.nextInt(3))
                        .latency(LatencyModel.uniform(0, LATENCY_NANOS_MAX)).build()) {
                    DiskLog log = simulated.record();
                    for (int round = 1; round <= ROUNDS; round++) {
                        carryOut(runtime, simulated, random, round);
                        assertThat(allowed(log)).as("seed " + runtime.seed()).isEqualTo(left(simulated));
                    }
                    simulated.stopRecording();
                }
            });
        }
    }

    /** Submits some writes and flushes at once, and waits until all have ended. */
    private static void carryOut(DeterministicRuntime runtime, SimulatedDisk simulated, SplittableRandom random,
            int round) {
        AtomicInteger outstanding = new AtomicInteger();
        List<IoBuffer> memory = new ArrayList<>();
        for (int i = 1 + random.nextInt(ROUND_MAX); i > 0; i--) {
            Bio bio;
            if (random.nextInt(3) == 0) {
                bio = new Bio(0).reset(Operation.FLUSH, 0);
            } else {
                int sectors = 1 + random.nextInt(3);
                long bytes = (long) sectors * SECTOR;
                IoBuffer buffer = IoBuffer.allocate(bytes);
                memory.add(buffer);
                buffer.memory().fill((byte) (round * 16 + i));
                bio = new Bio(1).reset(Operation.WRITE, random.nextInt(SECTORS - sectors + 1))
                        .flags(random.nextInt(4) == 0 ? Bio.FUA : 0).add(buffer.memory(), 0, bytes);
            }
            outstanding.incrementAndGet();
            simulated.disk().submit(bio.onEnd(ended -> {
                assertThat(ended.status()).isEqualTo(Status.OK);
                int _ = outstanding.decrementAndGet();
            }));
            runtime.sleep(random.nextInt(LATENCY_NANOS_MAX));
        }
        runtime.await("all has ended", () -> outstanding.get() == 0);
        memory.forEach(IoBuffer::close);
    }

    /** The images that the history of a log allows at its end. */
    private static Set<Object> allowed(DiskLog log) {
        DiskCrashes crashes = DiskHistory.read(log);
        int position = crashes.history().lastPosition();
        int[] pending = crashes.history().pendingAt(position);
        Set<Object> images = new HashSet<>();
        for (int bits = 0; bits < 1 << pending.length; bits++) {
            BitSet lost = new BitSet();
            for (int i = 0; i < pending.length; i++) {
                lost.set(pending[i], (bits & 1 << i) != 0);
            }
            CrashState state = new CrashState(position, lost);
            if (state.contradiction(crashes.history()) == null) {
                images.add(Explorer.imageOf(crashes.history(), crashes.medium(), state).fingerprint());
            }
        }
        return images;
    }

    /** The images that power cuts leave now. */
    private static Set<Object> left(SimulatedDisk simulated) {
        List<VolatilePiece> pieces = new ArrayList<>();
        DiskImage _ = simulated.snapshot(PowerCut.of("ask", pieces::add));
        Set<Object> images = new HashSet<>();
        for (int bits = 0; bits < 1 << pieces.size(); bits++) {
            int chosen = bits;
            images.add(simulated.snapshot(PowerCut.of("chosen", piece -> (chosen & 1 << pieces.indexOf(piece)) != 0))
                    .tree().fingerprint());
        }
        return images;
    }
}
