package io.blkmq.runtime.channel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** A handler is told once, whatever the executor does that was to tell it. */
class TellByTest {
    private final AtomicInteger told = new AtomicInteger();
    private final List<Runnable> elsewhere = new ArrayList<>();

    private void tellBy(Executor executor, Runnable handler) {
        OpenAsynchronousFileChannel.tellBy(executor, handler, elsewhere::add);
    }

    @Test
    void whatTheHandlerThrowsIsNotTakenForARefusal() {
        Runnable handler = () -> {
            told.incrementAndGet();
            throw new RejectedExecutionException("the handler's own pool is shut down");
        };
        assertThatThrownBy(() -> tellBy(Runnable::run, handler)).isInstanceOf(RejectedExecutionException.class);
        assertThat(told).hasValue(1);
        assertThat(elsewhere).isEmpty();
    }

    @Test
    void whateverAnExecutorThrowsTheHandlerIsTold() {
        for (Throwable thrown : List.of(new RejectedExecutionException(), new IllegalStateException(),
                new OutOfMemoryError("unable to create native thread"))) {
            tellBy(_ -> raise(thrown), told::incrementAndGet);
        }
        assertThat(elsewhere).hasSize(3);
        elsewhere.forEach(Runnable::run);
        assertThat(told).hasValue(3);
    }

    @Test
    void anExecutorThatTakesAHandlerAndThrowsTellsItOnce() {
        List<Runnable> taken = new ArrayList<>();
        tellBy(task -> {
            taken.add(task);
            throw new OutOfMemoryError("unable to create native thread");
        }, told::incrementAndGet);
        elsewhere.forEach(Runnable::run);
        taken.forEach(Runnable::run);
        assertThat(taken).hasSize(1);
        assertThat(told).hasValue(1);
    }

    private static void raise(Throwable thrown) {
        if (thrown instanceof Error error) {
            throw error;
        }
        throw (RuntimeException) thrown;
    }
}
