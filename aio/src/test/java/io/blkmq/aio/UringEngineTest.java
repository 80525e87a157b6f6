package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What io_uring has beyond the contract: rings as older kernels make them, and what a ring holds on to. */
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
        for (int flags : UringEngine.REAPER_FLAGS) {
            rings.add(new Ring(CompletionMode.REAPER, flags));
        }
        return rings;
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
    @MethodSource("rings")
    void ringWithoutItsOwnerIsClosedOnceNothingIsLeft(Ring ring) throws Exception {
        Setup.notApplicableIf(ring.mode() != CompletionMode.POLLED, "about polled rings");
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
                    engine.submit(Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, told, i)
                            .addSegment(memory.asSlice((long) i * BLOCK, BLOCK)));
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
    void fileClosedByAnotherThreadLeavesTheTableWithTheOwnersNextCall() throws Exception {
        try (AioEngine engine = UringEngine.open(config(CompletionMode.POLLED))) {
            AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false);
            Told told = new Told();
            assertThat(Told.run(engine, Kiocb.withSegments(1).prepareSync(file, true, told, 1), told)).isZero();
            long open = descriptorsOf(path);
            Thread.ofPlatform().start(file::close).join();
            assertThat(descriptorsOf(path)).isEqualTo(open - 1);
            assertThat(engine.poll()).isZero();
            try (AioFile another = engine.open(path, AioFile.Access.READ_WRITE, false)) {
                assertThat(another.tryLock(true)).isTrue();
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

    @Test
    void tellsWhatItsRingIs() throws IOException {
        try (AioEngine engine = UringEngine.open(config(CompletionMode.POLLED))) {
            assertThat(engine).asString().contains("io_uring", "8/16");
        }
    }
}
