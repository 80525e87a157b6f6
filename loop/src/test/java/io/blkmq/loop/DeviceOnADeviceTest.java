package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.aio.Errno;
import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Status;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.Registration;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Devices whose backing is another disk. */
@NoRescues
class DeviceOnADeviceTest {
    private static final int MIB = 1 << 20;
    private static final int OFFSET = 8192;

    @TempDir
    private Path directory;
    private Path image;
    private final byte[] content = new byte[4 * MIB];
    private final LoopControl control = LoopControl.open();
    private LoopDevice below;
    private LoopDevice top;

    @SuppressWarnings("NullAway.Init")
    DeviceOnADeviceTest() {}

    @BeforeEach
    void make() throws IOException {
        new Random(1).nextBytes(content);
        image = Files.write(directory.resolve("disk.img"), content);
        below = control.attach(LoopConfig.builder(image).build());
        top = control.add();
    }

    @AfterEach
    void close() {
        control.close();
    }

    private static void refused(int errno, ThrowingCallable what) {
        assertThatThrownBy(what).isInstanceOfSatisfying(LoopException.class,
                e -> assertThat(e.errno()).as(e.getMessage()).isEqualTo(errno));
    }

    private static LoopConfig on(Disk disk) {
        return LoopConfig.builder(disk).build();
    }

    @Test
    void whatComesToItGoesToTheDiskBelow() throws Exception {
        top.configure(LoopConfig.builder(below.disk()).offsetBytes(OFFSET).sizeLimitBytes(2 * MIB).build());
        Disk disk = top.disk();
        assertThat(disk.sizeBytes()).isEqualTo(2 * MIB);
        assertThat(top.backingDisk()).isSameAs(below.disk());
        assertThat(top.backingFile()).isNull();
        assertThat(top.attributes().get("loop/backing_file")).isEqualTo("loop0");
        try (IoBuffer buffer = IoBuffer.allocate(MIB)) {
            disk.read(4096, buffer.memory());
            assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(Arrays.copyOfRange(content, OFFSET + 4096, OFFSET + 4096 + MIB));
            buffer.memory().fill((byte) 3);
            disk.write(MIB, buffer.memory());
            long syncs = below.syncs().count();
            disk.flush();
            assertThat(below.syncs().count()).isEqualTo(syncs + 1);
            disk.write(0, buffer.memory().asSlice(0, 4096), Bio.FUA | Bio.PREFLUSH);
            assertThat(below.syncs().count()).as("as below, where FUA is no sync of its own").isEqualTo(syncs + 2);
            disk.discard(MIB, 64 << 10);
            disk.writeZeroes(MIB + (128 << 10), 64 << 10, true);
            disk.writeZeroes(MIB + (256 << 10), 64 << 10, false);
        }
        byte[] expected = content.clone();
        Arrays.fill(expected, OFFSET, OFFSET + 4096, (byte) 3);
        Arrays.fill(expected, OFFSET + MIB, OFFSET + 2 * MIB, (byte) 3);
        for (int kib : new int[]{0, 128, 256}) {
            Arrays.fill(expected, OFFSET + MIB + (kib << 10), OFFSET + MIB + ((kib + 64) << 10), (byte) 0);
        }
        assertThat(Files.readAllBytes(image)).isEqualTo(expected);
        assertThat(below.disk().queue().bounces()).as("bounces below").isZero();
    }

    @Test
    void memoryOfAnyKindIsBouncedOnceAtTheTop() throws Exception {
        top.configure(on(below.disk()));
        byte[] heap = new byte[MIB];
        top.disk().read(MIB, MemorySegment.ofArray(heap));
        assertThat(heap).isEqualTo(Arrays.copyOfRange(content, MIB, 2 * MIB));
        assertThat(top.disk().queue().bounces()).isPositive();
        assertThat(below.disk().queue().bounces()).isZero();
    }

