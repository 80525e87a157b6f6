package io.blkmq.core.blktests;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.BioCompletion;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Threads that keep a disk busy, and the books on it: every bio that was taken has to end exactly once. The work of a thread may be run
 * on any kind of thread. A disk that is closed or gone ends the load.
 */
final class Load {
    private static final int BIOS_A_THREAD = 8;

    private final Disk disk;
    private final long seed;
    private final int extraFlags;
    private final AtomicLong numbers = new AtomicLong();
    private final AtomicLong ended = new AtomicLong();
    private final Map<Status, AtomicLong> byStatus = new EnumMap<>(Status.class);
    private final Queue<String> violations = new ConcurrentLinkedQueue<>();
    private final Queue<Slot> slots = new ConcurrentLinkedQueue<>();
    private final List<Eventually.Worker<Boolean>> workers = new ArrayList<>();
    private volatile boolean stopped;

    Load(Disk disk, long seed) {
        this(disk, seed, 0);
    }

    /** With flags of every bio. */
    Load(Disk disk, long seed, int extraFlags) {
        this.disk = disk;
        this.seed = seed;
        this.extraFlags = extraFlags;
        for (Status status : Status.values()) {
            byStatus.put(status, new AtomicLong());
        }
    }

    private AtomicLong books(Status status) {
        return Objects.requireNonNull(byStatus.get(status));
    }

    /** A bio that is used again and again, and how often. */
    private final class Slot implements BioCompletion {
        final Bio bio = new Bio(1);
        /** Written by the submitting thread alone. */
        volatile long submits;
        final AtomicLong ends = new AtomicLong();

        @Override
        public void ended(Bio told) {
            if (ends.incrementAndGet() > submits) {
                violations.add("ended more often than submitted: " + told);
            }
            books(told.status()).incrementAndGet();
            ended.incrementAndGet();
        }

        boolean isIdle() {
            return ends.get() == submits;
        }
    }

    // ---- real threads

    /** Starts threads that go on until {@link #stop}. */
    Load start(int threads) {
        for (int i = 0; i < threads; i++) {
            workers.add(Eventually.start(() -> work(Long.MAX_VALUE)));
        }
        return this;
    }

    /** Waits until so much more has ended. */
    Load awaitProgress(int more) {
        long target = ended.get() + more;
        Eventually.until(more + " more bios have ended, " + ended + " so far on " + disk, () -> {
            pollAll();
            return ended.get() >= target;
        });
        return this;
    }

    /** Ends the threads, waits for what is in flight, and checks the books. */
    void stop() {
        stopped = true;
        workers.forEach(Eventually.Worker::join);
        Eventually.until("every bio has ended: " + disk.queue().dump(), () -> {
            pollAll();
            return allIdle();
        });
        check();
    }

    // ---- on any thread

    /** Submits so many bios in one way or another, and lets others run in between. */
    void work(long bios) {
        SplittableRandom random = new SplittableRandom(seed + numbers.getAndIncrement());
        try (IoBuffer buffer = disk.allocate(4096)) {
            List<Slot> own = new ArrayList<>();
            for (int i = 0; i < BIOS_A_THREAD; i++) {
                own.add(new Slot());
            }
            slots.addAll(own);
            int context = random.nextInt(disk.contexts());
            Plug plug = disk.plug(context);
            long done = 0;
            while (done < bios && !stopped && !disk.queue().isDying()) {
                done += submitSome(own, buffer, random, plug, context);
                pollAll();
                pause();
            }
            plug.flush();
            // The buffer goes back to the pool only when the device has done with it.
            while (!own.stream().allMatch(Slot::isIdle)) {
                pollAll();
                pause();
            }
        }
    }

    private int submitSome(List<Slot> own, IoBuffer buffer, SplittableRandom random, Plug plug, int context) {
        int way = random.nextInt(4);
        int count = 0;
        for (Slot slot : own) {
            if (slot.isIdle() && random.nextInt(3) != 0) {
                slot.bio.reset(random.nextInt(4) == 0 && !disk.limits().isReadOnly() ? Operation.WRITE : Operation.READ,
                        random.nextLong(disk.sizeBytes() / 4096) * 8).add(buffer.memory())
                        .flags(extraFlags | (random.nextInt(4) == 0 ? Bio.NOWAIT : 0)).onEnd(slot);
                submit(slot, way, plug, context);
                count++;
            }
        }
        plug.flush();
        return count;
    }

    @SuppressWarnings("NonAtomicVolatileUpdate") // one thread writes it
    private void submit(Slot slot, int way, Plug plug, int context) {
        slot.submits++;
        try {
            switch (way) {
                case 0 -> disk.submit(slot.bio);
                case 1 -> disk.submit(slot.bio, context);
                default -> plug.submit(slot.bio);
            }
        } catch (IllegalStateException e) {
            if (!disk.queue().isDying()) {
                throw e;
            }
            slot.submits--;
        }
    }

    private void pause() {
        disk.queue().tagSet().runtime().spinWait();
        Eventually.letOthersRun();
    }

    private void pollAll() {
        if (disk.queue().isPolled()) {
            for (int context = 0; context < disk.contexts(); context++) {
                disk.poll(context);
            }
        }
    }

    boolean allIdle() {
        return slots.stream().allMatch(Slot::isIdle);
    }

    void check() {
        assertThat(violations).isEmpty();
        assertThat(allIdle()).isTrue();
    }

    long ended() {
        return ended.get();
    }

    long ended(Status status) {
        return books(status).get();
    }

    /** Nothing ended in any other way, but for those that would not wait. */
    void assertOnly(Status... expected) {
        long known = ended(Status.AGAIN);
        for (Status status : expected) {
            known += ended(status);
        }
        assertThat(known).as("by status " + byStatus).isEqualTo(ended());
    }
}
