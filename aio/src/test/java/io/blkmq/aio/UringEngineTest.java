package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What io_uring has beyond the contract: rings as older kernels make them, and what a ring holds on to. */
@Isolated
class UringEngineTest {

    private static final int BLOCK = 4096;
    private static final int NO_SUCH_FLAG = 1 << 30;

    private final Arena arena = Arena.ofShared();
    private Path path;

    @SuppressWarnings("NullAway.Init")
    UringEngineTest() {}

    record Ring(CompletionMode mode, int flags) {}

    static List<Ring> rings() {
        List<Ring> rings = new ArrayList<>();
        for (int flags : UringEngine.POLLED_FLAGS) {
            rings.add(new Ring(CompletionMode.POLLED, flags));
        }
        for (int flags : UringEngine.INTERRUPTING_FLAGS) {
            rings.add(new Ring(CompletionMode.REAPER, flags));
        }
        return rings;
    }

    static List<Ring> polledRings() {
        return rings().stream().filter(ring -> ring.mode() == CompletionMode.POLLED).toList();
    }

    @BeforeEach
    void make() throws IOException {
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "no io_uring");
        path = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "uring", ".img");
        Files.write(path, new byte[64 * BLOCK]);
    }

    @AfterEach
    void remove() throws IOException {
        if (path != null) {
            Files.delete(path);
        }
        arena.close();
    }

    private static AioEngineConfig config(CompletionMode mode) {
        return AioEngineConfig.builder().depth(8).completionMode(mode).build();
    }

    @ParameterizedTest
    @MethodSource("rings")
    void ringOfAnyKernelServesTheContract(Ring ring) throws IOException {
        AioEngine engine;
        try {
            // The first is refused by every kernel, the second by some.
            engine = UringEngine.open(config(ring.mode()), NO_SUCH_FLAG, ring.flags());
        } catch (AioUnavailableException e) {
            Setup.skipIf(true, "this kernel makes no ring with flags " + Integer.toHexString(ring.flags()));
            return;
        }
        try (engine; AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            Told told = new Told();
            MemorySegment memory = arena.allocate(100L * BLOCK, BLOCK);
            engine.registerMemory(memory.asSlice(0, 50L * BLOCK));
            for (int i = 0; i < 100; i++) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareWrite(file, (long) i * BLOCK, told, i)
                        .addSegment(memory.asSlice((long) i * BLOCK, BLOCK)))).isZero();
            }
            engine.commit();
            told.await(engine, 100);
            assertThat(told.results.values()).containsOnly((long) BLOCK);
            assertThat(file.size()).isEqualTo(100 * BLOCK);
            assertThat(Told.run(engine, Kiocb.withSegments(1).prepareSync(file, false, told, 1000), told)).isZero();
        }
    }

    @ParameterizedTest
    @MethodSource("polledRings")
    void ringWithoutItsOwnerIsClosedOnceNothingIsLeft(Ring ring) throws Exception {
        AioEngine engine;
        try {
            engine = UringEngine.open(config(ring.mode()), ring.flags());
        } catch (AioUnavailableException e) {
            Setup.skipIf(true, "this kernel makes no ring with flags " + Integer.toHexString(ring.flags()));
            return;
        }
        Told told = new Told();
        try (engine; AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            MemorySegment memory = arena.allocate(40L * BLOCK, BLOCK);
            Thread owner = Thread.ofPlatform().start(() -> {
                for (int i = 0; i < 40; i++) {
                    assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                            .addSegment(memory.asSlice((long) i * BLOCK, BLOCK)))).isZero();
                }
                engine.commit();
            });
            owner.join();
        }
        assertThat(told.results.values()).hasSize(40).isSubsetOf((long) BLOCK, (long) -Errno.ECANCELED);
    }

    @Test
    void flagsThatNoKernelKnowsAreRefused() {
        assertThatThrownBy(() -> UringEngine.open(config(CompletionMode.POLLED), NO_SUCH_FLAG))
                .isInstanceOf(AioUnavailableException.class).hasMessageContaining("EINVAL");
    }

    @Test
    void filesComeAndGoInTheTable() throws IOException {
        try (AioEngine engine = UringEngine.open(config(CompletionMode.POLLED))) {
            Told told = new Told();
            for (int i = 0; i < 2 * FileTable.FILES_MAX + 10; i++) {
                try (AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
                    assertThat(Told.run(engine, Kiocb.withSegments(1).prepareSync(file, true, told, i), told)).isZero();
                }
            }
            assertThat(engine.statistics().fixedFileOperations()).isEqualTo(engine.statistics().submitted());
        }
    }

    @Test
    void filesThatFindTheTableFullAreServedByTheirDescriptorsAndGetAPlaceWhenThereIsOne() throws IOException {
        List<AioFile> files = new ArrayList<>();
        try (AioEngine engine = UringEngine.open(config(CompletionMode.POLLED))) {
            Told told = new Told();
            for (int i = 0; i < FileTable.FILES_MAX + 5; i++) {
                files.add(engine.open(path, AioFile.Access.READ_ONLY, false));
                assertThat(sync(engine, files.get(i), told, i)).isZero();
            }
            assertThat(engine.statistics().fixedFileOperations()).isEqualTo(FileTable.FILES_MAX);
            files.removeFirst().close();
            assertThat(sync(engine, files.getLast(), told, 5000)).isZero();
            assertThat(engine.statistics().fixedFileOperations()).isEqualTo(FileTable.FILES_MAX + 1);
            assertThat(sync(engine, files.get(files.size() - 2), told, 5001)).as("no place for this one").isZero();
            assertThat(engine.statistics().fixedFileOperations()).isEqualTo(FileTable.FILES_MAX + 1);
        } catch (java.nio.file.FileSystemException e) {
            Setup.skipIf(true, "too few descriptors: " + e.getMessage());
        } finally {
            files.forEach(AioFile::close);
        }
    }

    private static long sync(AioEngine engine, AioFile file, Told told, long userData) {
        return Told.run(engine, Kiocb.withSegments(1).prepareSync(file, true, told, userData), told);
    }

    @Test
    void fileClosedByAnotherThreadLeavesTheTableWithTheOwnersNextCall() throws Exception {
        try (AioEngine engine = UringEngine.open(config(CompletionMode.POLLED))) {
            AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false);
            Told told = new Told();
            assertThat(Told.run(engine, Kiocb.withSegments(1).prepareSync(file, true, told, 1), told)).isZero();
            long open = descriptorsOf(path);
            assertThat(file.tryLock(true)).isTrue();
            Thread.ofPlatform().start(file::close).join();
            assertThat(descriptorsOf(path)).isEqualTo(open - 1);
            try (AioFile another = engine.open(path, AioFile.Access.READ_WRITE, false)) {
                assertThat(another.tryLock(true)).as("while the ring still has the file").isTrue();
                assertThat(engine.poll()).isZero();
                assertThat(Told.run(engine, Kiocb.withSegments(1).prepareSync(another, true, told, 2), told)).isZero();
            }
        }
    }

    private static long descriptorsOf(Path path) throws IOException {
        long count = 0;
        Path target = path.toRealPath();
        try (var links = Files.list(Path.of("/proc/self/fd"))) {
            for (Path link : links.toList()) {
                try {
                    count += Files.readSymbolicLink(link).equals(target) ? 1 : 0;
                } catch (IOException e) {
                    // It was the descriptor of the listing.
                }
            }
        }
        return count;
    }

    private static UringEngine engine(AioEngineConfig.Builder builder) throws IOException {
        return UringEngine.open(builder.build());
    }

    /** A ring whose doorbell refuses as often as is wanted. */
    private static final class RefusingRing extends Uring {
        static final ConcurrentLinkedQueue<Integer> REFUSALS = new ConcurrentLinkedQueue<>();

        RefusingRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        int enter(int submit, int complete, int enterFlags) {
            Integer refusal = submit > 0 ? REFUSALS.poll() : null;
            return refusal != null ? refusal : super.enter(submit, complete, enterFlags);
        }
    }

    @ParameterizedTest
    @EnumSource
    void doorbellThatTheKernelCannotHearIsRungAgain(CompletionMode mode) throws IOException {
        RefusingRing.REFUSALS.clear();
        AioEngineConfig config = config(mode);
        try (AioEngine engine = UringEngine.open(config, RefusingRing::new, UringEngine.wantedFlags(config));
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            for (int errno : new int[]{Errno.EAGAIN, Errno.EBUSY, Errno.EINTR}) {
                Told told = new Told();
                RefusingRing.REFUSALS.addAll(List.of(-errno, -errno, -errno));
                for (int i = 0; i < 20; i++) {
                    assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                            .addSegment(arena.allocate(BLOCK)))).isZero();
                }
                engine.commit();
                told.await(engine, 20);
                assertThat(told.results.values()).containsOnly((long) BLOCK);
                assertThat(RefusingRing.REFUSALS).as(Errno.name(errno)).isEmpty();
            }
        }
    }

    /** A ring one of whose threads is held when it has handed all over; until it goes on the kernel takes nothing of others. */
    private static final class HeldRing extends Uring {
        private static volatile @Nullable Thread held;
        private static volatile CountDownLatch rung = new CountDownLatch(1);
        private static volatile CountDownLatch goesOn = new CountDownLatch(1);

        HeldRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        int enter(int submit, int complete, int enterFlags) {
            boolean isHeld = Thread.currentThread().equals(held);
            if (submit > 0 && !isHeld && goesOn.getCount() != 0) {
                return -Errno.EAGAIN;
            }
            int entered = super.enter(submit, complete, enterFlags);
            if (submit > 0 && isHeld && goesOn.getCount() != 0) {
                rung.countDown();
                try {
                    // Not for ever, lest a test that has failed meanwhile never ends.
                    boolean _ = goesOn.await(120, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
            return entered;
        }
    }

    @Test
    @Timeout(300)
    void aDoorbellThatWasNotHeardIsNotForgottenByWhoHasRungBefore() throws Exception {
        AioEngineConfig config = config(CompletionMode.REAPER);
        HeldRing.rung = new CountDownLatch(1);
        HeldRing.goesOn = new CountDownLatch(1);
        try (AioEngine engine = UringEngine.open(config, HeldRing::new, UringEngine.wantedFlags(config));
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Told told = new Told();
            Thread first = Thread.ofPlatform().daemon().unstarted(() -> {
                if (engine.submit(
                        Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK))) == 0) {
                    engine.commit();
                }
            });
            HeldRing.held = first;
            first.start();
            assertThat(HeldRing.rung.await(120, TimeUnit.SECONDS)).isTrue();
            engine.submitOrThrow(
                    Kiocb.withSegments(1).prepareRead(file, BLOCK, told, 2).addSegment(arena.allocate(BLOCK)));
            engine.commit();
            HeldRing.goesOn.countDown();
            told.await(engine, 2);
            assertThat(told.results.values()).containsOnly((long) BLOCK);
            first.join();
        } finally {
            HeldRing.goesOn.countDown();
            HeldRing.held = null;
        }
    }

    /** A ring that the kernel refuses to be entered for, for a while. */
    private static final class SulkingRing extends Uring {
        private static volatile long refusedUntil;

        /** Less than the pauses between ten refusals take, which are half a second. */
        static void sulk() {
            refusedUntil = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(300);
        }

        private static boolean sulks() {
            return refusedUntil - System.nanoTime() > 0;
        }

        SulkingRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        int enter(int submit, int complete, int enterFlags) {
            return sulks() ? -Errno.EPERM : super.enter(submit, complete, enterFlags);
        }

        @Override
        int enterAndWait(int submit, int moreFlags, long timeoutNanos) {
            return sulks() ? -Errno.EPERM : super.enterAndWait(submit, moreFlags, timeoutNanos);
        }
    }

    @Test
    @Timeout(300)
    void anInterruptedReaperIsAsPatientAsAnyOther() throws IOException {
        AtomicReference<Thread> reaper = new AtomicReference<>();
        AioEngineConfig config = AioEngineConfig.builder().depth(8).ringEntry(RingEntry.REAPER).threadFactory(work -> {
            Thread thread = Thread.ofPlatform().daemon().unstarted(work);
            reaper.set(thread);
            return thread;
        }).build();
        SulkingRing.refusedUntil = System.nanoTime();
        try (AioEngine engine = UringEngine.open(config, SulkingRing::new, UringEngine.wantedFlags(config));
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Told told = new Told();
            reaper.get().interrupt();
            SulkingRing.sulk();
            engine.submitOrThrow(Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK)));
            engine.commit();
            told.await(engine, 1);
            assertThat(told.result(1)).isEqualTo(BLOCK);
            assertThat(engine.isOpen()).isTrue();
        }
    }

    /** A ring that the kernel refuses to be entered for, from some time on. */
    private static final class DeadRing extends Uring {
        static final AtomicBoolean DEAD = new AtomicBoolean();
        /** A reaper gives a ring up that is refused about a second long: it hears of that when the test has submitted all. */
        private static volatile CountDownLatch allSubmitted = new CountDownLatch(0);
        private static volatile @Nullable Thread submitter;

        static void die() {
            submitter = Thread.currentThread();
            allSubmitted = new CountDownLatch(1);
            DEAD.set(true);
        }

        static void tellAll() {
            allSubmitted.countDown();
        }

        private static int refused() {
            if (!Thread.currentThread().equals(submitter)) {
                try {
                    // Not for ever, lest a test that has failed meanwhile never ends.
                    boolean _ = allSubmitted.await(120, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
            return -Errno.EPERM;
        }

        DeadRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        int enter(int submit, int complete, int enterFlags) {
            return DEAD.get() ? refused() : super.enter(submit, complete, enterFlags);
        }

        @Override
        int enterAndWait(int submit, int moreFlags, long timeoutNanos) {
            return DEAD.get() ? refused() : super.enterAndWait(submit, moreFlags, timeoutNanos);
        }
    }

    static List<AioEngineConfig> ringsThatMayDie() {
        return List.of(AioEngineConfig.builder().depth(8).completionMode(CompletionMode.POLLED).build(),
                AioEngineConfig.builder().depth(8).build(),
                AioEngineConfig.builder().depth(8).ringEntry(RingEntry.REAPER).build(), AioEngineConfig.builder()
                        .depth(8).completionMode(CompletionMode.POLLED).submissionPolling(true).build());
    }

    @ParameterizedTest
    @MethodSource("ringsThatMayDie")
    @Timeout(300)
    void whatIsInFlightEndsWhenTheKernelRefusesTheRingForGood(AioEngineConfig config) throws IOException {
        DeadRing.DEAD.set(false);
        try (AioEngine engine = UringEngine.open(config, DeadRing::new, UringEngine.wantedFlags(config));
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, true)) {
            Told told = new Told();
            if (config.completionMode() == CompletionMode.POLLED) {
                // An event loop waits for it, and so an idle engine looks into its ring.
                assertThat(engine.descriptor()).isNotNegative();
            }
            for (int i = 0; i < 40; i++) {
                if (i == 20) {
                    engine.commit();
                    DeadRing.die();
                }
                assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                        .addSegment(arena.allocate(BLOCK, BLOCK)))).isZero();
            }
            engine.commit();
            DeadRing.tellAll();
            told.await(engine, 40);
            assertThat(told.results.values()).isSubsetOf((long) BLOCK, (long) -Errno.EIO);
            if (!config.submissionPolling()) {
                // There the kernel's thread goes on taking entries while it is awake.
                assertThat(told.results.values()).contains((long) -Errno.EIO);
                assertThat(engine.submit(
                        Kiocb.withSegments(1).prepareRead(file, 0, told, 99).addSegment(arena.allocate(BLOCK, BLOCK))))
                        .isEqualTo(-Errno.EIO);
                assertThat(engine.registerMemory(arena.allocate(BLOCK, BLOCK))).isFalse();
            }
            engine.commit();
            assertThat(engine.poll()).isZero();
            assertThat(engine.await(Long.MAX_VALUE)).isZero();
        } finally {
            DeadRing.tellAll();
            DeadRing.DEAD.set(false);
        }
    }

    @Test
    @Timeout(300)
    void ringThatIsRefusedForAWhileGoesOnAndTheFlightRecorderIsTold() throws IOException {
        RefusingRing.REFUSALS.clear();
        AioEngineConfig config = config(CompletionMode.POLLED);
        Recording recording = new Recording();
        recording.enable("io.blkmq.RingError");
        recording.start();
        Path recorded = Files.createTempFile(Path.of("target", "io"), "ring", ".jfr");
        try (recording;
                AioEngine engine = UringEngine.open(config, RefusingRing::new, UringEngine.wantedFlags(config));
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            for (int round = 0; round < 3; round++) {
                Told told = new Told();
                for (int i = 1; i < Setbacks.IN_A_ROW_MAX - 4; i++) {
                    RefusingRing.REFUSALS.add(-Errno.EPERM);
                }
                assertThat(engine
                        .submit(Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK))))
                        .isZero();
                engine.commit();
                while (told.results.isEmpty()) {
                    engine.poll();
                }
                assertThat(told.result(1)).isEqualTo(BLOCK);
                assertThat(RefusingRing.REFUSALS).isEmpty();
            }
            recording.dump(recorded);
            List<RecordedEvent> events = RecordingFile.readAllEvents(recorded).stream()
                    .filter(event -> event.getEventType().getName().equals("io.blkmq.RingError")).toList();
            // The first refusal is told to who commits, and is no failure yet.
            assertThat(events).hasSize(3 * (Setbacks.IN_A_ROW_MAX - 6));
            assertThat(events.subList(0, Setbacks.IN_A_ROW_MAX - 6)).extracting(event -> event.getInt("inARow"))
                    .containsExactly(1, 2, 3, 4);
            assertThat(events).allSatisfy(event -> {
                assertThat(event.getString("engine")).isEqualTo(engine.toString());
                assertThat(event.getString("error")).contains("EPERM");
                assertThat(event.getBoolean("givenUp")).isFalse();
                assertThat(event.getEventType().getCategoryNames()).containsExactly("blkmq");
            });
        } finally {
            Files.delete(recorded);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    @Timeout(300)
    void whoWaitsWakesTheThreadOfTheKernelThatTakesEntries(boolean completionPolling) throws IOException {
        AtomicReference<Uring> made = new AtomicReference<>();
        AioEngineConfig config = AioEngineConfig.builder().depth(8).completionMode(CompletionMode.POLLED)
                .submissionPolling(true).completionPolling(completionPolling).build();
        Told told = new Told();
        try (AioEngine engine = UringEngine.open(config, (fd, params) -> {
            Uring ring = new Uring(fd, params);
            made.set(ring);
            return ring;
        }, UringEngine.wantedFlags(config)); AioFile file = engine.open(path, AioFile.Access.READ_ONLY, true)) {
            while (!made.get().needsWakeup()) {
                // It goes to sleep after a while without work.
                Thread.onSpinWait();
            }
            assertThat(engine.submit(
                    Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK, BLOCK))))
                    .isZero();
            assertThat(engine.await(Long.MAX_VALUE)).isEqualTo(1);
            // Only a device with queues for polling can be asked.
            assertThat(told.result(1)).isIn((long) BLOCK, (long) -Errno.EOPNOTSUPP);
            while (!made.get().needsWakeup()) {
                Thread.onSpinWait();
            }
            assertThat(engine.submit(
                    Kiocb.withSegments(1).prepareRead(file, 0, told, 2).addSegment(arena.allocate(BLOCK, BLOCK))))
                    .isZero();
        }
        assertThat(told.result(2)).as("told by closing").isEqualTo(told.result(1));
    }

    /** A ring that says that it has more room for completions than it has. */
    private static final class BoastingRing extends Uring {
        BoastingRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        int completionEntries() {
            return 8 * super.completionEntries();
        }
    }

    @ParameterizedTest
    @EnumSource
    @Timeout(300)
    void engineFetchesCompletionsThatFoundNoRoom(CompletionMode mode) throws IOException {
        AtomicReference<Uring> made = new AtomicReference<>();
        // A plain ring, whose completions are posted at once, whoever has room for them.
        try (AioEngine engine = UringEngine.open(config(mode), (fd, params) -> {
            Uring ring = new BoastingRing(fd, params);
            made.set(ring);
            return ring;
        }, 0); AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Told told = new Told();
            for (int i = 0; i < 60; i++) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                        .addSegment(arena.allocate(BLOCK)))).isZero();
            }
            engine.commit();
            if (mode == CompletionMode.POLLED) {
                // What the page cache has lost meanwhile is read by the device.
                Eventually.until("more has ended than there is room for", () -> made.get().hasOverflown());
                // Not by await, which enters the kernel in any case.
                while (told.results.size() < 60) {
                    engine.poll();
                }
                assertThat(engine.statistics().completionOverflows()).isPositive();
            }
            told.await(engine, 60);
            assertThat(told.results.values()).hasSize(60).containsOnly((long) BLOCK);
        }
    }

    /** A ring of a kernel that has nothing but what 5.6 had. */
    private static final class OldRing extends Uring {
        OldRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        boolean hasTimedWait() {
            return false;
        }

        @Override
        boolean canSkipSuccess() {
            return false;
        }

        @Override
        boolean registerSparseFiles(int places) {
            return false;
        }

        @Override
        boolean registerSparseMemory(int places) {
            return false;
        }

        @Override
        boolean[] supported() throws IOException {
            boolean[] supported = super.supported();
            supported[OP_FALLOCATE] = false;
            return supported;
        }
    }

    @ParameterizedTest
    @EnumSource
    void engineDoesWithoutWhatAnOldKernelLacks(CompletionMode mode) throws IOException {
        AioEngine engine = UringEngine.open(config(mode), OldRing::new, 0);
        try (engine; AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(engine.operations()).containsExactlyInAnyOrder(AioOperation.READ, AioOperation.WRITE,
                    AioOperation.FSYNC, AioOperation.FDATASYNC);
            MemorySegment memory = arena.allocate(40L * BLOCK, BLOCK).fill((byte) 0x29);
            assertThat(engine.registerMemory(memory)).isFalse();
            Told told = new Told();
            assertThat(engine.await(1)).as("nothing is in flight").isZero();
            for (int i = 0; i < 40; i++) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareWrite(file, (long) i * BLOCK, told, i)
                        .thenSync(true).addSegment(memory, (long) i * BLOCK, BLOCK))).isZero();
            }
            engine.commit();
            told.await(engine, 40);
            assertThat(told.results.values()).hasSize(40).containsOnly((long) BLOCK);
            assertThat(engine.submit(Kiocb.withSegments(1).preparePunchHole(file, 0, BLOCK, told, 1)))
                    .isEqualTo(-Errno.EOPNOTSUPP);
            assertThat(engine.statistics().fixedFileOperations()).isZero();
        }
        assertThat(Files.readAllBytes(path)).startsWith(new byte[]{0x29, 0x29}).hasSize(64 * BLOCK);
    }

    @Test
    @Timeout(300)
    void waitEndsInTimeAlsoWhereTheKernelKnowsNoTimeOut() throws IOException {
        Uring ring = Uring.open(4, new int[]{0}, OldRing::new);
        try {
            assertThat(ring.enterAndWait(0, 0, 1_500_000)).isZero();
            assertThat(ring.ready()).isZero();
            ring.put(Uring.head(Uring.OP_NOP, 0, -1), 0, 0, 0, 17, 0);
            ring.publish();
            assertThat(ring.enterAndWait(1, 0, TimeUnit.DAYS.toNanos(1))).isEqualTo(1);
            assertThat(ring.ready()).isEqualTo(1);
            assertThat(ring.completionUserData()).isEqualTo(17);
        } finally {
            ring.close();
        }
    }

    @Test
    void kernelThatIsTooOldIsTold() {
        Uring.Maker before56 = (fd, params) -> new Uring(fd, params) {
            @Override
            boolean[] supported() {
                return new boolean[256];
            }
        };
        assertThatThrownBy(() -> UringEngine.open(config(CompletionMode.REAPER), before56, 0))
                .isInstanceOf(AioUnavailableException.class).hasMessageContaining("Linux 5.6");
    }

    @Test
    @Timeout(300)
    void threadOfTheKernelThatHasGoneToSleepIsWoken() throws IOException {
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).submissionPolling(true)
                .build();
        List<Uring> rings = new ArrayList<>();
        Uring.Maker remembering = (fd, params) -> {
            rings.add(new Uring(fd, params));
            return rings.getFirst();
        };
        try (AioEngine engine = UringEngine.open(config, remembering, UringEngine.wantedFlags(config));
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Told told = new Told();
            for (int i = 0; i < 3; i++) {
                while (!rings.getFirst().needsWakeup()) {
                    Thread.onSpinWait();
                }
                assertThat(sync(engine, file, told, i)).isZero();
            }
        }
    }

    @Test
    void flagsOfTheRingAreThoseOfTheConfiguration() {
        int single = Uring.SETUP_SINGLE_ISSUER;
        int deferred = Uring.SETUP_DEFER_TASKRUN;
        int cooperative = Uring.SETUP_COOP_TASKRUN;
        int chosen = single | deferred | cooperative | Uring.SETUP_SQPOLL | Uring.SETUP_IOPOLL;
        AioEngineConfig.Builder reaper = AioEngineConfig.builder();
        AioEngineConfig.Builder polled = AioEngineConfig.builder().completionMode(CompletionMode.POLLED);
        AioEngineConfig.Builder own = AioEngineConfig.builder().ringEntry(RingEntry.REAPER);
        assertThat(best(reaper) & chosen).isZero();
        assertThat(best(polled) & chosen).isEqualTo(single | deferred);
        assertThat(best(own) & chosen).isEqualTo(single | deferred);
        assertThat(best(reaper.taskWork(TaskWork.COOPERATIVE)) & chosen).isEqualTo(cooperative);
        assertThat(best(own.taskWork(TaskWork.COOPERATIVE)) & chosen).isEqualTo(single | cooperative);
        assertThat(best(own.taskWork(TaskWork.INTERRUPTING)) & chosen).isEqualTo(single);
        assertThat(best(polled.completionPolling(true)) & chosen).isEqualTo(single | deferred | Uring.SETUP_IOPOLL);
        assertThat(best(reaper.taskWork(TaskWork.INTERRUPTING).submissionPolling(true)) & chosen)
                .isEqualTo(Uring.SETUP_SQPOLL);
        for (AioEngineConfig.Builder builder : List.of(reaper, polled, own)) {
            int[] wanted = UringEngine.wantedFlags(builder.build());
            assertThat(wanted[wanted.length - 1] & ~(Uring.SETUP_SQPOLL | Uring.SETUP_IOPOLL))
                    .as("the last is for the oldest kernel").isZero();
        }
    }

    private static int best(AioEngineConfig.Builder builder) {
        return UringEngine.wantedFlags(builder.build())[0];
    }

    @Test
    void whatIsHandedOverToTheReaperHasALimit() throws IOException {
        // A reaper that never comes to reaping.
        AioEngineConfig config = AioEngineConfig.builder().ringEntry(RingEntry.REAPER).inFlightMax(10)
                .threadFactory(body -> Thread.ofPlatform().unstarted(() -> {})).build();
        Told told = new Told();
        AioEngine engine = UringEngine.open(config);
        try (AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            for (int i = 0; i < 12; i++) {
                Kiocb kiocb = Kiocb.withSegments(1).prepareSync(file, true, told, i);
                assertThat(engine.submit(kiocb)).isEqualTo(i < 10 ? 0 : -Errno.EAGAIN);
                assertThat(kiocb.isInFlight()).isEqualTo(i < 10);
            }
            engine.close();
        }
        assertThat(told.results.values()).hasSize(10).containsOnly((long) -Errno.ECANCELED);
    }

    /** A ring that does not show what has ended in it. */
    private static final class BlindRing extends Uring {
        final int descriptor;

        BlindRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
            descriptor = fd;
        }

        @Override
        int ready() {
            return 0;
        }
    }

    @Test
    @Timeout(300)
    void whatADeadOwnerLeftIsToldOnlyWhenTheKernelHasLetGoOfTheRing() throws Exception {
        Setup.skipIf(Platform.CURRENT != Platform.LINUX_X86_64, "system call numbers of x86-64");
        Setup.skipIf(!Files.isReadable(Path.of("/proc/self/syscall")),
                "the system does not tell what a thread waits for");
        List<BlindRing> rings = new ArrayList<>();
        Uring.Maker blind = (fd, params) -> {
            rings.add(new BlindRing(fd, params));
            return rings.getFirst();
        };
        AioEngineConfig config = config(CompletionMode.POLLED);
        AioEngine engine = UringEngine.open(config, blind, UringEngine.wantedFlags(config));
        Setup.skipIf(!rings.getFirst().has(Uring.SETUP_SINGLE_ISSUER), "anybody may enter a ring of this kernel");
        Told told = new Told();
        AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false);
        MemorySegment memory = arena.allocate(BLOCK, BLOCK);
        Thread.ofPlatform().start(() -> {
            assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(memory))).isZero();
            engine.commit();
        }).join();
        // A second descriptor of the ring keeps the kernel from letting go of it.
        long second = Libc.syscall(32, rings.getFirst().descriptor, 0, 0, 0, 0, 0);
        AtomicLong closerId = new AtomicLong();
        Thread closer = Thread.ofPlatform().start(() -> {
            closerId.set(Libc.syscall(186, 0, 0, 0, 0, 0, 0));
            engine.close();
        });
        while (closer.isAlive() && !isInRead(closerId.get())) {
            Thread.onSpinWait();
        }
        assertThat(closer.isAlive()).as("it waits for the kernel").isTrue();
        assertThat(told.results).isEmpty();
        FileCalls.close((int) second);
        closer.join();
        assertThat(told.result(1)).isEqualTo(-Errno.ECANCELED);
        file.close();
    }

    private static boolean isInRead(long thread) throws IOException {
        try {
            return thread != 0 && Files.readString(Path.of("/proc/self/task/" + thread + "/syscall")).startsWith("0 ");
        } catch (NoSuchFileException e) {
            // It has ended.
            return false;
        }
    }

    @Test
    void closedEngineRegistersNoMemory() throws IOException {
        MemorySegment memory = arena.allocate(BLOCK, BLOCK);
        for (CompletionMode mode : CompletionMode.values()) {
            AioEngine engine = UringEngine.open(config(mode));
            engine.close();
            assertThat(engine.registerMemory(memory)).isFalse();
            assertThat(engine.unregisterMemory(memory)).isFalse();
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatNobodyRingsForAgainIsRungForByWhoCompletes(CompletionMode mode) throws IOException {
        RefusingRing.REFUSALS.clear();
        AioEngineConfig config = config(mode);
        try (AioEngine engine = UringEngine.open(config, RefusingRing::new, UringEngine.wantedFlags(config));
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Told told = new Told();
            RefusingRing.REFUSALS.addAll(List.of(-Errno.EAGAIN, -Errno.EBUSY));
            for (int i = 0; i < 4; i++) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                        .addSegment(arena.allocate(BLOCK)))).isZero();
            }
            // The only doorbell.
            engine.commit();
            if (mode != CompletionMode.REAPER) {
                assertThat(RefusingRing.REFUSALS).hasSize(1);
            }
            while (mode == CompletionMode.POLLED && told.results.size() < 4) {
                // Not by await, which rings in any case.
                engine.poll();
            }
            told.await(engine, 4);
            assertThat(told.results.values()).containsOnly((long) BLOCK);
            assertThat(RefusingRing.REFUSALS).isEmpty();
        }
    }

    @Test
    void completionsThatFindTheirRingFullAreNotLost() throws IOException {
        // The engine never has more in the kernel than completions have room: so this ring is driven by hand.
        try (Arena brief = Arena.ofConfined()) {
            Uring ring = Uring.open(4, new int[]{0});
            MemorySegment memory = brief.allocate(8);
            int sent = 0;
            for (int round = 0; round < 5; round++) {
                for (int i = 0; i < 4; i++) {
                    assertThat(ring.isFull()).isFalse();
                    ring.put(Uring.head(Uring.OP_NOP, 0, -1), 0, memory.address(), 0, sent++, 0);
                }
                ring.publish();
                assertThat(ring.enter(4, 0, 0)).isEqualTo(4);
            }
            assertThat(ring.hasOverflown()).isTrue();
            assertThat(ring.wantsEnter()).isTrue();
            for (int seen = 0; seen < sent; seen++) {
                if (ring.ready() == 0) {
                    assertThat(ring.enter(0, 0, Uring.ENTER_GETEVENTS)).isNotNegative();
                }
                assertThat(ring.completionUserData()).isEqualTo(seen);
                ring.advance();
            }
            assertThat(ring.hasOverflown()).isFalse();
            ring.close();
        }
    }

    @Test
    void writeWithASyncAfterIsOneDoorbellAndOneCompletion() throws IOException {
        try (UringEngine engine = engine(AioEngineConfig.builder().completionMode(CompletionMode.POLLED));
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            Told told = new Told();
            long before = engine.statistics().systemCalls();
            for (int i = 0; i < 30; i++) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareWrite(file, (long) i * BLOCK, told, i)
                        .thenSync(true).addSegment(arena.allocate(BLOCK)))).isZero();
            }
            engine.commit();
            assertThat(engine.statistics().systemCalls()).isEqualTo(before + 1);
            told.await(engine, 30);
            assertThat(told.results.values()).containsOnly((long) BLOCK);
            assertThat(engine.statistics().resubmitted()).isZero();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 64})
    void writesWithASyncAfterWorkWhateverRoomTheRingHas(int depth) throws IOException {
        for (RingEntry entry : RingEntry.values()) {
            try (UringEngine engine = engine(AioEngineConfig.builder().depth(depth).ringEntry(entry));
                    AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
                Told told = new Told();
                for (int i = 0; i < 50; i++) {
                    assertThat(engine.submit(Kiocb.withSegments(1).prepareWrite(file, (long) i * BLOCK, told, i)
                            .thenSync(i % 2 == 0).addSegment(arena.allocate(BLOCK)))).isZero();
                }
                engine.commit();
                told.await(engine, 50);
                assertThat(told.results.values()).hasSize(50).containsOnly((long) BLOCK);
            }
        }
    }

    @Test
    void doorbellOfASharedRingAsksForAllThereIsSoThatItEndsInsideNoLink() throws IOException {
        // What is cut is not seen from outside: the sync ends well, and perhaps before its write.
        Queue<Integer> asked = new ConcurrentLinkedQueue<>();
        Uring.Maker recording = (fd, params) -> new Uring(fd, params) {
            @Override
            int enter(int submit, int complete, int enterFlags) {
                if (submit > 0) {
                    asked.add(submit);
                }
                return super.enter(submit, complete, enterFlags);
            }
        };
        AioEngineConfig config = AioEngineConfig.builder().depth(16).build();
        try (AioEngine engine = UringEngine.open(config, recording, UringEngine.wantedFlags(config));
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            Told told = new Told();
            for (int i = 0; i < 10; i++) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareWrite(file, (long) i * BLOCK, told, i)
                        .thenSync(true).addSegment(arena.allocate(BLOCK)))).isZero();
            }
            engine.commit();
            told.await(engine, 10);
        }
        assertThat(asked).isNotEmpty().containsOnly(16);
    }

    @Test
    void submittersOfOneRingDoNotCutEachOthersLinks() throws Exception {
        List<Throwable> failures = Collections.synchronizedList(new ArrayList<>());
        try (UringEngine engine = engine(AioEngineConfig.builder().depth(16));
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            List<Thread> threads = new ArrayList<>();
            for (int t = 0; t < 3; t++) {
                long base = t * 20L;
                threads.add(Thread.ofPlatform().start(() -> {
                    try {
                        for (int round = 0; round < 40; round++) {
                            Told told = new Told();
                            for (int i = 0; i < 10; i++) {
                                assertThat(engine
                                        .submit(Kiocb.withSegments(1).prepareWrite(file, (base + i) * BLOCK, told, i)
                                                .thenSync(true).addSegment(arena.allocate(BLOCK))))
                                        .isZero();
                                if (i % 3 == 0) {
                                    engine.commit();
                                }
                            }
                            engine.commit();
                            told.await(engine, 10);
                            assertThat(told.results.values()).hasSize(10).containsOnly((long) BLOCK);
                        }
                    } catch (Throwable e) {
                        failures.add(e);
                    }
                }));
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertThat(failures).isEmpty();
        }
    }

    @Test
    void whatEndsInTheDoorbellIsToldByTheSubmitter() throws IOException {
        // A file in memory, whose reads never wait.
        Path inMemory = Path.of("/dev/shm");
        Setup.skipIf(!Files.isWritable(inMemory), "no tmpfs");
        Path file = Files.write(Files.createTempFile(inMemory, "uring", ".img"), new byte[BLOCK]);
        // A reaper that never comes to reaping, so that there is nobody else.
        try (UringEngine engine = engine(
                AioEngineConfig.builder().threadFactory(body -> Thread.ofPlatform().unstarted(() -> {})));
                AioFile read = engine.open(file, AioFile.Access.READ_ONLY, false)) {
            for (int i = 0; i < 20; i++) {
                Told told = new Told();
                assertThat(engine
                        .submit(Kiocb.withSegments(1).prepareRead(read, 0, told, i).addSegment(arena.allocate(BLOCK))))
                        .isZero();
                engine.commit();
                assertThat(told.result(i)).isEqualTo(BLOCK);
            }
        } finally {
            Files.delete(file);
        }
    }

    @Test
    void mappingThatFailsGivesBackTheOneBefore() throws IOException {
        Path maps = Path.of("/proc/self/maps");
        Setup.skipIf(!Files.isReadable(maps), "no /proc");
        long before = rings(maps);
        for (int i = 0; i < 5; i++) {
            // As many bytes of entries as no process has addresses for: their mapping comes last.
            assertThatThrownBy(() -> Uring.open(4, UringEngine.POLLED_FLAGS, (fd, params) -> {
                params.set(ValueLayout.JAVA_INT, Libc.offset(Uring.PARAMS, "sq_entries"), -1);
                return new Uring(fd, params);
            })).isInstanceOf(IOException.class).isNotInstanceOf(AioUnavailableException.class)
                    .hasMessageContaining("refused to map").hasMessageContaining("ENOMEM");
        }
        assertThat(rings(maps)).isEqualTo(before);
    }

    private static long rings(Path maps) throws IOException {
        try (var lines = Files.lines(maps)) {
            return lines.filter(line -> line.contains("io_uring")).count();
        }
    }

    @Test
    void settingsThatExcludeEachOtherAreRefused() {
        assertThatThrownBy(() -> AioEngineConfig.builder().taskWork(TaskWork.DEFERRED).build())
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("one thread");
        assertThatThrownBy(() -> AioEngineConfig.builder().completionPolling(true).build())
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("POLLED");
        assertThatThrownBy(() -> AioEngineConfig.builder().inFlightMax(0)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("0");
    }

    @ParameterizedTest
    @EnumSource
    void taskWorkIsAsItIsWanted(TaskWork work) throws IOException {
        for (CompletionMode mode : List.of(CompletionMode.POLLED, CompletionMode.REAPER)) {
            AioEngineConfig.Builder builder = AioEngineConfig.builder().depth(8).completionMode(mode)
                    .ringEntry(RingEntry.REAPER).taskWork(work);
            try (UringEngine engine = engine(builder);
                    AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
                Told told = new Told();
                for (int i = 0; i < 40; i++) {
                    assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                            .addSegment(arena.allocate(BLOCK, BLOCK)))).isZero();
                }
                engine.commit();
                told.await(engine, 40);
                assertThat(told.results.values()).containsOnly((long) BLOCK);
            }
        }
    }

    @Test
    void completionPollingReadsAndWritesOrSaysThatTheDeviceCannot() throws IOException {
        UringEngine engine;
        try {
            engine = engine(AioEngineConfig.builder().completionMode(CompletionMode.POLLED).completionPolling(true));
        } catch (AioUnavailableException e) {
            Setup.skipIf(true, "no IOPOLL: " + e.getMessage());
            return;
        }
        try (engine; AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            assertThat(engine.operations()).containsExactlyInAnyOrder(AioOperation.READ, AioOperation.WRITE);
            Told told = new Told();
            Kiocb kiocb = Kiocb.withSegments(1);
            assertThat(engine.submit(kiocb.prepareSync(file, true, told, 0))).isEqualTo(-Errno.EOPNOTSUPP);
            MemorySegment memory = arena.allocate(BLOCK, BLOCK);
            assertThat(engine.submit(kiocb.prepareWrite(file, 0, told, 0).thenSync(true).addSegment(memory)))
                    .isEqualTo(-Errno.EOPNOTSUPP);
            assertThat(Told.run(engine, kiocb.prepareRead(file, 0, told, 1).addSegment(memory), told))
                    .isIn((long) BLOCK, (long) -Errno.EOPNOTSUPP);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio"})
    void signalsDoNotDisturb(String name) throws Exception {
        Setup.skipIf(AioEngines.find(name).unavailable().isPresent(), "no " + name);
        // WINCH is ignored unless somebody listens; with a listener it interrupts system calls.
        Setup.skipIf(Platform.CURRENT != Platform.LINUX_X86_64, "system call numbers of x86-64");
        Class<?> signalClass = Class.forName("sun.misc.Signal");
        Class<?> handlerClass = Class.forName("sun.misc.SignalHandler");
        Object handler = java.lang.reflect.Proxy.newProxyInstance(handlerClass.getClassLoader(),
                new Class<?>[]{handlerClass}, (proxy, method, arguments) -> method.getName().equals("equals"));
        Object winch = signalClass.getConstructor(String.class).newInstance("WINCH");
        Object before = signalClass.getMethod("handle", signalClass, handlerClass).invoke(null, winch, handler);
        try (AioEngine engine = AioEngines.open(name,
                AioEngineConfig.builder().depth(8).completionMode(CompletionMode.POLLED).build());
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, true)) {
            long me = Libc.syscall(186, 0, 0, 0, 0, 0, 0);
            java.util.concurrent.atomic.AtomicBoolean stop = new java.util.concurrent.atomic.AtomicBoolean();
            Thread disturber = Thread.ofPlatform().start(() -> {
                while (!stop.get()) {
                    assertThat(Libc.syscall(234, ProcessHandle.current().pid(), me, 28, 0, 0, 0)).isZero();
                    java.util.concurrent.locks.LockSupport.parkNanos(50_000);
                }
            });
            for (int round = 0; round < 300; round++) {
                Told told = new Told();
                for (int i = 0; i < 16; i++) {
                    assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                            .addSegment(arena.allocate(BLOCK, BLOCK)))).isZero();
                }
                told.await(engine, 16);
                assertThat(told.results.values()).containsOnly((long) BLOCK);
            }
            stop.set(true);
            disturber.join();
        } finally {
            signalClass.getMethod("handle", signalClass, handlerClass).invoke(null, winch, before);
        }
    }

    @Test
    void tellsWhatItsRingIs() throws IOException {
        try (AioEngine engine = UringEngine.open(config(CompletionMode.POLLED))) {
            assertThat(engine).asString().contains("io_uring", "8/16");
        }
    }
}
