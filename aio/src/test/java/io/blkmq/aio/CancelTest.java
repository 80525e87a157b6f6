package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.EachCase;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;

/** Operations that end early, and the end of an engine that may not wait for those that do not. */
@BesideOthers
class CancelTest {

    private static final int BLOCK = 4096;
    private static final int DEPTH = 4;
    private static final long NEVER_NANOS = TimeUnit.HOURS.toNanos(1);

    private final Setup setup;
    private final Arena arena = Arena.ofShared();
    private Path path;
    /** Run once, when the kernel is asked for an operation back. Of the thread that owns the ring. */
    private Runnable duringTheLook = () -> {};

    static List<Setup> cases() throws IOException {
        return Setup.all();
    }

    @SuppressWarnings("NullAway.Init")
    CancelTest(Setup setup) {
        this.setup = setup;
    }

    @BeforeEach
    void make() throws IOException {
        setup.assumeAvailable();
        path = Files.createTempFile(setup.directory(), "cancel", ".img");
        Files.write(path, new byte[64 * BLOCK]);
    }

    @AfterEach
    void remove() throws IOException {
        Files.delete(path);
        arena.close();
    }

    private MemorySegment block() {
        return arena.allocate(BLOCK, BLOCK);
    }

    private AioEngine open() throws IOException {
        return setup.open(AioEngineConfig.builder().depth(DEPTH).workers(2));
    }

