package io.blkmq.core.blktests;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.Disk;
import io.blkmq.core.HeldTags;
import io.blkmq.core.Status;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.Injection;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.core.nullblk.NullBlk.Completion;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Elevators, one after the other and one against the other, under load of real threads. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class EveryElevatorTest {
    private static final List<String> ELEVATORS = List.of("none", "mq-deadline", "kyber");

    private final long seed = RandomSeed.of(EveryElevatorTest.class);

    private static NullBlk.Builder device(String name, Completion completion) {
        return NullBlk.builder().name(name).completion(completion).depth(8).hardwareQueues(2).completionNanos(1_000);
    }

    private static String anyOf(SplittableRandom random) {
        return ELEVATORS.get(random.nextInt(ELEVATORS.size()));
    }

    /** The load ends, everything has been carried out, and nothing is left behind. */
    private static void endsWell(Disk disk, Load load) {
        load.stop();
        load.assertOnly(Status.OK);
        HeldTags.awaitNone(disk);
        assertThat(disk.queue().strayCompletions()).isZero();
    }

    @ParameterizedTest(name = "{0}")
    @EnumSource
    @DisplayName("block/005 the elevator is switched during I/O, in every mode")
    void switchedDuringIo(Completion completion) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        try (Disk disk = device("005", completion).memoryBacked(true).build()) {
            Load load = new Load(disk, seed).start(2);
            for (int i = 0; i < 20; i++) {
                String elevator = anyOf(random);
                disk.queue().setElevator(elevator);
                assertThat(disk.queue().elevator()).isEqualTo(elevator);
                load.awaitProgress(20);
            }
            endsWell(disk, load);
            for (String elevator : ELEVATORS) {
                disk.queue().setElevator(elevator);
                keepsData(disk);
            }
        }
    }

    private static void keepsData(Disk disk) throws IOException {
        try (IoBuffer wrote = disk.allocate(8192); IoBuffer read = disk.allocate(8192)) {
            wrote.memory().fill((byte) 5);
            disk.write(4096, wrote.memory());
            disk.read(4096, read.memory());
            assertThat(read.memory().mismatch(wrote.memory())).isEqualTo(-1);
        }
    }

    @Test
    @DisplayName("block/047 the elevator is switched by several threads at once, during I/O")
    void switchedBySeveralAtOnce() throws IOException {
        try (Disk disk = device("047", Completion.REAPER).build()) {
            Load load = new Load(disk, seed).start(2);
            AtomicInteger switches = new AtomicInteger();
            Eventually.together(4, false, number -> {
                SplittableRandom random = new SplittableRandom(seed + number);
                for (int i = 0; i < 25; i++) {
                    disk.queue().setElevator(anyOf(random));
                    assertThat(disk.queue().elevator()).isIn(ELEVATORS);
                    disk.queue().elevatorAttributes().values().forEach(attribute -> attribute.set(attribute.get()));
                    switches.incrementAndGet();
                }
            });
            assertThat(switches).hasValue(100);
            load.awaitProgress(50);
            endsWell(disk, load);
        }
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"none", "mq-deadline", "kyber"})
    @DisplayName("block/015 injected requeues on every elevator: every request is carried out in the end")
    void injectedRequeues(String elevator) throws IOException {
        for (Completion completion : Completion.values()) {
            Injection back = Injection.seeded(seed).set(0.1, Long.MAX_VALUE);
            try (Disk disk = device("015", completion).injectRequeues(back).build()) {
                disk.queue().setElevator(elevator);
                Load load = new Load(disk, seed).start(3).awaitProgress(400);
                endsWell(disk, load);
                assertThat(back.struck()).isPositive();
            }
        }
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"none", "mq-deadline", "kyber"})
    @DisplayName("block/020 a device of depth 1 carries load on every elevator, in every mode")
    void depthOne(String elevator) throws IOException {
        for (Completion completion : Completion.values()) {
            try (Disk disk = device("020", completion).depth(1).hardwareQueues(1).build()) {
                disk.queue().setElevator(elevator);
                Load load = new Load(disk, seed).start(3).awaitProgress(400);
                endsWell(disk, load);
            }
        }
        try (Disk disk = device("020", Completion.REAPER).depth(1).flag(TagSet.Flag.BLOCKING).blockNanos(1_000)
                .build()) {
            disk.queue().setElevator(elevator);
            Load load = new Load(disk, seed).start(3).awaitProgress(400);
            endsWell(disk, load);
        }
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"none", "mq-deadline", "kyber"})
    @DisplayName("block/021 the number of requests is read and set on every elevator, during I/O")
    void numberOfRequests(String elevator) throws IOException {
        try (Disk disk = device("021", Completion.REAPER).depth(64).build()) {
            disk.queue().setElevator(elevator);
            boolean none = elevator.equals("none");
            int most = none ? 64 : 2048;
            assertThat(disk.queue().nrRequests()).as("by default").isEqualTo(none ? 64 : 128);
            Load load = new Load(disk, seed).start(2);
            for (int value : new int[]{4, 5, most, 17, 64, 4, 33}) {
                disk.queue().setNrRequests(value);
                assertThat(disk.queue().nrRequests()).isEqualTo(value);
                load.awaitProgress(30);
            }
            for (int value : new int[]{Integer.MIN_VALUE, 0, 3, most + 1, Integer.MAX_VALUE}) {
                assertThatIllegalArgumentException().isThrownBy(() -> disk.queue().setNrRequests(value))
                        .withMessageContaining("nrRequests " + value + ": 4 to " + most + " are possible")
                        .withMessageContaining(elevator);
            }
            assertThat(disk.queue().nrRequests()).isEqualTo(33);
            endsWell(disk, load);
        }
    }

    @ParameterizedTest(name = "{0}")
    @ValueSource(strings = {"none", "mq-deadline", "kyber"})
    @DisplayName("block/027 devices are added and removed with I/O and every elevator")
    void addedAndRemoved(String elevator) {
        Eventually.together(3, false, number -> {
            for (int round = 0; round < 10; round++) {
                Disk disk = device("027",
                        List.of(Completion.INLINE, Completion.REAPER, Completion.TIMER).get(round % 3)).build();
                disk.queue().setElevator(elevator);
                Load load = new Load(disk, seed + number * 100L + round).start(2).awaitProgress(30);
                disk.close();
                load.stop();
                load.assertOnly(Status.OK, Status.NODEV);
                assertThat(disk.queue().heldTags()).isZero();
            }
        });
        assertThat(Thread.getAllStackTraces().keySet()).extracting(Thread::getName)
                .noneMatch(name -> name.startsWith("blkmq-027"));
    }

    @Test
    @DisplayName("block/040 the number of hardware queues changes against switches of the elevator, during I/O")
    void updatesAgainstSwitches() throws IOException {
        try (Disk disk = device("040", Completion.REAPER).build()) {
            AtomicBoolean stop = new AtomicBoolean();
            Load load = new Load(disk, seed).start(2);
            Eventually.Worker<Boolean> switcher = Eventually.start(() -> {
                SplittableRandom random = new SplittableRandom(seed);
                while (!stop.get()) {
                    disk.queue().setElevator(anyOf(random));
                }
            });
            SplittableRandom random = new SplittableRandom(seed + 1);
            for (int i = 0; i < 40; i++) {
                int wanted = 1 + random.nextInt(6);
                disk.queue().tagSet().updateHardwareQueues(wanted);
                assertThat(disk.queue().hardwareContexts()).isEqualTo(wanted);
            }
            stop.set(true);
            switcher.join();
            load.awaitProgress(50);
            endsWell(disk, load);
        }
    }

    @Test
    @DisplayName("block/040 an elevator comes through a change of the hardware queues with its tunables")
    void anElevatorComesThroughAnUpdate() throws IOException {
        try (Disk disk = device("040", Completion.INLINE).build()) {
            disk.queue().setElevator("mq-deadline");
            disk.queue().setNrRequests(100);
            disk.queue().elevatorAttributes().forEach((name, attribute) -> {
                if (name.endsWith("expire")) {
                    attribute.set("123");
                }
            });
            for (int queues : new int[]{5, 1, 3}) {
                disk.queue().tagSet().updateHardwareQueues(queues);
                assertThat(disk.queue().elevator()).isEqualTo("mq-deadline");
                assertThat(disk.queue().nrRequests()).isEqualTo(100);
                assertThat(disk.queue().elevatorAttributes().values()).extracting(Object::toString).contains(
                        "read_expire = 123 milliseconds", "prio_aging_expire = 123 milliseconds", "fifo_batch = 16",
                        "async_depth = 100");
            }
            disk.queue().setNrRequests(50);
            assertThat(disk.queue().elevatorAttributes().values()).extracting(Object::toString)
                    .as("async_depth begins anew with another number of requests")
                    .contains("read_expire = 123 milliseconds", "async_depth = 50");
        }
    }
}
