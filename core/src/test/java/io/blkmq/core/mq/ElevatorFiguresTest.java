package io.blkmq.core.mq;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.Status;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.sim.SimulationOptions;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/**
 * What elevators are for, in figures of virtual time: the tables of docs/guide/elevators.md. The seed is always the same, and so are the
 * figures.
 */
@NoRescues
class ElevatorFiguresTest {
    private static final long SEED = 4;
    /** As many as the kernel gives a disk of depth 128. */
    private static final int REQUESTS = 256;
    private static final long CAPACITY_SECTORS = 1L << 31;
    private static final long SECOND = 1_000_000_000;
    private static final IoBuffer MEMORY = IoBuffer.allocate(64 << 10);

    @AfterAll
    static void giveMemoryBack() {
        MEMORY.close();
    }

    /** Says how long a request takes once the one before it is done. */
    @FunctionalInterface
    private interface ServiceTime {
        long nanos(Request rq, long headSector);
    }

    /** A device that does one request after the other, in the order in which it is given them. */
    private static final class Device implements BlockDriver {
        private final DeterministicRuntime runtime;
        private final ServiceTime service;
        private long freeAtNanos;
        private long headSector;
        /** What it was given, in order: one letter each. */
        private final StringBuilder given = new StringBuilder();

        Device(DeterministicRuntime runtime, ServiceTime service) {
            this.runtime = runtime;
            this.service = service;
        }

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            long now = runtime.nanoTime();
            freeAtNanos = Math.max(now, freeAtNanos) + service.nanos(rq, headSector);
            headSector = rq.sector() + rq.bytes() / QueueLimits.SECTOR_BYTES;
            given.append(rq.operation() == Operation.READ ? 'R' : 'W');
            long generation = rq.generation();
            runtime.schedule(freeAtNanos - now, () -> rq.complete(generation, Status.OK));
            return Status.OK;
        }
    }

    /** Keeps I/Os of one kind in flight, and notes how long each took. */
    private static final class User {
        private final DeterministicRuntime runtime;
        private final RequestQueue queue;
        private final Operation operation;
        private final int bytes;
        private final LongSupplier nextSector;
        private final List<Long> latencies = new ArrayList<>();
        private int outstanding;
        private long countedSinceNanos;
        private boolean stopped;

        User(DeterministicRuntime runtime, RequestQueue queue, Operation operation, int bytes,
                LongSupplier nextSector) {
            this.runtime = runtime;
            this.queue = queue;
            this.operation = operation;
            this.bytes = bytes;
            this.nextSector = nextSector;
        }

        /** So many in flight all the time: each end submits the next. */
        User flood(int depth) {
            for (int i = 0; i < depth; i++) {
                submitNext();
            }
            return this;
        }

        private void submitNext() {
            if (!stopped) {
                submit(this::submitNext);
            }
        }

        /** Threads that submit one, wait for it, think, and go on. */
        User threads(int count, long thinkNanos) {
            for (int i = 0; i < count; i++) {
                runtime.spawn(operation + " user", () -> {
                    while (!stopped) {
                        boolean[] ended = {false};
                        submit(() -> ended[0] = true);
                        runtime.await("it ends", () -> ended[0]);
                        runtime.sleep(thinkNanos);
                    }
                });
            }
            return this;
        }

        private void submit(Runnable then) {
            outstanding++;
            long begin = runtime.nanoTime();
            queue.submit(new Bio(1).reset(operation, nextSector.getAsLong()).flags(Bio.NOMERGE)
                    .add(MEMORY.memory(), 0, bytes).onEnd(_ -> {
                        outstanding--;
                        if (begin >= countedSinceNanos) {
                            latencies.add(runtime.nanoTime() - begin);
                        }
                        then.run();
                    }));
        }

        void countFromNow() {
            countedSinceNanos = runtime.nanoTime();
            latencies.clear();
        }

        long percentile(double share) {
            List<Long> sorted = new ArrayList<>(latencies);
            Collections.sort(sorted);
            return sorted.get((int) Math.min(sorted.size() - 1L, Math.round(sorted.size() * share)));
        }

        long longest() {
            return Collections.max(latencies);
        }
    }

    /** What is done on the device, and what is to be seen of it. */
    @FunctionalInterface
    private interface Scene {
        void run(DeterministicRuntime runtime, RequestQueue queue, Device device) throws Exception;
    }

    private static void run(int depth, ServiceTime service, String elevator, Map<String, String> settings,
            Scene scene) {
        SimulationOptions options = SimulationOptions.DEFAULT.withStepNanosMax(10).withStepsMax(Long.MAX_VALUE / 2)
                .withReplay("bin/test core ElevatorFiguresTest");
        var _ = DeterministicRuntime.run(SEED, options, runtime -> {
            Device device = new Device(runtime, service);
            try (TagSet set = TagSet.builder(device).depth(depth).flag(TagSet.Flag.MERGE).runtime(runtime).build()) {
                RequestQueue queue = newQueue(set);
                queue.setElevator(elevator);
                if (!elevator.equals("none")) {
                    queue.setNrRequests(REQUESTS);
                }
                settings.forEach(
                        (name, value) -> Objects.requireNonNull(queue.elevatorAttributes().get(name)).set(value));
                scene.run(runtime, queue, device);
                queue.close();
            }
        });
    }

    private static RequestQueue newQueue(TagSet set) throws IOException {
        return set.newQueue("drive", QueueLimits.builder().anyMemory(true).build(), CAPACITY_SECTORS, null);
    }

    private static void letRun(DeterministicRuntime runtime, long nanos, User... users) {
        runtime.sleep(nanos);
        for (User user : users) {
            user.stopped = true;
        }
        runtime.await("all has ended", () -> {
            int left = 0;
            for (User user : users) {
                left += user.outstanding;
            }
            return left == 0;
        });
    }

    private static String named(String elevator, Map<String, String> settings) {
        StringBuilder text = new StringBuilder(elevator);
        new TreeMap<>(settings).forEach((name, value) -> text.append(", ").append(name).append(' ').append(value));
        return text.toString();
    }

    private static String millis(long nanos) {
        return String.format(Locale.ROOT, "%.1f", nanos / 1e6);
    }

    /** A disk: 0.5 ms for a seek to the next track, 12 ms across all, 0.1 ms to pass over 16 KiB. */
    private static long diskTime(Request rq, long head) {
        long distance = Math.abs(rq.sector() - head);
        long seek = distance == 0 ? 0 : 500_000 + (long) (11_500_000.0 * distance / CAPACITY_SECTORS);
        return seek + rq.bytes() * 100_000 / 16_384;
    }

    // ---- mq-deadline: expiries

    private long[] readBehindAStream(String elevator, Map<String, String> settings) {
        long[] figures = new long[2];
        run(4, ElevatorFiguresTest::diskTime, elevator, settings, (runtime, queue, device) -> {
            SplittableRandom random = new SplittableRandom(SEED);
            long[] next = {CAPACITY_SECTORS / 2};
            User stream = new User(runtime, queue, Operation.READ, 64 << 10, () -> (next[0] += 128) - 128).flood(32);
            User behind = new User(runtime, queue, Operation.READ, 4096,
                    () -> random.nextLong(CAPACITY_SECTORS / 2 / 8 - 8) * 8).threads(1, 20_000_000);
            letRun(runtime, 20 * SECOND, stream, behind);
            figures[0] = behind.longest();
            figures[1] = stream.latencies.size() * 64L / 1024 / 20;
            System.out.printf("| %s | %d | %s | %s | %d |%n", named(elevator, settings), behind.latencies.size(),
                    millis(behind.percentile(0.5)), millis(behind.longest()), figures[1]);
        });
        return figures;
    }

    @Test
    void mqDeadlineServesAReadSoonAfterItsExpiryWhateverElseWaits() {
        System.out.println("| elevator | reads behind | median ms | longest ms | stream MiB/s |");
        System.out.println("| --- | --- | --- | --- | --- |");
        long[] none = readBehindAStream("none", Map.of());
        long[] endless = readBehindAStream("mq-deadline", Map.of("read_expire", "3600000"));
        long[] byDefault = readBehindAStream("mq-deadline", Map.of());
        long[] tight = readBehindAStream("mq-deadline", Map.of("read_expire", "50"));
        // After its expiry it waits for the batch under way, for what the device has, and for itself.
        long longestAfter = (16 + 4 + 1) * 13_000_000L;
        assertThat(byDefault[0]).isBetween(TimeUnit.MILLISECONDS.toNanos(100),
                TimeUnit.MILLISECONDS.toNanos(500) + longestAfter);
        assertThat(tight[0]).isLessThan(TimeUnit.MILLISECONDS.toNanos(50) + longestAfter);
        assertThat(endless[0]).as("without an expiry it waits until the stream ends")
                .isGreaterThan(TimeUnit.SECONDS.toNanos(15));
        assertThat(byDefault[1]).as("the stream goes faster than without an elevator").isGreaterThan(none[1]);
    }

    // ---- mq-deadline: starved writes

    /** The longest run of reads, in batches, and the share of writes. */
    private double[] readsAndWrites(String elevator, Map<String, String> settings) {
        double[] figures = new double[2];
        run(4, ElevatorFiguresTest::diskTime, elevator, settings, (runtime, queue, device) -> {
            SplittableRandom random = new SplittableRandom(SEED);
            LongSupplier anywhere = () -> random.nextLong(CAPACITY_SECTORS / 8 - 8) * 8;
            User reads = new User(runtime, queue, Operation.READ, 4096, anywhere).flood(64);
            User writes = new User(runtime, queue, Operation.WRITE, 4096, anywhere).flood(64);
            runtime.sleep(SECOND);
            device.given.setLength(0);
            reads.countFromNow();
            writes.countFromNow();
            runtime.sleep(10 * SECOND);
            int longest = 0;
            int run = 0;
            for (int i = 0; i < device.given.length(); i++) {
                run = device.given.charAt(i) == 'R' ? run + 1 : 0;
                longest = Math.max(longest, run);
            }
            int readCount = reads.latencies.size();
            int writeCount = writes.latencies.size();
            letRun(runtime, 0, reads, writes);
            figures[0] = longest / 16.0;
            figures[1] = (double) writeCount / (readCount + writeCount);
            System.out.printf(Locale.ROOT, "| %s | %.1f | %.1f | %d | %s | %s |%n", named(elevator, settings),
                    readCount / 10.0, writeCount / 10.0, longest, millis(reads.percentile(0.5)),
                    millis(writes.percentile(0.5)));
        });
        return figures;
    }

    @Test
    void mqDeadlineStarvesWritesForSoManyBatchesAndNoMore() {
        System.out
                .println("| elevator | reads/s | writes/s | longest run of reads | median read ms | median write ms |");
        System.out.println("| --- | --- | --- | --- | --- | --- |");
        double[] none = readsAndWrites("none", Map.of());
        for (int starved : new int[]{1, 2, 8}) {
            double[] figures = readsAndWrites("mq-deadline", Map.of("writes_starved", Integer.toString(starved)));
            assertThat(figures[0]).as("batches of reads in a row").isBetween(starved - 0.5, (double) starved);
            assertThat(figures[1]).isBetween(0.8 / (starved + 1), 1.2 / (starved + 1));
        }
        assertThat(none[1]).isBetween(0.4, 0.6);
    }

    // ---- kyber

    /** A flash drive whose writes take longer than its reads, and stand in their way. */
    private static long flashTime(Request rq, long head) {
        return rq.operation() == Operation.READ ? 80_000 : 150_000;
    }

    /** The 99th percentile of reads in nanoseconds, and writes a second. */
    private long[] readsUnderWrites(int writesInFlight, String elevator, Map<String, String> settings) {
        long[] figures = new long[2];
        run(128, ElevatorFiguresTest::flashTime, elevator, settings, (runtime, queue, device) -> {
            SplittableRandom random = new SplittableRandom(SEED);
            LongSupplier anywhere = () -> random.nextLong(CAPACITY_SECTORS / 8 - 8) * 8;
            User writes = new User(runtime, queue, Operation.WRITE, 4096, anywhere).flood(writesInFlight);
            User reads = new User(runtime, queue, Operation.READ, 4096, anywhere).threads(4, 500_000);
            // Kyber looks at latencies every 100 ms in which there is enough to see.
            runtime.sleep(10 * SECOND);
            reads.countFromNow();
            writes.countFromNow();
            letRun(runtime, 2 * SECOND, reads, writes);
            figures[0] = reads.percentile(0.99);
            figures[1] = writes.latencies.size() / 2;
            System.out.printf("| %d | %s | %s | %s | %d | %s |%n", writesInFlight, named(elevator, settings),
                    millis(reads.percentile(0.5)), millis(figures[0]), figures[1], millis(writes.percentile(0.99)));
        });
        return figures;
    }

    @Test
    void kyberBringsReadLatencyToItsTargetUnderAFloodOfWrites() {
        System.out.println("| writes in flight | elevator | median read ms | p99 read ms | writes/s | p99 write ms |");
        System.out.println("| --- | --- | --- | --- | --- | --- |");
        long[] none = readsUnderWrites(32, "none", Map.of());
        readsUnderWrites(32, "mq-deadline", Map.of());
        long[] kyber = readsUnderWrites(32, "kyber", Map.of());
        long[] tight = readsUnderWrites(32, "kyber", Map.of("read_lat_nsec", "1000000"));
        readsUnderWrites(120, "none", Map.of());
        long[] bothLate = readsUnderWrites(120, "kyber", Map.of());
        long[] patient = readsUnderWrites(120, "kyber", Map.of("write_lat_nsec", "100000000"));
        assertThat(none[0]).isGreaterThan(4_500_000);
        assertThat(kyber[0]).isLessThan(2_000_000);
        assertThat(tight[0]).isLessThan(1_000_000);
        assertThat(kyber[1]).as("writes go on").isGreaterThan(none[1] * 8 / 10);
        assertThat(bothLate[0]).as("writes that miss their own target are not held back").isGreaterThan(10_000_000);
        assertThat(patient[0]).isLessThan(2_000_000);
    }
}