    @EachCase
    void whatIsNotInFlightIsNotCancelled() throws IOException {
        try (AioEngine engine = open(); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            Kiocb kiocb = Kiocb.withSegments(1);
            assertThat(engine.cancel(kiocb)).isFalse();
            kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block());
            assertThat(engine.cancel(kiocb)).isFalse();
            assertThat(engine.run(kiocb)).as("not marked").isEqualTo(BLOCK);
            assertThat(engine.cancel(kiocb)).isFalse();
        }
    }

    /** The owner alone takes what ends, so nothing has ended when it cancels. */
    @EachCase({"isPolled", "movesData"})
    void whatWaitsInTheEngineEndsAtOnce() throws IOException {
        int count = 10 * DEPTH;
        Told told = new Told();
        try (AioEngine engine = open(); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            List<Kiocb> kiocbs = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i).addSegment(block());
                assertThat(engine.submit(kiocb)).isZero();
                kiocbs.add(kiocb);
            }
            assertThat(engine.cancel(kiocbs.get(count - 1))).isTrue();
            assertThat(engine.cancel(kiocbs.get(count - 3))).isTrue();
            told.await(engine, count);
            boolean ended = setup.isMemory() && setup.variant() != Setup.Variant.SLOW;
            for (long i = 0; i < count; i++) {
                boolean cancelled = !ended && (i == count - 1 || i == count - 3);
                assertThat(told.results).as("%d", i).containsEntry(i, cancelled ? -Errno.ECANCELED : (long) BLOCK);
            }
            assertThat(
                    engine.run(kiocbs.get(count - 1).prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block())))
                    .as("the mark is of one operation").isEqualTo(BLOCK);
        }
    }

    /** Submitted by one thread, cancelled by another. */
    @EachCase("hasReaper")
    @Timeout(120)
    void eachIsToldOnceHoweverManyAreCancelled() throws Exception {
        int count = 400;
        Random random = new Random(RandomSeed.next(CancelTest.class));
        AtomicIntegerArray told = new AtomicIntegerArray(count);
        CountDownLatch all = new CountDownLatch(count);
        List<Long> odd = java.util.Collections.synchronizedList(new ArrayList<>());
        Kiocb[] kiocbs = new Kiocb[count];
        for (int i = 0; i < count; i++) {
            kiocbs[i] = Kiocb.withSegments(1);
        }
        try (AioEngine engine = open(); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            AioCompletion completion = (userData, result) -> {
                if (result != BLOCK && result != -Errno.ECANCELED) {
                    odd.add(result);
                }
                told.incrementAndGet((int) userData);
                all.countDown();
            };
            Thread canceller = Thread.ofPlatform().start(() -> {
                while (all.getCount() > 0) {
                    boolean _ = engine.cancel(kiocbs[random.nextInt(count)]);
                }
            });
            for (int i = 0; i < count; i++) {
                engine.submitOrThrow(
                        kiocbs[i].prepareRead(file, (i % 64) * (long) BLOCK, completion, i).addSegment(block()));
                if (i % 3 == 0) {
                    engine.commit();
                }
            }
            engine.commit();
            all.await();
            canceller.join();
        }
        assertThat(odd).isEmpty();
        for (int i = 0; i < count; i++) {
            assertThat(told.get(i)).as("%d", i).isEqualTo(1);
        }
    }

    /** A ring of the kernel's whose transfers wait until their event is raised. They can be cancelled, unless that is kept from the kernel. */
    private final class HangingRing extends Uring {
        private static final int OP_POLL_ADD = 6;
        private static final long POLLIN = 1;

        private final WakeEvent event;
        private final boolean cancels;

        HangingRing(int fd, MemorySegment params, WakeEvent event, boolean cancels) throws IOException {
            super(fd, params);
            this.event = event;
            this.cancels = cancels;
        }

        @Override
        void put(long head, long offset, long address, long length, long userData, int place) {
            int opcode = (int) (head & 0xff);
            // The reads of the wake-up's event have no slot.
            if (opcode == OP_READ && userData >= 0) {
                super.put(head(OP_POLL_ADD, 0, event.fd()), 0, 0, POLLIN << 32, userData, 0);
            } else if (opcode == OP_ASYNC_CANCEL && !cancels) {
                super.put(head(OP_NOP, 0, -1), 0, 0, 0, userData, 0);
            } else {
                if (opcode == OP_ASYNC_CANCEL) {
                    Runnable once = duringTheLook;
                    duringTheLook = () -> {};
                    once.run();
                }
                super.put(head, offset, address, length, userData, place);
            }
        }

        @Override
        int completionResult() {
            int result = super.completionResult();
            return result == POLLIN ? BLOCK : result;
        }
    }

    @SuppressWarnings("MustBeClosedChecker")
    private AioEngine hanging(WakeEvent event, boolean cancels) throws IOException {
        AioEngineConfig.Builder builder = AioEngineConfig.builder().depth(DEPTH).completionMode(setup.mode());
        if (setup.variant() == Setup.Variant.RING_OF_THE_REAPER) {
            builder.ringEntry(RingEntry.REAPER);
        }
        AioEngineConfig config = builder.submissionPolling(setup.variant() == Setup.Variant.SUBMISSION_POLLING).build();
        AioEngine engine = UringEngine.open(config, (fd, params) -> new HangingRing(fd, params, event, cancels),
                UringEngine.wantedFlags(config));
        if (setup.mode() == CompletionMode.AGENT) {
            Thread _ = AgentThread.run(engine);
        }
        return engine;
    }

    private List<Kiocb> submitAll(AioEngine engine, AioFile file, Told told, int count) throws IOException {
        List<Kiocb> kiocbs = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i).addSegment(block());
            engine.submitOrThrow(kiocb);
            kiocbs.add(kiocb);
        }
        engine.commit();
        return kiocbs;
    }

    @EachCase("isUring")
    @Timeout(120)
    void theKernelGivesBackWhatItHas() throws IOException {
        int count = 6 * DEPTH;
        Told told = new Told();
        WakeEvent event = WakeEvent.open();
        try (AioEngine engine = hanging(event, true);
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            List<Kiocb> kiocbs = submitAll(engine, file, told, count);
            // In the kernel, and behind it.
            for (int i : new int[]{0, count - 1, 1}) {
                assertThat(engine.cancel(kiocbs.get(i))).isTrue();
                told.await(engine, 1);
                assertThat(told.results).containsEntry((long) i, (long) -Errno.ECANCELED);
            }
            assertThat(told.results).hasSize(3);
            event.raise();
            told.await(engine, count - 3);
            for (long i = 2; i < count - 1; i++) {
                assertThat(told.results).containsEntry(i, (long) BLOCK);
            }
        } finally {
            FileCalls.close(event.fd());
        }
    }

    /**
     * A mark that is set while the completer looks must not be lost: the operation waits behind others that never end. It is set when the
     * completer has looked through those that wait.
     */
    @EachCase({"isUring", "isPolled"})
    @Timeout(120)
    void aMarkThatComesDuringTheLookIsAnotherLook() throws IOException {
        Told told = new Told();
        WakeEvent event = WakeEvent.open();
        try (AioEngine engine = hanging(event, true);
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            int count = 6 * DEPTH;
            List<Kiocb> kiocbs = submitAll(engine, file, told, count);
            duringTheLook = () -> assertThat(engine.cancel(kiocbs.get(count - 1))).isTrue();
            assertThat(engine.cancel(kiocbs.getFirst())).isTrue();
            told.await(engine, 2);
            assertThat(told.results).containsOnlyKeys(0L, count - 1L);
            assertThat(told.results.values()).containsOnly((long) -Errno.ECANCELED);
            event.raise();
            told.await(engine, count - 2);
        } finally {
            FileCalls.close(event.fd());
        }
    }

    @SuppressWarnings("try")
    @EachCase("isUring")
    @Timeout(120)
    void anEndThatMayNotWaitCancelsAll() throws IOException {
        int count = 6 * DEPTH;
        Told told = new Told();
        WakeEvent event = WakeEvent.open();
        try (AioEngine engine = hanging(event, true);
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            List<Kiocb> kiocbs = submitAll(engine, file, told, count);
            // It would wait for ever, had they not been cancelled.
            boolean _ = engine.closeWithin(1);
            engine.close();
            assertThat(engine.isOpen()).isFalse();
            assertThat(told.results).hasSize(count);
            assertThat(told.results.values()).containsOnly((long) -Errno.ECANCELED);
            assertThat(kiocbs).noneMatch(Kiocb::isInFlight);
            assertThat(engine.closeWithin(0)).as("once more").isTrue();
        } finally {
            FileCalls.close(event.fd());
        }
    }

    /** What the kernel does not give back stays the engine's, and so does its memory, until it does. */
    @SuppressWarnings("try")
    @EachCase("isUring")
    @Timeout(120)
    void anEndThatMayNotWaitLeavesTheRestToAThread() throws IOException {
        Told told = new Told();
        WakeEvent event = WakeEvent.open();
        try (AioEngine engine = hanging(event, false);
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            List<Kiocb> kiocbs = submitAll(engine, file, told, 6 * DEPTH);
            boolean ended = engine.closeWithin(1_000_000);
            if (!ended) {
                // A ring of one thread's is closed for good when that has left it: then the kernel ends what waits, whenever it likes.
                assertThat(setup.isPolled() || kiocbs.stream().anyMatch(Kiocb::isInFlight)).isTrue();
                assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, told, 99).addSegment(block())))
                        .isEqualTo(-Errno.EINVAL);
                event.raise();
            }
            engine.close();
            assertThat(kiocbs).noneMatch(Kiocb::isInFlight);
            assertThat(told.results).hasSize(6 * DEPTH);
            assertThat(told.results.values()).isSubsetOf((long) BLOCK, (long) -Errno.ECANCELED);
        } finally {
            FileCalls.close(event.fd());
        }
    }

    @SuppressWarnings("try")
    @EachCase("isMemory")
    @Timeout(120)
    void whatTakesItsTimeInMemoryIsEnded() throws IOException {
        Told told = new Told();
        AioEngineConfig config = AioEngineConfig.builder().completionMode(setup.mode())
                .memoryLatency((_, _) -> NEVER_NANOS).build();
        AioEngine engine = AioEngines.open("memory", config);
        if (setup.mode() == CompletionMode.AGENT) {
            Thread _ = AgentThread.run(engine);
        }
        try (engine; AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            List<Kiocb> kiocbs = submitAll(engine, file, told, 10);
            assertThat(engine.cancel(kiocbs.get(3))).isTrue();
            told.await(engine, 1);
            assertThat(told.results).containsExactly(java.util.Map.entry(3L, (long) -Errno.ECANCELED));
            boolean _ = engine.closeWithin(1);
            engine.close();
            assertThat(told.results).hasSize(10);
            assertThat(told.results.values()).containsOnly((long) -Errno.ECANCELED);
        }
    }

    /** It is not in a completion, though the thread that it has left the rest to is. */
    @EachCase({"isPolled", "isMemory"})
    @Timeout(120)
    void anOwnerThatHasLeftTheEndToAThreadWaitsForIt() throws Exception {
        CountDownLatch inCompletion = new CountDownLatch(1);
        CountDownLatch mayEnd = new CountDownLatch(1);
        Told told = new Told();
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED)
                .memoryLatency((_, _) -> TimeUnit.MILLISECONDS.toNanos(1)).build();
        AioEngine engine = AioEngines.open("memory", config);
        try (engine; AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            AtomicInteger refused = new AtomicInteger();
            engine.submitOrThrow(Kiocb.withSegments(1).prepareRead(file, 0, (userData, result) -> {
                try {
                    engine.close();
                } catch (IllegalStateException e) {
                    refused.incrementAndGet();
                }
                inCompletion.countDown();
                awaitUninterruptibly(mayEnd);
                told.complete(userData, result);
            }, 0).addSegment(block()));
            // The owner has no time for it, so the completion may be called by the thread that closes.
            Thread release = Thread.ofPlatform().start(() -> {
                awaitUninterruptibly(inCompletion);
                mayEnd.countDown();
            });
            boolean _ = engine.closeWithin(0);
            engine.close();
            release.join();
            assertThat(told.results).containsOnlyKeys(0L);
            assertThat(refused.get()).as("a completion that closes").isEqualTo(1);
        }
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @EachCase("isPolled")
    void anotherThanTheOwnerCancelsNothing() throws Exception {
        Told told = new Told();
        try (AioEngine engine = open(); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            List<Kiocb> kiocbs = submitAll(engine, file, told, 1);
            Thread other = Thread.ofPlatform().start(() -> {
                assertThatThrownBy(() -> engine.cancel(kiocbs.getFirst())).isInstanceOf(IllegalStateException.class);
                assertThatThrownBy(() -> engine.closeWithin(1)).isInstanceOf(IllegalStateException.class);
                told.results.put(-1L, 0L);
            });
            other.join();
            assertThat(told.results).as("both were refused").containsKey(-1L);
            told.await(engine, 1);
        }
    }

    /** Without time it is an end as any other, if nothing is in flight. */
    @EachCase
    void anIdleEngineEndsInNoTime() throws IOException {
        AioEngine engine = open();
        try (engine; AioFile file = engine.open(path, AioFile.Access.READ_WRITE, setup.direct())) {
            assertThat(
                    engine.run(Kiocb.withSegments(1).prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block())))
                    .isEqualTo(BLOCK);
            assertThat(engine.closeWithin(TimeUnit.SECONDS.toNanos(60))).isTrue();
            assertThat(engine
                    .submit(Kiocb.withSegments(1).prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block())))
                    .isEqualTo(-Errno.EINVAL);
        }
    }
}
