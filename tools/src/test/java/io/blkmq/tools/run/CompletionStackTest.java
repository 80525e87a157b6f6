package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class CompletionStackTest {
    private static final int PUSHERS = 4;
    private static final int ROUNDS = 20_000;

    @Test
    @Timeout(300)
    void everySlotThatIsPushedIsTakenOnceAndNoWakeUpIsLost() throws Exception {
        try (RunFixture fixture = RunFixture.open("[a]\nsize=1m\nfilename=d\n", "d=null:1m")) {
            pushAndTake(fixture.window());
        }
    }

    private static void pushAndTake(Window window) throws InterruptedException {
        CompletionStack stack = new CompletionStack(Thread.currentThread());
        List<Thread> pushers = new ArrayList<>();
        for (int p = 0; p < PUSHERS; p++) {
            pushers.add(Thread.ofPlatform().start(() -> {
                for (int i = 0; i < ROUNDS; i++) {
                    stack.push(new IoSlot(window, window.memory(), 0));
                }
            }));
        }
        int taken = 0;
        while (taken < PUSHERS * ROUNDS) {
            IoSlot slot = stack.takeAll();
            if (slot == null) {
                stack.await(Long.MAX_VALUE);
            }
            for (; slot != null; slot = slot.older) {
                taken++;
            }
        }
        for (Thread pusher : pushers) {
            pusher.join();
        }
        assertThat(taken).isEqualTo(PUSHERS * ROUNDS);
        assertThat(stack.takeAll()).isNull();
    }
}
