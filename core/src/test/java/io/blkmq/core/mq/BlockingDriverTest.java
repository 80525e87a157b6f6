package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Drivers whose queueRq may block: an agent of the hardware context's own calls them. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class BlockingDriverTest {
    private final Told told = new Told();
    private final CountDownLatch door = new CountDownLatch(1);
    private final CountDownLatch inside = new CountDownLatch(1);
    private final Set<Thread> callers = new HashSet<>();
    private final RecordingDriver driver = new RecordingDriver() {
        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            synchronized (callers) {
                callers.add(Thread.currentThread());
            }
            return super.queueRq(hctx, rq, last);
        }
    };
    private final TagSet set = driver.depth(8).tagSet(builder -> builder.flag(TagSet.Flag.BLOCKING));
    private final RequestQueue queue = driver.queue(set, "slow");

    @AfterEach
    void close() {
        door.countDown();
        Eventually.until("all tags are free", () -> {
            driver.completeAll();
            return queue.heldTags() == 0;
        });
        assertThat(driver.violations()).isEmpty();
        queue.close();
        set.close();
    }

    /** The next request blocks in queueRq until the door is open. */
    private void nextBlocks(Status answer) {
        driver.answerBy(_ -> {
            inside.countDown();
            try {
                door.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            return answer;
        });
    }

    private void untilInFlight(int count) {
        Eventually.until(count + " in flight", () -> driver.inFlight().size() == count);
    }

    @Test
    void submittersGoOnWhileTheDriverBlocksAndOrderIsKept() throws InterruptedException {
        nextBlocks(Status.OK);
        queue.hardwareContext(0).stop();
        for (int i = 0; i < 3; i++) {
            queue.submit(told.read(i));
        }
        queue.hardwareContext(0).start();
        inside.await();
        queue.submit(told.read(3));
        assertThat(driver.log()).containsExactly("READ 0 more");
        door.countDown();
        untilInFlight(4);
        assertThat(driver.log()).endsWith("READ 2 more", "READ 3");
        synchronized (callers) {
            assertThat(callers).hasSize(1).doesNotContain(Thread.currentThread());
        }
    }

    @Test
    void whatItRefusesIsOfferedAgainBeforeTheOthers() throws InterruptedException {
        nextBlocks(Status.RESOURCE);
        queue.submit(told.read(0));
        queue.submit(told.read(1));
        inside.await();
        door.countDown();
        untilInFlight(2);
        assertThat(driver.inFlight()).extracting(Request::sector).containsExactly(0L, 1L);
    }

    @Test
    void itMayDoIoOfAnotherDiskAndWaitForIt() throws Exception {
        RecordingDriver lower = new RecordingDriver().completesAtOnce();
        lower.data()[0] = 42;
        try (Disk disk = lower.disk(); IoBuffer buffer = IoBuffer.allocate(512)) {
            driver.answerBy(_ -> {
                try {
                    disk.read(0, buffer.memory());
                } catch (java.io.IOException e) {
                    throw new AssertionError(e);
                }
                return Status.OK;
            });
            queue.submit(told.read(0));
            untilInFlight(1);
            assertThat(buffer.memory().get(java.lang.foreign.ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 42);
        }
    }

    @Test
    void aCompletionWithinACallIsToldWithinIt() {
        List<List<String>> seen = new ArrayList<>();
        driver.answerBy(rq -> {
            rq.complete(Status.OK);
            seen.add(told.ends());
            return Status.OK;
        });
        queue.submit(told.read(0));
        Eventually.until("it was told", () -> queue.heldTags() == 0 && !seen.isEmpty());
        assertThat(seen).containsExactly(List.of("READ 0 OK"));
    }

    @Test
    void aQuiesceWaitsUntilTheDriverHasReturned() throws InterruptedException {
        nextBlocks(Status.OK);
        queue.submit(told.read(0));
        queue.submit(told.read(1));
        inside.await();
        Eventually.Worker<Boolean> quiescer = Eventually.start(queue::quiesce);
        Eventually.waitsIn(quiescer.thread(), QueueLife.class);
        assertThat(quiescer.isDone()).isFalse();
        door.countDown();
        quiescer.join();
        assertThat(driver.inFlight()).extracting(Request::sector).containsExactly(0L);
        queue.unquiesce();
        untilInFlight(2);
    }

    @Test
    void whatWouldWaitForTheAgentItselfIsRefusedThere() {
        List<@Nullable Throwable> refusals = new ArrayList<>();
        CountDownLatch asked = new CountDownLatch(1);
        driver.answerBy(rq -> {
            refusals.add(catchThrowable(queue::freeze));
            refusals.add(catchThrowable(queue::quiesce));
            refusals.add(catchThrowable(queue::close));
            refusals.add(catchThrowable(() -> set.updateHardwareQueues(2)));
            refusals.add(catchThrowable(() -> queue.execute(rq)));
            asked.countDown();
            return Status.OK;
        });
        queue.submit(told.read(0));
        Eventually.until("the driver was asked", () -> asked.getCount() == 0);
        assertThat(refusals).hasSize(5)
                .allSatisfy(refusal -> assertThat(refusal).isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("from inside a callback of the driver of slow would wait for itself"));
        assertThat(queue.isDying()).isFalse();
        assertThat(queue.isFrozen()).isFalse();
        untilInFlight(1);
    }

    @Test
    void theBoundOfACloseHoldsForADriverThatDoesNotReturn() throws InterruptedException {
        CountDownLatch ended = new CountDownLatch(1);
        driver.answerBy(rq -> {
            rq.complete(Status.OK);
            ended.countDown();
            try {
                door.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            return Status.OK;
        });
        queue.submit(told.read(0));
        ended.await();
        assertThat(queue.close(1_000)).as("no request is in flight, but the driver is inside").isFalse();
        door.countDown();
        assertThat(queue.close(Long.MAX_VALUE)).isTrue();
    }

    @Test
    void atTheDeathOfTheDeviceTheRequestInTheDriversHandsIsTheDrivers() throws InterruptedException {
        nextBlocks(Status.OK);
        for (int i = 0; i < 3; i++) {
            queue.submit(told.read(i));
        }
        inside.await();
        queue.markDead();
        assertThat(told.ends()).containsExactly("READ 1 NODEV", "READ 2 NODEV");
        door.countDown();
        untilInFlight(1);
        driver.complete(Status.IOERR);
        assertThat(told.ends()).containsExactly("READ 0 IOERR");
    }

    @Test
    void atTheDeathOfTheDeviceWhatTheDriverRefusesThenEnds() throws InterruptedException {
        nextBlocks(Status.RESOURCE);
        queue.submit(told.read(0));
        inside.await();
        queue.markDead();
        door.countDown();
        Eventually.until("it has ended", () -> told.count() == 1);
        assertThat(told.ends()).containsExactly("READ 0 NODEV");
    }

    @Test
    void manySubmittersAndFreezesLoseNothing() {
        RecordingDriver quick = new RecordingDriver().depth(3).hardwareQueues(2).completesAtOnce();
        TagSet tags = quick.tagSet(builder -> builder.flag(TagSet.Flag.BLOCKING));
        RequestQueue busy = quick.queue(tags, "busy");
        Told all = new Told();
        Eventually.together(4, false, number -> {
            for (int i = 0; i < 2_000; i++) {
                if (number == 3) {
                    if (i % 20 == 0) {
                        busy.freeze();
                        busy.unfreeze();
                        busy.quiesce();
                        busy.unquiesce();
                    }
                } else {
                    busy.submit(all.bio(Operation.READ, i % 2048).flags(i % 7 == 0 ? Bio.POLLED : 0),
                            busy.context(number & 1));
                }
            }
        });
        busy.freeze();
        assertThat(all.ends()).hasSize(6_000).allMatch(end -> end.endsWith("OK"));
        assertThat(quick.violations()).isEmpty();
        busy.close();
        tags.close();
    }
}
