package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.Bio;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.NumberProperty;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A device whose file, or way of I/O, is changed while four threads keep it busy. {@code -Dblkmq.loop.switches=100000} makes more
 * changes than {@code mvn verify} does.
 */
@NoRescues
@BesideOthers
class BackingSwitchTest {
    private static final int SWITCHES = NumberProperty.of("blkmq.loop.switches", 500);
    private static final int FILES = 8;
    private static final int THREADS = 4;
    private static final int DEPTH = 16;
    private static final int BLOCK = 4096;
    private static final int BLOCKS = 64;

    @TempDir
    private Path directory;
    private final Path[] files = new Path[FILES];
    /** The number of the last file change that was begun, and of the last that was done. File n is the one after change n, by turns. */
    private volatile int begun;
    private volatile int done;
    private volatile boolean stop;
    private final AtomicLong submitted = new AtomicLong();
    private final AtomicLong ended = new AtomicLong();
    private final AtomicLong failed = new AtomicLong();
    private final AtomicLong wrong = new AtomicLong();

    @SuppressWarnings("NullAway.Init")
    BackingSwitchTest() {}

    private void makeFiles() throws IOException {
        for (int i = 0; i < FILES; i++) {
            ByteBuffer content = ByteBuffer.allocate(BLOCK * BLOCKS);
            while (content.hasRemaining()) {
                content.putInt(i);
            }
            files[i] = Files.write(directory.resolve("file" + i), content.array());
        }
    }

    /** Keeps so many reads in flight, and checks of each that it brought one file's data, of a file that was there meanwhile. */
    private void read(Disk disk, long seed) throws InterruptedException {
        Random random = new Random(seed);
        Semaphore free = new Semaphore(DEPTH);
        List<Bio> bios = new ArrayList<>();
        int[] since = new int[DEPTH];
        try (IoBuffer buffer = IoBuffer.allocate((long) DEPTH * BLOCK)) {
            for (int i = 0; i < DEPTH; i++) {
                bios.add(new Bio());
            }
            for (int next = 0; !stop; next = (next + 1) % DEPTH) {
                free.acquire();
                int slot = next;
                Bio bio = bios.get(slot);
                while (bio.isInFlight()) {
                    // Another one has ended: this one is on its way.
                    Thread.onSpinWait();
                }
                MemorySegment memory = buffer.memory().asSlice((long) slot * BLOCK, BLOCK);
                since[slot] = done;
                submitted.incrementAndGet();
                disk.submit(
                        bio.reset(Operation.READ, random.nextInt(BLOCKS) * (BLOCK / 512L)).add(memory).onEnd(told -> {
                            check(told, memory, since[slot]);
                            free.release();
                        }));
            }
            free.acquire(DEPTH);
        }
    }

    private void check(Bio bio, MemorySegment memory, int since) {
        int until = begun;
        ended.incrementAndGet();
        if (bio.status() != Status.OK) {
            failed.incrementAndGet();
            return;
        }
        ValueLayout.OfInt bigEndian = ValueLayout.JAVA_INT.withOrder(java.nio.ByteOrder.BIG_ENDIAN);
        int file = memory.get(bigEndian, 0);
        boolean there = false;
        for (int change = since; change <= until && !there; change++) {
            there = change % FILES == file;
        }
        for (int i = 4; i < BLOCK && there; i += 508) {
            there = memory.get(bigEndian, i) == file;
        }
        if (!there) {
            wrong.incrementAndGet();
        }
    }

