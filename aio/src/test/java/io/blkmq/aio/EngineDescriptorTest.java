package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The descriptor of an engine that an event loop waits for. */
@BesideOthers
class EngineDescriptorTest {
    @TempDir
    private Path directory;

    /** What never ends by itself is a read of a pipe that nobody writes. */
    @ParameterizedTest
    @EnumSource(names = {"POLLED", "AGENT"})
    void theDescriptorOfARingCanBeReadWhileThereAreCompletions(CompletionMode mode) throws Exception {
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "io_uring is not available");
        Path pipe = directory.resolve("pipe");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).inheritIO().start().waitFor()).isZero();
        AioEngineConfig config = AioEngineConfig.builder().completionMode(mode).build();
        try (Arena arena = Arena.ofShared(); AioEngine engine = AioEngines.open("io_uring", config)) {
            int writer = FileCalls.open(PathName.of(pipe, arena), FileCalls.O_RDWR | FileCalls.O_CLOEXEC);
            assertThat(writer).isNotNegative();
            IntSupplier look = mode == CompletionMode.POLLED ? engine::poll : () -> {
                try {
                    return engine.agent().doWork();
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            };
            try (NativeFile reader = NativeFile.openNothing(pipe)) {
                AtomicInteger ended = new AtomicInteger();
                for (int round = 1; round <= 3; round++) {
                    Kiocb kiocb = Kiocb.withSegments(1).prepareRead(reader, 0, (_, _) -> ended.incrementAndGet(), 0);
                    engine.submitOrThrow(kiocb.addSegment(arena.allocate(8)));
                    engine.commit();
                    assertThat(FileCalls.awaitReadable(engine.descriptor(), 0)).as("nothing has ended").isZero();
                    assertThat(look.getAsInt()).isZero();
                    Files.write(pipe, new byte[8]);
                    assertThat(FileCalls.awaitReadable(engine.descriptor(), TimeUnit.SECONDS.toNanos(100))).isOne();
                    assertThat(look.getAsInt()).isOne();
                    assertThat(ended.get()).isEqualTo(round);
                    assertThat(FileCalls.awaitReadable(engine.descriptor(), 0)).as("all has been called").isZero();
                }
            } finally {
                FileCalls.close(writer);
            }
        }
    }

    /** Nobody but who asks the device finds the end of an operation there. */
    @Test
    void aRingThatAsksTheDeviceHasNone() throws Exception {
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "io_uring is not available");
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).completionPolling(true)
                .build();
        try (AioEngine engine = AioEngines.open("io_uring", config)) {
            assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(engine::descriptor)
                    .withMessageContaining("io_uring").withMessageContaining("completionPolling");
        }
    }

    private static List<Arguments> engines() {
        List<Arguments> engines = new ArrayList<>();
        for (AioEngineProvider provider : AioEngines.providers()) {
            for (CompletionMode mode : List.of(CompletionMode.POLLED, CompletionMode.AGENT)) {
                if (provider.unavailable().isEmpty()) {
                    engines.add(Arguments.of(provider.name(), mode));
                }
            }
        }
        return engines;
    }

    private static int look(AioEngine engine) {
        try {
            return engine.completionMode() == CompletionMode.POLLED ? engine.poll() : engine.agent().doWork();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void everyEngineHasOneThatCanBeReadUntilAllIsCalled(String name, CompletionMode mode) throws Exception {
        AioEngineConfig config = AioEngineConfig.builder().completionMode(mode).depth(4).build();
        Path path = Files.write(directory.resolve("file"), new byte[1 << 16]);
        try (Arena arena = Arena.ofShared();
                AioEngine engine = AioEngines.open(name, config);
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            int descriptor = engine.descriptor();
            assertThat(engine.descriptor()).isEqualTo(descriptor);
            AtomicInteger ended = new AtomicInteger();
            int told = 0;
            for (int round = 1; round <= 5; round++) {
                // The kernel raises an eventfd when it has told of an end, and may be late.
                Eventually.until("nothing is left", () -> {
                    assertThat(look(engine)).isZero();
                    return FileCalls.awaitReadable(descriptor, 0) == 0;
                });
                for (int i = 0; i < 3 * round; i++) {
                    Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, (_, _) -> ended.incrementAndGet(), 0);
                    engine.submitOrThrow(kiocb.addSegment(arena.allocate(8)));
                }
                engine.commit();
                told += 3 * round;
                while (ended.get() < told) {
                    assertThat(FileCalls.awaitReadable(descriptor, TimeUnit.SECONDS.toNanos(100))).isOne();
                    int _ = look(engine);
                }
            }
        }
    }

    @Test
    void whereCompletionsAreCalledAndWhenAllHasEndedThereIsNone() throws Exception {
        for (AioEngineProvider provider : AioEngines.providers()) {
            for (CompletionMode mode : CompletionMode.values()) {
                if (provider.unavailable().isPresent()) {
                    continue;
                }
                AioEngine engine = provider.open(AioEngineConfig.builder().completionMode(mode).build());
                if (mode == CompletionMode.REAPER) {
                    assertThatIllegalStateException().isThrownBy(engine::descriptor)
                            .withMessageContaining(provider.name());
                } else {
                    assertThat(engine.descriptor()).isNotNegative();
                }
                engine.close();
                assertThatIllegalStateException().isThrownBy(engine::descriptor)
                        .withMessageContaining(mode == CompletionMode.REAPER ? provider.name() : "closed");
            }
        }
    }

    /** The number of the eventfd may be another file's by then. */
    @ParameterizedTest
    @MethodSource("engines")
    void anAgentOfAClosedEngineLeavesTheNumberAlone(String name, CompletionMode mode) throws Exception {
        AioEngine engine = AioEngines.open(name, AioEngineConfig.builder().completionMode(mode).build());
        int descriptor = engine.descriptor();
        engine.close();
        List<WakeEvent> opened = new ArrayList<>();
        WakeEvent another;
        do {
            another = WakeEvent.openNonBlocking();
            opened.add(another);
        } while (another.fd() < descriptor);
        another.raise();
        int _ = look(engine);
        assertThat(FileCalls.awaitReadable(another.fd(), 0)).as("still raised").isOne();
        opened.forEach(WakeEvent::close);
    }

    /** The end of the read of the ring's event stands there until somebody takes it. */
    @Test
    void aWakeUpThatNobodyAwaitsDoesNotKeepTheDescriptorOfARingReadable() throws Exception {
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "io_uring is not available");
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).wakeable(true).build();
        Path path = Files.write(directory.resolve("file"), new byte[1 << 16]);
        try (Arena arena = Arena.ofShared();
                AioEngine engine = AioEngines.open("io_uring", config);
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            int descriptor = engine.descriptor();
            // Has the ring read the event.
            Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, AioCompletion.NONE, 0);
            assertThat(engine.run(kiocb.addSegment(arena.allocate(8)))).isEqualTo(8);
            engine.wakeup();
            Eventually.until("it is not readable any more", () -> {
                int _ = engine.poll();
                return FileCalls.awaitReadable(descriptor, 0) == 0;
            });
        }
    }
}
