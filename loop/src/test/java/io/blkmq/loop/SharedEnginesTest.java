package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngineProvider;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.CompletionMode;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Devices that share engines: with each other by default, or one of the application's. It counts threads and descriptors of the process. */
@NoRescues
@Isolated
class SharedEnginesTest {
    private static final int BLOCK = 4096;
    private static final int DEVICES = 60;

    @TempDir
    private Path directory;

    @BeforeEach
    void nothingIsOpen() {
        assertThat(EngineGroup.PROCESS.size()).as("engines that an earlier test has left").isZero();
    }

    static Stream<String> engines() {
        return AioEngines.providers().stream()
                .filter(provider -> provider.isShareable() && provider.unavailable().isEmpty())
                .map(AioEngineProvider::name);
    }

    private Path image(int number) throws IOException {
        Path image = directory.resolve(number + ".img");
        byte[] bytes = new byte[16 * BLOCK];
        bytes[0] = (byte) number;
        return Files.exists(image) ? image : Files.write(image, bytes);
    }

    private static long reapers() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("blkmq-")
                        && AioEngines.providers().stream().anyMatch(engine -> thread.getName().contains(engine.name())))
                .count();
    }

    private static int descriptors() {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return (int) open.count();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte firstByte(Disk disk) throws IOException {
        try (IoBuffer buffer = IoBuffer.allocate(BLOCK)) {
            disk.read(0, buffer.memory());
            return buffer.memory().get(ValueLayout.JAVA_BYTE, 0);
        }
    }

    @ParameterizedTest
    @MethodSource("engines")
    void manyDevicesHaveAReaperForEachProcessorAtTheMostAndTwoDescriptorsForEachFile(String engine) throws Exception {
        int processors = Runtime.getRuntime().availableProcessors();
        int before = descriptors();
        List<LoopDevice> devices = new ArrayList<>();
        try {
            for (int i = 0; i < DEVICES; i++) {
                devices.add(LoopDevice.attach(LoopConfig.builder(image(i)).engine(engine).depth(8).build()));
            }
            for (int i = 0; i < DEVICES; i++) {
                assertThat(firstByte(devices.get(i).disk())).isEqualTo((byte) i);
            }
            assertThat(EngineGroup.PROCESS.size()).isBetween(1, processors);
            assertThat(reapers()).isEqualTo(EngineGroup.PROCESS.size());
            // A ring, its witness or what wakes its reaper, and spare ones of the JDK's.
            assertThat(descriptors() - before).isLessThanOrEqualTo(2 * DEVICES + 4 * processors + 8);
        } finally {
            devices.forEach(LoopDevice::close);
        }
        assertThat(EngineGroup.PROCESS.size()).isZero();
        Eventually.until("all reapers have ended", () -> reapers() == 0);
        Eventually.until("all descriptors but spare ones are closed", () -> descriptors() - before <= 8);
    }

    @Test
    void devicesThatComeTogetherHaveDifferentEnginesAsFarAsThereAreProcessors() throws Exception {
        int processors = Runtime.getRuntime().availableProcessors();
        try (LoopDevice device = LoopDevice
                .attach(LoopConfig.builder(image(0)).engine(io()).hardwareQueues(processors + 1).build())) {
            assertThat(EngineGroup.PROCESS.size()).isEqualTo(processors);
            assertThat(device.engineStatistics()).hasSize(processors + 1);
        }
    }

    private static String io() {
        String best = AioEngines.best();
        assumeTrue(AioEngines.find(best).isShareable(), "skipped: no ring of the kernel works here");
        return best;
    }

    @Test
    void closingADeviceLeavesTheOthersAtWork() throws Exception {
        try (LoopDevice stays = LoopDevice.attach(LoopConfig.builder(image(1)).engine(io()).build());
                IoBuffer buffer = IoBuffer.allocate(BLOCK)) {
            CompletableFuture<Integer> reading = CompletableFuture.supplyAsync(() -> {
                int reads = 0;
                for (; reads < 20_000; reads++) {
                    try {
                        stays.disk().read(0, buffer.memory());
                    } catch (IOException e) {
                        throw new AssertionError("after " + reads, e);
                    }
                }
                return reads;
            });
            while (!reading.isDone()) {
                try (LoopDevice goes = LoopDevice.attach(LoopConfig.builder(image(2)).engine(io()).build())) {
                    assertThat(firstByte(goes.disk())).isEqualTo((byte) 2);
                }
            }
            assertThat(reading.join()).isEqualTo(20_000);
        }
    }

    @Test
    void anEngineThatDiesEndsTheIoOfItsDevicesAndIsNotGivenToOthers() throws Exception {
        List<AioEngine> opened = new ArrayList<>();
        EngineGroup group = new EngineGroup(1, (kind, _, depth) -> {
            AioEngine engine = AioEngines.open(kind, AioEngineConfig.builder().depth(depth).build());
            opened.add(engine);
            return engine;
        }, new ReentrantLock());
        EngineLease first = group.acquire(io(), 1).getFirst();
        EngineLease second = group.acquire(io(), 1).getFirst();
        assertThat(second.engine()).isSameAs(first.engine());
        opened.getFirst().close();
        EngineLease third = group.acquire(io(), 1).getFirst();
        assertThat(third.engine()).isNotSameAs(first.engine());
        first.release();
        second.release();
        assertThat(group.size()).isOne();
        third.release();
        assertThat(group.size()).isZero();
        assertThat(opened).allMatch(engine -> !engine.isOpen());
    }

    @Test
    void whereNoMoreEnginesCanBeOpenedThoseThereAreShared() throws Exception {
        int[] tries = {0};
        EngineGroup group = new EngineGroup(4, (kind, _, depth) -> {
            if (tries[0]++ > 0) {
                throw new IOException("no descriptors left");
            }
            return AioEngines.open(kind, AioEngineConfig.builder().depth(depth).build());
        }, new ReentrantLock());
        List<EngineLease> leases = group.acquire("channel", 3);
        assertThat(leases).extracting(EngineLease::engine).containsOnly(leases.getFirst().engine());
        for (EngineLease lease : leases) {
            lease.release();
        }
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> group.acquire("channel", 1))
                .withMessage("no descriptors left");
        assertThat(group.size()).isZero();
    }

    @Test
    void anEngineOfTheApplicationsServesManyDevicesAndStaysOpen() throws Exception {
        try (AioEngine engine = AioEngines.open(AioEngines.best(),
                AioEngineConfig.builder().reapListener(LoopConfig.REAP_LISTENER).build())) {
            try (LoopDevice one = LoopDevice.attach(LoopConfig.builder(image(1)).engine(engine).build());
                    LoopDevice two = LoopDevice
                            .attach(LoopConfig.builder(image(2)).engine(engine).hardwareQueues(2).build())) {
                assertThat(one.parameters().givenEngine()).isSameAs(engine);
                assertThat(one.parameters().engine()).isEqualTo(engine.name());
                assertThat(firstByte(one.disk())).isEqualTo((byte) 1);
                assertThat(firstByte(two.disk())).isEqualTo((byte) 2);
                assertThat(EngineGroup.PROCESS.size()).isOne();
            }
            assertThat(EngineGroup.PROCESS.size()).isZero();
            assertThat(engine.isOpen()).isTrue();
            try (LoopDevice again = LoopDevice.attach(LoopConfig.builder(image(3)).engine(engine).build())) {
                assertThat(firstByte(again.disk())).isEqualTo((byte) 3);
            }
        }
    }

    @Test
    void ioOfADeviceWhoseEngineTheApplicationHasClosedFailsAndTheDeviceCanBeClosed() throws Exception {
        AioEngine engine = AioEngines.open(AioEngines.best(), AioEngineConfig.defaults());
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image(1)).engine(engine).build())) {
            assumeTrue(device.isDirect(), "skipped: no direct I/O on this file system");
            assertThat(firstByte(device.disk())).isOne();
            engine.close();
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> firstByte(device.disk()))
                    .satisfies(e -> assertThat(e.status()).isEqualTo(Status.IOERR));
        }
    }

    @Test
    void anEngineThatTakesNoMoreForTheMomentFailsNoIo() throws Exception {
        try (AioEngine engine = AioEngines.open(AioEngines.best(), AioEngineConfig.builder().inFlightMax(1).build());
                LoopDevice device = LoopDevice.attach(LoopConfig.builder(image(1)).engine(engine).build())) {
            List<Thread> readers = new ArrayList<>();
            List<Throwable> failed = Collections.synchronizedList(new ArrayList<>());
            for (int i = 0; i < 4; i++) {
                readers.add(Thread.ofPlatform().start(() -> {
                    try {
                        for (int reads = 0; reads < 50; reads++) {
                            assertThat(firstByte(device.disk())).isOne();
                        }
                    } catch (Throwable t) {
                        failed.add(t);
                    }
                }));
            }
            for (Thread reader : readers) {
                reader.join();
            }
            assertThat(failed).isEmpty();
        }
    }

    @Test
    void polledDevicesOnOneEngineBelongToItsOwner() throws Exception {
        try (AioEngine engine = AioEngines.open(AioEngines.best(),
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build());
                LoopDevice one = LoopDevice.attach(LoopConfig.builder(image(1)).engine(engine).build());
                LoopDevice two = LoopDevice.attach(LoopConfig.builder(image(2)).engine(engine).polled(true).build())) {
            assertThat(one.parameters().isPolled()).as("as its engine is").isTrue();
            assertThat(firstByte(one.disk())).isEqualTo((byte) 1);
            assertThatExceptionOfType(ExecutionException.class).isThrownBy(() -> CompletableFuture.supplyAsync(() -> {
                try {
                    return firstByte(two.disk());
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }).get()).withCauseInstanceOf(WrongThreadException.class);
            assertThat(firstByte(two.disk())).isEqualTo((byte) 2);
        }
    }

    @Test
    void aPolledDeviceOnAnEngineThatAnotherThreadHasUsedSaysSo() throws Exception {
        try (AioEngine engine = AioEngines.open(AioEngines.best(),
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build())) {
            Thread owner = Thread.ofPlatform().name("owner").start(() -> {
                try (LoopDevice first = LoopDevice.attach(LoopConfig.builder(image(1)).engine(engine).build())) {
                    assertThat(firstByte(first.disk())).isOne();
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            owner.join();
            try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image(2)).engine(engine).build())) {
                assumeTrue(device.isDirect(), "skipped: no direct I/O on this file system");
                assertThatExceptionOfType(WrongThreadException.class).isThrownBy(() -> firstByte(device.disk()))
                        .withMessageContaining("loop0").withMessageContaining("owner");
            }
        }
    }

    @Test
    void anEngineThatDoesNotSuitIsRefused() throws Exception {
        try (AioEngine agent = AioEngines.open("channel",
                AioEngineConfig.builder().completionMode(CompletionMode.AGENT).build());
                AioEngine reaper = AioEngines.open("channel", AioEngineConfig.defaults());
                AioEngine polled = AioEngines.open("channel",
                        AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build())) {
            LoopParameters.Builder builder = LoopParameters.builder();
            assertThatIllegalArgumentException().isThrownBy(() -> builder.engine(agent).build())
                    .withMessageContaining("AGENT").withMessageContaining("REAPER");
            assertThatIllegalArgumentException().isThrownBy(() -> builder.engine(polled).hardwareQueues(2).build())
                    .withMessageContaining("hardwareQueues 2");
            assertThatIllegalArgumentException().isThrownBy(() -> builder.engine(reaper).polled(true).build())
                    .withMessageContaining("polled").withMessageContaining("REAPER");
            assertThat(builder.engine("channel").build().givenEngine()).isNull();
        }
    }
}
