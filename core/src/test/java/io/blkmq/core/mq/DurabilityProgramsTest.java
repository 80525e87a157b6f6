package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.DurabilityChecker;
import io.blkmq.sim.RandomPrograms;
import io.blkmq.sim.SimulationFailure;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What was acknowledged as durable survives, whatever the submitters, the device and the power do. */
@NoRescues
class DurabilityProgramsTest {
    private static final int THREADS_MAX = 4;
    private static final int OPERATIONS_MAX = 32;
    private static final int SECTORS = 4096;
    private static final String[] ELEVATORS = {"none", "mq-deadline", "kyber"};
    /** The fewest requests that an elevator may have. */
    private static final int SCHEDULED_MIN = 4;
    /** The programs of each build; {@link RandomPrograms#PROGRAMS} asks for others. */
    private static final int PROGRAMS = 3_500;
    /** A defect that so many programs do not find would not be found. */
    private static final int PROGRAMS_TO_FIND_A_DEFECT = 1_000;
    private static final IoBuffer MEMORY = IoBuffer.allocate(4096);

    /** What a thread can do. */
    private enum Kind {
        WRITE(8), FUA(6), PREFLUSH(6), PREFLUSH_FUA(6), FLUSH(8), WAIT(6), FREEZE(2), FREEZE_ALL(1), QUIESCE(
                1), SWITCH_CACHE(2), SWITCH_ELEVATOR(2), OTHER_QUEUES(1), POWER_CUT(1);

        private final int weight;

        Kind(int weight) {
            this.weight = weight;
        }
    }

    /** One thing that a thread does; the number says how much or how many. */
    private record Step(int thread, Kind kind, int number) {}

    @AfterAll
    static void giveMemoryBack() {
        MEMORY.close();
    }

