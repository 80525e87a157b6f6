package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.Plug;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What becomes of requests that a driver takes, refuses, fails or mistreats. */
@NoRescues
class DispatchTest {
    @RegisterExtension
    final Simulation simulation = new Simulation(DispatchTest.class);
    private final DeterministicRuntime runtime = simulation.runtime();
    private final RecordingDriver driver = new RecordingDriver().runtime(runtime);
    private final Told told = new Told();
    private final Disk disk = driver.disk();

    @AfterEach
    void nothingIsLeft() {
        assertThat(driver.violations()).isEmpty();
        assertThat(disk.queue().heldTags()).isZero();
        disk.close();
    }

    /** Lets the time of a rerun come, and the rerun end. */
    private void rerun() {
        runtime.sleep(DispatchContext.RESOURCE_DELAY_NANOS + 1_000_000);
    }

    @Test
    void aTakenRequestEndsWhenTheDriverCompletesIt() {
        disk.submit(told.read(3));
        assertThat(driver.log()).containsExactly("READ 3");
        assertThat(told.ends()).isEmpty();
        driver.complete(Status.MEDIUM);
        assertThat(told.ends()).containsExactly("READ 3 MEDIUM");
    }

    @Test
    void aRequestThatIsRefusedForLackOfResourcesIsOfferedOnceMoreAndThenAfterADelayEach() {
        int delays = 5;
        for (int i = 0; i <= delays; i++) {
            driver.answer(Status.RESOURCE);
        }
        disk.submit(told.read(1));
        assertThat(driver.log()).containsExactly("READ 1", "READ 1");
        for (int i = 0; i < delays; i++) {
            runtime.sleep(DispatchContext.RESOURCE_DELAY_NANOS + 100_000);
            assertThat(driver.log()).containsExactly("READ 1");
        }
        driver.completeAll();
        assertThat(told.ends()).containsExactly(Told.ok(1));
    }

    @Test
    void aRequestThatIsRefusedWhileTheLastOneEndsIsOfferedAgainAtOnce() {
        disk.submit(told.read(1));
        driver.answerBy(_ -> {
            runtime.join(runtime.spawn("device", () -> driver.complete(Status.OK)));
            return Status.RESOURCE;
        });
        long before = runtime.nanoTime();
        disk.submit(told.read(2));
        assertThat(driver.log()).containsExactly("READ 1", "READ 2", "READ 2");
        assertThat(runtime.nanoTime() - before).isLessThan(DispatchContext.RESOURCE_DELAY_NANOS);
        driver.completeAll();
        assertThat(told.ends()).containsExactly(Told.ok(1), Told.ok(2));
    }

    @Test
    void aRequestThatIsRefusedIsOfferedAgainWhenAnotherCompletes() {
        disk.submit(told.read(1));
        driver.answer(Status.DEV_RESOURCE);
        disk.submit(told.read(2));
        driver.log();
        driver.complete(Status.OK);
        assertThat(driver.log()).containsExactly("READ 2");
        driver.completeAll();
        assertThat(told.ends()).containsExactly(Told.ok(1), Told.ok(2));
    }

    @Test
    void aDriverMayRunTheContextItselfWhenItCanTakeRequestsAgain() {
        driver.answer(Status.DEV_RESOURCE).answer(Status.DEV_RESOURCE);
        disk.submit(told.read(1));
        driver.log();
        disk.queue().hardwareContext(0).run();
        assertThat(driver.log()).containsExactly("READ 1");
        driver.completeAll();
    }

    @Test
    void nothingOvertakesARequestThatWaits() {
        for (int i = 0; i < 4; i++) {
            driver.answer(Status.RESOURCE);
        }
        told.submitReads(disk, 0, 3);
        assertThat(driver.log()).containsExactly("READ 0", "READ 0", "READ 0 more", "READ 0 more");
        rerun();
        assertThat(driver.log()).containsExactly("READ 0 more", "READ 1 more", "READ 2");
        driver.completeAll();
        assertThat(told.ends()).containsExactly(Told.ok(0), Told.ok(1), Told.ok(2));
    }

