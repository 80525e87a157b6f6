package io.blkmq.rbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.CompletionMode;
import io.blkmq.aio.Errno;
import io.blkmq.aio.Kiocb;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Status;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NumberProperty;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.jspecify.annotations.Nullable;

/** A cluster whose daemons are killed and come back, whose monitor is away, whose pool is full, whose clients die. It has a cluster of its own. */
@Timeout(value = 600, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@BesideOthers
@ResourceLock(RbdFaultsTest.CLUSTER)
class RbdFaultsTest {
    /** One fault at a time. */
    static final String CLUSTER = "the cluster that has faults";

    /** How often the OSD is killed under load. */
    private static final int KILLS = NumberProperty.of("blkmq.rbd.kills", 1);
    private static final int MEBIBYTE = 1 << 20;
    private static final int BLOCK = 4096;
    private static final int TRIES = 100;

    private static @Nullable SmallCluster own;

    private final SmallCluster cluster = Objects.requireNonNull(own);

    @BeforeAll
    static void start() throws IOException {
        SmallCluster.requireInstalled();
        own = SmallCluster.start(Path.of("target", "ceph-faults"));
    }

    @AfterAll
    static void stop() {
        if (own != null) {
            own.close();
        }
    }

    private Path image(String name, String... keys) throws IOException {
        return Path.of(cluster.address(cluster.create(name, 8 * MEBIBYTE), keys));
    }

    /**
     * Writes blocks that say where and when they were written, and flushes now and then. After each kill all is read back: a block holds what was written there
     * before the last flush that was acknowledged, or something later.
     */
    private static final class Load {
        private static final int BLOCKS = 8 * MEBIBYTE / BLOCK;
        /** How many writes are in flight, each on a block of its own. */
        private static final int DEPTH = 8;

        private final Disk disk;
        private final Random random;
        /** The last write of each block that was begun, and the last that a flush has made durable. The loading thread's, until it has ended. */
        private final long[] begun = new long[BLOCKS];
        private final long[] durable = new long[BLOCKS];
        private final long[] acknowledged = new long[BLOCKS];
        private final AtomicBoolean stop = new AtomicBoolean();
        private final AtomicLong rounds = new AtomicLong();
        private final AtomicLong longestNanos = new AtomicLong();
        private long written;

        Load(Disk disk, long seed) {
            this.disk = disk;
            random = new Random(seed);
        }

        void run() throws IOException {
            try (Arena arena = Arena.ofShared()) {
                MemorySegment memory = arena.allocate((long) DEPTH * BLOCK, BLOCK);
                while (!stop.get()) {
                    long before = System.nanoTime();
                    round(memory);
                    longestNanos.accumulateAndGet(System.nanoTime() - before, Math::max);
                    rounds.incrementAndGet();
                }
                check(memory);
            }
        }

        private void round(MemorySegment memory) throws IOException {
            int first = random.nextInt(BLOCKS / DEPTH);
            CompletableFuture<?>[] ends = new CompletableFuture<?>[DEPTH];
            for (int i = 0; i < DEPTH; i++) {
                int block = first + i * (BLOCKS / DEPTH);
                begun[block] = ++written;
                MemorySegment part = memory.asSlice((long) i * BLOCK, BLOCK);
                part.fill((byte) written);
                part.set(ValueLayout.JAVA_LONG, 0, block);
                part.set(ValueLayout.JAVA_LONG, 8, written);
                ends[i] = disk.async().write((long) block * BLOCK, part);
            }
            CompletableFuture.allOf(ends).join();
            for (int i = 0; i < DEPTH; i++) {
                int block = first + i * (BLOCKS / DEPTH);
                acknowledged[block] = begun[block];
            }
            if (random.nextInt(4) == 0) {
                disk.flush();
                System.arraycopy(acknowledged, 0, durable, 0, BLOCKS);
            }
        }

        private void check(MemorySegment memory) throws IOException {
            MemorySegment one = memory.asSlice(0, BLOCK);
            for (int block = 0; block < BLOCKS; block++) {
                disk.read((long) block * BLOCK, one);
                long number = one.get(ValueLayout.JAVA_LONG, 8);
                if (number < durable[block] || number > begun[block]) {
                    throw new AssertionError("block " + block + " holds write " + number + ": the last flushed is "
                            + durable[block] + ", the last begun " + begun[block]);
                }
                if (number != 0 && (one.get(ValueLayout.JAVA_LONG, 0) != block
                        || one.get(ValueLayout.JAVA_BYTE, BLOCK - 1) != (byte) number)) {
                    throw new AssertionError("block " + block + " is torn: write " + number);
                }
            }
        }
    }

    @Test
    void anOsdThatIsKilledAndComesBackLosesNothingThatWasFlushedAndEveryStallEnds() throws Exception {
        long seed = RandomSeed.of(RbdFaultsTest.class);
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image("killed")).build())) {
            Load load = new Load(device.disk(), seed);
            long longest = 0;
            for (int kill = 0; kill < KILLS; kill++) {
                long before = load.rounds.get();
                load.stop.set(false);
                load.longestNanos.set(0);
                try (var worker = new Running(load)) {
                    Eventually.until("the load runs", () -> load.rounds.get() > before + 20 || worker.hasEnded());
                    cluster.daemons("kill-osd");
                    cluster.daemons("start-osd");
                    long then = load.rounds.get();
                    Eventually.until("the load goes on", () -> load.rounds.get() > then + 5 || worker.hasEnded());
                    load.stop.set(true);
                    worker.join();
                }
                System.out.printf("kill %d: %d rounds, %d writes, the longest stall took %.1f s%n", kill + 1,
                        load.rounds.get(), load.written, load.longestNanos.get() / 1e9);
                longest = Math.max(longest, load.longestNanos.get());
            }
            System.out.printf("the longest stall of %d kills took %.1f s%n", KILLS, longest / 1e9);
        }
    }

    /** A load on a thread of its own. */
    private static final class Running implements AutoCloseable {
        private final Load load;
        private final Thread thread;
        private volatile @Nullable Throwable failure;

        Running(Load load) {
            this.load = load;
            thread = Thread.ofPlatform().start(() -> {
                try {
                    load.run();
                } catch (Throwable t) {
                    failure = t;
                }
            });
        }

        boolean hasEnded() {
            return !thread.isAlive();
        }

        void join() throws InterruptedException {
            thread.join();
            assertThat(failure).isNull();
        }

        @Override
        public void close() {
            load.stop.set(true);
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Test
    void aCloseWhileTheClusterIsAwayEndsAndTellsAll() throws Exception {
        Path away = image("away", "wait=1");
        LoopDevice device = patiently(() -> LoopDevice.attach(LoopConfig.builder(away).build()));
        Disk disk = device.disk();
        disk.write(0, MemorySegment.ofArray(new byte[BLOCK]));
        disk.flush();
        try (Arena arena = Arena.ofShared();
                RecordingStream events = new RecordingStream();
                Ends ends = new Ends(arena)) {
            List<Engine> engines = new ArrayList<>();
            for (CompletionMode mode : CompletionMode.values()) {
                engines.add(new Engine(mode, image("away-" + mode, "wait=1"), arena));
            }
            cluster.daemons("kill-osd");
            try {
                closeOne(device, events, arena);
                for (Engine engine : engines) {
                    engine.closeWhileAway(arena);
                }
                ends.whileAway();
            } finally {
                cluster.daemons("start-osd");
            }
            ends.afterwards();
        }
        try (LoopDevice again = LoopDevice.attach(LoopConfig.builder(Path.of(cluster.address("away"))).build())) {
            again.disk().write(0, MemorySegment.ofArray(new byte[BLOCK]));
            again.disk().flush();
        }
    }

    /** Opens something. */
    private interface Open<T> {
        T open() throws IOException;
    }

    /** Opens what has little patience, for the sake of its end: the cluster is there, and a machine that is slow is asked again. */
    private static <T> T patiently(Open<T> what) throws IOException {
        for (int tries = 1;; tries++) {
            try {
                return what.open();
            } catch (IOException e) {
                String why = String.valueOf(e.getMessage());
                // An open that was given up may have the lock for a while.
                if (tries == TRIES || !(why.contains("answered within") || why.contains("EBUSY"))) {
                    throw e;
                }
            }
        }
    }

    /** A request that takes longer than its time-out stays Ceph's, and so does its memory, until the device is closed. */
    private static void closeOne(LoopDevice device, RecordingStream events, Arena arena) throws Exception {
        Disk disk = device.disk();
        CountDownLatch timeout = new CountDownLatch(1);
        events.enable("io.blkmq.Timeout");
        events.onEvent("io.blkmq.Timeout", _ -> timeout.countDown());
        events.startAsync();
        disk.queue().setTimeoutNanos(TimeUnit.MILLISECONDS.toNanos(100));
        MemorySegment memory = arena.allocate(BLOCK).fill((byte) 0x77);
        CompletableFuture<Void> read = disk.async().read(0, memory);
        CompletableFuture<Void> write = disk.async().write(BLOCK, arena.allocate(BLOCK));
        CompletableFuture<Void> flush = disk.async().flush();
        assertThat(timeout.await(120, TimeUnit.SECONDS)).as("the time-out of the block layer").isTrue();
        assertThat(read).as("a time-out ends nothing that Ceph has").isNotDone();
        device.close();
        assertThat(read).isCompletedExceptionally();
        assertThat(flush).isDone();
        // In the cache of librbd a write may have ended before.
        assertThat(write).isDone();
        assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsOnly(0x77);
    }

    /** An engine with a file of its own. */
    private static final class Engine {
        private final AioEngine engine;
        private final AioFile file;

        Engine(CompletionMode mode, Path path, Arena arena) throws IOException {
            engine = AioEngines.open("rbd", AioEngineConfig.builder().completionMode(mode).build());
            file = patiently(() -> engine.open(path, AioFile.Access.READ_WRITE, true));
            // What was never written librbd knows without asking.
            assertThat(file.write(0, arena.allocate(10 * BLOCK).fill((byte) 1))).isEqualTo(10 * BLOCK);
            assertThat(file.sync(false)).isZero();
        }

        void closeWhileAway(Arena arena) {
            ConcurrentLinkedQueue<Long> told = new ConcurrentLinkedQueue<>();
            for (int i = 0; i < 10; i++) {
                assertThat(engine.submit(
                        Kiocb.withSegments(1).prepareRead(file, (long) i * BLOCK, (_, result) -> told.add(result), i)
                                .addSegment(arena.allocate(BLOCK))))
                        .isZero();
            }
            engine.commit();
            engine.close();
            assertThat(told).as("" + engine).hasSize(10).containsOnly((long) -Errno.ETIMEDOUT);
            file.close();
        }
    }

    @Test
    void theLockOfAClientThatHasDiedIsNobodys() throws Exception {
        Path path = image("died");
        // By default it counts as dead after 30 s.
        String _ = cluster.ceph("tell", "osd.0", "config", "set", "osd_client_watch_timeout", "2");
        Process writer = new ProcessBuilder("rbd", "-c", cluster.conf().toString(), "bench", "--io-type", "write",
                "--io-total", "1T", "rbd/died").redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
        try (AioEngine engine = AioEngines.open("rbd", AioEngineConfig.defaults());
                AioFile reader = engine.open(path, AioFile.Access.READ_ONLY, true)) {
            Eventually.until("the writer has the lock", () -> !isLockable(reader));
            writer.destroyForcibly().waitFor();
            assertThat(cluster.rbd("lock", "ls", "rbd/died")).as("Ceph keeps it").contains("auto");
            Eventually.until("nobody writes any more", () -> isLockable(reader));
            assertThat(cluster.rbd("lock", "ls", "rbd/died")).contains("auto");
        } finally {
            writer.destroyForcibly();
            String _ = cluster.ceph("tell", "osd.0", "config", "set", "osd_client_watch_timeout", "30");
        }
        try (AioEngine engine = AioEngines.open("rbd", AioEngineConfig.defaults())) {
            engine.open(path, AioFile.Access.READ_WRITE, true).close();
        }
    }

    private static boolean isLockable(AioFile reader) {
        try {
            return reader.tryLock(false);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aMonitorThatIsAwayStopsNoIo() throws Exception {
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(image("monitor")).build())) {
            cluster.daemons("kill-mon");
            try {
                byte[] bytes = {1, 2, 3};
                MemorySegment block = MemorySegment.ofArray(new byte[BLOCK]);
                MemorySegment.copy(bytes, 0, block, ValueLayout.JAVA_BYTE, 0, 3);
                device.disk().write(BLOCK, block);
                device.disk().flush();
                // On a machine that is slow Ceph may have said nothing by then.
                Eventually.until("it is said that the monitor is away",
                        () -> whyNot(Path.of(cluster.address("monitor", "wait=1"))).contains("no monitor of"));
                byte[] back = new byte[BLOCK];
                device.disk().read(BLOCK, MemorySegment.ofArray(back));
                assertThat(back).startsWith(bytes);
            } finally {
                cluster.daemons("start-mon");
            }
        }
    }

    private static String whyNot(Path path) {
        try (LoopDevice _ = LoopDevice.attach(LoopConfig.builder(path).build())) {
            return "attached";
        } catch (IOException e) {
            return String.valueOf(e.getMessage());
        }
    }

    @Test
    void aFullPoolIsSaidAndMayBeRoomierLater() throws Exception {
        Path full = Path.of(cluster.address(cluster.create("full", 1 << 30)));
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(full).build())) {
            Disk disk = device.disk();
            disk.write(0, MemorySegment.ofArray(new byte[BLOCK]));
            String _ = cluster.ceph("tell", "osd.0", "injectfull", "full");
            try {
                AtomicLong next = new AtomicLong(BLOCK);
                Eventually.until("the pool is full", () -> status(disk, next.getAndAdd(BLOCK)) == Status.NOSPC);
                assertThat(status(disk, 0)).as("what takes no more room").isEqualTo(Status.OK);
                disk.flush();
            } finally {
                String _ = cluster.ceph("tell", "osd.0", "injectfull", "none");
            }
            Eventually.until("there is room again", () -> status(disk, 6 * MEBIBYTE) == Status.OK);
        }
    }

    @Test
    void aWriteThatWasLostIsSaidByAFlushWithACacheAndEndsItselfWithoutOne() throws Exception {
        try (AioEngine engine = AioEngines.open("rbd", AioEngineConfig.defaults());
                AioFile plain = engine.open(Path.of(cluster.address(cluster.create("lost", 1 << 30))),
                        AioFile.Access.READ_WRITE, true);
                AioFile cached = engine.open(image("lost-cached", "rbd_cache=true"), AioFile.Access.READ_WRITE, true);
                AioFile durable = engine.open(image("lost-durable", "rbd_cache=true"), AioFile.Access.READ_WRITE, true,
                        AioFile.Option.DSYNC);
                Arena arena = Arena.ofShared()) {
            MemorySegment block = arena.allocate(BLOCK).fill((byte) 1);
            String _ = cluster.ceph("tell", "osd.0", "injectfull", "full");
            try {
                AtomicLong next = new AtomicLong();
                Eventually.until("the pool is full", () -> plain.write(next.getAndAdd(BLOCK), block) == -Errno.ENOSPC);
                assertThat(told(engine, plain, 905 * MEBIBYTE, block, false)).isEqualTo(-Errno.ENOSPC);
                assertThat(told(engine, plain, 905 * MEBIBYTE, block, true)).isEqualTo(-Errno.ENOSPC);
                assertThat(told(engine, cached, 5 * MEBIBYTE, block, true)).as("FUA").isNegative();
                long written = told(engine, cached, 6 * MEBIBYTE, block, false);
                assertThat(written).isIn((long) BLOCK, (long) -Errno.ENOSPC);
                // The write has failed meanwhile, if it was begun at all.
                assertThat(plain.write(907 * MEBIBYTE, block)).isEqualTo(-Errno.ENOSPC);
                if (written == BLOCK) {
                    assertThat(cached.sync(false)).as("the flush after it").isNegative();
                }
                assertThat(durable.write(0, block)).isNegative();
            } finally {
                String _ = cluster.ceph("tell", "osd.0", "injectfull", "none");
            }
            Eventually.until("there is room again", () -> plain.write(0, block) == BLOCK);
        }
    }

    /** What a write is told that an engine carries out. */
    private static long told(AioEngine engine, AioFile file, long offset, MemorySegment memory, boolean durable) {
        CompletableFuture<Long> end = new CompletableFuture<>();
        Kiocb kiocb = Kiocb.withSegments(1).prepareWrite(file, offset, (_, result) -> end.complete(result), 0)
                .addSegment(memory);
        return submitted(engine, durable ? kiocb.thenSync(true) : kiocb, end).join();
    }

    private static CompletableFuture<Long> read(AioEngine engine, AioFile file, long offset, MemorySegment memory) {
        CompletableFuture<Long> end = new CompletableFuture<>();
        return submitted(engine, Kiocb.withSegments(1).prepareRead(file, offset, (_, result) -> end.complete(result), 0)
                .addSegment(memory), end);
    }

    private static CompletableFuture<Long> write(AioEngine engine, AioFile file, long offset, MemorySegment memory) {
        CompletableFuture<Long> end = new CompletableFuture<>();
        return submitted(engine, Kiocb.withSegments(1)
                .prepareWrite(file, offset, (_, result) -> end.complete(result), 0).addSegment(memory), end);
    }

    private static CompletableFuture<Long> submitted(AioEngine engine, Kiocb kiocb, CompletableFuture<Long> end) {
        assertThat(engine.submit(kiocb)).isZero();
        engine.commit();
        return end;
    }

    /** Two engines on one image, of which one is closed; and an image that is hastened before anything is begun there. */
    private final class Ends implements AutoCloseable {
        private final Path path = image("ends", "wait=1");
        private final AioEngine one = AioEngines.open("rbd", AioEngineConfig.defaults());
        private final AioEngine other = AioEngines.open("rbd", AioEngineConfig.defaults());
        private final Arena arena;
        private final AioFile file;
        private final AioFile late;
        private final MemorySegment there;
        private @Nullable CompletableFuture<Long> read;
        private @Nullable CompletableFuture<Long> later;

        Ends(Arena arena) throws IOException {
            this.arena = arena;
            there = arena.allocate(BLOCK);
            // With this librbd would use the caller's memory until the write has ended.
            String _ = cluster.rbd("image-meta", "set", "rbd/ends", "conf_rbd_disable_zero_copy_writes", "false");
            file = patiently(() -> one.open(path, AioFile.Access.READ_WRITE, true));
            Path second = image("late", "wait=1");
            late = patiently(() -> other.open(second, AioFile.Access.READ_WRITE, true));
            MemorySegment memory = arena.allocate(4 * BLOCK).fill((byte) 0x11);
            assertThat(file.write(0, memory)).isEqualTo(4 * BLOCK);
            assertThat(late.write(0, memory)).isEqualTo(4 * BLOCK);
            // Each engine knows its images before the cluster is away.
            assertThat(read(one, file, 0, there).join()).isEqualTo(BLOCK);
            assertThat(read(other, file, 0, there).join()).isEqualTo(BLOCK);
            assertThat(read(other, late, 0, there).join()).isEqualTo(BLOCK);
        }

        void whileAway() {
            MemorySegment memory = arena.allocate(BLOCK).fill((byte) 0x22);
            late.hasten();
            CompletableFuture<Long> first = read(other, file, BLOCK, there);
            read = first;
            CompletableFuture<Long> written = write(one, file, 0, memory);
            one.close();
            assertThat(written.join()).isEqualTo(-Errno.ETIMEDOUT);
            memory.fill((byte) 0x33);
            assertThat(first).as("of an engine that is open").isNotDone();
            // It is begun long after the image was hastened, when nobody waited for anything of it.
            assertThat(read(other, late, 0, arena.allocate(BLOCK)).join()).isEqualTo(-Errno.ETIMEDOUT);
            CompletableFuture<Long> second = read(other, file, 2 * BLOCK, arena.allocate(BLOCK));
            later = second;
            assertThat(read(other, late, 0, arena.allocate(BLOCK)).join()).isEqualTo(-Errno.ETIMEDOUT);
            assertThat(second).as("begun after the end of the other engine").isNotDone();
        }

        void afterwards() throws IOException {
            assertThat(Objects.requireNonNull(read).join()).isEqualTo(BLOCK);
            assertThat(Objects.requireNonNull(later).join()).isEqualTo(BLOCK);
            assertThat(there.toArray(ValueLayout.JAVA_BYTE)).containsOnly(0x11);
            file.close();
            try (AioFile again = patiently(() -> other.open(path, AioFile.Access.READ_ONLY, true))) {
                assertThat(again.read(0, there)).isEqualTo(BLOCK);
                assertThat(there.toArray(ValueLayout.JAVA_BYTE))
                        .as("carried out when the OSD was back, with the bytes that were given").containsOnly(0x22);
            }
        }

        @Override
        public void close() {
            one.close();
            other.close();
            file.close();
            late.close();
        }
    }

    private static Status status(Disk disk, long offset) {
        try {
            disk.write(offset, MemorySegment.ofArray(new byte[BLOCK]));
            return Status.OK;
        } catch (BlockIOException e) {
            return e.status();
        }
    }
}
