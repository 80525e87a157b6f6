package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Every engine at once, each with a file of its own, carries out the same random operations, and a byte array does, too: every
 * result, every byte read, every size is the same.
 */
@BesideOthers
class EngineModelTest {

    private static final int UNIT = 512;
    private static final int UNITS_MAX = 512;
    private static final int ROUNDS = 40;

    /** A file as it should be. */
    private static final class Model {
        byte[] bytes = new byte[0];

        long read(int offset, byte[] into) {
            int length = Math.clamp(bytes.length - offset, 0, into.length);
            System.arraycopy(bytes, Math.min(offset, bytes.length), into, 0, length);
            return length;
        }

        long write(int offset, byte[] from) {
            extend(offset + from.length);
            System.arraycopy(from, 0, bytes, offset, from.length);
            return from.length;
        }

        void extend(int size) {
            if (bytes.length < size) {
                bytes = Arrays.copyOf(bytes, size);
            }
        }

        void zero(int offset, int length) {
            if (offset < bytes.length) {
                Arrays.fill(bytes, offset, Math.min(offset + length, bytes.length), (byte) 0);
            }
        }
    }

    /** One engine with its file. */
    private record Subject(Setup setup, AioEngine engine, AioFile file, Path path) implements AutoCloseable {

        static Subject open(Setup setup, AioFile.Access access) throws IOException {
            setup.assumeAvailable();
            Path path = Files.createTempFile(setup.directory(), "blkmq-model", ".img");
            AioEngine engine = setup.open(AioEngineConfig.builder().depth(8).workers(2));
            return new Subject(setup, engine, engine.open(path, access, setup.direct()), path);
        }

