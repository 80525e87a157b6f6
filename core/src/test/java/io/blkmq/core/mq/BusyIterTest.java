package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.ManualRuntime;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Looking at what the driver has, while that may end and its tags may be used again. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class BusyIterTest {
    private final Told told = new Told();
    private final ManualRuntime runtime = new ManualRuntime();
    private final List<Long> timedOut = new ArrayList<>();
    private final RecordingDriver driver = new RecordingDriver() {
        @Override
        public TimeoutAction timeout(Request rq) {
            // As a driver that resets its device when the first command hangs.
            rq.queue().tagSet().busyIter(each -> {
                timedOut.add(each.sector());
                complete(each, Status.TIMEOUT);
                return true;
            });
            return TimeoutAction.DONE;
        }
    };
    private final TagSet set = driver.depth(8).runtime(runtime).tagSet();
    private final RequestQueue a = driver.queue(set, "a");
    private final RequestQueue b = driver.queue(set, "b");

    @AfterEach
    void close() {
        driver.completeAll();
        assertThat(driver.violations()).isEmpty();
        a.close();
        b.close();
        set.close();
    }

    private static List<Long> sectors(RequestQueue queue) {
        List<Long> seen = new ArrayList<>();
        queue.busyIter(rq -> seen.add(rq.sector()));
        return seen;
    }

    @Test
    void itShowsWhatTheDriverHasOfItsQueueAndNothingElse() {
        driver.answer(Status.OK).answer(Status.DEV_RESOURCE);
        a.submit(told.read(1));
        a.submit(told.read(2));
        b.submit(told.read(3));
        assertThat(sectors(a)).containsExactly(1L);
        assertThat(sectors(b)).containsExactly(3L);
        List<Long> all = new ArrayList<>();
        set.busyIter(rq -> all.add(rq.sector()));
        assertThat(all).containsExactlyInAnyOrder(1L, 3L);
        driver.completeAll();
        Eventually.until("the refused one was taken", () -> driver.completeAll() > 0 || a.heldTags() == 0);
    }

    @Test
    void aVisitorThatHasSeenEnoughSeesNoMore() {
        a.submit(told.read(1));
        a.submit(told.read(2));
        b.submit(told.read(3));
        List<Long> seen = new ArrayList<>();
        set.busyIter(rq -> {
            seen.add(rq.sector());
            return false;
        });
        assertThat(seen).hasSize(1);
    }

    @Test
    void aCompletionByTheVisitorIsCarriedOutWhenItHasReturned() {
        a.submit(told.read(1));
        a.busyIter(rq -> {
            driver.complete(rq, Status.IOERR);
            assertThat(told.ends()).as("kept under the visitor's hands").isEmpty();
            rq.complete(Status.OK);
            return true;
        });
        assertThat(told.ends()).containsExactly("READ 1 IOERR");
        assertThat(a.strayCompletions()).isOne();
    }

    @Test
    void aRequestThatTheVisitorGivesBackGoesDownAgain() {
        a.submit(told.read(1));
        driver.log();
        a.busyIter(rq -> {
            driver.requeue(rq, true);
            return true;
        });
        assertThat(driver.log()).containsExactly("READ 1");
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 1 OK");
    }

    @Test
    void aVisitorThatThrowsLeavesTheRequestAsItWas() {
        a.submit(told.read(1));
        assertThatThrownBy(() -> a.busyIter(_ -> {
            throw new IllegalStateException("planted");
        })).hasMessage("planted");
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 1 OK");
    }

    @Test
    void aVisitorMayLookItself() {
        a.submit(told.read(1));
        a.submit(told.read(2));
        List<List<Long>> seen = new ArrayList<>();
        a.busyIter(_ -> seen.add(sectors(a)));
        assertThat(seen).containsExactly(List.of(1L, 2L), List.of(1L, 2L));
    }

    @Test
    void aDriverThatIsAskedAboutATimeoutMayEndEverything() {
        a.submit(told.read(1));
        a.submit(told.read(2));
        b.submit(told.read(3));
        runtime.advance(TimeUnit.SECONDS.toNanos(31));
        assertThat(timedOut).containsExactlyInAnyOrder(1L, 2L, 3L);
        assertThat(told.ends()).containsExactlyInAnyOrder("READ 1 TIMEOUT", "READ 2 TIMEOUT", "READ 3 TIMEOUT");
        assertThat(a.heldTags()).isZero();
        assertThat(a.strayCompletions() + b.strayCompletions()).isZero();
    }

    @Test
    void noRequestOfAnotherQueueAndNoneThatChangesIsEverShown() {
        RecordingDriver quick = new RecordingDriver().depth(2).completesAtOnce();
        TagSet tags = quick.tagSet();
        RequestQueue mine = quick.queue(tags, "mine");
        RequestQueue other = quick.queue(tags, "other");
        AtomicBoolean stop = new AtomicBoolean();
        Eventually.Worker<Boolean> load = Eventually.start(() -> {
            for (int i = 0; !stop.get(); i++) {
                (i % 2 == 0 ? mine : other).submit(told.read(i % 2).onEnd(null));
            }
        });
        Eventually.Worker<Boolean> more = Eventually.start(() -> {
            while (!stop.get()) {
                other.submit(told.read(1).onEnd(null));
            }
        });
        AtomicLong shown = new AtomicLong();
        for (int i = 0; i < 200_000; i++) {
            mine.busyIter(rq -> {
                long generation = rq.generation();
                assertThat(rq.queue()).isSameAs(mine);
                assertThat(rq.sector()).isZero();
                shown.incrementAndGet();
                Thread.onSpinWait();
                assertThat(rq.generation()).isEqualTo(generation);
                return true;
            });
        }
        stop.set(true);
        load.join();
        more.join();
        assertThat(mine.heldTags()).isZero();
        mine.close();
        other.close();
        tags.close();
    }
}
