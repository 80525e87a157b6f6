package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.nbd.wire.Nbd;
import io.blkmq.testing.Certificates;
import io.blkmq.testing.NoRescues;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Servers that do not negotiate as they should: a disk is not opened, and the error says why. */
@NoRescues
@Timeout(300)
class NbdGreetingTest {
    @TempDir
    private Path directory = Path.of("");

    private NbdUri uri(String scheme) {
        return NbdUri.parse(scheme + "+unix:///d?socket=" + directory.resolve("s"));
    }

    /** What a server says, whatever it is told, and what the client makes of it. */
    enum Said {
        ANOTHER_PROTOCOL("it is no server of NBD", out -> out.put("HTTP/1.1 400 Bad Request\r\n\r\n"
                .getBytes(StandardCharsets.US_ASCII))), THE_OLD_STYLE("only speaks the old style", out -> out
                        .putLong(Nbd.INIT_PASSWD).putLong(0x0000_4202_8186_1253L).putLong(1 << 20).putInt(0)
                        .put(new byte[124])), NEWSTYLE_THAT_IS_NOT_FIXED(
                                "does not speak fixed newstyle",
                                out -> out.putLong(Nbd.INIT_PASSWD).putLong(Nbd.OPTS_MAGIC)
                                        .putShort((short) 0)), NOTHING_BEFORE_THE_END("closed the connection",
                                                out -> out.putLong(Nbd.INIT_PASSWD)), THE_END_WITHIN_A_REPLY(
                                                        "closed the connection",
                                                        out -> greet(out).putLong(Nbd.REP_MAGIC).putInt(
                                                                Nbd.OPT_EXTENDED_HEADERS)), REPLIES_WITHOUT_THEIR_MAGIC(
                                                                        "where one to option",
                                                                        out -> greet(out).putLong(1)
                                                                                .putInt(Nbd.OPT_EXTENDED_HEADERS)
                                                                                .putInt(Nbd.REP_ACK)
                                                                                .putInt(0)), REPLIES_TO_ANOTHER_OPTION(
                                                                                        "a reply to option 3",
                                                                                        out -> reply(greet(out),
                                                                                                Nbd.OPT_LIST,
                                                                                                Nbd.REP_ACK)), REPLIES_WITHOUT_END(
                                                                                                        "of 4294967295 bytes",
                                                                                                        out -> greet(
                                                                                                                out)
                                                                                                                .putLong(
                                                                                                                        Nbd.REP_MAGIC)
                                                                                                                .putInt(Nbd.OPT_EXTENDED_HEADERS)
                                                                                                                .putInt(Nbd.REP_ERR_UNSUP)
                                                                                                                .putInt(-1)), NO_SUCH_EXPORT(
                                                                                                                        "there is none of that name (gone fishing)",
                                                                                                                        out -> reply(
                                                                                                                                haggle(out),
                                                                                                                                Nbd.OPT_GO,
                                                                                                                                Nbd.REP_ERR_UNKNOWN,
                                                                                                                                "gone fishing"
                                                                                                                                        .getBytes(
                                                                                                                                                StandardCharsets.US_ASCII))), TLS_IS_NEEDED(
                                                                                                                                                        "the server wants TLS",
                                                                                                                                                        out -> reply(
                                                                                                                                                                haggle(out),
                                                                                                                                                                Nbd.OPT_GO,
                                                                                                                                                                Nbd.REP_ERR_TLS_REQD)), NO_SIZE(
                                                                                                                                                                        "offers -1 bytes",
                                                                                                                                                                        out -> reply(
                                                                                                                                                                                haggle(out),
                                                                                                                                                                                Nbd.OPT_GO,
                                                                                                                                                                                Nbd.REP_ACK)), A_NEGATIVE_SIZE(
                                                                                                                                                                                        "offers -4096 bytes",
                                                                                                                                                                                        out -> done(
                                                                                                                                                                                                export(haggle(
                                                                                                                                                                                                        out),
                                                                                                                                                                                                        -4096))), NOT_EVEN_A_BLOCK(
                                                                                                                                                                                                                "is no disk",
                                                                                                                                                                                                                out -> done(
                                                                                                                                                                                                                        export(haggle(
                                                                                                                                                                                                                                out),
                                                                                                                                                                                                                                511))), HALF_OF_A_SIZE(
                                                                                                                                                                                                                                        "information 0 with 4 bytes",
                                                                                                                                                                                                                                        out -> reply(
                                                                                                                                                                                                                                                haggle(out),
                                                                                                                                                                                                                                                Nbd.OPT_GO,
                                                                                                                                                                                                                                                Nbd.REP_INFO,
                                                                                                                                                                                                                                                new byte[6])), BLOCKS_OF_3_BYTES(
                                                                                                                                                                                                                                                        "in blocks of 3",
                                                                                                                                                                                                                                                        out -> done(
                                                                                                                                                                                                                                                                blocks(export(
                                                                                                                                                                                                                                                                        haggle(out),
                                                                                                                                                                                                                                                                        1 << 20),
                                                                                                                                                                                                                                                                        3,
                                                                                                                                                                                                                                                                        4096))), BLOCKS_OF_NO_BYTES(
                                                                                                                                                                                                                                                                                "in blocks of 0",
                                                                                                                                                                                                                                                                                out -> done(
                                                                                                                                                                                                                                                                                        blocks(export(
                                                                                                                                                                                                                                                                                                haggle(out),
                                                                                                                                                                                                                                                                                                1 << 20),
                                                                                                                                                                                                                                                                                                0,
                                                                                                                                                                                                                                                                                                4096))), BLOCKS_LARGER_THAN_REQUESTS(
                                                                                                                                                                                                                                                                                                        "in blocks of 8192 to 4096",
                                                                                                                                                                                                                                                                                                        out -> done(
                                                                                                                                                                                                                                                                                                                blocks(export(
                                                                                                                                                                                                                                                                                                                        haggle(out),
                                                                                                                                                                                                                                                                                                                        1 << 20),
                                                                                                                                                                                                                                                                                                                        8192,
                                                                                                                                                                                                                                                                                                                        4096))), BLOCKS_OF_A_GIGABYTE(
                                                                                                                                                                                                                                                                                                                                "cannot be used",
                                                                                                                                                                                                                                                                                                                                out -> done(
                                                                                                                                                                                                                                                                                                                                        blocks(export(
                                                                                                                                                                                                                                                                                                                                                haggle(out),
                                                                                                                                                                                                                                                                                                                                                1 << 20),
                                                                                                                                                                                                                                                                                                                                                1 << 24,
                                                                                                                                                                                                                                                                                                                                                1 << 30))), INFORMATION_WITHOUT_END(
                                                                                                                                                                                                                                                                                                                                                        "does not come to an end",
                                                                                                                                                                                                                                                                                                                                                        out -> {
                                                                                                                                                                                                                                                                                                                                                            haggle(out);
                                                                                                                                                                                                                                                                                                                                                            while (out
                                                                                                                                                                                                                                                                                                                                                                    .remaining() > 64) {
                                                                                                                                                                                                                                                                                                                                                                export(out,
                                                                                                                                                                                                                                                                                                                                                                        1 << 20);
                                                                                                                                                                                                                                                                                                                                                            }
                                                                                                                                                                                                                                                                                                                                                        });

