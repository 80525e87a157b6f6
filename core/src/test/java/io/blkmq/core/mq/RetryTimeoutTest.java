package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Time-outs of requests that are tried again. */
@NoRescues
class RetryTimeoutTest {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    @RegisterExtension
    final Simulation simulation = new Simulation(RetryTimeoutTest.class);
    private final DeterministicRuntime runtime = simulation.runtime();
    private final Told told = new Told();
    private final List<Long> asked = new ArrayList<>();
    private final RecordingDriver driver = new RecordingDriver() {
        @Override
        public TimeoutAction timeout(Request rq) {
            asked.add(rq.sector());
            return TimeoutAction.DONE;
        }
    }.runtime(runtime);

    /** Lets time go by, and a little more: each tick begins when the one before it has been dealt with. */
    private void pass(long nanos) {
        runtime.sleep(nanos + TimeUnit.MILLISECONDS.toNanos(1));
    }

    @Test
    void aRequestThatIsGivenBackLongAfterItsTimeoutHasTheTimeOfItsNextTry() {
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(7));
            pass(40 * SECOND);
            assertThat(asked).containsExactly(7L);
            Request rq = driver.inFlight().getFirst();
            driver.requeue(rq, true);
            pass(29 * SECOND);
            assertThat(asked).hasSize(1);
            pass(3 * SECOND);
            assertThat(asked).containsExactly(7L, 7L);
            rq.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 7 OK");
        }
    }

    @Test
    void aRequestOfTheCallersOwnHasItsTimeEachTimeItIsExecuted() throws InterruptedException {
        try (Disk disk = driver.disk()) {
            Request rq = disk.queue().allocateRequest(Operation.READ, false);
            for (int times = 1; times <= 2; times++) {
                disk.queue().execute(rq, _ -> {});
                pass(40 * SECOND);
                assertThat(asked).hasSize(times);
                driver.complete(rq, Status.OK);
            }
            disk.queue().free(rq);
        }
    }

    @Test
    void aTimeoutOfAllTimesIsNone() {
        try (Disk disk = driver.disk()) {
            disk.queue().setTimeoutNanos(Long.MAX_VALUE);
            disk.submit(told.read(1));
            disk.submit(told.read(2));
            driver.inFlight().getLast().setTimeoutNanos(Long.MAX_VALUE);
            pass(3_000 * SECOND);
            assertThat(asked).isEmpty();
            driver.completeAll();
        }
    }
}
