package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.nbd.socket.HandOver;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** What is handed over to a loop is taken, whatever becomes of the rest. */
class HandOverTest {
    private static final class Numbered implements HandOver.Item<Numbered> {
        private final int number;
        private @Nullable Numbered before;

        Numbered(int number) {
            this.number = number;
        }

        @Override
        public @Nullable Numbered before() {
            return before;
        }

        @Override
        public void before(@Nullable Numbered item) {
            before = item;
        }
    }

    @Test
    void aTakerThatThrowsLosesNothingBehindIt() {
        HandOver<Numbered> handOver = new HandOver<>();
        for (int i = 0; i < 5; i++) {
            assertThat(handOver.add(new Numbered(i))).isEqualTo(i == 0);
        }
        List<Integer> taken = new ArrayList<>();
        assertThatThrownBy(() -> handOver.takeAll(item -> {
            taken.add(item.number);
            if (item.number == 1) {
                throw new StackOverflowError("first");
            }
            if (item.number == 3) {
                throw new IllegalStateException("second");
            }
        })).isInstanceOf(StackOverflowError.class).hasMessage("first").satisfies(
                e -> assertThat(e.getSuppressed()).singleElement().isInstanceOf(IllegalStateException.class));
        assertThat(taken).containsExactly(0, 1, 2, 3, 4);
        assertThat(handOver.isEmpty()).isTrue();
    }
}
