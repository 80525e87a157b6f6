package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.BlockIOException;
import io.blkmq.core.Disk;
import io.blkmq.core.Status;
import io.blkmq.nbd.wire.Nbd;
import io.blkmq.testing.Certificates;
import io.blkmq.testing.Command;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.Listening;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import io.blkmq.runtime.IoBuffer;
import com.sun.management.UnixOperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.security.Security;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLContextSpi;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLServerSocketFactory;
import javax.net.ssl.SSLSessionContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManager;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A disk of a server's export: of our server, of nbdkit and of qemu-nbd. */
@NoRescues
@Timeout(300)
class NbdDiskTest {
    private static final int MIB = 1 << 20;

    @TempDir
    private Path directory = Path.of("");

    private static NbdUri unix(Path socket, String export) {
        return NbdUri.parse("nbd+unix:///" + export + "?socket=" + socket);
    }

    /** Many at a time, of all kinds, and then all that was written is there. */
    private static void exercise(Disk disk) throws Exception {
        exercise(disk, 8);
    }

    private static void exercise(Disk disk, int rounds) throws Exception {
        Random random = new Random(RandomSeed.of(NbdDiskTest.class));
        int block = disk.limits().logicalBlockBytes();
        int bytes = (int) Math.min(disk.sizeBytes(), 8 * MIB);
        byte[] expected = new byte[bytes];
        random.nextBytes(expected);
        disk.write(0, ByteBuffer.wrap(expected));
        List<IoBuffer> buffers = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
            List<CompletableFuture<Void>> all = new ArrayList<>();
            int part = bytes / 64;
            for (int i = 0; i < 64; i++) {
                int length = block * (1 + random.nextInt(part / block));
                int at = i * part + random.nextInt((part - length) / block + 1) * block;
                switch (random.nextInt(8)) {
                    case 0 -> {
                        all.add(disk.async().writeZeroes(at, length, random.nextBoolean()));
                        Arrays.fill(expected, at, at + length, (byte) 0);
                    }
                    case 1 -> all.add(disk.async().flush());
                    default -> {
                        byte[] data = new byte[length];
                        random.nextBytes(data);
                        System.arraycopy(data, 0, expected, at, length);
                        IoBuffer buffer = IoBuffer.allocate(length);
                        buffers.add(buffer);
                        buffer.memory().asByteBuffer().put(data);
                        all.add(disk.async().write(at, buffer.memory(),
                                random.nextInt(4) == 0 ? io.blkmq.core.Bio.FUA : 0));
                    }
                }
            }
            CompletableFuture.allOf(all.toArray(new CompletableFuture<?>[0])).join();
        }
        buffers.forEach(IoBuffer::close);
        byte[] read = new byte[bytes];
        disk.read(0, ByteBuffer.wrap(read));
        assertThat(Arrays.mismatch(read, expected)).isEqualTo(-1);
        disk.flush();
    }

    @Test
    void ourOwnServer() throws Exception {
        Path socket = directory.resolve("s");
        try (Disk behind = Scratch.memory(16 * MIB); NbdServer server = Patient.server().unix(socket).start()) {
            server.addExport(NbdExport.builder("d", behind).build());
            try (Disk disk = Patient.disk(unix(socket, "d")).connections(3).open()) {
                assertThat(disk.sizeBytes()).isEqualTo(16 * MIB);
                assertThat(disk.queue().hardwareContexts()).isEqualTo(3);
                assertThat(disk.limits().hasWriteCache()).isTrue();
                assertThat(disk.limits().hasFua()).isTrue();
                assertThat(disk.limits().discardBytesMax()).isGreaterThan(1L << 32);
                assertThat(disk.limits().writeZeroesBytesMax()).as("a server that has to write them answers in time")
                        .isEqualTo(64L << 20);
                exercise(disk);
                disk.discard(0, MIB);
                assertThatThrownBy(() -> disk.read(16 * MIB, ByteBuffer.allocate(512)))
                        .isInstanceOf(IndexOutOfBoundsException.class);
            }
            assertThat(server.statistics().aborted()).isZero();
            try (Disk disk = Patient.disk(unix(socket, "d")).readOnly(true).open()) {
                assertThatThrownBy(() -> disk.write(0, ByteBuffer.allocate(512)))
                        .isInstanceOf(UnsupportedOperationException.class);
            }
        }
    }

    @Test
    void ourOwnServerThroughTls() throws Exception {
        Path certificates = Certificates.make(directory.resolve("tls"), "server", "client");
        try (Disk behind = Scratch.memory(16 * MIB);
                NbdServer server = Patient.server().loopback(0).tls(NbdTls.ofServerDirectory(certificates, true))
                        .start()) {
            server.addExport(NbdExport.builder("d", behind).build());
            NbdUri uri = server.uris("d").getFirst();
            assertThatThrownBy(() -> Patient.disk(uri).open()).isInstanceOf(IllegalStateException.class);
            try (Disk disk = Patient.disk(uri).tls(NbdTls.ofClientDirectory(certificates)).open()) {
                exercise(disk, 2);
            }
            try (Disk disk = Patient.disk(NbdUri.parse(uri + "?tls-certificates=" + certificates)).open()) {
                assertThat(disk.sizeBytes()).isEqualTo(16 * MIB);
            }
            NbdUri plain = new NbdUri(uri.address(), "d", false);
            assertThatThrownBy(() -> Patient.disk(plain).open()).isInstanceOf(IOException.class)
                    .hasMessageContaining("TLS");
            Path strange = Certificates.make(directory.resolve("strange"), "client");
            assertThatThrownBy(() -> Patient.disk(uri).tls(NbdTls.ofClientDirectory(strange)).open())
                    .isInstanceOf(IOException.class);
        }
    }

    @Test
    void nbdkit() throws Exception {
        Command.require("nbdkit");
        Path socket = directory.resolve("s");
        Process server = new ProcessBuilder("nbdkit", "-f", "-U", socket.toString(), "memory", "16M").inheritIO()
                .start();
        try {
            Listening.await(server, socket);
            try (Disk disk = Patient.disk(unix(socket, "")).open()) {
                assertThat(disk.sizeBytes()).isEqualTo(16 * MIB);
                exercise(disk);
            }
        } finally {
            server.destroy();
            server.waitFor();
        }
    }

    @Test
    void qemuNbdBeforeQcow2() throws Exception {
        Command.require("qemu-nbd", "qemu-img");
        Path image = directory.resolve("image.qcow2");
        Command.run("", "qemu-img", "create", "-f", "qcow2", image.toString(), "16M");
        Path socket = directory.resolve("s");
        Process server = new ProcessBuilder("qemu-nbd", "-k", socket.toString(), "-f", "qcow2", "-t", "-e", "4", "-x",
                "d", image.toString()).inheritIO().start();
        try {
            Listening.await(server, socket);
            try (Disk disk = Patient.disk(unix(socket, "d")).open()) {
                exercise(disk);
            }
        } finally {
            server.destroy();
            server.waitFor();
        }
        assertThat(Command.run("", "qemu-img", "check", image.toString())).contains("No errors");
    }

    @Test
    void whatCannotBeHadIsNamed() throws Exception {
        assertThatThrownBy(() -> Patient.disk(unix(directory.resolve("none"), "d")).open())
                .isInstanceOf(IOException.class).hasMessageContaining("none");
        try (Disk behind = Scratch.memory(MIB);
                NbdServer server = Patient.server().unix(directory.resolve("s")).start()) {
            server.addExport(NbdExport.builder("d", behind).build());
            assertThatThrownBy(() -> Patient.disk(unix(directory.resolve("s"), "other")).open())
                    .isInstanceOf(IOException.class)
                    .hasMessageContainingAll("nbd+unix:///other?socket=", "none of that name");
        }
        try (ServerSocket mute = new ServerSocket(0)) {
            NbdUri uri = NbdUri.parse("nbd://127.0.0.1:" + mute.getLocalPort() + "/");
            assertThatThrownBy(() -> Patient.disk(uri).connectTimeout(Duration.ofMillis(200)).open())
                    .isInstanceOf(IOException.class).hasMessageContainingAll(uri.toString(), "within 200 ms");
        }
    }

    /** Keys and certificates that break where a connection begins to be encrypted, by something that is no exception. */
    private static final class BrokenTls extends SSLContextSpi {
        static SSLContext context() {
            return new SSLContext(new BrokenTls(), Security.getProviders()[0], "TLS") {
            };
        }

        @Override
        protected SSLEngine engineCreateSSLEngine() {
            throw new OutOfMemoryError("no memory for an engine");
        }

        @Override
        protected SSLEngine engineCreateSSLEngine(String host, int port) {
            return engineCreateSSLEngine();
        }

        @Override
        protected void engineInit(KeyManager[] keys, TrustManager[] trust, SecureRandom random) {
            throw new UnsupportedOperationException();
        }

        @Override
        protected SSLSocketFactory engineGetSocketFactory() {
            throw new UnsupportedOperationException();
        }

        @Override
        protected SSLServerSocketFactory engineGetServerSocketFactory() {
            throw new UnsupportedOperationException();
        }

        @Override
        protected SSLSessionContext engineGetServerSessionContext() {
            throw new UnsupportedOperationException();
        }

        @Override
        protected SSLSessionContext engineGetClientSessionContext() {
            throw new UnsupportedOperationException();
        }
    }

    @Test
    void anErrorWhileItConnectsIsToldToWhoConnects() throws Exception {
        Path certificates = Certificates.make(directory.resolve("tls"), "server");
        try (Disk behind = Scratch.memory(MIB);
                NbdServer server = Patient.server().loopback(0).tls(NbdTls.ofServerDirectory(certificates, false))
                        .start()) {
            server.addExport(NbdExport.builder("d", behind).build());
            NbdDisk.Builder disk = Patient.disk(server.uris("d").getFirst()).tls(NbdTls.of(BrokenTls.context(), false));
            assertThatThrownBy(disk::open).isInstanceOf(IOException.class)
                    .hasMessageContaining("no memory for an engine").hasRootCauseInstanceOf(OutOfMemoryError.class);
        }
    }

    @Test
    void aDiskThatCannotBeOpenedLeavesNothingOpen() throws Exception {
        Path socket = directory.resolve("s");
        try (LyingServer server = new LyingServer(socket, false, _ -> null)) {
            server.flags |= Nbd.FLAG_CAN_MULTI_CONN;
            // Every other connection finds another size.
            server.beforeGo = number -> server.sizeBytes = number % 2 == 0 ? 2 * MIB : MIB;
            NbdDisk.Builder disk = Patient.disk(unix(socket, "d")).connections(2);
            long before = openFiles();
            for (int i = 0; i < 100; i++) {
                assertThatThrownBy(disk::open).isInstanceOf(IOException.class)
                        .hasMessageContaining("something else to the next connection");
            }
            Eventually.until("the server has seen the end of all", () -> server.ended.get() == 200);
            assertThat(openFiles()).as("open files after 100 attempts").isLessThan(before + 50);
        }
    }

    private static long openFiles() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
                ? unix.getOpenFileDescriptorCount()
                : 0;
    }

    @Test
    void aCertificateThatIsNotThereIsNamed() throws Exception {
        Path certificates = Certificates.make(directory.resolve("tls"), "server");
        for (String file : List.of("server-key.pem", "server-cert.pem", "ca-cert.pem")) {
            Path without = Files.createDirectories(directory.resolve("without-" + file));
            for (String other : List.of("server-key.pem", "server-cert.pem", "ca-cert.pem")) {
                if (!other.equals(file)) {
                    Files.copy(certificates.resolve(other), without.resolve(other));
                }
            }
            assertThatThrownBy(() -> NbdTls.ofServerDirectory(without, true)).isInstanceOf(IOException.class)
                    .hasMessage(without.resolve(file) + ": there is no such file");
            Files.createDirectories(without.resolve(file));
            assertThatThrownBy(() -> NbdTls.ofServerDirectory(without, true)).isInstanceOf(IOException.class)
                    .hasMessageStartingWith(without.resolve(file) + ": ");
        }
    }

    @Test
    void aHostThatIsNotKnownIsNamed() {
        NbdUri uri = new NbdUri(InetSocketAddress.createUnresolved("nowhere.invalid", 10809), "d", false);
        assertThatThrownBy(() -> Patient.disk(uri).open()).isInstanceOf(IOException.class)
                .hasMessageContainingAll(uri.toString(), "host nowhere.invalid is not known");
    }

    @Test
    void errorsOfTheServerAreErrorsOfTheDisk() throws Exception {
        Path socket = directory.resolve("s");
        try (Disk behind = Scratch.memory(MIB); NbdServer server = Patient.server().unix(socket).start()) {
            server.addExport(NbdExport.builder("d", behind).build());
            try (Disk disk = Patient.disk(unix(socket, "d")).open()) {
                behind.queue().setCapacitySectors(8);
                assertThatThrownBy(() -> disk.write(8192, ByteBuffer.allocate(512))).isInstanceOfSatisfying(
                        BlockIOException.class, e -> assertThat(e.status()).isEqualTo(Status.NOSPC));
                assertThatThrownBy(() -> disk.read(8192, ByteBuffer.allocate(512))).isInstanceOfSatisfying(
                        BlockIOException.class, e -> assertThat(e.status()).isEqualTo(Status.INVAL));
                disk.read(0, ByteBuffer.allocate(512));
            }
        }
    }
}
