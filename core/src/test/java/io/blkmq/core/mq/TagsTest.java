package io.blkmq.core.mq;

import io.blkmq.core.Disk;
import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Request;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import static org.assertj.core.api.Assertions.assertThat;

@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class TagsTest {
    private final Told told = new Told();

    @Test
    void reservedTagsAreNotHandedOutToOthers() {
        RecordingDriver driver = new RecordingDriver().depth(8).reservedTags(3);
        try (Disk disk = driver.disk()) {
            told.submitReads(disk, 0, 5);
            assertThat(driver.inFlight()).extracting(Request::tag).containsExactlyInAnyOrder(3, 4, 5, 6, 7);
            disk.submit(told.read(5).flags(io.blkmq.core.Bio.NOWAIT));
            assertThat(told.ends()).containsExactly("READ 5 AGAIN");
            driver.completeAll();
        }
    }

    @Test
    void reservedTagsAreHandedOutToThoseWhoAskForThem() {
        RecordingDriver driver = new RecordingDriver().depth(8).reservedTags(3);
        try (Disk disk = driver.disk()) {
            TagShare tags = Inside.of(disk.queue()).hardwareContext(0).share;
            List<TagRequest> held = new ArrayList<>();
            for (TagRequest rq = tags.tryGetReserved(); rq != null; rq = tags.tryGetReserved()) {
                held.add(rq);
            }
            assertThat(held).extracting(TagRequest::tag).containsExactlyInAnyOrder(0, 1, 2);
            assertThat(tags.tags.heldCount()).isEqualTo(3);
            told.submitReads(disk, 0, 5);
            held.forEach(rq -> tags.tags.put(rq.word, rq.mask, rq.reserved));
            driver.completeAll();
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void everyTagIsARequestOfItsOwnThatIsFoundByItsNumber() {
        RecordingDriver driver = new RecordingDriver().depth(200).hardwareQueues(2);
        try (Disk disk = driver.disk()) {
            for (int i = 0; i < 2; i++) {
                DispatchContext hctx = Inside.of(disk.queue()).hardwareContext(i);
                for (int tag = 0; tag < 200; tag++) {
                    assertThat(hctx.request(tag).tag()).isEqualTo(tag);
                }
            }
        }
    }

    @Test
    void waitersAreServedInTheOrderInWhichTheyCame() {
        RecordingDriver driver = new RecordingDriver().depth(1);
        try (Disk disk = driver.disk()) {
            disk.submit(told.read(0));
            List<Eventually.Worker<Boolean>> waiters = new ArrayList<>();
            for (int i = 1; i <= 4; i++) {
                int sector = i;
                Eventually.Worker<Boolean> waiter = Eventually.start(() -> disk.submit(told.read(sector)));
                Eventually.waitsIn(waiter.thread(), TagShare.class);
                waiters.add(waiter);
            }
            for (int i = 1; i <= 4; i++) {
                driver.complete(Status.OK);
                waiters.get(i - 1).join();
            }
            driver.complete(Status.OK);
            assertThat(told.ends()).containsExactly(Told.ok(0), Told.ok(1), Told.ok(2), Told.ok(3), Told.ok(4));
        }
    }

    @Test
    void tagsThatComeBackTogetherServeAllWhoWait() {
        RecordingDriver driver = new RecordingDriver().depth(4);
        try (Disk disk = driver.disk()) {
            told.submitReads(disk, 0, 4);
            List<Eventually.Worker<Boolean>> waiters = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                int sector = 10 + i;
                waiters.add(Eventually.start(() -> disk.submit(told.read(sector))));
            }
            waiters.forEach(waiter -> Eventually.waitsIn(waiter.thread(), TagShare.class));
            try (CompletionBatch _ = CompletionBatch.open()) {
                for (int i = 0; i < 4; i++) {
                    driver.complete(Status.OK);
                }
            }
            waiters.forEach(Eventually.Worker::join);
            assertThat(driver.completeAll()).isEqualTo(4);
        }
    }

    @Test
    void noTagIsHeldTwiceOrLostAndEveryWaiterIsServed() {
        long seed = RandomSeed.of(TagsTest.class);
        for (int depth : new int[]{1, 2, 3, 7}) {
            RecordingDriver driver = new RecordingDriver().depth(depth);
            Disk disk = driver.disk();
            EntryContext ctx = Inside.of(disk.queue()).context(0);
            TagShare tags = ctx.hardwareContext().share;
            AtomicIntegerArray holders = new AtomicIntegerArray(depth);
            Eventually.together(4, false, number -> {
                Random random = new Random(seed + number);
                for (int i = 0; i < 20_000; i++) {
                    TagRequest rq = tags.tryGet(ctx);
                    if (rq == null) {
                        rq = java.util.Objects.requireNonNull(tags.await(ctx, false, false));
                    }
                    assertThat(holders.incrementAndGet(rq.tag())).as("holders of a tag, seed %d", seed).isOne();
                    if (random.nextInt(100) == 0) {
                        Eventually.letOthersRun();
                    }
                    holders.decrementAndGet(rq.tag());
                    tags.tags.put(rq.word, rq.mask, rq.reserved);
                }
            });
            assertThat(tags.tags.heldCount()).isZero();
            disk.close();
        }
    }

    @Test
    void waitersOfVirtualThreadsAreServedToo() {
        RecordingDriver driver = new RecordingDriver().depth(2).completesAtOnce();
        Disk disk = driver.disk();
        EntryContext ctx = Inside.of(disk.queue()).context(0);
        TagShare tags = ctx.hardwareContext().share;
        AtomicIntegerArray holders = new AtomicIntegerArray(2);
        Eventually.together(64, true, _ -> {
            for (int i = 0; i < 500; i++) {
                TagRequest rq = java.util.Objects.requireNonNull(tags.await(ctx, false, false));
                assertThat(holders.incrementAndGet(rq.tag())).isOne();
                Eventually.letOthersRun();
                holders.decrementAndGet(rq.tag());
                tags.tags.put(rq.word, rq.mask, rq.reserved);
            }
        });
        assertThat(tags.tags.heldCount()).isZero();
        disk.close();
    }
}
