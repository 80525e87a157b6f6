package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.ManualRuntime;
import io.blkmq.core.Status;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** How queues share their tags: an active one may hold an equal part, but at least four. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class FairShareTest {
    private static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    private final ManualRuntime runtime = new ManualRuntime();
    private final RecordingDriver driver = new RecordingDriver().runtime(runtime);
    private final Told told = new Told();
    private final List<Disk> disks = new ArrayList<>();

    private List<Disk> disks(TagSet set, int count) {
        for (int i = 0; i < count; i++) {
            disks.add(Disk.of(driver.queue(set, "q" + i), null));
        }
        return disks;
    }

    @AfterEach
    void close() {
        driver.completeAll();
        assertThat(driver.violations()).isEmpty();
        disks.forEach(Disk::close);
    }

    /** Submits reads without waiting until one is refused. Returns how many were taken. */
    private int fill(Disk disk) {
        int before = driver.inFlight().size();
        for (int taken = 0;; taken++) {
            Told last = new Told();
            disk.submit(last.read(taken % 2048).flags(Bio.NOWAIT));
            if (!last.ends().isEmpty()) {
                assertThat(driver.inFlight()).hasSize(before + taken);
                return taken;
            }
        }
    }

    @Test
    void aQueueThatIsTheOnlyActiveOneMayHoldAll() {
        List<Disk> both = disks(driver.depth(16).tagSet(), 2);
        assertThat(fill(both.getFirst())).isEqualTo(16);
    }

    @Test
    void twoActiveQueuesMayHoldHalfEach() {
        List<Disk> both = disks(driver.depth(17).tagSet(), 2);
        both.getFirst().submit(told.read(0));
        assertThat(fill(both.getLast())).as("the half, rounded up").isEqualTo(9);
        assertThat(fill(both.getFirst())).as("with the one that it has").isEqualTo(7);
    }

    @Test
    void aShareIsNeverLessThanFour() {
        List<Disk> many = disks(driver.depth(9).tagSet(), 5);
        many.forEach(disk -> disk.submit(told.read(0)));
        assertThat(fill(many.getFirst())).as("with the one that it has").isEqualTo(3);
    }

    @Test
    void aPlugThatTakesTagsInAdvanceTakesNoMoreThanItsShare() {
        List<Disk> both = disks(driver.depth(16).tagSet(), 2);
        both.getFirst().submit(told.read(0));
        try (io.blkmq.core.Plug plug = both.getLast().plug().expecting(16)) {
            for (int i = 0; i < 16; i++) {
                plug.submit(told.read(i).flags(Bio.NOWAIT));
            }
        }
        assertThat(told.ends()).hasSize(8).allMatch(end -> end.endsWith("AGAIN"));
        assertThat(driver.inFlight()).hasSize(9);
    }

    @Test
    void aQueueWithoutIoIsIdleAfterItsTimeoutAndLeavesItsShareToTheOthers() {
        List<Disk> both = disks(driver.depth(16).tagSet(), 2);
        both.getFirst().submit(told.read(0));
        driver.completeAll();
        assertThat(fill(both.getLast())).isEqualTo(8);
        driver.completeAll();
        runtime.advance(29 * SECOND);
        assertThat(fill(both.getLast())).isEqualTo(8);
        runtime.advance(4 * SECOND);
        assertThat(fill(both.getLast())).as("more than those that it holds").isEqualTo(8);
    }

    @Test
    void aQueueThatGotNoTagIsIdleAfterItsTimeoutAllTheSame() {
        List<Disk> both = disks(driver.depth(16).tagSet(), 2);
        assertThat(fill(both.getFirst())).isEqualTo(16);
        assertThat(fill(both.getLast())).isZero();
        driver.completeAll();
        assertThat(fill(both.getFirst())).as("the other has asked").isEqualTo(8);
        driver.completeAll();
        runtime.advance(33 * SECOND);
        assertThat(fill(both.getFirst())).isEqualTo(16);
    }

    @Test
    void aQueueWhoseOnlyWaiterWasInterruptedBecomesIdleAllTheSame() {
        List<Disk> both = disks(driver.depth(16).tagSet(), 2);
        assertThat(fill(both.getFirst())).isEqualTo(16);
        Eventually.Worker<Boolean> waiter = Eventually.start(() -> both.getLast().submit(told.read(0)));
        Eventually.waitsIn(waiter.thread(), TagShare.class);
        runtime.advance(100 * SECOND);
        waiter.thread().interrupt();
        waiter.join();
        assertThat(told.ends()).containsExactly("READ 0 INTR");
        driver.completeAll();
        assertThat(fill(both.getFirst())).isEqualTo(8);
        driver.completeAll();
        runtime.advance(66 * SECOND);
        assertThat(fill(both.getFirst())).isEqualTo(16);
    }

    @Test
    void whoWaitsBehindItsShareGoesOnWhenTheOtherQueueIsClosed() {
        TagSet set = driver.depth(16).tagSet();
        List<Disk> both = disks(set, 2);
        Disk other = Disk.of(driver.queue(set, "other"), null);
        other.submit(told.read(0));
        driver.completeAll();
        assertThat(fill(both.getFirst())).isEqualTo(8);
        Eventually.Worker<Boolean> waiter = Eventually.start(() -> both.getFirst().submit(told.read(1)));
        Eventually.waitsIn(waiter.thread(), TagShare.class);
        other.close();
        waiter.join();
        assertThat(driver.inFlight()).hasSize(9);
    }

    @Test
    void whoWaitsBehindItsShareGoesOnWhenTheOtherQueueBecomesIdle() {
        List<Disk> both = disks(driver.depth(16).tagSet(), 2);
        both.getLast().submit(told.read(0));
        driver.completeAll();
        assertThat(fill(both.getFirst())).isEqualTo(8);
        Eventually.Worker<Boolean> waiter = Eventually.start(() -> both.getFirst().submit(told.read(1)));
        Eventually.waitsIn(waiter.thread(), TagShare.class);
        runtime.advance(33 * SECOND);
        waiter.join();
        assertThat(driver.inFlight()).hasSize(9);
    }

    @Test
    void whoWaitsForATagOfAnotherQueueIsTurnedAwayWhenItsOwnIsClosed() {
        TagSet set = driver.depth(1).reservedTags(0).tagSet();
        Disk holder = disks(set, 1).getFirst();
        RequestQueue dying = driver.queue(set, "dying");
        holder.submit(told.read(0));
        Eventually.Worker<Boolean> waiter = Eventually.start(() -> dying.submit(told.read(1)));
        Eventually.Worker<Boolean> owner = Eventually
                .start(() -> dying.allocateRequest(io.blkmq.core.Operation.READ, false));
        Eventually.waitsIn(waiter.thread(), TagShare.class);
        Eventually.waitsIn(owner.thread(), TagShare.class);
        dying.close();
        waiter.join();
        assertThat(owner.failure()).isInstanceOf(IllegalStateException.class).hasMessage("dying is closed");
        assertThat(told.ends()).containsExactly("READ 1 NODEV");
        assertThat(driver.inFlight()).hasSize(1);
    }

    @Test
    void sharesAreRightAfterQueuesHaveComeAndGoneUnderLoad() {
        RecordingDriver quick = new RecordingDriver().depth(8).completesAtOnce();
        TagSet set = quick.tagSet();
        RequestQueue stays = quick.queue(set, "stays");
        AtomicBoolean stop = new AtomicBoolean();
        List<Eventually.Worker<Boolean>> load = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            load.add(Eventually.start(() -> {
                while (!stop.get()) {
                    stays.submit(told.read(0).onEnd(null));
                }
            }));
        }
        for (int round = 0; round < 300; round++) {
            RequestQueue guest = quick.queue(set, "guest");
            Eventually.together(2, false, number -> {
                for (int i = 0; number == 0 && i < 20; i++) {
                    guest.submit(told.read(1).onEnd(null));
                }
            });
            guest.close();
        }
        stop.set(true);
        load.forEach(Eventually.Worker::join);
        TagShare share = Inside.of(stays).hardwareContext(0).share;
        assertThat(share.heldCount()).isZero();
        assertThat(share.tags.activeUsers()).isLessThanOrEqualTo(1);
        assertThat(stays.heldTags()).isZero();
        assertThat(quick.violations()).isEmpty();
        stays.close();
        set.close();
    }

    @Test
    void everyWaiterOfEveryQueueIsServed() {
        RecordingDriver quick = new RecordingDriver().depth(2).completesAtOnce();
        TagSet set = quick.tagSet();
        List<RequestQueue> queues = List.of(quick.queue(set, "a"), quick.queue(set, "b"), quick.queue(set, "c"));
        Told all = new Told();
        Eventually.together(6, false, number -> {
            for (int i = 0; i < 2_000; i++) {
                queues.get(number % 3).submit(all.read(number));
            }
        });
        assertThat(all.ends()).hasSize(12_000).allMatch(end -> end.endsWith(Status.OK.toString()));
        queues.forEach(queue -> {
            assertThat(queue.heldTags()).isZero();
            queue.close();
        });
        set.close();
    }
}
