package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.NumberProperty;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What comes is gone: thousands of engines and files ({@code -Dblkmq.engines=N}), watching descriptors, mappings and memory; and what a
 * ring costs.
 */
@Isolated
class EngineLeakTest {

    private static final int ENGINES = NumberProperty.of("blkmq.engines", 2_000);
    private static final int WARM_UP = 500;
    /** Native AIO takes 30 ms to destroy a context, which many threads wait for at once. */
    private static final int THREADS = 64;
    private static final int BLOCK = 4096;

    @TempDir
    private Path directory;

    private record Usage(long descriptors, long ringMappings, long residentBytes, long aioContexts) {

        static Usage now() throws IOException {
            long descriptors;
            try (var links = Files.list(Path.of("/proc/self/fd"))) {
                descriptors = links.count();
            }
            long rings;
            try (var maps = Files.lines(Path.of("/proc/self/maps"))) {
                rings = maps.filter(line -> line.contains("io_uring") || line.contains("[aio]")).count();
            }
            long pages = Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ", -1)[1]);
            long contexts;
            try (var maps = Files.lines(Path.of("/proc/self/maps"))) {
                contexts = maps.filter(line -> line.contains("[aio]")).count();
            }
            return new Usage(descriptors, rings, pages * 4096, contexts);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio", "channel", "memory", "null"})
    void thousandsOfEnginesAndFilesLeaveNothing(String engine) throws Exception {
        Setup.skipIf(AioEngines.find(engine).unavailable().isPresent(), engine + " is not available");
        Setup.skipIf(!Files.exists(Path.of("/proc/self/statm")), "no /proc");
        Path path = Files.write(directory.resolve("file"), new byte[4 * BLOCK]);
        boolean slow = engine.equals("libaio");
        runMany(engine, path, WARM_UP, slow);
        System.gc();
        Usage before = Usage.now();
        runMany(engine, path, ENGINES, slow);
        System.gc();
        Usage after = Usage.now();
        // A few descriptors belong to the machinery around the tests.
        assertThat(after.descriptors()).as("descriptors, %s then %s", before, after)
                .isLessThan(before.descriptors() + 20);
        assertThat(after.ringMappings()).as("mappings, %s then %s", before, after)
                .isLessThanOrEqualTo(before.ringMappings());
        // The ring of an engine has 20 KiB.
        assertThat(after.residentBytes()).as("memory, %s then %s", before, after)
                .isLessThan(before.residentBytes() + ENGINES * (15L << 10));
    }

    private static void runMany(String engine, Path path, int count, boolean parallel) throws Exception {
        if (!parallel) {
            for (int i = 0; i < count; i++) {
                useOnce(engine, path, i);
            }
            return;
        }
        try (var threads = Executors.newFixedThreadPool(THREADS)) {
            List<Future<Object>> futures = new ArrayList<>();
            for (int t = 0; t < THREADS; t++) {
                Callable<Object> some = () -> {
                    for (int i = 0; i < count / THREADS; i++) {
                        useOnce(engine, path, i);
                    }
                    return "done";
                };
                futures.add(threads.submit(some));
            }
            for (Future<Object> future : futures) {
                assertThat(future.get()).isEqualTo("done");
            }
        }
    }

    /** Opens an engine and a file, reads with registered memory now and then, and closes both in either order. */
    private static void useOnce(String name, Path path, int number) throws IOException {
        // As deep as it is by default: what each of them would leave behind is over 20 KiB.
        AioEngineConfig config = AioEngineConfig.builder().workers(1)
                .completionMode(number % 8 == 0 ? CompletionMode.REAPER : CompletionMode.POLLED).build();
        try (Arena arena = Arena.ofShared()) {
            AioEngine engine = AioEngines.open(name, config);
            AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false);
            MemorySegment memory = arena.allocate(BLOCK, BLOCK);
            if (number % 4 == 0) {
                boolean _ = engine.registerMemory(memory);
            }
            if (number % 2 == 0) {
                Told told = new Told();
                assertThat(
                        Told.run(engine, Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(memory), told))
                        .isEqualTo(BLOCK);
            }
            if (number % 3 == 0) {
                engine.close();
                file.close();
            } else {
                file.close();
                engine.close();
            }
        }
    }

    /** What docs/guide/aio.md says that a ring takes, before it is rounded up to whole pages. */
    private static long statedBytes(int depth) {
        return 128 + 100L * Math.max(depth, 1);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 8, 64, 128, 1024, 16384})
    void ringCostsWhatTheGuideSays(int depth) throws IOException {
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "no io_uring");
        for (CompletionMode mode : CompletionMode.values()) {
            try (UringEngine engine = UringEngine
                    .open(AioEngineConfig.builder().depth(depth).completionMode(mode).build())) {
                // Older kernels have 4 bytes more for each entry, and none has less than the entries need.
                assertThat(engine.sharedBytes()).isBetween(96L * depth, statedBytes(depth));
            }
        }
    }

    @Test
    void ringIsUnderTheLimitOfLockedMemory() throws IOException {
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "no io_uring");
        List<AioEngine> engines = new ArrayList<>();
        try {
            for (int i = 0; i < 200; i++) {
                engines.add(AioEngines.open("io_uring",
                        AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build()));
            }
            assertThat(engines).hasSize(200);
        } finally {
            engines.forEach(AioEngine::close);
        }
    }
}
