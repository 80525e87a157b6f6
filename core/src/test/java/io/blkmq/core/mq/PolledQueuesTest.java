package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.util.List;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Who polls, and while it waits for what: a polled context belongs to a thread, and whoever else needs something done there leaves it. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class PolledQueuesTest {
    private static final long MILLI = TimeUnit.MILLISECONDS.toNanos(1);

    private final Told told = new Told();

    @Test
    void whatADriverRefusesWhenTheDeviceIsGoneEndsWithoutAnotherLook() throws IOException {
        RecordingDriver driver = new RecordingDriver().polled();
        try (Disk disk = driver.disk(); IoBuffer buffer = IoBuffer.allocate(512)) {
            driver.answerBy(rq -> {
                rq.queue().markDead();
                return Status.RESOURCE;
            });
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.read(0, buffer.memory()))
                    .extracting(BlockIOException::status).isEqualTo(Status.NODEV);
            assertThat(disk.queue().heldTags()).isZero();
        }
    }

    /** What freezes a queue, each as another thread does it. */
    enum Change {
        FREEZE {
            @Override
            void make(Disk disk, int time) {
                disk.freeze();
                disk.unfreeze();
            }
        },
        FREEZE_OF_THE_SET {
            @Override
            void make(Disk disk, int time) {
                disk.queue().tagSet().freeze();
                disk.queue().tagSet().unfreeze();
            }
        },
        ELEVATOR {
            @Override
            void make(Disk disk, int time) {
                disk.queue().setElevator(time % 2 == 0 ? "mq-deadline" : "none");
            }
        },
        DEPTH_OF_THE_ELEVATOR {
            @Override
            void make(Disk disk, int time) {
                disk.queue().setElevator("kyber");
                // Possible without an elevator, too: the owner may have taken it away.
                disk.queue().setNrRequests(Scheduler.REQUESTS_MIN);
            }
        },
        HARDWARE_QUEUES {
            @Override
            void make(Disk disk, int time) throws IOException {
                disk.queue().tagSet().updateHardwareQueues(1 + time % 2);
            }
        },
        LIMITS {
            @Override
            void make(Disk disk, int time) {
                disk.freeze();
                QueueLimits.Builder other = disk.limits().toBuilder().segmentsMax(16 + time % 2);
                disk.queue().setLimits(other.build());
                disk.unfreeze();
            }
        },
        WRITE_CACHE {
            @Override
            void make(Disk disk, int time) {
                disk.queue().setWriteCache(time % 2 == 0, false);
            }
        },
        STATISTICS {
            @Override
            void make(Disk disk, int time) {
                disk.queue().setIostats(time % 2 == 0);
            }
        },
        PARTITION {
            @Override
            void make(Disk disk, int time) {
                disk.partition("p", 0, 4096).close();
            }
        };

        abstract void make(Disk disk, int time) throws IOException;
    }

    private static void run(DeterministicRuntime.Body body) {
        Simulation.run(PolledQueuesTest.class, body);
    }

    private static OwnedDevice polled(DeterministicRuntime runtime) {
        return new OwnedDevice(runtime, MILLI);
    }

    private static Disk polledDisk(OwnedDevice device) throws IOException {
        return device.disk(set -> set.flag(TagSet.Flag.POLLED).depth(4));
    }

    // ---- the gate, and the lock under which tag sets change

    @ParameterizedTest
    @EnumSource
    void whatFreezesEndsWhileTheOwnerSubmits(Change change) {
        run(runtime -> {
            OwnedDevice device = polled(runtime);
            Disk disk = polledDisk(device);
            Thread owner = runtime.spawn("owner", () -> {
                for (int i = 0; i < 200; i++) {
                    disk.submit(told.read(i));
                    runtime.switchPoint();
                }
                runtime.await("all have ended", () -> disk.poll() == 0 && told.count() == 200);
            });
            for (int time = 0; time < 10; time++) {
                change.make(disk, time);
                runtime.switchPoint();
            }
            runtime.join(owner);
            assertThat(told.ends()).hasSize(200).allMatch(end -> end.endsWith("OK"));
            if (change != Change.HARDWARE_QUEUES) {
                assertThat(device.strangers()).isEmpty();
            }
            runtime.join(runtime.spawn("closer", disk::close));
        });
    }

    @ParameterizedTest
    @EnumSource
    void whatFreezesEndsWhileTheOwnerWaitsToFreezeToo(Change change) {
        run(runtime -> {
            Disk disk = polledDisk(polled(runtime));
            Thread owner = runtime.spawn("owner", () -> {
                for (int i = 0; i < 20; i++) {
                    disk.submit(told.read(i));
                    disk.queue().setElevator(i % 2 == 0 ? "none" : "mq-deadline");
                }
                disk.queue().setElevator("none");
                runtime.await("all have ended", () -> disk.poll() == 0 && told.count() == 20);
            });
            for (int time = 0; time < 10; time++) {
                change.make(disk, time);
                runtime.switchPoint();
            }
            runtime.join(owner);
            assertThat(told.ends()).hasSize(20).allMatch(end -> end.endsWith("OK"));
            disk.close();
        });
    }

    @Test
    void aFreezeOfASetEndsWhileAnOwnerWaitsAtTheGateOfOneQueueWithBiosAtTheOther() {
        run(runtime -> {
            TagSet set = TagSet.builder(polled(runtime)).runtime(runtime).flag(TagSet.Flag.POLLED).depth(8).build();
            RequestQueue one = OwnedDevice.queue(set, "one");
            RequestQueue two = OwnedDevice.queue(set, "two");
            Thread owner = runtime.spawn("owner", () -> {
                for (int i = 0; i < 50; i++) {
                    two.submit(told.read(i));
                    one.submit(told.read(i));
                }
                SoftwareContext ctx = one.contextOfCurrentThread();
                runtime.await("all have ended", () -> one.poll(ctx) + two.poll(ctx) == 0 && told.count() == 100);
            });
            for (int time = 0; time < 10; time++) {
                set.freeze();
                set.unfreeze();
                runtime.switchPoint();
            }
            runtime.join(owner);
            one.close();
            two.close();
            set.close();
        });
    }

    @Test
    void biosThatAreLeftToAnOwnerThatIsParkedAtAnotherGateGoDown() {
        run(runtime -> {
            TagSet set = TagSet.builder(polled(runtime)).runtime(runtime).flag(TagSet.Flag.POLLED).depth(8).build();
            RequestQueue one = OwnedDevice.queue(set, "one");
            RequestQueue two = OwnedDevice.queue(set, "two");
            Thread owner = runtime.spawn("owner", () -> {
                SoftwareContext ctx = two.contextOfCurrentThread();
                two.submit(told.read(0).onEnd(bio -> {
                    told.ended(bio);
                    two.submit(told.read(1));
                }));
                runtime.await("both are frozen", () -> one.isFrozen() && two.isFrozen());
                assertThat(two.poll(ctx)).isEqualTo(1);
                one.submit(told.read(2));
                runtime.await("all have ended", () -> one.poll(ctx) + two.poll(ctx) == 0 && told.count() == 3);
            });
            runtime.await("it has an owner", () -> two.heldTags() == 1);
            one.freeze();
            two.freeze();
            runtime.sleep(MILLI);
            two.unfreeze();
            two.freeze();
            two.unfreeze();
            one.unfreeze();
            runtime.join(owner);
            one.close();
            two.close();
            set.close();
        });
    }

    @Test
    void anInterruptAndACloseEndTheWaitOfAnOwnerAtTheGate() {
        run(runtime -> {
            Disk disk = polledDisk(polled(runtime));
            disk.freeze();
            Thread owner = runtime.spawn("owner", () -> {
                disk.submit(told.read(1));
                assertThat(Thread.interrupted()).as("it is kept").isTrue();
                disk.submit(told.read(2));
            });
            runtime.sleep(MILLI);
            runtime.interrupt(owner);
            runtime.await("the first has ended", () -> told.count() == 1);
            disk.close();
            runtime.join(owner);
            assertThat(told.ends()).containsExactly("READ 1 INTR", "READ 2 NODEV");
        });
    }

    // ---- who runs a polled context

    /** Everything that makes others run what waits. */
    enum Kick {
        FREEZE {
            @Override
            void give(RequestQueue queue) {
                queue.freezeStart();
                queue.unfreeze();
            }
        },
        UNQUIESCE {
            @Override
            void give(RequestQueue queue) {
                queue.quiesce();
                queue.unquiesce();
            }
        },
        START {
            @Override
            void give(RequestQueue queue) {
                queue.hardwareContext(0).stop();
                queue.hardwareContext(0).start();
            }
        },
        RUN {
            @Override
            void give(RequestQueue queue) {
                queue.hardwareContext(0).run();
                queue.hardwareContext(0).runAsync();
                queue.hardwareContext(0).runLater(MILLI);
            }
        },
        REQUEUE {
            @Override
            void give(RequestQueue queue) {
                queue.kickRequeueList();
                queue.delayKickRequeueList(MILLI);
            }
        },
        RESIZE {
            @Override
            void give(RequestQueue queue) {
                queue.tagSet().resize(queue.tagSet().resizedDepth() == 4 ? 3 : 4);
            }
        },
        TIME {
            @Override
            void give(RequestQueue queue) {
                // The timers alone.
            }
        };

        abstract void give(RequestQueue queue);
    }

    @ParameterizedTest
    @EnumSource
    void whatThePollerIsToRunIsLeftToIt(Kick kick) {
        for (String elevator : List.of("none", "mq-deadline", "kyber")) {
            run(runtime -> leavesToThePoller(runtime, kick, elevator));
        }
    }

    private void leavesToThePoller(DeterministicRuntime runtime, Kick kick, String elevator) throws IOException {
        OwnedDevice device = polled(runtime);
        Disk disk = polledDisk(device);
        disk.queue().setElevator(elevator);
        Thread owner = runtime.spawn("owner", () -> {
            disk.submit(told.read(1000));
            device.refusals.set(3);
            device.requeues.set(3);
            for (int i = 0; i < 3; i++) {
                // Each end submits one more.
                int more = 100 * (i + 1);
                disk.submit(told.read(i).onEnd(bio -> {
                    told.ended(bio);
                    disk.submit(told.read(more));
                }));
            }
            runtime.sleep(10 * MILLI);
            runtime.await("all have ended", () -> {
                if (disk.poll() == 0) {
                    disk.queue().kickRequeueList();
                    runtime.sleep(MILLI);
                }
                return told.count() == 7;
            });
        });
        for (int i = 0; i < 30; i++) {
            runtime.sleep(MILLI);
            kick.give(disk.queue());
        }
        runtime.join(owner);
        assertThat(device.strangers()).isEmpty();
        assertThat(told.ends()).hasSize(7).allMatch(end -> end.endsWith("OK"));
        disk.close();
    }

    @Test
    void biosThatWaitedForAnUnfreezeGoDownWithTheNextPoll() {
        run(runtime -> {
            OwnedDevice device = polled(runtime);
            Disk disk = polledDisk(device);
            Thread owner = runtime.spawn("owner", () -> {
                disk.submit(told.read(0).onEnd(bio -> {
                    told.ended(bio);
                    told.submitReads(disk, 1, 9);
                }));
                runtime.await("the queue is frozen", disk.queue()::isFrozen);
                assertThat(disk.poll()).isEqualTo(1);
                runtime.await("the queue is not frozen", () -> !disk.queue().isFrozen());
                runtime.await("all have ended", () -> disk.poll() == 0 && told.count() == 9);
            });
            runtime.await("a request is in flight", () -> disk.queue().heldTags() == 1);
            disk.freeze();
            disk.unfreeze();
            runtime.join(owner);
            assertThat(device.strangers()).isEmpty();
            disk.close();
        });
    }

    @Test
    void whatAStrangerSubmitsWhileSomethingWaitsIsTheOwnersToIssue() {
        run(runtime -> {
            OwnedDevice device = polled(runtime);
            Disk disk = polledDisk(device);
            disk.queue().setElevator("mq-deadline");
            Thread owner = runtime.spawn("owner", () -> {
                disk.submit(told.read(0));
                runtime.await("all have ended", () -> disk.poll() == 0 && told.count() == 3);
            });
            runtime.await("it has an owner", () -> disk.queue().heldTags() == 1 || told.count() == 1);
            Thread stranger = runtime.spawn("stranger", () -> {
                try (IoBuffer buffer = disk.allocate(512)) {
                    disk.read(512, buffer.memory());
                }
                told.submitReads(disk, 7, 9);
            });
            runtime.join(stranger);
            runtime.join(owner);
            assertThat(device.strangers()).isEmpty();
            disk.close();
        });
    }

    @Test
    void whoWaitsForItsOwnPolledReadOnAHeldDeviceWithoutAnOwnerReadsAfterTheHold() {
        run(runtime -> {
            OwnedDevice device = polled(runtime);
            Disk disk = polledDisk(device);
            disk.queue().quiesce();
            Thread owner = runtime.spawn("owner", () -> {
                try (IoBuffer buffer = disk.allocate(512)) {
                    disk.read(0, buffer.memory());
                }
            });
            runtime.await("it waits", () -> disk.queue().heldTags() == 1);
            runtime.sleep(MILLI);
            disk.queue().unquiesce();
            runtime.join(owner);
            assertThat(device.strangers()).isEmpty();
            disk.close();
        });
    }

    // ---- an operation that waited for blocks

    @Test
    void anAsynchronousWriteThatWaitedForBlocksEndsWhereItsThreadPolls() {
        run(runtime -> {
            Disk disk = NullBlk.builder().runtime(runtime).memoryBacked(true).capacityBytes(1 << 20).hardwareQueues(2)
                    .completion(NullBlk.Completion.POLLED).build();
            AsynchronousFileChannel channel = disk.openAsynchronousChannel();
            AtomicInteger begun = new AtomicInteger();
            Thread first = runtime.spawn("first", () -> {
                Future<Integer> write = channel.write(ByteBuffer.allocate(100), 0);
                begun.incrementAndGet();
                runtime.await("the second waits for the block", () -> begun.get() == 2);
                assertThat(write.get()).isEqualTo(100);
            });
            Thread second = runtime.spawn("second", () -> {
                runtime.await("the first has the block", () -> begun.get() == 1);
                Future<Integer> write = channel.write(ByteBuffer.allocate(100), 200);
                begun.incrementAndGet();
                assertThat(write.get()).isEqualTo(100);
            });
            runtime.join(first);
            runtime.join(second);
            channel.close();
            disk.close();
        });
    }

    @Test
    void operationsThatWaitForEachOthersBlocksGoToTheirOwnersContextsAlone() {
        run(runtime -> {
            OwnedDevice device = polled(runtime);
            // As many as there are threads, with the runtime's worker: a context each, whichever of them comes first.
            Disk disk = device.disk(set -> set.flag(TagSet.Flag.POLLED).depth(4).hardwareQueues(4));
            AsynchronousFileChannel channel = disk.openAsynchronousChannel();
            List<Thread> writers = Stream.of(0, 1).map(number -> runtime.spawn("writer " + number, () -> {
                for (int i = 0; i < 10; i++) {
                    Future<Integer> write = channel.write(ByteBuffer.allocate(100), 200L * number);
                    assertThat(write.get()).isEqualTo(100);
                }
            })).toList();
            writers.forEach(runtime::join);
            assertThat(device.strangers()).isEmpty();
            channel.close();
            disk.close();
        });
    }

    // ---- tags that polled I/O holds

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void whoHoldsAllHostWideTagsWithPolledBiosGetsOneForAnother(boolean passThrough) {
        run(runtime -> {
            Disk disk = NullBlk.builder().runtime(runtime).completion(NullBlk.Completion.TIMER).pollQueues(1)
                    .flag(TagSet.Flag.HOST_WIDE_TAGS).depth(4).build();
            for (int i = 0; i < 4; i++) {
                disk.submit(told.read(i).flags(Bio.POLLED));
            }
            if (passThrough) {
                disk.queue().free(disk.queue().allocateRequest(Operation.READ, false));
            } else {
                disk.submit(told.read(4));
            }
            disk.freeze();
            disk.unfreeze();
            assertThat(told.ends()).hasSize(passThrough ? 4 : 5).allMatch(end -> end.endsWith("OK"));
            disk.close();
        });
    }

    @Test
    void aReadWhoseRequestWaitsWithTheElevatorForTagsOfPolledBiosEnds() {
        run(runtime -> {
            Disk disk = NullBlk.builder().runtime(runtime).completion(NullBlk.Completion.TIMER).pollQueues(1)
                    .flag(TagSet.Flag.HOST_WIDE_TAGS).depth(4).build();
            disk.queue().setElevator("mq-deadline");
            for (int i = 0; i < 4; i++) {
                disk.submit(told.read(8L * i).flags(Bio.POLLED));
            }
            try (IoBuffer buffer = disk.allocate(512)) {
                disk.read(4096, buffer.memory());
            }
            assertThat(told.count()).as("the polled ones had to go first").isPositive();
            disk.freeze();
            disk.unfreeze();
            assertThat(told.ends()).hasSize(4);
            disk.close();
        });
    }

    @Test
    void tagsOfOnePolledContextThatBiosOfAnotherQueueHoldComeFree() {
        run(runtime -> {
            TagSet set = TagSet.builder(polled(runtime)).runtime(runtime).flag(TagSet.Flag.POLLED).depth(1).build();
            RequestQueue one = OwnedDevice.queue(set, "one");
            RequestQueue two = OwnedDevice.queue(set, "two");
            Thread owner = runtime.spawn("owner", () -> {
                for (int i = 0; i < 10; i++) {
                    one.submit(told.read(i));
                    two.submit(told.read(i));
                }
                SoftwareContext ctx = one.contextOfCurrentThread();
                runtime.await("all have ended", () -> one.poll(ctx) + two.poll(ctx) == 0 && told.count() == 20);
            });
            runtime.join(owner);
            one.close();
            two.close();
            set.close();
        });
    }

    /** Of four tags: the chains hold them all, or others of them stand in line besides. */
    @ParameterizedTest
    @ValueSource(ints = {4, 8})
    void aPollerThatWaitsForATagGetsOneBesideBiosThatItsCompletionsSubmit(int chains) {
        run(runtime -> {
            Disk disk = polledDisk(polled(runtime));
            AtomicInteger left = new AtomicInteger(2000);
            CompletionBatch batch = CompletionBatch.open();
            try {
                for (int i = 0; i < chains; i++) {
                    disk.submit(told.read(i).onEnd(bio -> {
                        if (left.decrementAndGet() > 0) {
                            disk.submit(bio);
                        }
                    }));
                }
            } finally {
                batch.close();
            }
            try (IoBuffer buffer = disk.allocate(512)) {
                disk.read(512, buffer.memory());
            }
            assertThat(left.get()).as("how many bios the chains still had to submit").isGreaterThan(1500);
            runtime.await("the chains have ended", () -> disk.poll() == 0 && disk.queue().heldTags() == 0);
            disk.close();
        });
    }

    // ---- what is not polled

    @Test
    void aWaitForIoThatIsNotPolledDoesNotPoll() {
        run(runtime -> {
            OwnedDevice device = new OwnedDevice(runtime, 500 * MILLI);
            Disk disk = device.disk(set -> set.pollQueues(1).depth(4));
            try (IoBuffer buffer = disk.allocate(512)) {
                disk.read(0, buffer.memory());
            }
            try (AsynchronousFileChannel channel = disk.openAsynchronousChannel()) {
                assertThat(channel.read(ByteBuffer.allocate(512), 0).get()).isEqualTo(512);
            }
            disk.openChannel().write(ByteBuffer.allocate(100), 10);
            told.submitReads(disk, 0, 4);
            disk.submit(told.read(4));
            disk.freeze();
            disk.unfreeze();
            disk.close();
            assertThat(told.ends()).hasSize(5);
            assertThat(device.polls).hasValue(0);
        });
    }

    @Test
    void aFreezePollsForPolledIoBesidesOther() {
        run(runtime -> {
            Disk disk = NullBlk.builder().runtime(runtime).completion(NullBlk.Completion.TIMER).completionNanos(MILLI)
                    .pollQueues(1).build();
            disk.submit(told.read(0).flags(Bio.POLLED));
            disk.submit(told.read(1));
            disk.freeze();
            assertThat(told.ends()).containsExactlyInAnyOrder("READ 0 OK", "READ 1 OK");
            disk.unfreeze();
            disk.close();
        });
    }
}
