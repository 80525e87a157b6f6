package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.IoGroup;
import io.blkmq.core.IoPriority;
import io.blkmq.core.ManualRuntime;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.WriteLifetime;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Neighbours in one request: with the plug, on the dispatch list, and with an elevator. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class MergeTest {
    private final RecordingDriver driver = new RecordingDriver().runtime(new ManualRuntime());
    private final List<String> ends = new ArrayList<>();
    private final IoBuffer buffer = IoBuffer.allocate(1 << 20);

    @AfterEach
    void driverWasGivenNothingWrong() {
        assertThat(driver.violations()).isEmpty();
        buffer.close();
    }

    private Disk disk() {
        return disk(set -> set);
    }

    private Disk disk(UnaryOperator<TagSet.Builder> more) {
        TagSet set = driver.tagSet(builder -> more.apply(builder.flag(TagSet.Flag.MERGE)));
        return Disk.of(driver.queue(set, "merge0"), set);
    }

    private Bio bio(Operation operation, long sector, int sectors) {
        MemorySegment memory = buffer.memory().asSlice(sector * 512, sectors * 512L);
        return new Bio().reset(operation, sector).add(memory).onEnd(b -> ends.add(sector + " " + b.status()));
    }

    private Bio read(long sector) {
        return bio(Operation.READ, sector, 1);
    }

    private Bio write(long sector) {
        return bio(Operation.WRITE, sector, 1);
    }

    private List<String> inFlight() {
        return driver.inFlight().stream().map(rq -> rq.operation() + " " + rq.sector() + "+" + rq.bytes() / 512)
                .toList();
    }

    private void plugged(Disk disk, Bio... bios) {
        try (Plug plug = disk.plug()) {
            for (Bio bio : bios) {
                plug.submit(bio);
            }
        }
    }

    // ---- flags that mean nothing

    @Test
    void withoutAWriteCacheAWriteWithFuaOrPreflushIsOneLikeAnyOther() {
        try (Disk disk = disk()) {
            plugged(disk, write(1), write(2).flags(Bio.FUA), write(3).flags(Bio.PREFLUSH | Bio.FUA), write(4));
            assertThat(inFlight()).containsExactly("WRITE 1+4");
            assertThat(driver.inFlight().getFirst().flags()).isZero();
            driver.completeAll();
            HardwareContext hctx = disk.queue().hardwareContext(0);
            hctx.stop();
            disk.submit(write(11).flags(Bio.FUA));
            disk.submit(write(10).flags(Bio.PREFLUSH));
            hctx.start();
            assertThat(inFlight()).containsExactly("WRITE 10+2");
            driver.completeAll();
        }
    }

    // ---- with the plug

    @Test
    void whatFollowsJoinsAtTheEndAndWhatPrecedesAtTheBeginning() {
        try (Disk disk = disk()) {
            plugged(disk, read(10), read(11), read(9));
            assertThat(inFlight()).containsExactly("READ 9+3");
            assertThat(disk.statistics().merges(IoGroup.READ)).isEqualTo(2);
            assertThat(disk.queue().heldTags()).isOne();
            driver.completeAll();
            assertThat(ends).containsExactly("9 OK", "10 OK", "11 OK");
        }
    }

    @Test
    void eachBioGetsItsOwnPartOfTheData() {
        try (Disk disk = disk()) {
            for (int i = 0; i < 4096; i++) {
                driver.data()[i] = (byte) (i / 512 + 1);
            }
            plugged(disk, read(3), read(4), read(2), read(5));
            assertThat(inFlight()).containsExactly("READ 2+4");
            driver.completeAll();
            for (int sector = 2; sector < 6; sector++) {
                assertThat(buffer.memory().get(java.lang.foreign.ValueLayout.JAVA_BYTE, sector * 512L))
                        .isEqualTo((byte) (sector + 1));
            }
        }
    }

    @Test
    void anErrorOfTheRequestIsTheErrorOfEachOfItsBios() {
        try (Disk disk = disk()) {
            plugged(disk, write(10), write(11));
            driver.complete(Status.IOERR);
            assertThat(ends).containsExactly("10 IOERR", "11 IOERR");
        }
    }

    @Test
    void biosEndOneByOneWhereTheRequestDoes() {
        try (Disk disk = disk()) {
            driver.answerBy(rq -> {
                rq.complete(Status.OK);
                return Status.OK;
            });
            plugged(disk, read(0), read(1), read(2));
            assertThat(ends).containsExactly("0 OK", "1 OK", "2 OK");
        }
    }

    @Test
    void whatDiffersStaysApart() {
        try (Disk disk = disk()) {
            plugged(disk, read(1), write(2));
            plugged(disk, read(11), read(12).flags(Bio.NOMERGE));
            plugged(disk, read(21).flags(Bio.NOMERGE), read(22));
            plugged(disk, write(31), write(32).flags(Bio.SYNC));
            plugged(disk, read(41), read(42).priority(IoPriority.of(IoPriority.IoClass.REAL_TIME, 0)));
            plugged(disk, write(51), write(52).lifetime(WriteLifetime.SHORT));
            plugged(disk, read(61), read(63));
            assertThat(driver.inFlight()).hasSize(14).allMatch(rq -> rq.bytes() == 512);
            driver.completeAll();
        }
    }

    @Test
    void durableWritesStayApart() {
        driver.limits(limits -> limits.writeCache(true, true));
        try (Disk disk = disk()) {
            plugged(disk, write(1), write(2).flags(Bio.FUA), write(3));
            assertThat(driver.inFlight()).hasSize(3).allMatch(rq -> rq.bytes() == 512);
            driver.completeAll();
        }
    }

    @Test
    void aTagSetThatDoesNotAskForItGetsNoMerges() {
        try (Disk disk = driver.disk()) {
            plugged(disk, read(1), read(2));
            assertThat(inFlight()).containsExactly("READ 1+1", "READ 2+1");
            driver.completeAll();
        }
    }

    @Test
    void aRequestGrowsUpToEachLimitAndNoFurther() {
        driver.limits(limits -> limits.requestBytesMax(2048));
        try (Disk disk = disk()) {
            plugged(disk, read(0), read(1), read(2), read(3), read(4));
            assertThat(inFlight()).containsExactly("READ 0+4", "READ 4+1");
            driver.completeAll();
        }
    }

    @Test
    void aRequestHasNoMoreSegmentsThanTheDeviceTakes() {
        driver.limits(limits -> limits.segmentsMax(3));
        try (Disk disk = disk()) {
            plugged(disk, read(0), read(1), read(2), read(3));
            assertThat(inFlight()).containsExactly("READ 0+3", "READ 3+1");
            driver.completeAll();
        }
    }

    @Test
    void aRequestDoesNotCrossAChunk() {
        driver.limits(limits -> limits.chunkBytes(4096));
        try (Disk disk = disk()) {
            plugged(disk, read(6), read(7), read(8));
            plugged(disk, read(24), read(23));
            assertThat(inFlight()).containsExactly("READ 6+2", "READ 8+1", "READ 24+1", "READ 23+1");
            driver.completeAll();
        }
    }

    @Test
    void memoryThatDoesNotMeetAtTheVirtualBoundaryStaysApart() {
        driver.limits(limits -> limits.virtualBoundaryBytes(4096));
        try (Disk disk = disk()) {
            plugged(disk, bio(Operation.READ, 0, 8), bio(Operation.READ, 8, 8), bio(Operation.READ, 16, 1), read(17));
            assertThat(inFlight()).containsExactly("READ 0+17", "READ 17+1");
            driver.completeAll();
        }
    }

    @Test
    void discardsJoinWhereTheDeviceTakesSeveralRanges() {
        driver.limits(limits -> limits.discardBytesMax(1 << 20).discardRangesMax(3));
        try (Disk disk = disk()) {
            plugged(disk, discard(0), discard(8), discard(16), discard(24));
            assertThat(inFlight()).containsExactly("DISCARD 0+24", "DISCARD 24+8");
            assertThat(disk.statistics().merges(IoGroup.DISCARD)).isEqualTo(2);
            driver.completeAll();
            assertThat(ends).containsExactly("0 OK", "8 OK", "16 OK", "24 OK");
        }
    }

    @Test
    void discardsStayApartWhereItTakesOne() {
        driver.limits(limits -> limits.discardBytesMax(1 << 20));
        try (Disk disk = disk()) {
            plugged(disk, discard(0), discard(8));
            assertThat(inFlight()).containsExactly("DISCARD 0+8", "DISCARD 8+8");
            driver.completeAll();
        }
    }

    private Bio discard(long sector) {
        return new Bio(0).reset(Operation.DISCARD, sector).length(4096).onEnd(b -> ends.add(sector + " " + b.status()));
    }

    @Test
    void aPlugGoesDownBeforeTheNextRequestOnceOneHasGrownTo128KiB() {
        try (Disk disk = disk(); Plug plug = disk.plug()) {
            for (int i = 0; i < 32; i++) {
                plug.submit(bio(Operation.WRITE, i * 8L, 8));
            }
            assertThat(inFlight()).isEmpty();
            plug.submit(bio(Operation.WRITE, 256, 8));
            assertThat(inFlight()).as("it still grows").isEmpty();
            plug.submit(bio(Operation.WRITE, 1000, 8));
            assertThat(inFlight()).containsExactly("WRITE 0+264");
            plug.flush();
            assertThat(inFlight()).containsExactly("WRITE 0+264", "WRITE 1000+8");
            driver.completeAll();
        }
    }

    // ---- on the dispatch list

    @Test
    void whatWaitsBehindAStoppedContextGrows() {
        try (Disk disk = disk()) {
            HardwareContext hctx = disk.queue().hardwareContext(0);
            hctx.stop();
            disk.submit(write(10));
            disk.submit(write(20));
            disk.submit(write(11));
            disk.submit(write(19));
            hctx.start();
            assertThat(inFlight()).containsExactly("WRITE 10+2", "WRITE 19+2");
            driver.completeAll();
        }
    }

    @Test
    void whatTheDriverHasHadStaysAsItIs() {
        try (Disk disk = disk()) {
            driver.answer(Status.RESOURCE);
            disk.submit(write(10));
            disk.submit(write(11));
            disk.queue().hardwareContext(0).run();
            assertThat(inFlight()).containsExactly("WRITE 10+1", "WRITE 11+1");
            driver.completeAll();
        }
    }

    @Test
    void withoutMergesEachStaysByItself() {
        try (Disk disk = disk()) {
            disk.queue().setNomerges(2);
            plugged(disk, read(1), read(2));
            assertThat(inFlight()).containsExactly("READ 1+1", "READ 2+1");
            driver.completeAll();
        }
    }

    @Test
    void withSimpleMergesAloneOnlyTheNewestIsLookedAt() {
        try (Disk disk = disk()) {
            disk.queue().setNomerges(1);
            HardwareContext hctx = disk.queue().hardwareContext(0);
            hctx.stop();
            disk.submit(write(10));
            disk.submit(write(11));
            disk.submit(write(20));
            disk.submit(write(12));
            hctx.start();
            assertThat(inFlight()).containsExactly("WRITE 10+2", "WRITE 20+1", "WRITE 12+1");
            driver.completeAll();
        }
    }

    @Test
    void otherLevelsOfNomergesAreRefused() {
        try (Disk disk = disk()) {
            assertThatIllegalArgumentException().isThrownBy(() -> disk.queue().setNomerges(3))
                    .withMessageContaining("nomerges 3: 0, 1 and 2 are possible");
        }
    }

    // ---- with an elevator

    @ParameterizedTest
    @ValueSource(strings = {"mq-deadline", "kyber"})
    void whatWaitsInAnElevatorGrowsAtBothEndsAndGrowsTogether(String elevator) {
        try (Disk disk = disk()) {
            disk.queue().setElevator(elevator);
            HardwareContext hctx = disk.queue().hardwareContext(0);
            hctx.stop();
            disk.submit(write(10));
            disk.submit(write(11));
            disk.submit(write(9));
            disk.submit(write(13));
            assertThat(disk.statistics().merges(IoGroup.WRITE)).isEqualTo(2);
            disk.submit(write(12));
            // The last one as a bio, and then the one behind as a request.
            assertThat(disk.statistics().merges(IoGroup.WRITE)).isEqualTo(4);
            assertThat(disk.queue().heldTags()).as("tags of the driver's").isZero();
            hctx.start();
            assertThat(inFlight()).containsExactly("WRITE 9+5");
            driver.completeAll();
            assertThat(ends).containsExactly("9 OK", "10 OK", "11 OK", "12 OK", "13 OK");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mq-deadline", "kyber"})
    void requestsOfAPlugJoinThoseThatWait(String elevator) {
        try (Disk disk = disk()) {
            disk.queue().setElevator(elevator);
            HardwareContext hctx = disk.queue().hardwareContext(0);
            hctx.stop();
            plugged(disk, write(10), write(30), write(11));
            plugged(disk, write(31), write(12), write(32));
            hctx.start();
            assertThat(inFlight()).containsExactlyInAnyOrder("WRITE 10+3", "WRITE 30+3");
            driver.completeAll();
            assertThat(ends).hasSize(6);
        }
    }
}
