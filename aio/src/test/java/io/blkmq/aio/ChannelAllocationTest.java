package io.blkmq.aio;

import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.AllocatedBytes;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NumberProperty;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a warm call of a channel allocates, on the thread that calls and on those of the engine, and what thousands of channels leave behind. The
 * bounds are those of docs/guide/aio.md.
 */
@Isolated
class ChannelAllocationTest {
    private static final int BLOCK = 4096;
    private static final int COUNT = 20_000;
    private static final int CHANNELS = NumberProperty.of("blkmq.engines", 4_000);
    /** What the measurement itself may take. */
    private static final long TOLERATED_BYTES = 2_000;

    private final List<Thread> threads = Collections.synchronizedList(new ArrayList<>());
    private Path path;

    @SuppressWarnings("NullAway.Init")
    ChannelAllocationTest() {}

    @BeforeEach
    void make() throws IOException {
        Path shared = Path.of("/dev/shm");
        Path directory = Files.isWritable(shared) ? shared : Files.createDirectories(Path.of("target", "io"));
        path = Files.write(Files.createTempFile(directory, "blkmq-allocation", ".img"), new byte[8 * BLOCK]);
    }

    @AfterEach
    void remove() throws IOException {
        Files.delete(path);
    }

    /** A way to read and write, and how many bytes a call may take. */
    record Way(String engine, boolean direct, boolean heap, boolean gather, long bytesMax) {
        @Override
        public String toString() {
            return engine + (direct ? " direct" : " buffered") + (heap ? ", heap" : ", native memory")
                    + (gather ? ", two buffers" : "");
        }
    }

    static Stream<Way> ways() {
        return Stream.of("io_uring", "libaio", "memory").flatMap(engine -> {
            // A platform thread makes the system call itself, by an adapter of the JDK that makes an object for errno.
            long call = engine.equals("memory") ? 0 : 40;
            return Stream.of(new Way(engine, false, false, false, 104 + call),
                    new Way(engine, true, false, false, 104 + call), new Way(engine, false, true, false, 184 + call),
                    new Way(engine, true, true, false, 184 + call), new Way(engine, true, true, true, 206 + call));
        });
    }

    private static ByteBuffer buffer(boolean heap, int bytes) {
        return heap
                ? ByteBuffer.allocate(bytes)
                : ByteBuffer.allocateDirect(bytes + BLOCK).alignedSlice(BLOCK).slice(0, bytes);
    }

    private AioEngine open(String engine) throws IOException {
        Setup.skipIf(AioEngines.find(engine).unavailable().isPresent(), engine + " is not available");
        threads.add(Thread.currentThread());
        return AioEngines.open(engine, AioEngineConfig.builder().threadFactory(body -> {
            Thread thread = Thread.ofPlatform().daemon().unstarted(body);
            threads.add(thread);
            return thread;
        }).build());
    }

    private static OpenOption[] options(boolean direct) {
        return direct ? new OpenOption[]{READ, WRITE, AioOpenOption.DIRECT} : new OpenOption[]{READ, WRITE};
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("ways")
    void aWarmCallTakesAsManyBytesAsTheGuideSays(Way way) throws Exception {
        try (AioEngine engine = open(way.engine());
                FileChannel channel = AioFiles.openChannel(engine, path, options(way.direct()))) {
            ByteBuffer one = buffer(way.heap(), BLOCK);
            ByteBuffer[] row = {buffer(way.heap(), BLOCK), buffer(way.heap(), BLOCK)};
            long least = AllocatedBytes.whenWarm(way.bytesMax() * COUNT + TOLERATED_BYTES, this::allocated, () -> {
                for (int i = 0; i < COUNT; i++) {
                    long done = way.gather() ? gathered(channel.position(0), row, i) : single(channel, one, i);
                    assert done > 0;
                }
            });
            assertThat((double) least / COUNT).as("bytes of a call").isLessThan(way.bytesMax() + 1.0);
        }
    }

    private static long single(FileChannel channel, ByteBuffer buffer, int i) throws IOException {
        long at = i % 8 * (long) BLOCK;
        buffer.clear();
        return i % 4 == 0 ? channel.write(buffer, at) : channel.read(buffer, at);
    }

    private static long gathered(FileChannel channel, ByteBuffer[] row, int i) throws IOException {
        row[0].clear();
        row[1].clear();
        return i % 4 == 0 ? channel.write(row) : channel.read(row);
    }

    private long allocated() {
        long sum = 0;
        for (Thread thread : threads) {
            sum += AllocatedBytes.of(thread);
        }
        return sum;
    }

    private static long descriptors() throws IOException {
        try (Stream<Path> links = Files.list(Path.of("/proc/self/fd"))) {
            return links.count();
        }
    }

    /** Opens, uses and closes. Of one in eight nothing is locked, and of one in two nothing is aligned. */
    private void runMany(AioEngine engine, int count) throws Exception {
        for (int i = 0; i < count; i++) {
            boolean direct = i % 2 == 0;
            int bytes = i % 4 < 2 ? BLOCK : 1000 + i % 3000;
            try (FileChannel channel = AioFiles.openChannel(engine, path, options(direct));
                    AsynchronousFileChannel async = AioFiles.openAsynchronousChannel(engine, path, Runnable::run,
                            READ)) {
                long written = channel.write(ByteBuffer.allocate(bytes), 7L * (i % 4));
                assertThat(written).isEqualTo(bytes);
                assertThat(i % 8 == 0 || channel.lock(i, 10, false).isValid()).isTrue();
                assertThat(async.read(ByteBuffer.allocate(bytes), 0).get()).isEqualTo(bytes);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"io_uring", "libaio", "channel", "memory"})
    void thousandsOfChannelsLeaveNothing(String name) throws Exception {
        Setup.skipIf(!Files.exists(Path.of("/proc/self/fd")), "no /proc");
        try (AioEngine engine = open(name)) {
            int known = SharedFile.known();
            long used = IoBuffer.usage().usedBytes();
            runMany(engine, 100);
            long before = descriptors();
            runMany(engine, CHANNELS);
            // A file that is closed goes with its last operation, of which the engine's thread may be about to hear.
            Eventually.until("all files are forgotten", () -> SharedFile.known() <= known);
            // A few descriptors belong to the machinery around the tests.
            assertThat(descriptors()).as("descriptors, and %d before", before).isLessThan(before + 20);
            Eventually.until("the pool has all of its memory again", () -> IoBuffer.usage().usedBytes() <= used);
        }
    }
}
