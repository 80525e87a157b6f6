package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.loop.LoopDeviceTest.Way;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.IdleStrategy;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A polled device whose owner goes on reading while another thread changes it: both get on, and the device stays the owner's. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class PolledDeviceTest {
    private static final int BYTES = 1 << 20;
    private static final int CHANGES = 20;
    private static final int BIOS = 24;
    private static final int CLOSES = 5;
    private static final int USES = 20;

    @TempDir
    private Path directory;

    /** What another thread does. */
    enum Change {
        FREEZE {
            @Override
            void make(LoopDevice device, Path[] files, int time) {
                device.disk().freeze();
                device.disk().unfreeze();
            }
        },
        ELEVATOR {
            @Override
            void make(LoopDevice device, Path[] files, int time) {
                device.disk().queue().setElevator(time % 2 == 0 ? "mq-deadline" : "kyber");
                device.disk().queue().setIostats(time % 2 == 0);
            }
        },
        HOLD {
            @Override
            void make(LoopDevice device, Path[] files, int time) {
                device.disk().queue().quiesce();
                device.disk().queue().unquiesce();
            }
        },
        FILE {
            @Override
            void make(LoopDevice device, Path[] files, int time) throws IOException {
                device.changeBackingFile(files[time % 2]);
            }
        },
        DIRECT {
            @Override
            void make(LoopDevice device, Path[] files, int time) throws IOException {
                device.setDirect(time % 2 != 0 && device.isAio());
            }
        },
        CAPACITY {
            @Override
            void make(LoopDevice device, Path[] files, int time) throws IOException {
                assertThat(device.refreshCapacity()).isEqualTo(BYTES);
            }
        },
        PARTITION {
            @Override
            void make(LoopDevice device, Path[] files, int time) {
                device.disk().partition("part", 0, 8192).close();
            }
        };

        abstract void make(LoopDevice device, Path[] files, int time) throws IOException;
    }

    static Stream<Arguments> waysAndChanges() {
        List<Way> ways = new ArrayList<>(LoopDeviceTest.ways().filter(Way::polled).toList());
        ways.add(new Way("memory", true, true));
        return ways.stream().flatMap(way -> Stream.of(Change.values()).map(change -> Arguments.of(way, change)));
    }

    @ParameterizedTest(name = "{1}, {0}")
    @MethodSource("waysAndChanges")
    void changesOfAPolledDeviceEndWhileItsOwnerReads(Way way, Change change) throws Exception {
        Path[] files = {Files.write(directory.resolve("a.img"), new byte[BYTES]),
                Files.write(directory.resolve("b.img"), new byte[BYTES])};
        try (LoopDevice device = LoopDevice.attach(way.config(files[1]).depth(16).readOnly(true).build());
                IoBuffer buffer = IoBuffer.allocate(BIOS * 4096L)) {
            Disk disk = device.disk();
            // The thread of the test is the owner from here on.
            disk.read(0, buffer.memory().asSlice(0, 4096));
            List<Status> failures = new ArrayList<>();
            Bio[] bios = new Bio[BIOS];
            for (int i = 0; i < BIOS; i++) {
                bios[i] = new Bio(1).reset(Operation.READ, 0).add(buffer.memory(), i * 4096L, 4096).onEnd(bio -> {
                    if (bio.status() != Status.OK) {
                        failures.add(bio.status());
                    }
                });
            }
            FutureTask<Void> changes = new FutureTask<>(() -> {
                for (int time = 0; time < CHANGES; time++) {
                    change.make(device, files, time);
                }
                return null;
            });
            Thread other = Thread.ofPlatform().daemon().start(changes);
            for (int round = 0; !changes.isDone(); round++) {
                for (int i = 0; i < BIOS; i++) {
                    if (!bios[i].isInFlight()) {
                        disk.submit(bios[i].retarget(Operation.READ, (round + i) * 8L % (BYTES / 512)));
                    }
                }
                disk.poll();
                if (round % 8 == 0) {
                    // Waits for the lock that the other thread may have.
                    assertThat(device.refreshCapacity()).isEqualTo(BYTES);
                }
            }
            other.join();
            changes.get();
            for (Bio bio : bios) {
                while (bio.isInFlight()) {
                    disk.poll();
                }
            }
            assertThat(failures).isEmpty();
        }
    }

    static Stream<Way> polledWays() {
        return LoopDeviceTest.ways().filter(Way::polled);
    }

    /** What the owner of a polled device does while another thread closes it. */
    enum Use {
        READS {
            @Override
            void use(Disk disk, IoBuffer buffer) throws IOException {
                disk.read(0, buffer.memory());
            }
        },
        POLLS {
            @Override
            void use(Disk disk, IoBuffer buffer) {
                disk.poll();
            }
        };

        abstract void use(Disk disk, IoBuffer buffer) throws IOException;
    }

    static Stream<Arguments> waysAndUses() {
        return polledWays().flatMap(way -> Stream.of(Use.values()).map(use -> Arguments.of(way, use)));
    }

    @ParameterizedTest(name = "{1}, {0}")
    @MethodSource("waysAndUses")
    void anotherThreadMayCloseItWhileItsOwnerUsesIt(Way way, Use use) throws Exception {
        Path file = Files.write(directory.resolve("a.img"), new byte[BYTES]);
        for (int time = 0; time < CLOSES; time++) {
            LoopDevice device = LoopDevice.attach(way.config(file).build());
            CountDownLatch used = new CountDownLatch(USES);
            AtomicBoolean closed = new AtomicBoolean();
            FutureTask<Void> owner = new FutureTask<>(() -> {
                try (IoBuffer buffer = IoBuffer.allocate(4096)) {
                    device.disk().read(0, buffer.memory());
                    while (!closed.get()) {
                        use.use(device.disk(), buffer);
                        used.countDown();
                    }
                }
                return null;
            });
            Thread thread = Thread.ofPlatform().daemon().start(owner);
            used.await();
            device.close();
            closed.set(true);
            thread.join();
            try {
                owner.get();
            } catch (ExecutionException e) {
                if (e.getCause() instanceof BlockIOException failure) {
                    assertThat(failure.status()).isEqualTo(Status.NODEV);
                } else {
                    assertThat(e).cause().isInstanceOf(IllegalStateException.class)
                            .hasMessage(device.disk().name() + " is closed");
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("polledWays")
    void itsOwnerIdlesByAStrategyOfAgronas(Way way) throws Exception {
        byte[] content = new byte[BYTES];
        new Random(RandomSeed.next(PolledDeviceTest.class)).nextBytes(content);
        List<String> strategies = new ArrayList<>();
        AtomicInteger found = new AtomicInteger();
        IoRuntime runtime = IoRuntime.system().idlingBy(() -> {
            IdleStrategy strategy = new BackoffIdleStrategy();
            strategies.add(strategy.alias());
            return completions -> {
                found.addAndGet(completions);
                strategy.idle(completions);
            };
        });
        Path file = Files.write(directory.resolve("a.img"), content);
        try (LoopDevice device = LoopDevice.attach(way.config(file).runtime(runtime).build());
                IoBuffer buffer = IoBuffer.allocate(4096)) {
            for (int block = 0; block < BYTES / 4096; block++) {
                device.disk().read(block * 4096L, buffer.memory());
                assertThat(buffer.memory().mismatch(MemorySegment.ofArray(content).asSlice(block * 4096L, 4096)))
                        .isEqualTo(-1);
            }
        }
        assertThat(strategies).as("one for the thread that polls").containsExactly("backoff");
        assertThat(found).as("completions, of which the strategy is told").hasValueGreaterThanOrEqualTo(BYTES / 4096);
    }
}
