package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.Errno;
import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.loop.transfer.Transfer;
import io.blkmq.loop.transfer.TransferFunction;
import io.blkmq.loop.transfer.TransferKey;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.assertj.core.api.Assertions;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What a device makes of others that fail: transfer functions that throw, disks that are gone, engines that cannot be had. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class LoopFailuresTest {
    private static final int MIB = 1 << 20;

    @TempDir
    private Path directory;
    private Path image;
    private final Faulty function = new Faulty();

    /** Copies, or throws. */
    static final class Faulty implements TransferFunction {
        volatile @Nullable Error inToFile;
        volatile @Nullable Error inFromFile;
        volatile @Nullable Error inClose;
        volatile int closed;

        @Override
        public int number() {
            return 77;
        }

        @Override
        public String name() {
            return "faulty";
        }

        @Override
        public void checkKeyBytes(int bytes) {
            // Any will do.
        }

        @Override
        public Transfer open(byte[] key) {
            return new Transfer() {
                @Override
                public void toFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
                        long bytes) {
                    throwIf(inToFile);
                    MemorySegment.copy(from, fromOffset, to, toOffset, bytes);
                }

                @Override
                public void fromFile(long sector, MemorySegment from, long fromOffset, MemorySegment to, long toOffset,
                        long bytes) {
                    throwIf(inFromFile);
                    MemorySegment.copy(from, fromOffset, to, toOffset, bytes);
                }

                @Override
                public void close() {
                    closed = 1;
                    throwIf(inClose);
                }
            };
        }

        private static void throwIf(@Nullable Error error) {
            if (error != null) {
                throw error;
            }
        }
    }

    /** Where the requests of a device go. */
    enum Way {
        ENGINE, WORK_QUEUE, DISK
    }

    @BeforeEach
    void makeTheImage() throws IOException {
        image = Files.write(directory.resolve("disk.img"), new byte[32 * MIB]);
    }

    private LoopConfig.Builder config(Path file) {
        return LoopConfig.builder(file).engine("channel");
    }

    private LoopConfig faulty(LoopConfig.Builder builder) {
        return builder.transfer(function, TransferKey.copyOf(new byte[16])).build();
    }

    private static void fails(CompletableFuture<Void> future) {
        assertThatExceptionOfType(CompletionException.class).isThrownBy(future::join).havingCause()
                .isInstanceOfSatisfying(BlockIOException.class,
                        cause -> assertThat(cause.status()).isEqualTo(Status.IOERR));
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void aReadThatCannotBeTransformedFails(Way way) throws Exception {
        try (LoopDevice lower = LoopDevice.attach(config(image).build());
                LoopDevice device = LoopDevice.attach(faulty(way == Way.DISK
                        ? LoopConfig.builder(lower.disk())
                        : config(Files.write(directory.resolve("other.img"), new byte[MIB]))
                                .direct(way == Way.ENGINE)));
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            function.inFromFile = new NoClassDefFoundError("of the test");
            fails(device.disk().async().read(0, buffer.memory()));
            function.inFromFile = null;
            device.disk().async().read(0, buffer.memory()).join();
        }
    }

    @ParameterizedTest
    @EnumSource(Way.class)
    void writesThatCannotBeTransformedLeaveTheirMemoryToOthers(Way way) throws Exception {
        try (LoopDevice lower = LoopDevice.attach(config(image).build());
                LoopDevice device = LoopDevice.attach(faulty(way == Way.DISK
                        ? LoopConfig.builder(lower.disk())
                        : config(Files.write(directory.resolve("other.img"), new byte[MIB]))
                                .direct(way == Way.ENGINE)));
                IoBuffer buffer = IoBuffer.allocate(MIB)) {
            function.inToFile = new NoClassDefFoundError("of the test");
            List<CompletableFuture<Void>> writes = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                writes.add(device.disk().async().write(0, buffer.memory()));
            }
            writes.forEach(LoopFailuresTest::fails);
            assertThat(Objects.requireNonNull(device.medium().transfer()).bytesInUse()).isZero();
            function.inToFile = null;
            device.disk().async().write(0, buffer.memory()).join();
        }
    }

    @Test
    void aFunctionThatCannotBeClosedHoldsNothingUp() throws Exception {
        function.inClose = new NoClassDefFoundError("of the test");
        try (LoopControl control = LoopControl.open()) {
            LoopDevice device = control.add();
            TransferKey key = TransferKey.copyOf(new byte[16]);
            device.configure(LoopConfig.builder(image).transfer(function, key).build());
            device.detach();
            assertThat(device.state()).isEqualTo(LoopState.UNBOUND);
            assertThat(key.isDestroyed()).isTrue();
            device.configure(faulty(LoopConfig.builder(image)));
            device.close();
            assertThat(control.devices()).isEmpty();
            LoopDevice.attach(LoopConfig.builder(image).build()).close();
        }
        assertThat(function.closed).isOne();
    }

    @Test
    void aFunctionThatCannotBeClosedKeepsNoFileThatCouldNotBeAttached() throws Exception {
        function.inClose = new NoClassDefFoundError("of the test");
        try (Disk disk = NullBlk.builder().completion(NullBlk.Completion.REAPER).blockBytes(4096).memoryBacked(true)
                .build(); LoopControl control = LoopControl.open()) {
            LoopDevice device = control.add();
            assertThatExceptionOfType(LoopException.class)
                    .isThrownBy(() -> device.configure(faulty(LoopConfig.builder(disk).blockBytes(512))))
                    .satisfies(e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL));
            assertThat(device.state()).isEqualTo(LoopState.UNBOUND);
        }
    }

    @Test
    void aDeviceWhoseFirstFileCouldNotBeAttachedHasNoEngine() throws Exception {
        try (LoopControl control = LoopControl.open()) {
            LoopDevice device = control.add();
            assertThatExceptionOfType(NoSuchFileException.class)
                    .isThrownBy(() -> device.configure(LoopConfig.builder(directory.resolve("none.img")).build()));
            assertThat(device.engineStatistics()).isEmpty();
            device.configure(LoopConfig.builder(image).build());
            assertThat(device.engineStatistics()).hasSize(1);
            device.detach();
            assertThatExceptionOfType(NoSuchFileException.class)
                    .isThrownBy(() -> device.configure(LoopConfig.builder(directory.resolve("none.img")).build()));
            assertThat(device.engineStatistics()).as("kept for the next file").hasSize(1);
        }
    }

    @Test
    void aDiskThatIsGoneIsNotAskedForAgain() throws Exception {
        Disk disk = NullBlk.builder().completion(NullBlk.Completion.REAPER).build();
        disk.close();
        try (LoopControl control = LoopControl.open()) {
            assertThatExceptionOfType(LoopException.class)
                    .isThrownBy(() -> control.attach(LoopConfig.builder(disk).build()))
                    .satisfies(e -> assertThat(e.errno()).isEqualTo(Errno.ENODEV));
        }
    }

    @Test
    void aSyncThatThrowsIsOneThatFailed() {
        SyncLatch latch = new SyncLatch("file", () -> {
            throw new IllegalStateException("of the test");
        });
        assertThat(latch.sync()).isEqualTo(-Errno.EIO);
        assertThat(latch.hasFailed()).isTrue();
        assertThat(latch.sync()).isEqualTo(-Errno.EIO);
    }

    /** An engine whose operations of a kind end with one result, without having been anywhere. */
    static AioEngine endingWith(LoopDevice device, AioEngine engine, Operation ended, long result) {
        return (AioEngine) Proxy.newProxyInstance(AioEngine.class.getClassLoader(), new Class<?>[]{AioEngine.class},
                (_, method, arguments) -> switch (method.getName()) {
                    case "submit" -> 0;
                    case "commit" -> {
                        device.disk().queue().busyIter(rq -> {
                            if (rq.operation() == ended) {
                                LoopCommand.of(rq).complete(rq.generation(), result);
                            }
                            return true;
                        });
                        yield null;
                    }
                    default -> method.invoke(engine, arguments);
                });
    }

    @ParameterizedTest
    @CsvSource({"EIO, true", "ENOSPC, false", "EFAULT, false", "EINVAL, false"})
    void aDurableWriteThatFailedIsAFlushThatFailedUnlessItWasNeverBegun(String name, boolean remembered)
            throws Exception {
        assumeTrue(AioEngines.find("io_uring").unavailable().isEmpty(), "skipped: no io_uring");
        int errno = Errno.class.getField(name).getInt(null);
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image).engine("io_uring").build());
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            Disk disk = device.disk();
            LoopQueue queue = device.loopQueue(0);
            AioEngine engine = queue.engine();
            queue.useEngine(endingWith(device, engine, Operation.WRITE, -errno));
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.write(0, buffer.memory()));
            assertThat(device.syncs().hasFailed()).as("a write that need not be durable").isFalse();
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.write(0, buffer.memory(), Bio.FUA));
            assertThat(device.syncs().hasFailed()).isEqualTo(remembered);
            queue.useEngine(engine);
            if (remembered) {
                assertThatExceptionOfType(BlockIOException.class).isThrownBy(disk::flush);
                assertThatExceptionOfType(BlockIOException.class)
                        .isThrownBy(() -> disk.write(0, buffer.memory(), Bio.FUA));
                device.clearSyncError();
            }
            disk.write(0, buffer.memory(), Bio.FUA);
            disk.flush();
        }
    }

    @Test
    void aControlClosesAllThatItCan() throws Exception {
        try (LoopDevice lower = LoopDevice.attach(config(image).build()); IoBuffer buffer = IoBuffer.allocate(4096)) {
            LoopControl control = LoopControl.open();
            LoopDevice one = control.add();
            LoopDevice two = control.add();
            CompletableFuture<Throwable> thrown = new CompletableFuture<>();
            lower.disk().submit(new Bio().reset(Operation.READ, 0).add(buffer.memory(), 0, 4096)
                    .onEnd(_ -> thrown.complete(Objects.requireNonNull(Assertions.catchThrowable(control::close)))));
            // A completion may not wait, which each of the devices says.
            assertThat(thrown.join()).isInstanceOf(IllegalStateException.class)
                    .satisfies(t -> assertThat(t.getSuppressed()).hasSize(1));
            control.close();
            assertThat(one.disk().isClosed()).isTrue();
            assertThat(two.disk().isClosed()).isTrue();
        }
    }
}
