package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.IoPriority;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestBatch;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.SoftwareContext;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.driver.TimeoutAction;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.RandomPrograms;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** Elevators that come and go while everything else of two queues that share their tags changes, too, in every order. */
@NoRescues
class ElevatorProgramsTest {
    private static final int THREADS = 4;
    private static final int OPERATIONS_MAX = 36;
    private static final int PROGRAMS = 2_000;
    private static final int SECTORS = 64;
    /** Short, since who polls takes steps all the time; and long against all that the device does, but for what it loses. */
    private static final long TIMEOUT_NANOS = 2_000_000;
    private static final String[] ELEVATORS = {"none", "mq-deadline", "kyber"};
    private static final IoBuffer MEMORY = IoBuffer.allocate(8192);

    /** What a thread can do. */
    private enum Kind {
        SUBMIT(8), PLUG(8), CHAIN(3), DURABLE(3), DISCARD(2), PASS_THROUGH(1), WAIT(3), ELEVATOR(5), NR_REQUESTS(
                3), HARDWARE_QUEUES(2), RESIZE(
                        2), NOMERGES(1), FREEZE(2), FREEZE_ALL(1), QUIESCE(2), STOP(2), KICK(1), TUNE(1), MARK_DEAD(1);

        private final int weight;

        Kind(int weight) {
            this.weight = weight;
        }
    }

    /** One thing that a thread does to one of the queues; the number says how much or how many. */
    private record Step(int thread, int queue, Kind kind, int number) {}

    @AfterAll
    static void giveMemoryBack() {
        MEMORY.close();
    }

