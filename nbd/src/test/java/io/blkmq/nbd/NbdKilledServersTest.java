package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.testing.Command;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.Listening;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.NumberProperty;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Servers that are killed and started again while a disk of ours writes and flushes. Some of them keep in their memory what they have
 * acknowledged, and lose it: then a flush has to fail. What a flush that succeeded has covered is never lost. {@code
 * -Dblkmq.nbd.kills=N} says how many times each is killed.
 */
@NoRescues
@Timeout(1800)
class NbdKilledServersTest {
    private static final int KILLS = NumberProperty.of("blkmq.nbd.kills", 3);
    private static final int BLOCK = 4096;
    /** Each in a cluster of its own, so that a server has metadata to lose, too. */
    private static final int STRIDE = 64 << 10;
    private static final int BLOCKS = 256;
    private static final int WRITES_PER_ROUND = 48;

    @TempDir
    private Path directory = Path.of("");

    /** How a server is started. */
    enum Kind {
        /** qcow2: the tables that say where the data are wait in memory for a flush. */
        QEMU_NBD("qemu-nbd", "qemu-img") {
            @Override
            ProcessBuilder server(Path file, Path socket) throws IOException, InterruptedException {
                if (!Files.exists(file)) {
                    Command.run("", "qemu-img", "create", "-q", "-f", "qcow2", file.toString(),
                            Long.toString((long) BLOCKS * STRIDE));
                }
                return new ProcessBuilder("qemu-nbd", "-t", "-e", "8", "-f", "qcow2", "-k", socket.toString(),
                        file.toString());
            }
        },
        /** A cache of writes: all of it is gone. */
        NBDKIT("nbdkit") {
            @Override
            ProcessBuilder server(Path file, Path socket) throws IOException {
                Files.deleteIfExists(socket);
                return new ProcessBuilder("nbdkit", "-f", "-U", socket.toString(), "--filter=cache", "file",
                        sized(file).toString(), "cache=writeback");
            }
        },
        /** A file through the page cache, which survives. */
        OURS {
            @Override
            ProcessBuilder server(Path file, Path socket) throws IOException {
                return FileServer.process(sized(file), socket);
            }
        };

        @SuppressWarnings("ImmutableEnumChecker") // the list is unmodifiable
        private final List<String> needed;

        Kind(String... needed) {
            this.needed = List.of(needed);
        }

        abstract ProcessBuilder server(Path file, Path socket) throws IOException, InterruptedException;

        private static Path sized(Path file) throws IOException {
            return Files.exists(file)
                    ? file
                    : Scratch.file(file.getParent(), String.valueOf(file.getFileName()), (long) BLOCKS * STRIDE);
        }
    }

    /** A server, and whoever kills it. */
    private final class Victim implements AutoCloseable {
        private final Kind kind;
        private final Path file = directory.resolve("image");
        private final Path socket = directory.resolve("s");
        private final Path said = directory.resolve("said");
        private volatile Process process;

        Victim(Kind kind) throws Exception {
            this.kind = kind;
            this.process = begin();
            Listening.await(process, socket);
        }

        private Process begin() throws Exception {
            return kind.server(file, socket).redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(said.toFile())).start();
        }

        /** For a message, if something goes wrong. */
        @Override
        public String toString() {
            try {
                return kind + (process.isAlive() ? " alive" : " dead") + ", which has said: " + Files.readString(said);
            } catch (IOException e) {
                return kind + ": " + e;
            }
        }

        boolean isDead() {
            return !process.isAlive();
        }

        /** By a signal that nobody can catch. Ours lives until then; of others one may have died by itself, which is as good. */
        void killAndBeginAgain() throws Exception {
            if (isDead()) {
                System.out.println(this + ", with exit value " + process.exitValue());
                assertThat(kind).as("a server that dies by itself").isNotEqualTo(Kind.OURS);
            }
            close();
            process = begin();
        }

