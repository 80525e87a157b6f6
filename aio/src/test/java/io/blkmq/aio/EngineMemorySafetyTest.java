package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.EachCase;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/**
 * Nobody writes to memory that has been given back: whatever ends first, the engine, its owner, its reaper or a wait.
 * The tests give engines reads in flight, take away what the engine lives on, and as soon as it says that it is done
 * fill the memory with a pattern of their own and close its arena where they can. A byte that changes after that was
 * written by somebody whose it was no longer.
 */
@BesideOthers
class EngineMemorySafetyTest {

    private static final int BLOCK = 64 << 10;
    private static final int READS = 48;
    private static final int ROUNDS = 2;
    /** As deep as no engine of another test, which may run beside this one, so that those that were forgotten are known by it. */
    private static final int FORGOTTEN_DEPTH = 93;
    private static final byte IN_FILE = 0x33;
    private static final byte CANARY = 0x77;

    private final Setup setup;
    private Path path;

    static List<Setup> cases() throws IOException {
        return Setup.all().stream().filter(Setup::movesData).toList();
    }

    @SuppressWarnings("NullAway.Init")
    EngineMemorySafetyTest(Setup setup) {
        this.setup = setup;
    }

    @BeforeEach
    void make() throws IOException {
        setup.assumeAvailable();
        path = Files.createTempFile(setup.directory(), "blkmq-safety", ".img");
        byte[] content = new byte[READS * BLOCK];
        Arrays.fill(content, IN_FILE);
        Files.write(path, content);
    }

    @AfterEach
    void remove() throws IOException {
        if (path != null) {
            Files.delete(path);
        }
    }

    private void submitReads(AioEngine engine, AioFile file, MemorySegment memory, Told told, int count) {
        for (int i = 0; i < count; i++) {
            long at = (long) i * BLOCK;
            assertThat(engine
                    .submit(Kiocb.withSegments(1).prepareRead(file, at, told, i).addSegment(memory.asSlice(at, BLOCK))))
                    .isZero();
        }
    }

