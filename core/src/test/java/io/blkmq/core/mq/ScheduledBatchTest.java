package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.IoPriority;
import io.blkmq.core.IoPriority.IoClass;
import io.blkmq.core.ManualRuntime;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.NoRescues;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What an elevator gives out in one go, on its way to the driver. */
@NoRescues
class ScheduledBatchTest {
    private final Told told = new Told();

    /** A driver that takes batches whole, or so much of them, and records them. */
    private static final class Whole extends RecordingDriver {
        final List<String> batches = new ArrayList<>();
        int most = Integer.MAX_VALUE;

        @Override
        public int queueRqs(HardwareContext hctx, RequestBatch batch) {
            int taken = Math.min(most, batch.size());
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < batch.size(); i++) {
                assertThat(batch.request(i).softwareContext()).isSameAs(batch.request(0).softwareContext());
                text.append(i == 0 ? "" : ", ").append(batch.request(i).sector());
                if (i < taken) {
                    queueRq(hctx, batch.request(i), i == taken - 1);
                }
            }
            batches.add(text.toString());
            return taken;
        }
    }

    private static Disk scheduled(RecordingDriver driver, String elevator) {
        Disk disk = driver.disk();
        disk.queue().setElevator(elevator);
        return disk;
    }

    private void read(Disk disk, int context, long... sectors) {
        try (Plug plug = disk.plug(context)) {
            for (long sector : sectors) {
                plug.submit(told.read(sector));
            }
        }
    }

    /** So many pass that the elevator is asked for a whole batch from here on. */
    private void warmUp(Disk disk, RecordingDriver driver) {
        for (int i = 0; i < 4; i++) {
            read(disk, 0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1200, 1300, 1400, 1500, 1600);
            driver.completeAll();
        }
        driver.log();
    }

    @ParameterizedTest
    @ValueSource(strings = {"mq-deadline", "kyber"})
    void whatIsLeftWaitsWhenTheDriverStopsItsContextInTheMiddle(String elevator) {
        RecordingDriver driver = new RecordingDriver().runtime(new ManualRuntime());
        try (Disk disk = scheduled(driver, elevator)) {
            warmUp(disk, driver);
            HardwareContext hctx = disk.queue().hardwareContext(0);
            driver.answerBy(_ -> {
                hctx.stop();
                return Status.OK;
            });
            read(disk, 0, 0, 10, 20, 30, 40, 50, 60, 70);
            assertThat(driver.log()).containsExactly("READ 0 more", "commit");
            hctx.start();
            assertThat(driver.log()).containsExactly("READ 10 more", "READ 20 more", "READ 30 more", "READ 40 more",
                    "READ 50 more", "READ 60 more", "READ 70");
            assertThat(driver.completeAll()).isEqualTo(8);
        }
    }

    @Test
    void whatTheDriverRefusesGoesFirstAndInOrder() {
        RecordingDriver driver = new RecordingDriver().runtime(new ManualRuntime());
        try (Disk disk = scheduled(driver, "mq-deadline")) {
            warmUp(disk, driver);
            driver.answer(Status.OK).answer(Status.OK).answer(Status.RESOURCE);
            read(disk, 0, 10, 20, 30, 40, 50);
            assertThat(driver.log()).containsExactly("READ 10 more", "READ 20 more", "READ 30 more", "commit");
            disk.submit(told.read(5));
            driver.completeAll();
            driver.completeAll();
            assertThat(driver.log()).startsWith("READ 30 more", "READ 40 more", "READ 50 more").contains("READ 5");
            driver.completeAll();
            assertThat(told.count()).isEqualTo(4 * 16 + 6);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3, Integer.MAX_VALUE})
    void aDriverIsShownTheRequestsOfOneSoftwareContextAtATime(int taken) {
        Whole driver = new Whole();
        driver.runtime(new ManualRuntime());
        driver.most = taken;
        try (Disk disk = scheduled(driver, "kyber")) {
            warmUp(disk, driver);
            driver.batches.clear();
            HardwareContext hctx = disk.queue().hardwareContext(0);
            hctx.stop();
            read(disk, 0, 10, 20, 30, 40);
            read(disk, 1, 50, 60, 70);
            hctx.start();
            if (disk.queue().contexts() > 1) {
                assertThat(driver.batches).containsExactly("10, 20, 30, 40", "50, 60, 70");
            }
            assertThat(driver.log()).filteredOn(line -> !line.equals("commit"))
                    .extracting(line -> line.replace(" more", ""))
                    .containsExactly("READ 10", "READ 20", "READ 30", "READ 40", "READ 50", "READ 60", "READ 70");
            assertThat(driver.completeAll()).isEqualTo(7);
            assertThat(driver.violations()).isEmpty();
        }
    }

    @Test
    void tagsThatNothingWasGivenOutForAreFreeAgain() {
        RecordingDriver driver = new RecordingDriver().runtime(new ManualRuntime());
        try (Disk disk = scheduled(driver, "mq-deadline")) {
            warmUp(disk, driver);
            DispatchContext hctx = Inside.of(disk.queue().hardwareContext(0));
            hctx.stop();
            for (int i = 0; i < 8; i++) {
                Bio bio = told.read(10L * i);
                disk.submit(i < 3 ? bio.priority(IoPriority.of(IoClass.REAL_TIME, 0)) : bio);
            }
            hctx.start();
            assertThat(driver.log()).as("the others wait for the end of the first").containsExactly("READ 0 more",
                    "READ 10 more", "READ 20 more", "commit");
            assertThat(hctx.tags.heldCount()).isEqualTo(3);
            assertThat(driver.completeAll()).isEqualTo(8);
            assertThat(hctx.tags.heldCount()).isZero();
            assertThat(told.count()).isEqualTo(4 * 16 + 8);
        }
    }

    @Test
    void whatIsDeadEndsThatWasInHand() {
        RecordingDriver driver = new RecordingDriver().runtime(new ManualRuntime());
        Disk disk = scheduled(driver, "mq-deadline");
        warmUp(disk, driver);
        driver.answerBy(_ -> {
            disk.queue().markDead();
            return Status.OK;
        });
        read(disk, 0, 0, 10, 20, 30);
        assertThat(driver.log()).containsExactly("READ 0 more", "commit");
        assertThat(driver.completeAll()).isEqualTo(1);
        assertThat(told.ends()).filteredOn(end -> end.endsWith("NODEV")).hasSize(3);
        disk.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"mq-deadline", "kyber"})
    void whatHasGrownIsFoundAtItsNewEnds(String elevator) {
        RecordingDriver driver = new RecordingDriver().runtime(new ManualRuntime());
        TagSet set = driver.tagSet(builder -> builder.flag(TagSet.Flag.MERGE));
        try (Disk disk = Disk.of(driver.queue(set, "merging"), set)) {
            disk.queue().setElevator(elevator);
            HardwareContext hctx = disk.queue().hardwareContext(0);
            hctx.stop();
            for (long sector : new long[]{10, 11, 12, 13, 9, 8, 7, 14, 6}) {
                disk.submit(told.read(sector));
            }
            hctx.start();
            assertThat(driver.inFlight()).singleElement().satisfies(rq -> assertThat(rq.sector()).isEqualTo(6))
                    .satisfies(rq -> assertThat(rq.bytes()).isEqualTo(9 * 512));
            driver.completeAll();
            assertThat(told.count()).isEqualTo(9);
        }
    }
}
