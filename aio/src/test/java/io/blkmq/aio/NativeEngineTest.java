package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.aio.life.EngineEnd;
import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The life of an operation over a ring that answers by a script: what a kernel does too rarely to wait for. */
class NativeEngineTest {

    private static final int BLOCK = 4096;

    /** Ends each operation with the next result of the script, or with its whole remaining length when that is over. */
    private static class ScriptedEngine extends NativeEngine {
        final Deque<Long> script = new ArrayDeque<>();
        final Deque<Integer> placedSlots = new ArrayDeque<>();
        final List<String> log = new ArrayList<>();
        int room = Integer.MAX_VALUE;
        boolean destroyed;
        /** What the end waits for. */
        CountDownLatch mayEnd = new CountDownLatch(0);
        final AtomicInteger ends = new AtomicInteger();

        ScriptedEngine(AioEngineConfig.Builder config, int slots) {
            super("scripted", EnumSet.allOf(AioOperation.class), config.build(), config.build().isEnteredByOne(),
                    slots);
            start();
        }

        @Override
        boolean place(int slot, Kiocb kiocb) {
            if (room == 0) {
                return false;
            }
            room--;
            placedSlots.add(slot);
            log.add(kiocb.operation().isTransfer()
                    ? kiocb.remainingOffset() + "+" + kiocb.firstBytes()
                    : kiocb.operation().name());
            return true;
        }

        @Override
        boolean placeCancel(int slot) {
            return true;
        }

        @Override
        void ring() {
            // It takes everything when it is placed.
        }

        @Override
        int ready() {
            return placedSlots.size();
        }

        @Override
        boolean isReady() {
            return !placedSlots.isEmpty();
        }

        @Override
        void reap(int count) {
            for (int i = 0; i < count; i++) {
                int slot = placedSlots.remove();
                Kiocb kiocb = placed(slot);
                long rest = kiocb.operation().isTransfer() ? kiocb.bytes() - kiocb.transferred() : 0;
                ended(slot, script.isEmpty() ? rest : script.remove());
            }
        }

        @Override
        boolean isAllHandedOver() {
            return true;
        }

        @Override
        boolean ringAndWait(long timeoutNanos) {
            // It takes everything when it is placed.
            return false;
        }

        @Override
        void sleep(long timeoutNanos) {
            throw new AssertionError("no reaper");
        }

        @Override
        void wakeOwner() {
            throw new UnsupportedOperationException();
        }

        @Override
        void wake() {
            throw new AssertionError("no reaper");
        }

        @Override
        void abandon() {
            cancelAllPlaced(Errno.ECANCELED);
            cancelDeferred(Errno.ECANCELED);
        }

        @Override
        void takeBack() {
            cancelAllPlaced(Errno.EIO);
            cancelDeferred(Errno.EIO);
        }

        @Override
        void destroy() {
            ends.getAndIncrement();
            try {
                mayEnd.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            destroyed = true;
        }
    }

    /** The same, entered by a reaper alone, whose ring fails now and then. */
    private static final class FailingRing extends ScriptedEngine {
        // Static: the reaper runs before the fields of this class are set.
        private static final Semaphore CALLS = new Semaphore(0);
        private static final Semaphore IDLE = new Semaphore(0);
        private static final AtomicInteger FAILURES = new AtomicInteger();

        FailingRing(int slots) {
            super(AioEngineConfig.builder().ringEntry(RingEntry.REAPER), slots);
        }

        /** One whose reaper sleeps until it is called. */
        static FailingRing asleep(int slots) {
            CALLS.drainPermits();
            IDLE.drainPermits();
            FailingRing ring = new FailingRing(slots);
            IDLE.acquireUninterruptibly();
            return ring;
        }

        @Override
        boolean place(int slot, Kiocb kiocb) {
            if (FAILURES.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                throw new IllegalStateException("a ring that fails, for a test");
            }
            return super.place(slot, kiocb);
        }

