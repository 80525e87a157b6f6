package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * A driver may be given one request several times: each try has a generation of its own, and what a device says late of one is nothing to
 * the next, which uses the same memory.
 */
@NoRescues
class TriesTest {
    @RegisterExtension
    final Simulation simulation = new Simulation(TriesTest.class);
    private final DeterministicRuntime runtime = simulation.runtime();
    private final Told told = new Told();
    private final Noting driver = new Noting();
    private final TagSet tags = driver.runtime(runtime).limits(limits -> limits.writeCache(true, false)).tagSet();
    private final Disk disk = Disk.of(driver.queue(tags, "q0"), tags);

    /** Notes the generation of each try, and takes as many of a batch as it is told. */
    private static class Noting extends RecordingDriver {
        final List<Long> generations = new ArrayList<>();
        int takes;

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            generations.add(rq.generation());
            return super.queueRq(hctx, rq, last);
        }

        @Override
        public int queueRqs(HardwareContext hctx, RequestBatch batch) {
            for (int i = 0; i < batch.size(); i++) {
                generations.add(batch.request(i).generation());
            }
            return takes;
        }
    }

    @AfterEach
    void close() {
        driver.completeAll();
        assertThat(disk.queue().heldTags()).isZero();
        assertThat(driver.violations()).isEmpty();
        disk.close();
    }

    /** The device says late how each try but the last has ended: nothing happens, and the request is in flight. */
    private void lateCompletionsEndNothing(Request rq) {
        assertThat(driver.generations).hasSizeGreaterThan(1).doesNotHaveDuplicates();
        long strays = disk.queue().strayCompletions();
        for (long generation : driver.generations.subList(0, driver.generations.size() - 1)) {
            rq.complete(generation, Status.OK);
            rq.requeue(generation, true);
        }
        assertThat(told.count()).as("told by a late completion").isZero();
        assertThat(Inside.of(rq).state()).isEqualTo(TagRequest.IN_FLIGHT);
        assertThat(disk.queue().strayCompletions() - strays).isEqualTo(2L * driver.generations.size() - 2);
    }

    @Test
    void afterTheDriverHasGivenItBack() {
        disk.submit(told.read(1));
        Request rq = driver.inFlight().getFirst();
        driver.requeue(rq, true);
        driver.requeue(rq, true);
        lateCompletionsEndNothing(rq);
    }

    @Test
    void afterTheDriverHasRefusedIt() {
        driver.answer(Status.RESOURCE).answer(Status.DEV_RESOURCE);
        disk.submit(told.read(1));
        disk.queue().hardwareContext(0).run();
        runtime.sleep(2 * DispatchContext.RESOURCE_DELAY_NANOS);
        lateCompletionsEndNothing(driver.inFlight().getFirst());
    }

    @Test
    void afterTheDriverHasNotTakenItWithItsBatch() {
        try (Plug plug = disk.plug()) {
            plug.submit(told.read(1));
            plug.submit(told.read(8));
        }
        assertThat(driver.generations).hasSize(4);
        Request second = driver.inFlight().getLast();
        second.complete(driver.generations.get(1), Status.OK);
        assertThat(told.count()).as("told by a completion of what was not taken").isZero();
        assertThat(Inside.of(second).state()).isEqualTo(TagRequest.IN_FLIGHT);
    }

    @Test
    void afterItsTimeWasOverAndTheDriverHasGivenItBack() {
        disk.queue().setTimeoutNanos(TimeUnit.SECONDS.toNanos(30));
        driver.onTimeout(rq -> {
            driver.requeue(rq, true);
            return TimeoutAction.DONE;
        });
        disk.submit(told.read(1));
        runtime.sleep(TimeUnit.SECONDS.toNanos(33));
        lateCompletionsEndNothing(driver.inFlight().getFirst());
    }

    @Test
    void afterItHasEndedInPart() {
        Noting halves = new Noting() {
            @Override
            public void complete(Request rq) {
                if (rq.bytes() > 512 && rq.update(Status.OK, 512)) {
                    rq.requeueCompleted(true);
                } else {
                    rq.end(rq.status());
                }
            }
        };
        try (Disk device = halves.runtime(runtime).disk(); IoBuffer buffer = device.allocate(1024)) {
            Bio bio = new Bio().reset(Operation.READ, 0).add(buffer.memory(), 0, 1024).onEnd(told);
            device.submit(bio);
            Request rq = halves.inFlight().getFirst();
            halves.complete(rq, Status.OK);
            assertThat(halves.generations).hasSize(2).doesNotHaveDuplicates();
            rq.complete(halves.generations.getFirst(), Status.OK);
            assertThat(told.count()).as("told by a late completion of the first half").isZero();
            assertThat(rq.bytes()).isEqualTo(512);
            halves.completeAll();
            assertThat(told.ends()).containsExactly("READ 0 OK");
        }
    }

    @Test
    void afterAFlushWasGivenBackAndOfTheStepsOfASequence() {
        disk.submit(told.write(1).flags(Bio.PREFLUSH | Bio.FUA));
        for (int step = 0; step < 3; step++) {
            Request rq = driver.inFlight().getFirst();
            driver.requeue(rq, true);
            driver.answer(Status.RESOURCE);
            driver.requeue(rq, true);
            runtime.sleep(2 * DispatchContext.RESOURCE_DELAY_NANOS);
            lateCompletionsEndNothing(rq);
            driver.complete(Status.OK);
        }
        assertThat(told.ends()).containsExactly("WRITE 1 OK");
        assertThat(driver.generations).hasSize(12);
    }
}
