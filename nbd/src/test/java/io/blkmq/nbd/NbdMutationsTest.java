package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.ReplyStyle;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.NumberProperty;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Right input, a little wrong, to both parsers. Nothing is written outside of the export, or of a request's memory; nothing hangs, leaks or
 * throws what nobody expects. {@code -Dblkmq.nbd.inputs=N} says how many each gets.
 */
@NoRescues
class NbdMutationsTest {
    private static final int INPUTS = NumberProperty.of("blkmq.nbd.inputs", 3000);
    /** A disk is opened for each. */
    private static final int INPUTS_OF_CLIENT = NumberProperty.of("blkmq.nbd.inputs", 500);
    private static final int LANES = 10;
    private static final int KIB = 1 << 10;
    private static final int DISK_BYTES = 256 * KIB;
    private static final int EXPORT_AT = 64 * KIB;
    private static final int EXPORT_BYTES = 128 * KIB;
    /** As much as a server says before the first request, and a client with it. */
    private static final int NEGOTIATION_BYTES = 18 + 5 * Nbd.OPTION_REPLY_BYTES + 12 + 14;
    /** After wrong answers there may be no request. Where there is one that is late, it finds its reply before it was asked. */
    private static final int WRONG_PATIENCE_MILLIS = 20;
    private static final int REQUEST_AT = 4 + 16 + 25 + Nbd.EXTENDED_REQUEST_BYTES;

    @TempDir
    private Path directory = Path.of("");

    /** What a client is told, and whether all of it is right, so that a request comes in the end. */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares them
    private record Answers(byte[] bytes, boolean areRight) {}

    /** Collects what a loop has to say of failures that nobody should see. */
    private static final class Failures extends Handler implements AutoCloseable {
        private static final Logger LOGGER = Logger.getLogger("io.blkmq.nbd");
        final Queue<String> found = new ConcurrentLinkedQueue<>();
        private final Level least;

        Failures(Level least) {
            this.least = least;
            LOGGER.addHandler(this);
            LOGGER.setUseParentHandlers(false);
        }

        @Override
        public void publish(LogRecord logged) {
            if (logged.getLevel().intValue() >= least.intValue()) {
                found.add(logged.getMessage() + " " + logged.getThrown());
            }
        }

        @Override
        public void flush() {
            // Nothing is kept.
        }

        @Override
        public void close() {
            LOGGER.removeHandler(this);
            LOGGER.setUseParentHandlers(true);
        }
    }

    @Test
    void theServerTakesAnything() throws Exception {
        long seed = RandomSeed.of(NbdMutationsTest.class);
        Random random = new Random(seed);
        Mutator mutator = new Mutator(random);
        Path socket = directory.resolve("s");
        try (Failures failures = new Failures(Level.WARNING); Disk disk = Scratch.memory(DISK_BYTES)) {
            byte[] guard = new byte[DISK_BYTES];
            java.util.Arrays.fill(guard, (byte) 0x77);
            disk.write(0, ByteBuffer.wrap(guard));
            Disk part = disk.partition("part", EXPORT_AT, EXPORT_BYTES);
            NbdServer server = Patient.server().unix(socket).start();
            try (server) {
                server.addExport(NbdExport.builder("d", part).build());
                ByteBuffer replies = ByteBuffer.allocateDirect(64 * KIB);
                for (int i = 0; i < INPUTS; i++) {
                    byte[] input = mutator.mutate(session(random));
                    try (SocketChannel client = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                        boolean _ = client.connect(UnixDomainSocketAddress.of(socket));
                        ByteBuffer bytes = ByteBuffer.wrap(input);
                        while (bytes.hasRemaining()) {
                            int _ = client.write(bytes);
                        }
                        client.shutdownOutput();
                        while (client.read(replies.clear()) >= 0) {
                            assertThat(replies.position()).isPositive();
                        }
                    } catch (IOException e) {
                        // It closed while something of ours was unread.
                        assertThat(e).hasNoSuppressedExceptions();
                    }
                }
                Eventually.until("all clients are gone", () -> server.statistics().connections() == 0);
                assertThat(server.statistics().memoryBytes()).isZero();
                assertThat(server.statistics().writes()).isPositive();
                assertThat(server.statistics().errors()).isPositive();
            }
            assertThat(failures.found).as("with seed %d", seed).isEmpty();
            byte[] all = new byte[DISK_BYTES];
            disk.read(0, ByteBuffer.wrap(all));
            for (int i = 0; i < DISK_BYTES; i += i == EXPORT_AT - 1 ? EXPORT_BYTES + 1 : 1) {
                assertThat(all[i]).as("byte %d, outside of the export, with seed %d", i, seed).isEqualTo((byte) 0x77);
            }
        }
    }

