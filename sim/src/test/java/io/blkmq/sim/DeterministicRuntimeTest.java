package io.blkmq.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The deterministic runtime itself. What holds for every seed is tried with some of them. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@SuppressWarnings("LockNotBeforeTry") // locks that are held over a wait or a failure are what some tests are about
class DeterministicRuntimeTest {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);
    private static final int SEEDS = 50;
    /** How many seeds a planted bug has to show itself. */
    private static final int SEEDS_TO_FIND_A_BUG = 500;

    private final long first = RandomSeed.next(DeterministicRuntimeTest.class);

    private void forSomeSeeds(DeterministicRuntime.Body body) {
        for (int i = 0; i < SEEDS; i++) {
            assertThat(run(first + i, body).steps()).isPositive();
        }
    }

    private static Schedule run(long seed, DeterministicRuntime.Body body) {
        return DeterministicRuntime.run(seed, options(seed), body);
    }

    private static SimulationOptions options(long seed) {
        return SimulationOptions.DEFAULT.withReplay(RandomSeed.replay(DeterministicRuntimeTest.class, seed));
    }

    private static SimulationFailure failureOf(long seed, SimulationOptions options, DeterministicRuntime.Body body) {
        return Objects.requireNonNull(
                catchThrowableOfType(SimulationFailure.class, () -> DeterministicRuntime.run(seed, options, body)));
    }

    private SimulationFailure failureOf(DeterministicRuntime.Body body) {
        return failureOf(first, options(first), body);
    }

    // ---- the same again

    /** A bit of everything. Returns what happened in which order. */
    private static List<String> busyProgram(DeterministicRuntime runtime) {
        List<String> events = new ArrayList<>();
        Lock lock = runtime.newLock();
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            int number = i;
            threads.add(runtime.spawn("worker " + i, () -> {
                for (int k = 0; k < 5; k++) {
                    lock.lock();
                    try {
                        events.add(number + " at " + runtime.nanoTime());
                    } finally {
                        lock.unlock();
                    }
                    runtime.parkNanos(lock, 1_000L * number);
                    runtime.spinWait();
                }
            }));
        }
        runtime.schedule(3_000, () -> events.add("timer"));
        runtime.execute(() -> threads.forEach(runtime::unpark));
        threads.forEach(runtime::join);
        return events;
    }

    @Test
    void theSameSeedGivesTheSameRun() {
        for (int i = 0; i < SEEDS; i++) {
            List<String> once = new ArrayList<>();
            List<String> again = new ArrayList<>();
            Schedule schedule = run(first + i, runtime -> once.addAll(busyProgram(runtime)));
            assertThat(run(first + i, runtime -> again.addAll(busyProgram(runtime)))).isEqualTo(schedule);
            assertThat(again).isEqualTo(once).hasSize(21);
        }
    }

    @Test
    void otherSeedsGiveOtherRuns() {
        Set<Long> digests = new HashSet<>();
        Set<List<String>> orders = new HashSet<>();
        for (int i = 0; i < SEEDS; i++) {
            digests.add(run(first + i,
                    runtime -> orders.add(busyProgram(runtime).stream().map(event -> event.substring(0, 1)).toList()))
                    .digest());
        }
        assertThat(digests).hasSize(SEEDS);
        assertThat(orders).hasSizeGreaterThan(SEEDS / 2);
    }

    // ---- time

    @Test
    void waitingTakesVirtualTimeAndNoOther() {
        Schedule schedule = run(first, runtime -> {
            long begin = runtime.nanoTime();
            runtime.sleep(1800 * SECOND);
            assertThat(runtime.nanoTime() - begin).isBetween(1800 * SECOND, 1801 * SECOND);
        });
        assertThat(schedule.nanos()).isGreaterThanOrEqualTo(1800 * SECOND);
        assertThat(schedule.steps()).isLessThan(10);
    }

    @Test
    void timersComeInTheOrderOfTheirTimesAndNotBefore() {
        forSomeSeeds(runtime -> {
            List<String> events = new ArrayList<>();
            long begin = runtime.nanoTime();
            for (int due : new int[]{5, 1, 3, 1, 4}) {
                runtime.schedule(due * SECOND, () -> {
                    assertThat(runtime.nanoTime() - begin).isGreaterThanOrEqualTo(due * SECOND);
                    events.add("timer " + due);
                });
            }
            runtime.execute(() -> events.add("now"));
            runtime.sleep(6 * SECOND);
            assertThat(events).containsExactly("now", "timer 1", "timer 1", "timer 3", "timer 4", "timer 5");
            assertThat(runtime.timers()).isZero();
        });
    }

    @Test
    void aTimerThatIsCalledOffDoesNotCome() {
        forSomeSeeds(runtime -> {
            AtomicInteger ran = new AtomicInteger();
            IoRuntime.Timer kept = runtime.schedule(SECOND, ran::incrementAndGet);
            IoRuntime.Timer called = runtime.schedule(SECOND, () -> ran.addAndGet(100));
            assertThat(called.cancel()).isTrue();
            assertThat(called.cancel()).isFalse();
            runtime.sleep(2 * SECOND);
            assertThat(ran).hasValue(1);
            assertThat(kept.cancel()).as("after it has run").isFalse();
        });
    }

    @Test
    void whoPollsWaitsForATimerWithoutCountingTheTime() {
        forSomeSeeds(runtime -> {
            AtomicInteger ran = new AtomicInteger();
            runtime.schedule(1000 * SECOND, ran::incrementAndGet);
            Thread other = runtime.spawn("another that polls", () -> runtime.await("the timer", () -> ran.get() != 0));
            while (ran.get() == 0) {
                // A look may take a lock.
                Lock lock = runtime.newLock();
                lock.lock();
                lock.unlock();
                runtime.spinWait();
            }
            runtime.join(other);
            assertThat(runtime.nanoTime()).isBetween(1000 * SECOND, 1001 * SECOND);
        });
    }

    @Test
    void whoPollsTheClockGetsThere() {
        forSomeSeeds(runtime -> {
            while (runtime.nanoTime() < 100 * SECOND) {
                runtime.spinWait();
            }
        });
    }

    @Test
    void withoutACostOfStepsTimeMovesByTimersAlone() {
        DeterministicRuntime.run(first, SimulationOptions.DEFAULT.withStepNanosMax(0), runtime -> {
            assertThat(runtime.nanoTime()).isZero();
            runtime.sleep(7);
            assertThat(runtime.nanoTime()).isEqualTo(7);
        });
    }

    // ---- parking

    @Test
    void aPermitThatCameBeforeTheParkLetsItReturnOnce() {
        forSomeSeeds(runtime -> {
            runtime.unpark(Thread.currentThread());
            runtime.unpark(Thread.currentThread());
            long begin = runtime.nanoTime();
            runtime.parkNanos(this, SECOND);
            assertThat(runtime.nanoTime() - begin).as("the first park waited").isLessThan(SECOND);
            AtomicInteger returns = new AtomicInteger();
            Thread waiter = runtime.spawn("waiter", () -> {
                for (;;) {
                    runtime.parkNanos(this, 3600 * SECOND / 4);
                    returns.incrementAndGet();
                    if (returns.get() == 1_000 || runtime.nanoTime() > 800 * SECOND) {
                        return;
                    }
                }
            });
            runtime.join(waiter);
            assertThat(returns.get()).as("parks that returned for no reason, and the one that timed out")
                    .isLessThan(1_000);
        });
    }

    @Test
    void aParkedThreadGoesOnWhenItIsUnparkedOrItsTimeHasCome() {
        forSomeSeeds(runtime -> {
            AtomicInteger stage = new AtomicInteger();
            Thread waiter = runtime.spawn("waiter", () -> {
                while (stage.get() == 0) {
                    runtime.park(this);
                }
                stage.set(2);
            });
            runtime.sleep(SECOND);
            assertThat(waiter.isAlive()).isTrue();
            stage.set(1);
            runtime.unpark(waiter);
            runtime.join(waiter);
            assertThat(stage).hasValue(2);
            long begin = runtime.nanoTime();
            while (runtime.nanoTime() - begin < 5 * SECOND) {
                runtime.parkNanos(this, 5 * SECOND);
            }
            assertThat(runtime.nanoTime() - begin).isLessThan(11 * SECOND);
            runtime.parkNanos(this, 0);
            runtime.parkNanos(this, -1);
        });
    }

    @Test
    void anInterruptWakesAParkedThreadAndIsSeenByIt() {
        for (boolean plain : new boolean[]{false, true}) {
            forSomeSeeds(runtime -> {
                AtomicInteger interrupts = new AtomicInteger();
                Thread waiter = runtime.spawn("waiter", () -> {
                    while (!Thread.interrupted()) {
                        runtime.park(this);
                    }
                    interrupts.incrementAndGet();
                });
                runtime.sleep(SECOND);
                if (plain) {
                    waiter.interrupt();
                } else {
                    runtime.interrupt(waiter);
                }
                runtime.join(waiter);
                assertThat(interrupts).hasValue(1);
            });
        }
    }

    @Test
    void anInterruptedThreadDoesNotParkAndKeepsTheInterruptOverSleepsAndJoins() {
        forSomeSeeds(runtime -> {
            Thread.currentThread().interrupt();
            runtime.park(this);
            runtime.sleep(SECOND);
            runtime.join(runtime.spawn("other", () -> runtime.sleep(SECOND)));
            assertThat(runtime.nanoTime()).isGreaterThan(2 * SECOND);
            assertThat(Thread.interrupted()).isTrue();
        });
    }

    // ---- locks

    /** What three threads lose that add to one sum, step by step. */
    private static int lostUpdates(DeterministicRuntime runtime, boolean locked) {
        Lock lock = runtime.newLock();
        int[] sum = new int[1];
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            threads.add(runtime.spawn("adder " + i, () -> {
                for (int k = 0; k < 10; k++) {
                    if (locked) {
                        lock.lock();
                        lock.lock();
                    }
                    int before = sum[0];
                    runtime.switchPoint();
                    sum[0] = before + 1;
                    if (locked) {
                        lock.unlock();
                        lock.unlock();
                    }
                }
            }));
        }
        threads.forEach(runtime::join);
        return 30 - sum[0];
    }

    @Test
    void aLockKeepsOthersOut() {
        forSomeSeeds(runtime -> assertThat(lostUpdates(runtime, true)).isZero());
        AtomicInteger lost = new AtomicInteger();
        forSomeSeeds(runtime -> lost.addAndGet(lostUpdates(runtime, false)));
        assertThat(lost.get()).as("updates lost without the lock").isPositive();
    }

    @Test
    void whoMayNotWaitForALockIsToldSo() {
        forSomeSeeds(runtime -> {
            Lock lock = runtime.newLock();
            lock.lock();
            assertThat(lock.tryLock()).as("held by this thread").isTrue();
            lock.unlock();
            Thread other = runtime.spawn("other", () -> {
                assertThat(lock.tryLock()).isFalse();
                assertThat(lock.tryLock(1, TimeUnit.SECONDS)).isFalse();
                assertThatExceptionOfType(IllegalMonitorStateException.class).isThrownBy(lock::unlock);
                assertThat(lock.tryLock(1, TimeUnit.HOURS)).isTrue();
                lock.unlock();
                lock.lockInterruptibly();
                lock.unlock();
                Thread.currentThread().interrupt();
                assertThatExceptionOfType(InterruptedException.class).isThrownBy(lock::lockInterruptibly);
                assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(lock::newCondition);
            });
            runtime.sleep(10 * SECOND);
            lock.unlock();
            runtime.join(other);
        });
    }

    // ---- what fails

    @Test
    void aDeadlockIsReportedWithEachThreadAndWhatItWaitsFor() {
        SimulationFailure failure = failureOf(runtime -> {
            Lock left = runtime.newLock();
            Lock right = runtime.newLock();
            Thread one = runtime.spawn("left-handed", () -> lockBoth(runtime, left, right));
            Thread other = runtime.spawn("right-handed", () -> lockBoth(runtime, right, left));
            runtime.startAgent("idler", () -> {
                for (;;) {
                    runtime.park("a blocker");
                }
            });
            runtime.join(one);
            runtime.join(other);
        });
        assertThat(failure.kind()).isEqualTo(SimulationFailure.Kind.DEADLOCK);
        assertThat(failure.seed()).isEqualTo(first);
        assertThat(failure).hasMessageContaining("deadlock").hasMessageContaining("seed " + first)
                .hasMessageContaining("\"left-handed\" waits for a lock: a lock of \"right-handed\"")
                .hasMessageContaining("\"right-handed\" waits for a lock: a lock of \"left-handed\"")
                .hasMessageContaining("\"body\" waits for a thread to end").hasMessageContaining("lockBoth")
                .hasMessageContaining("\"idler\" is parked: a blocker").hasMessageContaining("virtual time ")
                .hasMessageEndingWith("replay with: " + RandomSeed.replay(DeterministicRuntimeTest.class, first));
    }

    private static void lockBoth(DeterministicRuntime runtime, Lock one, Lock other) {
        one.lock();
        runtime.sleep(SECOND);
        other.lock();
        other.unlock();
        one.unlock();
    }

    @Test
    void aProgramThatGoesRoundInACircleIsEnded() {
        SimulationFailure circle = failureOf(first, options(first).withStepsMax(10_000), runtime -> {
            for (;;) {
                runtime.switchPoint();
            }
        });
        assertThat(circle.kind()).isEqualTo(SimulationFailure.Kind.STEPS);
        assertThat(circle).hasMessageContaining("after 10000 steps").hasMessageContaining("seed " + first);
        SimulationFailure poller = failureOf(runtime -> runtime.await("the end of the world", () -> false));
        assertThat(poller.kind()).isEqualTo(SimulationFailure.Kind.TIME);
        assertThat(poller).hasMessageContaining("\"body\" polls: the end of the world");
        SimulationFailure ticker = failureOf(runtime -> {
            tick(runtime);
            for (;;) {
                runtime.park("what never comes");
            }
        });
        assertThat(ticker.kind()).isEqualTo(SimulationFailure.Kind.TIME);
        assertThat(ticker).hasMessageContaining("3600000000000 ns of virtual time")
                .hasMessageContaining("what never comes");
    }

    private static void tick(DeterministicRuntime runtime) {
        runtime.schedule(SECOND, () -> tick(runtime));
    }

    @Test
    void aFailureInAnyThreadEndsTheRunWithItsCauseAndSeed() {
        IllegalStateException planted = new IllegalStateException("planted");
        List<DeterministicRuntime.Body> bodies = List.of(_ -> {
            throw planted;
        }, runtime -> runtime.join(runtime.spawn("spawned", () -> {
            throw planted;
        })), runtime -> {
            runtime.startAgent("agent", () -> {
                throw planted;
            });
            runtime.park(this);
            runtime.sleep(SECOND);
        }, runtime -> {
            runtime.execute(() -> {
                throw planted;
            });
            runtime.sleep(SECOND);
        });
        List<String> who = List.of("body", "spawned", "agent", "work");
        for (int i = 0; i < bodies.size(); i++) {
            SimulationFailure failure = failureOf(bodies.get(i));
            assertThat(failure.kind()).isEqualTo(SimulationFailure.Kind.THROWN);
            assertThat(failure).hasCause(planted).hasMessageContaining("\"" + who.get(i) + "\" failed")
                    .hasMessageContaining("planted").hasMessageContaining("seed " + first);
        }
    }

    @Test
    void aRunWaitsForWhatWasSpawnedAndFailsWithIt() {
        AtomicInteger ended = new AtomicInteger();
        run(first, runtime -> runtime.spawn("left alone", () -> {
            runtime.sleep(SECOND);
            ended.incrementAndGet();
        }));
        assertThat(ended).hasValue(1);
        assertThat(failureOf(runtime -> runtime.spawn("left alone", () -> {
            runtime.sleep(SECOND);
            throw new IllegalStateException("planted");
        }))).hasMessageContaining("planted");
    }

    @Test
    void whatWasThrownFirstIsNotHiddenByWhatGetsStuckOnTheWayOut() {
        SimulationFailure failure = failureOf(runtime -> {
            try (AutoCloseable _ = () -> runtime.join(Thread.currentThread())) {
                throw new IllegalStateException("planted");
            }
        });
        assertThat(failure.kind()).isEqualTo(SimulationFailure.Kind.THROWN);
        assertThat(failure).hasMessageContaining("planted");
        assertThat(failure.getSuppressed()).singleElement().asString().contains("deadlock");
    }

    // ---- nothing is left

    @Test
    void noThreadIsLeftHoweverTheRunEnds() {
        for (boolean fails : new boolean[]{false, true}) {
            List<Thread> threads = new ArrayList<>();
            AtomicInteger cleanedUp = new AtomicInteger();
            DeterministicRuntime.Body body = runtime -> {
                Lock lock = runtime.newLock();
                lock.lock();
                for (int i = 0; i < 3; i++) {
                    threads.add(runtime.startAgent("parked", () -> {
                        try {
                            runtime.park(this);
                            runtime.sleep(100 * SECOND);
                        } finally {
                            cleanedUp.incrementAndGet();
                        }
                    }));
                }
                threads.add(runtime.startAgent("blocked", lock::lock));
                runtime.schedule(1000 * SECOND, () -> threads.add(Thread.currentThread()));
                runtime.sleep(SECOND);
                threads.add(runtime.startAgent("perhaps not begun", () -> {}));
                if (fails) {
                    throw new IllegalStateException("planted");
                }
            };
            if (fails) {
                assertThat(failureOf(body)).hasMessageContaining("planted");
            } else {
                assertThat(run(first, body).nanos()).isLessThan(50 * SECOND);
            }
            assertThat(threads).hasSize(5).noneMatch(Thread::isAlive);
            assertThat(cleanedUp).hasValue(3);
        }
    }

    @Test
    void aThreadThatCatchesWhatEndsItIsNamed() {
        SimulationFailure failure = failureOf(runtime -> {
            runtime.startAgent("stubborn", () -> {
                for (;;) {
                    try {
                        runtime.park(this);
                    } catch (Throwable e) {
                        // Goes on, whatever it is.
                    }
                }
            });
            runtime.sleep(SECOND);
        });
        assertThat(failure).hasMessageContaining("\"stubborn\" catches what ends it");
    }

    @Test
    void aThreadThatWaitsPastTheRuntimeIsNamed() throws InterruptedException {
        CountDownLatch latch = new CountDownLatch(1);
        AtomicReference<Thread> thread = new AtomicReference<>();
        SimulationFailure failure = failureOf(first, options(first).withHangNanos(TimeUnit.MILLISECONDS.toNanos(50)),
                runtime -> {
                    thread.set(Thread.currentThread());
                    runtime.switchPoint();
                    waitForReal(latch);
                    runtime.switchPoint();
                });
        assertThat(failure.kind()).isEqualTo(SimulationFailure.Kind.HANG);
        assertThat(failure).hasMessageContaining("\"body\"").hasMessageContaining("waitForReal");
        latch.countDown();
        thread.get().join();
    }

    private static void waitForReal(CountDownLatch latch) throws InterruptedException {
        latch.await();
    }

    @Test
    void anInterruptOfTheThreadThatWaitsEndsTheRun() {
        Thread waiter = Thread.currentThread();
        SimulationFailure failure = failureOf(first, options(first).withStepsMax(Long.MAX_VALUE), runtime -> {
            waiter.interrupt();
            for (;;) {
                runtime.switchPoint();
            }
        });
        assertThat(failure.kind()).isIn(SimulationFailure.Kind.INTERRUPTED, SimulationFailure.Kind.TIME);
        assertThat(Thread.interrupted()).isTrue();
    }

    // ---- who may call

    @Test
    void whatIsPreparedBeforeTheRunHappensInIt() {
        DeterministicRuntime runtime = new DeterministicRuntime(first, options(first));
        List<String> events = new ArrayList<>();
        Lock lock = runtime.newLock();
        lock.lock();
        runtime.schedule(SECOND, () -> events.add("timer"));
        Thread spawned = runtime.spawn("spawned", () -> {
            runtime.sleep(2 * SECOND);
            events.add("spawned");
        });
        lock.unlock();
        assertThat(runtime.nanoTime()).isZero();
        assertThat(runtime.timers()).isOne();
        assertThatIllegalStateException().isThrownBy(() -> runtime.park("a blocker"))
                .withMessageContaining("a blocker");
        assertThatIllegalStateException().isThrownBy(() -> runtime.join(spawned));
        runtime.run(_ -> {
            runtime.sleep(3 * SECOND);
            events.add("body");
        });
        assertThat(events).containsExactly("timer", "spawned", "body");
        runtime.join(spawned);
        lock.lock();
        lock.unlock();
        runtime.unpark(spawned);
        assertThat(runtime.nanoTime()).isGreaterThanOrEqualTo(3 * SECOND);
        assertThatIllegalStateException().isThrownBy(() -> runtime.spawn("late", () -> {}))
                .withMessageContaining("late");
        assertThatIllegalStateException().isThrownBy(() -> runtime.run(_ -> {}))
                .withMessageContaining("has run before");
    }

    @Test
    void aThreadThatIsNotOfTheSimulationIsRefusedWhileItRuns() {
        DeterministicRuntime runtime = new DeterministicRuntime(first, options(first));
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        CountDownLatch called = new CountDownLatch(1);
        runtime.run(_ -> {
            Thread.ofVirtual().name("stranger").start(() -> {
                try {
                    runtime.unpark(Thread.currentThread());
                } catch (Throwable t) {
                    thrown.set(t);
                }
                called.countDown();
            });
            called.await();
            Thread stranger = Thread.ofVirtual().unstarted(() -> {});
            assertThatIllegalArgumentException().isThrownBy(() -> runtime.join(stranger));
        });
        assertThat(thrown.get()).isInstanceOf(IllegalStateException.class).hasMessageContaining("\"stranger\"")
                .hasMessageContaining("seed " + first);
    }

    @Test
    void impossibleBoundsAreRefusedByNameAndValue() {
        assertThatIllegalArgumentException().isThrownBy(() -> SimulationOptions.DEFAULT.withStepNanosMax(-1))
                .withMessageContaining("stepNanosMax -1");
        assertThatIllegalArgumentException().isThrownBy(() -> SimulationOptions.DEFAULT.withStepsMax(0))
                .withMessageContaining("stepsMax 0");
        assertThatIllegalArgumentException().isThrownBy(() -> SimulationOptions.DEFAULT.withProcessors(0))
                .withMessageContaining("processors 0");
        assertThatIllegalArgumentException().isThrownBy(() -> SimulationOptions.DEFAULT.withVirtualNanosMax(0))
                .withMessageContaining("virtualNanosMax 0");
        assertThatIllegalArgumentException().isThrownBy(() -> SimulationOptions.DEFAULT.withHangNanos(0))
                .withMessageContaining("hangNanos 0");
    }

    // ---- what it is for

    /**
     * A box that one thread fills and another takes from. A taker says that it waits before its last look; one with the planted bug
     * looks first.
     */
    private static final class Box {
        private final DeterministicRuntime runtime;
        private final boolean looksTooEarly;
        private final Thread taker;
        private boolean full;
        private boolean waiting;

        Box(DeterministicRuntime runtime, boolean looksTooEarly) {
            this.runtime = runtime;
            this.looksTooEarly = looksTooEarly;
            this.taker = Thread.currentThread();
        }

        void fill() {
            runtime.switchPoint();
            full = true;
            runtime.switchPoint();
            if (waiting) {
                runtime.unpark(taker);
            }
        }

        void take() {
            boolean seen = false;
            while (!seen) {
                if (looksTooEarly) {
                    seen = full;
                    runtime.switchPoint();
                    waiting = true;
                } else {
                    waiting = true;
                    runtime.switchPoint();
                    seen = full;
                }
                if (!seen) {
                    runtime.park(this);
                }
            }
        }
    }

    private static void passABox(DeterministicRuntime runtime, boolean looksTooEarly) {
        Box box = new Box(runtime, looksTooEarly);
        runtime.spawn("filler", box::fill);
        box.take();
    }

    @Test
    void aLostWakeUpIsFoundAndItsSeedReplaysIt() {
        for (int i = 0; i < SEEDS_TO_FIND_A_BUG; i++) {
            run(first + i, runtime -> passABox(runtime, false));
        }
        SimulationFailure found = null;
        for (int i = 0; i < SEEDS_TO_FIND_A_BUG && found == null; i++) {
            found = failureOfBox(first + i);
        }
        assertThat(found).as("failure of one of %d seeds from %d", SEEDS_TO_FIND_A_BUG, first).isNotNull();
        assertThat(Objects.requireNonNull(found).kind()).isEqualTo(SimulationFailure.Kind.DEADLOCK);
        assertThat(failureOfBox(found.seed())).hasMessage(found.getMessage());
    }

    private static @Nullable SimulationFailure failureOfBox(long seed) {
        return catchThrowableOfType(SimulationFailure.class, () -> run(seed, runtime -> passABox(runtime, true)));
    }
}