        @Override
        boolean ringAndWait(long timeoutNanos) {
            IDLE.release();
            CALLS.acquireUninterruptibly();
            return true;
        }

        @Override
        void wake() {
            CALLS.release();
        }
    }

    private final Arena arena = Arena.ofShared();
    private final AtomicLong now = new AtomicLong();
    private final ScriptedEngine engine = new ScriptedEngine(
            AioEngineConfig.builder().completionMode(CompletionMode.POLLED).clock(now::get), 4);
    private final Told told = new Told();
    private Path path;
    private AioFile file;

    @SuppressWarnings("NullAway.Init")
    NativeEngineTest() {}

    @BeforeEach
    void open() throws IOException {
        Setup.skipIf(Platform.CURRENT == Platform.OTHER, "no native files here");
        path = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "scripted", ".img");
        file = NativeFile.open(path, AioFile.Access.READ_WRITE, false);
    }

    @AfterEach
    void close() throws IOException {
        engine.close();
        assertThat(engine.destroyed).isTrue();
        if (file != null) {
            file.close();
            Files.delete(path);
        }
        arena.close();
    }

    private long run(boolean write, long bytes, long... results) {
        Arrays.stream(results).forEach(engine.script::add);
        Kiocb kiocb = Kiocb.withSegments(1);
        if (write) {
            kiocb.prepareWrite(file, 0, told, 1);
        } else {
            kiocb.prepareRead(file, 0, told, 1);
        }
        return Told.run(engine, kiocb.addSegment(arena.allocate(bytes)), told);
    }

    @Test
    void shortTransferIsContinuedWhereItStopped() {
        assertThat(run(true, 3 * BLOCK, 1000, BLOCK)).isEqualTo(3 * BLOCK);
        assertThat(engine.log).containsExactly("0+12288", "1000+11288", "5096+7192");
        assertThat(engine.statistics().shortTransfersContinued()).isEqualTo(2);
    }

    @Test
    void readThatMakesNoProgressHasMetTheEnd() {
        assertThat(run(false, 3 * BLOCK, 1000, 0)).isEqualTo(1000);
    }

    @Test
    void writeThatMakesNoProgressHasFailed() {
        assertThat(run(true, 3 * BLOCK, 1000, 0)).isEqualTo(-Errno.EIO);
    }

    @Test
    void errorAfterAPartIsTheResult() {
        assertThat(run(true, 3 * BLOCK, 1000, -Errno.ENOSPC)).isEqualTo(-Errno.ENOSPC);
    }

    @Test
    void operationThatWasNotStartedIsSubmittedAgain() {
        assertThat(run(false, BLOCK, -Errno.EINTR, -Errno.ECANCELED)).isEqualTo(BLOCK);
        assertThat(engine.log).hasSize(3);
        assertThat(engine.statistics().resubmitted()).isEqualTo(2);
    }

