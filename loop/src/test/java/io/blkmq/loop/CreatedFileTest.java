package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngineProvider;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Devices that make their file. */
@BesideOthers
@NoRescues
class CreatedFileTest {
    private static final long BYTES = 3 << 20;

    @TempDir
    private Path directory;
    private Path image;

    static Stream<String> engines() {
        return AioEngines.providers().stream().filter(provider -> provider.unavailable().isEmpty())
                .map(AioEngineProvider::name);
    }

    @SuppressWarnings("NullAway.Init")
    CreatedFileTest() {}

    @BeforeEach
    void name() {
        image = directory.resolve("made.img");
    }

    @ParameterizedTest
    @MethodSource("engines")
    void theFileIsMadeOnceAndThenStaysAsItIs(String engine) throws Exception {
        LoopConfig config = LoopConfig.builder(image).engine(engine).createBytes(BYTES).build();
        try (LoopDevice device = LoopDevice.attach(config); Arena arena = Arena.ofConfined()) {
            assertThat(device.disk().sizeBytes()).isEqualTo(BYTES);
            MemorySegment memory = arena.allocate(4096, 4096).fill((byte) 1);
            device.disk().read(0, memory);
            if (!engine.equals("null")) {
                assertThat(memory.mismatch(arena.allocate(4096, 4096))).isEqualTo(-1);
            }
            device.disk().write(0, memory.fill((byte) 9));
        }
        assertThat(Files.exists(image)).as("the memory engine writes nothing").isEqualTo(!engine.equals("memory"));
        Path there = Files.write(directory.resolve("there.img"), new byte[1 << 20]);
        try (LoopDevice device = LoopDevice
                .attach(LoopConfig.builder(there).engine(engine).createBytes(BYTES).build())) {
            assertThat(device.disk().sizeBytes()).isEqualTo(1 << 20);
        }
    }

    @Test
    void aFileThatCannotHaveTheSizeIsNotLeftBehind() {
        LoopConfig config = LoopConfig.builder(image).createBytes(Long.MAX_VALUE).direct(false).build();
        assertThatExceptionOfType(java.io.IOException.class).isThrownBy(() -> LoopDevice.attach(config))
                .withMessageContaining("setting the size to " + Long.MAX_VALUE + " bytes");
        assertThat(directory).isEmptyDirectory();
    }

    // ---- whole, or not at all

    /** An engine that has something done before its calls of one name. */
    private static AioEngine before(AioEngine engine, String name, Executable done) {
        return (AioEngine) Proxy.newProxyInstance(AioEngine.class.getClassLoader(), new Class<?>[]{AioEngine.class},
                (_, method, arguments) -> {
                    if (method.getName().equals(name)) {
                        done.execute();
                    }
                    try {
                        return method.invoke(engine, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    @Test
    void theNameIsThereWhenTheFileHasItsSizeAndIsDurable() throws Exception {
        List<Boolean> there = new ArrayList<>();
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.builder().build())) {
            AioEngine watched = before(engine, "open", () -> there.add(Files.exists(image)));
            NewFile.make(before(watched, "delete", () -> there.add(Files.size(image) == BYTES)), image, BYTES);
            // Another process that is killed after the file was opened leaves no empty one under the name.
            try (AioFile opened = engine.open(image, AioFile.Access.READ_ONLY, false)) {
                assertThat(opened.size()).isEqualTo(BYTES);
            }
        }
        assertThat(there).as("before the file is made, and before its first name goes").containsExactly(false, true);
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left).containsExactly(image);
        }
    }

    @Test
    void theFileOfAnotherThatWasFasterStaysAsItIs() throws Exception {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.builder().build())) {
            NewFile.make(before(engine, "open", () -> Files.write(image, new byte[512])), image, BYTES);
        }
        assertThat(image).hasSize(512);
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left).containsExactly(image);
        }
    }

    @Test
    void anErrorIsNotHiddenByThatOfTheRemoval() throws Exception {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.builder().build())) {
            AioEngine stuck = before(engine, "delete", () -> {
                throw new IOException("not removed");
            });
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> NewFile.make(stuck, image, Long.MAX_VALUE))
                    .withMessageContaining("setting the size to " + Long.MAX_VALUE + " bytes")
                    .withMessageContaining(image.toString())
                    .satisfies(e -> assertThat(e.getSuppressed()).singleElement().asString().contains("not removed"));
        }
    }

    @Test
    void aDirectoryThatIsMissingIsTold() throws Exception {
        Path none = directory.resolve("no/made.img");
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.builder().build())) {
            assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> NewFile.make(engine, none, BYTES))
                    .withMessageContaining(none.toString());
        }
    }

    @Test
    void manyAtOnceMakeOneFile() throws Exception {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.builder().build())) {
            Eventually.together(4, false, _ -> {
                NewFile.make(engine, image, BYTES);
                assertThat(image).hasSize(BYTES);
            });
        }
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left).containsExactly(image);
        }
    }

    @Test
    void withoutASizeNoFileIsMade() {
        assertThatExceptionOfType(NoSuchFileException.class)
                .isThrownBy(() -> LoopDevice.attach(LoopConfig.builder(image).build()));
        assertThat(image).doesNotExist();
    }

    @Test
    void aSizeThatMeansNothingIsRefused() throws Exception {
        assertThatIllegalArgumentException().isThrownBy(() -> LoopConfig.builder(image).createBytes(-1).build())
                .withMessageContaining("createBytes -1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> LoopConfig.builder(image).createBytes(1).readOnly(true).build())
                .withMessageContaining("read-only");
        try (Disk below = NullBlk.builder().build()) {
            assertThatIllegalArgumentException().isThrownBy(() -> LoopConfig.builder(below).createBytes(1).build())
                    .withMessageContaining("no file to make");
        }
    }
}
