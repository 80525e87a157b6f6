package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.HeldTags;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.CompletionAffinity;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.NumberProperty;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * Everything at once, on real threads, with a driver that does whatever it may. A round is a device of some shape and four threads that do
 * so many things with it; at its end every bio has ended exactly once, every tag is free, and all that was made has been undone.
 *
 * <p>So many rounds by default, and one if its seed is given; {@code -Dblkmq.soak.seconds=N} goes on for that long instead. The seed
 * decides the shapes and what each thread does, but not who comes first.
 */
@NoRescues
class SoakTest {
    private static final String SECONDS = "blkmq.soak.seconds";
    private static final int ROUNDS = 10;
    private static final int THREADS = 4;
    private static final int STEPS = 150;
    private static final int BIOS = 6;
    private static final long CAPACITY_SECTORS = 1 << 12;
    /** Ticks are a millisecond then, the shortest that there is. */
    private static final long TIMEOUT_NANOS = TimeUnit.MILLISECONDS.toNanos(16);

    @Test
    @DisplayName("every bio ends exactly once and every tag comes back, whatever users, driver and changes do at once")
    void soak() throws Exception {
        long seed = RandomSeed.of(SoakTest.class);
        Long seconds = NumberProperty.of(SECONDS);
        long begin = System.nanoTime();
        int rounds = RandomSeed.isGiven() ? 1 : ROUNDS;
        for (int round = 0; seconds == null
                ? round < rounds
                : System.nanoTime() - begin < TimeUnit.SECONDS.toNanos(seconds); round++) {
            Round now = new Round(seed + round);
            try {
                now.run();
            } catch (Throwable t) {
                throw new AssertionError("round " + round + ", replay with: "
                        + RandomSeed.replay(SoakTest.class, seed + round) + " -D" + SECONDS + "=60\n" + now.describe(),
                        t);
            }
        }
    }

    /** One device set, its users, and the books. */
    private static final class Round {
        private final long seed;
        private final ChaosDriver driver;
        private final TagSet set;
        private final List<Disk> disks = new ArrayList<>();
        private final Queue<Slot> slots = new ConcurrentLinkedQueue<>();
        private final Queue<String> violations = new ConcurrentLinkedQueue<>();

        Round(long seed) throws IOException {
            this.seed = seed;
            this.driver = new ChaosDriver(seed);
            SplittableRandom random = new SplittableRandom(seed);
            int depth = 2 + random.nextInt(20);
            TagSet.Builder shape = TagSet.builder(driver).depth(depth).reservedTags(random.nextInt(2))
                    .hardwareQueues(1 + random.nextInt(3)).readQueues(random.nextInt(2)).pollQueues(random.nextInt(2))
                    .pduBytes(16).timeoutNanos(TIMEOUT_NANOS).completionAffinity(
                            List.of(CompletionAffinity.ANY, CompletionAffinity.GROUP, CompletionAffinity.EXACT)
                                    .get(random.nextInt(3)));
            for (TagSet.Flag flag : List.of(TagSet.Flag.BLOCKING, TagSet.Flag.HOST_WIDE_TAGS,
                    TagSet.Flag.ROUND_ROBIN)) {
                if (random.nextInt(3) == 0) {
                    shape.flag(flag);
                }
            }
            this.set = shape.build();
            QueueLimits limits = QueueLimits.builder().anyMemory(true).requestBytesMax(4096).discardBytesMax(4096)
                    .writeCache(random.nextBoolean(), false).build();
            for (int i = 0, count = 1 + random.nextInt(2); i < count; i++) {
                disks.add(Disk.of(set.newQueue("soak" + i, limits, CAPACITY_SECTORS, null), null));
            }
        }

        String describe() {
            StringBuilder text = new StringBuilder("seed " + seed + ", depth " + set.resizedDepth() + " of "
                    + set.depth() + ", " + set.hardwareQueues() + " hardware queues, host-wide " + set.isHostWide()
                    + ", blocking " + set.isBlocking() + ", affinity " + set.completionAffinity() + '\n');
            disks.forEach(disk -> text.append(disk.queue().dump()));
            slots.stream().filter(slot -> !slot.isIdle()).forEach(slot -> text.append(slot.bio).append('\n'));
            return text.toString();
        }

