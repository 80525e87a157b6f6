package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.atIndex;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.nbd.NbdExport;
import io.blkmq.nbd.NbdServer;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Certificates;
import io.blkmq.testing.Command;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.Unmount;
import io.blkmq.testkit.disk.Fault;
import io.blkmq.testkit.disk.FaultRule;
import io.blkmq.testkit.disk.SimulatedDisk;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceAccessMode;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The command that serves, as a person uses it: its lines are run as they are printed. */
@Timeout(300)
@BesideOthers
@ResourceLock(value = ObserveCommandsTest.DEVICES, mode = ResourceAccessMode.READ)
class ServeCommandTest {
    private static final long MIB = 1 << 20;

    @TempDir
    private Path directory = Path.of("");

    private static int execute(StringWriter err, String... arguments) {
        return Blkmq.execute(new PrintWriter(new StringWriter()), new PrintWriter(err), arguments);
    }

    @ParameterizedTest
    @CsvSource({"'serve',BACKING", "'serve none.img',there is no such file", "'serve mem:0',positive multiple",
            "'serve mem:1m --direct --buffered',exclude each other", "'serve mem:1m --name a --name b','2 times'",
            "'serve mem:1m mem:1m','two exports'", "'serve mem:1m --bind ::1','--bind needs --port'",
            "'serve mem:1m --port 0 --bind nohost','--bind nohost'", "'serve mem:1m --port 70000','0 to 65535'",
            "'serve mem:1m --hw-queues 0','1 to 256'", "'serve mem:1m --tls nowhere','nowhere'",
            "'serve mem:1m --tls-verify-peer','needs --tls'", "'serve /','is a directory'"})
    void whatMakesNoSenseIsRefused(String line, String message) {
        StringWriter err = new StringWriter();
        assertThat(execute(err, line.split(" "))).isEqualTo(2);
        assertThat(err.toString()).contains(message);
    }

