package io.blkmq.testkit.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What each fault does to the disk, what its submitter sees, and that it is counted. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class DiskFaultsTest {
    private static final int SECTOR = 512;

    private final SimulatedDisk simulated;
    private final DiskFaults faults;

    DiskFaultsTest() throws IOException {
        simulated = SimulatedDisk.builder().capacityBytes(64 << 10).timeoutNanos(TimeUnit.MILLISECONDS.toNanos(100))
                .build();
        faults = simulated.faults();
    }

    @BeforeEach
    void writeOnesEverywhere() throws IOException {
        simulated.disk().write(0, filled(64 << 10, 1));
        simulated.disk().flush();
    }

    @AfterEach
    void close() {
        simulated.close();
    }

    private static MemorySegment filled(int bytes, int value) {
        byte[] content = new byte[bytes];
        Arrays.fill(content, (byte) value);
        return MemorySegment.ofArray(content);
    }

    /** How something ends. */
    private interface Io {
        void run() throws IOException;
    }

    private static Status status(Io io) {
        try {
            io.run();
            return Status.OK;
        } catch (BlockIOException e) {
            return e.status();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private Status write(long sector, int sectors, int value) {
        return status(() -> simulated.disk().write(sector * SECTOR, filled(sectors * SECTOR, value)));
    }

    private Status readAll() {
        return status(() -> simulated.disk().read(0, filled(SECTOR, 0)));
    }

    private Status flush() {
        return status(simulated.disk()::flush);
    }

    /** The first byte of each of the first sectors. */
    private static List<Integer> sectors(DiskImage image, int count) {
        List<Integer> values = new ArrayList<>();
        for (int sector = 0; sector < count; sector++) {
            values.add((int) image.read((long) sector * SECTOR, 1)[0]);
        }
        return values;
    }

    private List<Integer> now(int count) {
        return sectors(simulated.snapshot(), count);
    }

    private List<Integer> durable(int count) {
        return sectors(simulated.snapshot(PowerCut.ALL_LOST), count);
    }

    private FaultRule strikes(FaultRule rule, long expected) {
        assertThat(faults.struck(rule)).as("strikes of %s", rule).isEqualTo(expected);
        return rule;
    }

    // ---- outcomes

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.EXCLUDE, names = {"OK", "RESOURCE", "DEV_RESOURCE"})
    void anyStatusIsWhatTheSubmitterSeesAndNothingIsDone(Status expected) {
        FaultRule rule = faults.add(FaultRule.always().then(Fault.status(expected)));
        assertThat(write(0, 1, 2)).isEqualTo(expected);
        assertThat(readAll()).isEqualTo(expected);
        assertThat(flush()).isEqualTo(expected);
        assertThat(status(() -> simulated.disk().discard(0, SECTOR))).isEqualTo(expected);
        assertThat(now(1)).containsExactly(1);
        strikes(rule, 4);
    }

    @ParameterizedTest
    @EnumSource(mode = EnumSource.Mode.INCLUDE, names = {"RESOURCE", "DEV_RESOURCE"})
    void aRefusedRequestIsGivenAgain(Status refusal) {
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE).times(3).then(Fault.status(refusal)));
        assertThat(write(0, 1, 2)).isEqualTo(Status.OK);
        assertThat(now(1)).containsExactly(2);
        strikes(rule, 3);
        assertThat(faults.matches(rule)).isEqualTo(4);
    }

    @Test
    void aRequestThatIsRequeuedIsGivenAgain() {
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE).times(3).then(Fault.requeue()));
        assertThat(write(0, 1, 2)).isEqualTo(Status.OK);
        assertThat(now(1)).containsExactly(2);
        strikes(rule, 3);
        assertThat(faults.strikes()).extracting(FaultStrike::request).doesNotHaveDuplicates().hasSize(3);
    }

    @Test
    void aFullDiskHasRoomForReadsAndFlushesAlone() {
        FaultRule rule = faults.add(FaultRule.always().then(Fault.noSpace()));
        assertThat(write(0, 1, 2)).isEqualTo(Status.NOSPC);
        assertThat(readAll()).isEqualTo(Status.OK);
        assertThat(flush()).isEqualTo(Status.OK);
        strikes(rule, 1);
    }

    @Test
    void whatHangsGoesOnWhenItIsReleased() {
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE).nth(1).then(Fault.hang()));
        CompletableFuture<Void> hung = simulated.disk().async().write(0, filled(SECTOR, 2));
        assertThat(write(1, 1, 3)).isEqualTo(Status.OK);
        assertThat(hung).isNotDone();
        assertThat(now(2)).containsExactly(1, 3);
        assertThat(simulated.lastRequests()).anyMatch(each -> each.status() == null);
        faults.release();
        hung.join();
        assertThat(now(2)).containsExactly(2, 3);
        strikes(rule, 1);
    }

    @Test
    void whatIsLostEndsWhenItsTimeIsOver() {
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE).nth(1).then(Fault.timeOut()));
        assertThat(write(0, 1, 2)).isEqualTo(Status.TIMEOUT);
        assertThat(now(1)).containsExactly(1);
        assertThat(write(0, 1, 3)).isEqualTo(Status.OK);
        strikes(rule, 1);
    }

    @Test
    void aDeviceThatDisappearsTakesEverythingWithIt() {
        FaultRule hang = faults.add(FaultRule.on(Operation.FLUSH).then(Fault.hang()));
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE).nth(2).then(Fault.remove()));
        CompletableFuture<Void> hung = simulated.disk().async().flush();
        assertThat(write(0, 1, 2)).isEqualTo(Status.OK);
        assertThat(write(0, 1, 3)).isEqualTo(Status.NODEV);
        assertThat(hung).isCompletedExceptionally();
        assertThatIllegalStateException().isThrownBy(() -> write(0, 1, 4));
        assertThat(now(1)).containsExactly(2);
        strikes(hang, 1);
        strikes(rule, 1);
    }

    // ---- changes of what is done

    @Test
    void aDelayedRequestTakesSoMuchLonger() {
        var _ = DeterministicRuntime.run(RandomSeed.next(DiskFaultsTest.class), runtime -> {
            try (SimulatedDisk slow = SimulatedDisk.builder().runtime(runtime).build()) {
                FaultRule one = slow.faults().add(FaultRule.always().then(Fault.delay(1_000_000)));
                FaultRule two = slow.faults().add(FaultRule.always().then(Fault.delay(2_000_000)));
                long begin = runtime.nanoTime();
                slow.disk().flush();
                assertThat(runtime.nanoTime() - begin).as("two rules add up").isBetween(3_000_000L, 3_100_000L);
                assertThat(slow.faults().struck(one)).isEqualTo(1);
                assertThat(slow.faults().struck(two)).isEqualTo(1);
            }
        });
    }

    @Test
    void aTornWriteStopsAfterSoManyUnitsAndEndsWell() {
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE).then(Fault.torn(2)));
        assertThat(write(0, 4, 2)).isEqualTo(Status.OK);
        assertThat(now(5)).containsExactly(2, 2, 1, 1, 1);
        strikes(rule, 1);
    }

    @Test
    void aTornWriteWithAStatusIsToldAndTornAllTheSame() {
        FaultRule torn = faults.add(FaultRule.on(Operation.WRITE).then(Fault.torn(1)));
        FaultRule status = faults.add(FaultRule.on(Operation.WRITE).then(Fault.status(Status.IOERR)));
        assertThat(write(0, 4, 2)).isEqualTo(Status.IOERR);
        assertThat(now(5)).containsExactly(2, 1, 1, 1, 1);
        strikes(torn, 1);
        strikes(status, 1);
    }

    @Test
    void unitsOfATornWriteAreThoseOfTheDisk() throws IOException {
        try (SimulatedDisk coarse = SimulatedDisk.builder().atomicUnitBytes(2048).build()) {
            FaultRule _ = coarse.faults().add(FaultRule.always().then(Fault.torn(1)));
            coarse.disk().write(3 * SECTOR, filled(8 * SECTOR, 2));
            assertThat(sectors(coarse.snapshot(), 6)).containsExactly(0, 0, 0, 2, 0, 0);
            coarse.disk().writeZeroes(0, 8 * SECTOR, false);
            assertThat(sectors(coarse.snapshot(), 6)).containsExactly(0, 0, 0, 0, 0, 0);
        }
    }

    @Test
    void aShortTransferEndsWellForWhatWasTransferredAndWithAnErrorForTheRest() throws IOException {
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE, Operation.READ).then(Fault.shortTransfer(SECTOR)));
        assertThat(write(0, 4, 2)).isEqualTo(Status.IOERR);
        assertThat(now(4)).containsExactly(2, 1, 1, 1);
        assertThat(write(3, 1, 4)).as("not longer").isEqualTo(Status.OK);
        MemorySegment memory = filled(2 * SECTOR, 99);
        assertThat(status(() -> simulated.disk().read(0, memory))).isEqualTo(Status.IOERR);
        strikes(rule, 2);
        assertThat(status(() -> simulated.disk().write(0, filled(2 * SECTOR, 5), Bio.FUA))).isEqualTo(Status.IOERR);
        assertThat(durable(2)).containsExactly(5, 1);
    }

    @Test
    void ofSeveralBiosInARequestThoseThatWereTransferredEndWell() throws IOException {
        try (SimulatedDisk merging = SimulatedDisk.builder().merging(true).build();
                IoBuffer buffer = merging.disk().allocate(SECTOR)) {
            FaultRule rule = merging.faults().add(FaultRule.always().then(Fault.shortTransfer(SECTOR)));
            List<Status> ended = new ArrayList<>();
            try (var plug = merging.disk().plug()) {
                for (int i = 0; i < 3; i++) {
                    plug.submit(new Bio(1).reset(Operation.WRITE, i).add(buffer.memory())
                            .onEnd(bio -> ended.add(bio.status())));
                }
            }
            assertThat(ended).containsExactly(Status.OK, Status.IOERR, Status.IOERR);
            assertThat(merging.faults().struck(rule)).isEqualTo(1);
        }
    }

    private static int bitsThatDiffer(byte[] bytes, int from) {
        int bits = 0;
        for (byte each : bytes) {
            bits += Integer.bitCount((each ^ from) & 0xFF);
        }
        return bits;
    }

    private byte[] read(int sectors) throws IOException {
        byte[] content = new byte[sectors * SECTOR];
        simulated.disk().read(0, MemorySegment.ofArray(content));
        return content;
    }

    @Test
    void aBitThatFlipsOnReadIsRightTheNextTime() throws IOException {
        FaultRule rule = faults.add(FaultRule.on(Operation.READ).nth(2).then(Fault.flipOnRead(1)));
        assertThat(bitsThatDiffer(read(8), 1)).isZero();
        assertThat(bitsThatDiffer(read(8), 1)).isEqualTo(1);
        assertThat(bitsThatDiffer(read(8), 1)).isZero();
        strikes(rule, 1);
        FaultRule more = faults.add(FaultRule.on(Operation.READ).then(Fault.flipOnRead(3)));
        assertThat(bitsThatDiffer(read(8), 1)).isEqualTo(3);
        strikes(more, 1);
    }

    @Test
    void aBitThatFlipsAtRestStaysFlippedAlsoAfterAPowerCut() throws IOException {
        FaultRule rule = faults.add(FaultRule.on(Operation.READ).nth(1).then(Fault.flipAtRest(1)));
        byte[] rotten = read(8);
        assertThat(bitsThatDiffer(rotten, 1)).isEqualTo(1);
        simulated.powerCut(PowerCut.ALL_LOST);
        assertThat(read(8)).isEqualTo(rotten);
        strikes(rule, 1);
    }

    @Test
    void aBitOfAWriteThatFlipsAtRestIsWrongOnTheMedium() throws IOException {
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE).then(Fault.flipAtRest(1)));
        assertThat(write(0, 8, 6)).isEqualTo(Status.OK);
        assertThat(flush()).isEqualTo(Status.OK);
        assertThat(bitsThatDiffer(read(8), 6)).isEqualTo(1);
        assertThat(bitsThatDiffer(simulated.snapshot(PowerCut.ALL_LOST).read(0, 8 * SECTOR), 6)).isEqualTo(1);
        strikes(rule, 1);
    }

    @Test
    void aMisdirectedWriteOverwritesAnotherPlace() {
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE).nth(1).then(Fault.misdirect(2 * SECTOR)));
        assertThat(write(0, 1, 2)).isEqualTo(Status.OK);
        assertThat(now(4)).containsExactly(1, 1, 2, 1);
        strikes(rule, 1);
    }

    @Test
    void aMisdirectedWriteGoesRoundTheEndOfTheDisk() {
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE).nth(1).then(Fault.misdirect(-3 * SECTOR)));
        assertThat(write(0, 2, 2)).isEqualTo(Status.OK);
        assertThat(now(128).subList(0, 2)).containsExactly(1, 1);
        assertThat(now(128).subList(124, 128)).containsExactly(1, 2, 2, 1);
        faults.remove(rule);
        faults.add(FaultRule.on(Operation.WRITE).then(Fault.misdirect(SECTOR)));
        assertThat(write(126, 2, 3)).isEqualTo(Status.OK);
        assertThat(now(128).subList(0, 2)).containsExactly(3, 1);
        assertThat(now(128).subList(126, 128)).containsExactly(2, 3);
    }

    @Test
    void aLostWriteEndsWellAndIsNotThere() {
        FaultRule rule = faults.add(FaultRule.always().nth(2).then(Fault.lose()));
        assertThat(write(0, 1, 2)).isEqualTo(Status.OK);
        assertThat(write(1, 1, 3)).isEqualTo(Status.OK);
        assertThat(now(2)).containsExactly(2, 1);
        strikes(rule, 1);
    }

    @Test
    void aFlushThatLiesEndsWellAndTheNextOneMakesUpForIt() {
        FaultRule rule = faults.add(FaultRule.on(Operation.FLUSH).nth(1).then(Fault.lie()));
        assertThat(write(0, 1, 2)).isEqualTo(Status.OK);
        assertThat(flush()).isEqualTo(Status.OK);
        assertThat(durable(1)).containsExactly(1);
        assertThat(flush()).isEqualTo(Status.OK);
        assertThat(durable(1)).containsExactly(2);
        strikes(rule, 1);
    }

    @Test
    void aWriteWithFuaThatLiesStaysInTheCache() {
        FaultRule rule = faults.add(FaultRule.on(Operation.WRITE).then(Fault.lie()));
        assertThat(status(() -> simulated.disk().write(0, filled(SECTOR, 2), Bio.FUA))).isEqualTo(Status.OK);
        assertThat(write(1, 1, 3)).as("without FUA there is nothing to lie about").isEqualTo(Status.OK);
        assertThat(now(2)).containsExactly(2, 3);
        assertThat(durable(2)).containsExactly(1, 1);
        strikes(rule, 1);
    }

    @Test
    void aFlushThatFailsMakesNothingDurable() {
        faults.add(FaultRule.on(Operation.FLUSH).then(Fault.status(Status.IOERR)));
        assertThat(write(0, 1, 2)).isEqualTo(Status.OK);
        assertThat(flush()).isEqualTo(Status.IOERR);
        assertThat(durable(1)).containsExactly(1);
    }

    // ---- when

    private List<Integer> struckWrites(FaultRule rule, int writes) {
        faults.add(rule);
        List<Integer> struck = new ArrayList<>();
        for (int i = 1; i <= writes; i++) {
            if (write(i % 8, 1, 2) != Status.OK) {
                struck.add(i);
            }
        }
        return struck;
    }

    private static final Fault FAIL = Fault.status(Status.MEDIUM);

    @Test
    void aRuleStrikesTheMatchesThatItChooses() {
        assertThat(struckWrites(FaultRule.on(Operation.WRITE).nth(3).then(FAIL), 9)).containsExactly(3);
        faults.clear();
        assertThat(struckWrites(FaultRule.on(Operation.WRITE).every(4).then(FAIL), 9)).containsExactly(4, 8);
        faults.clear();
        assertThat(struckWrites(FaultRule.on(Operation.WRITE).times(2).then(FAIL), 9)).containsExactly(1, 2);
        faults.clear();
        assertThat(struckWrites(FaultRule.on(Operation.WRITE).every(2).times(3).then(FAIL), 9)).containsExactly(2, 4,
                6);
        faults.clear();
        assertThat(struckWrites(FaultRule.on(Operation.READ).then(FAIL), 9)).isEmpty();
    }

    @Test
    void aProbabilityChoosesTheSameForTheSameSeed() {
        List<Integer> first = struckWrites(FaultRule.always().probability(0.3, 5).then(FAIL), 100);
        faults.clear();
        List<Integer> second = struckWrites(FaultRule.always().probability(0.3, 5).then(FAIL), 100);
        faults.clear();
        List<Integer> other = struckWrites(FaultRule.always().probability(0.3, 6).then(FAIL), 100);
        assertThat(first).isEqualTo(second).isNotEqualTo(other);
        assertThat(first).hasSizeBetween(15, 45);
    }

    @Test
    void aRangeIsOfBytesAndTouchedByWhatOverlapsIt() {
        FaultRule rule = faults.add(FaultRule.always().range(3 * SECTOR + 1, 1).then(FAIL));
        assertThat(write(2, 1, 2)).isEqualTo(Status.OK);
        assertThat(write(4, 1, 2)).isEqualTo(Status.OK);
        assertThat(flush()).isEqualTo(Status.OK);
        assertThat(write(3, 1, 2)).isEqualTo(Status.MEDIUM);
        assertThat(write(0, 8, 2)).isEqualTo(Status.MEDIUM);
        assertThat(faults.matches(rule)).isEqualTo(2);
    }

    @Test
    void aWindowIsOfTheRuntimesTime() {
        var _ = DeterministicRuntime.run(RandomSeed.next(DiskFaultsTest.class), runtime -> {
            try (SimulatedDisk timed = SimulatedDisk.builder().runtime(runtime).build()) {
                runtime.sleep(5_000_000);
                timed.faults().add(FaultRule.always().window(10_000_000, 20_000_000).then(FAIL));
                assertThat(status(timed.disk()::flush)).isEqualTo(Status.OK);
                runtime.sleep(12_000_000);
                assertThat(status(timed.disk()::flush)).isEqualTo(Status.MEDIUM);
                runtime.sleep(12_000_000);
                assertThat(status(timed.disk()::flush)).isEqualTo(Status.OK);
            }
        });
    }

    @Test
    void ofTwoOutcomesTheEarlierRuleStrikesAndTheOtherCountsNone() {
        FaultRule first = faults.add(FaultRule.always().every(2).then(Fault.status(Status.NOSPC)));
        FaultRule second = faults.add(FaultRule.always().then(FAIL));
        assertThat(write(0, 1, 2)).isEqualTo(Status.MEDIUM);
        assertThat(write(0, 1, 2)).isEqualTo(Status.NOSPC);
        strikes(first, 1);
        strikes(second, 1);
        assertThat(faults.matches(second)).isEqualTo(2);
        assertThat(faults.struck()).isEqualTo(2);
    }

    // ---- the account

    @Test
    void eachStrikeIsListedWithItsRuleItsRequestAndItsTime() {
        FaultRule named = faults
                .add(FaultRule.on(Operation.WRITE).named("bad sector 7").range(7 * SECTOR, SECTOR).then(FAIL));
        FaultRule plain = faults.add(FaultRule.on(Operation.FLUSH).nth(1).then(Fault.lie()));
        assertThat(write(6, 2, 2)).isEqualTo(Status.MEDIUM);
        assertThat(flush()).isEqualTo(Status.OK);
        List<FaultStrike> strikes = faults.strikes();
        assertThat(strikes).extracting(FaultStrike::rule).containsExactly(named, plain);
        assertThat(strikes.getFirst().operation()).isEqualTo(Operation.WRITE);
        assertThat(strikes.getFirst().offset()).isEqualTo(6 * SECTOR);
        assertThat(strikes.getFirst().bytes()).isEqualTo(2 * SECTOR);
        assertThat(strikes.getFirst().nanos()).isLessThanOrEqualTo(strikes.getLast().nanos());
        assertThat(strikes.getFirst().toString())
                .startsWith("strike 1 of rule 'bad sector 7': request 3, WRITE of 1024" + " bytes at offset 3072, at ");
        assertThat(strikes.getLast().toString())
                .startsWith("strike 1 of rule 'flush that lies on [FLUSH], match 1': request 4, flush, at ");
        assertThat(faults.remove(named)).isTrue();
        assertThat(faults.remove(named)).isFalse();
        assertThat(faults.strikes()).hasSize(2);
        assertThat(faults.rules()).containsExactly(plain);
        assertThatIllegalArgumentException().isThrownBy(() -> faults.struck(named))
                .withMessageContaining("bad sector 7");
    }

    @Test
    void theListOfStrikesIsBoundedAndTheCountIsNot() {
        FaultRule rule = faults.add(FaultRule.on(Operation.FLUSH).then(FAIL));
        for (int i = 0; i < DiskFaults.STRIKES_MAX + 5; i++) {
            assertThat(flush()).isEqualTo(Status.MEDIUM);
        }
        strikes(rule, DiskFaults.STRIKES_MAX + 5);
        assertThat(faults.strikes()).hasSize(DiskFaults.STRIKES_MAX);
        assertThat(faults.strikes().getFirst().number()).isEqualTo(6);
    }

    @Test
    void aRuleSaysAllOfItsConditions() {
        assertThat(FaultRule.on(Operation.READ).range(512, 1024).every(3).probability(0.5, 7).window(1, 9).times(2)
                .then(Fault.flipOnRead(2)))
                .hasToString("2 bits flipped on read on [READ], 1024 bytes at offset 512, every 3 matches, probability"
                        + " 0.5 with seed 7, from 1 to 9 ns, at most 2 times");
    }

    // ---- what cannot be

    private static void refused(Runnable made, String... parts) {
        assertThatIllegalArgumentException().isThrownBy(made::run).satisfies(e -> {
            for (String part : parts) {
                assertThat(e).hasMessageContaining(part);
            }
        });
    }

    @Test
    void aFaultThatIsNoneIsRefused() {
        refused(() -> Fault.status(Status.OK), "status OK", "no fault");
        refused(() -> Fault.delay(0), "0 ns");
        refused(() -> Fault.delay(Long.MAX_VALUE), "hang()");
        refused(() -> Fault.torn(-1), "-1 units");
        refused(() -> Fault.shortTransfer(-1), "-1 bytes");
        refused(() -> Fault.flipOnRead(0), "0 bits");
        refused(() -> Fault.flipAtRest(0), "0 bits");
        refused(() -> Fault.misdirect(0), "0 bytes");
    }

    @Test
    void aRuleThatContradictsItselfIsRefused() {
        refused(() -> FaultRule.always().nth(0), "match 0");
        refused(() -> FaultRule.always().every(0), "every 0");
        refused(() -> FaultRule.always().times(0), "0 times");
        refused(() -> FaultRule.always().probability(0, 1), "probability 0", "never");
        refused(() -> FaultRule.always().probability(1.1, 1), "probability 1.1");
        refused(() -> FaultRule.always().window(5, 5), "from 5 to 5");
        refused(() -> FaultRule.always().range(-1, 5), "offset -1");
        refused(() -> FaultRule.always().range(5, 0), "range of 0 bytes");
        refused(() -> FaultRule.always().nth(2).every(2).then(FAIL), "match 2 and every 2");
        refused(() -> FaultRule.always().nth(2).times(2).then(FAIL), "match 2 and 2 times");
        refused(() -> FaultRule.on(Operation.WRITE).then(Fault.flipOnRead(1)), "[WRITE]", "[READ] alone");
        refused(() -> FaultRule.on(Operation.FLUSH).range(0, 512).then(FAIL), "flush has no range");
        refused(() -> FaultRule.always().range(0, 512).then(Fault.requeue()), "for ever", "times");
        refused(() -> FaultRule.always().then(Fault.status(Status.RESOURCE)), "for ever");
    }

    @Test
    void aRuleThatCouldNeverStrikeOnTheDiskIsRefused() throws IOException {
        refused(() -> faults.add(FaultRule.always().range(65_536, 1).then(FAIL)), "offset 65536", "65536 bytes");
        refused(() -> faults.add(FaultRule.always().range(65_535, 2).then(FAIL)), "could never strike");
        refused(() -> faults.add(FaultRule.always().then(Fault.misdirect(100))), "logical block of 512");
        refused(() -> faults.add(FaultRule.always().then(Fault.misdirect(1 << 20))), "less than");
        refused(() -> faults.add(FaultRule.always().then(Fault.shortTransfer(100))), "logical block of 512");
        refused(() -> faults.add(FaultRule.always().then(Fault.shortTransfer(1 << 30))), "largest request");
        FaultRule rule = faults.add(FaultRule.always().nth(100).then(FAIL));
        assertThatIllegalStateException().isThrownBy(() -> faults.add(rule)).withMessageContaining("already");
        try (SimulatedDisk server = SimulatedDisk.dataCentreSsd().build();
                SimulatedDisk hard = SimulatedDisk.hardDisk().build()) {
            refused(() -> server.faults().add(FaultRule.on(Operation.FLUSH).then(FAIL)), "write cache false");
            refused(() -> server.faults().add(FaultRule.always().then(Fault.lie())), "no volatile cache");
            refused(() -> hard.faults().add(FaultRule.on(Operation.WRITE).then(Fault.lie())), "no FUA");
            refused(() -> hard.faults().add(FaultRule.on(Operation.DISCARD).then(FAIL)), "discards of 0 bytes");
        }
    }
}
