package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class PlugTest {
    private final RecordingDriver driver = new RecordingDriver();
    private final Told told = new Told();

    @Test
    void requestsAreHeldBackUntilTheFlush() {
        try (Disk disk = driver.disk()) {
            Plug plug = disk.plug();
            plug.submit(told.read(5));
            plug.submit(told.read(1));
            assertThat(driver.log()).isEmpty();
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 5 more", "READ 1");
            plug.flush();
            assertThat(driver.log()).isEmpty();
            driver.completeAll();
        }
    }

    @Test
    void closingAPlugFlushesIt() {
        try (Disk disk = driver.disk()) {
            try (Plug plug = disk.plug()) {
                plug.submit(told.read(0));
            }
            assertThat(driver.log()).containsExactly("READ 0");
            driver.completeAll();
        }
    }

    @Test
    void thirtyTwoRequestsGoDownByThemselves() {
        try (Disk disk = driver.disk(); Plug plug = disk.plug()) {
            for (int i = 0; i < 31; i++) {
                plug.submit(told.read(i));
            }
            assertThat(driver.log()).isEmpty();
            plug.submit(told.read(31));
            List<String> log = driver.log();
            assertThat(log).hasSize(32);
            assertThat(log.getFirst()).isEqualTo("READ 0 more");
            assertThat(log.getLast()).isEqualTo("READ 31");
            driver.completeAll();
        }
    }

    @Test
    void aPlugGoesDownBeforeItsThreadWaitsForATag() {
        try (Disk disk = driver.depth(4).polled().disk(); Plug plug = disk.plug()) {
            for (int i = 0; i < 6; i++) {
                plug.submit(told.read(i));
            }
            assertThat(driver.log()).containsExactly("READ 0 more", "READ 1 more", "READ 2 more", "READ 3");
            plug.flush();
            disk.poll();
            assertThat(told.ends()).hasSize(6);
        }
    }

    @Test
    void tagsThatWereTakenInAdvanceAndNotUsedAreGivenBack() {
        try (Disk disk = driver.disk(); Plug plug = disk.plug().expecting(20)) {
            plug.submit(told.read(0));
            assertThat(disk.queue().heldTags()).isGreaterThan(1);
            plug.flush();
            assertThat(disk.queue().heldTags()).isOne();
            driver.completeAll();
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void expectingTooFewOrTooManyDoesNoHarm() {
        for (int expected : new int[]{-3, 0, 1, 5, 1000}) {
            try (Disk disk = driver.disk()) {
                try (Plug plug = disk.plug().expecting(expected)) {
                    for (int i = 0; i < 40; i++) {
                        plug.submit(told.read(i));
                    }
                }
                assertThat(driver.completeAll()).isEqualTo(40);
                assertThat(disk.queue().heldTags()).isZero();
            }
        }
        assertThat(driver.violations()).isEmpty();
    }

    @Test
    void aRefusedBioDoesNotDisturbThoseHeldBack() {
        try (Disk disk = driver.disk(); Plug plug = disk.plug()) {
            plug.submit(told.read(0));
            org.assertj.core.api.Assertions.assertThatIllegalArgumentException()
                    .isThrownBy(() -> plug.submit(new Bio().reset(io.blkmq.core.Operation.READ, 1)));
            plug.submit(told.read(2));
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 0 more", "READ 2");
            driver.completeAll();
        }
    }

    @Test
    void aCompletionThatUsesAPlugNeverWaitsForATag() {
        try (Disk disk = driver.depth(1).disk()) {
            List<String> order = new ArrayList<>();
            Bio first = told.read(0).onEnd(_ -> {
                try (Plug plug = disk.plug()) {
                    plug.submit(told.read(1));
                    plug.submit(told.read(2));
                }
                order.add("completion returned");
            });
            disk.submit(first);
            Eventually.start(() -> driver.complete(Status.OK)).join();
            assertThat(order).containsExactly("completion returned");
            driver.completeAll();
            driver.completeAll();
            assertThat(told.ends()).containsExactly(Told.ok(1), Told.ok(2));
        }
    }

    // ---- completions that use the plug whose requests they end

    @Test
    void whatACompletionSubmitsToThePlugThatIsFlushedIsHeldBack() {
        try (Disk disk = driver.completesAtOnce().disk(); Plug plug = disk.plug()) {
            plug.submit(told.read(0).onEnd(_ -> plug.submit(told.read(8))));
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 0");
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 8");
            assertThat(told.ends()).containsExactly(Told.ok(8));
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void aFreezeKnowsWhatACompletionHasSubmittedToThePlugThatIsFlushed() {
        try (Disk disk = driver.completesAtOnce().disk()) {
            Plug plug = disk.plug();
            plug.submit(told.read(0).onEnd(_ -> plug.submit(told.read(8))));
            plug.flush();
            disk.queue().freezeStart();
            assertThat(disk.queue().freezeWait(0)).isTrue();
            disk.queue().unfreeze();
            assertThat(told.ends()).containsExactly(Told.ok(8));
        }
    }

    @Test
    void closingAPlugSendsDownWhatCompletionsSubmitToIt() {
        try (Disk disk = driver.completesAtOnce().disk()) {
            try (Plug plug = disk.plug()) {
                plug.submit(told.read(0).onEnd(_ -> plug.submit(told.read(8).onEnd(_ -> plug.submit(told.read(16))))));
            }
            assertThat(driver.log()).containsExactly("READ 0", "READ 8", "READ 16");
        }
    }

    @Test
    void aPlugThatGoesAnotherWayMeanwhileMixesNoTags() {
        RecordingDriver atOnce = driver.depth(8).completesAtOnce();
        TagSet set = atOnce.tagSet(builder -> builder.readQueues(1));
        try (Disk disk = Disk.of(atOnce.queue(set, "rec0"), set); Plug plug = disk.plug()) {
            plug.submit(told.read(0).onEnd(_ -> plug.submit(told.read(64))));
            // Another hardware context: the read goes down first.
            plug.submit(told.bio(Operation.WRITE, 128));
            plug.flush();
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 0", "READ 64", "WRITE 128");
            assertThat(told.ends()).containsExactly(Told.ok(64), "WRITE 128 OK");
            assertThat(disk.queue().heldTags()).isZero();
            assertThat(disk.queue().strayCompletions()).isZero();
            assertThat(driver.violations()).isEmpty();
        }
    }

    @Test
    void aPlugWithRequestsOfAnElevatorAndOfTheDriverMixesNoTags() {
        RecordingDriver atOnce = driver.depth(8).completesAtOnce().limits(limits -> limits.writeCache(true, false));
        try (Disk disk = atOnce.disk(); Plug plug = disk.plug()) {
            disk.queue().setElevator("mq-deadline");
            plug.submit(told.read(0).onEnd(_ -> plug.submit(told.read(64))));
            // It has a sequence, and a tag of the driver's.
            plug.submit(told.bio(Operation.WRITE, 128).flags(Bio.FUA));
            plug.flush();
            plug.flush();
            assertThat(told.ends()).containsExactlyInAnyOrder(Told.ok(64), "WRITE 128 OK");
            assertThat(disk.queue().heldTags()).isZero();
            assertThat(disk.queue().strayCompletions()).isZero();
            assertThat(driver.violations()).isEmpty();
        }
    }

    @Test
    void whatADriverRefusesForGoodIsToldWhenTheBatchIsDown() {
        try (Disk disk = driver.disk(); Plug plug = disk.plug()) {
            driver.answer(Status.IOERR);
            plug.submit(told.read(0).onEnd(_ -> plug.submit(told.read(64))));
            plug.submit(told.read(8));
            plug.submit(told.read(16));
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 0 more", "READ 8 more", "READ 16");
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 64");
            assertThat(driver.completeAll()).isEqualTo(3);
            assertThat(told.ends()).containsExactly(Told.ok(8), Told.ok(16), Told.ok(64));
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void whatADriverSubmitsToThePlugThatItIsBeingGivenGoesAfterIt() {
        try (Disk disk = driver.disk(); Plug plug = disk.plug()) {
            driver.answerBy(_ -> {
                plug.submit(told.read(64));
                plug.flush();
                return Status.OK;
            });
            plug.submit(told.read(0));
            plug.submit(told.read(8));
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 0 more", "READ 8", "READ 64");
            assertThat(driver.completeAll()).isEqualTo(3);
            assertThat(told.ends()).hasSize(3);
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void aCompletionMayBringAnotherDiskToThePlugThatIsFlushed() {
        RecordingDriver second = new RecordingDriver();
        RecordingDriver third = new RecordingDriver();
        try (Disk disk = driver.completesAtOnce().disk();
                Disk other = second.completesAtOnce().disk();
                Disk another = third.disk();
                Plug plug = disk.plug()) {
            plug.submit(other, told.read(0).onEnd(_ -> plug.submit(another, told.read(8))));
            plug.flush();
            plug.flush();
            assertThat(third.log()).containsExactly("READ 8");
            third.completeAll();
        }
    }

    @Test
    void aLongChainThroughAPlugWhoseFlushFailsAtOnceNeedsNoStack() {
        try (Disk disk = driver.disk(); Plug plug = disk.plug()) {
            int[] left = {20_000};
            Bio bio = told.read(0);
            bio.onEnd(_ -> {
                if (--left[0] > 0) {
                    driver.answer(Status.IOERR);
                    plug.submit(bio);
                    plug.flush();
                }
            });
            driver.answer(Status.IOERR);
            plug.submit(bio);
            plug.flush();
            assertThat(left[0]).isZero();
        }
    }

    @Test
    void aLongChainThroughAPlugWithNothingToDoNeedsNoStack() {
        try (Disk disk = driver.disk(); Plug plug = disk.plug()) {
            int[] left = {100_000};
            Bio flush = new Bio().reset(Operation.FLUSH, 0);
            flush.onEnd(_ -> {
                if (--left[0] > 0) {
                    plug.submit(flush);
                }
            });
            plug.submit(flush);
            assertThat(left[0]).isZero();
        }
    }

    @Test
    void threadsThatShareAContextNeverGetTheSameTag() {
        // Four words of two tags: the context's hint goes from word to word all the time.
        Disk disk = driver.depth(8).completesAtOnce().disk();
        Eventually.together(3, false, _ -> {
            Plug plug = disk.plug(0);
            Told mine = new Told();
            for (int i = 0; i < 100_000; i++) {
                plug.expecting(2);
                plug.submit(mine.read(0));
                plug.submit(mine.read(1));
                plug.flush();
                assertThat(mine.ends()).hasSize(2);
            }
        });
        assertThat(driver.violations()).isEmpty();
        assertThat(disk.queue().strayCompletions()).isZero();
        assertThat(disk.queue().heldTags()).isZero();
        disk.close();
    }
}