    @ParameterizedTest(name = "direct {0}")
    @ValueSource(booleans = {true, false})
    void theFileIsChangedUnderFullLoadAndNoReadIsLostOrServedByAnother(boolean direct) throws Exception {
        makeFiles();
        long[] nanos = new long[SWITCHES];
        try (LoopDevice device = LoopDevice
                .attach(LoopConfig.builder(files[0]).readOnly(true).direct(direct).depth(32).build());
                ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
            List<Future<?>> readers = new ArrayList<>();
            for (int t = 0; t < THREADS; t++) {
                long seed = t;
                readers.add(threads.submit(() -> {
                    read(device.disk(), seed);
                    return null;
                }));
            }
            for (int i = 1; i <= SWITCHES; i++) {
                long before = submitted.get();
                while (submitted.get() < before + DEPTH && readers.stream().noneMatch(Future::isDone)) {
                    Thread.onSpinWait();
                }
                begun = i;
                long start = System.nanoTime();
                device.changeBackingFile(files[i % FILES]);
                nanos[i - 1] = System.nanoTime() - start;
                done = i;
            }
            stop = true;
            for (Future<?> reader : readers) {
                reader.get();
            }
            device.disk().freeze();
            assertThat(device.disk().queue().heldTags()).isZero();
            device.disk().unfreeze();
        }
        Arrays.sort(nanos);
        IO.println((direct ? "direct" : "buffered") + ": " + SWITCHES + " changes of the file under " + ended.get()
                + " reads from " + THREADS + " threads of depth " + DEPTH + ": median " + nanos[SWITCHES / 2] / 1000
                + " us, 99th percentile " + nanos[SWITCHES * 99 / 100] / 1000 + " us, longest "
                + nanos[SWITCHES - 1] / 1000 + " us");
        assertThat(ended).hasValue(submitted.get());
        assertThat(failed).as("reads that failed").hasValue(0);
        assertThat(wrong).as("reads served by a file that was not there").hasValue(0);
    }

    @Test
    void theWayOfIoIsChangedUnderLoadAndNoWriteIsLost() throws Exception {
        Path file = Files.write(directory.resolve("written"), new byte[THREADS * BLOCKS * BLOCK]);
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(file).hardwareQueues(2).workers(2).build());
                ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
            List<Future<Integer>> writers = new ArrayList<>();
            for (int t = 0; t < THREADS; t++) {
                int thread = t;
                writers.add(threads.submit(() -> write(device.disk(), thread)));
            }
            Random random = new Random(5);
            int direct = 0;
            for (int i = 0; i < 200; i++) {
                long before = submitted.get();
                while (submitted.get() < before + THREADS && writers.stream().noneMatch(Future::isDone)) {
                    Thread.onSpinWait();
                }
                switch (random.nextInt(4)) {
                    case 0 -> device.setAio(random.nextBoolean());
                    case 1 -> device.setBlockBytes(512 << random.nextInt(4));
                    default -> device.setDirect(random.nextBoolean());
                }
                direct += device.isDirect() ? 1 : 0;
            }
            stop = true;
            for (int t = 0; t < THREADS; t++) {
                int rounds = writers.get(t).get();
                ByteBuffer content = ByteBuffer.wrap(Files.readAllBytes(file));
                for (int block = 0; block < BLOCKS; block++) {
                    assertThat(content.getInt((t * BLOCKS + block) * BLOCK)).isEqualTo(lastRound(rounds, block));
                }
            }
            IO.println("way of I/O: direct after " + direct + " of 200 changes under " + submitted.get() + " writes");
        }
    }

    /** Which round wrote a block last, if so many blocks were written by turns. */
    private static int lastRound(int writes, int block) {
        return writes / BLOCKS + (block < writes % BLOCKS ? 1 : 0);
    }

    /** Writes blocks by turns, each with the number of the round, and reads each back. Returns how many. */
    private int write(Disk disk, int thread) throws IOException {
        try (IoBuffer buffer = IoBuffer.allocate(BLOCK); IoBuffer found = IoBuffer.allocate(BLOCK)) {
            int writes = 0;
            while (!stop) {
                int block = writes % BLOCKS;
                long offset = (thread * BLOCKS + block) * (long) BLOCK;
                ByteBuffer content = buffer.memory().asByteBuffer();
                while (content.hasRemaining()) {
                    content.putInt(writes / BLOCKS + 1);
                }
                disk.write(offset, buffer.memory());
                submitted.incrementAndGet();
                disk.read(offset, found.memory());
                assertThat(found.memory().mismatch(buffer.memory())).isEqualTo(-1);
                writes++;
            }
            return writes;
        }
    }
}
