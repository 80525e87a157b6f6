package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Disk;
import io.blkmq.nbd.socket.TlsTransport;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.testing.Certificates;
import io.blkmq.testing.Command;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import javax.net.ssl.SSLEngine;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Encryption, by clients that others wrote, and by one that tries to do without. */
@NoRescues
class NbdTlsTest {
    private static final int BYTES = 16 << 20;

    @TempDir
    private Path directory = Path.of("");

    private static String tlsUri(NbdServer server, Path certificates) {
        return server.uris("d").getFirst() + "?tls-certificates=" + certificates;
    }

    @Test
    void nbdcopyGoesThroughTls() throws Exception {
        Command.require("nbdcopy", "nbdinfo");
        Path certificates = Certificates.make(directory.resolve("tls"), "server");
        Path image = Scratch.randomFile(directory, "image", BYTES, RandomSeed.of(NbdTlsTest.class));
        try (Disk disk = Scratch.memory(BYTES);
                NbdServer server = Patient.server().loopback(0).tls(NbdTls.ofServerDirectory(certificates, false))
                        .start()) {
            server.addExport(NbdExport.builder("d", disk).build());
            assertThat(server.uris("d").getFirst().toString()).startsWith("nbds://");
            assertThat(Command.run("", "nbdinfo", tlsUri(server, certificates))).contains("with TLS");
            Command.run("", "nbdcopy", image.toString(), tlsUri(server, certificates));
            Path back = directory.resolve("back");
            Command.run("", "nbdcopy", tlsUri(server, certificates), back.toString());
            assertThat(Files.mismatch(image, back)).isEqualTo(-1);
        }
    }