        @Override
        public void close() throws IOException {
            engine.close();
            file.close();
            Files.delete(path);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void everyEngineDoesWhatTheModelDoes(boolean direct) throws IOException {
        long seed = RandomSeed.of(EngineModelTest.class);
        String repeat = "replay with: " + RandomSeed.replay(EngineModelTest.class, seed);
        List<Subject> subjects = new ArrayList<>();
        try (Arena arena = Arena.ofShared()) {
            for (Setup setup : Setup.all()) {
                if (setup.direct() == direct && !setup.engine().equals("null")
                        && AioEngines.find(setup.engine()).unavailable().isEmpty()) {
                    subjects.add(Subject.open(setup, AioFile.Access.READ_WRITE));
                }
            }
            assertThat(subjects).hasSizeGreaterThan(1);
            run(new Random(seed), subjects, direct, arena, repeat);
        } finally {
            for (Subject subject : subjects) {
                subject.close();
            }
        }
    }

    private static void run(Random random, List<Subject> subjects, boolean direct, Arena arena, String repeat)
            throws IOException {
        int unit = subjects.stream().mapToInt(subject -> subject.file().offsetAlignment()).max().orElse(1);
        Model model = new Model();
        for (int round = 0; round < ROUNDS; round++) {
            int step = direct ? Math.max(unit, UNIT) : 1;
            int limit = UNITS_MAX * UNIT / step;
            int offset = random.nextInt(limit) * step;
            int length = (random.nextInt(limit / 4) + 1) * step;
            int parts = 1 + random.nextInt(4);
            boolean sync = random.nextInt(8) == 0;
            boolean keepSize = random.nextBoolean();
            byte[] data = new byte[length];
            random.nextBytes(data);
            int kind = random.nextInt(10);
            byte[] expectedBytes = new byte[length];
            long expected = switch (kind) {
                case 0, 1, 2, 3 -> model.read(offset, expectedBytes);
                case 4, 5, 6 -> model.write(offset, data);
                case 7 -> {
                    model.zero(offset, length);
                    yield 0;
                }
                case 8 -> {
                    if (!keepSize) {
                        model.extend(offset + length);
                    }
                    yield 0;
                }
                default -> 0;
            };
            for (Subject subject : subjects) {
                String what = repeat + ": round " + round + ", kind " + kind + ", offset " + offset + ", length "
                        + length + " by " + subject.setup();
                carryOut(subject, kind, offset, length, parts, sync, keepSize, data, expected, expectedBytes,
                        model.bytes.length, arena, what);
            }
        }
        for (Subject subject : subjects) {
            MemorySegment memory = arena.allocate(model.bytes.length + 4096L, 4096);
            long size = (model.bytes.length + 4095) / 4096 * 4096L;
            assertThat(subject.file().read(0, memory.asSlice(0, size))).as(repeat).isEqualTo(model.bytes.length);
            assertThat(memory.asSlice(0, model.bytes.length).toArray(ValueLayout.JAVA_BYTE))
                    .as(repeat + ": all bytes by " + subject.setup()).isEqualTo(model.bytes);
        }
    }

    private static void carryOut(Subject subject, int kind, int offset, int length, int parts, boolean sync,
            boolean keepSize, byte[] data, long expected, byte[] expectedBytes, int size, Arena arena, String what)
            throws IOException {
        AioFile file = subject.file();
        Told told = new Told();
        Kiocb kiocb = Kiocb.withSegments(2);
        MemorySegment memory = arena.allocate(length, 4096);
        AioOperation range = null;
        switch (kind) {
            case 0, 1, 2, 3 -> kiocb.prepareRead(file, offset, told, 1);
            case 4, 5, 6 -> {
                kiocb.prepareWrite(file, offset, told, 1);
                if (sync) {
                    kiocb.thenSync(keepSize);
                }
                MemorySegment.copy(data, 0, memory, ValueLayout.JAVA_BYTE, 0, length);
            }
            case 7 -> {
                range = keepSize ? AioOperation.PUNCH_HOLE : AioOperation.ZERO_RANGE;
                if (keepSize) {
                    kiocb.preparePunchHole(file, offset, length, told, 1);
                } else {
                    kiocb.prepareZeroRange(file, offset, length, told, 1);
                }
            }
            case 8 -> {
                range = AioOperation.ALLOCATE;
                kiocb.prepareAllocate(file, offset, length, keepSize, told, 1);
            }
            default -> kiocb.prepareSync(file, keepSize, told, 1);
        }
        if (kind <= 6) {
            addParts(kiocb, memory, parts, file.offsetAlignment());
        }
        if (range != null && (!subject.engine().operations().contains(range) || !file.supports(range))) {
            // The engine or its file system cannot: bring the file where it should be by other means.
            substitute(file, range, offset, length, keepSize, size, arena);
        } else {
            assertThat(Told.run(subject.engine(), kiocb, told)).as(what).isEqualTo(expected);
        }
        if (kind <= 3) {
            assertThat(memory.asSlice(0, expected).toArray(ValueLayout.JAVA_BYTE)).as(what)
                    .isEqualTo(Arrays.copyOf(expectedBytes, (int) expected));
        }
        assertThat(file.size()).as(what).isEqualTo(size);
    }

    private static void addParts(Kiocb kiocb, MemorySegment memory, int parts, int alignment) {
        long length = memory.byteSize();
        long part = Math.max(length / parts / alignment * alignment, alignment);
        long at = 0;
        for (int i = 1; i < parts && length - at > part; i++) {
            kiocb.addSegment(memory, at, part);
            at += part;
        }
        kiocb.addSegment(memory, at, length - at);
    }

    private static void substitute(AioFile file, AioOperation range, int offset, int length, boolean keepSize, int size,
            Arena arena) throws IOException {
        if (range == AioOperation.ALLOCATE) {
            int end = offset + length;
            if (!keepSize && file.size() < end) {
                int last = file.offsetAlignment();
                assertThat(file.write(end - last, arena.allocate(last, 4096))).isEqualTo(last);
            }
            return;
        }
        int zeroed = Math.min(offset + length, size) - offset;
        if (zeroed > 0) {
            assertThat(file.write(offset, arena.allocate(zeroed, 4096))).isEqualTo(zeroed);
        }
    }
}