    private static List<Step> steps(RandomGenerator random) {
        List<Kind> kinds = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            // The power fails in one program of a few.
            for (int i = 0; i < kind.weight * 4 && (kind != Kind.POWER_CUT || i == 0); i++) {
                kinds.add(kind);
            }
        }
        int threads = 1 + random.nextInt(THREADS_MAX);
        List<Step> steps = new ArrayList<>();
        for (int left = 8 + random.nextInt(OPERATIONS_MAX - 8); left > 0; left--) {
            steps.add(
                    new Step(random.nextInt(threads), kinds.get(random.nextInt(kinds.size())), 1 + random.nextInt(6)));
        }
        return steps;
    }

    /** Carries steps out on a device, and checks what came of them. */
    private static final class Users {
        private final DeterministicRuntime runtime;
        private final CachingDevice device;
        private final TagSet set;
        private final RequestQueue queue;
        private final int[] outstanding = new int[THREADS_MAX];
        private final List<String> wrong = new ArrayList<>();
        /** The driver's: two changes of the device do not mix. */
        private final SleepingLock switching;
        private long nextSector;

        Users(DeterministicRuntime runtime, CachingDevice device, TagSet set, RequestQueue queue) {
            this.runtime = runtime;
            this.device = device;
            this.set = set;
            this.queue = queue;
            this.switching = new SleepingLock(runtime);
        }

        void run(List<Step> steps) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < THREADS_MAX; i++) {
                int thread = i;
                List<Step> own = steps.stream().filter(step -> step.thread == thread).toList();
                if (!own.isEmpty()) {
                    threads.add(runtime.spawn("submitter " + i, () -> {
                        for (Step step : own) {
                            carryOut(step);
                        }
                    }));
                }
            }
            threads.forEach(runtime::join);
            for (int i = 0; i < THREADS_MAX; i++) {
                await(i);
            }
            assertThat(queue.close(Long.MAX_VALUE)).isTrue();
            assertThat(queue.heldTags()).isZero();
            assertThat(device.inFlight()).isZero();
            assertThat(queue.strayCompletions()).isZero();
            assertThat(wrong).isEmpty();
            device.checker.check();
            assertThat(device.brokenC2()).isEmpty();
        }

        private void await(int thread) {
            runtime.await("the bios of submitter " + thread + " end", () -> outstanding[thread] == 0);
        }

        private void carryOut(Step step) throws IOException {
            switch (step.kind) {
                case WRITE -> write(step, 0);
                case FUA -> write(step, Bio.FUA);
                case PREFLUSH -> write(step, Bio.PREFLUSH);
                case PREFLUSH_FUA -> write(step, Bio.PREFLUSH | Bio.FUA);
                case FLUSH -> submit(step, new Bio(0).reset(Operation.FLUSH, 0), device.checker.flush());
                case WAIT -> await(step.thread);
                case FREEZE -> {
                    queue.freezeStart();
                    if (queue.freezeWait(step.number * 2_000L)) {
                        mustBeIdle();
                    }
                    queue.unfreeze();
                }
                case FREEZE_ALL -> {
                    set.freeze();
                    mustBeIdle();
                    set.unfreeze();
                }
                case QUIESCE -> {
                    queue.quiesce();
                    runtime.sleep(step.number * 500L);
                    queue.unquiesce();
                }
                case SWITCH_CACHE -> switchCache(step.number);
                case SWITCH_ELEVATOR -> switchElevator(step.number);
                case OTHER_QUEUES -> set.updateHardwareQueues(1 + step.number % 3);
                case POWER_CUT -> {
                    device.powerCut();
                    queue.markDead();
                }
            }
        }

        /** Writes go by the elevator; what has flush semantics does not. */
        private void switchElevator(int number) {
            try {
                queue.setElevator(ELEVATORS[number % ELEVATORS.length]);
                if (number > ELEVATORS.length) {
                    queue.setNrRequests(SCHEDULED_MIN + number);
                }
            } catch (IllegalStateException e) {
                // The power has failed.
                if (!queue.isDying()) {
                    throw e;
                }
            } catch (IllegalArgumentException e) {
                // Another has switched to none meanwhile, with which there are only as many as the device has.
                assertThat(e).hasMessageContaining("are possible with elevator 'none'");
            }
        }

        private void mustBeIdle() {
            if (device.inFlight() != 0) {
                wrong.add(device.inFlight() + " requests in flight at a frozen queue");
            }
        }

        /** As a driver does: the device and what the queue knows of it change while nothing is in flight. */
        private void switchCache(int number) {
            boolean cache = number % 3 != 0;
            boolean fua = number % 3 == 2;
            switching.lock("a switch of the cache");
            queue.freeze();
            device.checker.useCache(cache, fua);
            queue.setWriteCache(cache, fua);
            queue.unfreeze();
            switching.unlock();
        }

        /** A write of sectors of its own, which may be more than the device takes at a time. */
        private void write(Step step, int flags) {
            int sectors = step.number % 4 + 1;
            long sector = nextSector;
            nextSector += sectors;
            Bio bio = new Bio(1).reset(Operation.WRITE, sector).flags(flags);
            bio.add(MEMORY.memory(), 0, sectors * 512L);
            submit(step, bio,
                    device.checker.write(sector, sectors, (flags & Bio.PREFLUSH) != 0, (flags & Bio.FUA) != 0));
        }

        private void submit(Step step, Bio bio, DurabilityChecker.Submission submission) {
            outstanding[step.thread]++;
            bio.onEnd(ended -> {
                device.checker.ended(submission, ended.status() == Status.OK);
                outstanding[step.thread]--;
            });
            try {
                queue.submit(bio);
            } catch (IllegalStateException e) {
                outstanding[step.thread]--;
                if (!queue.isDying()) {
                    throw e;
                }
            }
        }
    }

    private static void use(DeterministicRuntime runtime, List<Step> steps, BrokenFlushQueue.@Nullable Defect defect)
            throws IOException {
        SplittableRandom random = new SplittableRandom(~runtime.seed());
        boolean fua = random.nextBoolean();
        CachingDevice device = new CachingDevice(runtime, true, fua);
        int contexts = 1 + random.nextInt(2);
        QueueLimits limits = QueueLimits.builder().requestBytesMax(1024).segmentBytesMax(1024).writeCache(true, fua)
                .build();
        try (TagSet set = TagSet.builder(device).hardwareQueues(contexts).depth(2 + random.nextInt(6)).pduBytes(8)
                .flag(TagSet.Flag.MERGE).runtime(runtime).build()) {
            RequestQueue queue = set.newQueue("q0", limits, SECTORS, null);
            queue.setElevator(ELEVATORS[random.nextInt(ELEVATORS.length)]);
            for (int i = 0; i < contexts && defect != null; i++) {
                HardwareContext hctx = queue.hardwareContext(i);
                Inside.of(hctx).flushQueue().close();
                Inside.of(hctx).useFlushQueue(new BrokenFlushQueue(Inside.of(hctx), defect));
            }
            new Users(runtime, device, set, queue).run(steps);
        }
    }

    @Test
    void whatWasAcknowledgedAsDurableIs() {
        RandomPrograms.Tally tally = new RandomPrograms<Step>(RandomSeed.replay(DurabilityProgramsTest.class),
                RandomSeed.next(DurabilityProgramsTest.class), DurabilityProgramsTest::steps,
                (runtime, steps) -> use(runtime, steps, null)).programs(PROGRAMS).check();
        System.out.println("DurabilityProgramsTest: " + tally);
    }

    @ParameterizedTest
    @EnumSource
    void aDefectOfTheFlushMachineIsFoundWithinAThousandPrograms(BrokenFlushQueue.Defect defect) {
        Assumptions.assumeFalse(RandomSeed.isGiven(), "one program need not find it");
        SplittableRandom seeds = new SplittableRandom(RandomSeed.next(DurabilityProgramsTest.class));
        for (int programs = 1; programs <= PROGRAMS_TO_FIND_A_DEFECT; programs++) {
            long seed = seeds.nextLong();
            try {
                DeterministicRuntime.run(seed, runtime -> use(runtime, steps(new SplittableRandom(seed)), defect));
            } catch (SimulationFailure e) {
                assertThat(e.kind()).as("how it was found: %s", e.getMessage())
                        .isEqualTo(SimulationFailure.Kind.THROWN);
                System.out.println("DurabilityProgramsTest: " + defect + " found by program " + programs);
                return;
            }
        }
        throw new AssertionError(defect + " was not found by " + PROGRAMS_TO_FIND_A_DEFECT + " programs");
    }
}
