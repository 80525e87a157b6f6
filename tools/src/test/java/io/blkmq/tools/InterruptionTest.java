package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What an interrupted process ends with. */
class InterruptionTest {
    private final List<String> happened = new ArrayList<>();

    private Interruption interruption(long patienceSeconds) {
        return new Interruption(() -> happened.add("asked"), patienceSeconds,
                status -> happened.add("halted with " + status));
    }

    @Test
    void whereAllWentWellTheStatusIsThatOfTheSignal() {
        Interruption interruption = interruption(300);
        interruption.ended(0);
        interruption.interrupted();
        assertThat(happened).containsExactly("asked");
    }

    @Test
    void whatWentWrongIsTheStatus() {
        Interruption interruption = interruption(300);
        interruption.ended(1);
        interruption.interrupted();
        assertThat(happened).containsExactly("asked", "halted with 1");
    }

    @Test
    void whatDoesNotEndIsAnError() {
        interruption(0).interrupted();
        assertThat(happened).containsExactly("asked", "halted with 1");
    }

    @Test
    void whatFailsIsToldBeforeTheProcessMayEnd() {
        int status = Interruption.during(() -> {}, 1, failure -> {
            happened.add(String.valueOf(failure.getMessage()));
            return 7;
        }, () -> {
            throw new IOException("not durable");
        });
        assertThat(status).isEqualTo(7);
        assertThat(happened).containsExactly("not durable");
        assertThat(Interruption.during(() -> {}, 1, _ -> 7, () -> 3)).isEqualTo(3);
    }
}