    @Test
    void aClientWithoutACertificateOrWithOneOfAnotherAuthorityIsRefused() throws Exception {
        Command.require("nbdinfo");
        Path certificates = Certificates.make(directory.resolve("tls"), "server", "client");
        Path without = Files.createDirectories(directory.resolve("without"));
        Files.copy(certificates.resolve("ca-cert.pem"), without.resolve("ca-cert.pem"));
        Path strange = Certificates.make(directory.resolve("strange"), "client");
        Files.copy(certificates.resolve("ca-cert.pem"), strange.resolve("ca-cert.pem"),
                java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        try (Disk disk = Scratch.memory(BYTES);
                NbdServer server = Patient.server().loopback(0).tls(NbdTls.ofServerDirectory(certificates, true))
                        .start()) {
            server.addExport(NbdExport.builder("d", disk).build());
            assertThat(Command.run("", "nbdinfo", "--size", tlsUri(server, certificates)).strip())
                    .isEqualTo(Integer.toString(BYTES));
            assertThatThrownBy(() -> Command.run("", "nbdinfo", tlsUri(server, without)))
                    .isInstanceOf(IOException.class);
            assertThatThrownBy(() -> Command.run("", "nbdinfo", tlsUri(server, strange)))
                    .isInstanceOf(IOException.class);
            assertThatThrownBy(() -> Command.run("", "nbdinfo",
                    tlsUri(server, certificates).replace("nbds:", "nbd:").replaceAll("\\?.*", "")))
                    .isInstanceOf(IOException.class);
            Eventually.until("all clients are gone", () -> server.statistics().connections() == 0);
        }
    }

    @Test
    void nothingGoesWithoutTlsWhereItIsWanted() throws Exception {
        Path certificates = Certificates.make(directory.resolve("tls"), "server");
        Path socket = directory.resolve("s");
        try (Disk disk = Scratch.memory(BYTES);
                NbdServer server = Patient.server().unix(socket).tls(NbdTls.ofServerDirectory(certificates, false))
                        .start()) {
            server.addExport(NbdExport.builder("d", disk).build());
            try (RawClient client = RawClient.greet(socket)) {
                assertThat(client.answerTo(Nbd.OPT_LIST, new byte[0])).isEqualTo(Nbd.REP_ERR_TLS_REQD);
                assertThat(client.answerTo(Nbd.OPT_GO, RawClient.info("d"))).isEqualTo(Nbd.REP_ERR_TLS_REQD);
                assertThat(client.answerTo(999, new byte[0])).isEqualTo(Nbd.REP_ERR_TLS_REQD);
                client.option(Nbd.OPT_EXPORT_NAME, "d".getBytes(StandardCharsets.UTF_8));
                assertThat(client.isClosedByServer()).isTrue();
            }
            try (RawClient client = RawClient.greet(socket)) {
                // An option in plain behind STARTTLS, which would be taken for one that came encrypted.
                ByteArrayOutputStream both = new ByteArrayOutputStream();
                both.write(ByteBuffer.allocate(16).putLong(Nbd.OPTS_MAGIC).putInt(Nbd.OPT_STARTTLS).array());
                both.write(ByteBuffer.allocate(16).putLong(Nbd.OPTS_MAGIC).putInt(Nbd.OPT_LIST).array());
                client.write(ByteBuffer.wrap(both.toByteArray()));
                assertThat(client.isClosedByServer()).isTrue();
            }
            try (RawClient client = RawClient.greet(socket)) {
                assertThat(client.answerTo(Nbd.OPT_STARTTLS, new byte[0])).isEqualTo(Nbd.REP_ACK);
                client.write(ByteBuffer
                        .wrap("this is no handshake, and will never be one".getBytes(StandardCharsets.UTF_8)));
                byte[] alert = new byte[7];
                assertThat(client.channel.read(ByteBuffer.wrap(alert))).isPositive();
                assertThat(alert[0]).as("an alert").isEqualTo((byte) 21);
                assertThat(client.isClosedByServer()).isTrue();
            }
            Eventually.until("all clients are gone", () -> server.statistics().connections() == 0);
        }
    }

    @Test
    void aHandshakeThatStopsHalfwayIsTheEndInTime() throws Exception {
        Path certificates = Certificates.make(directory.resolve("tls"), "server");
        Path socket = directory.resolve("s");
        TestClock clock = new TestClock();
        try (NbdServer server = Patient.server().unix(socket).tls(NbdTls.ofServerDirectory(certificates, false))
                .runtime(clock.runtime()).start()) {
            try (RawClient client = RawClient.greet(socket)) {
                assertThat(client.answerTo(Nbd.OPT_STARTTLS, new byte[0])).isEqualTo(Nbd.REP_ACK);
                // The beginning of a record that never comes.
                client.write(ByteBuffer.wrap(new byte[]{22, 3, 1, 1, 0, 1}));
                clock.advanceUntil("it is sent away", Duration.ofMinutes(1), () -> server.statistics().aborted() == 1);
                assertThat(client.isClosedByServer()).isTrue();
            }
        }
    }

    /** TLS 1.2 has it, and nobody needs it here. */
    @Test
    void aClientThatNegotiatesAnewIsSentAway() throws Exception {
        Path certificates = Certificates.make(directory.resolve("tls"), "server");
        Path socket = directory.resolve("s");
        try (Disk disk = Scratch.memory(BYTES);
                NbdServer server = Patient.server().unix(socket).tls(NbdTls.ofServerDirectory(certificates, false))
                        .start()) {
            server.addExport(NbdExport.builder("d", disk).build());
            for (int i = 0; i < 2; i++) {
                try (RawClient client = RawClient.greet(socket)) {
                    assertThat(client.answerTo(Nbd.OPT_STARTTLS, new byte[0])).isEqualTo(Nbd.REP_ACK);
                    SSLEngine engine = NbdTls.ofClientDirectory(certificates).context().createSSLEngine();
                    engine.setUseClientMode(true);
                    engine.setEnabledProtocols(new String[]{"TLSv1.2"});
                    TlsTransport tls = TlsTransport.blocking(client.channel, engine);
                    assertThat(tls.handshake()).isTrue();
                    byte[] info = RawClient.info("d");
                    ByteBuffer go = ByteBuffer.allocate(Nbd.OPTION_BYTES + info.length).putLong(Nbd.OPTS_MAGIC)
                            .putInt(Nbd.OPT_GO).putInt(info.length).put(info).flip();
                    assertThat(tls.write(new ByteBuffer[]{go}, 1)).isPositive();
                    assertThat(tls.read(new ByteBuffer[]{ByteBuffer.allocate(Nbd.OPTION_REPLY_BYTES)})).isPositive();
                    engine.beginHandshake();
                    ByteBuffer hello = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
                    assertThat(engine.wrap(ByteBuffer.allocate(0), hello).bytesProduced()).isPositive();
                    client.write(hello.flip());
                    Eventually.Worker<Boolean> rest = Eventually.start(() -> {
                        ByteBuffer into = ByteBuffer.allocate(4096);
                        while (client.channel.read(into) >= 0) {
                            into.clear();
                        }
                    });
                    assertThat(rest.join()).isTrue();
                }
            }
            Eventually.until("both are gone", () -> server.statistics().connections() == 0);
        }
    }

    @Test
    void aKeyThatCannotBeReadIsNamed() throws Exception {
        Path certificates = Certificates.make(directory.resolve("tls"), "server");
        Files.writeString(certificates.resolve("server-key.pem"), """
            -----BEGIN RSA PRIVATE KEY-----
            AAAA
            -----END RSA PRIVATE KEY-----
            """);
        assertThatThrownBy(() -> NbdTls.ofServerDirectory(certificates, false)).isInstanceOf(IOException.class)
                .hasMessageContaining("server-key.pem").hasMessageContaining("PKCS #8");
        assertThatThrownBy(() -> NbdTls.ofServerDirectory(directory.resolve("none"), false))
                .isInstanceOf(IOException.class).hasMessageContaining("none");
    }
}