    private Path image(long bytes) throws IOException {
        Path image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(bytes);
        }
        return image;
    }

    @Test
    void aFileIsServedUntilItIsInterrupted() throws Exception {
        Command.require("nbdcopy", "nbdinfo");
        Path image = image(16 * MIB);
        Path source = directory.resolve("source");
        byte[] content = new byte[(int) (16 * MIB)];
        new Random(1).nextBytes(content);
        Files.write(source, content);
        Path socket = directory.resolve("s");
        try (Served served = new Served(socket, "--port", "0", "--name", "my disk", image.toString())) {
            assertThat(served.lines.getFirst()).contains("disk.img: 16777216 bytes");
            assertThat(served.uri()).startsWith("nbd+unix:///my%20disk?socket=");
            assertThat(served.lines.get(2).strip()).startsWith("nbd://127.0.0.1:");
            Command.run("", "nbdcopy", source.toString(), served.uri());
            assertThat(Command.run("", "nbdinfo", "--size", served.lines.get(2).strip()).strip())
                    .isEqualTo(Long.toString(16 * MIB));
        }
        assertThat(Files.exists(socket)).isFalse();
        assertThat(Files.mismatch(source, image)).isEqualTo(-1);
    }

    @Test
    void anInterruptedServerThatLostNothingHasTheStatusOfTheSignal() throws Exception {
        try (Served served = new Served(directory.resolve("s"), "mem:1m")) {
            assertThat(served.end()).isEmpty();
            assertThat(served.process.exitValue()).isEqualTo(128 + 15);
        }
    }

    @Test
    void whatCouldNotBeMadeDurableIsToldAndIsTheStatus() throws Exception {
        Path socket = directory.resolve("failing");
        try (SimulatedDisk failing = SimulatedDisk.builder().capacityBytes(MIB).writeCache(true, false).build();
                NbdServer server = NbdServer.builder().unix(socket).start();
                Served served = new Served(directory.resolve("s"), serve(server, failing))) {
            failing.faults().add(FaultRule.on(Operation.FLUSH).then(Fault.status(Status.IOERR)));
            assertThat(served.end()).contains("blkmq: failed: ", "could not be made durable");
            assertThat(served.process.exitValue()).isEqualTo(1);
            failing.faults().clear();
        }
    }

    private static String serve(NbdServer server, SimulatedDisk disk) {
        server.addExport(NbdExport.builder("", disk.disk()).build());
        return server.uris("").getFirst().toString();
    }

    @Test
    void severalAreServedByTheNamesOfTheirFiles() throws Exception {
        Command.require("nbdinfo");
        Path socket = directory.resolve("s");
        try (Served served = new Served(socket, "--read-only", "--buffered", "--hw-queues", "2", image(MIB).toString(),
                "mem:2m", "null:3m")) {
            String all = Command.run("", "nbdinfo", "--list", "--json", "nbd+unix:///?socket=" + socket);
            assertThat(all).contains("\"disk.img\"", "\"mem:2m\"", "\"null:3m\"", "\"export-size\": 3145728",
                    "\"is_read_only\": true").doesNotContain("\"is_read_only\": false");
            assertThat(served.process.isAlive()).isTrue();
        }
    }

    @Test
    void eachExportHasAHintOfItsOwnAndTlsIsInIt() throws Exception {
        Path keys = Certificates.make(directory.resolve("keys"), "server", "client");
        try (Served served = new Served(directory.resolve("s"), "--tls", keys.toString(), "--tls-verify-peer", "mem:1m",
                "mem:2m")) {
            served.readUntil("/dev/nbd1");
            String all = String.join("\n", served.lines);
            assertThat(all).contains("nbdfuse /tmp/nbd '", "mount -o loop /tmp/nbd/nbd /mnt\n", "/dev/nbd0 -N 'mem:1m'",
                    "mount /dev/nbd0 /mnt\n", "nbdfuse /tmp/nbd1 '", "mount -o loop /tmp/nbd1/nbd /mnt1\n",
                    "/dev/nbd1 -N 'mem:2m'", "mount /dev/nbd1 /mnt1", " -enable-tls -cacertfile '" + keys
                            + "/ca-cert.pem' -certfile '" + keys + "/client-cert.pem' -keyfile '" + keys);
        }
    }

    @Test
    void connectionsToAnotherServerAreAsManyAsAreAskedFor() throws Exception {
        try (Served first = new Served(directory.resolve("first"), "mem:1m");
                Served second = new Served(directory.resolve("second"), "--hw-queues", "2", first.uri())) {
            assertThat(second.lines.getFirst()).contains("export of another server, 2 connections");
        }
    }

    @Test
    void whatAnotherServerExportsIsServedOn() throws Exception {
        Command.require("nbdcopy");
        Path source = Files.write(directory.resolve("source"), new byte[(int) MIB]);
        Files.write(source, "at the beginning".getBytes(StandardCharsets.UTF_8),
                java.nio.file.StandardOpenOption.WRITE);
        Path image = image(MIB);
        try (Served first = new Served(directory.resolve("first"), image.toString());
                Served second = new Served(directory.resolve("second"), first.uri())) {
            assertThat(second.lines.getFirst()).contains("export of another server, 4 connections");
            Command.run("", "nbdcopy", "--flush", source.toString(), second.uri());
        }
        assertThat(Files.mismatch(source, image)).isEqualTo(-1);
    }

    /** What docs/guide/mount.md tells: a file system on a disk of this JVM, with FUSE and the kernel's loop device. */
    @Test
    void aFileSystemIsMountedThroughFuseAndLoop() throws Exception {
        Command.require("nbdfuse", "losetup", "mkfs.ext4", "e2fsck");
        assumeTrue(Files.isWritable(Path.of("/dev/fuse")) && Files.isWritable(Path.of("/dev/loop-control")),
                "neither FUSE nor loop devices can be had here");
        Path socket = directory.resolve("s");
        Path fuse = Files.createDirectory(directory.resolve("fuse"));
        Path mounted = Files.createDirectory(directory.resolve("mnt"));
        Path image = image(64 * MIB);
        Command.run("", "mkfs.ext4", "-q", "-F", image.toString());
        try (Served served = new Served(socket, "--buffered", image.toString())) {
            Process nbdfuse = new ProcessBuilder("nbdfuse", fuse.toString(), served.uri()).inheritIO().start();
            try {
                Path device = fuse.resolve("nbd");
                Eventually.until("nbdfuse has mounted", () -> Files.exists(device) || !nbdfuse.isAlive());
                String loop = Command.run("", "losetup", "--show", "-f", device.toString()).strip();
                try {
                    Command.run("", "mount", "-t", "ext4", loop, mounted.toString());
                    try {
                        Files.writeString(mounted.resolve("note"), "buy milk");
                        Command.run("", "sync", "-f", mounted.resolve("note").toString());
                    } finally {
                        Unmount.of(mounted);
                    }
                } finally {
                    Command.run("", "losetup", "-d", loop);
                }
            } finally {
                unmount(fuse, nbdfuse);
            }
        }
        Command.run("", "e2fsck", "-fn", image.toString());
        Path note = directory.resolve("note");
        Command.require("debugfs");
        Command.run("", "debugfs", "-R", "dump /note " + note, image.toString());
        assertThat(note).hasContent("buy milk");
    }

    /** Root may not look into what a user has mounted with FUSE, and nobody else may mount what is in there. */
    @Test
    void theGuideAndTheHintSayWhatIsForRoot() throws Exception {
        Pattern forRoot = Pattern.compile("\\b(nbdfuse|losetup|u?mount|modprobe|nbd-client)\\b");
        Pattern block = Pattern.compile("^```console\\n(.*?)^```$", Pattern.DOTALL | Pattern.MULTILINE);
        List<String> lines = block.matcher(Files.readString(Path.of("../docs/guide/mount.md"))).results()
                .flatMap(found -> found.group(1).lines()).filter(line -> forRoot.matcher(line).find()).toList();
        assertThat(lines).hasSizeGreaterThan(8).allMatch(line -> line.startsWith("# "));
        try (Served served = new Served(directory.resolve("s"), image(MIB).toString())) {
            assertThat(served.lines.subList(2, served.lines.size())).hasSize(3)
                    .satisfies(line -> assertThat(line).startsWith("  mount, as root: mkdir -p /tmp/nbd && nbdfuse ")
                            .endsWith("' &"), atIndex(0))
                    .satisfies(line -> assertThat(line).isEqualTo("    and then: mount -o loop /tmp/nbd/nbd /mnt"),
                            atIndex(1))
                    .satisfies(line -> assertThat(line).contains("as root: nbd-client "), atIndex(2));
        }
    }

    private static void unmount(Path fuse, Process nbdfuse) throws Exception {
        for (String unmount : Stream.of("fusermount3", "fusermount", "umount").filter(Command::isInstalled).limit(1)
                .toList()) {
            List<String> line = new ArrayList<>(List.of(unmount));
            if (unmount.startsWith("fusermount")) {
                line.add("-u");
            }
            line.add(fuse.toString());
            Eventually.until("nobody uses " + fuse, () -> {
                try {
                    Command.run("", line.toArray(String[]::new));
                    return true;
                } catch (IOException e) {
                    return !nbdfuse.isAlive();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return true;
                }
            });
        }
        assertThat(nbdfuse.waitFor(300, TimeUnit.SECONDS)).isTrue();
    }
}
