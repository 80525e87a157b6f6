package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Elevator;
import io.blkmq.core.driver.ElevatorQueue;
import io.blkmq.core.driver.ElevatorType;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.mq.FaultyElevator.Fault;
import io.blkmq.core.mq.FaultyElevator.Plan;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.Injection;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullTags;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.SimulationOptions;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Lock;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Elevators that break their contract: found, named, and nobody waits for ever. */
@NoRescues(but = "broken elevators lose calls")
class ElevatorFaultsTest {
    private static final int ROUNDS = 12;
    /** Of those that strike seldom. */
    private static final int ROUNDS_MAX = 1_000;
    private static final int BIOS = 30;
    private static final IoBuffer MEMORY = IoBuffer.allocate(4096);

    private final RecordingDriver driver = new RecordingDriver().depth(4);
    private final List<String> ends = new ArrayList<>();

    @AfterAll
    static void giveMemoryBack() {
        MEMORY.close();
    }

    @AfterEach
    void driverWasGivenNothingWrong() {
        FaultyElevator.Type.follow(new Plan(Fault.NOTHING, 1));
        assertThat(driver.violations()).isEmpty();
    }

    // ---- every fault, under load

    /** Bios of one queue, and how they ended. */
    private static final class User {
        private final DeterministicRuntime runtime;
        private final Disk disk;
        private final SplittableRandom random;
        private final List<String> wrong = new ArrayList<>();
        private int submitted;
        private int ended;
        private int failed;

        User(DeterministicRuntime runtime, Disk disk) {
            this.runtime = runtime;
            this.disk = disk;
            this.random = new SplittableRandom(runtime.seed());
        }

        void submitAll() {
            while (submitted < BIOS) {
                if (random.nextInt(3) == 0) {
                    disk.submit(bio());
                } else {
                    try (Plug plug = disk.plug()) {
                        for (int i = random.nextInt(8); i >= 0; i--) {
                            plug.submit(bio());
                        }
                    }
                }
                runtime.sleep(random.nextInt(20_000));
            }
        }

        private Bio bio() {
            submitted++;
            boolean[] told = {false};
            return new Bio(1).reset(random.nextInt(4) == 0 ? Operation.READ : Operation.WRITE, random.nextInt(16))
                    .add(MEMORY.memory(), 0, 512).onEnd(bio -> {
                        ended++;
                        failed += bio.status() == Status.OK ? 0 : 1;
                        if (told[0] || (bio.status() != Status.OK && bio.status() != Status.IOERR)) {
                            wrong.add(bio + " ended" + (told[0] ? " twice" : "") + " with " + bio.status());
                        }
                        told[0] = true;
                    });
        }
    }

    @ParameterizedTest
    @EnumSource
    void whateverItDoesWrongEveryBioEndsOnceAndChangesOfTheQueueEnd(Fault fault) {
        int struck = 0;
        // Some faults have few occasions: until there was one.
        boolean strikes = fault != Fault.NOTHING && fault != Fault.CLAIMS_WORK && !RandomSeed.isGiven();
        for (int round = 0; round < ROUNDS || (strikes && struck == 0 && round < ROUNDS_MAX); round++) {
            long seed = RandomSeed.next(ElevatorFaultsTest.class);
            // Each time that it could, or now and then.
            Plan plan = new Plan(fault, 1 + round % 3 * 3);
            var _ = DeterministicRuntime.run(seed,
                    SimulationOptions.DEFAULT.withReplay(RandomSeed.replay(ElevatorFaultsTest.class, seed)),
                    runtime -> use(runtime, plan));
            struck += plan.struck;
        }
        assertThat(struck).as("times that it did wrong").isGreaterThanOrEqualTo(strikes ? 1 : 0);
    }

