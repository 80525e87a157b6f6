package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What the kernel is asked for by writes that are to be durable, and what is done where it does not know that. */
class DurableWriteTest {
    private static final int BLOCK = 4096;
    private static final int BLOCKS = 64;

    private final Arena arena = Arena.ofShared();
    private Path path;
    /** What was asked of the kernel, in its order. */
    private final List<String> asked = new ArrayList<>();
    /** What the kernel is made to have answered, from the next completion on; when there is no more, what it has answered. */
    private final Queue<Integer> answers = new ArrayDeque<>();

    /** The engines that write through, one completion after the other on the calling thread. */
    enum Kind {
        URING, LIBAIO
    }

    @BeforeEach
    void make() throws IOException {
        path = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "durable", ".img");
        Files.write(path, new byte[BLOCKS * BLOCK]);
    }

    @AfterEach
    void remove() throws IOException {
        Files.delete(path);
        arena.close();
    }

    /** A ring that notes what it is asked for. */
    private final class NotingRing extends Uring {
        NotingRing(int fd, MemorySegment params) throws IOException {
            super(fd, params);
        }

        @Override
        void put(long head, long offset, long address, long length, long userData, int place) {
            int flags = (int) (length >>> 32);
            String what = switch ((int) (head & 0xff)) {
                case OP_WRITE, OP_WRITE_FIXED -> "write " + (int) length + through(flags);
                case OP_WRITEV -> "write of " + (int) length + " segments" + through(flags);
                case OP_FSYNC -> flags == FSYNC_DATASYNC ? "fdatasync" : "fsync";
                default -> "operation " + (head & 0xff) + through(flags);
            };
            asked.add(what + ((head >> 8 & ENTRY_LINK) != 0 ? " linked" : ""));
            super.put(head, offset, address, length, userData, place);
        }

        @Override
        int completionResult() {
            Integer answer = answers.poll();
            return answer == null ? super.completionResult() : answer;
        }
    }

    /** The same of the kernel's native AIO. */
    private final class NotingContext extends AioContext {
        NotingContext(long context, int slots) {
            super(context, slots);
        }

        @Override
        void prepare(int slot, short command, int descriptor, long address, long count, long offset, int rwFlags) {
            asked.add(switch (command) {
                case CMD_PWRITE -> "write " + count + through(rwFlags);
                case CMD_PWRITEV -> "write of " + count + " segments" + through(rwFlags);
                case CMD_FSYNC -> "fsync";
                case CMD_FDSYNC -> "fdatasync";
                default -> "operation " + command + through(rwFlags);
            });
            super.prepare(slot, command, descriptor, address, count, offset, rwFlags);
        }

        @Override
        long result() {
            Integer answer = answers.poll();
            return answer == null ? super.result() : answer;
        }
    }

    private static String through(int flags) {
        return switch (flags) {
            case 0 -> "";
            case NativeFile.RWF_DSYNC -> " DSYNC";
            case NativeFile.RWF_SYNC -> " SYNC";
            default -> " flags " + flags;
        };
    }

    private AioEngine open(Kind kind) throws IOException {
        String name = kind == Kind.URING ? "io_uring" : "libaio";
        Setup.skipIf(AioEngines.find(name).unavailable().isPresent(), "no " + name);
        AioEngineConfig config = AioEngineConfig.builder().depth(8).completionMode(CompletionMode.POLLED).build();
        return kind == Kind.URING
                ? UringEngine.open(config, NotingRing::new, UringEngine.wantedFlags(config))
                : LibaioEngine.open(config, NotingContext::new);
    }

    private MemorySegment memory(int blocks) {
        return arena.allocate((long) blocks * BLOCK, BLOCK).fill((byte) 9);
    }

    /** Writes so many blocks, durably, and returns the result. */
    private long write(AioEngine engine, AioFile file, int blocks, int segments, boolean dataOnly) {
        Told told = new Told();
        MemorySegment memory = memory(blocks);
        Kiocb kiocb = Kiocb.withSegments(segments).prepareWrite(file, 0, told, 1).thenSync(dataOnly);
        long part = memory.byteSize() / segments;
        for (int i = 0; i < segments; i++) {
            kiocb.addSegment(memory, i * part, part);
        }
        return Told.run(engine, kiocb, told);
    }

    @ParameterizedTest
    @EnumSource
    void durableWriteOfADirectFileIsOneOperation(Kind kind) throws IOException {
        try (AioEngine engine = open(kind); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            assertThat(engine.writesThrough(file)).isTrue();
            assertThat(write(engine, file, 2, 1, true)).isEqualTo(2 * BLOCK);
            assertThat(write(engine, file, 2, 1, false)).isEqualTo(2 * BLOCK);
            assertThat(write(engine, file, 2, 2, true)).isEqualTo(2 * BLOCK);
            MemorySegment registered = memory(1);
            boolean _ = engine.registerMemory(registered);
            Told told = new Told();
            assertThat(Told.run(engine,
                    Kiocb.withSegments(1).prepareWrite(file, 0, told, 1).thenSync(true).addSegment(registered), told))
                    .isEqualTo(BLOCK);
            assertThat(
                    Told.run(engine, Kiocb.withSegments(1).prepareWrite(file, 0, told, 2).addSegment(registered), told))
                    .as("one that need not be durable").isEqualTo(BLOCK);
        }
        assertThat(asked).containsExactly("write 8192 DSYNC", "write 8192 SYNC", "write of 2 segments DSYNC",
                "write 4096 DSYNC", "write 4096");
    }

    @ParameterizedTest
    @EnumSource
    void throughThePageCacheASyncFollowsTheWrite(Kind kind) throws IOException {
        try (AioEngine engine = open(kind); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(engine.writesThrough(file)).isFalse();
            assertThat(write(engine, file, 1, 1, true)).isEqualTo(BLOCK);
        }
        assertThat(asked).hasSize(2).last().isEqualTo("fdatasync");
        assertThat(asked.getFirst()).startsWith("write 4096").doesNotContain("SYNC");
    }

    @ParameterizedTest
    @EnumSource
    void durableWriteWithoutBytesIsASync(Kind kind) throws IOException {
        try (AioEngine engine = open(kind); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            Told told = new Told();
            assertThat(Told.run(engine, Kiocb.withSegments(1).prepareWrite(file, 0, told, 1).thenSync(false), told))
                    .isZero();
        }
        assertThat(asked).hasSize(2).last().isEqualTo("fsync");
    }

    @ParameterizedTest
    @EnumSource
    void eachPieceOfAShortDurableWriteIsDurable(Kind kind) throws IOException {
        try (AioEngine engine = open(kind); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            answers.addAll(List.of(BLOCK, -Errno.EINTR, 2 * BLOCK));
            assertThat(write(engine, file, 4, 1, true)).isEqualTo(4 * BLOCK);
        }
        assertThat(asked).containsExactly("write 16384 DSYNC", "write 12288 DSYNC", "write 12288 DSYNC",
                "write 4096 DSYNC");
    }

    @ParameterizedTest
    @ValueSource(ints = {-Errno.EOPNOTSUPP, -Errno.EINVAL})
    void refusedDurableWriteIsWrittenAndSynced(int errno) throws IOException {
        for (Kind kind : Kind.values()) {
            asked.clear();
            try (AioEngine engine = open(kind); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
                answers.add(errno);
                assertThat(write(engine, file, 1, 1, true)).isEqualTo(BLOCK);
                assertThat(engine.writesThrough(file)).isFalse();
                assertThat(write(engine, file, 1, 1, true)).isEqualTo(BLOCK);
            }
            String plain = kind == Kind.URING ? "write 4096 linked" : "write 4096";
            assertThat(asked).as(kind.name()).containsExactly("write 4096 DSYNC", plain, "fdatasync", plain,
                    "fdatasync");
        }
    }

    @ParameterizedTest
    @EnumSource
    void aSyncCoversThePiecesThatWereNotWrittenThrough(Kind kind) throws IOException {
        try (AioEngine engine = open(kind); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            // The first piece is durable. The second is refused as that, and comes short without, so that a link is cut.
            answers.addAll(List.of(BLOCK, -Errno.EOPNOTSUPP));
            assertThat(write(engine, file, 3, 1, true)).isEqualTo(3 * BLOCK);
        }
        assertThat(asked).containsExactly("write 12288 DSYNC", "write 8192 DSYNC",
                kind == Kind.URING ? "write 8192 linked" : "write 8192", "fdatasync");
    }

    @ParameterizedTest
    @EnumSource
    void aMistakeOfTheCallerIsNotTakenForWantOfDurableWrites(Kind kind) throws IOException {
        try (AioEngine engine = open(kind); AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
            // As on tmpfs and btrfs, whatever the file says of its units.
            Setup.skipIf(file.write(1, memory(1)) == BLOCK, "a file that takes anything");
            Told told = new Told();
            Kiocb misaligned = Kiocb.withSegments(1).prepareWrite(file, 1, told, 1).thenSync(true).addSegment(memory(1),
                    0, BLOCK);
            assertThat(Told.run(engine, misaligned, told)).isEqualTo(-Errno.EINVAL);
            assertThat(engine.writesThrough(file)).isTrue();
        }
    }

    @Test
    void anEngineThatWritesAndSyncsSaysSo() throws IOException {
        for (String name : List.of("channel", "memory", "null")) {
            try (AioEngine engine = AioEngines.open(name, AioEngineConfig.builder().build())) {
                if (name.equals("memory")) {
                    continue;
                }
                try (AioFile file = engine.open(path, AioFile.Access.READ_WRITE, true)) {
                    assertThat(engine.writesThrough(file)).as(name).isFalse();
                }
            }
        }
        try (AioEngine engine = open(Kind.URING);
                AioFile readOnly = engine.open(path, AioFile.Access.READ_ONLY, true)) {
            assertThat(engine.writesThrough(readOnly)).isFalse();
        }
    }
}
