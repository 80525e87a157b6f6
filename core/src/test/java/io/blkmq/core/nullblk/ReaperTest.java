package io.blkmq.core.nullblk;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class ReaperTest {
    @Test
    void anErrorEndsNeitherTheThreadNorWhatStandsBehindIt() throws Exception {
        try (Disk disk = NullBlk.builder().depth(4).build()) {
            CompletionLists lists = new CompletionLists(1, 64) {
            };
            Reaper reaper = new Reaper(disk.queue().hardwareContext(0), lists);
            for (int round = 0; round < 3; round++) {
                // There are no such tags: each fails.
                lists.link(61, 60);
                lists.link(62, 61);
                lists.pushForReaper(0, 62, 60);
                reaper.wake();
                Eventually.until("all were taken", lists::isEmptyForReaper);
            }
            reaper.stop();
            assertThat(lists.isEmptyForReaper()).isTrue();
        }
    }
}
