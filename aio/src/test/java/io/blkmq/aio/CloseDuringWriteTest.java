package io.blkmq.aio;

import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.runtime.channel.Pieces;
import io.blkmq.testing.EachCase;
import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A file that is closed between the operations of one write, of which some bytes are a part of a block: the write ends as if it were open. */
class CloseDuringWriteTest {
    private static final int OLD_BYTES = 100;

    private final Setup setup;
    private Path path;
    private AioEngine real;
    /** Closes the file when a write of blocks has ended. */
    private AioEngine engine;
    private final AtomicReference<AutoCloseable> closed = new AtomicReference<>(() -> {});
    private final List<AioOperation> ended = Collections.synchronizedList(new ArrayList<>());

    static List<Setup> cases() throws IOException {
        return Setup.all().stream().filter(setup -> setup.movesData() && !setup.isPolled() && setup.direct()).toList();
    }

    @SuppressWarnings("NullAway.Init")
    CloseDuringWriteTest(Setup setup) {
        this.setup = setup;
    }

    @BeforeEach
    void open() throws IOException {
        setup.assumeAvailable();
        path = Files.write(Files.createTempFile(setup.directory(), "blkmq-aio-closed", ".img"), old());
        real = setup.open(AioEngineConfig.builder().depth(16));
        engine = EngineAround.tellingEnds(real, this::hasEnded);
    }

    @AfterEach
    void close() throws IOException {
        if (real != null) {
            real.close();
            Files.delete(path);
        }
    }

    private static byte[] old() {
        byte[] bytes = new byte[OLD_BYTES];
        Arrays.fill(bytes, (byte) 1);
        return bytes;
    }

    private static MemorySegment written(int bytes) {
        return MemorySegment.ofArray(new byte[bytes]).fill((byte) 2);
    }

    private void hasEnded(AioOperation operation) {
        ended.add(operation);
        if (operation == AioOperation.WRITE) {
            try {
                closed.get().close();
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        }
    }

    /** The file, which is closed after the first write. */
    private AsyncFile file(AioFile.Option... options) throws IOException {
        AsyncFile file = AsyncFile.open(engine, path, AioFile.Access.READ_WRITE, true, options);
        closed.set(file);
        return file;
    }

    /** All of the file, by another open of it. */
    private byte[] content() throws IOException {
        try (AsyncFile again = AsyncFile.open(real, path, AioFile.Access.READ_ONLY, true)) {
            byte[] content = new byte[(int) again.size()];
            assertThat(again.read(0, MemorySegment.ofArray(content))).isEqualTo(content.length);
            return content;
        }
    }

    private static byte[] with(int at, int bytes) {
        byte[] content = Arrays.copyOf(old(), Math.max(OLD_BYTES, at + bytes));
        Arrays.fill(content, at, at + bytes, (byte) 2);
        return content;
    }

    @EachCase
    void anAppendLeavesItsBytesAndNoMore() throws IOException {
        AsyncFile file = file();
        assertThat(file.append(written(10))).isEqualTo(OLD_BYTES);
        assertThat(file.file().isClosed()).isTrue();
        assertThat(content()).isEqualTo(with(OLD_BYTES, 10));
    }

    @EachCase
    void aWriteWithinTheLastBlockLeavesTheFileAsLongAsItWas() throws IOException {
        file().write(50, written(20));
        assertThat(content()).isEqualTo(with(50, 20));
    }

    @EachCase
    void aWriteOfSeveralPiecesGoesOnToItsEnd() throws IOException {
        int bytes = 2 * Pieces.BYTES;
        file().write(50, written(bytes));
        assertThat(content()).isEqualTo(with(50, bytes));
    }

    @EachCase
    void aWriteThatIsToBeDurableIsSynced() throws IOException {
        for (AioFile.Option option : List.of(AioFile.Option.SYNC, AioFile.Option.DSYNC)) {
            ended.clear();
            file(option).write(50, written(20));
            assertThat(ended).last()
                    .isEqualTo(option == AioFile.Option.SYNC ? AioOperation.FSYNC : AioOperation.FDATASYNC);
            assertThat(content()).isEqualTo(with(50, 20));
        }
    }

    @EachCase
    void afterItTheFileRefusesWhatIsNew() throws IOException {
        AsyncFile file = file();
        file.write(50, written(20));
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> file.write(50, written(20)));
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> file.setSize(7));
        assertThat(content()).isEqualTo(with(50, 20));
    }

    @EachCase
    void anInterruptOfTheWriterClosesTheChannelAndTheFileIsCut() throws IOException {
        FileChannel channel = AioFiles.openChannel(engine, path, WRITE, AioOpenOption.DIRECT);
        Thread writer = Thread.currentThread();
        // By another thread: then the channel is closed at once, and not when the operation ends.
        closed.set(() -> {
            Thread other = Thread.ofPlatform().start(writer::interrupt);
            Eventually.until("the interrupt has closed the channel", () -> !other.isAlive());
        });
        assertThatExceptionOfType(ClosedByInterruptException.class)
                .isThrownBy(() -> channel.write(ByteBuffer.allocate(10), OLD_BYTES));
        assertThat(Thread.interrupted()).isTrue();
        assertThat(channel.isOpen()).isFalse();
        assertThat(content()).hasSize(OLD_BYTES + 10);
    }

    /** Closed by another thread, which takes no part in the write. */
    @EachCase
    void aCloseByAnotherThreadIsTheSame() throws Exception {
        AsyncFile file = file();
        closed.set(() -> Thread.ofPlatform().start(file::close).join());
        assertThat(file.append(written(10))).isEqualTo(OLD_BYTES);
        assertThat(file.file().isClosed()).isTrue();
        assertThat(content()).isEqualTo(with(OLD_BYTES, 10));
    }
}
