package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.Disk;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Time-outs, in virtual time: the default of 30 s goes in ticks of one second. */
@NoRescues
class TimeoutTest {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    @RegisterExtension
    final Simulation simulation = new Simulation(TimeoutTest.class);
    private final DeterministicRuntime runtime = simulation.runtime();
    private final Told told = new Told();

    /** Lets time go by, and a little more: each tick begins when the one before it has been dealt with. */
    private void pass(long nanos) {
        runtime.sleep(nanos + TimeUnit.MILLISECONDS.toNanos(1));
    }

    /** A driver whose answer to a time-out is the test's. */
    private static final class Asked extends RecordingDriver {
        private final Function<Request, TimeoutAction> answer;
        private final List<Long> sectors = new ArrayList<>();

        Asked(Function<Request, TimeoutAction> answer) {
            this.answer = answer;
        }

        @Override
        public TimeoutAction timeout(Request rq) {
            sectors.add(rq.sector());
            return answer.apply(rq);
        }
    }

    private Disk disk(RecordingDriver driver) {
        return driver.runtime(runtime).disk();
    }

    @Test
    void aRequestThatTakesTooLongIsAskedAboutOnceAfterItsTime() {
        Asked driver = new Asked(_ -> TimeoutAction.DONE);
        try (Disk disk = disk(driver)) {
            disk.submit(told.read(7));
            pass(30 * SECOND);
            assertThat(driver.sectors).isEmpty();
            pass(SECOND);
            assertThat(driver.sectors).containsExactly(7L);
            pass(100 * SECOND);
            assertThat(driver.sectors).containsExactly(7L);
            assertThat(told.ends()).isEmpty();
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 7 OK");
        }
    }

    @Test
    void resettingTheTimerWaitsAsLongAgain() {
        Asked driver = new Asked(_ -> TimeoutAction.RESET_TIMER);
        try (Disk disk = disk(driver)) {
            disk.submit(told.read(7));
            pass(31 * SECOND);
            assertThat(driver.sectors).containsExactly(7L);
            pass(30 * SECOND);
            assertThat(driver.sectors).containsExactly(7L);
            pass(SECOND);
            assertThat(driver.sectors).containsExactly(7L, 7L);
            driver.completeAll();
        }
    }

    @Test
    void aDriverThatEndsTheRequestInItsTimeoutEndsItOnce() {
        List<String> seen = new ArrayList<>();
        Asked driver = new Asked(rq -> {
            rq.complete(Status.TIMEOUT);
            seen.add(rq.toString());
            return TimeoutAction.DONE;
        });
        try (Disk disk = disk(driver)) {
            disk.submit(told.read(7));
            pass(31 * SECOND);
            assertThat(told.ends()).containsExactly("READ 7 TIMEOUT");
            assertThat(seen).singleElement().asString().contains("timed out and complete");
            assertThat(disk.queue().heldTags()).isZero();
            // What the device says later belongs to no use of the tag any more.
            driver.inFlight().getFirst().complete(Status.OK);
            assertThat(disk.queue().strayCompletions()).isOne();
            assertThat(told.ends()).isEmpty();
        }
    }

    @Test
    void aCompletionThatComesWhileTheDriverIsAskedIsCarriedOutAfterwards() {
        List<Integer> endsSeen = new ArrayList<>();
        Asked driver = new Asked(rq -> {
            rq.complete(rq.generation(), Status.OK);
            endsSeen.add(told.count());
            return TimeoutAction.RESET_TIMER;
        });
        try (Disk disk = disk(driver)) {
            disk.submit(told.read(7));
            pass(31 * SECOND);
            assertThat(endsSeen).as("ends while the driver has the request in its hands").containsExactly(0);
            assertThat(told.ends()).containsExactly("READ 7 OK");
            assertThat(disk.queue().heldTags()).isZero();
            assertThat(disk.queue().strayCompletions()).isZero();
        }
    }

    @Test
    void aLateCompletionDoesNotEndTheTagsNextUse() {
        RecordingDriver driver = new RecordingDriver().depth(1);
        try (Disk disk = disk(driver)) {
            disk.submit(told.read(1));
            Request rq = driver.inFlight().getFirst();
            long first = rq.generation();
            driver.completeAll();
            disk.submit(told.read(2));
            assertThat(driver.inFlight().getFirst()).isSameAs(rq);
            told.ends();
            rq.complete(first, Status.IOERR);
            assertThat(told.ends()).isEmpty();
            assertThat(disk.queue().strayCompletions()).isOne();
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 2 OK");
        }
    }

    @Test
    void aRequestMayHaveATimeOfItsOwn() {
        Asked driver = new Asked(_ -> TimeoutAction.DONE);
        try (Disk disk = disk(driver)) {
            disk.submit(told.read(1));
            disk.submit(told.read(2));
            Request second = driver.inFlight().getLast();
            second.setTimeoutNanos(5 * SECOND);
            assertThatIllegalArgumentException().isThrownBy(() -> second.setTimeoutNanos(0))
                    .withMessageContaining("timeout of 0 ns");
            assertThat(disk.queue().timeoutNanos()).as("that of the others").isEqualTo(30 * SECOND);
            pass(6 * SECOND);
            assertThat(driver.sectors).containsExactly(2L);
            driver.completeAll();
        }
    }

    @Test
    void aDriverThatThrowsIsAskedAgain() {
        Asked driver = new Asked(_ -> {
            throw new IllegalStateException("planted");
        });
        try (Disk disk = disk(driver)) {
            disk.submit(told.read(1));
            pass(31 * SECOND);
            pass(31 * SECOND);
            assertThat(driver.sectors).containsExactly(1L, 1L);
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 1 OK");
        }
    }

    @Test
    void anIdleQueueHasNoTimer() {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = disk(driver)) {
            assertThat(runtime.timers()).isZero();
            disk.submit(told.read(1));
            assertThat(runtime.timers()).isOne();
            driver.completeAll();
            pass(SECOND);
            assertThat(runtime.timers()).isZero();
            disk.submit(told.read(1));
            assertThat(runtime.timers()).isOne();
            driver.completeAll();
        }
    }

    @Test
    void aTimedOutRequestCanBeGivenToTheDriverAgain() {
        Asked driver = new Asked(rq -> {
            rq.requeue(true);
            return TimeoutAction.DONE;
        });
        try (Disk disk = disk(driver)) {
            disk.submit(told.read(7));
            Request first = driver.inFlight().getFirst();
            pass(31 * SECOND);
            assertThat(driver.log().stream().filter(line -> line.startsWith("READ 7"))).hasSize(2);
            pass(31 * SECOND);
            assertThat(driver.sectors).as("its next start has its own time").containsExactly(7L, 7L);
            first.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 7 OK");
        }
    }
}
