package io.blkmq.tools.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.tools.job.UsageException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class WindowTest {
    private static final int DEPTH = 4;
    private static final String JOB = "[a]\nsize=1m\nfilename=d\niodepth=" + DEPTH + '\n';

    private static List<IoSlot> submit(Window window, int operations) {
        List<IoSlot> slots = new ArrayList<>();
        try (Plug plug = window.plug()) {
            for (int i = 0; i < operations; i++) {
                IoSlot slot = window.take();
                slot.aim(Operation.READ, 4096L * i, 4096);
                slot.startNanos = System.nanoTime();
                slot.issueNanos = slot.startNanos;
                slots.add(slot);
                window.submit(plug, slot);
            }
        }
        return slots;
    }

    /** All have ended on the device when the first is reaped; the time of the others goes on. */
    @ParameterizedTest
    @ValueSource(strings = {"d=null:1m", "d=null:1m,reaper"})
    void anOperationEndsWhenItIsReaped(String device) throws UsageException {
        try (RunFixture fixture = RunFixture.open(JOB, device)) {
            Window window = fixture.window();
            for (int round = 0; round < 3; round++) {
                List<IoSlot> slots = submit(window, DEPTH);
                long unset = System.nanoTime() - 1;
                slots.forEach(slot -> slot.endNanos = unset);
                for (int i = 0; i < DEPTH; i++) {
                    long before = System.nanoTime();
                    window.reap(1, 1);
                    assertThat(window.freeCount()).isEqualTo(i + 1);
                    assertThat(slots).filteredOn(slot -> slot.endNanos - before >= 0).hasSize(1);
                    assertThat(slots).filteredOn(slot -> slot.endNanos != unset).hasSize(i + 1);
                }
            }
        }
    }

    /** None waits while younger ones are reaped. */
    @Test
    void theOldestIsReapedFirst() throws UsageException {
        try (RunFixture fixture = RunFixture.open(JOB, "d=null:1m")) {
            Window window = fixture.window();
            List<IoSlot> slots = submit(window, DEPTH);
            for (int i = 0; i < 10 * DEPTH; i++) {
                IoSlot oldest = slots.removeFirst();
                oldest.endNanos = oldest.startNanos - 1;
                window.reap(1, 1);
                assertThat(oldest.endNanos).isGreaterThanOrEqualTo(oldest.startNanos);
                slots.addAll(submit(window, 1));
            }
            window.reap(DEPTH, Integer.MAX_VALUE);
            assertThat(window.inFlight()).isZero();
        }
    }

    /** As many as are waited for, unless the job says otherwise; fio does so, too. */
    @ParameterizedTest
    @CsvSource({"'', 1", "iodepth_batch_complete_min=0, 1", "iodepth_batch_complete_min=3, 3",
            "iodepth_batch_complete_max=0, 1", "iodepth_batch_complete_max=2, 2"})
    void soManyAreReapedTogether(String keys, int most) throws UsageException {
        try (RunFixture fixture = RunFixture.open(JOB + keys + '\n', "d=null:1m")) {
            assertThat(fixture.workload().completeMax()).isEqualTo(most);
        }
    }

    /** It learns of all when it looks. */
    @Test
    void whoReapsAllHasTheTimeOfTheLook() throws UsageException {
        try (RunFixture fixture = RunFixture.open(JOB + "iodepth_batch_complete_max=" + DEPTH + '\n', "d=null:1m")) {
            Window window = fixture.window();
            List<IoSlot> slots = submit(window, DEPTH);
            window.reap(1, DEPTH);
            assertThat(window.freeCount()).isEqualTo(DEPTH);
            assertThat(slots).extracting(slot -> slot.endNanos).containsOnly(slots.getFirst().endNanos);
        }
    }
}
