package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** How transfers can be carried out: flags and priorities, as the kernel is asked for them, and as it answers. */
@BesideOthers
class FlagsTest {

    private static final int BLOCK = 4096;
    private static final int BLOCKS = 64;

    private final Arena arena = Arena.ofShared();
    private Path path;

    @BeforeEach
    void make() throws IOException {
        path = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "flags", ".img");
        Files.write(path, new byte[BLOCKS * BLOCK]);
    }

    @AfterEach
    void remove() throws IOException {
        Files.delete(path);
        arena.close();
    }

    static List<String> natives() {
        List<String> natives = new ArrayList<>();
        for (String engine : List.of("io_uring", "libaio")) {
            if (AioEngines.find(engine).unavailable().isEmpty()) {
                natives.add(engine);
            } else {
                System.out.println("skipped: engine " + engine + " is not available");
            }
        }
        return natives;
    }

    static Stream<String> all() {
        return AioEngines.providers().stream().filter(provider -> provider.unavailable().isEmpty())
                .map(AioEngineProvider::name);
    }

    private MemorySegment block() {
        return arena.allocate(BLOCK, BLOCK);
    }

    private static Kiocb kiocb() {
        return Kiocb.withSegments(4);
    }

    private static AioEngine open(String engine) throws IOException {
        return AioEngines.open(engine,
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).depth(8).build());
    }

    @ParameterizedTest
    @MethodSource("all")
    void whatAnEngineDoesNotKnowItRefusesByName(String name) throws IOException {
        try (AioEngine engine = open(name); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            Kiocb kiocb = kiocb();
            for (AioFlag flag : AioFlag.values()) {
                kiocb.prepareWrite(file, 0, AioCompletion.NONE, 0).addSegment(block()).with(flag);
                if (engine.flags().contains(flag)) {
                    assertThat(engine.run(kiocb)).as("%s", flag).isNotEqualTo(-Errno.EINVAL);
                } else {
                    assertThat(engine.submit(kiocb)).as("%s", flag).isEqualTo(-Errno.EOPNOTSUPP);
                    assertThatThrownBy(() -> engine.submitOrThrow(kiocb))
                            .isInstanceOf(UnsupportedOperationException.class).hasMessageContaining("WRITE " + flag);
                }
            }
            kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block()).priority(AioPriority.IDLE);
            if (engine.hasPriorities()) {
                assertThat(engine.run(kiocb)).isEqualTo(BLOCK);
            } else {
                assertThat(engine.submit(kiocb)).isEqualTo(-Errno.EOPNOTSUPP);
                assertThatThrownBy(() -> engine.submitOrThrow(kiocb)).isInstanceOf(UnsupportedOperationException.class)
                        .hasMessageContaining("READ with a priority");
            }
        }
    }

    @Test
    void flagsAndPrioritiesAreForWhatIsPrepared() throws IOException {
        try (AioEngine engine = open("channel"); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            Kiocb kiocb = kiocb();
            assertThatThrownBy(() -> kiocb.with(AioFlag.NOWAIT)).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("NOWAIT");
            assertThatThrownBy(() -> kiocb.priority(AioPriority.IDLE)).isInstanceOf(IllegalStateException.class);
            kiocb.prepareSync(file, true, AioCompletion.NONE, 0);
            assertThatThrownBy(() -> kiocb.with(AioFlag.DONTCACHE)).isInstanceOf(IllegalStateException.class);
            kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block());
            assertThatThrownBy(() -> kiocb.with(AioFlag.ATOMIC)).isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("ATOMIC");
            // What one operation had, the next does not have.
            kiocb.prepareWrite(file, 0, AioCompletion.NONE, 0).with(AioFlag.NOWAIT).priority(AioPriority.IDLE);
            kiocb.prepareWrite(file, 0, AioCompletion.NONE, 0).addSegment(block());
            assertThat(engine.run(kiocb)).isEqualTo(BLOCK);
        }
        assertThatThrownBy(() -> new AioPriority(AioPriority.Kind.BEST_EFFORT, 8))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("8").hasMessageContaining("7");
        assertThatThrownBy(() -> new AioPriority(AioPriority.Kind.IDLE, 1))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @MethodSource("natives")
    void aReadThatMayNotWaitFindsTheCacheEmpty(String name) throws IOException {
        try (AioEngine engine = open(name); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            Kiocb kiocb = kiocb();
            assertThat(file.sync(false)).isZero();
            assertThat(file.dropPageCache()).isZero();
            long cold = engine
                    .run(kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block()).with(AioFlag.NOWAIT));
            Setup.skipIf(cold == BLOCK, "the file system keeps all files in memory");
            Setup.skipIf(cold == -Errno.EOPNOTSUPP, "the file system does not know NOWAIT");
            assertThat(cold).isEqualTo(-Errno.EAGAIN);
            assertThat(engine.run(kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block())))
                    .isEqualTo(BLOCK);
            assertThat(engine
                    .run(kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block()).with(AioFlag.NOWAIT)))
                    .isEqualTo(BLOCK);
        }
    }

    @ParameterizedTest
    @MethodSource("natives")
    void whatIsNotToBeCachedIsNot(String name) throws IOException {
        try (AioEngine engine = open(name); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            Kiocb kiocb = kiocb();
            // A page that is just being used by somebody else stays where it is, whoever wants it dropped: then once more.
            Eventually.until("nothing is left", () -> {
                assertThat(file.sync(false)).isZero();
                assertThat(file.dropPageCache()).isZero();
                long read = engine.run(
                        kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block()).with(AioFlag.DONTCACHE));
                Setup.skipIf(read == -Errno.EOPNOTSUPP, "the file system does not know DONTCACHE");
                assertThat(read).isEqualTo(BLOCK);
                return engine.run(kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block())
                        .with(AioFlag.NOWAIT)) == -Errno.EAGAIN;
            });
        }
    }

    @ParameterizedTest
    @MethodSource("natives")
    void atomicWritesAreWithinTheLimitsOfTheFile(String name) throws IOException {
        try (AioEngine engine = open(name); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            AtomicWrites limits = file.atomicWrites();
            Kiocb kiocb = kiocb();
            long result = engine.run(
                    kiocb.prepareWrite(file, BLOCK, AioCompletion.NONE, 0).addSegment(block()).with(AioFlag.ATOMIC));
            if (limits.fits(BLOCK, BLOCK)) {
                assertThat(result).isEqualTo(BLOCK);
            } else {
                assertThat(result).isIn((long) -Errno.EOPNOTSUPP, (long) -Errno.EINVAL);
            }
            // Never in parts.
            kiocb.prepareWrite(file, 0, AioCompletion.NONE, 0).with(AioFlag.ATOMIC);
            MemorySegment sector = arena.allocate(512, BLOCK);
            for (int i = 0; i <= NativeFile.SEGMENTS_MAX; i++) {
                kiocb.addSegment(sector);
            }
            assertThat(engine.submit(kiocb)).isEqualTo(-Errno.EINVAL);
            assertThatThrownBy(() -> engine.submitOrThrow(kiocb)).isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("1024 segments");
        }
        try (AioEngine engine = open(name); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.atomicWrites()).as("of buffered I/O").isEqualTo(AtomicWrites.NONE);
        }
    }

    /** What a ring was asked for: flags in the upper half of the length, the priority in the head. */
    private static final class NotingRing extends Uring {
        final List<String> asked = new ArrayList<>();
        /** What the kernel is made to have answered; when there is no more, what it has answered. */
        final Queue<Integer> answers = new ArrayDeque<>();

        NotingRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        void put(long head, long offset, long address, long length, long userData, int place) {
            asked.add("operation " + (head & 0xff) + " priority " + Long.toHexString(head >>> 16 & 0xffff) + " flags "
                    + Long.toHexString(length >>> 32) + (place > 0 ? " in memory " + place : ""));
            super.put(head, offset, address, length, userData, place);
        }

        @Override
        int completionResult() {
            Integer answer = answers.poll();
            return answer == null ? super.completionResult() : answer;
        }
    }

    /** What a ring makes of the answers to an operation on two blocks with that flag, and how often it asked. */
    private String told(AioOperation operation, AioFlag flag, boolean durable, Integer... answers) throws IOException {
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).depth(1).build();
        NotingRing[] ring = new NotingRing[1];
        try (AioEngine engine = UringEngine.open(config, (fd, params) -> ring[0] = new NotingRing(fd, params),
                UringEngine.wantedFlags(config)); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            ring[0].answers.addAll(List.of(answers));
            Kiocb kiocb = operation == AioOperation.READ
                    ? kiocb().prepareRead(file, 0, AioCompletion.NONE, 0)
                    : kiocb().prepareWrite(file, 0, AioCompletion.NONE, 0);
            kiocb.addSegment(block()).addSegment(block()).with(flag);
            if (durable) {
                kiocb.thenSync(true);
            }
            return engine.run(kiocb) + " after " + ring[0].asked.size();
        }
    }

    @Test
    void whatMayNotWaitIsNotTriedAgain() throws IOException {
        Setup.skipIf(!natives().contains("io_uring"), "no io_uring here");
        Integer again = -Errno.EAGAIN;
        assertThat(told(AioOperation.READ, AioFlag.DONTCACHE, false, again, 2 * BLOCK)).isEqualTo("8192 after 2");
        assertThat(told(AioOperation.READ, AioFlag.NOWAIT, false, again)).isEqualTo("-11 after 1");
        assertThat(told(AioOperation.READ, AioFlag.NOWAIT, false, BLOCK, again)).isEqualTo("4096 after 2");
        assertThat(told(AioOperation.WRITE, AioFlag.NOWAIT, false, BLOCK, again)).isEqualTo("-11 after 2");
        // The sync after it may wait. A ring of one place links nothing.
        assertThat(told(AioOperation.WRITE, AioFlag.NOWAIT, true, 2 * BLOCK, again, 0)).isEqualTo("8192 after 3");
        assertThat(told(AioOperation.WRITE, AioFlag.ATOMIC, false, BLOCK)).as("half").isEqualTo("-5 after 1");
    }

    @ParameterizedTest
    @EnumSource(AioPriority.Kind.class)
    void aRingIsAskedForThem(AioPriority.Kind kind) throws IOException {
        Setup.skipIf(!natives().contains("io_uring"), "no io_uring here");
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).depth(8).build();
        NotingRing[] ring = new NotingRing[1];
        boolean leveled = kind == AioPriority.Kind.BEST_EFFORT || kind == AioPriority.Kind.REALTIME;
        AioPriority priority = new AioPriority(kind, leveled ? 3 : 0);
        try (AioEngine engine = UringEngine.open(config, (fd, params) -> ring[0] = new NotingRing(fd, params),
                UringEngine.wantedFlags(config)); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            long result = engine.run(kiocb().prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block())
                    .with(AioFlag.NOWAIT).with(AioFlag.DONTCACHE).priority(priority));
            assertThat(result).isIn((long) BLOCK, (long) -Errno.EAGAIN, (long) -Errno.EOPNOTSUPP, (long) -Errno.EPERM);
        }
        String value = Integer.toHexString(kind.number << 13 | priority.level());
        assertThat(ring[0].asked).containsExactly("operation 22 priority " + value + " flags 88");
    }

    @Test
    void aContextIsAskedForThem() throws IOException {
        Setup.skipIf(!natives().contains("libaio"), "no libaio here");
        List<String> asked = new ArrayList<>();
        final class NotingContext extends AioContext {
            NotingContext(long context, int slots) {
                super(context, slots);
            }

            @Override
            void prepare(int slot, short command, int descriptor, long address, long count, long offset, int rwFlags) {
                asked.add("flags " + Integer.toHexString(rwFlags));
                super.prepare(slot, command, descriptor, address, count, offset, rwFlags);
            }

            @Override
            void prioritize(int slot, short priority) {
                asked.add("priority " + Integer.toHexString(priority));
                super.prioritize(slot, priority);
            }
        }
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).depth(8).build();
        try (AioEngine engine = LibaioEngine.open(config, NotingContext::new);
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            assertThat(engine.run(kiocb().prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block())
                    .with(AioFlag.NOWAIT).priority(new AioPriority(AioPriority.Kind.BEST_EFFORT, 7))))
                    .isIn((long) BLOCK, (long) -Errno.EAGAIN, (long) -Errno.EOPNOTSUPP);
            assertThat(engine.run(kiocb().prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(block())))
                    .as("the same slot, without").isEqualTo(BLOCK);
        }
        assertThat(asked).containsExactly("flags 8", "priority 4007", "flags 0");
    }

    /** All segments in one slab are one operation in registered memory, where the kernel knows that; others are as ever. */
    @Test
    void segmentsInRegisteredMemoryAreNotPinnedAgain() throws IOException {
        Setup.skipIf(!natives().contains("io_uring"), "no io_uring here");
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).depth(8).build();
        NotingRing[] ring = new NotingRing[1];
        try (AioEngine engine = UringEngine.open(config, (fd, params) -> ring[0] = new NotingRing(fd, params),
                UringEngine.wantedFlags(config)); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            MemorySegment slab = arena.allocate(8 * BLOCK, BLOCK);
            MemorySegment other = arena.allocate(8 * BLOCK, BLOCK);
            Setup.skipIf(!engine.registerMemory(slab), "memory cannot be registered");
            Setup.skipIf(!ring[0].supported()[Uring.OP_READV_FIXED], "the kernel is older than 6.15");
            for (int i = 0; i < 4; i++) {
                slab.asSlice((long) i * BLOCK, BLOCK).fill((byte) (i + 1));
            }
            Kiocb kiocb = kiocb().prepareWrite(file, 0, AioCompletion.NONE, 0).addSegment(slab, 3 * BLOCK, BLOCK)
                    .addSegment(slab, BLOCK, BLOCK);
            assertThat(engine.run(kiocb)).isEqualTo(2 * BLOCK);
            kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(slab, 5 * BLOCK, BLOCK).addSegment(slab,
                    7 * BLOCK, BLOCK);
            assertThat(engine.run(kiocb)).isEqualTo(2 * BLOCK);
            assertThat(slab.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 5L * BLOCK)).isEqualTo((byte) 4);
            assertThat(slab.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 7L * BLOCK)).isEqualTo((byte) 2);
            assertThat(engine.statistics().fixedBufferOperations()).isEqualTo(2);
            kiocb.prepareRead(file, 0, AioCompletion.NONE, 0).addSegment(slab, 0, BLOCK).addSegment(other, 0, BLOCK);
            assertThat(engine.run(kiocb)).isEqualTo(2 * BLOCK);
            assertThat(engine.statistics().fixedBufferOperations()).isEqualTo(2);
        }
        assertThat(ring[0].asked)
                .extracting(what -> what.substring("operation ".length(), "operation 60".length()).strip())
                .containsExactly("61", "60", "1");
    }

    /** Syncs always go to workers of the kernel. */
    @Test
    void theKernelHasNoMoreWorkersThanItMay() throws Exception {
        Setup.skipIf(!natives().contains("io_uring"), "no io_uring here");
        // A thread of its own: others may have workers of rings that they have had before.
        assertThat(Eventually.call(this::mostWorkersOfOne).join()).isBetween(0, 1);
        assertThatThrownBy(() -> AioEngineConfig.builder().kernelWorkers(0))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("0");
    }

    /** How many workers are seen of a ring that may have one. */
    private int mostWorkersOfOne() throws IOException {
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).depth(64)
                .kernelWorkers(1).build();
        int most = 0;
        int[] told = new int[1];
        try (AioEngine engine = AioEngines.open("io_uring", config);
                AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            for (int round = 0; round < 20; round++) {
                for (int i = 0; i < 64; i++) {
                    engine.submitOrThrow(kiocb().prepareSync(file, true, (userData, result) -> told[0]++, i));
                }
                engine.commit();
                most = Math.max(most, workersOfThisThread());
                while (told[0] < 64 * (round + 1)) {
                    int _ = engine.await(Long.MAX_VALUE);
                }
            }
        }
        return most;
    }

    /** Workers of the kernel are tasks of the process, named by the thread whose they are. */
    private static int workersOfThisThread() throws IOException {
        long self = Long.parseLong(Files.readSymbolicLink(Path.of("/proc/thread-self")).getFileName().toString());
        int count = 0;
        try (Stream<Path> tasks = Files.list(Path.of("/proc/self/task"))) {
            for (Path task : tasks.toList()) {
                try {
                    if (Files.readString(task.resolve("comm")).strip().equals("iou-wrk-" + self)) {
                        count++;
                    }
                } catch (IOException e) {
                    // It has ended.
                    assert !Files.exists(task) || e.getMessage() != null;
                }
            }
        }
        return count;
    }
}