    @Test
    void whatWaitsStaysInOrderOverManyRefusals() {
        driver.answer(Status.RESOURCE);
        told.submitReads(disk, 0, 5);
        driver.completeAll();
        List<String> served = new ArrayList<>(told.ends());
        while (served.size() < 5) {
            driver.answer(Status.OK).answer(Status.RESOURCE);
            rerun();
            driver.completeAll();
            served.addAll(told.ends());
        }
        assertThat(served).containsExactly(Told.ok(0), Told.ok(1), Told.ok(2), Told.ok(3), Told.ok(4));
    }

    @Test
    void anErrorFromQueueRqEndsTheRequest() {
        driver.answer(Status.NOSPC);
        disk.submit(told.write(4));
        assertThat(told.ends()).containsExactly("WRITE 4 NOSPC");
    }

    @Test
    void anAnswerOfNullEndsTheRequestWithAnError() {
        long before = CallbackFailures.count();
        driver.answer(null);
        disk.submit(told.read(0));
        assertThat(told.ends()).containsExactly("READ 0 IOERR");
        assertThat(CallbackFailures.count()).isEqualTo(before + 1);
    }

    @Test
    void anExceptionFromQueueRqEndsTheRequestWithAnErrorAndNoOther() {
        driver.answerBy(_ -> {
            throw new IllegalStateException("on purpose");
        });
        disk.submit(told.read(0));
        disk.submit(told.read(1));
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 0 IOERR", Told.ok(1));
    }

    @Test
    void aRequestThatIsCompletedBeforeQueueRqReturnsEndsAfterIt() {
        driver.answerBy(rq -> {
            rq.complete(Status.OK);
            assertThat(told.count()).as("told inside queueRq").isZero();
            return Status.OK;
        });
        disk.submit(told.read(0));
        assertThat(told.ends()).containsExactly(Told.ok(0));
    }

    @Test
    void theSecondOfTwoCompletionsIsCountedAndDoesNothing() {
        driver.answerBy(rq -> {
            rq.complete(Status.OK);
            rq.complete(Status.IOERR);
            return Status.OK;
        });
        disk.submit(told.read(0));
        assertThat(told.ends()).containsExactly(Told.ok(0));
        assertThat(disk.queue().strayCompletions()).isOne();
    }

    @Test
    void aCompletionOfAnEarlierUseDoesNotEndTheTagsNextUse() {
        disk.submit(told.read(0));
        Request rq = driver.inFlight().getFirst();
        long generation = rq.generation();
        driver.complete(Status.OK);
        while (driver.inFlight().stream().noneMatch(rq::equals)) {
            disk.submit(told.read(1));
        }
        int ended = told.count();
        rq.complete(generation, Status.IOERR);
        assertThat(told.count()).isEqualTo(ended);
        assertThat(disk.queue().strayCompletions()).isOne();
        driver.completeAll();
        assertThat(told.ends()).allMatch(end -> end.endsWith("OK"));
    }

    @Test
    void aRequestThatIsRefusedAfterItWasCompletedIsNotOfferedAgain() {
        for (Status answer : List.of(Status.RESOURCE, Status.DEV_RESOURCE, Status.IOERR)) {
            driver.answerBy(rq -> {
                rq.complete(Status.OK);
                return answer;
            });
            disk.submit(told.read(0));
            rerun();
            assertThat(driver.log()).hasSize(1);
            assertThat(told.ends()).containsExactly(Told.ok(0));
        }
    }

    @Test
    void theRestOfABatchWaitsBehindARefusedRequestAndTheBellIsRung() {
        driver.answer(Status.OK).answer(Status.RESOURCE);
        submitPlugged(0, 4);
        assertThat(driver.log()).containsExactly("READ 0 more", "READ 1 more", "commit");
        rerun();
        assertThat(driver.log()).containsExactly("READ 1 more", "READ 2 more", "READ 3");
        driver.completeAll();
        assertThat(told.ends()).containsExactly(Told.ok(0), Told.ok(1), Told.ok(2), Told.ok(3));
    }

    @Test
    void noBellIsRungWhereNothingWasQueued() {
        driver.answer(Status.RESOURCE).answer(Status.RESOURCE);
        submitPlugged(0, 2);
        assertThat(driver.log()).containsExactly("READ 0 more", "READ 0 more");
        driver.answer(Status.IOERR);
        rerun();
        driver.completeAll();
        assertThat(driver.log()).containsExactly("READ 0 more", "READ 1");
        assertThat(told.ends()).containsExactly("READ 0 IOERR", Told.ok(1));
    }