    /** What a client might say from beginning to end. */
    private static byte[] session(Random random) {
        ByteBuffer out = ByteBuffer.allocate(64 * KIB);
        out.putInt(3);
        boolean extended = false;
        for (int i = random.nextInt(5); i > 0; i--) {
            int option = List.of(Nbd.OPT_LIST, Nbd.OPT_STRUCTURED_REPLY, Nbd.OPT_EXTENDED_HEADERS, Nbd.OPT_INFO,
                    Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT).get(random.nextInt(6));
            extended |= option == Nbd.OPT_EXTENDED_HEADERS;
            option(out, option, switch (option) {
                case Nbd.OPT_INFO -> RawClient.info("d", 0, 1, 2, 3);
                case Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT ->
                    RawClient.contexts("d", Nbd.BASE_ALLOCATION, "base:");
                default -> new byte[0];
            });
        }
        if (random.nextInt(8) == 0) {
            option(out, Nbd.OPT_EXPORT_NAME, "d".getBytes(StandardCharsets.UTF_8));
        } else {
            option(out, Nbd.OPT_GO, RawClient.info("d", Nbd.INFO_BLOCK_SIZE));
        }
        for (int i = random.nextInt(8); i >= 0; i--) {
            int command = random.nextInt(8);
            int length = command == Nbd.CMD_FLUSH ? 0 : 512 * (1 + random.nextInt(8));
            long offset = command == Nbd.CMD_FLUSH ? 0 : 512L * random.nextInt(EXPORT_BYTES / 512 - 8);
            byte[] data = new byte[command == Nbd.CMD_WRITE ? length : 0];
            int flags = random.nextInt(4) == 0 ? Nbd.CMD_FLAG_FUA : 0;
            out.put(extended
                    ? RawClient.extendedRequest(command, flags | (data.length > 0 ? Nbd.CMD_FLAG_PAYLOAD_LEN : 0), i,
                            offset, length, data)
                    : RawClient.request(command, flags, i, offset, length, data));
        }
        byte[] exact = new byte[out.position()];
        out.flip().get(exact);
        return exact;
    }

    private static void option(ByteBuffer out, int option, byte[] data) {
        out.putLong(Nbd.OPTS_MAGIC).putInt(option).putInt(data.length).put(data);
    }

    /** In lanes beside each other: a client waits most of the time, for a server that has nothing more to say. */
    @Test
    void theClientTakesAnything() throws Exception {
        long seed = RandomSeed.of(NbdMutationsTest.class);
        Counts all = new Counts();
        try (Failures failures = new Failures(Level.SEVERE);
                ExecutorService threads = Executors.newThreadPerTaskExecutor(Thread.ofPlatform().factory())) {
            List<Future<Counts>> lanes = new ArrayList<>();
            for (int lane = 0; lane < LANES; lane++) {
                Random random = new Random(seed + lane);
                Path socket = directory.resolve("c" + lane);
                lanes.add(threads.submit(() -> readFromWrongServers(random, socket, INPUTS_OF_CLIENT / LANES)));
            }
            for (Future<Counts> lane : lanes) {
                Counts counts = lane.get();
                all.opened += counts.opened;
                all.read += counts.read;
            }
            assertThat(failures.found.stream().filter(found -> !found.contains("is given up"))).as("with seed %d", seed)
                    .isEmpty();
        }
        assertThat(all.opened).isPositive();
        assertThat(all.read).isPositive().isLessThan(all.opened);
    }

    private static final class Counts {
        int opened;
        int read;
    }

    private static Counts readFromWrongServers(Random random, Path socket, int inputs) throws IOException {
        Mutator mutator = new Mutator(random);
        NbdDisk.Builder client = Patient.disk(NbdUri.parse("nbd+unix:///d?socket=" + socket)).connections(1).depth(1)
                .connectTimeout(Duration.ofSeconds(20)).giveUpAfter(Duration.ofNanos(1));
        AtomicReference<Answers> said = new AtomicReference<>(new Answers(new byte[0], false));
        Counts counts = new Counts();
        try (IoBuffer memory = IoBuffer.allocate(3 * 4096);
                ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(UnixDomainSocketAddress.of(socket), 128);
            Thread.ofPlatform().daemon().start(() -> say(listener, said));
            memory.memory().fill((byte) 0x77);
            for (int i = 0; i < inputs; i++) {
                // The first is right, and is waited with: it is read from, however late the client is.
                byte[] right = answers(random);
                said.set(new Answers(i == 0 ? right : mutator.mutate(right), i == 0));
                try (Disk disk = client.open()) {
                    counts.opened++;
                    // Blocks may have become larger than what is read.
                    if (disk.limits().logicalBlockBytes() <= 4096) {
                        disk.read(0, memory.memory().asSlice(4096, 4096));
                        counts.read++;
                    }
                } catch (BlockIOException e) {
                    assertThat(e.status()).isNotNull();
                } catch (IOException | IndexOutOfBoundsException e) {
                    assertThat(e.getMessage()).isNotNull();
                }
            }
            for (int i = 0; i < 4096; i++) {
                assertThat(memory.memory().get(ValueLayout.JAVA_BYTE, i)).isEqualTo((byte) 0x77);
                assertThat(memory.memory().get(ValueLayout.JAVA_BYTE, 8192 + i)).isEqualTo((byte) 0x77);
            }
        }
        return counts;
    }