    @Test
    void operationThatFoundNoRoomInTheDeviceIsSubmittedAgainAfterAPauseThatGrows() {
        Arrays.stream(new long[]{-Errno.EAGAIN, -Errno.EAGAIN, -Errno.EAGAIN}).forEach(engine.script::add);
        assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK))))
                .isZero();
        long before = 0;
        for (int tries = 1; tries <= 3; tries++) {
            while (engine.log.size() == tries) {
                assertThat(engine.poll()).isZero();
                // Not again at this time.
                assertThat(engine.log).hasSize(tries);
                assertThat(engine.poll()).isZero();
                assertThat(engine.log).hasSize(tries);
                now.addAndGet(10_000);
                engine.poll();
            }
            assertThat(now.get()).as("the pause after try %d", tries).isGreaterThan(2 * before);
            before = now.get();
        }
        assertThat(engine.poll() + told.results.size()).isPositive();
        assertThat(told.result(1)).isEqualTo(BLOCK);
    }

    @Test
    void operationThatFoundNoRoomInTheDeviceIsSubmittedAgainWhenAnotherHasEnded() {
        engine.script.add((long) -Errno.EAGAIN);
        for (int i = 0; i < 2; i++) {
            assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                    .addSegment(arena.allocate(BLOCK)))).isZero();
        }
        assertThat(engine.poll()).isEqualTo(1);
        assertThat(engine.log).containsExactly("0+4096", "4096+4096", "0+4096");
        assertThat(engine.poll()).isEqualTo(1);
        assertThat(told.results.values()).containsOnly((long) BLOCK);
    }

    @Test
    @Timeout(300)
    void whoWaitsForAnOperationThatIsHeldBackGoesOnAfterThePause() {
        try (ScriptedEngine waiting = new ScriptedEngine(
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED), 4)) {
            waiting.script.addAll(List.of((long) -Errno.EAGAIN, (long) -Errno.EAGAIN));
            assertThat(Told.run(waiting,
                    Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK)), told))
                    .isEqualTo(BLOCK);
        }
    }

    /** With the interrupt on it, each pause would end at once, and the owner would look over and over. */
    @Test
    @Timeout(300)
    void anInterruptIsPutAsideWhileAnOperationIsHeldBack() {
        List<Boolean> interrupted = new ArrayList<>();
        try (ScriptedEngine waiting = new ScriptedEngine(
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).clock(() -> {
                    interrupted.add(Thread.currentThread().isInterrupted());
                    return now.addAndGet(5_000);
                }), 4)) {
            waiting.script.addAll(List.of((long) -Errno.EAGAIN, (long) -Errno.EAGAIN));
            Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK));
            assertThat(waiting.submit(kiocb)).isZero();
            interrupted.clear();
            Thread.currentThread().interrupt();
            assertThat(waiting.await(Long.MAX_VALUE)).isOne();
            assertThat(Thread.interrupted()).as("it is there again").isTrue();
            assertThat(told.result(1)).isEqualTo(BLOCK);
            assertThat(interrupted).first().isEqualTo(true);
            assertThat(interrupted).as("when the pause is over").last().isEqualTo(false);
        }
    }

    @Test
    @Timeout(300)
    void anInterruptThatWasPutAsideIsThereAgainAfterAFailedClose() {
        AtomicBoolean closing = new AtomicBoolean();
        AtomicBoolean seen = new AtomicBoolean();
        ScriptedEngine failing = new ScriptedEngine(
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).clock(() -> {
                    if (closing.get() && !Thread.currentThread().isInterrupted()) {
                        seen.set(true);
                        throw new IllegalStateException("a clock that fails once the interrupt is put aside");
                    }
                    return now.addAndGet(5_000);
                }), 4);
        failing.script.addAll(List.of((long) -Errno.EAGAIN, (long) -Errno.EAGAIN));
        assertThat(
                failing.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK))))
                .isZero();
        assertThat(failing.poll()).isZero();
        Thread.currentThread().interrupt();
        closing.set(true);
        assertThatThrownBy(() -> failing.closeWithin(TimeUnit.DAYS.toNanos(1)))
                .isInstanceOf(IllegalStateException.class);
        assertThat(Thread.interrupted()).as("interrupted still").isTrue();
        assertThat(seen).isTrue();
    }

    @Test
    void syncThatWasNotStartedIsSubmittedAgain() {
        engine.script.addAll(List.of((long) -Errno.EINTR, (long) -Errno.EIO));
        assertThat(Told.run(engine, Kiocb.withSegments(1).prepareSync(file, false, told, 1), told))
                .isEqualTo(-Errno.EIO);
        assertThat(engine.log).containsExactly("FSYNC", "FSYNC");
    }

    @Test
    void submittingAgainHasABound() {
        for (int i = 0; i <= NativeEngine.RETRIES_MAX; i++) {
            engine.script.add((long) -Errno.EAGAIN);
        }
        assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK))))
                .isZero();
        while (told.results.isEmpty()) {
            engine.poll();
            now.addAndGet(1_000_000_000L);
        }
        assertThat(told.result(1)).isEqualTo(-Errno.EAGAIN);
        assertThat(engine.script).isEmpty();
    }

    @Test
    @Timeout(300)
    void whatIsHandedOverAndFindsNoRoomCountsAsDeferredOnce() {
        int operations = 12;
        int slots = 4;
        try (FailingRing waiting = FailingRing.asleep(slots)) {
            // It takes all of them at once when it is called.
            for (int i = 0; i < operations; i++) {
                assertThat(waiting.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                        .addSegment(arena.allocate(BLOCK)))).isZero();
            }
            waiting.commit();
            told.await(waiting, operations);
            assertThat(waiting.statistics().deferred()).isEqualTo(operations - slots);
        }
    }

    @Test
    @Timeout(300)
    void whatAReaperHasTakenIsToldThoughItsRingFailsMeanwhile() {
        int operations = 12;
        FailingRing.FAILURES.set(5);
        try (FailingRing failing = new FailingRing(4)) {
            for (int i = 0; i < operations; i++) {
                assertThat(failing.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                        .addSegment(arena.allocate(BLOCK)))).isZero();
            }
            failing.commit();
            told.await(failing, operations);
        }
        assertThat(FailingRing.FAILURES).hasValue(0);
    }

    @Test
    @Timeout(300)
    void ringThatFailsForGoodIsGivenUpAndWhatIsInFlightEndsWithAnError() {
        int operations = 12;
        try (FailingRing failing = FailingRing.asleep(4)) {
            // It begins with them when it is called, and so does not give up before all are there.
            FailingRing.FAILURES.set(Integer.MAX_VALUE);
            for (int i = 0; i < operations; i++) {
                assertThat(failing.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                        .addSegment(arena.allocate(BLOCK)))).isZero();
            }
            failing.commit();
            told.await(failing, operations);
            assertThat(told.results.values()).containsOnly((long) -Errno.EIO);
            assertThat(failing
                    .submit(Kiocb.withSegments(1).prepareRead(file, 0, told, 99).addSegment(arena.allocate(BLOCK))))
                    .isEqualTo(-Errno.EIO);
        } finally {
            FailingRing.FAILURES.set(0);
        }
    }

    @Test
    void waitingOperationsComeInTheirOrderAndContinuedOnesBeforeThem() {
        engine.script.add(100L);
        MemorySegment memory = arena.allocate(BLOCK);
        for (int i = 0; i < 6; i++) {
            assertThat(engine
                    .submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i).addSegment(memory)))
                    .isZero();
        }
        engine.commit();
        told.await(engine, 6);
        assertThat(engine.log).containsExactly("0+4096", "4096+4096", "8192+4096", "12288+4096", "100+3996",
                "16384+4096", "20480+4096");
        assertThat(engine.statistics().deferred()).isEqualTo(2);
    }

    @Test
    void operationsThatFindNoRoomAreKeptUntilThereIsSome() {
        engine.room = 1;
        MemorySegment memory = arena.allocate(BLOCK);
        for (int i = 0; i < 3; i++) {
            assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, i).addSegment(memory))).isZero();
        }
        engine.commit();
        assertThat(engine.poll()).isEqualTo(1);
        assertThat(engine.poll()).isZero();
        assertThat(engine.statistics().inFlight()).isEqualTo(2);
        engine.room = 10;
        assertThat(engine.poll()).isZero();
        assertThat(engine.poll()).isEqualTo(2);
        assertThat(told.results.values()).containsOnly((long) BLOCK);
    }

    @Test
    @Timeout(300)
    void whoClosesSecondReturnsWhenTheFirstHasEndedIt() throws InterruptedException {
        engine.mayEnd = new CountDownLatch(1);
        Thread first = Thread.ofPlatform().start(engine::close);
        while (engine.ends.get() == 0) {
            Thread.onSpinWait();
        }
        AtomicBoolean seenDestroyed = new AtomicBoolean();
        Thread second = Thread.ofPlatform().start(() -> {
            engine.close();
            seenDestroyed.set(engine.destroyed);
        });
        Eventually.waitsIn(second, EngineEnd.class);
        engine.mayEnd.countDown();
        first.join();
        second.join();
        assertThat(seenDestroyed).isTrue();
        assertThat(engine.ends).hasValue(1);
    }

    @Test
    void whatADeadOwnerLeftIsCancelled() throws InterruptedException {
        MemorySegment memory = arena.allocate(BLOCK);
        Thread owner = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < 10; i++) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, i).addSegment(memory)))
                        .isZero();
            }
        });
        owner.join();
        engine.close();
        assertThat(told.results.values()).hasSize(10).containsOnly((long) -Errno.ECANCELED);
    }

    private void submitReads(AioFile of, int count) {
        read(engine, of, count);
    }

    private long heldBy(AioFile of) {
        return engine.placedSlots.stream().filter(slot -> engine.placed(slot).file().equals(of)).count();
    }

    @Test
    void aFileThatHasTheRingToItselfMayHaveAllSlots() {
        submitReads(file, 10);
        assertThat(heldBy(file)).isEqualTo(4);
        told.await(engine, 10);
    }

    @Test
    void aFileThatFloodsTheRingLeavesASlotForAnotherThoughNoneOfItsOwnEnds() throws IOException {
        try (ScriptedEngine large = new ScriptedEngine(AioEngineConfig.builder().completionMode(CompletionMode.POLLED),
                15); AioFile second = file.reopen(false); AioFile third = file.reopen(false)) {
            Map<AioFile, Integer> held = new LinkedHashMap<>();
            List<AioFile> files = List.of(file, second, third);
            // Each is known to the ring.
            for (AioFile one : files) {
                read(large, one, 1);
                told.await(large, 1);
            }
            for (AioFile one : files) {
                read(large, one, 20);
                held.put(one,
                        (int) large.placedSlots.stream().filter(slot -> large.placed(slot).file().equals(one)).count());
            }
            // Half of 15, half of the 7 that are left, half of the 3 of these.
            assertThat(held.values()).containsExactly(8, 4, 2);
            told.await(large, 20 * files.size());
        }
    }

    private long readsSoFar;

    private void read(NativeEngine of, AioFile from, int count) {
        for (int i = 0; i < count; i++) {
            assertThat(of.submit(Kiocb.withSegments(1).prepareRead(from, (long) i * BLOCK, told, readsSoFar++)
                    .addSegment(arena.allocate(BLOCK)))).isZero();
        }
    }

    @Test
    void filesWhoseOperationsWaitTakeTurns() throws IOException {
        try (AioFile other = file.reopen(false)) {
            engine.room = 0;
            submitReads(file, 5);
            read(engine, other, 2);
            engine.room = Integer.MAX_VALUE;
            List<AioFile> order = new ArrayList<>();
            while (order.size() < 7) {
                int _ = engine.poll();
                engine.placedSlots.stream().map(slot -> engine.placed(slot).file()).forEach(order::add);
            }
            // The files take turns, until one has nothing left.
            assertThat(order.subList(0, 4)).containsExactly(file, other, file, other);
            told.await(engine, 7);
        }
    }

    @Test
    void aFileThatOutlivesManyRingsRemembersNone() throws Exception {
        for (int i = 0; i < 100; i++) {
            try (ScriptedEngine one = new ScriptedEngine(
                    AioEngineConfig.builder().completionMode(CompletionMode.POLLED), 4)) {
                read(one, file, 1);
                told.await(one, 1);
            }
        }
        assertThat(((NativeFile) file).ringsKnown()).isLessThanOrEqualTo(2);
    }
}
