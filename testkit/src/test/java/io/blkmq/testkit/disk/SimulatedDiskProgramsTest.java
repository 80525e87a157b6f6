package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.RandomPrograms;
import io.blkmq.sim.SimulationFailure;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * A simulated disk keeps the promises of a disk whatever its users, its faults and the power do; and where a fault makes it lie, a checker of
 * durability notices.
 */
@NoRescues
class SimulatedDiskProgramsTest {
    private static final int THREADS_MAX = 3;
    private static final int SECTORS = 4096;
    /** The programs of each build; {@link RandomPrograms#PROGRAMS} asks for others. */
    private static final int PROGRAMS = 1_500;
    private static final int PROGRAMS_TO_FIND_A_LIE = 200;

    private enum Kind {
        WRITE(8), FUA(4), PREFLUSH(3), PREFLUSH_FUA(3), DISCARD(1), ZEROES(1), FLUSH(6), WAIT(6), POWER_CUT(1);

        private final int weight;

        Kind(int weight) {
            this.weight = weight;
        }
    }

    private record Step(int thread, Kind kind, int number) {}

    /** A fault that lets the disk promise what it does not keep. */
    enum Lie {
        FLUSH, FUA, LOST_WRITE, TORN_WRITE, MISDIRECTED_WRITE;

        private FaultRule rule() {
            return switch (this) {
                case FLUSH -> FaultRule.on(Operation.FLUSH).then(Fault.lie());
                case FUA -> FaultRule.on(Operation.WRITE).then(Fault.lie());
                case LOST_WRITE -> FaultRule.always().every(5).then(Fault.lose());
                case TORN_WRITE -> FaultRule.on(Operation.WRITE).every(5).then(Fault.torn(1));
                case MISDIRECTED_WRITE -> FaultRule.on(Operation.WRITE).every(5).then(Fault.misdirect(3 * 512));
            };
        }
    }

