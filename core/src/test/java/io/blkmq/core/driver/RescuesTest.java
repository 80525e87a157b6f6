package io.blkmq.core.driver;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.Simulation;
import io.blkmq.testing.NoRescues;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Calls that nobody made are counted, and made up for by the timer. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues(but = "the test forgets a call")
class RescuesTest {
    private final Told told = new Told();

    @Test
    void whatNobodyAsksForIsFoundByTheTimerAndCounted() {
        Simulation.run(RescuesTest.class, runtime -> {
            Disk disk = new RecordingDriver().runtime(runtime).completesAtOnce().disk();
            disk.queue().setElevator("mq-deadline");
            HardwareContext hctx = disk.queue().hardwareContext(0);
            long tickNanos = disk.queue().timeouts().tickNanos();
            hctx.stop();
            disk.submit(told.read(1));
            runtime.sleep(5 * tickNanos);
            long before = RequestQueue.rescues();
            assertThat(told.count()).isZero();
            // Whoever ends the hold would have to run the context.
            hctx.letGo();
            runtime.sleep(4 * tickNanos);
            assertThat(told.ends()).containsExactly(Told.ok(1));
            assertThat(RequestQueue.rescues() - before).isEqualTo(1);
            disk.close();
        });
    }

    @Test
    void whatIsHeldIsNotRescued() {
        Simulation.run(RescuesTest.class, runtime -> {
            Disk disk = new RecordingDriver().runtime(runtime).completesAtOnce().disk();
            disk.queue().setElevator("mq-deadline");
            long before = RequestQueue.rescues();
            disk.queue().hardwareContext(0).stop();
            disk.submit(told.read(1));
            runtime.sleep(20 * disk.queue().timeouts().tickNanos());
            disk.queue().hardwareContext(0).start();
            assertThat(told.ends()).containsExactly(Told.ok(1));
            assertThat(RequestQueue.rescues()).isEqualTo(before);
            disk.close();
        });
    }
}
