package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.Serial;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What engines make of what fails beside them: completions that throw what cannot be logged, factories that refuse threads. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class EngineFailuresTest {
    private static final int BLOCK = 4096;

    @TempDir
    private Path directory;

    /** Cannot be printed, as little as a lack of memory can. */
    private static final class Unspeakable extends Error {
        @Serial
        private static final long serialVersionUID = 1L;

        @Override
        public String getMessage() {
            throw new OutOfMemoryError("of the test");
        }

        @Override
        public String toString() {
            throw new OutOfMemoryError("of the test");
        }

        @Override
        public void printStackTrace(PrintStream to) {
            throw new OutOfMemoryError("of the test");
        }

        @Override
        public void printStackTrace(PrintWriter to) {
            throw new OutOfMemoryError("of the test");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio", "channel", "memory", "null"})
    void aFailureThatCannotBeLoggedCostsNoOperation(String name) throws Exception {
        Setup.skipIf(AioEngines.find(name).unavailable().isPresent(), name + " does not work here");
        Path path = Files.write(directory.resolve("file"), new byte[BLOCK]);
        CountDownLatch told = new CountDownLatch(2);
        AioEngine engine = AioEngines.open(name, AioEngineConfig.defaults());
        try (Arena arena = Arena.ofShared(); AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            MemorySegment memory = arena.allocate(BLOCK);
            for (int i = 0; i < 2; i++) {
                assertThat(engine.submit(Kiocb.withSegments(1).prepareRead(file, 0, (_, _) -> {
                    told.countDown();
                    throw new Unspeakable();
                }, 0).addSegment(memory))).isZero();
                engine.commit();
            }
            told.await();
            engine.close();
            assertThat(engine.statistics().completed()).isEqualTo(2);
        }
    }

    @Test
    void aFileThatCouldNotBeReopenedIsClosedAllTheSame() throws IOException {
        Path path = Files.write(directory.resolve("file"), new byte[BLOCK]);
        NativeFile companion = NativeFile.open(path, AioFile.Access.READ_ONLY, false);
        ChannelFile file = ChannelFile.open(path, AioFile.Access.READ_ONLY, false, companion);
        // From here on nothing can be opened by it, as if there were no descriptors left.
        companion.close();
        assertThatExceptionOfType(FileSystemException.class).isThrownBy(() -> file.reopen(false));
        file.close();
        assertThat(opensOf(path)).isZero();
    }

    /** How many descriptors of a file this process has. */
    static long opensOf(Path path) throws IOException {
        try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
            return all.filter(link -> {
                try {
                    return Files.readSymbolicLink(link).equals(path.toRealPath());
                } catch (IOException e) {
                    // That of the list itself, which is gone.
                    return false;
                }
            }).count();
        }
    }

    /** Refuses threads as long as it is told to. */
    private static final class Factory implements ThreadFactory {
        final AtomicBoolean refuses = new AtomicBoolean(true);

        @Override
        public Thread newThread(Runnable body) {
            if (refuses.get()) {
                throw new OutOfMemoryError("unable to create native thread: of the test");
            }
            return Thread.ofPlatform().daemon().unstarted(body);
        }
    }

    @ParameterizedTest
    @EnumSource(CompletionMode.class)
    void operationsThatGetNoWorkerFail(CompletionMode mode) throws IOException {
        Path path = Files.write(directory.resolve("file"), new byte[BLOCK]);
        Factory factory = new Factory();
        AioEngineConfig config = AioEngineConfig.builder().completionMode(mode).threadFactory(factory).build();
        try (Arena arena = Arena.ofShared();
                AioEngine engine = AioEngines.open("channel", config);
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Told told = new Told();
            Kiocb kiocb = Kiocb.withSegments(1);
            MemorySegment memory = arena.allocate(BLOCK);
            assertThat(Told.run(engine, kiocb.prepareRead(file, 0, told, 1).addSegment(memory), told))
                    .isEqualTo(-Errno.EAGAIN);
            factory.refuses.set(false);
            assertThat(Told.run(engine, kiocb.prepareRead(file, 0, told, 2).addSegment(memory), told)).isEqualTo(BLOCK);
        }
    }

    @Test
    void whatIsSubmittedForWantOfAWorkerDoesNotNest() throws IOException {
        Path path = Files.write(directory.resolve("file"), new byte[BLOCK]);
        List<Long> results = new ArrayList<>();
        try (Arena arena = Arena.ofShared();
                AioEngine engine = AioEngines.open("channel",
                        AioEngineConfig.builder().threadFactory(new Factory()).build());
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Kiocb kiocb = Kiocb.withSegments(1);
            MemorySegment memory = arena.allocate(BLOCK);
            AioCompletion[] again = new AioCompletion[1];
            again[0] = (_, result) -> {
                assertThatIllegalStateException().isThrownBy(engine::close);
                results.add(result);
                if (results.size() < 20_000) {
                    assertThat(engine.submit(kiocb.prepareRead(file, 0, again[0], 1).addSegment(memory))).isZero();
                    engine.commit();
                }
            };
            assertThat(engine.submit(kiocb.prepareRead(file, 0, again[0], 1).addSegment(memory))).isZero();
            engine.commit();
        }
        assertThat(results).hasSize(20_000).containsOnly((long) -Errno.EAGAIN);
    }
}