    private static List<Step> steps(RandomGenerator random) {
        List<Kind> kinds = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            for (int i = 0; i < kind.weight; i++) {
                kinds.add(kind);
            }
        }
        int threads = 1 + random.nextInt(THREADS_MAX);
        List<Step> steps = new ArrayList<>();
        for (int left = 6 + random.nextInt(24); left > 0; left--) {
            steps.add(
                    new Step(random.nextInt(threads), kinds.get(random.nextInt(kinds.size())), 1 + random.nextInt(5)));
        }
        return steps;
    }

    private static SimulatedDisk disk(DeterministicRuntime runtime, boolean honest) throws Exception {
        SplittableRandom random = new SplittableRandom(~runtime.seed());
        boolean cache = !honest || random.nextInt(5) != 0;
        SimulatedDisk simulated = SimulatedDisk.builder().capacityBytes(SECTORS * 512L).runtime(runtime)
                .seed(runtime.seed()).writeCache(cache, cache && (!honest || random.nextBoolean()))
                .atomicUnitBytes(512 << random.nextInt(4)).cacheBytes(cache && random.nextInt(3) == 0 ? 16 << 10 : 0)
                .latency(LatencyModel.uniform(0, random.nextInt(8_000))).parallelism(random.nextInt(4))
                .hardwareQueues(1 + random.nextInt(2)).depth(2 + random.nextInt(6)).timeoutNanos(20_000_000).build();
        simulated.faults()
                .add(FaultRule.always().probability(0.06, random.nextLong()).then(Fault.status(Status.MEDIUM)));
        simulated.faults()
                .add(FaultRule.always().probability(0.06, random.nextLong()).then(Fault.status(Status.RESOURCE)));
        simulated.faults().add(FaultRule.always().probability(0.06, random.nextLong()).then(Fault.requeue()));
        simulated.faults().add(FaultRule.always().probability(0.03, random.nextLong()).then(Fault.timeOut()));
        simulated.faults().add(FaultRule.always().probability(0.1, random.nextLong()).then(Fault.delay(20_000)));
        if (honest) {
            simulated.faults().add(FaultRule.on(Operation.READ, Operation.WRITE).probability(0.05, random.nextLong())
                    .then(Fault.shortTransfer(512)));
        }
        return simulated;
    }

    /** Carries steps out. No two writes overlap, so that what has to be there after a power cut is plain. */
    private static final class Users {
        private final DeterministicRuntime runtime;
        private final SimulatedDisk simulated;
        private final int[] outstanding = new int[THREADS_MAX];
        private final List<IoBuffer> memory = new ArrayList<>();
        private final List<Written> told = new ArrayList<>();
        private long nextSector;
        /** Counts beginnings and ends of power cuts. */
        private int changes;
        private int cutting;

        /** A write of which its submitter has been told that it ended well. */
        private static final class Written {
            private final long offset;
            private final byte[] data;
            private boolean promised;

            Written(long offset, byte[] data, boolean promised) {
                this.offset = offset;
                this.data = data;
                this.promised = promised;
            }

            boolean isIn(DiskImage image) {
                return Arrays.equals(image.read(offset, data.length), data);
            }

            @Override
            public String toString() {
                return "write of " + data.length + " bytes at offset " + offset;
            }
        }

        Users(DeterministicRuntime runtime, SimulatedDisk simulated) {
            this.runtime = runtime;
            this.simulated = simulated;
        }

        void run(List<Step> steps) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < THREADS_MAX; i++) {
                int thread = i;
                List<Step> own = steps.stream().filter(step -> step.thread == thread).toList();
                threads.add(runtime.spawn("submitter " + i, () -> own.forEach(this::carryOut)));
            }
            threads.forEach(runtime::join);
            for (int i = 0; i < THREADS_MAX; i++) {
                await(i);
            }
            assertThat(simulated.inFlight()).isZero();
        }

        void close() {
            memory.forEach(IoBuffer::close);
        }

        private void await(int thread) {
            runtime.await("the bios of submitter " + thread + " end", () -> outstanding[thread] == 0);
        }

        private void carryOut(Step step) {
            switch (step.kind) {
                case WRITE -> write(step, Operation.WRITE, 0);
                case FUA -> write(step, Operation.WRITE, Bio.FUA);
                case PREFLUSH -> write(step, Operation.WRITE, Bio.PREFLUSH);
                case PREFLUSH_FUA -> write(step, Operation.WRITE, Bio.PREFLUSH | Bio.FUA);
                case DISCARD -> write(step, Operation.DISCARD, 0);
                case ZEROES -> write(step, Operation.WRITE_ZEROES, Bio.FUA);
                case FLUSH -> flush(step);
                case WAIT -> await(step.thread);
                case POWER_CUT -> powerCut(step.number);
            }
        }

        private void powerCut(int number) {
            changes++;
            cutting++;
            simulated.powerCut(switch (number) {
                case 1 -> PowerCut.ALL_LOST;
                case 2 -> PowerCut.ALL_KEPT;
                case 3 -> PowerCut.inOrder(runtime.seed());
                case 4 -> PowerCut.subset(runtime.seed());
                default -> PowerCut.torn(runtime.seed());
            });
            told.removeIf(written -> !written.promised);
            changes++;
            cutting--;
        }

        private void write(Step step, Operation operation, int flags) {
            int bytes = step.number * 512;
            long sector = nextSector;
            nextSector += step.number;
            byte[] data = new byte[bytes];
            Bio bio = new Bio(1).reset(operation, sector).flags(flags);
            if (operation == Operation.WRITE) {
                Arrays.fill(data, (byte) (1 + sector % 127));
                IoBuffer buffer = IoBuffer.allocate(bytes);
                memory.add(buffer);
                buffer.memory().copyFrom(MemorySegment.ofArray(data));
                bio.add(buffer.memory(), 0, bytes);
            } else {
                bio.length(bytes);
            }
            List<Written> covered = (flags & Bio.PREFLUSH) != 0 ? covered() : List.of();
            submit(step, bio, () -> {
                covered.forEach(written -> written.promised = true);
                told.add(new Written(sector * 512, data, (flags & Bio.FUA) != 0));
            });
        }

        /** What a flush that is submitted now promises. While the power fails nobody knows. */
        private List<Written> covered() {
            return cutting > 0 ? List.of() : List.copyOf(told);
        }

        private void flush(Step step) {
            List<Written> covered = covered();
            submit(step, new Bio(0).reset(Operation.FLUSH, 0),
                    () -> covered.forEach(written -> written.promised = true));
        }

        private void submit(Step step, Bio bio, Runnable well) {
            int before = changes;
            outstanding[step.thread]++;
            bio.onEnd(ended -> {
                // If the power has failed meanwhile, nothing was promised.
                if (ended.status() == Status.OK && changes == before) {
                    well.run();
                }
                outstanding[step.thread]--;
            });
            simulated.disk().submit(bio);
        }

        /** What was promised is there after the worst power cut; and what was only told is there without one. */
        void check() {
            DiskImage now = simulated.snapshot();
            DiskImage worst = simulated.snapshot(PowerCut.ALL_LOST);
            for (Written written : told) {
                assertThat(written.isIn(now)).as("%s is there", written).isTrue();
                if (written.promised) {
                    assertThat(written.isIn(worst)).as("%s survives", written).isTrue();
                    assertThat(simulated.isDurable(written.offset, written.data.length)).isTrue();
                }
            }
        }
    }

    private static void use(DeterministicRuntime runtime, List<Step> steps, @Nullable Lie lie) throws Exception {
        try (SimulatedDisk simulated = disk(runtime, lie == null)) {
            if (lie != null) {
                simulated.faults().add(lie.rule());
            }
            DiskLog log = simulated.record();
            Users users = new Users(runtime, simulated);
            users.run(steps);
            simulated.stopRecording();
            new LogChecker(simulated.disk().limits()).read(log, simulated.snapshot()).check();
            if (lie == null) {
                users.check();
            }
            users.close();
        }
    }

    @Test
    void aDiskKeepsItsPromisesWhateverFaultsAndPowerCutsDo() {
        RandomPrograms.Tally tally = new RandomPrograms<Step>(RandomSeed.replay(SimulatedDiskProgramsTest.class),
                RandomSeed.next(SimulatedDiskProgramsTest.class), SimulatedDiskProgramsTest::steps,
                (runtime, steps) -> use(runtime, steps, null)).programs(PROGRAMS).check();
        System.out.println("SimulatedDiskProgramsTest: " + tally);
    }

    @ParameterizedTest
    @EnumSource
    void aDiskThatLiesIsCaught(Lie lie) {
        Assumptions.assumeFalse(RandomSeed.isGiven(), "one program need not find it");
        SplittableRandom seeds = new SplittableRandom(RandomSeed.next(SimulatedDiskProgramsTest.class));
        for (int programs = 1; programs <= PROGRAMS_TO_FIND_A_LIE; programs++) {
            long seed = seeds.nextLong();
            try {
                DeterministicRuntime.run(seed, runtime -> use(runtime, steps(new SplittableRandom(seed)), lie));
            } catch (SimulationFailure e) {
                assertThat(e.kind()).as("how it was found: %s", e.getMessage())
                        .isEqualTo(SimulationFailure.Kind.THROWN);
                assertThat(e).hasMessageContaining("promises of durability were broken");
                System.out.println("SimulatedDiskProgramsTest: " + lie + " found by program " + programs);
                return;
            }
        }
        throw new AssertionError(lie + " was not found by " + PROGRAMS_TO_FIND_A_LIE + " programs");
    }
}
