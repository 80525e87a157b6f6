package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KiocbTest {

    private static final AioCompletion NOBODY = (userData, result) -> {};

    @TempDir
    private Path directory;
    private final Arena arena = Arena.ofShared();
    private AioFile file;

    @SuppressWarnings("NullAway.Init")
    KiocbTest() {}

    @BeforeEach
    void open() throws IOException {
        Path path = directory.resolve("file");
        Files.write(path, new byte[8192]);
        file = ChannelFile.open(path, AioFile.Access.READ_WRITE, false);
    }

    @AfterEach
    void close() {
        file.close();
        arena.close();
    }

    @Test
    void remembersWhatItWasPreparedFor() {
        Kiocb kiocb = Kiocb.withSegments(1).prepareWrite(file, 4096, NOBODY, 42).addSegment(arena.allocate(512))
                .addSegment(arena.allocate(1024)).addSegment(arena.allocate(8));
        assertThat(kiocb.operation()).isEqualTo(AioOperation.WRITE);
        assertThat(kiocb.offset()).isEqualTo(4096);
        assertThat(kiocb.segments()).isEqualTo(3);
        assertThat(kiocb.bytes()).isEqualTo(512 + 1024 + 8);
        assertThat(kiocb.userData()).isEqualTo(42);
        assertThat(kiocb.isInFlight()).isFalse();
        assertThat(kiocb).asString().contains("WRITE", "4096", file.path().toString());
    }

    @Test
    void preparingAgainForgetsTheSegments() {
        Kiocb kiocb = Kiocb.withSegments(1);
        for (int round = 0; round < 3; round++) {
            kiocb.prepareRead(file, 0, NOBODY, 0);
            for (int i = 0; i < 100; i++) {
                kiocb.addSegment(arena.allocate(16));
            }
            assertThat(kiocb.segments()).isEqualTo(100);
            assertThat(kiocb.bytes()).isEqualTo(1600);
        }
        kiocb.preparePunchHole(file, 0, 4096, NOBODY, 0);
        assertThat(kiocb.segments()).isZero();
        assertThat(kiocb.bytes()).isEqualTo(4096);
    }

    @Test
    void advancesThroughItsSegments() {
        MemorySegment memory = arena.allocate(300);
        Kiocb kiocb = Kiocb.withSegments(4).prepareRead(file, 1000, NOBODY, 0).addSegment(memory.asSlice(0, 100))
                .addSegment(memory.asSlice(100, 0)).addSegment(memory.asSlice(100, 100))
                .addSegment(memory.asSlice(200, 100));
        kiocb.advance(30);
        assertThat(kiocb.remainingSegments()).isEqualTo(4);
        assertThat(kiocb.remainingOffset()).isEqualTo(1030);
        assertThat(kiocb.firstAddress()).isEqualTo(memory.address() + 30);
        assertThat(kiocb.firstBytes()).isEqualTo(70);
        kiocb.advance(120);
        assertThat(kiocb.remainingSegments()).isEqualTo(2);
        assertThat(kiocb.firstAddress()).isEqualTo(memory.address() + 150);
        assertThat(kiocb.firstBytes()).isEqualTo(50);
        kiocb.advance(50);
        assertThat(kiocb.remainingSegments()).isEqualTo(1);
        assertThat(kiocb.firstAddress()).isEqualTo(memory.address() + 200);
        assertThat(kiocb.transferred()).isEqualTo(200);
    }

    @Test
    @SuppressWarnings("restricted")
    void refusesMemoryThatTheKernelCannotUse() throws InterruptedException {
        Kiocb kiocb = Kiocb.withSegments(1).prepareRead(file, 0, NOBODY, 0);
        assertThatThrownBy(() -> kiocb.addSegment(MemorySegment.ofArray(new byte[512])))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("heap");
        assertThatThrownBy(() -> kiocb.addSegment(arena.allocate(512).asReadOnly()))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("read-only");
        assertThatThrownBy(() -> kiocb.addSegment(MemorySegment.NULL.reinterpret(512)))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("address 0");
        assertThat(kiocb.addSegment(MemorySegment.NULL).bytes()).as("nothing at address 0").isZero();
        kiocb.prepareRead(file, 0, NOBODY, 0);
        AtomicReference<MemorySegment> gone = new AtomicReference<>(arena.allocate(1));
        try (Arena closed = Arena.ofShared()) {
            gone.set(closed.allocate(512));
        }
        assertThatThrownBy(() -> kiocb.addSegment(gone.get())).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("closed");
        AtomicReference<MemorySegment> theirs = new AtomicReference<>(arena.allocate(1));
        try (Arena confined = Arena.ofConfined()) {
            theirs.set(confined.allocate(512));
            AtomicReference<Throwable> thrown = new AtomicReference<>();
            Thread other = Thread.ofPlatform().start(() -> {
                try {
                    kiocb.addSegment(theirs.get());
                } catch (IllegalArgumentException e) {
                    thrown.set(e);
                }
            });
            other.join();
            assertThat(thrown.get()).hasMessageContaining("another thread");
        }
        assertThat(kiocb.segments()).isZero();
    }

    @Test
    void writesFromReadOnlyMemory() {
        Kiocb kiocb = Kiocb.withSegments(1).prepareWrite(file, 0, NOBODY, 0);
        assertThat(kiocb.addSegment(arena.allocate(512).asReadOnly()).bytes()).isEqualTo(512);
    }

    @Test
    void refusesRoomForSegmentsThatTheKernelCannotUse() {
        assertThatThrownBy(() -> new Kiocb(MemorySegment.ofArray(new long[2])))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Kiocb(arena.allocate(15, 8))).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new Kiocb(arena.allocate(32, 8).asSlice(4, 16)))
                .isInstanceOf(IllegalArgumentException.class);
        try (Arena confined = Arena.ofConfined()) {
            assertThatThrownBy(() -> new Kiocb(confined.allocate(16, 8))).isInstanceOf(IllegalArgumentException.class);
        }
        assertThatThrownBy(() -> Kiocb.withSegments(0)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("0");
    }

    @Test
    void refusesNegativeValuesAndMemoryWhereItMeansNothing() {
        Kiocb kiocb = Kiocb.withSegments(1);
        assertThatThrownBy(() -> kiocb.prepareRead(file, -1, NOBODY, 0)).isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("-1");
        assertThatThrownBy(() -> kiocb.preparePunchHole(file, 0, -7, NOBODY, 0))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("-7");
        assertThatThrownBy(() -> kiocb.addSegment(arena.allocate(8))).isInstanceOf(IllegalStateException.class);
        kiocb.prepareSync(file, true, NOBODY, 0);
        assertThatThrownBy(() -> kiocb.addSegment(arena.allocate(8))).isInstanceOf(IllegalStateException.class);
    }
}