    @Test
    void theBellIsRungWhereTheLastOfABatchFails() {
        driver.answer(Status.OK).answer(Status.OK).answer(Status.IOERR);
        submitPlugged(0, 3);
        assertThat(driver.log()).containsExactly("READ 0 more", "READ 1 more", "READ 2", "commit");
        driver.completeAll();
    }

    @Test
    void anErrorInTheMiddleOfABatchConcernsOneRequest() {
        driver.answer(Status.OK).answer(Status.IOERR);
        submitPlugged(0, 3);
        assertThat(driver.log()).containsExactly("READ 0 more", "READ 1 more", "READ 2");
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 1 IOERR", Told.ok(0), Told.ok(2));
    }

    @Test
    void aDispatchListThatEndsEarlyRingsTheBell() {
        driver.answer(Status.RESOURCE).answer(Status.RESOURCE);
        submitPlugged(0, 3);
        driver.log();
        driver.answer(Status.OK).answer(Status.RESOURCE);
        rerun();
        assertThat(driver.log()).containsExactly("READ 0 more", "READ 1 more", "commit");
        rerun();
        driver.completeAll();
    }

    @Test
    void oneTimerIsEnoughForAnyNumberOfRefusals() {
        driver.answer(Status.RESOURCE).answer(Status.RESOURCE).answer(Status.RESOURCE);
        int timersBefore = runtime.timers();
        told.submitReads(disk, 0, 3);
        // One for the refusals, and one for the time-outs of what holds a tag.
        assertThat(runtime.timers() - timersBefore).isEqualTo(2);
        rerun();
        driver.completeAll();
    }

    private void submitPlugged(int from, int to) {
        try (Plug plug = disk.plug()) {
            for (int sector = from; sector < to; sector++) {
                plug.submit(told.read(sector));
            }
        }
    }

    // ---- drivers that take whole batches, ask for budgets or end requests themselves

    /** A driver whose optional callbacks a test replaces. */
    private static class Special extends RecordingDriver {
        int takes;
        boolean completesWhatItDoesNotTake;
        boolean endsTwice;
        boolean endsAndThrows;
        boolean throwsInComplete;
        int budgets = Integer.MAX_VALUE;
        int budgetsOut;

        @Override
        public int queueRqs(HardwareContext hctx, RequestBatch batch) {
            record("batch of " + batch.size());
            for (int i = 0; i < Math.min(takes, batch.size()); i++) {
                batch.request(i).complete(Status.OK);
            }
            if (completesWhatItDoesNotTake) {
                batch.request(takes + 1).complete(Status.OK);
            }
            return takes;
        }

        @Override
        public void complete(Request rq) {
            if (throwsInComplete) {
                throw new IllegalStateException("on purpose");
            }
            rq.end(rq.status());
            if (endsTwice) {
                rq.end(Status.IOERR);
            }
            if (endsAndThrows) {
                throw new IllegalStateException("on purpose");
            }
        }

        @Override
        public int getBudget(RequestQueue queue) {
            if (budgetsOut >= budgets) {
                return -1;
            }
            budgetsOut++;
            return budgetsOut;
        }

        @Override
        public void putBudget(RequestQueue queue, int token) {
            budgetsOut--;
            record("budget " + token + " back");
        }
    }

    private void withSpecial(Special special, java.util.function.Consumer<Disk> test) {
        special.runtime(runtime);
        Disk other = special.disk();
        test.accept(other);
        assertThat(special.violations()).isEmpty();
        assertThat(other.queue().heldTags()).isZero();
        other.close();
    }

    private void plugged(Disk to, int count) {
        try (Plug plug = to.plug()) {
            for (int sector = 0; sector < count; sector++) {
                plug.submit(told.read(sector));
            }
        }
    }

    @Test
    void aBatchThatIsTakenWholeIsNotOfferedOneByOne() {
        Special special = new Special();
        special.takes = 3;
        withSpecial(special, other -> {
            plugged(other, 3);
            assertThat(special.log()).containsExactly("batch of 3");
            assertThat(told.ends()).containsExactly(Told.ok(0), Told.ok(1), Told.ok(2));
        });
    }

