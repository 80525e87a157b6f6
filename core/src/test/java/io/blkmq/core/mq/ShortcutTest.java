package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.ManualRuntime;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Bios that follow another one through a plug are asked few questions ({@link Shortcut}). Whatever changes between the two, and whatever is special
 * about the second, it fares as it would alone.
 */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class ShortcutTest {
    private final RecordingDriver driver = new RecordingDriver();
    private final Told told = new Told();

    /** A plug that knows its queue and has tags in reserve. */
    private Plug warm(Disk disk) {
        Plug plug = disk.plug().expecting(16);
        plug.submit(told.read(0));
        plug.submit(told.read(100));
        assertThat(disk.queue().heldTags()).isEqualTo(16);
        return plug;
    }

    private static Bio over(MemorySegment memory) {
        return new Bio(1).reset(Operation.READ, 200).add(memory);
    }

    @Test
    void theSecondBioTakesATagInReserveAndComesAfterTheFirst() {
        try (Disk disk = driver.disk(); Plug plug = warm(disk)) {
            plug.submit(told.write(200));
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 0 more", "READ 100 more", "WRITE 200");
            assertThat(disk.queue().heldTags()).isEqualTo(3);
            assertThat(driver.completeAll()).isEqualTo(3);
            assertThat(told.ends()).hasSize(3);
        }
    }

    @Test
    void whatIsWrongWithABioIsToldByNameAndNothingIsLost() {
        try (Disk disk = driver.limits(limits -> limits.logicalBlockBytes(4096)).disk();
                Arena arena = Arena.ofConfined()) {
            long end = disk.sizeBytes() / 512;
            Plug plug = disk.plug().expecting(16);
            MemorySegment page = disk.allocate(4096).memory();
            plug.submit(over(page));
            assertThatIllegalArgumentException().isThrownBy(() -> plug.submit(over(page.asSlice(0, 512))))
                    .withMessageContaining("512 bytes").withMessageContaining("block size of 4096");
            assertThatIllegalArgumentException().isThrownBy(() -> plug.submit(over(page).retarget(Operation.READ, 7)))
                    .withMessageContaining("sector 7");
            assertThatIllegalArgumentException().isThrownBy(() -> plug.submit(over(page).retarget(Operation.READ, -8)))
                    .withMessageContaining("negative sector -8");
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> plug.submit(over(page).retarget(Operation.READ, end)))
                    .withMessageContaining("past the end of the device at sector " + end);
            assertThatIllegalArgumentException().isThrownBy(() -> plug.submit(new Bio(1).reset(Operation.READ, 0)))
                    .withMessageContaining("0 bytes");
            assertThatIllegalArgumentException().isThrownBy(() -> plug.submit(over(arena.allocate(4096, 4096))))
                    .withMessageContaining("confined");
            assertThatIllegalArgumentException().isThrownBy(() -> plug.submit(over(page.asReadOnly())))
                    .withMessageContaining("read-only");
            Bio twice = over(page).retarget(Operation.READ, 64);
            plug.submit(twice);
            assertThatIllegalStateException().isThrownBy(() -> plug.submit(twice)).withMessageContaining("in flight");
            plug.close();
            assertThat(driver.log()).containsExactly("READ 200 more", "READ 64");
            driver.completeAll();
            assertThat(disk.queue().heldTags()).isZero();
            assertThat(driver.violations()).isEmpty();
        }
    }

    @Test
    void aDeviceThatHasBecomeSmallerIsNotReadBeyondItsEnd() {
        try (Disk disk = driver.disk(); Plug plug = warm(disk)) {
            disk.queue().setCapacitySectors(150);
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> plug.submit(told.read(150)));
            plug.submit(told.read(149));
            plug.flush();
            assertThat(driver.completeAll()).isEqualTo(3);
        }
    }

    @Test
    void aDeviceThatHasBecomeReadOnlyTakesNoWrites() {
        try (Disk disk = driver.completesAtOnce().disk(); Plug plug = warm(disk)) {
            plug.flush();
            frozen(disk, limits -> limits.readOnly(true));
            plug.expecting(16);
            plug.submit(told.read(0));
            assertThatThrownBy(() -> plug.submit(told.write(200))).isInstanceOf(UnsupportedOperationException.class)
                    .hasMessageContaining("read-only");
        }
    }

    private static void frozen(Disk disk, UnaryOperator<io.blkmq.core.QueueLimits.Builder> change) {
        disk.queue().freeze();
        disk.queue().setLimits(change.apply(disk.queue().limits().toBuilder()).build());
        disk.queue().unfreeze();
    }

    @Test
    void whatIsTooLongForNewLimitsIsCut() {
        try (Disk disk = driver.completesAtOnce().disk(); Plug plug = warm(disk)) {
            plug.flush();
            frozen(disk, limits -> limits.requestBytesMax(4096));
            driver.log();
            plug.expecting(16);
            plug.submit(told.read(0));
            plug.submit(over(disk.allocate(8192).memory()).onEnd(told));
            plug.flush();
            assertThat(driver.log()).containsExactly("READ 0 more", "READ 200 more", "READ 208");
        }
    }

    @Test
    void memoryThatTheDeviceDoesNotTakeIsCopied() {
        try (Disk disk = driver.limits(limits -> limits.dmaAlignmentBytes(512)).disk();
                Plug plug = warm(disk);
                Arena arena = Arena.ofShared()) {
            plug.submit(over(arena.allocate(512, 512)).onEnd(told));
            plug.submit(new Bio(1).reset(Operation.READ, 300).add(disk.allocate(1024).memory(), 8, 512).onEnd(told));
            plug.flush();
            assertThat(disk.queue().bounces()).isEqualTo(2);
            driver.completeAll();
            assertThat(told.ends()).hasSize(4);
            assertThat(driver.violations()).isEmpty();
        }
    }

    @Test
    void anElevatorThatHasComeSinceGetsTheBios() {
        // Time stands still: what has waited for long would go first.
        driver.runtime(new ManualRuntime());
        try (Disk disk = driver.completesAtOnce().disk(); Plug plug = warm(disk)) {
            plug.flush();
            driver.log();
            disk.queue().setElevator("mq-deadline");
            plug.expecting(16);
            plug.submit(told.read(400));
            plug.submit(told.read(300));
            plug.submit(told.read(200));
            plug.flush();
            // In the order of their sectors: the elevator's.
            assertThat(driver.log()).extracting(line -> line.replace(" more", "")).containsExactly("READ 200",
                    "READ 300", "READ 400");
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    @Test
    void hardwareContextsThatHaveChangedSinceAreUsed() throws IOException {
        TagSet set = driver.hardwareQueues(1).tagSet(builder -> builder.readQueues(0));
        try (Disk disk = Disk.of(driver.queue(set, "rec0"), set); Plug plug = warm(disk)) {
            plug.flush();
            driver.completeAll();
            set.updateHardwareQueues(1, 1, 0);
            plug.expecting(16);
            plug.submit(told.write(0));
            plug.submit(told.read(100));
            plug.flush();
            List<Integer> went = driver.inFlight().stream().map(rq -> rq.hardwareContext().index()).toList();
            driver.completeAll();
            assertThat(went).containsExactly(0, 1);
            assertThat(driver.violations()).isEmpty();
        }
    }

    @Test
    void anObserverThatHasComeSinceSeesTheBios() {
        try (Disk disk = driver.completesAtOnce().disk(); Plug plug = warm(disk)) {
            List<Long> seen = new ArrayList<>();
            disk.queue().addObserver(bio -> {
                seen.add(bio.sector());
                return null;
            });
            plug.submit(told.read(200));
            plug.submit(told.read(300));
            assertThat(seen).containsExactly(200L, 300L);
        }
    }

    @Test
    void aQueueThatEndsTakesNoMore() throws Exception {
        Disk disk = driver.disk();
        Plug plug = warm(disk);
        var closer = Eventually.start(disk::close);
        Eventually.until("the plug is refused", () -> {
            try {
                plug.submit(told.read(200));
                return false;
            } catch (IllegalStateException e) {
                assertThat(e).hasMessageContaining("closed");
                return true;
            }
        });
        plug.close();
        int sent = driver.log().size();
        assertThat(driver.completeAll()).isEqualTo(sent);
        closer.join();
        // Where all tags were taken before the queue ended, a bio stood in line for one, and ends with the queue.
        assertThat(told.ends()).filteredOn(end -> end.endsWith(" OK")).hasSize(sent);
        assertThat(told.ends()).filteredOn(end -> !end.endsWith(" OK")).allMatch(end -> end.endsWith(" NODEV"));
    }

    @Test
    void neighboursMeetAndABioJoinsWhatWaitsForItsContext() throws IOException {
        TagSet set = driver.tagSet(builder -> builder.flag(TagSet.Flag.MERGE));
        try (Disk disk = Disk.of(driver.queue(set, "rec0"), set); Plug plug = disk.plug().expecting(16)) {
            plug.submit(told.read(0));
            plug.submit(told.read(100));
            plug.submit(told.read(101));
            HardwareContext hctx = disk.queue().context(0).hardwareContext();
            hctx.stop();
            disk.submit(told.read(60));
            plug.submit(told.read(61));
            plug.flush();
            hctx.start();
            List<String> went = driver.inFlight().stream().map(rq -> rq.sector() + ": " + rq.bytes()).toList();
            driver.completeAll();
            assertThat(went).containsExactly("60: 1024", "0: 512", "100: 1024");
            assertThat(told.ends()).hasSize(5);
        }
    }

    /** A polled device that one thread may submit to. */
    private static final class Owned extends RecordingDriver {
        private final Thread owner = Thread.currentThread();

        @Override
        public void requireSubmitter(HardwareContext hctx) {
            if (!Thread.currentThread().equals(owner)) {
                throw new WrongThreadException("another's");
            }
        }
    }

    @Test
    void aThreadThatMayNotSubmitIsRefusedAlsoWithTagsInReserve() throws Exception {
        RecordingDriver owned = new Owned().polled();
        try (Disk disk = owned.disk(); Plug plug = warm(disk)) {
            assertThat(Eventually.call(() -> {
                assertThatExceptionOfType(WrongThreadException.class).isThrownBy(() -> plug.submit(told.read(200)));
                return true;
            }).join()).isTrue();
            plug.flush();
            assertThat(owned.log()).containsExactly("READ 0 more", "READ 100");
            disk.poll();
        }
    }
}
