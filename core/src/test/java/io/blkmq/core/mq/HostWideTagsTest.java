package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** One set of tags for all hardware contexts. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class HostWideTagsTest {
    private final Told told = new Told();
    private final List<Integer> made = new ArrayList<>();
    private final RecordingDriver driver = new RecordingDriver() {
        @Override
        public void initRequest(TagSet set, Request rq, int hctxIndex) {
            made.add(hctxIndex);
        }

        @Override
        public void exitRequest(TagSet set, Request rq, int hctxIndex) {
            assertThat(made.remove(Integer.valueOf(hctxIndex))).isTrue();
        }
    };
    private final TagSet set = driver.depth(4).hardwareQueues(2).limits(limits -> limits.writeCache(true, false))
            .tagSet(builder -> builder.flag(TagSet.Flag.HOST_WIDE_TAGS));
    private final RequestQueue queue = driver.queue(set, "q");

    @AfterEach
    void close() {
        driver.completeAll();
        assertThat(driver.violations()).isEmpty();
        assertThat(queue.heldTags()).isZero();
        queue.close();
        set.close();
        assertThat(made).isEmpty();
    }

    private void submit(int context, Bio bio) {
        queue.submit(bio, queue.context(context));
    }

    @Test
    void thereAreAsManyRequestsAsOneContextWouldHave() {
        assertThat(set.isHostWide()).isTrue();
        assertThat(made).filteredOn(index -> index == TagSet.HOST_WIDE).hasSize(4);
        assertThat(made).filteredOn(index -> index != TagSet.HOST_WIDE).as("flush requests").containsExactly(0, 1);
    }

    @Test
    void noTwoContextsUseATagAtOnceAndTogetherTheyAreNoDeeper() {
        for (int i = 0; i < 4; i++) {
            submit(i % 2, told.read(i));
        }
        submit(0, told.read(4).flags(Bio.NOWAIT));
        submit(1, told.read(5).flags(Bio.NOWAIT));
        assertThat(told.ends()).containsExactly("READ 4 AGAIN", "READ 5 AGAIN");
        assertThat(driver.inFlight()).extracting(Request::tag).containsExactlyInAnyOrder(0, 1, 2, 3);
        assertThat(driver.inFlight()).extracting(rq -> rq.hardwareContext().index()).containsExactly(0, 1, 0, 1);
        assertThat(queue.heldTags()).isEqualTo(4);
    }

    @Test
    void whoWaitsInOneContextGetsATagOfTheOther() {
        for (int i = 0; i < 4; i++) {
            submit(0, told.read(i));
        }
        io.blkmq.testing.Eventually.Worker<Boolean> waiter = io.blkmq.testing.Eventually
                .start(() -> submit(1, told.read(9)));
        io.blkmq.testing.Eventually.waitsIn(waiter.thread(), TagShare.class);
        driver.complete(Status.OK);
        waiter.join();
        assertThat(driver.inFlight().getLast().hardwareContext().index()).isOne();
    }

    @Test
    void aRequestIsFoundByItsTagAndShownOnce() {
        submit(0, told.read(0));
        submit(1, told.read(1));
        for (Request rq : driver.inFlight()) {
            assertThat(queue.hardwareContext(0).request(rq.tag())).isSameAs(rq);
            assertThat(queue.hardwareContext(1).request(rq.tag())).isSameAs(rq);
        }
        List<Long> shown = new ArrayList<>();
        set.busyIter(rq -> shown.add(rq.sector()));
        assertThat(shown).containsExactlyInAnyOrder(0L, 1L);
        assertThat(queue.dump().lines().filter(line -> line.contains("request"))).hasSize(2);
    }

    @Test
    void eachContextFlushesByItself() {
        submit(0, told.flush());
        submit(1, told.flush());
        assertThat(driver.log()).containsExactly("FLUSH", "FLUSH");
        assertThat(driver.inFlight()).extracting(Request::tag).doesNotHaveDuplicates();
        driver.completeAll();
        assertThat(told.ends()).containsExactly("FLUSH OK", "FLUSH OK");
    }

    @Test
    void otherNumbersOfContextsUseTheSameTags() throws IOException {
        set.updateHardwareQueues(5);
        assertThat(made).filteredOn(index -> index == TagSet.HOST_WIDE).hasSize(4);
        for (int i = 0; i < 4; i++) {
            submit(4 + i % 2, told.read(i));
        }
        submit(0, told.read(5).flags(Bio.NOWAIT));
        assertThat(told.ends()).containsExactly("READ 5 AGAIN");
        driver.completeAll();
        set.updateHardwareQueues(1);
        assertThat(made).hasSize(4 + 1);
        told.ends();
        submit(4, told.read(0));
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 0 OK");
    }

    @Test
    void queuesShareThemAsTheyShareOthers() {
        RequestQueue other = driver.queue(set, "other");
        other.submit(told.read(0), other.context(0));
        // Four tags, two users: at least four each, so all that are left.
        for (int i = 0; i < 4; i++) {
            submit(i % 2, told.read(i).flags(Bio.NOWAIT));
        }
        assertThat(told.ends()).containsExactly("READ 3 AGAIN");
        driver.completeAll();
        other.close();
    }
}