    @Test
    void manyThreadsWriteAndReadThroughThreeDevices() throws Exception {
        top.configure(LoopConfig.builder(below.disk()).offsetBytes(OFFSET).build());
        LoopDevice third = control.add();
        third.configure(LoopConfig.builder(top.disk()).offsetBytes(4096).build());
        Disk disk = third.disk();
        assertThat(disk.sizeBytes()).isEqualTo(4 * MIB - OFFSET - 4096);
        List<Future<?>> users = new ArrayList<>();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int t = 0; t < 16; t++) {
                int thread = t;
                users.add(threads.submit(() -> {
                    Random random = new Random(thread);
                    try (IoBuffer out = IoBuffer.allocate(65536); IoBuffer in = IoBuffer.allocate(65536)) {
                        for (int i = 0; i < 50; i++) {
                            int bytes = 512 * (1 + random.nextInt(128));
                            out.memory().fill((byte) random.nextInt());
                            disk.write(thread * 131072L, out.memory().asSlice(0, bytes));
                            disk.read(thread * 131072L, in.memory().asSlice(0, bytes));
                            assertThat(in.memory().asSlice(0, bytes).mismatch(out.memory().asSlice(0, bytes)))
                                    .isEqualTo(-1);
                        }
                    }
                    return null;
                }));
            }
        }
        for (Future<?> user : users) {
            user.get();
        }
    }

    @Test
    void aDeviceOnItselfIsRefusedAlsoByWayOfOthers() throws Exception {
        LoopDevice third = control.add();
        refused(Errno.EBADF, () -> top.configure(on(top.disk())));
        top.configure(on(below.disk()));
        third.configure(on(top.disk()));
        below.detach();
        third.detach();
        top.detach();
        assertThat(below.state()).as("nobody uses it any more").isEqualTo(LoopState.UNBOUND);
        refused(Errno.EINVAL, () -> top.configure(on(below.disk())));
        below.configure(LoopConfig.builder(image).build());
        top.configure(on(below.disk()));
        third.configure(on(top.disk()));
        refused(Errno.EBUSY, () -> below.configure(on(third.disk())));
        try (LoopHandle _ = below.open()) {
            assertThat(below.openers()).isEqualTo(2);
        }
    }

    @Test
    void aCircleOfThreeIsRefusedWhereTheLastOneIsFree() throws Exception {
        try (Disk memory = NullBlk.builder().capacityBytes(MIB).memoryBacked(true).completion(NullBlk.Completion.REAPER)
                .build()) {
            LoopDevice third = control.add();
            top.configure(on(memory));
            third.configure(on(top.disk()));
            LoopHandle handle = top.open();
            // The device goes on working for who has it open, and is not free before that.
            top.detach();
            refused(Errno.EBUSY, () -> top.configure(on(third.disk())));
            handle.close();
            assertThat(top.state()).as("open from above").isEqualTo(LoopState.BOUND);
            third.detach();
            assertThat(top.state()).isEqualTo(LoopState.UNBOUND);
        }
    }

    @Test
    void theDeviceBelowIsOpenAsLongAsItIsUsed() throws Exception {
        top.configure(on(below.disk()));
        assertThat(below.openers()).isEqualTo(1);
        refused(Errno.EBUSY, () -> control.remove(0));
        below.detach();
        try (IoBuffer buffer = IoBuffer.allocate(4096)) {
            top.disk().read(0, buffer.memory());
        }
        assertThat(below.state()).isEqualTo(LoopState.BOUND);
        top.detach();
        assertThat(below.state()).isEqualTo(LoopState.UNBOUND);
        control.remove(0);
    }

    @Test
    void aDiskBelowThatGoesAwayFailsWhatComes() throws Exception {
        top.configure(on(below.disk()));
        below.close();
        try (IoBuffer buffer = IoBuffer.allocate(4096)) {
            assertThatThrownBy(() -> top.disk().read(0, buffer.memory())).isInstanceOfSatisfying(BlockIOException.class,
                    e -> assertThat(e.status()).isEqualTo(Status.IOERR));
            assertThatThrownBy(() -> top.disk().flush()).isInstanceOf(BlockIOException.class);
        }
        top.detach();
    }

    @Test
    void aDiskBelowThatShrinksKeepsWhatIsThereAndFailsTheRest() throws Exception {
        top.configure(on(below.disk()));
        below.setStatus(below.status().withSizeLimitBytes(MIB));
        assertThat(top.disk().sizeBytes()).isEqualTo(4 * MIB);
        try (IoBuffer buffer = IoBuffer.allocate(8192)) {
            buffer.memory().fill((byte) 0x55);
            assertThatThrownBy(() -> top.disk().read(MIB - 4096, buffer.memory())).isInstanceOfSatisfying(
                    BlockIOException.class, e -> assertThat(e.status()).isEqualTo(Status.IOERR));
            byte[] read = buffer.memory().toArray(ValueLayout.JAVA_BYTE);
            assertThat(Arrays.copyOf(read, 4096)).isEqualTo(Arrays.copyOfRange(content, MIB - 4096, MIB));
            assertThat(Arrays.copyOfRange(read, 4096, 8192)).containsOnly(0);
            assertThatThrownBy(() -> top.disk().read(2 * MIB, buffer.memory())).isInstanceOf(BlockIOException.class);
            assertThatThrownBy(() -> top.disk().write(2 * MIB, buffer.memory())).isInstanceOf(BlockIOException.class);
        }
        assertThat(top.refreshCapacity()).isEqualTo(MIB);
    }

    @Test
    void whatTheDiskBelowCannotDoIsRefusedOnceAndOff() throws Exception {
        try (Disk memory = NullBlk.builder().capacityBytes(MIB).memoryBacked(true).discard(false)
                .completion(NullBlk.Completion.INLINE).blockBytes(4096).build()) {
            refused(Errno.EINVAL, () -> top.configure(LoopConfig.builder(memory).offsetBytes(512).build()));
            refused(Errno.EINVAL, () -> top.configure(LoopConfig.builder(memory).blockBytes(512).build()));
            top.configure(on(memory));
            assertThat(top.disk().limits().logicalBlockBytes()).isEqualTo(4096);
            assertThat(top.isDirect()).isTrue();
            assertThat(top.isAio()).isFalse();
            refused(Errno.EINVAL, () -> top.setDirect(false));
            refused(Errno.EINVAL, () -> top.setAio(true));
            refused(Errno.EINVAL, () -> top.setBlockBytes(512));
            refused(Errno.EINVAL, () -> top.setStatus(top.status().withOffsetBytes(1543)));
            top.setDirect(true);
            top.setBlockBytes(8192);
            assertThatThrownBy(() -> top.disk().discard(0, 8192)).isInstanceOfSatisfying(BlockIOException.class,
                    e -> assertThat(e.status()).isEqualTo(Status.NOTSUPP));
            try (IoBuffer buffer = IoBuffer.allocate(8192)) {
                buffer.memory().fill((byte) 1);
                top.disk().write(0, buffer.memory());
                top.disk().writeZeroes(0, 8192, false);
                top.disk().read(0, buffer.memory());
                assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE)).containsOnly(0);
            }
        }
    }

    @Test
    void aPolledDiskBelowIsRefused() throws Exception {
        try (LoopControl polled = LoopControl.open(LoopParameters.builder().polled(true).build())) {
            LoopDevice other = polled
                    .attach(LoopConfig.builder(Files.write(directory.resolve("polled.img"), new byte[MIB])).build());
            refused(Errno.EINVAL, () -> top.configure(on(other.disk())));
        }
    }

    @Test
    void aReadOnlyDiskBelowMakesItReadOnly() throws Exception {
        below.detach();
        below.configure(LoopConfig.builder(image).readOnly(true).build());
        top.configure(on(below.disk()));
        assertThat(top.status().flags()).contains(LoopFlag.READ_ONLY);
        try (IoBuffer buffer = IoBuffer.allocate(4096)) {
            assertThatThrownBy(() -> top.disk().write(0, buffer.memory()))
                    .isInstanceOf(UnsupportedOperationException.class);
        }
    }

    @Test
    void theDiskBelowAReadOnlyDeviceIsChangedAndTheFirstOneLetGo() throws Exception {
        List<String> told = new ArrayList<>();
        byte[] others = new byte[content.length];
        Arrays.fill(others, (byte) 5);
        try (Disk memory = NullBlk.builder().capacityBytes(4 * MIB).memoryBacked(true)
                .completion(NullBlk.Completion.REAPER).build();
                Disk small = NullBlk.builder().capacityBytes(MIB).memoryBacked(true).build();
                Disk coarse = NullBlk.builder().capacityBytes(4 * MIB).blockBytes(4096).memoryBacked(true).build();
                Registration _ = top.listen(event -> told.add(event.kind() + " " + event.device().openers()));
                IoBuffer buffer = IoBuffer.allocate(MIB)) {
            memory.write(0, MemorySegment.ofArray(others));
            refused(Errno.ENXIO, () -> top.changeBackingDisk(memory));
            top.configure(on(below.disk()));
            refused(Errno.EINVAL, () -> top.changeBackingDisk(memory));
            top.detach();
            top.configure(LoopConfig.builder(below.disk()).readOnly(true).build());
            refused(Errno.EINVAL, () -> top.changeBackingDisk(small));
            refused(Errno.EINVAL, () -> top.changeBackingDisk(coarse));
            assertThat(top.backingDisk()).isSameAs(below.disk());
            assertThat(below.openers()).isOne();
            top.changeBackingDisk(memory);
            assertThat(below.openers()).as("let go").isZero();
            top.disk().read(MIB, buffer.memory());
            assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE)).containsOnly(5);
            top.changeBackingFile(Files.write(directory.resolve("other.img"), content));
            assertThat(top.backingDisk()).isNull();
            top.disk().read(MIB, buffer.memory());
            assertThat(buffer.memory().toArray(ValueLayout.JAVA_BYTE))
                    .isEqualTo(Arrays.copyOfRange(content, MIB, 2 * MIB));
            top.changeBackingDisk(below.disk());
            assertThat(below.openers()).isOne();
            assertThat(told).containsExactly("ATTACH 0", "DETACH 0", "ATTACH 0", "CHANGE 0", "CHANGE 0", "CHANGE 0");
            top.detach();
        }
    }

    /** Devices without a control have events of their own each. */
    @Test
    void theEndOfTheDevicesBelowIsToldWhenTheLastHandleIsClosed() throws Exception {
        List<String> told = Collections.synchronizedList(new ArrayList<>());
        Path another = Files.write(directory.resolve("another.img"), content);
        try (LoopDevice low = LoopDevice.attach(LoopConfig.builder(another).autoclear(true).build());
                LoopDevice middle = LoopDevice.attach(LoopConfig.builder(low.disk()).autoclear(true).build());
                LoopDevice high = LoopDevice.attach(LoopConfig.builder(middle.disk()).autoclear(true).build());
                Registration _ = low.listen(event -> told.add("low " + event.kind()));
                Registration _ = middle.listen(event -> told.add("middle " + event.kind()));
                Registration _ = high.listen(event -> told.add("high " + event.kind()))) {
            LoopHandle handle = high.open();
            handle.close();
            assertThat(told).containsExactlyInAnyOrder("low DETACH", "middle DETACH", "high DETACH");
        }
    }

    @Test
    void noChangePutsADeviceOnItself() throws Exception {
        below.detach();
        below.configure(LoopConfig.builder(image).readOnly(true).build());
        top.configure(on(below.disk()));
        LoopDevice third = control.add();
        third.configure(on(top.disk()));
        refused(Errno.EBADF, () -> below.changeBackingDisk(below.disk()));
        refused(Errno.EBADF, () -> below.changeBackingDisk(third.disk()));
        assertThat(below.backingFile()).isEqualTo(image);
        assertThat(third.openers()).isZero();
        third.changeBackingDisk(below.disk());
        assertThat(top.openers()).isZero();
        assertThat(below.openers()).isEqualTo(2);
    }

    @Test
    void whatHappensBelowIsToldWhenNoDeviceIsLocked() throws Exception {
        List<String> told = new ArrayList<>();
        top.configure(on(below.disk()));
        below.detach();
        try (ExecutorService threads = Executors.newSingleThreadExecutor()) {
            var _ = control.listen(event -> {
                try {
                    // Takes the device's lock on another thread, which would wait for this one if it held any.
                    told.add(event.kind() + " " + event.device().name() + " "
                            + threads.submit(() -> top.open().device().name()).get(120, TimeUnit.SECONDS));
                } catch (InterruptedException | ExecutionException | TimeoutException e) {
                    told.add(e.toString());
                }
            });
            top.detach();
        }
        assertThat(told).containsExactly("DETACH loop0 loop1", "DETACH loop1 loop1");
    }
}
