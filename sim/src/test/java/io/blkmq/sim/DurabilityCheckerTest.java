package io.blkmq.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class DurabilityCheckerTest {
    private final DurabilityChecker checker = new DurabilityChecker(true, true);

    private DurabilityChecker.Submission writeThatEnds(long sector) {
        DurabilityChecker.Submission write = checker.write(sector, 1, false, false);
        checker.received(sector, 1, false);
        checker.written(sector, 1, false);
        checker.ended(write, true);
        return write;
    }

    @Test
    void aFlushThatBeganAfterTheWritesCoversThem() {
        DurabilityChecker.Submission write = writeThatEnds(1);
        DurabilityChecker.Submission flush = checker.flush();
        long begun = checker.flushBegins();
        assertThat(checker.isStable(write)).isFalse();
        checker.flushed(begun);
        assertThat(checker.isStable(write)).isTrue();
        checker.ended(flush, true);
        assertThat(checker.powerCut()).isZero();
        checker.check();
    }

    @Test
    void aFlushThatBeganBeforeAWriteDoesNotCoverIt() {
        long begun = checker.flushBegins();
        writeThatEnds(1);
        DurabilityChecker.Submission flush = checker.flush();
        checker.flushed(begun);
        checker.ended(flush, true);
        assertThat(checker.violations()).singleElement().asString().isEqualTo(
                "a flush ended, but a write of sectors 1 to 1 that ended before it was submitted is not stable");
        assertThatThrownBy(checker::check).isInstanceOf(AssertionError.class).hasMessageContaining("sectors 1 to 1");
    }

    @Test
    void aWriteThatEndsAfterTheFlushWasSubmittedNeedNotBeCovered() {
        DurabilityChecker.Submission flush = checker.flush();
        long begun = checker.flushBegins();
        writeThatEnds(1);
        checker.flushed(begun);
        checker.ended(flush, true);
        assertThat(checker.powerCut()).as("gone, and rightly so").isEqualTo(1);
        checker.check();
    }

    @Test
    void aFailedFlushCoversNothing() {
        writeThatEnds(1);
        DurabilityChecker.Submission failed = checker.flush();
        checker.flushFailed(checker.flushBegins());
        checker.ended(failed, false);
        checker.check();
        DurabilityChecker.Submission lying = checker.flush();
        checker.ended(lying, true);
        assertThat(checker.violations()).hasSize(1);
    }

    @Test
    void afterAFailedFlushTheNextOneCoversWhatItWasToUnlessThatIsLost() {
        for (boolean losing : new boolean[]{false, true}) {
            DurabilityChecker device = new DurabilityChecker(true, false);
            DurabilityChecker.Submission write = device.write(8, 8, false, false);
            device.written(8, 8, false);
            device.ended(write, true);
            if (losing) {
                device.losesWhatFailsToFlush();
            }
            device.flushFailed(device.flushBegins());
            DurabilityChecker.Submission flush = device.flush();
            device.flushed(device.flushBegins());
            device.ended(flush, true);
            assertThat(device.violations()).hasSize(losing ? 1 : 0);
        }
    }

    /** As a store does that was told of an error. */
    @Test
    void whatWasLostIsRepairedByAnotherWriteAndAFlush() {
        checker.losesWhatFailsToFlush();
        DurabilityChecker.Submission lost = writeThatEnds(1);
        checker.flushFailed(checker.flushBegins());
        DurabilityChecker.Submission again = writeThatEnds(1);
        assertThat(checker.isStable(lost)).isFalse();
        DurabilityChecker.Submission flush = checker.flush();
        checker.flushed(checker.flushBegins());
        checker.ended(flush, true);
        assertThat(checker.isStable(lost)).isTrue();
        assertThat(checker.isStable(again)).isTrue();
        assertThat(checker.powerCut()).isZero();
        checker.check();
    }

    @Test
    void aLostWriteIsRepairedOnlyByWritesOfAllItsSectors() {
        checker.losesWhatFailsToFlush();
        DurabilityChecker.Submission lost = checker.write(0, 4, false, false);
        checker.written(0, 4, false);
        checker.ended(lost, true);
        checker.flushFailed(checker.flushBegins());
        writeThatEnds(0);
        writeThatEnds(3);
        checker.flushed(checker.flushBegins());
        assertThat(checker.isStable(lost)).isFalse();
        DurabilityChecker.Submission early = checker.flush();
        checker.ended(early, true);
        assertThat(checker.violations()).singleElement().asString().contains("write of sectors 0 to 3");
        DurabilityChecker.Submission rest = checker.write(1, 2, false, true);
        checker.written(1, 2, true);
        checker.ended(rest, true);
        assertThat(checker.isStable(lost)).as("by a write through the cache").isTrue();
        DurabilityChecker.Submission late = checker.flush();
        checker.ended(late, true);
        assertThat(checker.violations()).hasSize(1);
    }

    @Test
    void aPreflushWriteReachesTheDriverOnlyWhenWhatEndedBeforeItIsStable() {
        writeThatEnds(1);
        checker.write(2, 1, true, false);
        checker.received(2, 1, false);
        assertThat(checker.violations()).singleElement().asString().contains("was given to the driver");
    }

    @Test
    void aFuaWriteThatEndsIsStableInAllItsParts() {
        DurabilityChecker.Submission write = checker.write(4, 4, false, true);
        checker.received(4, 2, true);
        checker.written(4, 2, true);
        checker.written(6, 2, false);
        assertThat(checker.isStable(write)).isFalse();
        checker.ended(write, true);
        assertThat(checker.violations()).singleElement().asString().contains("2 of its sectors are stable");
        checker.powerCut();
        assertThat(checker.violations()).hasSize(2);
    }

    @Test
    void aFuaWriteMayBeMadeStableByAFlushInstead() {
        DurabilityChecker.Submission write = checker.write(4, 4, false, true);
        checker.written(4, 4, false);
        checker.flushed(checker.flushBegins());
        checker.ended(write, true);
        checker.check();
    }

    @Test
    void aDeviceWithoutFuaIsNeverGivenIt() {
        checker.useCache(true, false);
        checker.write(1, 1, false, true);
        checker.received(1, 1, true);
        assertThat(checker.violations()).hasSize(1);
    }

    @Test
    void whatTheDeviceHasNotWrittenCannotEndWell() {
        DurabilityChecker.Submission write = checker.write(4, 4, false, false);
        checker.written(4, 3, false);
        checker.ended(write, true);
        assertThat(checker.violations()).hasSize(1);
    }

    @Test
    void withoutACacheEverythingIsStableAtOnceAlsoWhatWasCachedBefore() {
        DurabilityChecker.Submission cached = writeThatEnds(1);
        checker.useCache(false, false);
        assertThat(checker.isStable(cached)).isTrue();
        assertThat(checker.isStable(writeThatEnds(2))).isTrue();
        checker.ended(checker.flush(), true);
        checker.check();
    }

    @Test
    void afterAPowerCutNobodyIsOwedWhatHadNotBeenPromised() {
        writeThatEnds(1);
        DurabilityChecker.Submission before = checker.flush();
        assertThat(checker.powerCut()).isEqualTo(1);
        checker.ended(before, true);
        DurabilityChecker.Submission after = checker.flush();
        checker.flushed(checker.flushBegins());
        checker.ended(after, true);
        checker.check();
    }

    @Test
    void writesThatOverlapAreNotUnderWayTogether() {
        DurabilityChecker.Submission write = checker.write(4, 4, false, false);
        assertThatThrownBy(() -> checker.write(7, 1, false, false)).isInstanceOf(IllegalArgumentException.class);
        checker.ended(write, false);
        checker.write(2, 4, false, false);
        assertThatThrownBy(() -> checker.written(5, 2, false)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void whatIsWrittenTwiceCountsOnce() {
        DurabilityChecker.Submission write = checker.write(0, 8, false, true);
        checker.received(0, 8, true);
        checker.written(0, 4, true);
        // The connection was lost, and the driver has sent it again.
        checker.written(0, 4, true);
        assertThat(checker.isStable(write)).isFalse();
        checker.ended(write, true);
        assertThat(checker.violations()).containsExactly(
                "a write of sectors 0 to 7, FUA ended well, but the device has written 4 of its sectors",
                "a write of sectors 0 to 7, FUA ended well, but 4 of its sectors are stable");
    }

    @Test
    void whatAFlushMakesStableTwiceCountsOnce() {
        DurabilityChecker.Submission write = checker.write(0, 8, false, false);
        checker.written(2, 4, false);
        checker.written(4, 2, false);
        checker.written(2, 2, false);
        checker.flushed(checker.flushBegins());
        assertThat(checker.isStable(write)).isFalse();
        checker.written(0, 3, false);
        checker.written(5, 3, false);
        checker.ended(write, true);
        checker.check();
        assertThat(checker.isStable(write)).isFalse();
        checker.flushed(checker.flushBegins());
        assertThat(checker.isStable(write)).isTrue();
    }
}
