package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Certificates;
import io.blkmq.testing.Command;
import io.blkmq.testing.Listening;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceAccessMode;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Jobs on what other servers export: fio's verify job finds on the server what it has written there. */
@Timeout(300)
@BesideOthers
@ResourceLock(value = ObserveCommandsTest.DEVICES, mode = ResourceAccessMode.READ)
class ExportBackingTest {
    private static final long BYTES = 8 << 20;

    @TempDir
    private Path directory = Path.of("");

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int execute(String... arguments) {
        return Blkmq.execute(new PrintWriter(out), new PrintWriter(err), arguments);
    }

    private Path image() throws IOException {
        Path image = directory.resolve("image");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(BYTES);
        }
        return image;
    }

    /** Writes and verifies, then verifies once more in a run of its own: on new connections. */
    private void verify(String backing) throws IOException {
        String lines = "[global]\nfilename=d\nsize=100%\nbs=4k\niodepth=32\nverify=crc32c\nfsync=512\n[v]\n";
        Path write = Files.writeString(directory.resolve("write.fio"), lines + "rw=randwrite\n");
        Path read = Files.writeString(directory.resolve("read.fio"), lines + "rw=randread\n");
        assertThat(execute("run", "--attach", "d=" + backing, write.toString())).as(out.toString() + err).isZero();
        assertThat(out.toString()).contains("NBD, connections=", "v: jobs=1, err=0");
        assertThat(execute("run", "--attach", "d=" + backing + ",hw=2,ro", read.toString())).as(out.toString() + err)
                .isZero();
    }

    private void verifyBefore(Path socket, String uri, String... server) throws Exception {
        Process process = new ProcessBuilder(server).inheritIO().start();
        try {
            Listening.await(process, socket);
            verify(uri);
        } finally {
            process.destroy();
            process.waitFor();
        }
    }

    @Test
    void qemuNbd() throws Exception {
        Command.require("qemu-nbd", "qemu-img");
        Path image = directory.resolve("image.qcow2");
        Command.run("", "qemu-img", "create", "-q", "-f", "qcow2", image.toString(), Long.toString(BYTES));
        Path socket = directory.resolve("s");
        verifyBefore(socket, "nbd+unix:///my%20disk?socket=" + socket, "qemu-nbd", "-t", "-e", "8", "-f", "qcow2", "-x",
                "my disk", "-k", socket.toString(), image.toString());
        assertThat(Command.run("", "qemu-img", "check", image.toString())).contains("No errors");
    }

    @ParameterizedTest
    @ValueSource(strings = {"memory", "file"})
    void nbdkit(String plugin) throws Exception {
        Command.require("nbdkit");
        Path socket = directory.resolve("s");
        verifyBefore(socket, "nbd+unix:///?socket=" + socket, "nbdkit", "-f", "-U", socket.toString(), plugin,
                plugin.equals("memory") ? Long.toString(BYTES) : image().toString());
    }

    @Test
    void ourOwnServerAndWhatItServesOn() throws Exception {
        Path image = image();
        try (Served first = new Served(directory.resolve("first"), "--buffered", image.toString());
                Served second = new Served(directory.resolve("second"), "--port", "0", first.uri())) {
            verify(second.uri());
            String tcp = second.lines.get(2).strip();
            assertThat(tcp).startsWith("nbd://");
            assertThat(execute("run", "--attach", "d=" + tcp, "--name=r", "--filename=d", "--rw=randread",
                    "--verify=crc32c", "--size=" + BYTES, "--bs=4k", "--iodepth=8")).as(out.toString() + err).isZero();
        }
    }

    @Test
    void ourOwnServerThroughTls() throws Exception {
        Path certificates = Certificates.make(directory.resolve("tls"), "server", "client");
        Path socket = directory.resolve("s");
        try (Served served = new Served(socket, "--port", "0", "--tls", certificates.toString(), "--tls-verify-peer",
                "mem:8m")) {
            String tcp = served.lines.get(2).strip();
            assertThat(tcp).startsWith("nbds://");
            verify(tcp + "?tls-certificates=" + certificates);
            assertThat(execute("serve", "--socket", directory.resolve("t").toString(), tcp)).isEqualTo(2);
            assertThat(err.toString()).contains(tcp, "wants TLS", "tls-certificates=DIR");
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"nbd+unix:///d?socket=/nowhere | nbd+unix:///d?socket=/nowhere: ",
            "nbd://127.0.0.1:1/d | nbd://127.0.0.1:1/d: ", "nbds+unix:///d?socket=/nowhere | wants TLS",
            "nbd+unix:///d | ?socket=PATH is needed", "nbd://127.0.0.1/,poll | a thread of the device",
            "nbd://127.0.0.1/,hw=65 | 64", "nbd://127.0.0.1/,buffered | option buffered is for files",
            "nbd://nowhere.invalid/d | host nowhere.invalid is not known"})
    void whatCannotBeHadIsNamed(String backing, String message) {
        assertThat(execute("run", "--attach", "d=" + backing, "--name=a", "--filename=d", "--rw=read", "--size=1m"))
                .isEqualTo(2);
        assertThat(err.toString()).contains(message);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {"nbd+unix:///d?socket=/nowhere | nbd+unix:///d?socket=/nowhere: ",
            "nbds://127.0.0.1:1/d?tls-certificates=/nowhere"
                    + " | nbds://127.0.0.1:1/d?tls-certificates=/nowhere: /nowhere/ca-cert.pem: there is no such file",
            "nbd:d | nbd:d: a host is needed"})
    void whatCannotBeServedOnIsNamed(String backing, String message) {
        assertThat(execute("serve", "--socket", directory.resolve("s").toString(), backing)).isEqualTo(2);
        assertThat(err.toString()).contains(message);
    }
}
