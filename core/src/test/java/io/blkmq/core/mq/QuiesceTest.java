package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Dispatch that is stopped, started and quiesced. */
@NoRescues
class QuiesceTest {
    private static final int SUBMITTERS = 3;
    private static final int READS = 20_000;

    private final Told told = new Told();

    @Test
    void whatIsLeftOfABatchWaitsWhenTheDriverStopsItsContextInTheMiddle() {
        RecordingDriver stopping = new RecordingDriver();
        try (Disk disk = stopping.disk()) {
            HardwareContext hctx = disk.queue().hardwareContext(0);
            stopping.answerBy(_ -> {
                hctx.stop();
                return Status.OK;
            });
            Told ends = new Told();
            try (Plug plug = disk.plug()) {
                for (int i = 0; i < 8; i++) {
                    plug.submit(ends.read(8L * i));
                }
            }
            assertThat(stopping.log()).containsExactly("READ 0 more", "commit");
            hctx.start();
            assertThat(stopping.completeAll()).isEqualTo(8);
            assertThat(ends.ends()).hasSize(8);
        }
    }

    @Test
    void aStoppedContextPilesUpAndGoesOnInOrder() {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            HardwareContext hctx = disk.queue().hardwareContext(0);
            hctx.stop();
            assertThat(hctx.isStopped()).isTrue();
            told.submitReads(disk, 0, 2);
            try (Plug plug = disk.plug()) {
                plug.submit(told.read(2));
                plug.submit(told.read(3));
            }
            hctx.run();
            assertThat(driver.log()).isEmpty();
            assertThat(disk.queue().dump()).contains("4 waiting, held");
            hctx.start();
            assertThat(driver.log()).containsExactly("READ 0 more", "READ 1 more", "READ 2 more", "READ 3");
            driver.completeAll();
            assertThat(told.count()).isEqualTo(4);
        }
    }

    @Test
    void whatTheDriverHasMayCompleteWhileItIsQuiesced() {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(0));
            disk.queue().quiesce();
            disk.queue().quiesce();
            disk.submit(told.read(1));
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly("READ 0 OK");
            disk.queue().unquiesce();
            driver.log();
            assertThat(driver.inFlight()).as("quiesced once more than that").isEmpty();
            disk.queue().unquiesce();
            assertThat(driver.log()).containsExactly("READ 1");
            driver.completeAll();
            assertThatIllegalStateException().isThrownBy(disk.queue()::unquiesce)
                    .withMessageContaining("unquiesce without quiesce");
        }
    }

    @Test
    void aStoppedContextStaysStoppedWhenItsQueueIsQuiescedAndLetGo() {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            disk.queue().hardwareContext(0).stop();
            disk.queue().quiesce();
            disk.submit(told.read(0));
            disk.queue().unquiesce();
            assertThat(driver.log()).isEmpty();
            disk.queue().hardwareContext(0).start();
            assertThat(driver.completeAll()).isOne();
        }
    }

    @Test
    void closingSendsDownWhatIsHeld() {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        Disk disk = driver.disk();
        disk.queue().quiesce();
        disk.queue().hardwareContext(0).stop();
        disk.submit(told.read(0));
        disk.close();
        assertThat(told.ends()).containsExactly("READ 0 OK");
        // Who quiesced it takes that back in the end, and is not told off for it.
        disk.queue().unquiesce();
    }

    @Test
    void quiesceWaitsForTheDriversCallbackThatIsRunning() throws Exception {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch leave = new CountDownLatch(1);
        AtomicInteger running = new AtomicInteger();
        RecordingDriver driver = new RecordingDriver().completesAtOnce().answerBy(_ -> {
            running.incrementAndGet();
            inside.countDown();
            await(leave);
            running.decrementAndGet();
            return Status.OK;
        });
        try (Disk disk = driver.disk()) {
            Thread submitter = Thread.ofPlatform().start(() -> disk.submit(told.read(0)));
            inside.await();
            AtomicInteger seen = new AtomicInteger(-1);
            Thread quiescer = Thread.ofPlatform().start(() -> {
                disk.queue().quiesce();
                seen.set(running.get());
            });
            try {
                // The hold is set before the wait: from here on quiesce can only be waiting.
                while (!disk.queue().dump().contains("held")) {
                    Thread.onSpinWait();
                }
                assertThat(seen).hasValue(-1);
            } finally {
                leave.countDown();
            }
            quiescer.join();
            submitter.join();
            assertThat(seen).hasValue(0);
            disk.queue().unquiesce();
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aCompletionMustNotQuiesce() {
        RecordingDriver driver = new RecordingDriver();
        try (Disk disk = driver.disk()) {
            List<Throwable> thrown = new ArrayList<>();
            disk.submit(told.read(0).onEnd(_ -> {
                try {
                    disk.queue().quiesce();
                } catch (IllegalStateException e) {
                    thrown.add(e);
                }
            }));
            driver.completeAll();
            assertThat(thrown).singleElement().extracting(Throwable::getMessage).asString().contains("quiesce");
        }
    }

    /** Completes at once, and knows how many threads are in it. */
    private static final class Counting implements BlockDriver {
        final AtomicInteger inside = new AtomicInteger();

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            inside.incrementAndGet();
            rq.complete(Status.OK);
            inside.decrementAndGet();
            return Status.OK;
        }
    }

    @Test
    void noCallbackRunsInAQuiescedQueueAndNothingIsLost() throws Exception {
        Counting driver = new Counting();
        try (TagSet tags = TagSet.builder(driver).hardwareQueues(2).depth(8).build();
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            RequestQueue queue = tags.newQueue("q0", QueueLimits.builder().build(), 2048, null);
            AtomicInteger ended = new AtomicInteger();
            AtomicInteger submitting = new AtomicInteger(SUBMITTERS);
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < SUBMITTERS; i++) {
                threads.add(Thread.ofPlatform().start(() -> {
                    for (int read = 0; read < READS; read++) {
                        queue.submit(new Bio().reset(Operation.READ, 0).add(buffer.memory())
                                .onEnd(_ -> ended.incrementAndGet()));
                    }
                    submitting.decrementAndGet();
                }));
            }
            int intruders = 0;
            do {
                queue.quiesce();
                for (int look = 0; look < 100; look++) {
                    intruders += driver.inside.get();
                }
                queue.unquiesce();
            } while (submitting.get() > 0);
            assertThat(intruders).as("threads in the driver while it was quiesced").isZero();
            for (Thread thread : threads) {
                thread.join();
            }
            queue.freeze();
            assertThat(ended).hasValue(SUBMITTERS * READS);
            queue.unfreeze();
            queue.close();
        }
    }

    @Test
    void aFreezeOfAQuiescedQueueWaitsForWhatPiledUp() throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce();
        try (Disk disk = driver.disk()) {
            disk.queue().quiesce();
            disk.submit(told.read(0));
            disk.queue().freezeStart();
            assertThat(disk.queue().freezeWait(0)).isFalse();
            disk.queue().unquiesce();
            assertThat(disk.queue().freezeWait(Long.MAX_VALUE)).isTrue();
            disk.queue().unfreeze();
            assertThat(told.ends()).containsExactly("READ 0 OK");
        }
    }

    @Test
    void whatWaitsWithTheElevatorGoesOnByItselfAfterwards() {
        Simulation.run(QuiesceTest.class, runtime -> {
            Told ends = new Told();
            Disk simulated = new RecordingDriver().runtime(runtime).completesAtOnce().disk();
            RequestQueue queue = simulated.queue();
            queue.setElevator("mq-deadline");
            queue.quiesce();
            ends.submitReads(simulated, 0, 3);
            // The timer, which would find them, has seen them wait.
            runtime.sleep(5 * Inside.of(queue).timeouts().tickNanos());
            assertThat(ends.ends()).isEmpty();
            queue.unquiesce();
            runtime.sleep(5 * Inside.of(queue).timeouts().tickNanos());
            assertThat(ends.ends()).containsExactly(Told.ok(0), Told.ok(1), Told.ok(2));
            simulated.close();
        });
    }

    @Test
    void aSimulationDoesNotWaitForThreadsOfTheRestOfTheProcess() throws InterruptedException {
        CountDownLatch inside = new CountDownLatch(1);
        CountDownLatch over = new CountDownLatch(1);
        Thread other = Thread.ofPlatform().start(() -> {
            try (CompletionBatch _ = CompletionBatch.open()) {
                inside.countDown();
                over.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        inside.await();
        try {
            Simulation.run(QuiesceTest.class, runtime -> {
                Disk simulated = new RecordingDriver().runtime(runtime).completesAtOnce().disk();
                simulated.queue().quiesce();
                simulated.queue().unquiesce();
                simulated.close();
            });
        } finally {
            over.countDown();
            other.join();
        }
    }
}