        void run() {
            driver.setCalm(false);
            AtomicBoolean over = new AtomicBoolean();
            Eventually.Worker<Boolean> device = Eventually.start(() -> {
                while (!over.get()) {
                    driver.serve(8);
                    Eventually.letOthersRun();
                }
            });
            Eventually.together(THREADS, false, number -> new User(this, seed * 31 + number).run());
            driver.setCalm(true);
            Eventually.until("every bio has ended", () -> {
                // A polled context is served by who polls it, and its users have gone.
                disks.forEach(disk -> {
                    disk.queue().kickRequeueList();
                    disk.poll();
                });
                return slots.stream().allMatch(Slot::isIdle);
            });
            disks.forEach(HeldTags::awaitNone);
            over.set(true);
            device.join();
            slots.forEach(slot -> slot.buffer.close());
            assertThat(violations).isEmpty();
            assertThat(driver.violations()).isEmpty();
            for (Disk disk : disks) {
                assertThat(disk.queue().close(TimeUnit.MINUTES.toNanos(5))).isTrue();
            }
            set.close();
            assertThat(driver.contexts()).isZero();
            assertThat(driver.requests()).isZero();
        }
    }

    /** A bio, its memory, and how often it went and came. */
    private static final class Slot implements BioCompletion {
        final Bio bio = new Bio(2);
        final IoBuffer buffer = IoBuffer.allocate(8192);
        final AtomicLong submits = new AtomicLong();
        final AtomicLong ends = new AtomicLong();
        private final Queue<String> violations;
        /** How often it submits itself again when it has ended, and where. Of whoever has the bio. */
        private int again;
        private final Disk disk;

        Slot(Round round, Disk disk) {
            this.violations = round.violations;
            this.disk = disk;
            round.slots.add(this);
        }

        boolean isIdle() {
            // In this order: an end that submits again counts that first.
            long ended = ends.get();
            return submits.get() == ended;
        }

        @Override
        public void ended(Bio told) {
            boolean more = again > 0;
            if (more) {
                again--;
                submits.incrementAndGet();
            }
            if (ends.incrementAndGet() > submits.get() - (more ? 1 : 0)) {
                violations.add("ended more often than submitted: " + told);
            }
            if (more) {
                disk.submit(bio);
            }
        }

        /** Fills the bio. Its owner's thread, while it is idle. */
        Slot fill(SplittableRandom random) {
            long sector = random.nextLong(CAPACITY_SECTORS - 16);
            int flags = random.nextInt(4) == 0 ? Bio.NOWAIT : 0;
            again = random.nextInt(5) == 0 ? random.nextInt(4) : 0;
            switch (random.nextInt(10)) {
                case 0 -> bio.reset(Operation.FLUSH, 0);
                case 1 -> {
                    bio.reset(Operation.WRITE, sector).add(buffer.memory(), 0, 1024);
                    flags |= random.nextBoolean() ? Bio.FUA : Bio.PREFLUSH | Bio.FUA;
                }
                case 2 -> bio.reset(Operation.DISCARD, sector).length(8192);
                case 3 -> {
                    bio.reset(Operation.READ, sector).add(buffer.memory(), 0, 512);
                    flags |= Bio.POLLED;
                }
                case 4 ->
                    bio.reset(Operation.WRITE, sector).add(buffer.memory(), 0, 2048).add(buffer.memory(), 4096, 4096);
                default -> bio.reset(Operation.READ, sector).add(buffer.memory(), 0, 512 << random.nextInt(4));
            }
            bio.flags(flags).onEnd(this);
            submits.incrementAndGet();
            return this;
        }
    }

