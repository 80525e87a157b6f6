package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Disk;
import io.blkmq.core.DiskStatistics;
import io.blkmq.core.IoGroup;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.nbd.server.Server;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.testing.Command;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a server does for one client while another, the disk or the machine keeps it from that. */
@NoRescues
@Timeout(300)
class NbdServerTest {
    private static final int KIB = 1 << 10;
    private static final int DISK_BYTES = 256 * KIB;
    private static final int LARGE_BYTES = 8192 * KIB;

    @TempDir
    private Path directory = Path.of("");

    private Path socket() {
        return directory.resolve("s");
    }

    private static NbdExport export(Disk disk) {
        return NbdExport.builder("d", disk).build();
    }

    /** A disk that is held up now and then, and not any more when the test has ended, also in a failure: a server waits for it. */
    private record HeldUp(Runnable hold, Runnable release, AtomicBoolean held) implements AutoCloseable {
        /** Requests wait in its queue. */
        static HeldUp quiescing(Disk disk) {
            return new HeldUp(disk.queue()::quiesce, disk.queue()::unquiesce, new AtomicBoolean());
        }

        /** Threads that submit wait. */
        static HeldUp freezing(Disk disk) {
            return new HeldUp(disk::freeze, disk::unfreeze, new AtomicBoolean());
        }

        void begin() {
            hold.run();
            held.set(true);
        }

        void end() {
            if (held.getAndSet(false)) {
                release.run();
            }
        }

        @Override
        public void close() {
            end();
        }
    }

    /** What is on its way to the disk, or there. */
    private static AtomicInteger inFlight(Disk disk) {
        AtomicInteger inFlight = new AtomicInteger();
        disk.queue().addObserver(_ -> {
            inFlight.incrementAndGet();
            return (_, _) -> inFlight.decrementAndGet();
        });
        return inFlight;
    }

    @Test
    void memoryThatABusyClientKeepsForLaterIsGivenToOneThatWaits() throws IOException {
        int bytes = 64 * KIB;
        try (Disk disk = Scratch.memory(DISK_BYTES);
                NbdServer server = Patient.server().unix(socket()).totalBytesMax(16L * bytes).start()) {
            server.addExport(export(disk));
            AtomicInteger inFlight = inFlight(disk);
            try (RawClient busy = RawClient.simple(socket(), "d");
                    RawClient other = RawClient.simple(socket(), "d");
                    HeldUp held = HeldUp.quiescing(disk)) {
                held.begin();
                for (int i = 0; i < 16; i++) {
                    busy.write(RawClient.request(Nbd.CMD_READ, 0, i, 0, bytes));
                }
                Eventually.until("the client has all memory", () -> inFlight.get() == 16);
                held.end();
                for (int i = 0; i < 16; i++) {
                    assertThat(busy.reply(bytes).error()).isZero();
                }
                held.begin();
                busy.write(RawClient.request(Nbd.CMD_READ, 0, 16, 0, 512));
                Eventually.until("it has a request in progress", () -> inFlight.get() == 1);
                for (int i = 0; i < 16; i++) {
                    other.write(RawClient.request(Nbd.CMD_READ, 0, i, 0, bytes));
                }
                Eventually.until("the other has all but one part of the memory", () -> inFlight.get() == 16);
                held.end();
                assertThat(busy.reply(512).error()).isZero();
                for (int i = 0; i < 16; i++) {
                    assertThat(other.reply(bytes).error()).isZero();
                }
            }
        }
    }

    @Test
    void aClientIsNotToBlameForTheTimeThatADiskHoldsTheThreadUp() throws Exception {
        TestClock clock = new TestClock();
        byte[] part = new byte[4 * KIB];
        try (Disk disk = Scratch.memory(DISK_BYTES);
                NbdServer server = Patient.server().unix(socket()).runtime(clock.runtime()).start()) {
            server.addExport(export(disk));
            Thread worker = Thread.getAllStackTraces().keySet().stream()
                    .filter(thread -> thread.getName().equals("blkmq-nbd-0")).findFirst().orElseThrow();
            Class<?> lane = Class.forName("io.blkmq.nbd.server.Lane");
            try (RawClient writer = RawClient.simple(socket(), "d");
                    RawClient reader = RawClient.simple(socket(), "d");
                    HeldUp held = HeldUp.freezing(disk)) {
                writer.write(RawClient.request(Nbd.CMD_WRITE, 0, 1, 0, 3L * part.length, part));
                Eventually.until("it is being received", () -> server.statistics().memoryBytes() > 0);
                clock.advance(Duration.ofSeconds(1));
                // Two turns, at the end of one of which the server looks at the time.
                for (int i = 0; i < 2; i++) {
                    reader.write(RawClient.request(Nbd.CMD_READ, 0, i, 0, 512));
                    assertThat(reader.reply(512).error()).isZero();
                }
                held.begin();
                reader.write(RawClient.request(Nbd.CMD_READ, 0, 2, 0, 512));
                Eventually.waitsIn(worker, lane);
                writer.write(ByteBuffer.wrap(part));
                clock.advance(Patient.PATIENCE.plusMinutes(1));
                held.end();
                assertThat(reader.reply(512).error()).isZero();
                writer.write(ByteBuffer.wrap(part));
                assertThat(writer.reply(0).error()).isZero();
            }
            assertThat(server.statistics().aborted()).isZero();
        }
    }

