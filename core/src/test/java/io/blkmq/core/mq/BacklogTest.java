package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.testing.NoRescues;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Bios that wait for a tag without a thread. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class BacklogTest {
    private final Told told = new Told();
    private boolean stopped;

    @ParameterizedTest
    @ValueSource(strings = {"none", "kyber"})
    void theyAreNotOvertakenByWhatCompletionsGoOnSubmitting(String elevator) {
        RecordingDriver driver = new RecordingDriver().depth(1);
        try (Disk disk = driver.disk()) {
            disk.queue().setElevator(elevator);
            int scheduled = elevator.equals("none") ? 1 : disk.queue().nrRequests();
            // Each end submits the next: they always want the tag that has just become free.
            for (int i = 0; i < scheduled; i++) {
                disk.submit(resubmitting(disk, 100L * i));
            }
            // And once, one more.
            Bio waits = told.read(7);
            disk.submit(told.read(50).flags(Bio.NOWAIT));
            assertThat(told.ends()).as("there is no tag").containsExactly("READ 50 AGAIN");
            boolean[] submitted = {false};
            for (int round = 0; round < 3 * scheduled + 3 && told.count() == 0; round++) {
                Trampoline batch = Trampoline.enter();
                try {
                    driver.complete(Status.OK);
                    if (!submitted[0]) {
                        submitted[0] = true;
                        disk.submit(waits);
                    }
                } finally {
                    batch.leave();
                }
            }
            stopped = true;
            driver.completeAll();
            assertThat(told.ends()).startsWith("READ 7 OK");
        }
    }

    private Bio resubmitting(Disk disk, long sector) {
        Bio bio = told.bio(Operation.READ, sector);
        return bio.onEnd(_ -> {
            if (!stopped) {
                disk.submit(resubmitting(disk, sector));
            }
        });
    }
}
