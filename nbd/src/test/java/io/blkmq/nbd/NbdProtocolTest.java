package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import com.sun.management.UnixOperatingSystemMXBean;
import java.io.EOFException;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The server byte by byte: what is right is answered as the protocol says, and what is wrong by a defined error or the end. */
@NoRescues
@Timeout(300)
class NbdProtocolTest {
    private static final int KIB = 1 << 10;
    private static final int DISK_BYTES = 256 * KIB;
    /** The export is the middle of a disk, so that a byte outside of it would be found. */
    private static final int EXPORT_AT = 64 * KIB;
    private static final int EXPORT_BYTES = 128 * KIB;

    /** So often does somebody choose an export while it is removed: few of them hit the moment. */
    private static final int REMOVALS = 1000;

    @TempDir
    private Path directory = Path.of("");
    private Path socket = Path.of("");
    private final Disk disk = disk();
    private final Disk part = disk.partition("part", EXPORT_AT, EXPORT_BYTES);
    private NbdServer server = start(Patient.server().loopback(0));

    private static Disk disk() {
        try {
            return Scratch.memory(DISK_BYTES);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static NbdServer start(NbdServer.Builder builder) {
        try {
            return builder.start();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @BeforeEach
    void start() throws IOException {
        byte[] guard = new byte[DISK_BYTES];
        Arrays.fill(guard, (byte) 0x77);
        disk.write(0, ByteBuffer.wrap(guard));
        serve(Patient.server());
    }

    private void serve(NbdServer.Builder builder) throws IOException {
        server.close();
        socket = directory.resolve("s");
        server = start(builder.unix(socket));
        server.addExport(NbdExport.builder("d", part).description("a part").build());
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
        assertThat(server.statistics().memoryBytes()).isZero();
        assertThat(server.statistics().connections()).isZero();
        byte[] all = contentOfDisk();
        for (int i = 0; i < DISK_BYTES; i++) {
            if (i < EXPORT_AT || i >= EXPORT_AT + EXPORT_BYTES) {
                assertThat(all[i]).as("byte %d, outside of the export", i).isEqualTo((byte) 0x77);
            }
        }
        disk.close();
    }

    private byte[] contentOfDisk() throws IOException {
        byte[] all = new byte[DISK_BYTES];
        disk.read(0, ByteBuffer.wrap(all));
        return all;
    }

    private byte[] contentOfExport() throws IOException {
        return Arrays.copyOfRange(contentOfDisk(), EXPORT_AT, EXPORT_AT + EXPORT_BYTES);
    }

    private static byte[] filled(int bytes, int value) {
        byte[] filled = new byte[bytes];
        Arrays.fill(filled, (byte) value);
        return filled;
    }

    private static int error(RawClient client, ByteBuffer request) throws IOException {
        client.write(request);
        return client.reply(0).error();
    }

    /** Somebody else is served as if nothing had happened. */
    private void stillServes() {
        stillServes(512);
    }

    private void stillServes(int bytes) {
        try (RawClient other = RawClient.simple(socket, "d")) {
            other.write(RawClient.request(Nbd.CMD_READ, 0, 9, 0, bytes));
            assertThat(other.reply(bytes).error()).isZero();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    // ---- what is right

    @Test
    void exportNameIsAnsweredInTheOldWay() throws IOException {
        try (RawClient client = RawClient.connect(socket)) {
            client.read(18);
            // Without NO_ZEROES.
            client.write(ByteBuffer.allocate(4).putInt(1).flip());
            client.option(Nbd.OPT_EXPORT_NAME, "d".getBytes(StandardCharsets.UTF_8));
            ByteBuffer answer = client.read(10 + Nbd.RESERVED_BYTES);
            assertThat(answer.getLong()).isEqualTo(EXPORT_BYTES);
            assertThat(answer.getShort() & Nbd.FLAG_SEND_DF).isZero();
            client.write(RawClient.request(Nbd.CMD_READ, 0, 7, 0, 512));
            RawClient.Reply reply = client.reply(512);
            assertThat(reply.cookie()).isEqualTo(7);
            assertThat(reply.data()).containsOnly(0x77);
        }
    }

    @Test
    void theEmptyNameIsTheOnlyExportUntilThereAreTwo() throws IOException {
        try (RawClient client = RawClient.greet(socket)) {
            assertThat(client.answerTo(Nbd.OPT_INFO, RawClient.info(""))).isEqualTo(Nbd.REP_ACK);
            server.addExport(NbdExport.builder("e", part).build());
            assertThat(client.answerTo(Nbd.OPT_INFO, RawClient.info(""))).isEqualTo(Nbd.REP_ERR_UNKNOWN);
            assertThat(client.ask(Nbd.OPT_LIST, new byte[0])).hasSize(3);
        }
    }

    @Test
    void infoTellsWhatWasAskedFor() throws IOException {
        try (RawClient client = RawClient.greet(socket)) {
            List<RawClient.OptionReply> replies = client.ask(Nbd.OPT_INFO,
                    RawClient.info("d", Nbd.INFO_NAME, Nbd.INFO_DESCRIPTION, Nbd.INFO_BLOCK_SIZE, 999));
            assertThat(replies).extracting(reply -> reply.type() == Nbd.REP_INFO
                    ? (int) ByteBuffer.wrap(reply.data()).getShort(0)
                    : -reply.type()).containsExactly(Nbd.INFO_EXPORT, Nbd.INFO_NAME, Nbd.INFO_DESCRIPTION,
                            Nbd.INFO_BLOCK_SIZE, -Nbd.REP_ACK);
            ByteBuffer blocks = ByteBuffer.wrap(replies.get(3).data());
            assertThat(List.of(blocks.getInt(2), blocks.getInt(6), blocks.getInt(10))).containsExactly(512, 4096,
                    32 << 20);
        }
    }

    @Test
    void allCommandsWorkWithExtendedHeaders() throws IOException {
        try (RawClient client = RawClient.greet(socket)) {
            assertThat(client.answerTo(Nbd.OPT_EXTENDED_HEADERS, new byte[0])).isEqualTo(Nbd.REP_ACK);
            assertThat(client.answerTo(Nbd.OPT_STRUCTURED_REPLY, new byte[0])).isEqualTo(Nbd.REP_ERR_EXT_HEADER_REQD);
            assertThat(client.ask(Nbd.OPT_SET_META_CONTEXT, RawClient.contexts("d", Nbd.BASE_ALLOCATION))).hasSize(2);
            client.go("d");
            client.write(RawClient.extendedRequest(Nbd.CMD_WRITE, Nbd.CMD_FLAG_PAYLOAD_LEN | Nbd.CMD_FLAG_FUA, 1, 4096,
                    4096, filled(4096, 5)));
            assertThat(client.reply(0)).extracting(RawClient.Reply::magic, RawClient.Reply::type,
                    RawClient.Reply::cookie, RawClient.Reply::error)
                    .containsExactly(Nbd.EXTENDED_REPLY_MAGIC, Nbd.REPLY_NONE, 1L, 0);
            client.write(RawClient.extendedRequest(Nbd.CMD_READ, Nbd.CMD_FLAG_DF, 2, 4096, 4096));
            RawClient.Reply read = client.reply(0);
            assertThat(read.type()).isEqualTo(Nbd.REPLY_OFFSET_DATA);
            assertThat(Arrays.copyOfRange(read.data(), 8, 8 + 4096)).containsOnly(5);
            client.write(RawClient.extendedRequest(Nbd.CMD_BLOCK_STATUS, 0, 3, 0, EXPORT_BYTES));
            RawClient.Reply status = client.reply(0);
            assertThat(status.type()).isEqualTo(Nbd.REPLY_BLOCK_STATUS_EXT);
            ByteBuffer extents = ByteBuffer.wrap(status.data());
            assertThat(List.of((long) extents.getInt(), (long) extents.getInt(), extents.getLong(), extents.getLong()))
                    .containsExactly(1L, 1L, (long) EXPORT_BYTES, 0L);
            for (int command : new int[]{Nbd.CMD_TRIM, Nbd.CMD_WRITE_ZEROES, Nbd.CMD_CACHE}) {
                assertThat(error(client, RawClient.extendedRequest(command, Nbd.CMD_FLAG_FUA, 4, 4096, 4096)))
                        .as(Nbd.commandName(command)).isZero();
            }
            assertThat(error(client, RawClient.extendedRequest(Nbd.CMD_FLUSH, 0, 5, 0, 0))).isZero();
            // Data that no command but WRITE has are skipped.
            assertThat(error(client,
                    RawClient.extendedRequest(Nbd.CMD_READ, Nbd.CMD_FLAG_PAYLOAD_LEN, 6, 0, 512, filled(512, 1))))
                    .isEqualTo(Nbd.EINVAL);
            assertThat(error(client, RawClient.extendedRequest(Nbd.CMD_WRITE, 0, 7, 0, 512))).isEqualTo(Nbd.EINVAL);
            assertThat(error(client, RawClient.extendedRequest(Nbd.CMD_WRITE_ZEROES, 0, 8, 0, 1L << 40)))
                    .isEqualTo(Nbd.ENOSPC);
        }
        assertThat(contentOfExport()[4096]).isZero();
    }

    @Test
    void zeroesAreWrittenWhereTheDiskHasNoShortWay() throws IOException {
        try (Disk plain = NullBlk.builder().capacityBytes(4 << 20).memoryBacked(true).discard(false)
                .completion(NullBlk.Completion.REAPER).build()) {
            plain.queue().disable(Operation.WRITE_ZEROES);
            plain.write(0, ByteBuffer.wrap(filled(4 << 20, 9)));
            server.addExport(NbdExport.builder("plain", plain).build());
            try (RawClient client = RawClient.simple(socket, "plain")) {
                assertThat(error(client, RawClient.request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_FAST_ZERO, 1, 512, 512)))
                        .isEqualTo(Nbd.ENOTSUP);
                assertThat(error(client, RawClient.request(Nbd.CMD_TRIM, 0, 1, 512, 512))).isEqualTo(Nbd.EINVAL);
                assertThat(error(client, RawClient.request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_FUA, 1, 512, 1 << 20)))
                        .isZero();
            }
            server.removeExport("plain");
            byte[] content = new byte[4 << 20];
            plain.read(0, ByteBuffer.wrap(content));
            assertThat(content[511]).isEqualTo((byte) 9);
            assertThat(Arrays.copyOfRange(content, 512, 512 + (1 << 20))).containsOnly(0);
            assertThat(content[512 + (1 << 20)]).isEqualTo((byte) 9);
        }
    }

    @Test
    void zeroesOfTheDiskAreZeroes() throws IOException {
        try (RawClient client = RawClient.simple(socket, "d")) {
            assertThat(error(client,
                    RawClient.request(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_NO_HOLE | Nbd.CMD_FLAG_FUA, 1, 512, 1024)))
                    .isZero();
        }
        byte[] content = contentOfExport();
        assertThat(content[511]).isEqualTo((byte) 0x77);
        assertThat(Arrays.copyOfRange(content, 512, 1536)).containsOnly(0);
        assertThat(content[1536]).isEqualTo((byte) 0x77);
    }

    @Test
    void whatWasAskedForBeforeDiscIsDone() throws IOException {
        try (RawClient client = RawClient.simple(socket, "d")) {
            client.write(RawClient.request(Nbd.CMD_WRITE, 0, 1, 0, 4096, filled(4096, 3)));
            client.write(RawClient.request(Nbd.CMD_DISC, 0, 2, 0, 0));
            assertThat(client.reply(0).error()).isZero();
            assertThat(client.isClosedByServer()).isTrue();
        }
        assertThat(Arrays.copyOfRange(contentOfExport(), 0, 4096)).containsOnly(3);
    }

    @Test
    void contextsHoldForTheExportThatTheyWereChosenFor() throws IOException {
        server.addExport(NbdExport.builder("e", part).build());
        try (RawClient client = RawClient.greet(socket)) {
            client.answerTo(Nbd.OPT_STRUCTURED_REPLY, new byte[0]);
            client.answerTo(Nbd.OPT_SET_META_CONTEXT, RawClient.contexts("e", Nbd.BASE_ALLOCATION));
            client.go("d");
            assertThat(error(client, RawClient.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, 512))).isEqualTo(Nbd.EINVAL);
        }
    }

    @Test
    void anAllocationMapThatThrowsWhateverIsAnErrorOfItsRequestAlone() throws IOException {
        server.addExport(NbdExport.builder("e", part).allocation((_, _) -> {
            throw new StackOverflowError("the map's own");
        }).build());
        try (RawClient client = RawClient.greet(socket)) {
            client.answerTo(Nbd.OPT_STRUCTURED_REPLY, new byte[0]);
            client.answerTo(Nbd.OPT_SET_META_CONTEXT, RawClient.contexts("e", Nbd.BASE_ALLOCATION));
            client.go("e");
            for (int i = 0; i < 3; i++) {
                assertThat(error(client, RawClient.request(Nbd.CMD_BLOCK_STATUS, 0, 1, 0, 512))).isEqualTo(Nbd.EIO);
                assertThat(error(client, RawClient.request(Nbd.CMD_FLUSH, 0, 2, 0, 0))).isZero();
            }
        }
        assertThat(server.removeExport("e")).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"'',1", "base:,1", "base:allocation,1", "base:dirty,0", "x-other:,0"})
    void contextsAreListedByQuery(String query, int found) throws IOException {
        try (RawClient client = RawClient.greet(socket)) {
            client.answerTo(Nbd.OPT_STRUCTURED_REPLY, new byte[0]);
            byte[] data = query.isEmpty() ? RawClient.contexts("d") : RawClient.contexts("d", query);
            assertThat(client.ask(Nbd.OPT_LIST_META_CONTEXT, data)).hasSize(found + 1);
        }
    }

    // ---- what is wrong in the negotiation

    @Test
    void unknownOptionsAndWrongDataAreErrorsAndTheHagglingGoesOn() throws IOException {
        try (RawClient client = RawClient.greet(socket)) {
            assertThat(client.answerTo(4, new byte[3])).isEqualTo(Nbd.REP_ERR_UNSUP);
            assertThat(client.answerTo(-1, new byte[0])).isEqualTo(Nbd.REP_ERR_UNSUP);
            assertThat(client.answerTo(Nbd.OPT_LIST, new byte[1])).isEqualTo(Nbd.REP_ERR_INVALID);
            assertThat(client.answerTo(Nbd.OPT_STRUCTURED_REPLY, new byte[1])).isEqualTo(Nbd.REP_ERR_INVALID);
            assertThat(client.answerTo(Nbd.OPT_EXTENDED_HEADERS, new byte[1])).isEqualTo(Nbd.REP_ERR_INVALID);
            assertThat(client.answerTo(Nbd.OPT_STARTTLS, new byte[0])).isEqualTo(Nbd.REP_ERR_POLICY);
            assertThat(client.answerTo(Nbd.OPT_INFO, new byte[0])).isEqualTo(Nbd.REP_ERR_INVALID);
            assertThat(client.answerTo(Nbd.OPT_GO, RawClient.info("none"))).isEqualTo(Nbd.REP_ERR_UNKNOWN);
            assertThat(client.answerTo(Nbd.OPT_GO, ByteBuffer.allocate(8).putInt(1 << 30).array()))
                    .isEqualTo(Nbd.REP_ERR_INVALID);
            assertThat(client.answerTo(Nbd.OPT_GO, RawClient.info("n\0ne"))).isEqualTo(Nbd.REP_ERR_INVALID);
            assertThat(client.answerTo(Nbd.OPT_SET_META_CONTEXT, RawClient.contexts("d")))
                    .isEqualTo(Nbd.REP_ERR_INVALID);
            assertThat(client.answerTo(Nbd.OPT_LIST_META_CONTEXT, new byte[100_000])).isEqualTo(Nbd.REP_ERR_TOO_BIG);
            client.go("d");
            assertThat(error(client, RawClient.request(Nbd.CMD_FLUSH, 0, 1, 0, 0))).isZero();
        }
    }

    @Test
    void abortIsAcknowledged() throws IOException {
        try (RawClient client = RawClient.greet(socket)) {
            assertThat(client.answerTo(Nbd.OPT_ABORT, new byte[0])).isEqualTo(Nbd.REP_ACK);
            assertThat(client.isClosedByServer()).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"00000007", "00000080", "0000000349484156454f505500000001", "0000000000000000000000000000",
            "0000000349484156454f50540000000100000004ffffffff", "0000000349484156454f505400000001fffffff0"})
    void whatIsNoNegotiationIsTheEnd(String hex) throws IOException {
        try (RawClient client = RawClient.connect(socket)) {
            client.read(18);
            client.write(ByteBuffer.wrap(java.util.HexFormat.of().parseHex(hex)));
            client.channel.shutdownOutput();
            assertThat(client.isClosedByServer()).isTrue();
        }
        stillServes();
    }

    @Test
    void anExportNameThatIsNotThereIsTheEnd() throws IOException {
        try (RawClient client = RawClient.greet(socket)) {
            client.option(Nbd.OPT_EXPORT_NAME, "none".getBytes(StandardCharsets.UTF_8));
            assertThat(client.isClosedByServer()).isTrue();
        }
    }

    // ---- what is wrong in transmission

    @ParameterizedTest
    @CsvSource({"0, 0, 131072, 512, 22", "0, 0, 0, 0, 22", "0, 0, 1, 512, 22", "0, 0, 0, 511, 22",
            "0, 0, 0x7ffffffffffffe00, 1024, 22", "0, 0, 0xfffffffffffffe00, 512, 22", "0, 0, 0, 0xfffffe00, 22",
            "0, 4, 0, 512, 22", "0, 16, 0, 512, 22", "3, 0, 512, 0, 22", "3, 0, 0, 512, 22", "4, 0, 131072, 512, 22",
            "4, 0, 0, 0, 22", "4, 2, 0, 512, 22", "5, 0, 131072, 512, 22", "6, 0, 131072, 512, 28", "6, 0, 3, 512, 22",
            "6, 8, 0, 512, 22", "7, 0, 0, 512, 22", "8, 0, 0, 0, 22", "99, 0, 0, 512, 22", "0xffff, 0xffff, 0, 0, 22"})
    void aWrongRequestIsAnErrorAndTheNextOneIsServed(String command, String flags, String offset, String length,
            int error) throws IOException {
        try (RawClient client = RawClient.simple(socket, "d")) {
            assertThat(error(client,
                    RawClient.request(Integer.decode(command), Integer.decode(flags), 1, parse(offset), parse(length))))
                    .isEqualTo(error);
            client.write(RawClient.request(Nbd.CMD_READ, 0, 2, 0, 512));
            assertThat(client.reply(512).data()).containsOnly(0x77);
        }
    }

    private static long parse(String number) {
        return number.startsWith("0x") ? Long.parseUnsignedLong(number.substring(2), 16) : Long.parseLong(number);
    }

    @Test
    void aWrongWriteIsAnErrorAndItsDataAreSkipped() throws IOException {
        try (RawClient client = RawClient.simple(socket, "d")) {
            assertThat(error(client, RawClient.request(Nbd.CMD_WRITE, 0, 1, EXPORT_BYTES - 512, 1024, filled(1024, 1))))
                    .isEqualTo(Nbd.ENOSPC);
            assertThat(error(client, RawClient.request(Nbd.CMD_WRITE, 0, 2, 7, 512, filled(512, 1))))
                    .isEqualTo(Nbd.EINVAL);
            assertThat(error(client, RawClient.request(Nbd.CMD_WRITE, Nbd.CMD_FLAG_DF, 3, 0, 512, filled(512, 1))))
                    .isEqualTo(Nbd.EINVAL);
            assertThat(error(client, RawClient.request(Nbd.CMD_WRITE, 0, 4, 0, 200_000, filled(200_000, 1))))
                    .isEqualTo(Nbd.ENOSPC);
            assertThat(error(client, RawClient.request(Nbd.CMD_WRITE, 0, 5, 0, 512, filled(512, 1)))).isZero();
        }
        byte[] content = contentOfExport();
        assertThat(content[0]).isEqualTo((byte) 1);
        assertThat(Arrays.copyOfRange(content, 512, EXPORT_BYTES)).containsOnly(0x77);
    }

    @Test
    void moreThanTheLargestRequestIsAnError() throws IOException {
        try (Disk large = Scratch.memory(1 << 20)) {
            server.close();
            server = start(Patient.server().unix(socket).requestBytesMax(64 * KIB));
            server.addExport(NbdExport.builder("d", large).build());
            try (RawClient client = RawClient.simple(socket, "d")) {
                assertThat(error(client, RawClient.request(Nbd.CMD_READ, 0, 1, 0, 64 * KIB + 512)))
                        .isEqualTo(Nbd.EOVERFLOW);
                assertThat(error(client,
                        RawClient.request(Nbd.CMD_WRITE, 0, 2, 0, 64 * KIB + 512, filled(64 * KIB + 512, 1))))
                        .isEqualTo(Nbd.EOVERFLOW);
                assertThat(error(client, RawClient.request(Nbd.CMD_WRITE_ZEROES, 0, 3, 0, 1 << 20))).isZero();
            }
            server.close();
        }
    }

    @Test
    void aReadOnlyExportRefusesAllThatWrites() throws IOException {
        server.addExport(NbdExport.builder("ro", part).readOnly(true).build());
        try (RawClient client = RawClient.simple(socket, "ro")) {
            assertThat(error(client, RawClient.request(Nbd.CMD_WRITE, 0, 1, 0, 512, filled(512, 1))))
                    .isEqualTo(Nbd.EPERM);
            assertThat(error(client, RawClient.request(Nbd.CMD_TRIM, 0, 2, 0, 512))).isEqualTo(Nbd.EPERM);
            assertThat(error(client, RawClient.request(Nbd.CMD_WRITE_ZEROES, 0, 3, 0, 512))).isEqualTo(Nbd.EPERM);
            assertThat(error(client, RawClient.request(Nbd.CMD_FLUSH, 0, 4, 0, 0))).isZero();
        }
        assertThat(contentOfExport()).containsOnly(0x77);
    }

    @Test
    void aWrongMagicIsTheEnd() throws IOException {
        try (RawClient client = RawClient.simple(socket, "d")) {
            client.write(ByteBuffer.allocate(28).putInt(0x25609512).clear());
            assertThat(client.isClosedByServer()).isTrue();
        }
        stillServes();
        assertThat(server.statistics().aborted()).isEqualTo(1);
    }

    @Test
    void aWriteThatStopsInTheMiddleChangesNothing() throws IOException {
        try (RawClient client = RawClient.simple(socket, "d")) {
            client.write(RawClient.request(Nbd.CMD_WRITE, 0, 1, 0, 8192, filled(4096, 1)));
        }
        stillServes();
        Eventually.until("the client is gone", () -> server.statistics().connections() <= 1);
        assertThat(contentOfExport()).containsOnly(0x77);
    }

    @Test
    void aStalledClientIsSentAwayAndASilentOneIsNot() throws IOException {
        TestClock clock = new TestClock();
        serve(Patient.server().runtime(clock.runtime()));
        server.addExport(NbdExport.builder("ro", part).readOnly(true).build());
        try (RawClient stalled = RawClient.simple(socket, "d");
                RawClient skipped = RawClient.simple(socket, "ro");
                RawClient silent = RawClient.simple(socket, "d");
                RawClient undecided = RawClient.greet(socket);
                RawClient mute = RawClient.connect(socket)) {
            mute.read(18);
            stalled.write(RawClient.request(Nbd.CMD_WRITE, 0, 1, 0, 8192, filled(4096, 1)));
            // Its data go nowhere, but more of them are to come.
            skipped.write(RawClient.request(Nbd.CMD_WRITE, 0, 1, 0, 8192, filled(4096, 1)));
            clock.advanceUntil("four are sent away", Duration.ofMinutes(1), () -> server.statistics().aborted() == 4);
            assertThat(stalled.isClosedByServer()).isTrue();
            assertThat(skipped.isClosedByServer()).isTrue();
            assertThat(undecided.isClosedByServer()).isTrue();
            assertThat(mute.isClosedByServer()).isTrue();
            silent.write(RawClient.request(Nbd.CMD_READ, 0, 2, 0, 512));
            assertThat(silent.reply(512).error()).isZero();
        }
    }

    @Test
    void aClientThatNeverReadsItsRepliesDelaysNobodyAndIsSentAway() throws IOException {
        TestClock clock = new TestClock();
        serve(Patient.server().totalBytesMax(1 << 20).requestsMax(16).runtime(clock.runtime()));
        try (RawClient deaf = RawClient.simple(socket, "d")) {
            deaf.channel.configureBlocking(false);
            ByteBuffer request = RawClient.request(Nbd.CMD_READ, 0, 1, 0, EXPORT_BYTES);
            int sent = 0;
            for (int tries = 0; tries < 1000 && sent < 100_000; tries++) {
                request.rewind();
                sent += deaf.channel.write(request);
            }
            // Whoever comes gives memory back, for which the deaf one waits; that is no progress of its own.
            clock.advanceUntil("it is sent away", Duration.ofMinutes(1), () -> {
                stillServes(16 * KIB);
                return server.statistics().aborted() == 1;
            });
        }
        Eventually.until("all clients are gone", () -> server.statistics().connections() == 0);
    }

    @Test
    void aClientThatGoesOnAskingAndNeverReadsItsRepliesIsSentAway() throws IOException {
        TestClock clock = new TestClock();
        serve(Patient.server().requestsMax(1024).runtime(clock.runtime()));
        ByteBuffer request = RawClient.request(Nbd.CMD_READ, 0, 1, 0, EXPORT_BYTES);
        try (RawClient deaf = RawClient.simple(socket, "d")) {
            // Their replies are more than the socket takes.
            for (int i = 0; i < 32; i++) {
                deaf.write(request.rewind());
            }
            // From here on one byte every ten seconds: the server would read them for hours. A reply to another client shows that
            // the thread of both has been at work since the last byte.
            AtomicInteger bytes = new AtomicInteger();
            clock.advanceUntil("it is sent away", Duration.ofSeconds(10), () -> {
                trickle(deaf, request);
                stillServes();
                return server.statistics().aborted() == 1 || bytes.incrementAndGet() == 1000;
            });
            assertThat(server.statistics().aborted()).isEqualTo(1);
        }
    }

    /** Sends one byte of a request that is sent over and over. */
    private static void trickle(RawClient client, ByteBuffer request) {
        if (!request.hasRemaining()) {
            request.rewind();
        }
        int end = request.limit();
        request.limit(request.position() + 1);
        try {
            int _ = client.channel.write(request);
        } catch (IOException e) {
            // The server has sent it away.
        }
        request.limit(end);
    }

    @Test
    void allClientsTogetherHaveNoMoreMemoryThanAllowedButOneRequestEach() throws IOException {
        int total = 512 * KIB;
        serve(Patient.server().totalBytesMax(total));
        try (RawClient first = RawClient.simple(socket, "d");
                RawClient second = RawClient.simple(socket, "d");
                RawClient third = RawClient.simple(socket, "d")) {
            List<RawClient> deaf = List.of(first, second, third);
            for (int i = 0; i < 64; i++) {
                for (RawClient client : deaf) {
                    client.write(RawClient.request(Nbd.CMD_READ, 0, i, 0, EXPORT_BYTES));
                }
            }
            // More than a socket takes: what is answered waits, and has memory.
            Eventually.until("memory is in use", () -> server.statistics().memoryBytes() >= total);
            for (int i = 0; i < 20; i++) {
                stillServes();
                assertThat(server.statistics().memoryBytes())
                        .isLessThanOrEqualTo(total + (long) deaf.size() * EXPORT_BYTES + 4 * KIB);
            }
            for (RawClient client : deaf) {
                for (int i = 0; i < 64; i++) {
                    assertThat(client.reply(EXPORT_BYTES).error()).isZero();
                }
            }
        }
    }

    @Test
    void readsDoNotRunFarAheadOfAClientThatTakesNothing() throws IOException {
        int bytes = 1 << 20;
        int requests = 32;
        try (Disk large = Scratch.memory(bytes);
                NbdServer two = Patient.server().unix(directory.resolve("two")).threads(2).start()) {
            two.addExport(NbdExport.builder("d", large).build());
            try (RawClient deaf = RawClient.simple(directory.resolve("two"), "d")) {
                for (int i = 0; i < requests; i++) {
                    deaf.write(RawClient.request(Nbd.CMD_READ, 0, i, 0, bytes));
                }
                // Eight of them fit.
                Eventually.until("eight are answered", () -> two.statistics().reads() >= 8);
                assertThat(two.statistics().memoryBytes()).isLessThanOrEqualTo(8L * bytes);
                for (int i = 0; i < requests; i++) {
                    assertThat(deaf.reply(bytes).error()).isZero();
                    assertThat(two.statistics().memoryBytes()).isLessThanOrEqualTo(8L * bytes);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 1 << 20})
    void aDiskThatIsClosedIsAnError(int bytes) throws IOException {
        try (NbdServer two = Patient.server().unix(directory.resolve("two")).threads(2).start()) {
            Disk other = Scratch.memory(1 << 20);
            two.addExport(NbdExport.builder("d", other).build());
            try (RawClient client = RawClient.simple(directory.resolve("two"), "d")) {
                client.write(RawClient.request(Nbd.CMD_READ, 0, 1, 0, bytes));
                assertThat(client.reply(bytes).error()).isZero();
                other.close();
                assertThat(error(client, RawClient.request(Nbd.CMD_READ, 0, 2, 0, bytes))).isEqualTo(Nbd.ESHUTDOWN);
                assertThat(error(client, RawClient.request(Nbd.CMD_WRITE, 0, 3, 0, bytes, filled(bytes, 1))))
                        .isEqualTo(Nbd.ESHUTDOWN);
            }
        }
    }

    @Test
    void closingWaitsForADeafClientNoLongerThanItHasBeenTold() throws IOException {
        serve(Patient.server().drainTimeout(Duration.ofMillis(200)));
        try (RawClient deaf = RawClient.simple(socket, "d")) {
            for (int i = 0; i < 100; i++) {
                deaf.write(RawClient.request(Nbd.CMD_READ, 0, i, 0, EXPORT_BYTES));
            }
            Eventually.until("it is answered", () -> server.statistics().reads() > 0);
            server.close();
            assertThat(server.statistics().connections()).isZero();
            assertThat(server.statistics().memoryBytes()).isZero();
        }
    }

    @Test
    void aClientThatOnlyListensIsLeft() throws IOException {
        try (RawClient half = RawClient.simple(socket, "d")) {
            half.write(RawClient.request(Nbd.CMD_READ, 0, 1, 0, 512));
            assertThat(half.reply(512).error()).isZero();
            half.channel.shutdownOutput();
            assertThat(half.isClosedByServer()).isTrue();
        }
        Eventually.until("it is gone", () -> server.statistics().connections() == 0);
    }

    @Test
    void moreRequestsThanAllowedWaitAndAreAnswered() throws IOException {
        serve(Patient.server().requestsMax(2).connectionBytesMax(8192));
        try (RawClient client = RawClient.simple(socket, "d")) {
            for (int i = 0; i < 100; i++) {
                client.write(RawClient.request(Nbd.CMD_READ, 0, i, 0, 4096L * (1 + i % 4)));
            }
            List<Long> cookies = new ArrayList<>();
            for (int i = 0; i < 100; i++) {
                ByteBuffer head = client.read(16);
                assertThat(head.getInt(4)).isZero();
                cookies.add(head.getLong(8));
                client.read((int) (4096 * (1 + cookies.getLast() % 4)));
            }
            assertThat(cookies).hasSize(100).doesNotHaveDuplicates();
        }
    }

    @Test
    void moreClientsThanAllowedAreSentAway() throws IOException {
        serve(Patient.server().connectionsMax(2));
        try (RawClient first = RawClient.simple(socket, "d"); RawClient _ = RawClient.greet(socket)) {
            try (RawClient third = RawClient.connect(socket)) {
                assertThat(third.isClosedByServer()).isTrue();
            }
            assertThat(server.statistics().refused()).isEqualTo(1);
            assertThat(error(first, RawClient.request(Nbd.CMD_FLUSH, 0, 4, 0, 0))).isZero();
        }
        Eventually.until("all clients are gone", () -> server.statistics().connections() == 0);
        stillServes();
    }

    @Test
    void tenThousandConnectionsLeaveNothingBehind() throws IOException {
        long before = openFiles();
        for (int i = 0; i < 10_000; i++) {
            try (RawClient client = RawClient.connect(socket)) {
                if (i % 3 == 0) {
                    client.read(18);
                }
            }
        }
        Eventually.until("all clients are gone", () -> server.statistics().connections() == 0);
        assertThat(server.statistics().accepted() - server.statistics().refused()).isPositive();
        assertThat(server.statistics().memoryBytes()).isZero();
        assertThat(openFiles()).as("open files, of 10000 sockets").isLessThan(before + 1000);
        stillServes();
    }

    private static long openFiles() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
                ? unix.getOpenFileDescriptorCount()
                : 0;
    }

    // ---- the end of the server

    @Test
    void closingAnswersWhatWasAskedForAndDisconnects() throws IOException {
        try (RawClient client = RawClient.simple(socket, "d"); RawClient haggling = RawClient.greet(socket)) {
            client.write(RawClient.request(Nbd.CMD_WRITE, 0, 1, 0, 512, filled(512, 4)));
            assertThat(client.reply(0).error()).isZero();
            // Half of a write, which nobody waits for.
            client.write(RawClient.request(Nbd.CMD_WRITE, 0, 2, 512, 4096, filled(512, 4)));
            server.close();
            assertThatThrownBy(() -> client.reply(0)).isInstanceOfAny(EOFException.class, IOException.class);
            assertThat(haggling.isClosedByServer()).isTrue();
            assertThat(Files.exists(socket)).isFalse();
        }
        assertThat(contentOfExport()[0]).isEqualTo((byte) 4);
        assertThat(contentOfExport()[512]).isEqualTo((byte) 0x77);
    }

    /** Clients choose the export, and read, while it is being removed: sooner, later, or at the same moment. */
    @Test
    void theServerIsDoneWithTheDiskOfAnExportThatIsRemoved() throws Exception {
        // The more requests, the longer a connection takes to begin.
        serve(Patient.server().requestsMax(4096).threads(2));
        AtomicInteger inFlight = new AtomicInteger();
        Random random = new Random(RandomSeed.of(NbdProtocolTest.class));
        try (Disk slow = NullBlk.builder().capacityBytes(DISK_BYTES).completion(NullBlk.Completion.TIMER)
                .completionNanos(2_000_000).build()) {
            slow.queue().addObserver(_ -> {
                inFlight.incrementAndGet();
                return (_, _) -> inFlight.decrementAndGet();
            });
            for (int i = 0; i < REMOVALS; i++) {
                server.addExport(NbdExport.builder("e", slow).build());
                try (RawClient client = RawClient.greet(socket)) {
                    ByteBuffer both = ByteBuffer.allocate(1024);
                    byte[] go = RawClient.info("e");
                    both.putLong(Nbd.OPTS_MAGIC).putInt(Nbd.OPT_GO).putInt(go.length).put(go);
                    both.put(RawClient.request(Nbd.CMD_READ, 0, 1, 0, 4096)).flip();
                    client.write(both);
                    long until = System.nanoTime() + random.nextInt(300_000);
                    while (System.nanoTime() < until) {
                        Thread.onSpinWait();
                    }
                    assertThat(server.removeExport("e")).isTrue();
                    assertThat(inFlight.get()).as("requests that are at the disk in round %d", i).isZero();
                }
            }
        }
    }

    @Test
    void anExportCanBeRemovedFromAServerThatIsClosed() throws IOException {
        server.close();
        assertThat(server.removeExport("d")).isTrue();
        assertThat(server.removeExport("d")).isFalse();
    }

    @Test
    void aSocketOfADeadServerIsTakenOverAndThatOfALivingOneIsNot() throws IOException {
        assertThatThrownBy(() -> Patient.server().unix(socket).start()).isInstanceOf(IOException.class)
                .hasMessageContaining("another server listens there");
        stillServes();
        server.close();
        try (var channel = java.nio.channels.ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
            channel.bind(java.net.UnixDomainSocketAddress.of(socket));
        }
        assertThat(Files.exists(socket)).isTrue();
        serve(Patient.server());
        stillServes();
        Path regular = Files.writeString(directory.resolve("regular"), "mine");
        assertThatThrownBy(() -> Patient.server().unix(regular).start()).isInstanceOf(IOException.class);
        assertThat(regular).hasContent("mine");
    }
}
