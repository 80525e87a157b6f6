package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.aio.life.EngineEnd;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What any threads have added is taken once, in the order of each, by who waits for it. */
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class DoneListTest {
    private static final int ROUNDS = 100_000;
    private static final int ADDERS = 3;
    private static final int EACH = 30_000;

    private final ReadyEvent ready = new ReadyEvent();
    private final EngineEnd end = new EngineEnd();
    private final AtomicBoolean mayWait = new AtomicBoolean(true);
    private final DoneList list = new DoneList(ready, end, mayWait::get);

    private static Kiocb kiocb(int number) {
        Kiocb kiocb = Kiocb.withSegments(1);
        kiocb.result = number;
        return kiocb;
    }

    private static List<Long> results(@Nullable Kiocb first) {
        List<Long> results = new ArrayList<>();
        for (Kiocb kiocb = first; kiocb != null; kiocb = kiocb.next) {
            results.add(kiocb.result);
        }
        return results;
    }

    @Test
    void theOldestComesFirstAndAllOnce() {
        assertThat(list.take(0)).isNull();
        for (int i = 0; i < 4; i++) {
            list.add(kiocb(i));
        }
        assertThat(results(list.take(Long.MAX_VALUE))).containsExactly(0L, 1L, 2L, 3L);
        assertThat(list.take(0)).isNull();
        list.add(kiocb(4));
        assertThat(results(list.take(0))).containsExactly(4L);
    }

    @Test
    void aWaitEndsByTimeOrWithoutAReasonOrByWhatIsDueOrByAnInterruptThatStays() {
        assertThat(list.take(TimeUnit.MILLISECONDS.toNanos(1))).isNull();
        list.dueHasChanged();
        assertThat(list.take(Long.MAX_VALUE)).isNull();
        mayWait.set(false);
        assertThat(list.take(Long.MAX_VALUE)).isNull();
        mayWait.set(true);
        Thread.currentThread().interrupt();
        assertThat(list.take(TimeUnit.MILLISECONDS.toNanos(1))).isNull();
        assertThat(Thread.interrupted()).isTrue();
    }

    @Test
    void whoWaitsIsWokenEachTime() throws InterruptedException {
        Kiocb only = kiocb(0);
        AtomicInteger taken = new AtomicInteger();
        Thread taker = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < ROUNDS; i++) {
                Kiocb kiocb = null;
                while (kiocb == null) {
                    kiocb = list.take(Long.MAX_VALUE);
                }
                taken.set(i + 1);
            }
        });
        for (int i = 0; i < ROUNDS; i++) {
            only.result = i;
            list.add(only);
            while (taken.get() == i) {
                Thread.onSpinWait();
            }
        }
        taker.join();
        assertThat(list.take(0)).isNull();
    }

    @Test
    void whoWaitsForWhatIsDueOrForAReasonIsWokenEachTime() throws InterruptedException {
        AtomicInteger ended = new AtomicInteger();
        Thread taker = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < ROUNDS; i++) {
                assertThat(list.take(Long.MAX_VALUE)).isNull();
                mayWait.set(true);
                ended.set(i + 1);
            }
        });
        for (int i = 0; i < ROUNDS; i++) {
            if (i % 2 == 0) {
                list.dueHasChanged();
            } else {
                mayWait.set(false);
                list.wake();
            }
            while (ended.get() == i) {
                Thread.onSpinWait();
            }
        }
        taker.join();
    }

    @Test
    void noneIsLostOrTakenTwiceBesideOthersThatAdd() throws InterruptedException {
        CountDownLatch begin = new CountDownLatch(1);
        List<Thread> adders = new ArrayList<>();
        for (int adder = 0; adder < ADDERS; adder++) {
            int first = adder * EACH;
            adders.add(Thread.ofPlatform().start(() -> {
                try {
                    begin.await();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
                for (int i = 0; i < EACH; i++) {
                    list.add(kiocb(first + i));
                }
            }));
        }
        begin.countDown();
        int[] next = new int[ADDERS];
        for (int taken = 0; taken < ADDERS * EACH;) {
            for (Kiocb kiocb = list.take(Long.MAX_VALUE); kiocb != null; kiocb = kiocb.next) {
                int adder = (int) kiocb.result / EACH;
                assertThat((int) kiocb.result % EACH).isEqualTo(next[adder]++);
                taken++;
            }
        }
        for (Thread adder : adders) {
            adder.join();
        }
        assertThat(list.take(0)).isNull();
    }
}
