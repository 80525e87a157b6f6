package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tag sets whose depth changes under load. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class ResizeTest {
    private final Told told = new Told();
    private final RecordingDriver driver = new RecordingDriver().depth(8).reservedTags(2);
    private final TagSet set = driver.tagSet();
    private final Disk disk = Disk.of(driver.queue(set, "q"), set);

    @AfterEach
    void close() {
        driver.completeAll();
        assertThat(driver.violations()).isEmpty();
        assertThat(disk.queue().heldTags()).isZero();
        disk.close();
    }

    private int taken() {
        for (int taken = 0;; taken++) {
            Told last = new Told();
            disk.submit(last.read(taken).flags(Bio.NOWAIT));
            if (last.count() != 0) {
                return taken;
            }
        }
    }

    @Test
    void soManyTagsAreHandedOutWithoutTheReservedOnes() {
        for (int depth : new int[]{8, 3, 5, 8, 4}) {
            set.resize(depth);
            assertThat(set.resizedDepth()).isEqualTo(depth);
            assertThat(set.depth()).isEqualTo(8);
            assertThat(taken()).isEqualTo(depth - 2);
            driver.completeAll();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 0, 2, 9})
    void aDepthThatIsNotAllocatedIsRefusedWithItsLimits(int depth) {
        assertThatIllegalArgumentException().isThrownBy(() -> set.resize(depth))
                .withMessage("depth %d: 3 to 8 are possible", depth);
    }

    @Test
    void whatIsInFlightAboveTheNewDepthEndsAsAlways() {
        told.submitReads(disk, 0, 6);
        set.resize(3);
        driver.completeAll();
        assertThat(told.ends()).hasSize(6);
        assertThat(taken()).isOne();
    }

    @Test
    void aTagAboveTheNewDepthDoesNotGoToOneWhoWaits() {
        told.submitReads(disk, 0, 6);
        set.resize(3);
        Eventually.Worker<Boolean> waiter = Eventually.start(() -> disk.submit(told.read(6)));
        Eventually.waitsIn(waiter.thread(), TagShare.class);
        for (Request rq : driver.inFlight()) {
            if (rq.tag() != 2) {
                driver.complete(rq, Status.OK);
            }
        }
        assertThat(told.ends()).hasSize(5);
        assertThat(driver.inFlight()).as("the only tag is held").hasSize(1);
        driver.complete(Status.OK);
        waiter.join();
        assertThat(driver.inFlight()).extracting(Request::tag).containsExactly(2);
    }

    @Test
    void moreTagsGoToThoseWhoWaitAtOnce() {
        set.resize(3);
        disk.submit(told.read(0));
        Eventually.Worker<Boolean> waiter = Eventually.start(() -> disk.submit(told.read(1)));
        Eventually.waitsIn(waiter.thread(), TagShare.class);
        set.resize(8);
        waiter.join();
        assertThat(driver.inFlight()).hasSize(2);
    }

    @Test
    void moreTagsGoToTheBacklogAtOnce() {
        set.resize(3);
        disk.submit(told.read(0).onEnd(_ -> told.submitReads(disk, 1, 4)));
        driver.complete(Status.OK);
        assertThat(driver.inFlight()).hasSize(1);
        set.resize(8);
        assertThat(driver.inFlight()).extracting(Request::sector).containsExactly(1L, 2L, 3L);
    }

    @Test
    void aCompletionMayResize() {
        disk.submit(told.read(0).onEnd(_ -> set.resize(4)));
        driver.completeAll();
        assertThat(set.resizedDepth()).isEqualTo(4);
        assertThat(taken()).isEqualTo(2);
    }

    @Test
    void aCompletionMayResizeWhileAnUpdateWaitsForIt() {
        disk.submit(told.read(0).onEnd(_ -> set.resize(4)));
        Eventually.Worker<Boolean> update = Eventually.start(() -> set.updateHardwareQueues(2));
        Eventually.until("the queue is frozen", () -> disk.queue().isFrozen());
        driver.completeAll();
        update.join();
        for (int i = 0; i < 3; i++) {
            disk.submit(told.read(i).flags(Bio.NOWAIT), 1);
        }
        assertThat(told.ends()).as("the new context is as deep").containsExactly("READ 2 AGAIN");
    }

    @Test
    void nothingIsLostUnderLoad() {
        RecordingDriver quick = new RecordingDriver().depth(8).completesAtOnce();
        TagSet tags = quick.tagSet();
        Disk busy = Disk.of(quick.queue(tags, "busy"), tags);
        AtomicBoolean stop = new AtomicBoolean();
        Eventually.Worker<Boolean> resizer = Eventually.start(() -> {
            for (int i = 0; !stop.get(); i++) {
                tags.resize(1 + i % 8);
            }
        });
        Told all = new Told();
        Eventually.together(3, false, _ -> all.submitReads(busy, 0, 2_000));
        stop.set(true);
        resizer.join();
        assertThat(all.ends()).hasSize(6_000).allMatch(end -> end.endsWith("OK"));
        assertThat(busy.queue().heldTags()).isZero();
        assertThat(quick.violations()).isEmpty();
        busy.close();
    }
}