        @Override
        public void close() {
            process.destroyForcibly().onExit().join();
        }
    }

    private static ByteBuffer block(long version) {
        ByteBuffer block = ByteBuffer.allocate(BLOCK);
        while (block.hasRemaining()) {
            block.putLong(version);
        }
        return block.flip();
    }

    @ParameterizedTest
    @EnumSource
    void noFlushThatWentWellHasLostAnything(Kind kind) throws Exception {
        Command.require(kind.needed.toArray(String[]::new));
        Random random = new Random(RandomSeed.of(NbdKilledServersTest.class));
        AtomicLong done = new AtomicLong();
        AtomicBoolean ended = new AtomicBoolean();
        AtomicBoolean checked = new AtomicBoolean();
        Random pauses = new Random(random.nextLong());
        try (Victim victim = new Victim(kind);
                Disk disk = Patient.disk(NbdUri.parse("nbd+unix:///?socket=" + victim.socket)).connections(3)
                        .giveUpAfter(Duration.ofMinutes(2)).open()) {
            assertThat(disk.queue().hardwareContexts()).isEqualTo(3);
            Eventually.Worker<Boolean> killer = Eventually.start(() -> {
                try {
                    for (int kill = 0; kill < KILLS; kill++) {
                        long until = done.get() + pauses.nextInt(8 * WRITES_PER_ROUND);
                        Eventually.until("something is done", () -> done.get() >= until || victim.isDead());
                        victim.killAndBeginAgain();
                    }
                } finally {
                    ended.set(true);
                }
                // Of others one may die by itself after that, too.
                while (!checked.get()) {
                    if (kind != Kind.OURS && victim.isDead()) {
                        victim.killAndBeginAgain();
                    }
                    TimeUnit.MILLISECONDS.sleep(10);
                }
            });
            Load load = new Load(disk, random, done);
            try {
                do {
                    load.round();
                } while (!ended.get());
                load.round();
                load.check();
                checked.set(true);
                assertThat(killer.join()).isTrue();
            } catch (IOException | RuntimeException e) {
                throw new AssertionError("with " + victim, e);
            } finally {
                checked.set(true);
            }
            System.out.println(kind + ": " + KILLS + " kills, " + load);
        }
    }

    /** Writes and flushes, and what is known of it. */
    private static final class Load {
        private final Disk disk;
        private final Random random;
        private final AtomicLong done;
        /** By block, the version that a flush has covered, and the last that was written. */
        private final long[] durable = new long[BLOCKS];
        private final long[] written = new long[BLOCKS];
        private long version;
        private int rounds;
        private int failed;
        private int lost;

        Load(Disk disk, Random random, AtomicLong done) {
            this.disk = disk;
            this.random = random;
            this.done = done;
        }

        void round() throws IOException {
            rounds++;
            List<CompletableFuture<Void>> writes = new ArrayList<>();
            int first = random.nextInt(BLOCKS);
            for (int i = 0; i < WRITES_PER_ROUND; i++) {
                int block = (first + i) % BLOCKS;
                written[block] = ++version;
                writes.add(disk.async().write((long) block * STRIDE, MemorySegment.ofBuffer(block(version)))
                        .whenComplete((_, _) -> done.incrementAndGet()));
            }
            // It covers some of the writes, and nobody knows which.
            CompletableFuture<Void> beside = random.nextBoolean() ? disk.async().flush() : null;
            boolean told = beside != null && hasFailed(beside);
            CompletableFuture.allOf(writes.toArray(CompletableFuture<?>[]::new)).join();
            told |= hasFailed(disk.async().flush());
            if (told) {
                failed++;
                forget();
            } else {
                System.arraycopy(written, 0, durable, 0, BLOCKS);
            }
            if (random.nextInt(4) == 0) {
                check();
            }
        }

        private static boolean hasFailed(CompletableFuture<Void> flush) {
            try {
                flush.join();
                return false;
            } catch (CompletionException e) {
                assertThat(e).hasCauseInstanceOf(BlockIOException.class);
                return true;
            }
        }

        /** A flush has told that something is lost: from now on it is what is found. */
        private void forget() throws IOException {
            for (int i = 0; i < BLOCKS; i++) {
                long found = find(i);
                assertThat(found).as("block %d, after a flush has failed", i).isBetween(durable[i], written[i]);
                lost += found < written[i] ? 1 : 0;
                written[i] = found;
            }
        }

        void check() throws IOException {
            for (int i = 0; i < BLOCKS; i++) {
                assertThat(find(i)).as("block %d", i).isBetween(durable[i], written[i]);
            }
        }

        private long find(int block) throws IOException {
            ByteBuffer found = ByteBuffer.allocate(BLOCK);
            disk.read((long) block * STRIDE, found);
            return found.getLong(0);
        }

        @Override
        public String toString() {
            return rounds + " rounds of " + WRITES_PER_ROUND + " writes, " + failed + " with a flush that failed, "
                    + lost + " blocks lost that no flush had covered";
        }
    }
}
