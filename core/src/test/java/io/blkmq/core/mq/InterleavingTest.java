package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.RandomPrograms;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** What several threads do to one queue, in every order that a seed can choose. */
@NoRescues
class InterleavingTest {
    private static final int THREADS = 3;
    private static final int OPERATIONS = 24;
    private static final IoBuffer MEMORY = IoBuffer.allocate(4096);

    /** What a thread can do. */
    private enum Kind {
        SUBMIT, PLUG, CHAIN, BLOCK, FLUSH, FREEZE, FREEZE_FOR_A_WHILE, QUIESCE
    }

    /** One thing that a thread does. */
    private record Step(int thread, Kind kind, int number) {}

    @AfterAll
    static void giveMemoryBack() {
        MEMORY.close();
    }

    private static List<Step> steps(RandomGenerator random) {
        List<Step> steps = new ArrayList<>();
        for (int i = 0; i < OPERATIONS; i++) {
            // Freezing is rarer than submitting.
            Kind kind = Kind.values()[Math.min(random.nextInt(Kind.values().length), random.nextInt(12))];
            steps.add(new Step(random.nextInt(THREADS), kind, 1 + random.nextInt(6)));
        }
        return steps;
    }

    private static RandomPrograms<Step> programs(RandomPrograms.Program<Step> program) {
        return new RandomPrograms<>(RandomSeed.replay(InterleavingTest.class), RandomSeed.next(InterleavingTest.class),
                InterleavingTest::steps, program);
    }

    /** Carries steps out, and counts what ends. */
    private static final class Users {
        private final DeterministicRuntime runtime;
        private final Disk disk;
        private final Runnable whileFrozen;
        private final Runnable whileQuiesced;
        private int submitted;
        private int ended;
        private final List<String> wrong = new ArrayList<>();

        Users(DeterministicRuntime runtime, Disk disk, Runnable whileFrozen, Runnable whileQuiesced) {
            this.runtime = runtime;
            this.disk = disk;
            this.whileFrozen = whileFrozen;
            this.whileQuiesced = whileQuiesced;
        }