        private final String message;
        @SuppressWarnings("ImmutableEnumChecker") // a lambda that captures nothing
        private final Consumer<ByteBuffer> says;

        Said(String message, Consumer<ByteBuffer> says) {
            this.message = message;
            this.says = says;
        }

        private static ByteBuffer greet(ByteBuffer out) {
            return out.putLong(Nbd.INIT_PASSWD).putLong(Nbd.OPTS_MAGIC).putShort((short) 3);
        }

        private static ByteBuffer haggle(ByteBuffer out) {
            return reply(reply(greet(out), Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ERR_UNSUP), Nbd.OPT_STRUCTURED_REPLY,
                    Nbd.REP_ERR_UNSUP);
        }

        private static ByteBuffer reply(ByteBuffer out, int option, int type, byte... data) {
            return out.putLong(Nbd.REP_MAGIC).putInt(option).putInt(type).putInt(data.length).put(data);
        }

        private static ByteBuffer export(ByteBuffer out, long bytes) {
            return reply(out, Nbd.OPT_GO, Nbd.REP_INFO, ByteBuffer.allocate(12).putShort((short) Nbd.INFO_EXPORT)
                    .putLong(bytes).putShort((short) 1).array());
        }

        private static ByteBuffer blocks(ByteBuffer out, int least, int most) {
            return reply(out, Nbd.OPT_GO, Nbd.REP_INFO, ByteBuffer.allocate(14).putShort((short) Nbd.INFO_BLOCK_SIZE)
                    .putInt(least).putInt(least).putInt(most).array());
        }

