package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Transfers between disks. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class DiskTransferTest {
    private static final int CAPACITY_BYTES = 4 << 20;
    private static final TransferOptions SMALL = TransferOptions.DEFAULT.withPieceBytes(64 << 10).withDepth(3);

    private static NullBlk.Builder memory(String name, Completion completion, int blockBytes) {
        return NullBlk.builder().name(name).completion(completion).memoryBacked(true).blockBytes(blockBytes)
                .capacityBytes(CAPACITY_BYTES).depth(4);
    }

    private static byte[] fill(Disk disk, long seed) throws IOException {
        byte[] content = new byte[(int) disk.sizeBytes()];
        new Random(seed).nextBytes(content);
        disk.write(0, MemorySegment.ofArray(content));
        return content;
    }

    private static byte[] content(Disk disk) throws IOException {
        byte[] content = new byte[(int) disk.sizeBytes()];
        disk.read(0, MemorySegment.ofArray(content));
        return content;
    }

    @ParameterizedTest
    @EnumSource
    void aRangeArrivesAndNothingElseChanges(Completion completion) throws IOException {
        for (Completion other : Completion.values()) {
            try (Disk source = memory("from", completion, 512).build();
                    Disk target = memory("to", other, 4096).hardwareQueues(2).build()) {
                byte[] expected = fill(target, 1);
                byte[] sent = fill(source, 2);
                int bytes = 4096 * 301;
                source.startTransfer(512 * 7, bytes, target, 4096 * 3, TransferOptions.DEFAULT).await();
                System.arraycopy(sent, 512 * 7, expected, 4096 * 3, bytes);
                assertThat(content(target)).isEqualTo(expected);
                assertThat(content(source)).isEqualTo(sent);
                HeldTags.awaitNone(source);
                HeldTags.awaitNone(target);
            }
        }
    }

    @Test
    void aRangeOfTheSameDiskGoesToAnotherPlaceOfItButNotOntoItself() throws IOException {
        try (Disk disk = memory("mem0", Completion.REAPER, 512).build()) {
            byte[] expected = fill(disk, 3);
            disk.startTransfer(0, 1 << 20, disk, 1 << 20, TransferOptions.DEFAULT).await();
            System.arraycopy(expected, 0, expected, 1 << 20, 1 << 20);
            assertThat(content(disk)).isEqualTo(expected);
            for (long to : new long[]{512, (1 << 20) - 512, 0}) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> disk.startTransfer(0, 1 << 20, disk, to, TransferOptions.DEFAULT).await())
                        .withMessageContaining("the ranges overlap").withMessageContaining("offset " + to + " of mem0");
            }
            assertThatIllegalArgumentException().isThrownBy(() -> disk.startCopy(disk, SMALL).await())
                    .withMessageContaining("copy of mem0 to itself");
            assertThat(content(disk)).isEqualTo(expected);
        }
    }

    @Test
    void partitionsOfOneDeviceMayBeSourceAndTargetIfTheyAreApart() throws IOException {
        try (Disk disk = memory("mem0", Completion.REAPER, 512).build();
                Disk first = disk.partition("mem0p1", 0, 1 << 20);
                Disk second = disk.partition("mem0p2", 1 << 20, 1 << 20);
                Disk across = disk.partition("mem0p3", 1 << 19, 1 << 20)) {
            byte[] expected = fill(disk, 4);
            first.startTransfer(512, 65_536, second, 1024, TransferOptions.DEFAULT).await();
            System.arraycopy(expected, 512, expected, (1 << 20) + 1024, 65_536);
            second.startCopy(first, SMALL).await();
            System.arraycopy(expected, 1 << 20, expected, 0, 1 << 20);
            assertThat(content(disk)).isEqualTo(expected);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> first.startTransfer(1 << 19, 512, across, 0, TransferOptions.DEFAULT).await())
                    .withMessageContaining("the ranges overlap");
            assertThatIllegalArgumentException().isThrownBy(() -> across.startCopy(first, SMALL).await())
                    .withMessageContaining("mem0p3").withMessageContaining("mem0p1")
                    .withMessageContaining("the ranges overlap");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> disk.startTransfer(1 << 20, 512, second, 0, TransferOptions.DEFAULT).await())
                    .withMessageContaining("the ranges overlap");
            assertThat(content(disk)).isEqualTo(expected);
        }
    }

    @Test
    void whatTheDisksCannotTakeIsRefusedWithTheValueAndTheLimit() throws IOException {
        try (Disk source = memory("from", Completion.INLINE, 512).build();
                Disk target = memory("to", Completion.INLINE, 4096).build();
                Disk small = memory("small", Completion.INLINE, 512).capacityBytes(CAPACITY_BYTES - 512).build();
                Disk readOnly = memory("ro0", Completion.INLINE, 512).readOnly(true).build()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> source.startTransfer(100, 4096, target, 0, TransferOptions.DEFAULT).await())
                    .withMessageContaining("offset 100 of the source from")
                    .withMessageContaining("blocks of 512 bytes");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> source.startTransfer(512, 4096, target, 512, TransferOptions.DEFAULT).await())
                    .withMessageContaining("offset 512 of the target to").withMessageContaining("blocks of 4096 bytes");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> source.startTransfer(0, 512, target, 0, TransferOptions.DEFAULT).await())
                    .withMessageContaining("512 bytes").withMessageContaining("blocks of 4096 bytes");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> source.startTransfer(-512, 4096, target, 0, TransferOptions.DEFAULT).await());
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> source.startTransfer(0, 0, target, 0, TransferOptions.DEFAULT).await())
                    .withMessageContaining("of 0 bytes");
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(
                    () -> source.startTransfer(CAPACITY_BYTES - 512, 4096, target, 0, TransferOptions.DEFAULT).await())
                    .withMessageContaining("the source from").withMessageContaining("end at " + CAPACITY_BYTES);
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(
                    () -> source.startTransfer(0, 8192, target, CAPACITY_BYTES - 4096, TransferOptions.DEFAULT).await())
                    .withMessageContaining("the target to").withMessageContaining("end at " + CAPACITY_BYTES);
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> source.startTransfer(0, 4096, readOnly, 0, TransferOptions.DEFAULT).await())
                    .withMessageContaining("ro0 is read-only");
            assertThatExceptionOfType(UnsupportedOperationException.class)
                    .isThrownBy(() -> source.startCopy(readOnly, SMALL).await())
                    .withMessageContaining("ro0 is read-only");
            assertThatIllegalArgumentException().isThrownBy(() -> source.startCopy(small, SMALL).await())
                    .withMessageContaining("from with " + CAPACITY_BYTES + " bytes")
                    .withMessageContaining("small with " + (CAPACITY_BYTES - 512) + " bytes")
                    .withMessageContaining("the target is smaller");
            assertThatIllegalArgumentException().isThrownBy(() -> SMALL.withDepth(0)).withMessageContaining("1 to 256");
            assertThatIllegalArgumentException().isThrownBy(() -> SMALL.withDepth(257)).withMessageContaining("257");
            assertThatIllegalArgumentException().isThrownBy(() -> SMALL.withPieceBytes(1000))
                    .withMessageContaining("1000 bytes").withMessageContaining("multiples of 65536");
        }
    }

    @ParameterizedTest
    @EnumSource
    void aCopyTakesAllAlsoWhereTheLastBlockOfTheTargetIsLarger(Completion completion) throws IOException {
        for (boolean zeroRuns : new boolean[]{false, true}) {
            try (Disk source = memory("from", completion, 512).capacityBytes(CAPACITY_BYTES - 512 * 3).build();
                    Disk target = memory("to", completion, 4096).capacityBytes(CAPACITY_BYTES + 8192).build()) {
                byte[] expected = fill(target, 4);
                byte[] sent = fill(source, 5);
                Arrays.fill(sent, 100_000, 1_000_000, (byte) 0);
                source.write(0, MemorySegment.ofArray(sent));
                List<Long> progress = Collections.synchronizedList(new ArrayList<>());
                source.startCopy(target, SMALL.withProgress(progress::add).withZeroRuns(zeroRuns).withFlush(true))
                        .await();
                System.arraycopy(sent, 0, expected, 0, sent.length);
                assertThat(content(target)).isEqualTo(expected);
                assertThat(progress).isSorted().doesNotHaveDuplicates().last().isEqualTo((long) sent.length);
                HeldTags.awaitNone(target);
            }
        }
    }

    @Test
    void piecesInFlightAreBoundedByTheDepth() throws IOException {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.requestBytesMax(1 << 20));
        try (Disk source = driver.disk(); Disk target = memory("to", Completion.INLINE, 512).build()) {
            DiskTransfer transfer = source.startTransfer(0, 10 * (64 << 10), target, 0, SMALL);
            int most = 0;
            while (!transfer.isDone()) {
                most = Math.max(most, driver.inFlight().size());
                driver.complete(Status.OK);
            }
            assertThat(most).isEqualTo(3);
            assertThat(transfer.bytesDone()).isEqualTo(transfer.bytesTotal()).isEqualTo(10 * (64 << 10));
            transfer.await();
            assertThat(driver.log()).hasSize(10);
        }
    }

    @Test
    void runsOfZeroesAreAskedForAsZeroesAndTheRestIsWritten() throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.requestBytesMax(1 << 20).writeZeroesBytesMax(1 << 20).writeCache(true, false));
        try (Disk source = memory("from", Completion.INLINE, 512).build(); Disk target = driver.disk()) {
            byte[] sent = new byte[64 << 10];
            sent[8192] = 1;
            sent[60_000] = 1;
            source.write(0, MemorySegment.ofArray(sent));
            Arrays.fill(driver.data(), (byte) 9);
            source.startTransfer(0, 64 << 10, target, 0, SMALL.withZeroRuns(true).withFlush(true)).await();
            assertThat(driver.log()).extracting(line -> line.replace(" more", "")).containsExactlyInAnyOrder(
                    "WRITE_ZEROES 0", "WRITE 16", "WRITE_ZEROES 24", "WRITE 112", "WRITE_ZEROES 120", "FLUSH");
            assertThat(Arrays.copyOf(driver.data(), sent.length)).isEqualTo(sent);
            assertThat(driver.data()[sent.length]).isEqualTo((byte) 9);
        }
    }

    @Test
    void anErrorNamesTheDiskAndThePlaceAndEndsTheTransferWhenNothingIsInFlight() throws Exception {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.requestBytesMax(1 << 20));
        try (Disk source = driver.disk(); Disk target = memory("to", Completion.INLINE, 512).build()) {
            DiskTransfer transfer = source.startTransfer(512, 10 * (64 << 10), target, 0, SMALL);
            driver.complete(driver.inFlight().get(1), Status.MEDIUM);
            assertThat(transfer.isDone()).as("two reads are still in flight").isFalse();
            driver.completeAll();
            assertThat(transfer.isDone()).isTrue();
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(transfer::await)
                    .withMessage("READ of 65536 bytes at sector 129 of rec0 failed: medium error (MEDIUM, errno 61)");
            assertThatExceptionOfType(ExecutionException.class).isThrownBy(() -> transfer.ended().get())
                    .withCauseInstanceOf(BlockIOException.class);
            assertThat(driver.log()).as("nothing was begun after the error").hasSize(3);
        }
    }

    @Test
    void anErrorOfTheTargetNamesItAlsoWhereItIsOnlyARunOfZeroesOrTheFlush() throws IOException {
        RecordingDriver driver = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.requestBytesMax(1 << 20).writeZeroesBytesMax(1 << 20).writeCache(true, false));
        try (Disk source = memory("from", Completion.REAPER, 512).build(); Disk target = driver.disk()) {
            driver.answer(Status.NOSPC);
            assertThatExceptionOfType(BlockIOException.class)
                    .isThrownBy(() -> source.startTransfer(0, 4096, target, 8192, TransferOptions.DEFAULT).await())
                    .withMessage("WRITE of 4096 bytes at sector 16 of rec0 failed: no space left (NOSPC, errno 28)");
            driver.answer(Status.NOSPC);
            DiskTransfer zeroes = source.startTransfer(0, 4096, target, 8192, SMALL.withZeroRuns(true));
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(zeroes::await)
                    .withMessageStartingWith("WRITE_ZEROES of 4096 bytes at sector 16 of rec0 failed");
            driver.answer(Status.OK).answer(Status.IOERR);
            DiskTransfer flushed = source.startTransfer(0, 4096, target, 8192, SMALL.withFlush(true));
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(flushed::await)
                    .withMessageStartingWith("FLUSH of 0 bytes");
            HeldTags.awaitNone(target);
        }
    }

    @Test
    void aDiskThatIsClosedMeanwhileEndsTheTransfer() throws IOException {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.requestBytesMax(1 << 20));
        Disk target = memory("to", Completion.INLINE, 512).build();
        try (Disk source = driver.disk()) {
            DiskTransfer transfer = source.startTransfer(0, 10 * (64 << 10), target, 0, SMALL);
            target.close();
            driver.completeAll();
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(transfer::await)
                    .withMessageContaining(" of to failed")
                    .satisfies(e -> assertThat(e.status()).isEqualTo(Status.NODEV));
            assertThat(source.queue().heldTags()).isZero();
        }
    }

    @Test
    void aCancelledTransferBeginsNothingMoreAndEndsWithWhatIsInFlight() throws IOException {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.requestBytesMax(1 << 20));
        try (Disk source = driver.disk(); Disk target = memory("to", Completion.INLINE, 512).build()) {
            DiskTransfer transfer = source.startTransfer(0, 10 * (64 << 10), target, 0, SMALL);
            transfer.cancel();
            assertThat(transfer.isDone()).isFalse();
            driver.completeAll();
            assertThat(transfer.isDone()).isTrue();
            assertThatExceptionOfType(CancellationException.class).isThrownBy(transfer::await)
                    .withMessageContaining("after 196608 of 655360 bytes");
            assertThat(driver.log()).hasSize(3);
            assertThat(source.queue().heldTags()).isZero();
        }
    }

    @Test
    void aListenerMayCancelAndWhatItThrowsEndsTheTransfer() throws IOException {
        try (Disk source = memory("from", Completion.REAPER, 512).build();
                Disk target = memory("to", Completion.REAPER, 512).build()) {
            DiskTransfer failing = source.startCopy(target, SMALL.withProgress(_ -> {
                throw new IllegalStateException("thrown by a listener of the test");
            }));
            assertThatIllegalStateException().isThrownBy(failing::await).havingCause()
                    .withMessage("thrown by a listener of the test");
            assertThat(failing.bytesDone()).isLessThan(failing.bytesTotal());
        }
    }

    @Test
    void aTargetThatBecomesReadOnlyWhileABlockIsToBeChangedInPartEndsIt() throws IOException {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.requestBytesMax(1 << 20));
        try (Disk source = driver.disk(); Disk target = memory("to", Completion.REAPER, 4096).build()) {
            source.queue().setCapacitySectors((64 << 1) + 1);
            DiskTransfer transfer = source.startCopy(target, SMALL.withDepth(1));
            driver.complete(Status.OK);
            Eventually.until("the rest is read", () -> driver.inFlight().size() == 1);
            target.freeze();
            target.queue().setLimits(target.limits().toBuilder().readOnly(true).build());
            target.unfreeze();
            driver.complete(Status.OK);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(transfer::await).withMessageContaining("WRITE")
                    .extracting(BlockIOException::status).isEqualTo(Status.INVAL);
        }
    }

    /** A polled device that belongs to the thread which used it first. */
    private static final class Owned extends RecordingDriver {
        private final AtomicReference<@Nullable Thread> owner = new AtomicReference<>();

        Owned() {
            var _ = polled().limits(limits -> limits.requestBytesMax(1 << 20));
        }

        @Override
        public boolean mayPoll(HardwareContext hctx) {
            Thread now = owner.get();
            return now == null || now.equals(Thread.currentThread());
        }

        @Override
        public boolean claim(HardwareContext hctx) {
            return owner.compareAndSet(null, Thread.currentThread()) || mayPoll(hctx);
        }

        @Override
        public void requireSubmitter(HardwareContext hctx) {
            if (!claim(hctx)) {
                throw new WrongThreadException("another's");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aStrayThreadIsRefusedAndTheTransferOfAPolledDiskGoesOn(boolean toPolled) throws IOException {
        RecordingDriver owned = new Owned();
        RecordingDriver other = new RecordingDriver().completesAtOnce()
                .limits(limits -> limits.requestBytesMax(1 << 20));
        try (Disk source = (toPolled ? other : owned).disk(); Disk target = (toPolled ? owned : other).disk()) {
            new Random(9).nextBytes((toPolled ? other : owned).data());
            DiskTransfer transfer = source.startCopy(target, SMALL);
            for (Eventually.Work call : List.<Eventually.Work>of(transfer::await, transfer::poll,
                    () -> source.startCopy(target, SMALL))) {
                assertThat(Eventually.start(call).failure()).isInstanceOf(WrongThreadException.class);
            }
            transfer.await();
            assertThat(target.queue().heldTags()).isZero();
            assertThat(owned.data()).isEqualTo(other.data());
            Eventually.start(transfer::await).join();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anInterruptedThreadTransfersAll(boolean polled) throws IOException {
        AtomicInteger vainPolls = new AtomicInteger(3);
        // Fewer tags than slots: who submits has to wait, and where it polls it finds nothing at first.
        RecordingDriver from = new RecordingDriver() {
            @Override
            public int poll(HardwareContext hctx, SoftwareContext ctx) {
                return vainPolls.getAndDecrement() > 0 ? 0 : super.poll(hctx, ctx);
            }
        }.depth(4).limits(limits -> limits.requestBytesMax(1 << 20));
        RecordingDriver to = new RecordingDriver().completesAtOnce().limits(limits -> limits.requestBytesMax(1 << 20));
        new Random(12).nextBytes(from.data());
        try (Disk source = polled ? from.polled().disk() : from.disk(); Disk target = to.disk()) {
            Thread.currentThread().interrupt();
            DiskTransfer transfer = source.startCopy(target, SMALL.withDepth(8));
            if (!polled) {
                Eventually.until("it has ended", () -> from.completeAll() == 0 && transfer.isDone());
            }
            transfer.await();
            assertThat(Thread.interrupted()).as("kept").isTrue();
            assertThat(to.data()).isEqualTo(from.data());
        }
    }

    @Test
    void aListenerMayCancel() {
        RecordingDriver driver = new RecordingDriver().limits(limits -> limits.requestBytesMax(1 << 20));
        RecordingDriver other = new RecordingDriver().limits(limits -> limits.requestBytesMax(1 << 20))
                .completesAtOnce();
        try (Disk source = driver.disk(); Disk target = other.disk()) {
            AtomicReference<@Nullable DiskTransfer> started = new AtomicReference<>();
            List<Long> told = new ArrayList<>();
            DiskTransfer transfer = source.startCopy(target, SMALL.withDepth(1).withProgress(done -> {
                told.add(done);
                Objects.requireNonNull(started.get()).cancel();
            }));
            started.set(transfer);
            driver.complete(Status.OK);
            assertThatExceptionOfType(CancellationException.class).isThrownBy(transfer::await);
            assertThat(told).containsExactly(64L << 10);
            assertThat(driver.log()).hasSize(1);
        }
    }

    @Test
    void aTransferMayNotBeWaitedForByACompletionButStarted() throws IOException {
        try (Disk source = memory("from", Completion.REAPER, 512).build();
                Disk target = memory("to", Completion.REAPER, 512).build()) {
            byte[] sent = fill(source, 6);
            AtomicReference<@Nullable DiskTransfer> started = new AtomicReference<>();
            AtomicReference<@Nullable Throwable> refused = new AtomicReference<>();
            source.read(0, MemorySegment.ofArray(new byte[512]), _ -> {
                started.set(source.startCopy(target, SMALL));
                try {
                    Objects.requireNonNull(started.get()).await();
                } catch (IOException | IllegalStateException e) {
                    refused.set(e);
                }
            });
            Eventually.until("told", () -> refused.get() != null);
            assertThat(refused.get()).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("from inside a completion");
            Objects.requireNonNull(started.get()).await();
            assertThat(content(target)).isEqualTo(sent);
        }
    }

    @Test
    void inEveryOrderOfThreadsACopyIsWholeOrSaysThatItIsNot() {
        for (int i = 0; i < 50; i++) {
            Simulation.run(DiskTransferTest.class, runtime -> {
                try (Disk source = memory("from", Completion.REAPER, 512).capacityBytes(1 << 20).runtime(runtime)
                        .build();
                        Disk target = memory("to", Completion.REAPER, 4096).capacityBytes(1 << 20).runtime(runtime)
                                .build()) {
                    byte[] sent = fill(source, runtime.seed());
                    List<Long> told = new ArrayList<>();
                    DiskTransfer transfer = source.startCopy(target, SMALL.withProgress(told::add));
                    Thread canceller = runtime.spawn("canceller", () -> {
                        runtime.sleep(new Random(runtime.seed()).nextInt(60_000));
                        transfer.cancel();
                    });
                    boolean whole = true;
                    try {
                        transfer.await();
                    } catch (CancellationException e) {
                        whole = false;
                    }
                    runtime.join(canceller);
                    assertThat(whole).isEqualTo(transfer.bytesDone() == transfer.bytesTotal());
                    assertThat(told).isSorted().doesNotHaveDuplicates();
                    if (whole) {
                        assertThat(content(target)).isEqualTo(sent);
                    }
                    if (transfer.bytesDone() > 0) {
                        assertThat(told.getLast()).isEqualTo(transfer.bytesDone());
                    }
                }
            });
        }
    }
}
