package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What native AIO has beyond the contract: a ring that is read or not, and a doorbell that is refused. */
@Timeout(300)
class LibaioEngineTest {

    private static final int BLOCK = 4096;

    private final Arena arena = Arena.ofShared();
    private Path path;

    @SuppressWarnings("NullAway.Init")
    LibaioEngineTest() {}

    @BeforeEach
    void make() throws IOException {
        Setup.skipIf(AioEngines.find("libaio").unavailable().isPresent(), "no libaio");
        path = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "libaio", ".img");
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

    private void readMany(AioEngine engine, AioFile file, int count) {
        Told told = new Told();
        for (int i = 0; i < count; i++) {
            assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                    .addSegment(arena.allocate(BLOCK, BLOCK)))).isZero();
        }
        engine.commit();
        told.await(engine, count);
        assertThat(told.results.values()).hasSize(count).containsOnly((long) BLOCK);
    }

    /** A context whose io_submit answers by a script, and what it would have answered when that is over. */
    private static final class ScriptedContext extends AioContext {
        final ConcurrentLinkedQueue<Integer> answers = new ConcurrentLinkedQueue<>();
        final List<Integer> counts = Collections.synchronizedList(new ArrayList<>());

        ScriptedContext(long context, int slots) {
            super(context, slots);
        }

        @Override
        int submit(long pointers, int count) {
            Integer answer = answers.poll();
            counts.add(count);
            // More than 0: takes so many of them only.
            return answer == null
                    ? super.submit(pointers, count)
                    : answer > 0 ? super.submit(pointers, answer) : answer;
        }
    }

    private static final class ScriptedMaker implements AioContext.Maker {
        private @Nullable ScriptedContext made;

        @Override
        public AioContext make(long context, int slots) {
            made = new ScriptedContext(context, slots);
            return made;
        }

        ScriptedContext context() {
            return Objects.requireNonNull(made);
        }
    }

    private final ScriptedMaker scripted = new ScriptedMaker();

    private AioEngine openScripted(CompletionMode mode) throws IOException {
        return LibaioEngine.open(config(mode), scripted);
    }

    @ParameterizedTest
    @EnumSource
    void doorbellThatTheKernelCannotHearIsRungAgain(CompletionMode mode) throws IOException {
        AioEngine used;
        try (AioEngine engine = openScripted(mode); AioFile file = engine.open(path, AioFile.Access.READ_ONLY, true)) {
            for (int errno : new int[]{Errno.EAGAIN, Errno.EINTR}) {
                // More often than the doorbell is rung in a row, so that the rest is put back, and left to who completes.
                for (int i = 0; i < 350; i++) {
                    scripted.context().answers.add(i % 120 == 7 ? 1 : -errno);
                }
                readMany(engine, file, 12);
                assertThat(scripted.context().answers).as(Errno.name(errno)).isEmpty();
            }
            used = engine;
        }
        // The reaper counts after it has told; closing waits for that.
        assertThat(used.statistics().inFlight()).isZero();
    }

    private LibaioEngine openWakeable() throws IOException {
        return LibaioEngine.open(
                AioEngineConfig.builder().depth(8).completionMode(CompletionMode.POLLED).wakeable(true).build(),
                scripted);
    }

    /** An owner that waits in the kernel finds something there. */
    @Test
    void aWakeupIsAnEventOfTheContextAndIsSentOnceAtATime() throws IOException {
        try (LibaioEngine engine = openWakeable()) {
            engine.wakeOwner();
            engine.wakeOwner();
            Eventually.until("the event is there", () -> scripted.context().ready() == 1);
            assertThat(scripted.context().counts).containsExactly(1);
        }
    }

    @Test
    @Timeout(120)
    void aWakeupThatTheKernelHasNoRoomForIsSentAgain() throws IOException {
        try (LibaioEngine engine = openWakeable()) {
            scripted.context().answers.addAll(List.of(-Errno.EAGAIN, -Errno.EINTR, -Errno.EAGAIN));
            engine.wakeOwner();
            assertThat(scripted.context().counts).hasSize(4);
            Eventually.until("the event is there", () -> scripted.context().ready() == 1);
        }
    }

    /** Nothing is in flight, so that the owner parks: it needs no event. */
    @Test
    @Timeout(120)
    void anOwnerThatParksIsWokenThoughTheKernelRefusesTheEvent() throws Exception {
        try (LibaioEngine engine = openWakeable()) {
            Eventually.Worker<Integer> owner = Eventually.call(() -> engine.await(Long.MAX_VALUE));
            Eventually.waitsIn(owner.thread(), OpenedEngine.class);
            scripted.context().answers.add(-Errno.EBADF);
            assertThatIllegalStateException().isThrownBy(engine::wakeup).withMessageContaining("EBADF");
            assertThat(owner.join()).isZero();
        }
    }

    /** A context whose io_getevents is refused, and whose ring may be one that is not known. */
    private static final class DeadContext extends AioContext {
        private static boolean known;

        DeadContext(long context, int slots) {
            super(context, slots);
        }

        @Override
        boolean isKnown(MemorySegment header) {
            return known && super.isKnown(header);
        }

        @Override
        int getEvents(int atLeast, long timeoutNanos) {
            return -Errno.EPERM;
        }
    }

    @ParameterizedTest
    @CsvSource({"POLLED, false", "POLLED, true", "REAPER, false", "REAPER, true"})
    void whatIsInFlightEndsWhenTheKernelRefusesToWait(CompletionMode mode, boolean known) throws IOException {
        DeadContext.known = known;
        try (AioEngine engine = LibaioEngine.open(config(mode), DeadContext::new);
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, true)) {
            Told told = new Told();
            int submitted = 0;
            for (int i = 0; i < 40; i++) {
                int result = engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                        .addSegment(arena.allocate(BLOCK, BLOCK)));
                // Whose reaper may have given it up by now.
                assertThat(result).isIn(0, -Errno.EIO);
                submitted += result == 0 ? 1 : 0;
                engine.commit();
            }
            told.await(engine, submitted);
            assertThat(told.results.values()).isSubsetOf((long) BLOCK, (long) -Errno.EIO);
        }
    }

    @Test
    void batchThatIsTakenInPartsIsGivenInParts() throws IOException {
        try (AioEngine engine = openScripted(CompletionMode.POLLED);
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, true)) {
            scripted.context().answers.addAll(List.of(5, 1, 3));
            readMany(engine, file, 10);
            assertThat(scripted.context().counts).startsWith(10, 5, 4, 1);
        }
    }

    @ParameterizedTest
    @EnumSource
    void operationThatTheKernelRefusesEndsWithItsErrnoAndTheOthersGoOn(CompletionMode mode) throws IOException {
        try (AioEngine engine = openScripted(mode); AioFile file = engine.open(path, AioFile.Access.READ_ONLY, true)) {
            Told told = new Told();
            scripted.context().answers.addAll(List.of(2, -Errno.EBADF));
            for (int i = 0; i < 6; i++) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                        .addSegment(arena.allocate(BLOCK, BLOCK)))).isZero();
            }
            engine.commit();
            told.await(engine, 6);
            for (int i = 0; i < 6; i++) {
                assertThat(told.result(i)).as("operation " + i).isEqualTo(i == 2 ? -Errno.EBADF : BLOCK);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    @SuppressWarnings("try") // closing is what it is about
    void syncThatTheKernelDoesNotKnowIsCarriedOutAllTheSame(CompletionMode mode) throws IOException {
        // Buffered, so that a durable write is synced after.
        try (AioEngine engine = openScripted(mode);
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            Told told = new Told();
            scripted.context().answers.add(-Errno.EINVAL);
            assertThat(Told.run(engine, Kiocb.withSegments(1).prepareSync(file, false, told, 1), told)).isZero();
            scripted.context().answers.addAll(List.of(1, -Errno.EINVAL));
            Kiocb write = Kiocb.withSegments(1).prepareWrite(file, 0, told, 2).thenSync(true)
                    .addSegment(arena.allocate(BLOCK, BLOCK));
            assertThat(Told.run(engine, write, told)).as("after a write").isEqualTo(BLOCK);
            assertThat(scripted.context().answers).isEmpty();
            scripted.context().answers.add(-Errno.EINVAL);
            assertThat(engine.submit(Kiocb.withSegments(1).prepareSync(file, false, told, 3))).isZero();
            file.close();
            engine.commit();
            told.await(engine, 1);
            assertThat(told.result(3)).as("of a file that is closed meanwhile").isZero();
        }
    }

    /** A context of a kernel whose ring looks otherwise. */
    private static final class UnknownContext extends AioContext {
        UnknownContext(long context, int slots) {
            super(context, slots);
        }

        @Override
        boolean isKnown(MemorySegment header) {
            return false;
        }
    }

    @ParameterizedTest
    @EnumSource
    void ringOfUnknownLayoutIsLeftAloneAndTheKernelIsAsked(CompletionMode mode) throws IOException {
        try (AioEngine engine = LibaioEngine.open(config(mode), UnknownContext::new);
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            assertThat(engine).asString().contains("io_getevents");
            for (int i = 0; i < 20; i++) {
                readMany(engine, file, 30);
            }
            if (mode == CompletionMode.POLLED) {
                Told told = new Told();
                assertThat(engine.submit(Kiocb.withSegments(1).prepareSync(file, true, told, 1))).isZero();
                engine.commit();
                while (engine.poll() == 0) {
                    Thread.onSpinWait();
                }
                assertThat(told.result(1)).isZero();
            }
        }
    }

    @Test
    void completionsAreFoundWithoutASystemCallWhereTheRingIsKnown() throws IOException {
        try (AioEngine engine = LibaioEngine.open(config(CompletionMode.POLLED));
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Setup.skipIf(!engine.toString().contains("user space"), "the kernel's ring is of unknown layout");
            Told told = new Told();
            // Buffered and in the page cache, so that it has ended when the doorbell has been rung.
            assertThat(engine
                    .submit(Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK))))
                    .isZero();
            engine.commit();
            long calls = engine.statistics().systemCalls();
            while (engine.poll() == 0) {
                Thread.onSpinWait();
            }
            assertThat(told.result(1)).isEqualTo(BLOCK);
            assertThat(engine.statistics().systemCalls()).isEqualTo(calls);
        }
    }

    @Test
    void headerIsKnownOnlyIfEveryPartOfItIs() throws IOException {
        MemorySegment good = arena.allocate(AioContext.RING);
        good.set(ValueLayout.JAVA_INT, Libc.offset(AioContext.RING, "magic"), 0xa10a10a1);
        good.set(ValueLayout.JAVA_INT, Libc.offset(AioContext.RING, "header_length"), 32);
        AioContext context = AioContext.open(1);
        try {
            assertThat(context.isKnown(good)).isTrue();
            for (String member : List.of("magic", "header_length", "incompat_features")) {
                MemorySegment other = arena.allocate(AioContext.RING).copyFrom(good);
                long at = Libc.offset(AioContext.RING, member);
                other.set(ValueLayout.JAVA_INT, at, other.get(ValueLayout.JAVA_INT, at) + 1);
                assertThat(context.isKnown(other)).as(member).isFalse();
            }
        } finally {
            context.close();
        }
    }
}
