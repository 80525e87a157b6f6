package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.driver.Request;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** An error in a thread of the engine keeps nothing else from being served. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class ServingThreadsTest {
    private static final IoRuntime RUNTIME = IoRuntime.system();

    @Test
    void anAgentThatFailsIsWokenLaterForWhatItHasLeft() {
        AtomicInteger served = new AtomicInteger();
        AtomicInteger later = new AtomicInteger();
        DispatchAgent agent = new DispatchAgent(RUNTIME, "failing", () -> {
            if (served.incrementAndGet() == 1) {
                throw new AssertionError("on purpose");
            }
        }, later::incrementAndGet);
        agent.wake();
        Eventually.until("it is to be woken", () -> later.get() == 1);
        agent.wake();
        Eventually.until("it serves", () -> served.get() >= 2);
        assertThat(later).hasValue(1);
        agent.stop();
    }

    @Test
    void aCompletionThatFailsKeepsNoneBehindItFromItsSubmitter() {
        RecordingDriver driver = new RecordingDriver().runtime(RUNTIME);
        Told told = new Told();
        try (Disk disk = driver.disk()) {
            for (int i = 0; i < 3; i++) {
                disk.submit(told.read(8L * i));
            }
            List<Request> requests = driver.inFlight();
            List<Request> completed = new CopyOnWriteArrayList<>();
            CompletionRelay relay = new CompletionRelay(RUNTIME, "relayed", 0, rq -> {
                completed.add(rq);
                if (completed.size() == 1) {
                    throw new AssertionError("on purpose");
                }
            });
            // At once: the drain begins after the last.
            relay.useExecutor(drain -> {
                if (completed.isEmpty()) {
                    relay.useExecutor(null);
                    requests.subList(1, 3).forEach(rq -> relay.push((TagRequest) rq));
                    drain.run();
                }
            });
            relay.push((TagRequest) requests.get(0));
            Eventually.until("all are completed", () -> completed.size() == 3);
            assertThat(completed).containsExactlyInAnyOrderElementsOf(requests);
            relay.stop();
            driver.completeAll();
        }
    }
}
