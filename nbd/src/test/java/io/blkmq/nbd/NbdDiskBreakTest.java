package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Bio;
import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.Plug;
import io.blkmq.core.Status;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.nbd.wire.ReplyStyle;
import io.blkmq.nbd.wire.RequestHeader;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Connections that break, servers that lose what they have acknowledged, and servers that lie. */
@NoRescues
@Timeout(300)
class NbdDiskBreakTest {
    private static final int BLOCK = 4096;
    private static final int BLOCKS = 64;

    @TempDir
    private Path directory = Path.of("");

    private NbdDisk.Builder client(String socket) {
        return Patient.disk(NbdUri.parse("nbd+unix:///d?socket=" + directory.resolve(socket)));
    }

    private static ByteBuffer block(long version) {
        ByteBuffer block = ByteBuffer.allocate(BLOCK);
        while (block.hasRemaining()) {
            block.putLong(version);
        }
        return block.flip();
    }

    private static CompletableFuture<Void> write(Disk disk, int block, long version) {
        return disk.async().write((long) block * BLOCK, java.lang.foreign.MemorySegment.ofBuffer(block(version)));
    }

    /** A server behind a proxy; its machine loses power whenever the proxy cuts. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void noFlushThatWentWellHasLostAnything(int connections) throws Exception {
        Random random = new Random(RandomSeed.of(NbdDiskBreakTest.class));
        long[] durable = new long[BLOCKS];
        int told = 0;
        try (Disk behind = NullBlk.builder().capacityBytes(BLOCKS * BLOCK).memoryBacked(true).cacheBytes(BLOCKS * BLOCK)
                .completion(NullBlk.Completion.REAPER).build();
                NbdServer server = Patient.server().unix(directory.resolve("s")).start();
                Proxy proxy = new Proxy(directory.resolve("p"), directory.resolve("s"))) {
            server.addExport(NbdExport.builder("d", behind).build());
            try (Disk disk = client("p").connections(connections).open()) {
                long version = 0;
                for (int cut = 0; cut < 50; cut++) {
                    for (int round = 0, rounds = 1 + random.nextInt(4); round < rounds; round++) {
                        List<CompletableFuture<Void>> writes = new ArrayList<>();
                        long[] written = durable.clone();
                        for (int i = 0; i < 16; i++) {
                            int block = random.nextInt(BLOCKS / 16) * 16 + i;
                            written[block] = ++version;
                            writes.add(write(disk, block, version));
                        }
                        boolean cutsNow = round == rounds - 1;
                        if (cutsNow && random.nextBoolean()) {
                            proxy.cut(() -> NullBlk.losePower(behind));
                            cutsNow = false;
                        }
                        CompletableFuture.allOf(writes.toArray(new CompletableFuture<?>[0])).join();
                        CompletableFuture<Void> flush = null;
                        if (random.nextBoolean()) {
                            flush = disk.async().flush();
                        }
                        if (cutsNow) {
                            proxy.cut(() -> NullBlk.losePower(behind));
                        }
                        if (flush == null) {
                            flush = disk.async().flush();
                        }
                        try {
                            flush.join();
                            durable = written;
                        } catch (RuntimeException e) {
                            assertThat(e).hasCauseInstanceOf(BlockIOException.class);
                            told++;
                        }
                    }
                    for (int i = 0; i < BLOCKS; i++) {
                        ByteBuffer found = ByteBuffer.allocate(BLOCK);
                        disk.read((long) i * BLOCK, found);
                        assertThat(found.getLong(0)).as("block %d after cut %d", i, cut)
                                .isGreaterThanOrEqualTo(durable[i]);
                    }
                }
            }
        }
        System.out.println("flushes that failed: " + told);
        assertThat(told).as("breaks that a flush told of").isPositive();
    }

    @Test
    void aWriteThatNoFlushHasCoveredMakesTheNextFlushFailOnce() throws Exception {
        try (Disk behind = Scratch.memory(BLOCKS * BLOCK);
                NbdServer server = Patient.server().unix(directory.resolve("s")).start();
                Proxy proxy = new Proxy(directory.resolve("p"), directory.resolve("s"))) {
            server.addExport(NbdExport.builder("d", behind).build());
            try (Disk disk = client("p").connections(1).open()) {
                disk.write(0, block(1));
                disk.flush();
                proxy.cut(() -> {});
                disk.flush();
                disk.write(0, block(2));
                proxy.cut(() -> {});
                disk.read(0, ByteBuffer.allocate(BLOCK));
                assertThatThrownBy(disk::flush).isInstanceOfSatisfying(BlockIOException.class,
                        e -> assertThat(e.status()).isEqualTo(Status.TRANSPORT));
                disk.flush();
                disk.write(BLOCK, java.lang.foreign.MemorySegment.ofBuffer(block(3)), io.blkmq.core.Bio.FUA);
                proxy.cut(() -> {});
                disk.read(0, ByteBuffer.allocate(BLOCK));
                disk.flush();
            }
        }
    }

    @Test
    void withoutAServerEverythingFailsAfterAWhile() throws Exception {
        try (Disk behind = Scratch.memory(BLOCKS * BLOCK)) {
            NbdServer server = Patient.server().unix(directory.resolve("s")).start();
            server.addExport(NbdExport.builder("d", behind).build());
            TestClock clock = new TestClock();
            try (Disk disk = client("s").runtime(clock.runtime()).open()) {
                disk.write(0, block(1));
                server.close();
                Eventually.Worker<Boolean> read = Eventually.start(() -> disk.read(0, ByteBuffer.allocate(BLOCK)));
                clock.advanceUntil("it is given up", Duration.ofMinutes(1), read::isDone);
                assertThat(read.failure()).isInstanceOf(BlockIOException.class);
                assertThatThrownBy(() -> disk.write(0, block(1))).isInstanceOf(BlockIOException.class);
            }
        }
    }

    @Test
    void aServerThatComesBackAtAnotherAddressIsFound() throws Exception {
        InetAddress first = InetAddress.ofLiteral("127.0.0.1");
        InetAddress second = InetAddress.ofLiteral("127.0.0.2");
        AtomicReference<InetAddress> now = new AtomicReference<>(first);
        Queue<String> asked = new ConcurrentLinkedQueue<>();
        try (Disk behind = Scratch.memory(BLOCKS * BLOCK)) {
            NbdServer before = Patient.server().tcp(new InetSocketAddress(first, 0)).start();
            before.addExport(NbdExport.builder("d", behind).build());
            int port = ((InetSocketAddress) before.uris("d").getFirst().address()).getPort();
            try (Disk disk = Patient.disk(NbdUri.parse("nbd://moving.example:" + port + "/d")).connections(1)
                    .lookup(host -> {
                        asked.add(host);
                        return now.get();
                    }).open()) {
                disk.write(0, block(1));
                disk.flush();
                assertThat(asked).containsExactly("moving.example");
                assertThat(disk.description().backing()).isEqualTo("moving.example:" + port + "/d");
                before.close();
                try (NbdServer after = Patient.server().tcp(new InetSocketAddress(second, port)).start()) {
                    after.addExport(NbdExport.builder("d", behind).build());
                    now.set(second);
                    ByteBuffer read = ByteBuffer.allocate(BLOCK);
                    disk.read(0, read);
                    assertThat(read.flip()).isEqualTo(block(1));
                }
            }
        }
    }

    @Test
    void anExportThatHasChangedIsNotWrittenTo() throws Exception {
        AtomicInteger answered = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, request -> {
            answered.incrementAndGet();
            return new byte[16];
        }); Disk disk = client("s").open()) {
            server.sizeBytes = 2 << 20;
            assertThatThrownBy(() -> disk.write(0, block(1))).isInstanceOf(BlockIOException.class);
            assertThat(answered.get()).isEqualTo(1);
        }
    }

    @Test
    void anExportWhoseHeadersHaveBecomeShorterIsNotUsed() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), true, request -> {
            if (asked.incrementAndGet() == 1) {
                throw new java.io.UncheckedIOException(new IOException("closed"));
            }
            return simple(request.cookie, 0, 0);
        })) {
            server.extended = true;
            try (Disk disk = client("s").open()) {
                server.extended = false;
                assertThatThrownBy(() -> disk.write(0, block(1))).isInstanceOfSatisfying(BlockIOException.class,
                        e -> assertThat(e.status()).isEqualTo(Status.TRANSPORT));
                assertThat(asked.get()).isEqualTo(1);
            }
        }
    }

    /**
     * The server of a connection is gone, perhaps with all that it has acknowledged on another one, which does not know that yet.
     */
    @Test
    void whatAnotherConnectionWasToldIsNoLongerBelievedWhenOneBreaks() throws Exception {
        Map<Integer, Set<Long>> connectionsOf = new ConcurrentHashMap<>();
        AtomicInteger reads = new AtomicInteger();
        LyingServer.Answer answer = request -> {
            connectionsOf.computeIfAbsent(request.command, _ -> ConcurrentHashMap.newKeySet())
                    .add(Thread.currentThread().threadId());
            if (request.command == Nbd.CMD_READ && reads.incrementAndGet() == 1) {
                throw new java.io.UncheckedIOException(new IOException("closed"));
            }
            return simple(request.cookie, 0, request.command == Nbd.CMD_READ ? (int) request.length : 0);
        };
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, answer)) {
            server.flags |= Nbd.FLAG_CAN_MULTI_CONN;
            try (Disk disk = client("s").connections(2).open()) {
                assertThat(disk.queue().hardwareContexts()).isEqualTo(2);
                through(disk, 0, Operation.WRITE);
                through(disk, 1, Operation.READ);
                assertThat(connectionsOf.get(Nbd.CMD_WRITE)).hasSize(1)
                        .doesNotContainAnyElementsOf(connectionsOf.get(Nbd.CMD_READ));
                assertThatThrownBy(disk::flush).isInstanceOfSatisfying(BlockIOException.class,
                        e -> assertThat(e.status()).isEqualTo(Status.TRANSPORT));
                disk.flush();
                assertThat(server.connections.get()).as("both have connected again").isEqualTo(4);
            }
        }
    }

    /**
     * The one connection is there, and the other is not yet: what is acknowledged now could be lost with its server before the other
     * connects to the next server, and flushes there.
     */
    @Test
    void nothingIsSentBeforeAllConnectionsAreThereAgain() throws Exception {
        CountDownLatch mayGo = new CountDownLatch(1);
        AtomicBoolean answers = new AtomicBoolean();
        AtomicInteger asked = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, request -> {
            asked.incrementAndGet();
            return answers.get() ? simple(request.cookie, 0, 0) : null;
        })) {
            server.flags |= Nbd.FLAG_CAN_MULTI_CONN;
            // The third is left by the client when it has been used for whatever is to be sent.
            server.unasked = number -> number == 3 ? simple(77, 0, 0) : null;
            server.beforeGo = number -> {
                if (number == 4) {
                    await(mayGo);
                }
            };
            try (Disk disk = client("s").connections(2).open()) {
                List<CompletableFuture<Status>> writes = IntStream.range(0, 2)
                        .mapToObj(context -> begin(disk, context, Operation.WRITE)).toList();
                Eventually.until("both are on their way", () -> asked.get() == 2);
                server.end(1);
                Eventually.until("two have ended, and the third, whose client has connected again",
                        () -> server.connections.get() == 5 && server.ended.get() == 3);
                assertThat(asked.get()).as("requests before the fourth connection was there").isEqualTo(2);
                answers.set(true);
                mayGo.countDown();
                assertThat(writes).allMatch(write -> write.join() == Status.OK);
                assertThat(server.connections.get()).isEqualTo(5);
                assertThat(asked.get()).isEqualTo(4);
            }
        }
    }

    /** The others wait for it no longer than it is waited for. */
    @Test
    void aConnectionThatDoesNotComeAgainIsGivenUpAndTheOthersGoOn() throws Exception {
        CountDownLatch mayGo = new CountDownLatch(1);
        try (LyingServer server = new LyingServer(directory.resolve("s"), false,
                request -> simple(request.cookie, 0, 0))) {
            server.flags |= Nbd.FLAG_CAN_MULTI_CONN;
            server.beforeGo = number -> {
                if (number > 3) {
                    await(mayGo);
                }
            };
            TestClock clock = new TestClock();
            try (Disk disk = client("s").connections(2).replyTimeout(Duration.ofDays(365)).runtime(clock.runtime())
                    .open()) {
                server.end(1);
                Eventually.until("both are about to connect again", () -> server.connections.get() == 4);
                List<CompletableFuture<Status>> writes = IntStream.range(0, 2)
                        .mapToObj(context -> begin(disk, context, Operation.WRITE)).toList();
                clock.advance(Patient.PATIENCE.plusMinutes(1));
                server.end(4);
                clock.advanceUntil("both writes have ended", Duration.ofMillis(20),
                        () -> writes.stream().allMatch(CompletableFuture::isDone));
                assertThat(writes).extracting(CompletableFuture::join).containsExactlyInAnyOrder(Status.OK,
                        Status.TRANSPORT);
            } finally {
                mayGo.countDown();
            }
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aFlushCoversOnlyWhatWasAcknowledgedBeforeIt() throws Exception {
        AtomicReference<byte[]> answerToFlush = new AtomicReference<>(new byte[0]);
        AtomicInteger flushes = new AtomicInteger();
        AtomicInteger reads = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, request -> switch (request.command) {
            case Nbd.CMD_FLUSH -> {
                answerToFlush.set(simple(request.cookie, 0, 0));
                yield flushes.incrementAndGet() == 1 ? null : answerToFlush.get();
            }
            case Nbd.CMD_WRITE -> pieces(simple(request.cookie, 0, 0), answerToFlush.getAndSet(new byte[0]));
            default -> {
                if (reads.incrementAndGet() == 1) {
                    throw new java.io.UncheckedIOException(new IOException("closed"));
                }
                yield simple(request.cookie, 0, (int) request.length);
            }
        }); Disk disk = client("s").open()) {
            disk.write(0, block(1));
            CompletableFuture<Void> flush = disk.async().flush();
            Eventually.until("the flush is on its way", () -> flushes.get() == 1);
            // Acknowledged before the flush is, and after that was sent.
            disk.write(BLOCK, block(2));
            flush.join();
            disk.read(0, ByteBuffer.allocate(BLOCK));
            assertThat(reads.get()).as("the connection has broken").isEqualTo(2);
            assertThat(server.connections.get()).isEqualTo(2);
            assertThatThrownBy(disk::flush).isInstanceOfSatisfying(BlockIOException.class,
                    e -> assertThat(e.status()).isEqualTo(Status.TRANSPORT));
        }
    }

    /** Of a loss one flush tells: one that waits for the end of that one in the queue of its connection comes afterwards. */
    @Test
    void aFlushThatWaitsBehindTheOneThatTellsOfALossSucceeds() throws Exception {
        AtomicInteger flushes = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), false,
                request -> request.command == Nbd.CMD_FLUSH && flushes.incrementAndGet() == 1
                        ? null
                        : simple(request.cookie, 0, 0));
                Disk disk = client("s").open()) {
            CompletableFuture<Void> tells = disk.async().flush();
            Eventually.until("the flush is on its way", () -> flushes.get() == 1);
            disk.write(0, block(1));
            CompletableFuture<Void> waits = disk.async().flush();
            server.end(1);
            assertThatThrownBy(tells::join).hasCauseInstanceOf(BlockIOException.class);
            waits.join();
            assertThat(flushes.get()).isEqualTo(2);
        }
    }

    @Test
    void aConnectionThatComesAfterTheEndIsClosed() throws Exception {
        CountDownLatch mayGo = new CountDownLatch(1);
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, _ -> null)) {
            server.beforeGo = number -> {
                if (number == 2) {
                    await(mayGo);
                }
            };
            try (Disk disk = client("s").open()) {
                assertThat(disk.isClosed()).isFalse();
                server.end(1);
                Eventually.until("it is about to connect again",
                        () -> server.options.stream().filter(option -> option == Nbd.OPT_GO).count() == 2);
            }
            mayGo.countDown();
            Eventually.until("both connections have ended", () -> server.ended.get() == 2);
        }
    }

    /** An I/O on the connection of a context. */
    private static void through(Disk disk, int context, Operation operation) {
        assertThat(begin(disk, context, operation).join()).isEqualTo(Status.OK);
    }

    private static CompletableFuture<Status> begin(Disk disk, int context, Operation operation) {
        CompletableFuture<Status> ended = new CompletableFuture<>();
        IoBuffer buffer = disk.allocate(BLOCK);
        try (Plug plug = disk.plug(context)) {
            plug.submit(new Bio(1).reset(operation, 0).add(buffer.memory(), 0, BLOCK)
                    .onEnd(bio -> ended.complete(bio.status())));
        }
        return ended.whenComplete((_, _) -> buffer.close());
    }

    /** What a server may say that was not asked for. */
    enum Lie {
        COOKIE {
            @Override
            byte[] to(RequestHeader request) {
                return simple(request.cookie + 1, 0, (int) request.length);
            }
        },
        MAGIC {
            @Override
            byte[] to(RequestHeader request) {
                byte[] reply = simple(request.cookie, 0, (int) request.length);
                reply[0] ^= 1;
                return reply;
            }
        },
        SHORT {
            @Override
            byte[] to(RequestHeader request) {
                return pieces(put(64, out -> {
                    ReplyStyle.STRUCTURED.putHeader(out, 0, Nbd.REPLY_OFFSET_DATA, request.cookie, 0, 8 + 16);
                    out.putLong(request.offset).put(new byte[16]);
                }), put(20, out -> ReplyStyle.STRUCTURED.putHeader(out, 1, Nbd.REPLY_NONE, request.cookie, 0, 0)));
            }
        },
        TWICE {
            @Override
            byte[] to(RequestHeader request) {
                byte[] half = put((int) request.length / 2 + 28, out -> {
                    ReplyStyle.STRUCTURED.putHeader(out, 0, Nbd.REPLY_OFFSET_DATA, request.cookie, 0,
                            8 + request.length / 2);
                    out.putLong(request.offset).put(new byte[(int) request.length / 2]);
                });
                return pieces(half, half);
            }
        },
        OUTSIDE {
            @Override
            byte[] to(RequestHeader request) {
                return put((int) request.length + 28, out -> {
                    ReplyStyle.STRUCTURED.putHeader(out, 1, Nbd.REPLY_OFFSET_DATA, request.cookie, 0,
                            8 + request.length);
                    out.putLong(request.offset + 512).put(new byte[(int) request.length]);
                });
            }
        },
        ENDLESS_PIECE {
            @Override
            byte[] to(RequestHeader request) {
                return put(20, out -> ReplyStyle.STRUCTURED.putHeader(out, 1, Nbd.REPLY_ERROR, request.cookie, 0,
                        0x7fff_ffff));
            }
        },
        UNKNOWN_PIECE {
            @Override
            byte[] to(RequestHeader request) {
                return put(20, out -> ReplyStyle.STRUCTURED.putHeader(out, 1, 77, request.cookie, 0, 0));
            }
        },
        HOLE_TOO_LONG {
            @Override
            byte[] to(RequestHeader request) {
                return put(32, out -> {
                    ReplyStyle.STRUCTURED.putHeader(out, 1, Nbd.REPLY_OFFSET_HOLE, request.cookie, 0, 12);
                    out.putLong(request.offset).putInt(0xffff_ffff);
                });
            }
        },
        EMPTY_ERROR {
            @Override
            byte[] to(RequestHeader request) {
                return put(26, out -> {
                    ReplyStyle.STRUCTURED.putHeader(out, 1, Nbd.REPLY_ERROR, request.cookie, 0, 6);
                    out.putInt(0).putShort((short) 0);
                });
            }
        },
        GOING {
            @Override
            byte[] to(RequestHeader request) {
                return put(26, out -> {
                    ReplyStyle.STRUCTURED.putHeader(out, 1, Nbd.REPLY_ERROR, request.cookie, 0, 6);
                    out.putInt(Nbd.ESHUTDOWN).putShort((short) 0);
                });
            }
        };

        abstract byte[] to(RequestHeader request);

        boolean isStructured() {
            return this != COOKIE && this != MAGIC;
        }
    }

    private static byte[] simple(long cookie, int error, int bytes) {
        return put(16 + bytes, out -> out.putInt(Nbd.SIMPLE_REPLY_MAGIC).putInt(error).putLong(cookie));
    }

    private static byte[] put(int bytes, java.util.function.Consumer<ByteBuffer> content) {
        ByteBuffer out = ByteBuffer.allocate(bytes);
        content.accept(out);
        return out.array();
    }

    private static byte[] pieces(byte[] first, byte[] second) {
        byte[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    @ParameterizedTest
    @EnumSource(Lie.class)
    void aServerThatLiesIsLeftAndTheRequestFailsInTheEnd(Lie lie) throws Exception {
        TestClock clock = new TestClock();
        try (LyingServer server = new LyingServer(directory.resolve("s"), lie.isStructured(), lie::to);
                Disk disk = client("s").runtime(clock.runtime()).open()) {
            byte[] memory = new byte[BLOCK + 2];
            Arrays.fill(memory, (byte) 1);
            Eventually.Worker<Boolean> read = Eventually
                    .start(() -> disk.read(BLOCK, ByteBuffer.wrap(memory, 1, BLOCK)));
            Eventually.until("it is left for another connection, as is that", () -> server.ended.get() == 2);
            clock.advanceUntil("it is given up", Duration.ofMinutes(20), read::isDone);
            assertThat(read.failure()).isInstanceOfSatisfying(BlockIOException.class,
                    e -> assertThat(e.status()).isEqualTo(Status.TRANSPORT));
            assertThat(memory[0]).isEqualTo((byte) 1);
            assertThat(memory[BLOCK + 1]).isEqualTo((byte) 1);
            // One more, if the time has gone on before the second break was noted: it counts from then.
            assertThat(server.connections.get()).isGreaterThanOrEqualTo(2);
        }
    }

    @Test
    void aServerThatSaysNothingIsLeft() throws Exception {
        TestClock clock = new TestClock();
        AtomicInteger asked = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, _ -> {
            asked.incrementAndGet();
            return null;
        }); Disk disk = client("s").runtime(clock.runtime()).open()) {
            Eventually.Worker<Boolean> read = Eventually.start(() -> disk.read(0, ByteBuffer.allocate(BLOCK)));
            Eventually.until("it is asked", () -> asked.get() == 1);
            clock.advance(Patient.PATIENCE.plusMinutes(1));
            Eventually.until("it is left, and asked by another connection", () -> asked.get() == 2);
            assertThat(server.connections.get()).isEqualTo(2);
            clock.advanceUntil("it is asked no more", Duration.ofMinutes(1), read::isDone);
            assertThat(read.failure()).isInstanceOf(BlockIOException.class);
        }
    }

    /** It is not to blame for the time that the one before it has taken. */
    @Test
    void aServerThatIsAskedAnewHasItsWholeTime() throws Exception {
        TestClock clock = new TestClock();
        AtomicInteger asked = new AtomicInteger();
        AtomicLong unanswered = new AtomicLong();
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, request -> {
            asked.incrementAndGet();
            if (request.offset == 0) {
                unanswered.set(request.cookie);
                return null;
            }
            return pieces(simple(unanswered.get(), 0, BLOCK), simple(request.cookie, 0, BLOCK));
        }); Disk disk = client("s").runtime(clock.runtime()).open()) {
            Eventually.Worker<Boolean> read = Eventually.start(() -> disk.read(0, ByteBuffer.allocate(BLOCK)));
            Eventually.until("it is asked", () -> asked.get() == 1);
            clock.advance(Patient.PATIENCE.minusMinutes(1));
            server.end(1);
            Eventually.until("another connection is asked", () -> asked.get() == 2);
            clock.advance(Duration.ofMinutes(2));
            // It is sent after the link has been told of the time, and both are answered.
            disk.read(BLOCK, ByteBuffer.allocate(BLOCK));
            assertThat(read.join()).isTrue();
            assertThat(asked.get()).isEqualTo(3);
            assertThat(server.connections.get()).isEqualTo(2);
        }
    }

    /** A connection is left within what has been received: what comes behind that is not believed. */
    @Test
    void aReplyBehindOneThatBreaksTheConnectionIsNotBelieved() throws Exception {
        AtomicInteger writes = new AtomicInteger();
        AtomicInteger reads = new AtomicInteger();
        AtomicLong unanswered = new AtomicLong();
        try (LyingServer server = new LyingServer(directory.resolve("s"), true, request -> {
            if (request.command == Nbd.CMD_WRITE) {
                unanswered.set(request.cookie);
                return writes.incrementAndGet() == 1 ? null : none(request.cookie);
            }
            boolean lies = reads.incrementAndGet() == 1;
            int bytes = lies ? 16 : BLOCK;
            byte[] data = put(28 + bytes, out -> {
                ReplyStyle.STRUCTURED.putHeader(out, 1, Nbd.REPLY_OFFSET_DATA, request.cookie, 0, 8 + bytes);
                out.putLong(request.offset);
            });
            return lies ? pieces(data, none(unanswered.get())) : data;
        }); Disk disk = client("s").open()) {
            CompletableFuture<Void> write = write(disk, 0, 1);
            Eventually.until("the write is on its way", () -> writes.get() == 1);
            disk.read(BLOCK, ByteBuffer.allocate(BLOCK));
            write.join();
            assertThat(writes.get()).as("how often the write was asked for").isEqualTo(2);
            assertThat(reads.get()).isEqualTo(2);
            assertThat(server.connections.get()).isEqualTo(2);
        }
    }

    private static byte[] none(long cookie) {
        return put(20, out -> ReplyStyle.STRUCTURED.putHeader(out, 1, Nbd.REPLY_NONE, cookie, 0, 0));
    }

    /** Nobody flushes a disk that has had no cache. */
    @Test
    void anExportThatHasGotACacheIsNotUsed() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, request -> {
            asked.incrementAndGet();
            return simple(request.cookie, 0, 0);
        })) {
            server.flags = Nbd.FLAG_HAS_FLAGS;
            try (Disk disk = client("s").open()) {
                server.flags |= Nbd.FLAG_SEND_FLUSH;
                server.end(1);
                Eventually.until("it has connected again", () -> server.connections.get() == 2);
                assertThatThrownBy(() -> disk.write(0, block(1))).isInstanceOfSatisfying(BlockIOException.class,
                        e -> assertThat(e.status()).isEqualTo(Status.TRANSPORT));
                assertThat(asked.get()).isZero();
            }
        }
    }

    @Test
    void aServerThatClosesWithinAReplyIsAskedAgain() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, request -> {
            if (request.command == Nbd.CMD_READ && asked.incrementAndGet() < 3) {
                throw new java.io.UncheckedIOException(new IOException("closed"));
            }
            return simple(request.cookie, 0, request.command == Nbd.CMD_READ ? (int) request.length : 0);
        }); Disk disk = client("s").open()) {
            disk.read(0, ByteBuffer.allocate(BLOCK));
            assertThat(asked.get()).isEqualTo(3);
            assertThat(server.connections.get()).isEqualTo(3);
        }
    }

    @Test
    void aServerThatStopsWithinAReplyIsLeft() throws Exception {
        TestClock clock = new TestClock();
        AtomicInteger asked = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, request -> {
            byte[] reply = simple(request.cookie, 0, (int) request.length);
            return asked.incrementAndGet() == 1 ? Arrays.copyOf(reply, reply.length / 2) : reply;
        }); Disk disk = client("s").runtime(clock.runtime()).open()) {
            Eventually.Worker<Boolean> read = Eventually.start(() -> disk.read(0, ByteBuffer.allocate(BLOCK)));
            Eventually.until("it is asked", () -> asked.get() == 1);
            clock.advance(Patient.PATIENCE.plusMinutes(1));
            assertThat(read.join()).isTrue();
            assertThat(asked.get()).isEqualTo(2);
            assertThat(server.connections.get()).isEqualTo(2);
        }
    }

    @Test
    void aReplyBeforeAnyRequestIsTheEndOfItsConnection() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), false, request -> {
            asked.incrementAndGet();
            return simple(request.cookie, 0, (int) request.length);
        })) {
            // The first connection may have been left when the disk is open, or be left when it is read.
            server.unasked = number -> number == 1 ? simple(1, 0, 0) : null;
            try (Disk disk = client("s").open()) {
                disk.read(0, ByteBuffer.allocate(BLOCK));
                assertThat(server.connections.get()).isEqualTo(2);
            }
            assertThat(asked.get()).isBetween(1, 2);
        }
    }

    /** The server takes two requests, and no more of them before its client has taken the replies, which are large. */
    @Test
    void manyLargeReadsAndWritesGoThroughAServerThatTakesTwoAtATime() throws Exception {
        try (Disk behind = Scratch.memory(16 << 20);
                NbdServer server = Patient.server().unix(directory.resolve("s")).requestsMax(2)
                        .connectionBytesMax(1 << 20).start()) {
            server.addExport(NbdExport.builder("d", behind).build());
            try (Disk disk = client("s").connections(1).open()) {
                List<CompletableFuture<Void>> all = new ArrayList<>();
                List<IoBuffer> buffers = new ArrayList<>();
                for (int i = 0; i < 32; i++) {
                    IoBuffer buffer = IoBuffer.allocate(256 << 10);
                    buffers.add(buffer);
                    all.add(i % 2 == 0
                            ? disk.async().write(i * (256L << 10), buffer.memory(), 0)
                            : disk.async().read(i * (256L << 10), buffer.memory()));
                }
                CompletableFuture.allOf(all.toArray(CompletableFuture<?>[]::new)).join();
                buffers.forEach(IoBuffer::close);
            }
        }
    }

    /** What is told is why it could not connect again, not only that it could not. */
    @Test
    void aDiskThatIsGivenUpSaysWhyItWasNotConnectedAgain() throws Exception {
        List<String> said = new CopyOnWriteArrayList<>();
        Handler handler = new Handler() {
            @Override
            public void publish(LogRecord logged) {
                said.add(logged.getLevel() + " " + logged.getMessage());
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger logger = Logger.getLogger("io.blkmq.nbd");
        try (Disk memory = Scratch.memory(BLOCKS * BLOCK);
                NbdServer server = Patient.server().unix(directory.resolve("s")).start()) {
            server.addExport(NbdExport.builder("d", memory).build());
            logger.addHandler(handler);
            try (Disk disk = client("s").connections(1).giveUpAfter(Duration.ofNanos(1)).open();
                    IoBuffer buffer = IoBuffer.allocate(BLOCK)) {
                disk.read(0, buffer.memory());
                server.removeExport("d");
                assertThatThrownBy(() -> disk.read(0, buffer.memory())).isInstanceOf(BlockIOException.class)
                        .hasMessageContaining("TRANSPORT");
            } finally {
                logger.removeHandler(handler);
            }
        }
        assertThat(said).anyMatch(line -> line.startsWith("SEVERE")
                && line.contains("is given up: no connection in time") && line.contains("there is none of that name"));
    }
}