    private static void use(DeterministicRuntime runtime, Plan plan) throws IOException {
        FaultyElevator.Type.follow(plan);
        long reported = CallbackFailures.count();
        NullTags tags = NullBlk.builder().completion(NullBlk.Completion.TIMER).depth(2).hardwareQueues(2)
                .injectRequeues(Injection.seeded(runtime.seed()).set(0.1, Long.MAX_VALUE)).runtime(runtime).buildTags();
        List<User> users = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            User user = new User(runtime, tags.newDisk("q" + i));
            users.add(user);
            user.disk.queue().setElevator(FaultyElevator.NAME);
            threads.add(runtime.spawn("user " + i, user::submitAll));
        }
        RequestQueue queue = users.getFirst().disk.queue();
        queue.setNrRequests(6);
        runtime.sleep(30_000);
        queue.freeze();
        queue.unfreeze();
        queue.quiesce();
        assertThat(queue.dump()).contains("elevator " + FaultyElevator.NAME);
        queue.unquiesce();
        tags.tagSet().updateHardwareQueues(1);
        queue.setElevator("mq-deadline");
        queue.setElevator(FaultyElevator.NAME);
        threads.forEach(runtime::join);
        for (User user : users) {
            runtime.await("all bios of " + user.disk + " end", () -> user.ended == user.submitted);
            user.disk.queue().setElevator("none");
            assertThat(user.wrong).isEmpty();
            assertThat(user.ended).isEqualTo(user.submitted);
            assertThat(user.failed).isLessThanOrEqualTo(plan.fault.harms(plan.every == 1) ? user.ended : 0);
            assertThat(user.disk.queue().strayCompletions()).isZero();
        }
        // Who looks for work that is gone has a tag while it looks.
        runtime.await("all tags are back", () -> queue.heldTags() == 0);
        users.forEach(user -> user.disk.close());
        tags.close();
        // Who denies work may not have been asked while it had some.
        if (plan.struck > 0 && plan.fault != Fault.DENIES_WORK && plan.fault != Fault.GIVES_NOTHING) {
            assertThat(CallbackFailures.count()).isGreaterThan(reported);
        }
        if (CallbackFailures.count() > reported) {
            assertThat(CallbackFailures.latest()).contains("elevator " + FaultyElevator.NAME + " of q");
        }
    }

    // ---- one by one

    private void run(DeterministicRuntime.Body body) {
        Simulation.run(ElevatorFaultsTest.class, body);
    }

    private Disk disk(DeterministicRuntime runtime, UnaryOperator<TagSet.Builder> more) {
        TagSet set = driver.runtime(runtime).tagSet(more);
        return Disk.of(driver.queue(set, "q"), set);
    }

    private Bio write(long sector) {
        return new Bio(1).reset(Operation.WRITE, sector).add(MEMORY.memory(), 0, 512)
                .onEnd(bio -> ends.add(sector + " " + bio.status()));
    }

    @Test
    void aLostRequestEndsWithAnErrorSoonIfTheElevatorSaysThatItHasNothing() {
        run(runtime -> {
            FaultyElevator.Type.follow(new Plan(Fault.LOSES, 2));
            try (Disk disk = disk(runtime, set -> set)) {
                disk.queue().setElevator(FaultyElevator.NAME);
                disk.submit(write(0));
                disk.submit(write(8));
                driver.completeAll();
                long begin = runtime.nanoTime();
                runtime.await("the lost one ends", () -> ends.size() == 2);
                assertThat(ends).containsExactly("0 OK", "8 IOERR");
                assertThat(runtime.nanoTime() - begin).as("within a tick of the timer")
                        .isLessThan(TimeUnit.SECONDS.toNanos(3));
                assertThat(CallbackFailures.latest()).startsWith("elevator of-faults of q has lost request")
                        .contains("WRITE, sector 8, 512 bytes").endsWith("it ends with an error");
            }
        });
    }

    @Test
    void aLostRequestEndsWithAnErrorAfterATimeOutIfItSaysThatItHasWork() {
        run(runtime -> {
            FaultyElevator.Type.follow(new Plan(Fault.LOSES_AND_SAYS_THAT_THERE_IS_WORK, 1));
            try (Disk disk = disk(runtime, set -> set)) {
                disk.queue().setElevator(FaultyElevator.NAME);
                disk.submit(write(0));
                // It is a freeze, too, that waits for it.
                disk.queue().setElevator("kyber");
                assertThat(ends).containsExactly("0 IOERR");
                assertThat(runtime.nanoTime()).isBetween(TimeUnit.SECONDS.toNanos(30), TimeUnit.SECONDS.toNanos(40));
            }
        });
    }

    @Test
    void whatWaitsBehindAMistakeGoesOnWithTheNextTick() {
        run(runtime -> {
            FaultyElevator.Type.follow(new Plan(Fault.THROWS_IN_DISPATCH, 2));
            try (Disk disk = disk(runtime, set -> set)) {
                disk.queue().setElevator(FaultyElevator.NAME);
                HardwareContext hctx = disk.queue().hardwareContext(0);
                hctx.stop();
                disk.submit(write(0));
                disk.submit(write(8));
                hctx.start();
                assertThat(driver.inFlight()).hasSize(1);
                runtime.await("the second one goes down", () -> driver.inFlight().size() == 2);
                assertThat(runtime.nanoTime()).isLessThan(TimeUnit.SECONDS.toNanos(3));
                driver.completeAll();
                assertThat(ends).containsExactly("0 OK", "8 OK");
            }
        });
    }

    @Test
    void aRequestThatWaitsAtAQuiescedQueueIsNotLostHoweverLong() {
        run(runtime -> {
            for (String elevator : List.of(FaultyElevator.NAME, "mq-deadline", "kyber")) {
                try (Disk disk = disk(runtime, set -> set)) {
                    disk.queue().setElevator(elevator);
                    disk.queue().quiesce();
                    disk.submit(write(0));
                    runtime.sleep(TimeUnit.MINUTES.toNanos(5));
                    assertThat(ends).isEmpty();
                    disk.queue().unquiesce();
                    driver.completeAll();
                    assertThat(ends).containsExactly("0 OK");
                    ends.clear();
                    disk.queue().hardwareContext(0).stop();
                    disk.submit(write(1));
                    runtime.sleep(TimeUnit.MINUTES.toNanos(5));
                    disk.queue().hardwareContext(0).start();
                    driver.completeAll();
                    assertThat(ends).containsExactly("1 OK");
                    ends.clear();
                }
            }
        });
    }

    @Test
    void aRequestThatWaitsForATagThatAnotherQueueHasIsNotLost() {
        run(runtime -> {
            TagSet set = driver.runtime(runtime).tagSet();
            Disk busy = Disk.of(driver.queue(set, "busy"), null);
            Disk waits = Disk.of(driver.queue(set, "waits"), null);
            waits.queue().setElevator("mq-deadline");
            for (int i = 0; i < 4; i++) {
                busy.submit(write(i));
            }
            waits.submit(write(9));
            runtime.sleep(TimeUnit.MINUTES.toNanos(5));
            assertThat(ends).isEmpty();
            driver.complete(Status.OK);
            assertThat(driver.inFlight()).extracting(rq -> rq.queue().name()).contains("waits");
            driver.completeAll();
            assertThat(ends).hasSize(5).allMatch(end -> end.endsWith("OK"));
            waits.close();
            busy.close();
            set.close();
        });
    }

    @Test
    void aRequestThatWaitsBehindWhatTheDriverHasGivenBackIsNotLost() {
        run(runtime -> {
            try (Disk disk = disk(runtime, set -> set)) {
                disk.queue().setElevator("mq-deadline");
                Objects.requireNonNull(disk.queue().elevatorAttributes().get("prio_aging_expire")).set("1000000");
                disk.submit(write(0));
                disk.submit(write(8).priority(IoPriority.of(IoPriority.IoClass.IDLE, 7)));
                driver.requeue(driver.inFlight().getFirst(), false);
                assertThat(driver.inFlight()).as("the idle one waits for the other's end").isEmpty();
                runtime.sleep(TimeUnit.MINUTES.toNanos(5));
                assertThat(ends).isEmpty();
                disk.queue().kickRequeueList();
                driver.completeAll();
                assertThat(ends).containsExactly("0 OK", "8 OK");
            }
        });
    }

    @Test
    void aRequestWhoseThreadDoesNotPollIsLostOnlyWhenItHasPolledForIt() {
        run(runtime -> {
            FaultyElevator.Type.follow(new Plan(Fault.LOSES_AND_SAYS_THAT_THERE_IS_WORK, 1));
            Thread owner = Thread.currentThread();
            RecordingDriver mine = new RecordingDriver() {
                @Override
                public boolean mayPoll(HardwareContext hctx) {
                    return Thread.currentThread().equals(owner);
                }
            };
            TagSet set = mine.polled().runtime(runtime).tagSet();
            try (Disk disk = Disk.of(mine.queue(set, "q"), set)) {
                disk.queue().setElevator(FaultyElevator.NAME);
                disk.submit(write(0));
                runtime.sleep(TimeUnit.MINUTES.toNanos(5));
                assertThat(ends).isEmpty();
                runtime.await("it ends", () -> {
                    disk.poll(0);
                    runtime.sleep(TimeUnit.MILLISECONDS.toNanos(100));
                    return !ends.isEmpty();
                });
                assertThat(ends).containsExactly("0 IOERR");
            }
        });
    }

    @Test
    void whatItKeepsOnADeviceThatIsGoneEndsToo() {
        run(runtime -> {
            FaultyElevator.Type.follow(new Plan(Fault.LOSES_AND_SAYS_THAT_THERE_IS_WORK, 2));
            Disk disk = disk(runtime, set -> set);
            disk.queue().setElevator(FaultyElevator.NAME);
            disk.queue().quiesce();
            disk.submit(write(0));
            disk.submit(write(8));
            disk.queue().markDead();
            assertThat(ends).containsExactly("0 NODEV");
            disk.close();
            assertThat(ends).containsExactly("0 NODEV", "8 IOERR");
        });
    }

    @Test
    void anAbsorbedRequestGivesItsTagBackAlsoIfTheElevatorFails() {
        run(runtime -> {
            FaultyElevator.Type.follow(new Plan(Fault.THROWS_IN_ABSORBED, 1));
            try (Disk disk = disk(runtime, set -> set.flag(TagSet.Flag.MERGE))) {
                disk.queue().setElevator(FaultyElevator.NAME);
                disk.queue().quiesce();
                try (Plug plug = disk.plug()) {
                    plug.submit(write(0));
                    plug.submit(write(2));
                }
                disk.submit(write(1));
                assertThat(disk.queue().dump()).contains("1 of 8 requests");
                disk.queue().unquiesce();
                assertThat(driver.inFlight()).extracting(Request::bytes).containsExactly(3 * 512L);
                driver.completeAll();
                assertThat(ends).containsExactly("0 OK", "1 OK", "2 OK");
            }
        });
    }

    // ---- elevators that cannot be made

    /** Makes what the test says. */
    private static final class Odd implements ElevatorType {
        static final Odd ONLY = new Odd();
        Function<ElevatorQueue, Elevator> made = _ -> {
            throw new IllegalStateException("by plan: cannot be made");
        };

        static {
            Elevators.register(ONLY);
        }

        /** Whether it says its name. */
        boolean named = true;

        @Override
        public String name() {
            if (!named) {
                throw new IllegalStateException("by plan: no name");
            }
            return "odd";
        }

        @Override
        public Elevator create(ElevatorQueue queue) {
            return made.apply(queue);
        }
    }

    @Test
    void oneThatDoesNotSayItsNameAnyMoreIsReportedByTheOneItHad() {
        run(runtime -> {
            try (Disk disk = disk(runtime, set -> set)) {
                FaultyElevator.Type.follow(new Plan(Fault.THROWS_IN_COMPLETED, 1));
                Odd.ONLY.made = FaultyElevator.Type.ONLY::create;
                disk.queue().setElevator(Odd.ONLY.name());
                Odd.ONLY.named = false;
                disk.submit(write(0));
                driver.completeAll();
                assertThat(ends).containsExactly("0 OK");
                assertThat(CallbackFailures.latest()).startsWith("completed of elevator odd of q failed");
                assertThat(disk.queue().elevator()).isEqualTo("odd");
                assertThat(disk.queue().dump()).contains("of-faults");
                assertThat(disk.queue().heldTags()).isZero();
            } finally {
                Odd.ONLY.named = true;
            }
        });
    }

    @Test
    void whereItCannotBeMadeTheOneBeforeStays() {
        run(runtime -> {
            try (Disk disk = disk(runtime, set -> set)) {
                disk.queue().setElevator("mq-deadline");
                assertThatIllegalStateException().isThrownBy(() -> disk.queue().setElevator(Odd.ONLY.name()))
                        .withMessage("by plan: cannot be made");
                assertThat(disk.queue().elevator()).isEqualTo("mq-deadline");
                assertThat(disk.queue().isFrozen()).isFalse();
                disk.submit(write(0));
                driver.completeAll();
                assertThat(ends).containsExactly("0 OK");
            }
        });
    }

    @Test
    @SuppressWarnings("NullAway") // what an elevator must not do is what this is about
    void oneWithoutALockIsNotTaken() {
        run(runtime -> {
            Odd.ONLY.made = queue -> (Elevator) Proxy.newProxyInstance(ElevatorFaultsTest.class.getClassLoader(),
                    new Class<?>[]{Elevator.class}, (_, _, _) -> null);
            try (Disk disk = disk(runtime, set -> set)) {
                assertThatNullPointerException().isThrownBy(() -> disk.queue().setElevator(Odd.ONLY.name()))
                        .withMessage("elevator odd of q names no lock");
                assertThat(disk.queue().elevator()).isEqualTo("none");
            }
        });
    }

    @Test
    void whereItCannotBeMadeAgainForOtherContextsThereIsNoneFromThenOn() {
        run(runtime -> {
            try (Disk disk = disk(runtime, set -> set)) {
                FaultyElevator.Type.follow(new Plan(Fault.NOTHING, 1));
                int[] made = {0};
                Odd.ONLY.made = queue -> {
                    if (made[0]++ > 0) {
                        throw new IllegalStateException("by plan: not twice");
                    }
                    return FaultyElevator.Type.ONLY.create(queue);
                };
                disk.queue().setElevator(Odd.ONLY.name());
                disk.queue().tagSet().updateHardwareQueues(3);
                assertThat(disk.queue().elevator()).isEqualTo("none");
                assertThat(CallbackFailures.latest()).contains("elevator odd of q: none from now on")
                        .contains("by plan: not twice");
                disk.submit(write(0));
                driver.completeAll();
                assertThat(ends).containsExactly("0 OK");
            }
        });
    }

    @Test
    void aRequestIsNotGivenOutUnderTheLockOfAnotherContext() {
        run(runtime -> {
            Lock[] locks = {runtime.newLock(), runtime.newLock()};
            Request[] kept = {null};
            Odd.ONLY.made = queue -> new TwoLocks(locks, kept);
            try (Disk disk = disk(runtime, set -> set.hardwareQueues(2))) {
                disk.queue().setElevator(Odd.ONLY.name());
                disk.queue().hardwareContext(1).stop();
                int context = Inside.of(disk.queue()).context(0).hardwareContext(Operation.WRITE, 0).index() == 1
                        ? 0
                        : 1;
                disk.submit(write(0), context);
                assertThat(kept[0]).isNotNull();
                disk.queue().hardwareContext(0).run();
                assertThat(driver.inFlight()).isEmpty();
                assertThat(CallbackFailures.latest()).contains("elevator odd of q gave out")
                        .endsWith("which does not wait there: ignored");
                disk.queue().hardwareContext(1).start();
                driver.completeAll();
                assertThat(ends).containsExactly("0 OK");
            }
        });
    }

    /** Keeps one request for all contexts, each of which has a lock of its own. */
    private static final class TwoLocks implements Elevator {
        private final Lock[] locks;
        private final Request[] kept;

        TwoLocks(Lock[] locks, Request[] kept) {
            this.locks = locks;
            this.kept = kept;
        }

        @Override
        public Lock lock(int hctx) {
            return locks[hctx];
        }

        @Override
        public void insert(int hctx, Request rq, boolean atHead, long nowNanos) {
            kept[0] = rq;
        }

        @Override
        public Request dispatch(int hctx, long nowNanos) {
            return kept[0];
        }

        @Override
        public boolean hasWork(int hctx) {
            return true;
        }

        @Override
        public @Nullable Request endingAt(int hctx, Bio bio) {
            return null;
        }

        @Override
        public @Nullable Request beginningAt(int hctx, Bio bio) {
            return null;
        }

        @Override
        public @Nullable Request following(int hctx, Request rq) {
            return null;
        }

        @Override
        public @Nullable Request preceding(int hctx, Request rq) {
            return null;
        }

        @Override
        public void merged(int hctx, Request rq, boolean atFront) {}

        @Override
        public void absorbed(int hctx, Request kept, Request gone) {}
    }
}