    /** It is equal to the one that is being removed. */
    @Test
    void anExportThatIsAddedAgainWhileItIsRemovedIsAnotherOne() throws IOException {
        try (Disk disk = Scratch.memory(DISK_BYTES); NbdServer server = Patient.server().unix(socket()).start()) {
            server.addExport(export(disk));
            AtomicInteger inFlight = inFlight(disk);
            try (RawClient first = RawClient.simple(socket(), "d"); HeldUp held = HeldUp.quiescing(disk)) {
                held.begin();
                first.write(RawClient.request(Nbd.CMD_READ, 0, 1, 0, 512));
                Eventually.until("it is at the disk", () -> inFlight.get() == 1);
                Eventually.Worker<Boolean> remover = Eventually.call(() -> server.removeExport("d"));
                Eventually.waitsIn(remover.thread(), Server.class);
                NbdExport again = export(disk);
                server.addExport(again);
                try (RawClient second = RawClient.simple(socket(), "d")) {
                    held.end();
                    assertThat(first.reply(512).error()).isZero();
                    assertThat(first.isClosedByServer()).isTrue();
                    assertThat(remover.join()).isTrue();
                    assertThat(server.exports()).containsExactly(again);
                    second.write(RawClient.request(Nbd.CMD_READ, 0, 1, 0, 512));
                    assertThat(second.reply(512).error()).isZero();
                }
            }
        }
    }

