package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.blkmq.core.Disk;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The end of a queue, also of one whose driver does not end what it has. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class BoundedCloseTest {
    private final Told told = new Told();
    private final AtomicInteger exits = new AtomicInteger();
    private final RecordingDriver driver = new RecordingDriver() {
        @Override
        public void exitHctx(HardwareContext hctx, int index) {
            exits.incrementAndGet();
        }
    };
    private final TagSet set = driver.tagSet();
    private final RequestQueue queue = driver.queue(set, "q");

    @Test
    void aDriverThatNeverCompletesDoesNotHoldUpAClose() {
        queue.submit(told.read(0));
        assertThat(queue.close(0)).isFalse();
        assertThat(queue.close(1_000_000)).isFalse();
        assertThat(exits).hasValue(0);
        assertThatIllegalStateException().isThrownBy(() -> queue.submit(told.read(1))).withMessageContaining("q");
        assertThatIllegalStateException().isThrownBy(set::close).withMessageContaining("1 queue(s): [q]");
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 0 OK");
        assertThat(queue.close(0)).isTrue();
        assertThat(exits).hasValue(1);
        set.close();
    }

    @Test
    void closingTwiceUndoesOnce() {
        queue.close();
        queue.close();
        assertThat(queue.close(0)).isTrue();
        assertThat(exits).hasValue(1);
        set.close();
    }

    @Test
    void whoeverClosesAtTheSameTimeReturnsWhenAllIsUndone() {
        for (int round = 0; round < 300; round++) {
            RequestQueue next = driver.queue(set, "next");
            exits.set(0);
            Eventually.together(3, false, _ -> {
                next.close();
                assertThat(Inside.of(set).queues()).doesNotContain(Inside.of(next));
                assertThat(exits).hasValue(1);
            });
        }
        queue.close();
        set.close();
    }

    @Test
    void aCloseWaitsForAnotherThatIsUndoing() {
        List<Eventually.Worker<Boolean>> second = new ArrayList<>();
        RecordingDriver slow = new RecordingDriver() {
            @Override
            public void exitHctx(HardwareContext hctx, int index) {
                second.add(Eventually.start(() -> {
                    hctx.queue().close();
                    assertThat(exits).as("undone by the first").hasValue(1);
                }));
                Eventually.waitsIn(second.getFirst().thread(), SleepingLock.class);
                exits.incrementAndGet();
            }
        };
        TagSet tags = slow.tagSet();
        slow.queue(tags, "slow").close();
        second.getFirst().join();
        tags.close();
        queue.close();
        set.close();
    }

    @Test
    void whatWasRequeuedWithoutAKickGoesDownOnceMore() {
        queue.submit(told.read(0));
        Request rq = driver.inFlight().getFirst();
        driver.log();
        driver.requeue(rq, false);
        assertThat(driver.log()).isEmpty();
        assertThat(queue.close(0)).isFalse();
        assertThat(driver.log()).containsExactly("READ 0");
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 0 OK");
        assertThat(queue.close(0)).isTrue();
        set.close();
    }

    @Test
    void aPlugThatHoldsTagsInReserveIsWaitedFor() {
        Disk disk = Disk.of(queue, null);
        Plug plug = disk.plug().expecting(4);
        plug.submit(told.read(0));
        assertThat(queue.close(0)).isFalse();
        plug.flush();
        driver.completeAll();
        assertThat(queue.close(0)).isTrue();
        set.close();
    }

    @Test
    void fromACompletionAFreezeOrCloseIsRefused() {
        List<@Nullable Throwable> refusals = new ArrayList<>();
        queue.submit(told.read(0).onEnd(_ -> {
            refusals.add(catchThrowable(queue::freeze));
            refusals.add(catchThrowable(() -> queue.freezeWait(0)));
            refusals.add(catchThrowable(queue::close));
            refusals.add(catchThrowable(() -> queue.close(0)));
            refusals.add(catchThrowable(queue::quiesce));
            refusals.add(catchThrowable(set::close));
        }));
        driver.completeAll();
        assertThat(refusals).hasSize(6)
                .allSatisfy(refusal -> assertThat(refusal).isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("from inside a completion of a block device would wait for itself"));
        assertThat(queue.isDying()).isFalse();
        queue.close();
        set.close();
    }

    @Test
    void anInterruptDoesNotEndACloseAndIsKept() {
        queue.submit(told.read(0));
        Eventually.Worker<Boolean> closer = Eventually.call(() -> {
            queue.close();
            return Thread.interrupted();
        });
        Eventually.until("the queue is dying", queue::isDying);
        closer.thread().interrupt();
        driver.completeAll();
        assertThat(closer.join()).isTrue();
        set.close();
    }

    @Test
    void completingTwiceOrWhatIsNotInFlightIsCountedAndChangesNothing() {
        queue.submit(told.read(0));
        Request rq = driver.inFlight().getFirst();
        driver.complete(rq, Status.OK);
        rq.complete(Status.IOERR);
        rq.complete(rq.generation() + 1, Status.IOERR);
        assertThat(told.ends()).containsExactly("READ 0 OK");
        assertThat(queue.strayCompletions()).isEqualTo(2);
        assertThat(queue.heldTags()).isZero();
        queue.close();
        set.close();
    }
}
