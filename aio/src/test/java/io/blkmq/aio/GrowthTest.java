package io.blkmq.aio;

import static java.nio.file.StandardOpenOption.APPEND;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Many write a file at once, of which nothing is aligned, and others read it: nothing is lost, and nobody sees what was not written. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@BesideOthers
class GrowthTest {
    private static final int WRITERS = 3;
    private static final int READERS = 2;
    private static final int RECORDS = 40;
    private static final int RECORD_MAX = 3000;
    private static final int HEADER = 3;

    static List<Setup> setups() throws IOException {
        return EngineSubject.setups();
    }

    /** What takes place with an empty file. */
    @FunctionalInterface
    private interface Play {
        void run(EngineSubject.Opener opener, Path path) throws Exception;
    }

    private static void play(Setup setup, Play play) throws Exception {
        setup.assumeAvailable();
        Path path = Files.createTempFile(setup.directory(), "blkmq-growth", ".log");
        try (AioEngine engine = setup.open(AioEngineConfig.builder())) {
            play.run(new EngineSubject.Opener(engine, setup.direct()), path);
        } finally {
            Files.delete(path);
        }
    }

    /** A record without a byte that is zero: who it is of, its length in two digits, and the rest. */
    private static ByteBuffer record(int writer, int length) {
        ByteBuffer record = ByteBuffer.allocate(HEADER + length);
        record.put((byte) (64 + writer)).put((byte) (1 + (length & 0x3f))).put((byte) (1 + (length >> 6)));
        while (record.hasRemaining()) {
            record.put((byte) (100 + writer));
        }
        return record.flip();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("setups")
    void whoReadsAGrowingFileSeesRecordsAndNothingElse(Setup setup) throws Exception {
        long seed = RandomSeed.of(GrowthTest.class);
        for (boolean virtual : new boolean[]{false, true}) {
            readAndAppend(setup, seed, virtual);
        }
    }

    private static void readAndAppend(Setup setup, long seed, boolean virtual) throws Exception {
        play(setup, (opener, path) -> {
            AtomicInteger writing = new AtomicInteger(WRITERS);
            try (FileChannel one = opener.open(path, APPEND);
                    FileChannel other = opener.open(path, APPEND);
                    FileChannel reading = opener.open(path, READ);
                    AsynchronousFileChannel async = opener.openAsync(path, READ)) {
                // Platform threads: virtual ones that never wait keep their carriers, which the writers need.
                List<Eventually.Worker<Boolean>> readers = new ArrayList<>();
                for (int i = 0; i < READERS; i++) {
                    Random random = new Random(seed - 1 - i);
                    readers.add(Eventually.start(() -> follow(reading, async, random, writing)));
                }
                Eventually.together(WRITERS, virtual, number -> {
                    Random random = new Random(seed + number);
                    try {
                        for (int i = 0; i < RECORDS; i++) {
                            ByteBuffer record = record(number, random.nextInt(RECORD_MAX));
                            long bytes = record.remaining();
                            assertThat((long) (random.nextBoolean() ? one : other).write(record)).isEqualTo(bytes);
                        }
                    } finally {
                        writing.decrementAndGet();
                    }
                });
                readers.forEach(Eventually.Worker::join);
                assertThat(records(reading)).containsExactly(RECORDS, RECORDS, RECORDS);
            }
        });
    }

    /** Reads here and there while others write. */
    private static void follow(FileChannel reading, AsynchronousFileChannel async, Random random, AtomicInteger writing)
            throws Exception {
        long last = 0;
        boolean goesOn = true;
        while (goesOn) {
            goesOn = writing.get() != 0;
            long size = reading.size();
            assertThat(size).as("a size after %d", last).isGreaterThanOrEqualTo(last);
            last = size;
            long from = size == 0 ? 0 : Math.max(0, size - 1 - random.nextInt(5000));
            from = random.nextBoolean() ? from & -4096 : from;
            int length = random.nextBoolean() ? 8192 : 1 + random.nextInt(9000);
            ByteBuffer found = random.nextBoolean()
                    ? ByteBuffer.allocate(length)
                    : ByteBuffer.allocateDirect(length + 8192).alignedSlice(4096).limit(length);
            int read = random.nextBoolean() ? reading.read(found, from) : async.read(found, from).get();
            assertThat(read).as("bytes at %d of %d", from, size)
                    .isGreaterThanOrEqualTo(size == 0 ? -1 : (int) Math.min(size - from, length));
            for (int i = 0; i < read; i++) {
                if (found.get(i) == 0) {
                    throw new AssertionError("a byte at " + (from + i) + " that nobody has written; size was " + size
                            + ", and " + read + " were read at " + from);
                }
            }
        }
    }

    /** How many records each writer has in the file, of which each is whole. */
    private static List<Integer> records(FileChannel channel) throws IOException {
        ByteBuffer all = ByteBuffer.allocate((int) channel.size());
        while (all.hasRemaining() && channel.read(all) > 0) {
            // On to the end.
        }
        all.flip();
        List<Integer> counts = new ArrayList<>(Collections.nCopies(WRITERS, 0));
        while (all.hasRemaining()) {
            int at = all.position();
            int writer = all.get() - 64;
            int length = all.get() - 1 + ((all.get() - 1) << 6);
            ByteBuffer expected = record(writer, length);
            assertThat(all.slice(at, expected.remaining())).as("a record at %d", at).isEqualTo(expected);
            all.position(at + expected.remaining());
            counts.set(writer, counts.get(writer) + 1);
        }
        return counts;
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("setups")
    void whoWritesBytesOfTheSameBlocksLosesNothing(Setup setup) throws Exception {
        int bytes = 1200;
        long seed = RandomSeed.of(GrowthTest.class);
        play(setup, (opener, path) -> {
            try (FileChannel one = opener.open(path, WRITE);
                    FileChannel other = opener.open(path, WRITE);
                    AsynchronousFileChannel async = opener.openAsync(path, WRITE);
                    FileChannel reading = opener.open(path, READ)) {
                Eventually.together(WRITERS, true, number -> {
                    Random random = new Random(seed + number);
                    List<Integer> mine = new ArrayList<>();
                    for (int i = number; i < bytes; i += WRITERS) {
                        mine.add(i);
                    }
                    Collections.shuffle(mine, random);
                    for (int at : mine) {
                        ByteBuffer written = ByteBuffer.allocate(1).put((byte) (1 + number)).flip();
                        int done = switch (random.nextInt(3)) {
                            case 0 -> one.write(written, at);
                            case 1 -> other.write(written, at);
                            default -> async.write(written, at).get();
                        };
                        assertThat(done).isOne();
                    }
                });
                ByteBuffer found = ByteBuffer.allocate(bytes + 1);
                assertThat(reading.read(found)).isEqualTo(bytes);
                for (int i = 0; i < bytes; i++) {
                    assertThat(found.get(i)).as("byte %d", i).isEqualTo((byte) (1 + i % WRITERS));
                }
            }
        });
    }
}