        void run(List<Step> steps) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                int number = i;
                threads.add(runtime.spawn("user " + i, () -> {
                    for (Step step : steps) {
                        if (step.thread == number) {
                            carryOut(step);
                        }
                    }
                }));
            }
            threads.forEach(runtime::join);
            runtime.await("all bios end", this::haveAllEnded);
            disk.freeze();
            assertThat(disk.queue().heldTags()).isZero();
            disk.unfreeze();
            assertThat(wrong).isEmpty();
            assertThat(ended).as("bios ended").isEqualTo(submitted);
            assertThat(disk.queue().strayCompletions()).isZero();
        }

        /** On a polled device somebody has to look. */
        private boolean haveAllEnded() {
            for (int i = 0; i < disk.contexts(); i++) {
                disk.poll(i);
            }
            return ended >= submitted;
        }

        private void carryOut(Step step) throws IOException {
            switch (step.kind) {
                case SUBMIT -> {
                    for (int i = 0; i < step.number; i++) {
                        disk.submit(bio(Operation.READ, i));
                    }
                }
                case PLUG -> {
                    try (Plug plug = disk.plug()) {
                        for (int i = 0; i < step.number; i++) {
                            plug.submit(bio(Operation.WRITE, i));
                        }
                    }
                }
                case CHAIN -> disk.submit(chain(step.number));
                case BLOCK -> disk.write(0, MEMORY.memory(), Bio.FUA);
                case FLUSH -> disk.submit(bio(Operation.FLUSH, 0));
                case FREEZE -> {
                    disk.freeze();
                    look(whileFrozen, step.number);
                    disk.unfreeze();
                }
                case FREEZE_FOR_A_WHILE -> {
                    disk.queue().freezeStart();
                    if (disk.queue().freezeWait(step.number * 1_000L)) {
                        look(whileFrozen, step.number);
                    }
                    disk.unfreeze();
                }
                case QUIESCE -> {
                    disk.queue().quiesce();
                    look(whileQuiesced, step.number);
                    disk.queue().unquiesce();
                }
            }
        }

        private void look(Runnable check, int times) {
            for (int i = 0; i < times; i++) {
                check.run();
                runtime.switchPoint();
            }
            check.run();
        }

        private Bio bio(Operation operation, long sector) {
            submitted++;
            Bio bio = new Bio(1).reset(operation, sector).onEnd(this::ends);
            return operation.hasData() ? bio.add(MEMORY.memory(), 0, 512) : bio;
        }

        private Bio chain(int length) {
            return bio(Operation.READ, length).onEnd(bio -> {
                List<Bio> next = length > 1 ? List.of(chain(length - 1)) : List.of();
                ends(bio);
                next.forEach(disk::submit);
            });
        }

        private void ends(Bio bio) {
            ended++;
            if (bio.status() != Status.OK) {
                wrong.add(bio + " ended with " + bio.status());
            }
            runtime.switchPoint();
        }
    }

    @Test
    void aNullDeviceCompletesEverythingOnce() {
        for (NullBlk.Completion completion : NullBlk.Completion.values()) {
            RandomPrograms.Tally tally = programs((runtime, steps) -> useNullDevice(runtime, steps, completion))
                    .programs(200).check();
            assertThat(tally.switches()).isPositive();
        }
    }

    /** Does all that a driver may: refuses, gives back, completes late, or not at all until it is asked. */
    private static class Restless implements BlockDriver {
        private final DeterministicRuntime runtime;
        private final SplittableRandom random;
        int inFlight;
        int inside;

        Restless(DeterministicRuntime runtime) {
            this.runtime = runtime;
            this.random = new SplittableRandom(runtime.seed());
        }

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            inside++;
            runtime.switchPoint();
            Status status = switch (random.nextInt(12)) {
                case 0 -> Status.RESOURCE;
                case 1 -> Status.DEV_RESOURCE;
                default -> Status.OK;
            };
            if (status == Status.OK) {
                inFlight++;
                take(rq);
            }
            runtime.switchPoint();
            inside--;
            return status;
        }

        private void take(Request rq) {
            long generation = rq.generation();
            switch (random.nextInt(12)) {
                case 0 -> {
                    inFlight--;
                    rq.requeue(random.nextBoolean());
                    rq.queue().delayKickRequeueList(random.nextInt(10_000));
                }
                case 1 -> rq.complete(Status.OK);
                case 2 -> {
                    // Lost: its time-out finds it.
                }
                default -> runtime.schedule(random.nextInt(5_000), () -> rq.complete(generation, Status.OK));
            }
        }

        @Override
        public void complete(Request rq) {
            inFlight--;
            rq.end(rq.status());
        }

        @Override
        public TimeoutAction timeout(Request rq) {
            runtime.switchPoint();
            rq.complete(Status.OK);
            runtime.switchPoint();
            return TimeoutAction.DONE;
        }

        void mustBeIdle() {
            assertThat(inFlight).as("in flight while frozen").isZero();
        }

        void mustBeLeft() {
            assertThat(inside).as("threads in the driver while it is quiesced").isZero();
        }
    }

    @Test
    void aRestlessDriverIsLeftAloneWhileFrozenOrQuiescedAndEverythingEndsOnce() {
        programs(InterleavingTest::useRestlessly).programs(300).check();
    }

    private static void useRestlessly(DeterministicRuntime runtime, List<Step> steps) throws IOException {
        Restless driver = new Restless(runtime);
        try (TagSet tags = TagSet.builder(driver).hardwareQueues(2).depth(3).runtime(runtime).build()) {
            RequestQueue queue = tags.newQueue("q0", QueueLimits.builder().writeCache(true, false).build(), 2048, null);
            try (Disk disk = Disk.of(queue, null)) {
                new Users(runtime, disk, driver::mustBeIdle, driver::mustBeLeft).run(steps);
            }
        }
    }

    private static void useNullDevice(DeterministicRuntime runtime, List<Step> steps, NullBlk.Completion completion)
            throws IOException {
        try (Disk disk = NullBlk.builder().completion(completion).hardwareQueues(2).depth(3).runtime(runtime).build()) {
            new Users(runtime, disk, () -> {}, () -> {}).run(steps);
        }
    }

    @Test
    void theSameSeedMakesTheSameRunOfTheBlockLayer() {
        long first = RandomSeed.of(InterleavingTest.class);
        for (long seed = first; seed < first + 100; seed++) {
            List<Step> steps = steps(new SplittableRandom(seed));
            List<DeterministicRuntime.Body> bodies = new ArrayList<>();
            bodies.add(runtime -> useRestlessly(runtime, steps));
            for (NullBlk.Completion completion : NullBlk.Completion.values()) {
                bodies.add(runtime -> useNullDevice(runtime, steps, completion));
            }
            for (DeterministicRuntime.Body body : bodies) {
                assertThat(DeterministicRuntime.run(seed, body)).isEqualTo(DeterministicRuntime.run(seed, body));
            }
        }
    }

    @Test
    void aTimeOutOfHalfAMinuteTakesNoTime() {
        DeterministicRuntime.run(RandomSeed.next(InterleavingTest.class), runtime -> {
            Restless driver = new Restless(runtime) {
                @Override
                public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
                    inFlight++;
                    return Status.OK;
                }
            };
            try (TagSet tags = TagSet.builder(driver).runtime(runtime).build();
                    Disk disk = Disk.of(tags.newQueue("q0", QueueLimits.builder().build(), 2048, null), null)) {
                disk.write(0, MEMORY.memory().asSlice(0, 512));
                assertThat(runtime.nanoTime()).isBetween(TimeUnit.SECONDS.toNanos(30), TimeUnit.SECONDS.toNanos(32));
            }
        });
    }
}
