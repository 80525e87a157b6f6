package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.QueueLimits;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Requests that a driver gives back, and what a queue says about itself. */
@NoRescues
class RequeueTest {
    @RegisterExtension
    final Simulation simulation = new Simulation(RequeueTest.class);
    private final DeterministicRuntime runtime = simulation.runtime();
    private final Told told = new Told();
    private final Keeping driver = new Keeping();
    private TagSet tags;
    private RequestQueue queue;

    /** A driver that keeps what it is given, and may give the next one back at once. */
    private static final class Keeping implements BlockDriver {
        final List<Request> given = new ArrayList<>();
        boolean requeuesNext;

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            given.add(rq);
            if (requeuesNext) {
                requeuesNext = false;
                rq.requeue(true);
            }
            return Status.OK;
        }

        List<Long> sectors() {
            return given.stream().map(Request::sector).toList();
        }
    }

    @BeforeEach
    void makeQueue() throws IOException {
        tags = TagSet.builder(driver).depth(4).runtime(runtime).build();
        queue = tags.newQueue("q0", QueueLimits.builder().build(), 2048, null);
    }

    @AfterEach
    void close() {
        assertThat(queue.heldTags()).isZero();
        queue.close();
        tags.close();
    }

    private List<Request> submitReads(int count) {
        for (int sector = 0; sector < count; sector++) {
            queue.submit(told.read(sector));
        }
        return List.copyOf(driver.given);
    }

    @Test
    void requeuedRequestsWaitForTheKickAndKeepTheirOrder() {
        List<Request> requests = submitReads(3);
        requests.forEach(rq -> rq.requeue(false));
        assertThat(driver.sectors()).containsExactly(0L, 1L, 2L);
        assertThat(queue.dump()).contains("requeue list 3").contains("idle").contains("3 of 4 tags held");

        queue.kickRequeueList();
        assertThat(driver.sectors()).containsExactly(0L, 1L, 2L, 0L, 1L, 2L);
        requests.forEach(rq -> rq.complete(Status.OK));
        assertThat(told.ends()).containsExactly("READ 0 OK", "READ 1 OK", "READ 2 OK");
    }

    @Test
    void aDelayedKickComesWhenItsTimeHasCome() {
        Request rq = submitReads(1).getFirst();
        rq.requeue(false);
        queue.delayKickRequeueList(1_000_000);
        runtime.sleep(900_000);
        assertThat(driver.given).hasSize(1);
        runtime.sleep(200_000);
        assertThat(driver.given).hasSize(2);
        rq.complete(Status.OK);
        assertThat(told.ends()).containsExactly("READ 0 OK");
    }

    @Test
    void aRequestThatIsNotInFlightIsNotRequeued() {
        Request rq = submitReads(1).getFirst();
        rq.complete(Status.OK);
        rq.requeue(true);
        assertThat(queue.strayCompletions()).isOne();
        assertThat(driver.given).hasSize(1);
    }

    @Test
    void aDriverMayRequeueWhatItIsJustGiven() {
        driver.requeuesNext = true;
        Request rq = submitReads(1).getFirst();
        assertThat(driver.sectors()).containsExactly(0L, 0L);
        rq.complete(Status.OK);
        assertThat(told.ends()).containsExactly("READ 0 OK");
    }

    @Test
    void theDumpShowsEachRequestWithWhatItDoesAndItsState() {
        queue.submit(told.write(8));
        runtime.sleep(3_001_000_000L);
        assertThat(queue.dump()).contains("q0: 2048 sectors, open").contains("1 of 4 tags held")
                .contains("WRITE, sector 8, 512 bytes, in flight").contains("age 3000 ms");
        driver.given.getFirst().complete(Status.OK);
        assertThat(queue.dump()).contains("0 of 4 tags held").doesNotContain("in flight,");
    }
}