    /**
     * Says the negotiation to who comes, and the rest once there is a request, or nothing more comes: a reply to nothing would be all that
     * the client looks at.
     */
    private static void say(ServerSocketChannel listener, AtomicReference<Answers> said) {
        while (listener.isOpen()) {
            try (SocketChannel client = listener.accept(); Selector selector = Selector.open()) {
                Answers answers = said.get();
                ByteBuffer bytes = ByteBuffer.wrap(answers.bytes);
                int all = bytes.limit();
                write(client, bytes.limit(Math.min(all, NEGOTIATION_BYTES)));
                client.configureBlocking(false);
                client.register(selector, SelectionKey.OP_READ);
                ByteBuffer heard = ByteBuffer.allocate(4096);
                int patience = answers.areRight ? 0 : WRONG_PATIENCE_MILLIS;
                while (heard.position() < REQUEST_AT && selector.select(patience) > 0 && client.read(heard) >= 0) {
                    selector.selectedKeys().clear();
                }
                write(client, bytes.limit(all));
                client.shutdownOutput();
            } catch (IOException e) {
                // The client is gone, or the test is over.
                assert !e.toString().isEmpty();
            }
        }
    }

    private static void write(SocketChannel client, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            int _ = client.write(bytes);
        }
    }

    /** What a server might say to a client that opens a disk and reads its first 4096 bytes. */
    private static byte[] answers(Random random) {
        // Each style with as many bytes.
        ByteBuffer out = ByteBuffer.allocate(64 * KIB);
        out.putLong(Nbd.INIT_PASSWD).putLong(Nbd.OPTS_MAGIC).putShort((short) 3);
        ReplyStyle style = List.of(ReplyStyle.values()).get(random.nextInt(3));
        boolean extended = style == ReplyStyle.EXTENDED;
        reply(out, Nbd.OPT_EXTENDED_HEADERS, extended ? Nbd.REP_ACK : Nbd.REP_ERR_UNSUP,
                new byte[extended ? Nbd.OPTION_REPLY_BYTES : 0]);
        if (!extended) {
            reply(out, Nbd.OPT_STRUCTURED_REPLY, style == ReplyStyle.STRUCTURED ? Nbd.REP_ACK : Nbd.REP_ERR_UNSUP,
                    new byte[0]);
        }
        byte[] export = new byte[12];
        ByteBuffer.wrap(export).putShort((short) 0).putLong(1 << 20).putShort((short) (1 | random.nextInt(1 << 12)));
        reply(out, Nbd.OPT_GO, Nbd.REP_INFO, export);
        byte[] blocks = new byte[14];
        ByteBuffer.wrap(blocks).putShort((short) 3).putInt(512).putInt(4096).putInt(32 << 20);
        reply(out, Nbd.OPT_GO, Nbd.REP_INFO, blocks);
        reply(out, Nbd.OPT_GO, Nbd.REP_ACK, new byte[0]);
        assertThat(out.position()).isEqualTo(NEGOTIATION_BYTES);
        if (style == ReplyStyle.SIMPLE || random.nextBoolean()) {
            style.putData(out, 1, 0, 4096);
            out.put(new byte[4096]);
        } else {
            style.putHeader(out, 0, Nbd.REPLY_OFFSET_DATA, 1, 0, 8 + 2048);
            out.putLong(2048).put(new byte[2048]);
            style.putHeader(out, 0, Nbd.REPLY_OFFSET_HOLE, 1, 0, 12);
            out.putLong(0).putInt(2048);
            style.putHeader(out, 1, Nbd.REPLY_NONE, 1, 0, 0);
        }
        byte[] exact = new byte[out.position()];
        out.flip().get(exact);
        return exact;
    }

    private static void reply(ByteBuffer out, int option, int type, byte[] data) {
        out.putLong(Nbd.REP_MAGIC).putInt(option).putInt(type).putInt(data.length).put(data);
    }
}