    @Test
    void whatABatchLeavesIsOfferedOneByOne() {
        Special special = new Special();
        special.takes = 1;
        withSpecial(special, other -> {
            plugged(other, 3);
            assertThat(special.log()).containsExactly("batch of 3", "READ 1 more", "READ 2");
            special.completeAll();
            assertThat(told.ends()).containsExactly(Told.ok(0), Told.ok(1), Told.ok(2));
        });
    }

    @Test
    void aBatchWhoseDriverCompletesWhatItDoesNotTakeLosesNothing() {
        Special special = new Special();
        special.takes = 1;
        special.completesWhatItDoesNotTake = true;
        withSpecial(special, other -> {
            plugged(other, 4);
            assertThat(told.ends()).containsExactlyInAnyOrder(Told.ok(0), "READ 1 IOERR", Told.ok(2), "READ 3 IOERR");
        });
    }

    @Test
    void aBatchOfWhichMoreOrLessThanPossibleIsTakenFails() {
        for (int claim : new int[]{-1, 5}) {
            Special special = new Special() {
                @Override
                public int queueRqs(HardwareContext hctx, RequestBatch batch) {
                    return claim;
                }
            };
            withSpecial(special, other -> {
                plugged(other, 3);
                assertThat(told.ends()).containsExactly("READ 0 IOERR", "READ 1 IOERR", "READ 2 IOERR");
            });
        }
    }

    @Test
    void aBatchWhoseDriverThrowsFailsWhereItWasNotCompleted() {
        Special special = new Special() {
            @Override
            public int queueRqs(HardwareContext hctx, RequestBatch batch) {
                batch.request(0).complete(Status.OK);
                throw new IllegalStateException("on purpose");
            }
        };
        withSpecial(special, other -> {
            plugged(other, 2);
            assertThat(told.ends()).containsExactly(Told.ok(0), "READ 1 IOERR");
        });
    }

    @Test
    void aRequestThatIsEndedTwiceIsToldOnceAndWell() {
        for (Special special : specialsThatEndBadly()) {
            withSpecial(special, other -> {
                special.answerBy(rq -> {
                    rq.complete(Status.OK);
                    return Status.OK;
                });
                other.submit(told.read(0));
                assertThat(told.ends()).containsExactly(Told.ok(0));
                other.submit(told.read(1));
                special.completeAll();
                assertThat(told.ends()).containsExactly(Told.ok(1));
            });
        }
    }

    private static List<Special> specialsThatEndBadly() {
        Special twice = new Special();
        twice.endsTwice = true;
        Special throwing = new Special();
        throwing.endsAndThrows = true;
        return List.of(twice, throwing);
    }

    @Test
    void aRequestWhoseDriverFailsToEndItEndsWithAnError() {
        Special special = new Special();
        special.throwsInComplete = true;
        withSpecial(special, other -> {
            other.submit(told.read(0));
            special.completeAll();
            assertThat(told.ends()).containsExactly("READ 0 IOERR");
        });
    }

    @Test
    void withoutABudgetARequestWaits() {
        Special special = new Special();
        special.budgets = 0;
        withSpecial(special, other -> {
            other.submit(told.read(0));
            assertThat(special.log()).isEmpty();
            special.budgets = 1;
            rerun();
            assertThat(special.log()).containsExactly("READ 0");
            special.completeAll();
        });
    }

    @Test
    void aBudgetThatIsNotUsedIsGivenBack() {
        for (@Nullable
        Status answer : new @Nullable Status[]{Status.RESOURCE, Status.IOERR, null}) {
            Special special = new Special();
            withSpecial(special, other -> {
                special.answer(answer);
                other.submit(told.read(0));
                assertThat(special.log()).startsWith("READ 0", "budget 1 back")
                        .hasSize(answer == Status.RESOURCE ? 3 : 2);
                special.completeAll();
            });
        }
    }

    @Test
    void endingARequestThatWasNotCompletedIsRefused() {
        disk.submit(told.read(0));
        Request rq = driver.inFlight().getFirst();
        org.assertj.core.api.Assertions.assertThatIllegalStateException().isThrownBy(() -> rq.end(Status.OK))
                .withMessageContaining("in flight");
        driver.completeAll();
    }
}
