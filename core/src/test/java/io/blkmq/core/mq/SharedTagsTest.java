package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.Disk;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Two queues of one tag set. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class SharedTagsTest {
    private final RecordingDriver driver = new RecordingDriver().depth(8);
    private final TagSet set = driver.tagSet();
    private final Disk a = Disk.of(driver.queue(set, "a"), null);
    private final Disk b = Disk.of(driver.queue(set, "b"), null);
    private final Told told = new Told();

    @AfterEach
    void close() {
        assertThat(driver.violations()).isEmpty();
        assertThat(a.queue().heldTags()).isZero();
        a.close();
        b.close();
        set.close();
    }

    /** Lets every tag have been used by a queue. */
    private void useAllTags(Disk disk) {
        told.submitReads(disk, 0, 8);
        driver.completeAll();
        assertThat(told.ends()).hasSize(8);
        driver.log();
    }

    @Test
    void oneQueueWaitsForATagThatTheOtherGivesBack() {
        told.submitReads(a, 0, 8);
        Eventually.Worker<Boolean> waiter = Eventually.start(() -> b.submit(told.read(9)));
        Eventually.waitsIn(waiter.thread(), TagShare.class);
        driver.complete(Status.OK);
        waiter.join();
        driver.completeAll();
        assertThat(told.ends()).contains(Told.ok(9)).hasSize(9);
    }

    @Test
    void theBacklogOfOneQueueGoesOnWithATagThatTheOtherGivesBack() {
        told.submitReads(a, 0, 7);
        b.submit(told.read(7).onEnd(_ -> told.submitReads(b, 10, 12)));
        Request ofB = driver.inFlight().getLast();
        driver.complete(ofB, Status.OK);
        assertThat(driver.log()).endsWith("READ 10");
        driver.complete(Status.OK);
        assertThat(driver.log()).containsExactly("READ 11");
        driver.completeAll();
        assertThat(told.ends()).contains(Told.ok(10), Told.ok(11));
    }

    @Test
    void aFreezeOfOneQueueDoesNotWaitForTheOther() {
        useAllTags(b);
        told.submitReads(a, 0, 2);
        b.freeze();
        a.submit(told.read(2));
        b.unfreeze();
        driver.completeAll();
    }

    @Test
    void aFreezeOfOneQueueDoesNotWaitForTagsThatThePlugOfTheOtherKeepsInReserve() {
        useAllTags(b);
        try (Plug plug = a.plug().expecting(4)) {
            plug.submit(told.read(0));
            Eventually.start(b::freeze).join();
            b.unfreeze();
        }
        driver.completeAll();
    }

    @Test
    void aFreezeOfOneQueueEndsWhateverTheOtherDoesWithTheTags() {
        RecordingDriver quick = new RecordingDriver().depth(8).completesAtOnce();
        TagSet tags = quick.tagSet();
        Disk busy = Disk.of(quick.queue(tags, "busy"), null);
        Disk frozen = Disk.of(quick.queue(tags, "frozen"), null);
        AtomicBoolean stop = new AtomicBoolean();
        Eventually.Worker<Boolean> load = Eventually.start(() -> {
            while (!stop.get()) {
                busy.submit(told.read(1).onEnd(null));
            }
        });
        AtomicInteger rounds = new AtomicInteger();
        Eventually.start(() -> {
            for (; rounds.get() < 20_000; rounds.incrementAndGet()) {
                // Each round leaves tags that were last used by the queue to be frozen.
                frozen.submit(told.read(2).onEnd(null));
                frozen.freeze();
                frozen.unfreeze();
            }
        }).join();
        stop.set(true);
        load.join();
        assertThat(quick.violations()).isEmpty();
        busy.close();
        frozen.close();
        tags.close();
    }

    @Test
    void theTagSetCannotBeClosedUnderAQueue() {
        assertThatIllegalStateException().isThrownBy(set::close).withMessageContaining("2 queue(s): [a, b]");
        a.submit(told.read(0));
        driver.completeAll();
    }

    @Test
    void aQueueThatIsClosedLeavesTheOtherAlone() {
        TagSet tags = driver.tagSet();
        Disk first = Disk.of(driver.queue(tags, "first"), null);
        Disk second = Disk.of(driver.queue(tags, "second"), null);
        useAllTags(first);
        first.close();
        useAllTags(second);
        second.close();
        tags.close();
        assertThatIllegalStateException().isThrownBy(() -> driver.queue(tags, "late"))
                .withMessageContaining("the tag set is closed");
    }
}
