package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Disk;
import io.blkmq.core.Plug;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.QueueMap;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Hardware contexts that come and go. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class UpdateHardwareQueuesTest {
    private final Told told = new Told();
    private final Counting driver = new Counting();

    /** Notes what it has prepared and not undone, and fails where the test says. */
    private static final class Counting extends RecordingDriver {
        private final List<String> alive = new ArrayList<>();
        @Nullable
        volatile String failsAt;
        @Nullable
        volatile Runnable inInitHctx;

        private void begin(String what) throws IOException {
            if (what.equals(failsAt)) {
                throw new IOException("planted at " + what);
            }
            synchronized (alive) {
                alive.add(what);
            }
        }

        private void end(String what) {
            synchronized (alive) {
                if (!alive.remove(what)) {
                    alive.add("undone twice: " + what);
                }
            }
        }

        List<String> alive() {
            synchronized (alive) {
                return List.copyOf(alive);
            }
        }

        @Override
        public void initRequest(TagSet set, Request rq, int hctxIndex) throws IOException {
            begin("request " + rq.tag() + " of " + hctxIndex);
        }

        @Override
        public void exitRequest(TagSet set, Request rq, int hctxIndex) {
            end("request " + rq.tag() + " of " + hctxIndex);
        }

        @Override
        public void initHctx(HardwareContext hctx, @Nullable Object driverData, int index) throws IOException {
            Runnable inside = inInitHctx;
            if (inside != null) {
                inside.run();
            }
            begin("context " + index + " of " + hctx.queue());
        }

        @Override
        public void exitHctx(HardwareContext hctx, int index) {
            end("context " + index + " of " + hctx.queue());
        }

        @Override
        public void mapQueues(QueueMap map) {
            if (("map of " + map.hardwareQueues()).equals(failsAt)) {
                throw new IllegalStateException("planted in mapQueues");
            }
        }
    }

    /** Reads through each context: all of them work, and every hardware context is used. */
    private void readThroughAll(RequestQueue queue) {
        Set<HardwareContext> used = new HashSet<>();
        for (int i = 0; i < queue.contexts(); i++) {
            queue.submit(told.read(i), queue.context(i));
            used.add(driver.inFlight().getFirst().hardwareContext());
            driver.completeAll();
        }
        assertThat(told.ends()).hasSize(queue.contexts()).allMatch(end -> end.endsWith("OK"));
        assertThat(used).hasSize(queue.hardwareContexts());
        assertThat(driver.violations()).isEmpty();
        assertThat(queue.heldTags()).isZero();
    }

    @Test
    void moreAndFewerContextsAreUsedAndWhatIsTooManyIsUndone() throws IOException {
        TagSet set = driver.depth(4).tagSet();
        RequestQueue a = driver.queue(set, "a");
        RequestQueue b = driver.queue(set, "b");
        for (int count : new int[]{3, 1, 9, 2, 2, 64, 1}) {
            set.updateHardwareQueues(count);
            assertThat(set.hardwareQueues()).isEqualTo(count);
            readThroughAll(a);
            readThroughAll(b);
            // Of each context four requests, and of each queue a context and a flush request.
            assertThat(driver.alive()).hasSize(count * (4 + 2 * 2));
        }
        a.close();
        b.close();
        set.close();
        assertThat(driver.alive()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"0,0,0,'hardwareQueues 0: 1 to 1024 are possible'",
            "1025,0,0,'hardwareQueues 1025: 1 to 1024 are possible'", "1,-1,0,'readQueues -1: 0 to 1023 are possible'",
            "1,1024,0,'readQueues 1024: 0 to 1023 are possible'", "1000,20,5,'pollQueues 5: 0 to 4 are possible'"})
    void aWrongNumberIsRefusedWithItsLimit(int defaults, int reads, int polls, String message) {
        TagSet set = driver.tagSet();
        assertThatIllegalArgumentException().isThrownBy(() -> set.updateHardwareQueues(defaults, reads, polls))
                .withMessage(message);
        set.close();
    }

    @Test
    void aPolledTagSetHasNoOtherTypesOfQueues() {
        TagSet set = driver.polled().tagSet();
        assertThatIllegalArgumentException().isThrownBy(() -> set.updateHardwareQueues(1, 1, 0))
                .withMessageContaining("1 read queues, 0 poll queues");
        assertThatIllegalArgumentException().isThrownBy(() -> set.updateHardwareQueues(1, 0, 2))
                .withMessageContaining("0 read queues, 2 poll queues");
        set.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"context 2 of b", "context 1 of a", "request 3 of 2", "request 0 of 1", "map of 3"})
    void whatCannotBeMadeLeavesEverythingAsItWas(String failsAt) throws IOException {
        TagSet set = driver.depth(4).hardwareQueues(1).tagSet();
        RequestQueue a = driver.queue(set, "a");
        RequestQueue b = driver.queue(set, "b");
        List<String> before = driver.alive();
        driver.failsAt = failsAt;
        assertThatThrownBy(() -> set.updateHardwareQueues(3)).isInstanceOf(IOException.class).hasMessageContaining(
                "from 1 default, 0 read, 0 poll to 3 default, 0 read, 0 poll and stay as they are");
        assertThat(driver.alive()).containsExactlyInAnyOrderElementsOf(before);
        assertThat(set.hardwareQueues()).isOne();
        assertThat(a.isFrozen()).isFalse();
        assertThat(b.isFrozen()).isFalse();
        readThroughAll(a);
        readThroughAll(b);
        driver.failsAt = null;
        set.updateHardwareQueues(3);
        readThroughAll(a);
        a.close();
        b.close();
        set.close();
        assertThat(driver.alive()).isEmpty();
    }

    @Test
    void itWaitsForWhatIsInFlightAndWhoSubmitsWaitsForIt() {
        TagSet set = driver.depth(4).tagSet();
        RequestQueue queue = driver.queue(set, "q");
        queue.submit(told.read(0));
        Eventually.Worker<Boolean> update = Eventually.start(() -> set.updateHardwareQueues(2));
        Eventually.until("the queue is frozen", queue::isFrozen);
        Eventually.Worker<Boolean> submitter = Eventually.start(() -> queue.submit(told.read(1), queue.context(1)));
        Eventually.waitsIn(submitter.thread(), QueueGate.class);
        assertThat(set.hardwareQueues()).isOne();
        driver.complete(io.blkmq.core.Status.OK);
        update.join();
        submitter.join();
        assertThat(driver.inFlight()).hasSize(1);
        assertThat(driver.inFlight().getFirst().hardwareContext().index()).isOne();
        driver.completeAll();
        assertThat(told.ends()).containsExactly("READ 0 OK", "READ 1 OK");
        queue.close();
        set.close();
    }

    @Test
    void anInterruptDoesNotEndItAndIsKept() {
        TagSet set = driver.tagSet();
        RequestQueue queue = driver.queue(set, "q");
        queue.submit(told.read(0));
        AtomicBoolean kept = new AtomicBoolean();
        Eventually.Worker<Boolean> update = Eventually.start(() -> {
            set.updateHardwareQueues(2);
            kept.set(Thread.interrupted());
        });
        Eventually.until("the queue is frozen", queue::isFrozen);
        update.thread().interrupt();
        driver.completeAll();
        update.join();
        assertThat(kept).isTrue();
        assertThat(set.hardwareQueues()).isEqualTo(2);
        queue.close();
        set.close();
    }

    @Test
    void aPlugOutlivesIt() throws IOException {
        TagSet set = driver.depth(4).hardwareQueues(4).tagSet();
        Disk disk = Disk.of(driver.queue(set, "q"), set);
        try (Plug plug = disk.plug(3).expecting(3)) {
            plug.submit(told.read(0));
            plug.flush();
            driver.completeAll();
            set.updateHardwareQueues(1);
            plug.submit(told.read(1));
            plug.flush();
            assertThat(driver.inFlight().getFirst().hardwareContext().index()).isZero();
            driver.completeAll();
            set.updateHardwareQueues(4);
            plug.submit(told.read(2));
        }
        assertThat(driver.inFlight().getFirst().hardwareContext().index()).isEqualTo(3);
        driver.completeAll();
        assertThat(told.ends()).hasSize(3);
        disk.close();
    }

    @Test
    void newContextsAreAsDeepAsTheOthersHaveBeenResized() throws IOException {
        TagSet set = driver.depth(8).tagSet();
        RequestQueue queue = driver.queue(set, "q");
        set.resize(3);
        set.updateHardwareQueues(2);
        for (int i = 0; i < 5; i++) {
            queue.submit(told.read(i).flags(io.blkmq.core.Bio.NOWAIT), queue.context(1));
        }
        assertThat(told.ends()).containsExactly("READ 3 AGAIN", "READ 4 AGAIN");
        driver.completeAll();
        queue.close();
        set.close();
    }

    @Test
    void aQueueThatIsQuiescedMeanwhileStaysSo() throws IOException {
        TagSet set = driver.tagSet();
        RequestQueue queue = driver.queue(set, "q");
        queue.quiesce();
        set.updateHardwareQueues(2);
        queue.submit(told.read(0), queue.context(1));
        assertThat(driver.inFlight()).isEmpty();
        queue.unquiesce();
        assertThat(driver.completeAll()).isOne();
        queue.close();
        set.close();
    }

    @Test
    void fromWithinItsOwnCallbacksEveryChangeOfTheTagSetIsRefused() throws IOException {
        TagSet set = driver.tagSet();
        RequestQueue queue = driver.queue(set, "q");
        List<Throwable> refusals = new ArrayList<>();
        driver.inInitHctx = () -> {
            refusals.add(org.assertj.core.api.Assertions.catchThrowable(() -> set.updateHardwareQueues(3)));
            refusals.add(org.assertj.core.api.Assertions.catchThrowable(() -> driver.queue(set, "other")));
            refusals.add(org.assertj.core.api.Assertions.catchThrowable(set::close));
            driver.inInitHctx = null;
        };
        set.updateHardwareQueues(2);
        assertThat(refusals).hasSize(3)
                .allSatisfy(refusal -> assertThat(refusal).isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("from inside a change of the same tag set would wait for itself"));
        readThroughAll(queue);
        queue.close();
        set.close();
    }

    @Test
    void fromInsideACompletionItIsRefused() {
        TagSet set = driver.tagSet();
        RequestQueue queue = driver.queue(set, "q");
        List<Throwable> refusals = new ArrayList<>();
        queue.submit(told.read(0).onEnd(_ -> {
            refusals.add(org.assertj.core.api.Assertions.catchThrowable(() -> set.updateHardwareQueues(2)));
            refusals.add(org.assertj.core.api.Assertions.catchThrowable(() -> driver.queue(set, "other")));
        }));
        driver.completeAll();
        assertThat(refusals).hasSize(2)
                .allSatisfy(refusal -> assertThat(refusal).isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("from inside a completion of a block device would wait for itself"));
        queue.close();
        set.close();
        assertThatIllegalStateException().isThrownBy(() -> set.updateHardwareQueues(2))
                .withMessage("the tag set is closed");
    }

    @Test
    void bioThatWaitOnTheBacklogGoOnThroughTheNewContexts() {
        TagSet set = driver.depth(1).tagSet();
        RequestQueue queue = driver.queue(set, "q");
        queue.submit(told.read(0).onEnd(_ -> {
            queue.submit(told.read(1));
            queue.submit(told.read(2));
        }));
        driver.completeAll();
        assertThat(told.ends()).hasSize(2);
        Eventually.start(() -> set.updateHardwareQueues(2)).join();
        readThroughAll(queue);
        queue.close();
        set.close();
    }

    @Test
    void submittersNeverNoticeIt() throws IOException {
        Counting quick = new Counting();
        TagSet set = quick.depth(4).completesAtOnce().tagSet();
        Disk disk = Disk.of(quick.queue(set, "q"), set);
        AtomicBoolean stop = new AtomicBoolean();
        Told all = new Told();
        List<Eventually.Worker<Integer>> load = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            int number = i;
            load.add(Eventually.call(() -> {
                int submitted = 0;
                Plug plug = disk.plug(number & 1);
                for (; !stop.get() || submitted < 100; submitted++) {
                    if (number == 0) {
                        plug.submit(all.read(submitted % 2048));
                        if (submitted % 5 == 4) {
                            plug.flush();
                        }
                    } else {
                        disk.submit(all.read(submitted % 2048));
                    }
                }
                plug.flush();
                return submitted;
            }));
        }
        // A plug of another thread holds tags until its next flush, so an update may wait for that.
        for (int i = 0; i < 200; i++) {
            set.updateHardwareQueues(1 + i * 7 % 5, i % 3, i % 2);
        }
        stop.set(true);
        int submitted = load.stream().mapToInt(Eventually.Worker::join).sum();
        assertThat(all.ends()).hasSize(submitted).allMatch(end -> end.endsWith("OK"));
        assertThat(quick.violations()).isEmpty();
        assertThat(disk.queue().heldTags()).isZero();
        disk.close();
        assertThat(quick.alive()).isEmpty();
    }

    @Test
    void queuesMayComeAndGoMeanwhile() throws IOException {
        Counting quick = new Counting();
        TagSet set = quick.depth(4).completesAtOnce().tagSet();
        AtomicBoolean stop = new AtomicBoolean();
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        List<Eventually.Worker<Boolean>> makers = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            makers.add(Eventually.start(() -> {
                while (!stop.get() && failure.get() == null) {
                    RequestQueue queue = quick.queue(set, "guest");
                    queue.submit(told.read(0).onEnd(null));
                    queue.close();
                }
            }));
        }
        for (int i = 0; i < 300; i++) {
            set.updateHardwareQueues(1 + i % 4);
        }
        stop.set(true);
        makers.forEach(Eventually.Worker::join);
        set.close();
        assertThat(quick.alive()).isEmpty();
    }

    @Test
    void aCloseWaitsForAnUpdateAndUndoesWhatThatHasMade() throws Exception {
        TagSet set = driver.depth(4).tagSet();
        RequestQueue queue = driver.queue(set, "q");
        List<Eventually.Worker<Boolean>> closer = new ArrayList<>();
        driver.inInitHctx = () -> {
            driver.inInitHctx = null;
            closer.add(Eventually.start(queue::close));
            Eventually.waitsIn(closer.getFirst().thread(), SleepingLock.class);
            assertThat(queue.isDying()).isTrue();
            assertThat(Inside.of(set).queues()).containsExactly(Inside.of(queue));
        };
        set.updateHardwareQueues(2);
        Objects.requireNonNull(closer.getFirst()).join();
        assertThat(driver.alive()).as("requests of two contexts").hasSize(8);
        set.close();
        assertThat(driver.alive()).isEmpty();
    }
}
