package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Disk;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Tag sets for whose requests there is not enough memory. */
@NoRescues
class DepthHalvingTest {
    private final AtomicInteger alive = new AtomicInteger();
    private int room;
    private final RecordingDriver driver = new RecordingDriver() {
        @Override
        public void initRequest(TagSet set, Request rq, int hctxIndex) {
            if (alive.get() == room) {
                throw new OutOfMemoryError("planted");
            }
            alive.incrementAndGet();
        }

        @Override
        public void exitRequest(TagSet set, Request rq, int hctxIndex) {
            alive.decrementAndGet();
        }
    };

    @Test
    void theDepthIsHalvedUntilTheRequestsFit() throws IOException {
        room = 70;
        TagSet set = TagSet.builder(driver).depth(100).hardwareQueues(2).build();
        assertThat(set.depth()).isEqualTo(25);
        assertThat(set.resizedDepth()).isEqualTo(25);
        assertThat(alive).hasValue(50);
        try (Disk disk = Disk.of(driver.queue(set, "q"), set)) {
            Told told = new Told();
            told.submitReads(disk, 0, 25);
            driver.completeAll();
            assertThat(told.ends()).hasSize(25);
        }
        assertThat(alive).hasValue(0);
    }

    @Test
    void itIsNotMadeIfNotEvenTheReservedTagsAndOneMoreFit() {
        room = 6;
        assertThatThrownBy(() -> TagSet.builder(driver).depth(100).reservedTags(6).build())
                .isInstanceOf(IOException.class)
                .hasMessageContaining("depth 100 with 6 reserved, nor of any smaller depth tried");
        assertThat(alive).hasValue(0);
    }

    @Test
    void anUpdateThatFindsNoMemoryLeavesEverythingAsItWas() throws IOException {
        room = 20;
        TagSet set = TagSet.builder(driver).depth(8).build();
        RequestQueue queue = driver.queue(set, "q");
        assertThatThrownBy(() -> set.updateHardwareQueues(4)).isInstanceOf(IOException.class)
                .hasMessageContaining("no memory for the requests of 4 hardware contexts");
        assertThat(set.hardwareQueues()).isOne();
        assertThat(queue.isFrozen()).isFalse();
        assertThat(alive).as("and the flush request").hasValue(9);
        queue.close();
        set.close();
        assertThat(alive).hasValue(0);
    }
}