    private static List<Step> steps(RandomGenerator random) {
        List<Kind> kinds = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            // A device is gone in one program of a few.
            for (int i = 0; i < kind.weight * 8 && (kind != Kind.MARK_DEAD || i == 0); i++) {
                kinds.add(kind);
            }
        }
        int threads = 1 + random.nextInt(THREADS);
        List<Step> steps = new ArrayList<>();
        for (int left = 8 + random.nextInt(OPERATIONS_MAX - 8); left > 0; left--) {
            steps.add(new Step(random.nextInt(threads), random.nextInt(2), kinds.get(random.nextInt(kinds.size())),
                    1 + random.nextInt(6)));
        }
        return steps;
    }

    // ---- the device

    /** Does all that a driver may, on queues of every kind. */
    private static final class Device implements BlockDriver {
        private final DeterministicRuntime runtime;
        private final SplittableRandom random;
        private final boolean blocks;
        /** What waits to be polled for, by hardware context. */
        private final Map<HardwareContext, Deque<Runnable>> toPoll = new HashMap<>();
        private final Map<Request, Boolean> has = new HashMap<>();
        private final Set<Request> lost = new HashSet<>();
        private final List<String> wrong = new ArrayList<>();

        Device(DeterministicRuntime runtime, boolean blocks) {
            this.runtime = runtime;
            this.blocks = blocks;
            this.random = new SplittableRandom(~runtime.seed());
        }

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            runtime.switchPoint();
            if (blocks && random.nextInt(4) == 0) {
                runtime.sleep(random.nextInt(2_000));
            }
            Status status = switch (random.nextInt(14)) {
                case 0 -> Status.RESOURCE;
                case 1 -> Status.DEV_RESOURCE;
                case 2 -> Status.MEDIUM;
                default -> Status.OK;
            };
            if (status == Status.OK) {
                take(hctx, rq);
                runtime.switchPoint();
            }
            return status;
        }

        @Override
        public int queueRqs(HardwareContext hctx, RequestBatch batch) {
            runtime.switchPoint();
            // Before one is taken: from then on it may be anybody's.
            for (int i = 1; i < batch.size(); i++) {
                if (batch.request(i).softwareContext() != batch.request(0).softwareContext()) {
                    wrong.add("should not have been shown " + batch.request(i) + " with " + batch.request(0));
                }
            }
            int taken = random.nextInt(batch.size() + 1);
            for (int i = 0; i < taken; i++) {
                take(hctx, batch.request(i));
                runtime.switchPoint();
            }
            return taken;
        }

        private void take(HardwareContext hctx, Request rq) {
            if (Inside.of(rq).scheduler != null || has.put(rq, true) != null || !rq.hardwareContext().equals(hctx)) {
                wrong.add("should not have been given " + rq);
            }
            long generation = rq.generation();
            switch (random.nextInt(12)) {
                case 0, 1 -> {
                    RequestQueue queue = rq.queue();
                    if (random.nextBoolean()) {
                        rq.keepPrepared();
                    }
                    has.remove(rq);
                    rq.requeue(random.nextBoolean());
                    queue.delayKickRequeueList(random.nextInt(10_000));
                }
                case 2 -> finish(rq, generation);
                // Its time-out finds it.
                case 3 -> lost.add(rq);
                default -> {
                    if (hctx.isPolled()) {
                        toPoll.computeIfAbsent(hctx, _ -> new ArrayDeque<>()).add(() -> finish(rq, generation));
                    } else {
                        runtime.schedule(random.nextInt(5_000), () -> finish(rq, generation));
                    }
                }
            }
        }

        private void finish(Request rq, long generation) {
            has.remove(rq);
            rq.complete(generation, Status.OK);
        }

        @Override
        public int poll(HardwareContext hctx, SoftwareContext ctx) {
            Deque<Runnable> found = toPoll.getOrDefault(hctx, new ArrayDeque<>());
            int count = found.size();
            for (int i = 0; i < count; i++) {
                Runnable next = found.poll();
                if (next != null) {
                    next.run();
                }
            }
            return count;
        }

        @Override
        public void complete(Request rq) {
            boolean whole = Inside.of(rq).flush != FlushSequence.NONE || Inside.of(rq).flushesForOthers
                    || Inside.of(rq).isPassThrough();
            if (!whole && rq.bytes() > 512 && random.nextInt(4) == 0 && rq.operation().hasData()) {
                boolean more = rq.update(Status.OK, 512);
                assert more;
                RequestQueue queue = rq.queue();
                if (random.nextInt(3) == 0) {
                    rq.keepPrepared();
                }
                rq.requeueCompleted(random.nextBoolean());
                queue.delayKickRequeueList(random.nextInt(10_000));
            } else {
                rq.end(rq.status());
            }
        }

        @Override
        public TimeoutAction timeout(Request rq) {
            runtime.switchPoint();
            if (!lost.remove(rq)) {
                return TimeoutAction.RESET_TIMER;
            }
            finish(rq, rq.generation());
            return TimeoutAction.DONE;
        }
    }

    // ---- the users

    /** Carries steps out, and keeps the books. */
    private static final class Users {
        private final DeterministicRuntime runtime;
        private final TagSet set;
        private final RequestQueue[] queues;
        private final Disk[] disks;
        private final int[] submitted = new int[2];
        private int done;
        private final int[] ended = new int[2];
        private final List<String> wrong = new ArrayList<>();

        Users(DeterministicRuntime runtime, TagSet set, RequestQueue... queues) {
            this.runtime = runtime;
            this.set = set;
            this.queues = queues;
            this.disks = new Disk[]{Disk.of(queues[0], null), Disk.of(queues[1], null)};
        }

        void run(List<Step> steps) {
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < THREADS; i++) {
                int thread = i;
                List<Step> own = steps.stream().filter(step -> step.thread == thread).toList();
                if (!own.isEmpty()) {
                    threads.add(runtime.spawn("user " + i, () -> {
                        for (Step step : own) {
                            carryOut(step, queues[step.queue]);
                        }
                        done++;
                    }));
                }
            }
            runtime.await("all steps are done", () -> {
                poll();
                return done == threads.size();
            });
            await(0);
            await(1);
            for (RequestQueue queue : queues) {
                assertThat(queue.close(Long.MAX_VALUE)).isTrue();
                assertThat(queue.strayCompletions()).isZero();
            }
            assertThat(queues[0].heldTags()).isZero();
            assertThat(wrong).isEmpty();
            assertThat(ended).containsExactly(submitted);
        }

        private void await(int queue) {
            runtime.await("the bios of queue " + queue + " end", () -> {
                poll();
                return ended[queue] >= submitted[queue];
            });
        }

        /** Both queues: what one has may be what the bios of the other wait for. */
        private void poll() {
            for (RequestQueue queue : queues) {
                for (int i = 0; i < queue.contexts(); i++) {
                    queue.poll(queue.context(i));
                }
            }
        }

        private void carryOut(Step step, RequestQueue queue) throws Exception {
            try {
                act(step, queue);
            } catch (IllegalStateException e) {
                if (!queue.isDying()) {
                    throw e;
                }
            }
        }

        private void act(Step step, RequestQueue queue) throws Exception {
            int number = step.number;
            switch (step.kind) {
                case SUBMIT -> {
                    for (int i = 0; i < number; i++) {
                        submit(queue, bio(step, i % 2 == 0 ? Operation.READ : Operation.WRITE, i), null);
                    }
                }
                case PLUG -> plug(step, queue);
                case CHAIN -> submit(queue, chain(step, queue, number), null);
                case DURABLE -> {
                    submit(queue, bio(step, Operation.WRITE, number).flags(number % 2 == 0 ? Bio.FUA : Bio.PREFLUSH),
                            null);
                    submit(queue, bio(step, Operation.FLUSH, 0), null);
                }
                case DISCARD -> {
                    submit(queue, bio(step, Operation.DISCARD, number), null);
                    submit(queue, bio(step, Operation.WRITE_ZEROES, number), null);
                }
                case PASS_THROUGH -> passThrough(queue);
                case WAIT -> await(step.queue);
                case ELEVATOR -> queue.setElevator(ELEVATORS[number % ELEVATORS.length]);
                case NR_REQUESTS -> setNrRequests(queue, 3 + number);
                case HARDWARE_QUEUES -> update(number);
                case RESIZE -> set.resize(1 + number % set.depth());
                case NOMERGES -> queue.setNomerges(number % 3);
                case FREEZE -> {
                    queue.freezeStart();
                    queue.freezeWait(number * 2_000L);
                    queue.unfreeze();
                }
                case FREEZE_ALL -> {
                    set.freeze();
                    set.unfreeze();
                }
                case QUIESCE -> {
                    queue.quiesce();
                    runtime.sleep(number * 500L);
                    queue.unquiesce();
                }
                case STOP -> {
                    HardwareContext hctx = queue.hardwareContext(0);
                    hctx.stop();
                    runtime.sleep(number * 500L);
                    hctx.start();
                }
                case KICK -> queue.kickRequeueList();
                case TUNE -> queue.elevatorAttributes().forEach((name, attribute) -> {
                    if (name.equals("async_depth") || name.equals("writes_starved")) {
                        attribute.set(Integer.toString(number));
                    }
                });
                case MARK_DEAD -> queue.markDead();
            }
        }

        private void setNrRequests(RequestQueue queue, int value) {
            try {
                queue.setNrRequests(value);
            } catch (IllegalArgumentException e) {
                assertThat(e).hasMessageContaining("nrRequests " + value + ": 4 to ");
            }
        }

        private void update(int number) throws IOException {
            if (set.isPolled()) {
                set.updateHardwareQueues(1 + number % 3);
            } else {
                set.updateHardwareQueues(1 + number % 3, number % 2, number / 3 % 2);
            }
        }

        private void passThrough(RequestQueue queue) throws InterruptedException {
            Request rq = queue.allocateRequest(Operation.READ, false);
            try {
                queue.execute(rq);
            } finally {
                queue.free(rq);
            }
        }

        private void plug(Step step, RequestQueue queue) {
            try (Plug plug = disks[step.queue].plug()) {
                for (int i = 0; i < step.number; i++) {
                    submit(queue, bio(step, Operation.WRITE, step.number % 2 == 0 ? i : step.number - i), plug);
                    if (step.number == 6) {
                        // For both queues at once.
                        Step other = new Step(step.thread, 1 - step.queue, step.kind, step.number);
                        submit(queues[other.queue], bio(other, Operation.WRITE, i), plug);
                    }
                }
            }
        }

        private Bio chain(Step step, RequestQueue queue, int length) {
            int index = step.queue;
            return bio(step, Operation.READ, length).onEnd(bio -> {
                Bio next = length > 1 && bio.status() == Status.OK ? chain(step, queue, length - 1) : null;
                ends(index, bio);
                if (next != null) {
                    submit(queue, next, null);
                }
            });
        }

        /** Of one or two blocks, close to others. */
        private Bio bio(Step step, Operation operation, long sector) {
            int index = step.queue;
            int bytes = step.number % 3 == 0 ? 1024 : 512;
            Bio bio = new Bio(1).reset(operation, operation.hasRange() ? sector : 0).onEnd(ended -> ends(index, ended));
            if (step.number == 5) {
                bio.priority(IoPriority.of(IoPriority.IoClass.IDLE, 7));
            } else if (step.number == 4) {
                bio.priority(IoPriority.of(IoPriority.IoClass.REAL_TIME, 0)).flags(Bio.POLLED);
            }
            if (operation.hasData()) {
                bio.add(MEMORY.memory(), 0, bytes);
            } else if (operation.hasRange()) {
                bio.length(bytes);
            }
            return bio;
        }

        private void submit(RequestQueue queue, Bio bio, @Nullable Plug plug) {
            int index = queue.equals(queues[0]) ? 0 : 1;
            submitted[index]++;
            try {
                if (plug == null) {
                    queue.submit(bio);
                } else {
                    plug.submit(disks[index], bio);
                }
            } catch (IllegalStateException e) {
                submitted[index]--;
                if (!queue.isDying()) {
                    throw e;
                }
            }
        }

        private void ends(int index, Bio bio) {
            ended[index]++;
            Status status = bio.status();
            if (status != Status.OK && status != Status.MEDIUM
                    && !(status == Status.NODEV && queues[index].isDying())) {
                wrong.add(bio + " ended with " + status);
            }
            runtime.switchPoint();
        }
    }

    private static void use(DeterministicRuntime runtime, List<Step> steps) throws IOException {
        long rescues = RequestQueue.rescues();
        SplittableRandom random = new SplittableRandom(runtime.seed());
        boolean polled = random.nextInt(5) == 0;
        boolean blocks = !polled && random.nextInt(4) == 0;
        int depth = random.nextInt(3) == 0 ? 1 : 1 + random.nextInt(8);
        Device device = new Device(runtime, blocks);
        QueueLimits limits = QueueLimits.builder().requestBytesMax(2048).segmentBytesMax(1024).anyMemory(true)
                .discardBytesMax(4096).discardRangesMax(3).writeZeroesBytesMax(4096)
                .writeCache(random.nextBoolean(), false).build();
        TagSet.Builder builder = TagSet.builder(device).hardwareQueues(1 + random.nextInt(2)).depth(depth)
                .flag(TagSet.Flag.MERGE).timeoutNanos(TIMEOUT_NANOS).runtime(runtime);
        if (polled) {
            builder.flag(TagSet.Flag.POLLED);
        } else {
            builder.readQueues(random.nextInt(2)).pollQueues(random.nextInt(2));
        }
        if (blocks) {
            builder.flag(TagSet.Flag.BLOCKING);
        }
        if (random.nextInt(3) == 0) {
            builder.flag(TagSet.Flag.HOST_WIDE_TAGS);
        }
        if (random.nextInt(4) == 0) {
            builder.flag(TagSet.Flag.ROUND_ROBIN);
        }
        try (TagSet set = builder.build()) {
            RequestQueue a = set.newQueue("q0", limits, SECTORS, null);
            RequestQueue b = set.newQueue("q1", limits, SECTORS, null);
            a.setElevator(ELEVATORS[random.nextInt(3)]);
            b.setElevator(ELEVATORS[random.nextInt(3)]);
            new Users(runtime, set, a, b).run(steps);
        }
        assertThat(device.wrong).isEmpty();
        assertThat(device.has).isEmpty();
        // Here, so that the program is made shorter.
        assertThat(RequestQueue.rescues() - rescues).as("calls that were lost, and that a timer made up for").isZero();
    }

    @Test
    void everyBioEndsOnceWhateverBecomesOfTheQueue() {
        RandomPrograms.Tally tally = new RandomPrograms<Step>(RandomSeed.replay(ElevatorProgramsTest.class),
                RandomSeed.next(ElevatorProgramsTest.class), ElevatorProgramsTest::steps, ElevatorProgramsTest::use)
                .programs(PROGRAMS).check();
        System.out.println("ElevatorProgramsTest: " + tally);
    }
}
