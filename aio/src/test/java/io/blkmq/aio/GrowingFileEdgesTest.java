package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Moments that other tests of growing files do not meet: a write that is under way, one that is to be durable, an engine that ends. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GrowingFileEdgesTest {
    private static final int BLOCK = 4096;

    private Path path;

    @SuppressWarnings("NullAway.Init")
    GrowingFileEdgesTest() {}

    @BeforeEach
    void make() throws IOException {
        path = Files.createTempFile(Files.createDirectories(Path.of("target", "io")), "blkmq-edges", ".img");
    }

    @AfterEach
    void remove() throws IOException {
        boolean _ = Files.deleteIfExists(path);
    }

    /** A write that grows the file may wait for the very thread that asks: it is told the size before. */
    @Test
    void theSizeIsToldInACompletionWhileAWriteIsUnderWay() throws Exception {
        Path _ = Files.write(path, new byte[100]);
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                AsyncFile file = AsyncFile.open(engine, path, AioFile.Access.READ_WRITE, false)) {
            SharedFile shared = file.shared();
            long stamp = shared.lockAlone();
            shared.tail().begins(file.size());
            // As a direct write does it.
            assertThat(file.file().setSize(BLOCK)).isZero();
            CompletableFuture<Long> told = file.syncAsync(true).thenApply(_ -> size(file));
            assertThat(told.get(60, TimeUnit.SECONDS)).isEqualTo(100);
            assertThat(file.file().setSize(110)).isZero();
            shared.tail().ends();
            shared.unlockAlone(stamp);
            assertThat(file.size()).isEqualTo(110);
            assertThat(file.append(MemorySegment.ofArray(new byte[10]))).isEqualTo(110);
            assertThat(file.size()).isEqualTo(120);
        }
    }

    private static long size(AsyncFile file) {
        try {
            return file.size();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** The write itself is durable when it ends; the cut after it is so by a sync of its own. */
    @ParameterizedTest
    @EnumSource(names = {"SYNC", "DSYNC"})
    void aWriteThatIsCutToSizeIsDurableWhenItReturns(AioFile.Option option) throws Exception {
        Opening opening = Opening.of(path, AioFile.Access.READ_WRITE, true, option);
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                ChannelFile plain = ChannelFile.open(opening, null);
                AsyncFile file = AsyncFile.of(engine, plain, Thread::startVirtualThread)) {
            List<String> notes = NotedChannel.under(plain);
            int block = plain.offsetAlignment();
            String sync = option == AioFile.Option.SYNC ? "sync" : "sync of data";
            assertThat(file.append(MemorySegment.ofArray(new byte[100]))).isZero();
            assertThat(notes).containsExactly("write " + block + " at 0", "cut to 100", sync);
            notes.clear();
            file.write(50, MemorySegment.ofArray(new byte[20]));
            assertThat(notes).as("within the last block").containsExactly("write " + block + " at 0", "cut to 100",
                    sync);
            assertThat(file.size()).isEqualTo(100);
        }
    }

    @Test
    void aWriteThatNeedNotBeDurableIsNotSynced() throws Exception {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                ChannelFile plain = ChannelFile.open(path, AioFile.Access.READ_WRITE, true, null);
                AsyncFile file = AsyncFile.of(engine, plain, Thread::startVirtualThread)) {
            List<String> notes = NotedChannel.under(plain);
            assertThat(file.append(MemorySegment.ofArray(new byte[100]))).isZero();
            assertThat(notes).containsExactly("write " + plain.offsetAlignment() + " at 0", "cut to 100");
        }
    }
}