    /** One of the threads. */
    private static final class User {
        private final Round round;
        private final SplittableRandom random;
        private final List<Slot> slots = new ArrayList<>();
        private final List<Plug> plugs = new ArrayList<>();

        User(Round round, long seed) {
            this.round = round;
            this.random = new SplittableRandom(seed);
            for (Disk disk : round.disks) {
                plugs.add(disk.plug(random.nextInt(disk.contexts())));
                for (int i = 0; i < BIOS; i++) {
                    slots.add(new Slot(round, disk));
                }
            }
        }

        void run() throws Exception {
            for (int step = 0; step < STEPS; step++) {
                int at = random.nextInt(round.disks.size());
                Disk disk = round.disks.get(at);
                step(disk, plugs.get(at), random.nextInt(100));
                disk.poll();
            }
        }

        private void step(Disk disk, Plug plug, int what) throws Exception {
            RequestQueue queue = disk.queue();
            if (what < 40) {
                idle(disk).forEach(slot -> disk.submit(slot.fill(random).bio));
            } else if (what < 70) {
                idle(disk).forEach(slot -> plug.submit(slot.fill(random).bio));
                plug.flush();
            } else if (what < 76) {
                block(disk);
            } else if (what < 82) {
                passThrough(queue, what % 2 == 0);
            } else if (what < 86) {
                disk.freeze();
                disk.unfreeze();
            } else if (what < 88) {
                queue.quiesce();
                nowait(disk);
                queue.unquiesce();
            } else if (what < 90) {
                HardwareContext hctx = queue.contextOfCurrentThread().hardwareContext();
                hctx.stop();
                nowait(disk);
                hctx.start();
            } else if (what < 93) {
                round.set.resize(
                        round.set.reservedTags() + 1 + random.nextInt(round.set.depth() - round.set.reservedTags()));
            } else if (what < 96) {
                update();
            } else if (what < 98) {
                queue.busyIter(rq -> {
                    assertThat(rq.queue()).isEqualTo(queue);
                    return true;
                });
                assertThat(queue.dump()).contains("sectors");
            } else {
                queue.kickRequeueList();
                Eventually.letOthersRun();
            }
        }

        /** Those of this thread's bios that are idle, or some of them. */
        private List<Slot> idle(Disk disk) {
            return slots.stream().filter(slot -> slot.disk.equals(disk) && slot.isIdle() && random.nextInt(3) != 0)
                    .toList();
        }

        /** What would wait for this thread's own hold is not submitted. */
        private void nowait(Disk disk) {
            for (Slot slot : idle(disk)) {
                slot.fill(random);
                slot.again = 0;
                disk.submit(slot.bio.flags(slot.bio.flags() | Bio.NOWAIT));
            }
        }

        private void block(Disk disk) {
            try (IoBuffer buffer = disk.allocate(512)) {
                if (random.nextInt(3) == 0) {
                    disk.flush();
                } else {
                    disk.read(0, buffer.memory());
                }
            } catch (BlockIOException e) {
                // The driver has failed it, or let its time run out.
                assertThat(e.status().errno()).isPositive();
            }
        }

        private void passThrough(RequestQueue queue, boolean waits) throws InterruptedException {
            boolean reserved = queue.tagSet().reservedTags() > 0 && random.nextBoolean();
            Request rq = waits
                    ? queue.allocateRequest(Operation.FLUSH, reserved)
                    : queue.tryAllocateRequest(Operation.READ, reserved);
            if (rq == null) {
                return;
            }
            if (random.nextBoolean()) {
                assertThat(queue.execute(rq)).isNotNull();
                queue.free(rq);
            } else {
                queue.execute(rq, queue::free);
            }
        }

        private void update() {
            int before = round.set.hardwareQueues();
            try {
                round.set.updateHardwareQueues(1 + random.nextInt(3), random.nextInt(2), random.nextInt(2));
            } catch (IOException e) {
                assertThat(e).hasMessageContaining("stay as they are").hasStackTraceContaining("by chance");
                assertThat(before).isPositive();
            }
        }
    }
}
