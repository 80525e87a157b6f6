package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Simulation;
import io.blkmq.core.Status;
import io.blkmq.core.driver.CompletionBatch;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Threads and bios that wait for tags stand in one line, in the order in which they came. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class LineOrderTest {
    private static final int ROUNDS = 60;
    private final Told told = new Told();

    /** A device all of whose tags are held, and those who wait for one. */
    private final class Crowd {
        final DeterministicRuntime runtime;
        final RecordingDriver driver = new RecordingDriver();
        final Disk disk;
        final List<Long> arrived = new ArrayList<>();
        final List<Thread> threads = new ArrayList<>();
        private int waiting;

        Crowd(DeterministicRuntime runtime, int depth, String elevator) {
            this.runtime = runtime;
            this.disk = driver.runtime(runtime).depth(depth).disk();
            disk.queue().setElevator(elevator);
            int tags = elevator.equals("none") ? depth : disk.queue().nrRequests();
            for (int i = 0; i < tags; i++) {
                disk.submit(told.read(500 + i));
            }
            driver.log();
        }

        private int inLine() {
            return Inside.of(disk.queue()).hardwareContext(0).source(told.read(0), false).waiterCount();
        }

        /** One more wants a tag, after all who came before stand in line. */
        void comes(boolean thread) {
            long sector = 1000L + arrived.size();
            arrived.add(sector);
            if (thread) {
                threads.add(runtime.spawn("thread " + sector, () -> disk.submit(told.read(sector))));
            } else {
                submitWithoutWaiting(sector);
            }
            waiting++;
            runtime.await(sector + " stands in line", () -> inLine() == waiting);
        }

        private void submitWithoutWaiting(long sector) {
            try (CompletionBatch _ = CompletionBatch.open()) {
                disk.submit(told.read(sector));
            }
        }

        /** The device ends one thing after the other, whose tag is the next one's: it is waited for until that has come. */
        List<Long> serveAll() {
            List<Long> served = new ArrayList<>();
            while (served.size() < arrived.size()) {
                int before = served.size();
                driver.complete(Status.OK);
                runtime.await("the next one has come", () -> {
                    takeServed(served);
                    return served.size() > before || hasElevator();
                });
            }
            threads.forEach(runtime::join);
            driver.completeAll();
            return served;
        }

        private boolean hasElevator() {
            return !disk.queue().elevator().equals(Elevators.NONE);
        }

        private void takeServed(List<Long> served) {
            for (String line : driver.log()) {
                if (line.startsWith("READ 1")) {
                    served.add(Long.parseLong(line.substring("READ ".length(), "READ 1000".length())));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"none", "kyber"})
    void whoeverComesFirstIsServedFirstOfWhicheverKindItIs(String elevator) {
        SplittableRandom random = new SplittableRandom(RandomSeed.of(LineOrderTest.class));
        for (int round = 0; round < ROUNDS; round++) {
            int depth = 1 + random.nextInt(40);
            int count = 1 + random.nextInt(40);
            Simulation.run(LineOrderTest.class, runtime -> {
                Crowd crowd = new Crowd(runtime, depth, elevator);
                for (int i = 0; i < count; i++) {
                    // An elevator has an order of its own, which depends on the threads.
                    crowd.comes(elevator.equals("none") && random.nextBoolean());
                }
                assertThat(crowd.serveAll()).containsExactlyElementsOf(crowd.arrived);
                crowd.disk.close();
            });
        }
    }

    @Test
    void aChainOfBiosGetsItsShareBesideManyThreads() {
        Simulation.run(LineOrderTest.class, runtime -> {
            Crowd crowd = new Crowd(runtime, 1, "none");
            int[] chained = {0};
            int[] blocking = {0};
            boolean[] stop = {false};
            Bio bio = told.read(500);
            bio.onEnd(_ -> {
                chained[0]++;
                if (!stop[0]) {
                    crowd.disk.submit(bio);
                }
            });
            try (CompletionBatch _ = CompletionBatch.open()) {
                crowd.disk.submit(bio);
            }
            int[] gone = {0};
            for (int i = 0; i < 16; i++) {
                Thread _ = runtime.spawn("reader", () -> {
                    while (!stop[0]) {
                        int before = blocking[0];
                        crowd.disk.submit(told.read(600).onEnd(_ -> blocking[0]++));
                        runtime.await("it ends", () -> stop[0] || blocking[0] > before);
                    }
                    gone[0]++;
                });
            }
            for (int i = 0; i < 340; i++) {
                runtime.await("something is in flight", () -> !crowd.driver.inFlight().isEmpty());
                crowd.driver.complete(Status.OK);
            }
            stop[0] = true;
            runtime.await("the threads go", () -> {
                crowd.driver.completeAll();
                return gone[0] == 16;
            });
            // Seventeen that want the tag all the time, 340 times.
            assertThat(chained[0]).isGreaterThanOrEqualTo(340 / 17 - 1);
            crowd.driver.completeAll();
            crowd.disk.close();
        });
    }

    @Test
    void aBioInLineNeitherHoldsAFreezeUpNorPassesTheGate() {
        Simulation.run(LineOrderTest.class, runtime -> {
            Crowd crowd = new Crowd(runtime, 2, "none");
            for (int i = 0; i < 5; i++) {
                crowd.comes(false);
            }
            RequestQueue queue = crowd.disk.queue();
            queue.freezeStart();
            crowd.driver.completeAll();
            assertThat(queue.freezeWait(0)).isTrue();
            assertThat(crowd.driver.log()).as("given to the driver of a frozen queue").isEmpty();
            assertThat(Inside.of(queue).backlog()).isEqualTo(5);
            queue.unfreeze();
            assertThat(crowd.serveAll()).containsExactlyElementsOf(crowd.arrived);
            assertThat(queue.heldTags()).isZero();
            crowd.disk.close();
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"none", "kyber"})
    void biosInLineEndWithTheirQueue(String elevator) {
        Simulation.run(LineOrderTest.class, runtime -> {
            Crowd crowd = new Crowd(runtime, 4, elevator);
            for (int i = 0; i < 5; i++) {
                crowd.comes(false);
            }
            crowd.disk.queue().markDead();
            assertThat(told.ends()).filteredOn(end -> end.startsWith("READ 100")).containsExactly("READ 1000 NODEV",
                    "READ 1001 NODEV", "READ 1002 NODEV", "READ 1003 NODEV", "READ 1004 NODEV");
            crowd.driver.completeAll();
            crowd.disk.close();
        });
    }

    @Test
    void moreTagsGoToThoseWhoStandInLine() {
        Simulation.run(LineOrderTest.class, runtime -> {
            Crowd crowd = new Crowd(runtime, 8, "none");
            crowd.disk.queue().tagSet().resize(4);
            // Those beyond the depth are not handed out again.
            crowd.driver.inFlight().stream().filter(rq -> rq.tag() >= 4)
                    .forEach(rq -> crowd.driver.complete(rq, Status.OK));
            crowd.comes(false);
            crowd.comes(true);
            crowd.comes(false);
            crowd.disk.queue().tagSet().resize(8);
            crowd.threads.forEach(runtime::join);
            assertThat(crowd.driver.log()).containsExactlyInAnyOrder("READ 1000", "READ 1001", "READ 1002");
            crowd.driver.completeAll();
            crowd.disk.close();
        });
    }

    @Test
    void biosInLineGoOnThroughTheHardwareContextsOfAnotherNumber() {
        Simulation.run(LineOrderTest.class, runtime -> {
            Crowd crowd = new Crowd(runtime, 2, "none");
            for (int i = 0; i < 5; i++) {
                crowd.comes(false);
            }
            boolean[] changed = {false};
            Thread _ = runtime.spawn("changer", () -> {
                crowd.disk.queue().tagSet().updateHardwareQueues(2);
                changed[0] = true;
            });
            runtime.await("all have ended", () -> {
                crowd.driver.completeAll();
                return told.count() >= 7 && changed[0];
            });
            assertThat(told.ends()).hasSize(7).allMatch(end -> end.endsWith(" OK"));
            assertThat(crowd.disk.queue().heldTags()).isZero();
            crowd.disk.close();
        });
    }

    /** Two hardware contexts of one tag each, which no queue has used, and a bio that stands in line for the second's. */
    private final class NewTag {
        final DeterministicRuntime runtime;
        final RecordingDriver driver;
        final TagSet set;
        final DeviceQueue queue;
        final DispatchContext second;
        final TagRequest taken;
        final boolean[] changed = {false};

        NewTag(DeterministicRuntime runtime, RecordingDriver driver) {
            this.runtime = runtime;
            this.driver = driver.runtime(runtime).depth(1).hardwareQueues(2);
            this.set = driver.tagSet();
            this.queue = Inside.of(driver.queue(set, "q"));
            this.second = queue.hardwareContext(1);
            EntryContext ctx = queue.context(1);
            assertThat(ctx.hardwareContext(Operation.READ, 0)).isSameAs(second);
            // As a plug takes tags in advance.
            this.taken = Objects.requireNonNull(second.share.tryGet(ctx));
            try (CompletionBatch _ = CompletionBatch.open()) {
                queue.submit(told.read(8), ctx);
            }
            assertThat(second.share.bioCount()).isEqualTo(1);
        }

        void giveBack() {
            second.tags.put(taken.word, taken.mask, false);
            assertThat(second.share.bioCount()).isZero();
        }

        Thread changeToOne() {
            return runtime.spawn("changer", () -> {
                set.updateHardwareQueues(1);
                changed[0] = true;
            });
        }

        void end(Thread changer) {
            runtime.join(changer);
            driver.completeAll();
            assertThat(told.ends()).containsExactly("READ 8 OK");
            assertThat(queue.heldTags()).isZero();
            assertThat(second.tags.heldCount()).as("tags of the context that is gone").isZero();
            queue.close();
        }
    }

    @Test
    void aTagThatABioWasGivenInLineKeepsAFreezeFromEnding() {
        Simulation.run(LineOrderTest.class, runtime -> {
            NewTag tag = new NewTag(runtime, new RecordingDriver());
            Thread changer;
            try (CompletionBatch _ = CompletionBatch.open()) {
                tag.giveBack();
                changer = tag.changeToOne();
                // Else the bio goes down before the change begins, and there is nothing to see.
                runtime.await("the queue is frozen", () -> tag.queue.isFrozen() || tag.changed[0]);
                for (int i = 0; i < 1000; i++) {
                    runtime.switchPoint();
                }
                assertThat(tag.changed[0]).as("whether the contexts have changed beside the tag").isFalse();
            }
            tag.end(changer);
        });
    }

    @Test
    void aTagThatABioIsGivenWhileItsContextIsUndoneIsNotLost() {
        Simulation.run(LineOrderTest.class, runtime -> {
            boolean[] undone = {false};
            boolean[] given = {false};
            NewTag tag = new NewTag(runtime, new RecordingDriver() {
                @Override
                public void exitHctx(HardwareContext hctx, int index) {
                    undone[0] = true;
                    runtime.await("the tag has been given", () -> given[0]);
                }
            });
            Thread changer;
            try (CompletionBatch _ = CompletionBatch.open()) {
                changer = tag.changeToOne();
                runtime.await("the context is being undone", () -> undone[0]);
                tag.giveBack();
                given[0] = true;
                runtime.await("the contexts have changed", () -> tag.changed[0]);
            }
            tag.end(changer);
        });
    }

    @Test
    void aBioInLineIsServedWhenTheElevatorChanges() {
        Simulation.run(LineOrderTest.class, runtime -> {
            Crowd crowd = new Crowd(runtime, 2, "kyber");
            for (int i = 0; i < 5; i++) {
                crowd.comes(false);
            }
            boolean[] changed = {false};
            Thread _ = runtime.spawn("changer", () -> {
                crowd.disk.queue().setElevator("none");
                changed[0] = true;
            });
            runtime.await("all have ended", () -> {
                crowd.driver.completeAll();
                return crowd.disk.queue().heldTags() == 0 && changed[0] && Inside.of(crowd.disk.queue()).backlog() == 0;
            });
            assertThat(told.ends()).allMatch(end -> end.endsWith(" OK"));
            crowd.disk.close();
        });
    }

    @Test
    void biosThatWaitForBounceBuffersKeepTheirOrder() {
        RecordingDriver driver = new RecordingDriver().depth(64).limits(limits -> limits.requestBytesMax(8 << 20));
        try (Disk disk = driver.disk()) {
            // Heap memory, and three of them take more than there is.
            List<Long> order = new ArrayList<>();
            byte[] memory = new byte[(int) (BounceRoom.BYTES_MAX / 2)];
            int bytes = RecordingDriver.CAPACITY_BYTES;
            int fit = (int) (BounceRoom.BYTES_MAX / bytes);
            for (int i = 0; i < fit + 6; i++) {
                long number = i;
                Bio bio = new Bio().reset(Operation.READ, 0)
                        .add(java.lang.foreign.MemorySegment.ofArray(memory), 0, bytes).onEnd(_ -> order.add(number));
                disk.submit(bio);
            }
            assertThat(driver.inFlight()).hasSize(fit);
            assertThat(Inside.of(disk.queue()).backlog()).isEqualTo(6);
            while (!driver.inFlight().isEmpty()) {
                driver.complete(Status.OK);
            }
            assertThat(order).hasSize(fit + 6).isSorted();
        }
    }
}
