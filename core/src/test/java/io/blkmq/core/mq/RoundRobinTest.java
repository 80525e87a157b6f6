package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Disk;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Tags that go out in turn. */
@NoRescues
class RoundRobinTest {
    private final Told told = new Told();
    private final RecordingDriver driver = new RecordingDriver().depth(6).reservedTags(1);
    private final TagSet set = driver.tagSet(builder -> builder.flag(TagSet.Flag.ROUND_ROBIN));

    @Test
    void tagsAscendAndWrapAlsoThroughAPlug() {
        try (Disk disk = Disk.of(driver.queue(set, "q"), set); Plug plug = disk.plug().expecting(2)) {
            List<Integer> tags = new ArrayList<>();
            for (int i = 0; i < 12; i++) {
                if (i % 2 == 0) {
                    disk.submit(told.read(i));
                } else {
                    plug.submit(told.read(i));
                    plug.flush();
                }
                tags.add(driver.inFlight().getFirst().tag());
                driver.completeAll();
            }
            assertThat(tags).containsExactly(1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2);
        }
    }

    @Test
    void aTagThatIsHeldIsPassedOver() {
        try (Disk disk = Disk.of(driver.queue(set, "q"), set)) {
            told.submitReads(disk, 0, 5);
            Request kept = driver.inFlight().get(2);
            for (Request rq : driver.inFlight()) {
                if (rq != kept) {
                    driver.complete(rq, Status.OK);
                }
            }
            told.submitReads(disk, 0, 4);
            assertThat(driver.inFlight()).extracting(Request::tag).containsExactly(3, 1, 2, 4, 5);
            driver.completeAll();
        }
    }
}