        private static ByteBuffer done(ByteBuffer out) {
            return reply(out, Nbd.OPT_GO, Nbd.REP_ACK);
        }
    }

    @ParameterizedTest
    @EnumSource
    void aServerThatDoesNotNegotiateIsNotUsed(Said said) throws Exception {
        ByteBuffer bytes = ByteBuffer.allocate(64 << 10);
        said.says.accept(bytes);
        bytes.flip();
        AtomicBoolean left = new AtomicBoolean();
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(UnixDomainSocketAddress.of(directory.resolve("s")));
            Thread server = Thread.ofPlatform().daemon().start(() -> {
                try (SocketChannel client = listener.accept()) {
                    while (bytes.hasRemaining()) {
                        int _ = client.write(bytes);
                    }
                    client.shutdownOutput();
                    while (client.read(ByteBuffer.allocate(4096)) >= 0) {
                        assertThat(bytes.hasRemaining()).isFalse();
                    }
                    left.set(true);
                } catch (IOException e) {
                    // It closed with something of ours unread: then it has left, too.
                    left.set(true);
                }
            });
            assertThatThrownBy(() -> Patient.disk(uri("nbd")).open()).isInstanceOf(IOException.class)
                    .hasMessageContainingAll(uri("nbd").toString(), said.message);
            server.join();
        }
        assertThat(left.get()).as("the client has closed its connection").isTrue();
    }

    /** Somebody between the two answers STARTTLS in the server's place. */
    @Test
    void aServerThatHasNoTlsWhereItIsWantedHearsNothingMore() throws Exception {
        Path certificates = Certificates.make(directory.resolve("tls"), "client");
        AtomicInteger asked = new AtomicInteger();
        try (LyingServer server = new LyingServer(directory.resolve("s"), true, _ -> {
            asked.incrementAndGet();
            return new byte[16];
        })) {
            assertThatThrownBy(() -> Patient.disk(uri("nbds")).tls(NbdTls.ofClientDirectory(certificates)).open())
                    .isInstanceOf(IOException.class).hasMessageContaining("the server has no TLS");
            assertThat(server.options).containsExactly(Nbd.OPT_STARTTLS);
            assertThat(asked.get()).isZero();
        }
    }

    /** Answers in plain behind the acknowledgement would be taken for the server's, if they were kept. */
    @Test
    void whatIsSaidInPlainBehindStartTlsIsNotListenedTo() throws Exception {
        Path certificates = Certificates.make(directory.resolve("tls"), "client");
        ByteBuffer bytes = Said
                .done(Said.export(Said.reply(
                        Said.reply(Said.reply(Said.greet(ByteBuffer.allocate(4096)), Nbd.OPT_STARTTLS, Nbd.REP_ACK),
                                Nbd.OPT_EXTENDED_HEADERS, Nbd.REP_ERR_UNSUP),
                        Nbd.OPT_STRUCTURED_REPLY, Nbd.REP_ERR_UNSUP), 1 << 20))
                .flip();
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(UnixDomainSocketAddress.of(directory.resolve("s")));
            Thread.ofPlatform().daemon().start(() -> {
                try (SocketChannel client = listener.accept()) {
                    while (bytes.hasRemaining()) {
                        int _ = client.write(bytes);
                    }
                    while (client.read(ByteBuffer.allocate(4096)) >= 0) {
                        assertThat(bytes.hasRemaining()).isFalse();
                    }
                } catch (IOException e) {
                    // It has left.
                    assert !e.toString().isEmpty();
                }
            });
            assertThatThrownBy(() -> Patient.disk(uri("nbds")).tls(NbdTls.ofClientDirectory(certificates)).open())
                    .isInstanceOf(IOException.class).hasMessageContaining(uri("nbds").toString())
                    .hasMessageNotContaining("within");
        }
    }
}