    @Test
    void aRequestThatFindsNoMemoryIsAnsweredAndTheNextOneIsServed() throws IOException {
        Process process = JavaProcess.start("--enable-native-access=ALL-UNNAMED", "-Dblkmq.memory.maxBytes=2097152",
                "-cp", JavaProcess.classPath(), ServerWithoutMemory.class.getName(), socket().toString());
        try {
            Eventually.until("it has ended", () -> !process.isAlive());
            assertThat(new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                    .contains("without memory: " + Nbd.ENOMEM, "with memory: 0", "closed");
        } finally {
            process.destroyForcibly();
        }
    }

    /** Something of the client's is unread, as it is from a client that asks for more than it takes. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aSlowClientGetsItsRepliesInFullWhenTheServerEnds(boolean tcp) throws IOException {
        int replyBytes = 16 + DISK_BYTES;
        try (Disk disk = Scratch.memory(DISK_BYTES);
                NbdServer server = Patient.server().unix(socket()).loopback(0).requestsMax(4).start();
                SocketChannel client = SocketChannel
                        .open(tcp ? StandardProtocolFamily.INET : StandardProtocolFamily.UNIX)) {
            server.addExport(export(disk));
            client.setOption(StandardSocketOptions.SO_RCVBUF, 4 * KIB);
            assertThat(client.connect(server.addresses().get(tcp ? 1 : 0))).isTrue();
            RawClient asks = RawClient.greet(client);
            asks.go("d");
            client.configureBlocking(false);
            ByteBuffer requests = ByteBuffer.allocate(Nbd.REQUEST_BYTES << 16);
            while (requests.hasRemaining()) {
                requests.put(RawClient.request(Nbd.CMD_READ, 0, 1, 0, DISK_BYTES));
            }
            requests.flip();
            Eventually.until("it takes no more requests, and some are answered",
                    () -> sent(client, requests) == 0 && server.statistics().reads() >= 4);
            Eventually.Worker<Boolean> closer = Eventually.start(server::close);
            Eventually.waitsIn(closer.thread(), Server.class);
            client.configureBlocking(true);
            ByteBuffer reply = ByteBuffer.allocate(replyBytes);
            int replies = 0;
            while (isMore(client, reply, tcp)) {
                if (!reply.hasRemaining()) {
                    assertThat(reply.getInt(0)).isEqualTo(Nbd.SIMPLE_REPLY_MAGIC);
                    replies++;
                    reply.clear();
                }
            }
            assertThat(reply.position()).as("bytes of half a reply").isZero();
            assertThat((long) replies).isGreaterThanOrEqualTo(4).isEqualTo(server.statistics().reads());
            if (tcp) {
                client.shutdownOutput();
            }
            assertThat(closer.join()).isTrue();
        }
    }

    private static boolean isMore(SocketChannel client, ByteBuffer reply, boolean tcp) throws IOException {
        try {
            return client.read(reply) >= 0;
        } catch (IOException e) {
            // A Unix socket says so in the end, but only then.
            if (tcp) {
                throw e;
            }
            return false;
        }
    }

    private static int sent(SocketChannel client, ByteBuffer requests) {
        try {
            return client.write(requests);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** The server is done with the disk of an export when its clients have their replies, and waits for no client's end. */
    @Test
    void aClientThatDoesNotHangUpIsLeftInTime() throws IOException {
        TestClock clock = new TestClock();
        try (Disk disk = Scratch.memory(DISK_BYTES);
                NbdServer server = Patient.server().loopback(0).runtime(clock.runtime()).start();
                SocketChannel client = SocketChannel.open()) {
            server.addExport(export(disk));
            assertThat(client.connect((InetSocketAddress) server.addresses().getFirst())).isTrue();
            RawClient stays = RawClient.greet(client);
            stays.go("d");
            assertThat(server.removeExport("d")).isTrue();
            assertThat(stays.isClosedByServer()).isTrue();
            assertThat(server.statistics().connections()).isEqualTo(1);
            clock.advanceUntil("it is left", Duration.ofMinutes(1), () -> server.statistics().connections() == 0);
            assertThat(server.statistics().aborted()).isZero();
        }
    }

    /** Others may write there meanwhile. The disk has no zeroes of its own, so the server writes them, piece by piece. */
    @ParameterizedTest
    @ValueSource(ints = {Nbd.CMD_WRITE_ZEROES, Nbd.CMD_CACHE})
    void whatAClientThatIsGoneHasBegunGoesNoFurther(int command) throws IOException {
        try (Disk disk = NullBlk.builder().capacityBytes(LARGE_BYTES).completion(NullBlk.Completion.REAPER).build();
                NbdServer server = Patient.server().unix(socket()).threads(1).start();
                HeldUp held = HeldUp.quiescing(disk)) {
            server.addExport(export(disk));
            AtomicInteger inFlight = inFlight(disk);
            held.begin();
            try (RawClient client = RawClient.simple(socket(), "d")) {
                client.write(RawClient.request(command, 0, 1, 0, LARGE_BYTES));
                Eventually.until("its first piece is on its way", () -> inFlight.get() == 1);
            }
            try (RawClient other = RawClient.simple(socket(), "d")) {
                // The server's only thread has seen the end of the first when it has answered the other twice.
                for (int i = 0; i < 2; i++) {
                    other.write(RawClient.request(Nbd.CMD_READ, 0, i, LARGE_BYTES, 512));
                    assertThat(other.reply(0).error()).isEqualTo(Nbd.EINVAL);
                }
                held.end();
                Eventually.until("the first is gone", () -> server.statistics().connections() == 1);
            }
            DiskStatistics statistics = disk.statistics();
            assertThat(statistics.ios(IoGroup.READ) + statistics.ios(IoGroup.WRITE)).isOne();
        }
    }

    @Test
    void aHostThatIsNotKnownIsNamed() {
        InetSocketAddress nowhere = InetSocketAddress.createUnresolved("no-such-host.invalid", 1234);
        assertThatThrownBy(() -> Patient.server().tcp(nowhere).start()).isInstanceOf(IOException.class)
                .hasMessageContaining("the host no-such-host.invalid is not known");
    }

    @Test
    void whatIsNoSocketIsNotRemoved() throws Exception {
        Command.require("mkfifo");
        Path fifo = directory.resolve("fifo");
        Command.run("", "mkfifo", fifo.toString());
        assertThatThrownBy(() -> Patient.server().unix(fifo).start()).isInstanceOf(IOException.class)
                .hasMessageContaining("no socket");
        assertThat(Files.exists(fifo)).isTrue();
    }

    @Test
    void theSocketOfAnotherServerIsNotRemoved() throws Exception {
        try (Disk disk = Scratch.memory(DISK_BYTES)) {
            NbdServer first = Patient.server().unix(socket()).start();
            Files.delete(socket());
            try (NbdServer second = Patient.server().unix(socket()).start()) {
                second.addExport(export(disk));
                first.close();
                try (RawClient client = RawClient.simple(socket(), "d")) {
                    client.write(RawClient.request(Nbd.CMD_FLUSH, 0, 1, 0, 0));
                    assertThat(client.reply(0).error()).isZero();
                }
            }
            assertThat(Files.exists(socket())).isFalse();
        }
    }
}