    /** Takes the memory for itself, lets the device work off whatever it may still have, and looks. */
    private void assertNobodyWrites(MemorySegment memory, String after) throws IOException {
        memory.fill(CANARY);
        try (AioEngine another = setup.open(AioEngineConfig.builder());
                AioFile file = another.open(path, AioFile.Access.READ_ONLY, setup.direct());
                Arena arena = Arena.ofShared()) {
            Told told = new Told();
            submitReads(another, file, arena.allocate((long) READS * BLOCK, 4096), told, READS);
            another.commit();
            told.await(another, READS);
        }
        assertThat(memory.mismatch(memory.asSlice(1))).as("%s after %s", setup, after).isEqualTo(memory.byteSize() - 1);
        assertThat(memory.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo(CANARY);
    }

    @EachCase
    void whenTheEngineIsClosedWithReadsInFlight() throws IOException {
        for (int round = 0; round < ROUNDS; round++) {
            try (Arena arena = Arena.ofShared(); AioFile file = openFile()) {
                MemorySegment memory = arena.allocate((long) READS * BLOCK, 4096);
                Told told = new Told();
                try (AioEngine engine = setup.open(AioEngineConfig.builder().depth(16).workers(3))) {
                    AioFile used = setup.isMemory()
                            ? engine.open(path, AioFile.Access.READ_ONLY, setup.direct())
                            : file;
                    submitReads(engine, used, memory, told, READS);
                    if (round % 2 == 0) {
                        engine.commit();
                    }
                }
                assertNobodyWrites(memory, "close");
                assertThat(told.results.values()).hasSize(READS).containsOnly((long) BLOCK);
            }
        }
    }

    private AioFile openFile() throws IOException {
        return setup.isNative()
                ? NativeFile.open(path, AioFile.Access.READ_ONLY, setup.direct())
                : ChannelFile.open(path, AioFile.Access.READ_ONLY, setup.direct() && !setup.isMemory());
    }

    @EachCase("isPolled")
    void whenTheOwnersThreadDies() throws Exception {
        long seed = RandomSeed.next(EngineMemorySafetyTest.class);
        String repeat = "the owner's death; replay with: " + RandomSeed.replay(EngineMemorySafetyTest.class, seed);
        Random random = new Random(seed);
        for (int round = 0; round < ROUNDS; round++) {
            try (Arena arena = Arena.ofShared()) {
                MemorySegment memory = arena.allocate((long) READS * BLOCK, 4096);
                Told told = new Told();
                AioEngine engine = setup.open(AioEngineConfig.builder().depth(8).workers(3));
                try (AioFile file = engine.open(path, AioFile.Access.READ_ONLY, setup.direct())) {
                    int commits = random.nextInt(3);
                    Thread owner = Thread.ofPlatform().start(() -> {
                        submitReads(engine, file, memory, told, READS);
                        for (int i = 0; i < commits; i++) {
                            engine.commit();
                        }
                    });
                    owner.join();
                    engine.close();
                }
                assertNobodyWrites(memory, repeat);
                assertThat(told.results.values()).as(repeat).hasSize(READS).isSubsetOf((long) BLOCK,
                        (long) -Errno.ECANCELED);
            }
        }
    }

    @EachCase({"hasReaper", "isNative"})
    void whenTheReaperDies() throws IOException {
        for (int round = 0; round < ROUNDS; round++) {
            try (Arena arena = Arena.ofShared()) {
                MemorySegment memory = arena.allocate((long) READS * BLOCK, 4096);
                Told told = new Told();
                // A thread that ends at once, and never comes to reaping.
                AioEngineConfig.Builder builder = AioEngineConfig.builder().depth(8)
                        .threadFactory(body -> Thread.ofPlatform().unstarted(() -> {}));
                AioEngine engine = setup.open(builder);
                try (AioFile file = engine.open(path, AioFile.Access.READ_ONLY, setup.direct())) {
                    submitReads(engine, file, memory, told, READS);
                    engine.commit();
                    engine.close();
                }
                assertNobodyWrites(memory, "the reaper's death");
                assertThat(told.results.values()).hasSize(READS).isSubsetOf((long) BLOCK, (long) -Errno.ECANCELED);
            }
        }
    }

    @EachCase("isPolled")
    void whenAWaitTimesOutTheMemoryIsStillTheEngines() throws IOException {
        try (Arena arena = Arena.ofShared();
                AioEngine engine = setup.open(AioEngineConfig.builder());
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, setup.direct())) {
            for (int round = 0; round < ROUNDS; round++) {
                MemorySegment memory = arena.allocate(BLOCK, 4096);
                Told told = new Told();
                Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, told, round).addSegment(memory);
                assertThat(engine.submit(kiocb)).isZero();
                if (engine.await(1) == 0) {
                    assertThat(told.results).isEmpty();
                    assertThatThrownBy(() -> kiocb.prepareRead(file, 0, told, 0))
                            .isInstanceOf(IllegalStateException.class);
                    assertThatThrownBy(() -> kiocb.addSegment(memory)).isInstanceOf(IllegalStateException.class);
                    assertThat(engine.await(TimeUnit.SECONDS.toNanos(300))).isEqualTo(1);
                }
                assertThat(told.result(round)).isEqualTo(BLOCK);
                memory.fill(CANARY);
            }
        }
    }

    @EachCase({"hasReaper", "isNative"})
    void whenTheApplicationForgetsAllOfIt() throws Exception {
        Told told = new Told();
        forget(told);
        // Whatever can be collected is collected while the reads are under way.
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        // The engine keeps its memory and its file reachable, and itself.
        for (int i = 0; i < READS; i++) {
            told.awaitOne();
        }
        assertThat(told.results.values()).hasSize(READS).containsOnly((long) BLOCK);
        closeForgotten();
    }

    @EachCase({"isPolled", "isNative"})
    void whenTheOwnerForgetsAllOfIt() throws IOException {
        Told told = new Told();
        List<WeakReference<Kiocb>> kiocbs = forgetByOwner(told);
        for (int i = 0; i < 3; i++) {
            System.gc();
        }
        // Nobody has reaped them, so the kernel may still write.
        assertThat(told.results).isEmpty();
        assertThat(kiocbs).as("what the engine has, and with it the memory").noneMatch(kiocb -> kiocb.get() == null);
        closeForgotten();
        assertThat(told.results.values()).hasSize(READS).containsOnly((long) BLOCK);
    }

    private static void closeForgotten() {
        OpenRings.now().stream().filter(engine -> engine.config.depth() == FORGOTTEN_DEPTH).forEach(AioEngine::close);
    }

    private List<WeakReference<Kiocb>> forgetByOwner(Told told) throws IOException {
        List<WeakReference<Kiocb>> kiocbs = new ArrayList<>();
        AioEngine engine = setup.open(AioEngineConfig.builder().depth(FORGOTTEN_DEPTH));
        AioFile file = engine.open(path, AioFile.Access.READ_ONLY, setup.direct());
        MemorySegment memory = Arena.ofAuto().allocate((long) READS * BLOCK, 4096);
        for (int i = 0; i < READS; i++) {
            long at = (long) i * BLOCK;
            Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, at, told, i).addSegment(memory.asSlice(at, BLOCK));
            assertThat(engine.submit(kiocb)).isZero();
            kiocbs.add(new WeakReference<>(kiocb));
        }
        engine.commit();
        file.close();
        return kiocbs;
    }

    private void forget(Told told) throws IOException {
        AioEngine engine = setup.open(AioEngineConfig.builder().depth(FORGOTTEN_DEPTH));
        AioFile file = engine.open(path, AioFile.Access.READ_ONLY, setup.direct());
        submitReads(engine, file, Arena.ofAuto().allocate((long) READS * BLOCK, 4096), told, READS);
        engine.commit();
        file.close();
    }
}
