package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.aio.Errno;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.Registration;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Control and devices: which states there are, who may do what in them, and which errno the others get. */
@NoRescues
class LoopStatesTest {
    private static final int MIB = 1 << 20;

    @TempDir
    private Path directory;
    private final LoopControl control = LoopControl.open();
    private final List<String> events = new ArrayList<>();
    private Path image;
    private LoopDevice device;

    @SuppressWarnings("NullAway.Init")
    LoopStatesTest() {}

    @BeforeEach
    void make() throws Exception {
        image = file("disk.img", MIB);
        var _ = control
                .listen(event -> events.add(event.kind() + " " + event.device().name() + " " + event.sizeBytes()));
        device = control.add();
    }

    @AfterEach
    void close() {
        control.close();
    }

    private Path file(String name, long bytes) throws IOException {
        Path path = directory.resolve(name);
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(bytes);
        }
        return path;
    }

    private static void refused(int errno, ThrowingCallable what) {
        assertThatThrownBy(what)
                .isInstanceOfSatisfying(LoopException.class,
                        e -> assertThat(e.errno()).as(e.getMessage()).isEqualTo(errno))
                .hasMessageContaining("(" + Errno.name(errno) + ")");
    }

    private static LoopConfig.Builder config(Path file) {
        return LoopConfig.builder(file);
    }

    // ---- control

    @Test
    void devicesAreAddedByIndexOrAtTheNextFreeOne() throws Exception {
        assertThat(device.index()).isZero();
        assertThat(control.add(2).name()).isEqualTo("loop2");
        assertThat(control.add().index()).isEqualTo(1);
        assertThat(control.add().index()).isEqualTo(3);
        refused(Errno.EEXIST, () -> control.add(2));
        refused(Errno.EINVAL, () -> control.add(-1));
        refused(Errno.EINVAL, () -> control.add(LoopControl.INDEX_MAX + 1));
        assertThat(control.devices()).extracting(LoopDevice::index).containsExactly(0, 1, 2, 3);
        assertThat(control.device(2).name()).isEqualTo("loop2");
        refused(Errno.ENODEV, () -> control.device(7));
    }

    @Test
    void aDeviceIsRemovedUnlessItIsBoundOrOpen() throws Exception {
        refused(Errno.ENODEV, () -> control.remove(9999));
        refused(Errno.EINVAL, () -> control.remove(-1));
        try (LoopHandle handle = device.open()) {
            refused(Errno.EBUSY, () -> control.remove(0));
            assertThat(handle.disk().sizeBytes()).isZero();
        }
        device.configure(config(image).build());
        refused(Errno.EBUSY, () -> control.remove(0));
        device.detach();
        control.remove(0);
        refused(Errno.ENODEV, () -> control.remove(0));
        refused(Errno.ENODEV, device::open);
        refused(Errno.ENODEV, () -> device.configure(config(image).build()));
        assertThat(control.devices()).isEmpty();
        assertThat(control.add().index()).isZero();
    }

    @Test
    void theFreeDeviceIsTheFirstWithoutAFileOrANewOne() throws Exception {
        assertThat(control.getFree()).isSameAs(device);
        device.configure(config(image).build());
        LoopDevice second = control.getFree();
        assertThat(second.index()).isEqualTo(1);
        assertThat(control.getFree()).isSameAs(second);
        device.detach();
        assertThat(control.getFree()).isSameAs(device);
    }

    @Test
    void manyAttachAtOnceAndEachGetsADeviceOfItsOwn() throws Exception {
        List<Future<LoopDevice>> attached = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            for (int i = 0; i < 24; i++) {
                Path path = file("image" + i, 4096L * (i + 1));
                attached.add(threads.submit(() -> control.attach(config(path).build())));
            }
        }
        for (int i = 0; i < attached.size(); i++) {
            assertThat(attached.get(i).get().disk().sizeBytes()).isEqualTo(4096L * (i + 1));
        }
        assertThat(attached.stream().map(Future::resultNow).distinct()).hasSize(24);
        assertThat(control.devices()).hasSize(24);
    }

    @Test
    void devicesAreFoundByTheirFileUnderAnyName() throws Exception {
        device.configure(config(image).readOnly(true).build());
        LoopDevice second = control.attach(config(image).readOnly(true).build());
        control.attach(config(file("other.img", MIB)).build());
        Path link = Files.createSymbolicLink(directory.resolve("link"), image);
        assertThat(control.find(image)).containsExactly(device, second);
        assertThat(control.find(link)).containsExactly(device, second);
        Files.delete(image);
        assertThat(control.find(image)).containsExactly(device, second);
        assertThat(control.find(directory.resolve("nothing"))).isEmpty();
    }

    // ---- states

    @Test
    void anUnboundDeviceHasSizeZeroAndAnswersEnxio() throws Exception {
        Disk disk = device.disk();
        assertThat(device.state()).isEqualTo(LoopState.UNBOUND);
        assertThat(disk.sizeBytes()).isZero();
        refused(Errno.ENXIO, device::detach);
        refused(Errno.ENXIO, device::status);
        refused(Errno.ENXIO, () -> device.setStatus(new LoopStatus(0, 0, Set.of(), "")));
        refused(Errno.ENXIO, device::refreshCapacity);
        refused(Errno.ENXIO, () -> device.setDirect(true));
        refused(Errno.ENXIO, () -> device.setAio(true));
        refused(Errno.ENXIO, () -> device.setBlockBytes(512));
        refused(Errno.ENXIO, () -> device.setBlockBytes(3));
        refused(Errno.ENXIO, () -> device.changeBackingFile(image));
        assertThat(device.backingFile()).isNull();
        assertThat(device.isDirect()).isFalse();
        assertThat(device.engineStatistics()).isEmpty();
        try (IoBuffer buffer = IoBuffer.allocate(512)) {
            assertThatThrownBy(() -> disk.read(0, buffer.memory())).isInstanceOf(IndexOutOfBoundsException.class);
        }
    }

    @Test
    void aBoundDeviceIsBusyForAnotherFile() throws Exception {
        device.configure(config(image).build());
        refused(Errno.EBUSY, () -> device.configure(config(file("other.img", MIB)).build()));
        assertThat(device.backingFile()).isEqualTo(image);
    }

    @Test
    void aFailedAttachmentLeavesTheDeviceAsItWas() throws Exception {
        assertThatThrownBy(() -> device.configure(config(directory.resolve("missing")).build()))
                .isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> device.configure(config(directory).build())).isInstanceOf(IOException.class);
        device.configure(config(image).build());
        LoopDevice second = control.add();
        refused(Errno.EBUSY, () -> second.configure(config(image).build()));
        assertThat(second.state()).isEqualTo(LoopState.UNBOUND);
        second.configure(config(file("other.img", 2 * MIB)).build());
        assertThat(second.disk().sizeBytes()).isEqualTo(2 * MIB);
        assertThatThrownBy(() -> control.add().configure(config(image).name("sda").build()))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("sda").hasMessageContaining("loop2");
        assertThatThrownBy(() -> control.device(2).configure(config(image).depth(7).build()))
                .isInstanceOf(IllegalArgumentException.class).hasMessageContaining("1 x 7")
                .hasMessageContaining("1 x 128");
    }

    @Test
    void detachedByItsOnlyHandleItIsRundownUntilThatIsClosed() throws Exception {
        device.configure(config(image).build());
        LoopHandle handle = device.open();
        try (IoBuffer buffer = IoBuffer.allocate(512)) {
            handle.disk().read(0, buffer.memory());
            handle.detach();
            assertThat(device.state()).isEqualTo(LoopState.RUNDOWN);
            assertThat(handle.disk().sizeBytes()).as("as in the kernel").isEqualTo(MIB);
            assertThatThrownBy(() -> handle.disk().read(0, buffer.memory())).isInstanceOfSatisfying(
                    BlockIOException.class, e -> assertThat(e.status()).isEqualTo(Status.IOERR));
            assertThatThrownBy(() -> handle.disk().discard(0, 4096)).isInstanceOf(BlockIOException.class);
            assertThatThrownBy(() -> handle.disk().flush()).isInstanceOf(BlockIOException.class);
            refused(Errno.ENXIO, device::status);
            refused(Errno.ENXIO, handle::detach);
            refused(Errno.ENXIO, device::open);
            refused(Errno.EBUSY, () -> device.configure(config(image).build()));
            refused(Errno.EBUSY, () -> control.remove(0));
            // The file is free already.
            control.add().configure(config(image).build());
        }
        handle.close();
        handle.close();
        assertThat(device.state()).isEqualTo(LoopState.UNBOUND);
        assertThat(device.disk().sizeBytes()).isZero();
        assertThatThrownBy(handle::detach).isInstanceOf(IllegalStateException.class).hasMessageContaining("closed");
        device.configure(config(file("other.img", 2 * MIB)).build());
        assertThat(device.disk().sizeBytes()).isEqualTo(2 * MIB);
    }

    @Test
    void detachedByOneOfSeveralHandlesItWorksUntilTheLastIsClosed() throws Exception {
        device.configure(config(image).build());
        LoopHandle one = device.open();
        LoopHandle other = device.open();
        assertThat(device.openers()).isEqualTo(2);
        one.detach();
        one.detach();
        assertThat(device.status().flags()).contains(LoopFlag.AUTOCLEAR);
        one.close();
        assertThat(device.state()).isEqualTo(LoopState.BOUND);
        try (IoBuffer buffer = IoBuffer.allocate(512)) {
            other.disk().read(0, buffer.memory());
        }
        refused(Errno.EBUSY, () -> device.configure(config(image).build()));
        other.close();
        assertThat(device.state()).isEqualTo(LoopState.UNBOUND);
        refused(Errno.ENXIO, device::detach);
    }

    @Test
    void aDetachThatWasPutOffIsTakenBackByClearingAutoclear() throws Exception {
        device.configure(config(image).build());
        LoopHandle handle = device.open();
        device.detach();
        device.setStatus(device.status().with(LoopFlag.AUTOCLEAR, false));
        handle.close();
        assertThat(device.state()).isEqualTo(LoopState.BOUND);
    }

    @Test
    void autoclearDetachesWithTheLastHandle() throws Exception {
        device.configure(config(image).autoclear(true).build());
        assertThat(device.state()).isEqualTo(LoopState.BOUND);
        LoopHandle one = device.open();
        LoopHandle other = device.open();
        one.close();
        assertThat(device.state()).isEqualTo(LoopState.BOUND);
        other.close();
        assertThat(device.state()).isEqualTo(LoopState.UNBOUND);
    }

    @Test
    void aDeviceForOneFileGoesThroughTheSameStates() throws Exception {
        try (LoopDevice own = LoopDevice.attach(config(image).name("mine").build())) {
            assertThat(own.name()).isEqualTo("mine");
            own.detach();
            assertThat(own.state()).isEqualTo(LoopState.UNBOUND);
            own.configure(config(file("other.img", 2 * MIB)).build());
            assertThat(own.disk().sizeBytes()).isEqualTo(2 * MIB);
        }
    }

    @Test
    void whatWaitsWhileTheFileGoesFailsWithEio() throws Exception {
        device.configure(config(image).build());
        LoopHandle handle = device.open();
        handle.disk().freeze();
        CountDownLatch submitted = new CountDownLatch(1);
        try (ExecutorService threads = Executors.newFixedThreadPool(2); IoBuffer buffer = IoBuffer.allocate(512)) {
            Future<Status> read = threads.submit(() -> {
                submitted.countDown();
                try {
                    handle.disk().read(0, buffer.memory());
                    return Status.OK;
                } catch (BlockIOException e) {
                    return e.status();
                }
            });
            submitted.await();
            handle.detach();
            assertThat(device.state()).isEqualTo(LoopState.RUNDOWN);
            handle.disk().unfreeze();
            assertThat(read.get()).isEqualTo(Status.IOERR);
        }
        handle.close();
    }

    @Test
    void detachingUnderLoadLosesNothingAndNeverHangs() throws Exception {
        Random random = new Random(3);
        for (int round = 0; round < 20; round++) {
            device.configure(config(image).direct(random.nextBoolean()).build());
            LoopHandle handle = device.open();
            CountDownLatch running = new CountDownLatch(4);
            List<Future<Long>> all = new ArrayList<>();
            try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
                for (int t = 0; t < 4; t++) {
                    all.add(threads.submit(() -> readUntilItFails(handle.disk(), running)));
                }
                running.await();
                handle.detach();
            }
            for (Future<Long> each : all) {
                assertThat(each.get()).isPositive();
            }
            handle.close();
            handle.disk().freeze();
            assertThat(handle.disk().queue().heldTags()).isZero();
            handle.disk().unfreeze();
        }
    }

    private static long readUntilItFails(Disk disk, CountDownLatch running) {
        try (IoBuffer buffer = IoBuffer.allocate(4096)) {
            for (long reads = 1;; reads++) {
                disk.read(reads % 256 * 4096, buffer.memory());
                if (reads == 10) {
                    running.countDown();
                }
            }
        } catch (BlockIOException e) {
            assertThat(e.status()).isEqualTo(Status.IOERR);
            return 1;
        }
    }

    // ---- events

    @Test
    void listenersLearnWhatUserSpaceLearnsByUevents() throws Exception {
        Path other = file("other.img", MIB);
        List<LoopEvent.Kind> own = new ArrayList<>();
        try (Registration _ = device.listen(event -> own.add(event.kind()))) {
            device.configure(config(image).readOnly(true).build());
            device.changeBackingFile(other);
            device.setStatus(device.status().withSizeLimitBytes(8192));
            device.setStatus(device.status().withFileName("no event"));
            device.refreshCapacity();
            device.detach();
        }
        control.add();
        control.remove(0);
        assertThat(events).containsExactly("ADD loop0 0", "ATTACH loop0 1048576", "CHANGE loop0 1048576",
                "RESIZE loop0 8192", "DETACH loop0 0", "ADD loop1 0", "REMOVE loop0 0");
        assertThat(own).containsExactly(LoopEvent.Kind.ATTACH, LoopEvent.Kind.CHANGE, LoopEvent.Kind.RESIZE,
                LoopEvent.Kind.DETACH);
    }

    @Test
    void aListenerMayUseTheDeviceAndMayFail() throws Exception {
        var _ = control.listen(event -> {
            throw new IllegalArgumentException("thrown by a listener, on purpose");
        });
        var _ = device.listen(event -> {
            if (event.kind() == LoopEvent.Kind.ATTACH) {
                try {
                    event.device().detach();
                } catch (LoopException e) {
                    throw new AssertionError(e);
                }
            }
        });
        device.configure(config(image).build());
        assertThat(device.state()).isEqualTo(LoopState.UNBOUND);
        assertThat(events).containsExactly("ADD loop0 0", "ATTACH loop0 1048576", "DETACH loop0 0");
    }

    @Test
    void aCompletionMayLookAtTheDeviceAndNotChangeIt() throws Exception {
        device.configure(config(image).build());
        CountDownLatch ended = new CountDownLatch(1);
        List<Throwable> thrown = new ArrayList<>();
        try (LoopHandle handle = device.open(); IoBuffer buffer = IoBuffer.allocate(512)) {
            handle.disk().read(0, buffer.memory(), _ -> {
                for (ThrowingCallable each : List.<ThrowingCallable>of(device::status, device::state, device::detach,
                        device::refreshCapacity, device::open, handle::close, () -> device.setDirect(false))) {
                    try {
                        each.call();
                    } catch (Throwable t) {
                        thrown.add(t);
                    }
                }
                ended.countDown();
            });
            ended.await();
            assertThat(thrown).hasSize(5).allMatch(IllegalStateException.class::isInstance);
        }
    }

    // ---- step by step

    @Test
    void statusMovesAndLimitsTheDevice() throws Exception {
        device.configure(config(image).direct(false).fileName("a name").build());
        assertThat(device.status()).isEqualTo(new LoopStatus(0, 0, Set.of(), "a name"));
        long[][] offsetLimitSize = {{512, 0, 1048064}, {1543, 0, 1046528}, {4096, 100_000, 99_840}, {2 * MIB, 0, 0},
                {0, 1, 0}, {0, 511, 0}, {0, 512, 512}, {0, 1L << 40, MIB}, {0, 0, MIB}};
        for (long[] each : offsetLimitSize) {
            device.setStatus(new LoopStatus(each[0], each[1], Set.of(), "other"));
            assertThat(device.disk().sizeBytes()).as("offset %d, limit %d", each[0], each[1]).isEqualTo(each[2]);
            assertThat(device.status()).isEqualTo(new LoopStatus(each[0], each[1], Set.of(), "other"));
        }
        refused(Errno.EOVERFLOW, () -> device.setStatus(device.status().withOffsetBytes(-1)));
        refused(Errno.EOVERFLOW, () -> device.setStatus(device.status().withSizeLimitBytes(-1)));
        refused(Errno.EINVAL, () -> device.setStatus(device.status().withFileName("x".repeat(64))));
        device.setStatus(device.status().withFileName("x".repeat(63)));
    }

    @Test
    void someFlagsCanBeSetAndOneCleared() throws Exception {
        device.configure(config(image).direct(false).build());
        Set<LoopFlag> all = Set.of(LoopFlag.values());
        device.setStatus(new LoopStatus(0, 0, all, ""));
        assertThat(device.status().flags()).containsExactlyInAnyOrder(LoopFlag.AUTOCLEAR, LoopFlag.PARTSCAN);
        assertThat(device.status().flagBits()).isEqualTo(12);
        device.setStatus(new LoopStatus(0, 0, Set.of(), ""));
        assertThat(device.status().flags()).containsExactly(LoopFlag.PARTSCAN);
    }

    @Test
    void theSizeIsTakenOverWhenItIsAskedForAndNotBefore() throws Exception {
        device.configure(config(image).build());
        file("disk.img", 2 * MIB);
        assertThat(device.disk().sizeBytes()).isEqualTo(MIB);
        device.setStatus(device.status().withFileName("another"));
        assertThat(device.disk().sizeBytes()).isEqualTo(MIB);
        events.clear();
        assertThat(device.refreshCapacity()).isEqualTo(2 * MIB);
        file("disk.img", 1_000_000);
        assertThat(device.refreshCapacity()).isEqualTo(999_936);
        assertThat(device.refreshCapacity()).isEqualTo(999_936);
        assertThat(events).containsExactly("RESIZE loop0 2097152", "RESIZE loop0 999936");
    }

    @Test
    void anEmptyFileIsADeviceOfNoSizeThatCanGrow() throws Exception {
        device.configure(config(file("empty.img", 0)).build());
        assertThat(device.disk().sizeBytes()).isZero();
        file("empty.img", 4096);
        assertThat(device.refreshCapacity()).isEqualTo(4096);
    }

    @Test
    void onlyTheFileOfAReadOnlyDeviceIsChanged() throws Exception {
        device.configure(config(image).build());
        Path other = file("other.img", MIB);
        refused(Errno.EINVAL, () -> device.changeBackingFile(other));
        device.detach();
        device.configure(config(image).readOnly(true).build());
        refused(Errno.EINVAL, () -> device.changeBackingFile(file("small.img", 4096)));
        assertThatThrownBy(() -> device.changeBackingFile(directory.resolve("missing")))
                .isInstanceOf(NoSuchFileException.class);
        device.changeBackingFile(other);
        assertThat(device.backingFile()).isEqualTo(other);
        assertThat(device.status().flags()).contains(LoopFlag.READ_ONLY);
        try (LoopDevice writer = LoopDevice.attach(config(image).build())) {
            assertThat(writer.disk().sizeBytes()).as("the old file is free").isEqualTo(MIB);
            refused(Errno.EBUSY, () -> device.changeBackingFile(image));
        }
    }
}
