package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.Simulation;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.NoRescues;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Calls that nobody made are counted, and made up for by the timer. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues(but = "the test forgets a call")
class RescuesTest {
    private final Told told = new Told();

    @Test
    void whatNobodyAsksForIsFoundByTheTimerAndCounted() {
        Simulation.run(RescuesTest.class, runtime -> {
            Disk disk = new RecordingDriver().runtime(runtime).completesAtOnce().disk();
            disk.queue().setElevator("mq-deadline");
            HardwareContext hctx = disk.queue().hardwareContext(0);
            long tickNanos = Inside.of(disk.queue()).timeouts().tickNanos();
            hctx.stop();
            disk.submit(told.read(1));
            runtime.sleep(5 * tickNanos);
            long before = Rescues.count();
            assertThat(told.count()).isZero();
            // Whoever ends the hold would have to run the context.
            Inside.of(hctx).list().letGo();
            runtime.sleep(4 * tickNanos);
            assertThat(told.ends()).containsExactly(Told.ok(1));
            assertThat(Rescues.count() - before).isEqualTo(1);
            disk.close();
        });
    }

    @Test
    void whatALateThreadIsAboutToAskForGoesOnAndIsNotCounted() {
        Simulation.run(RescuesTest.class, runtime -> {
            Disk disk = new RecordingDriver().runtime(runtime).completesAtOnce().disk();
            disk.queue().setElevator("mq-deadline");
            HardwareContext hctx = disk.queue().hardwareContext(0);
            long tickNanos = Inside.of(disk.queue()).timeouts().tickNanos();
            hctx.stop();
            disk.submit(told.read(1));
            long before = Rescues.count();
            Thread late = runtime.spawn("late", () -> {
                try (CompletionBatch _ = CompletionBatch.open()) {
                    Inside.of(hctx).list().letGo();
                    runtime.sleep(5 * tickNanos);
                    assertThat(told.ends()).containsExactly(Told.ok(1));
                    hctx.run();
                }
            });
            runtime.join(late);
            assertThat(Rescues.count()).isEqualTo(before);
            disk.close();
        });
    }

    /** The agent has been called, and is still with the driver for a request that has ended. */
    @Test
    void whatALateAgentIsGoingToAskForIsNotCounted() {
        Simulation.run(RescuesTest.class, runtime -> {
            AtomicLong stayNanos = new AtomicLong();
            RecordingDriver slow = new RecordingDriver() {
                @Override
                public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
                    Status status = super.queueRq(hctx, rq, last);
                    runtime.sleep(stayNanos.getAndSet(0));
                    return status;
                }
            };
            TagSet set = slow.runtime(runtime).completesAtOnce().tagSet(tags -> tags.flag(TagSet.Flag.BLOCKING));
            RequestQueue queue = slow.queue(set, "slow");
            queue.setElevator("mq-deadline");
            long tickNanos = Inside.of(queue).timeouts().tickNanos();
            long before = Rescues.count();
            stayNanos.set(8 * tickNanos);
            queue.submit(told.read(1));
            runtime.sleep(tickNanos);
            assertThat(told.ends()).containsExactly(Told.ok(1));
            queue.submit(told.read(2));
            runtime.sleep(6 * tickNanos);
            assertThat(told.count()).as("ends while the agent has not come back").isZero();
            runtime.sleep(2 * tickNanos);
            assertThat(told.ends()).containsExactly(Told.ok(2));
            assertThat(Rescues.count()).isEqualTo(before);
            queue.close();
            set.close();
        });
    }

    @Test
    void whatIsHeldIsNotRescued() {
        Simulation.run(RescuesTest.class, runtime -> {
            Disk disk = new RecordingDriver().runtime(runtime).completesAtOnce().disk();
            disk.queue().setElevator("mq-deadline");
            long before = Rescues.count();
            disk.queue().hardwareContext(0).stop();
            disk.submit(told.read(1));
            runtime.sleep(20 * Inside.of(disk.queue()).timeouts().tickNanos());
            disk.queue().hardwareContext(0).start();
            assertThat(told.ends()).containsExactly(Told.ok(1));
            assertThat(Rescues.count()).isEqualTo(before);
            disk.close();
        });
    }
}
