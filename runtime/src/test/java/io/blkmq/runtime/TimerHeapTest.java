package io.blkmq.runtime;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;

class TimerHeapTest {
    private static final class Timer extends TimerHeap.Entry {
        private final long number;

        Timer(long due, long number) {
            super(due, number);
            this.number = number;
        }
    }

    /** Near the end of the numbers, so that the times of a program lie on both sides of it. */
    private static final long ORIGIN = Long.MAX_VALUE - 50;

    @Test
    void randomProgramsFindTheOrderOfASortedList() {
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            TimerHeap<Timer> heap = new TimerHeap<>();
            List<Timer> model = new ArrayList<>();
            List<Timer> gone = new ArrayList<>();
            Comparator<Timer> order = Comparator.<Timer>comparingLong(timer -> timer.due - ORIGIN)
                    .thenComparingLong(timer -> timer.number);
            for (int step = 0; step < 500; step++) {
                int what = random.nextInt(10);
                if (what < 5) {
                    Timer timer = new Timer(ORIGIN + random.nextInt(100), step);
                    heap.add(timer);
                    model.add(timer);
                } else if (what < 8 && !model.isEmpty()) {
                    Timer timer = model.remove(random.nextInt(model.size()));
                    assertThat(heap.remove(timer)).isTrue();
                    gone.add(timer);
                } else if (!model.isEmpty()) {
                    Timer first = Objects.requireNonNull(heap.first());
                    assertThat(heap.remove(first)).isTrue();
                    model.remove(first);
                    gone.add(first);
                } else if (!gone.isEmpty()) {
                    assertThat(heap.remove(gone.get(random.nextInt(gone.size())))).isFalse();
                }
                assertThat(heap.isEmpty()).isEqualTo(model.isEmpty());
                assertThat(heap.first()).as("seed %d, step %d", seed, step)
                        .isEqualTo(model.stream().min(order).orElse(null));
            }
        }
    }
}
