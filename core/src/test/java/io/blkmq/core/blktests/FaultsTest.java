package io.blkmq.core.blktests;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.HeldTags;
import io.blkmq.core.Status;
import io.blkmq.core.nullblk.Injection;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.SimulationOptions;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Requests that get lost or come back. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class FaultsTest {
    private final long seed = RandomSeed.of(FaultsTest.class);

    @Test
    @DisplayName("block/014 injected time-outs end their bios with TIMEOUT and nobody else's, in every mode")
    void injectedTimeOuts() {
        for (Completion completion : Completion.values()) {
            for (int round = 0; round < 5; round++) {
                timeOuts(completion, seed + round);
            }
        }
    }

    private static void timeOuts(Completion completion, long ofRound) {
        var _ = DeterministicRuntime.run(ofRound,
                SimulationOptions.DEFAULT.withReplay(RandomSeed.replay(FaultsTest.class, ofRound)), runtime -> {
                    Injection lost = Injection.seeded(ofRound).set(0.1, 20);
                    Disk disk = NullBlk.builder().completion(completion).depth(8).hardwareQueues(2).injectTimeouts(lost)
                            .runtime(runtime).build();
                    Load load = new Load(disk, ofRound);
                    List<Thread> threads = new ArrayList<>();
                    for (int i = 0; i < 3; i++) {
                        threads.add(runtime.spawn("submitter-" + i, () -> load.work(60)));
                    }
                    threads.forEach(runtime::join);
                    disk.close();
                    load.check();
                    load.assertOnly(Status.OK, Status.TIMEOUT);
                    assertThat(load.ended(Status.TIMEOUT)).isEqualTo(lost.struck()).isPositive();
                    assertThat(disk.queue().strayCompletions()).isZero();
                });
    }

    @Test
    @DisplayName("block/015 injected requeues: every request is carried out in the end, under real load")
    void injectedRequeues() throws IOException {
        for (Completion completion : Completion.values()) {
            Injection back = Injection.seeded(seed).set(0.1, Long.MAX_VALUE);
            try (Disk disk = NullBlk.builder().completion(completion).depth(8).hardwareQueues(2).completionNanos(1_000)
                    .injectRequeues(back).build()) {
                Load load = new Load(disk, seed).start(3).awaitProgress(500);
                load.stop();
                load.assertOnly(Status.OK);
                assertThat(back.struck()).isPositive();
                HeldTags.awaitNone(disk);
                assertThat(disk.queue().strayCompletions()).isZero();
            }
        }
    }
}
