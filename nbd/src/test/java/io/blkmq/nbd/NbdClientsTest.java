package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.loop.LoopDevice;
import io.blkmq.testing.Command;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The server by the programs that the world uses: those of libnbd and qemu, and fio. */
@NoRescues
class NbdClientsTest {
    private static final long MIB = 1 << 20;

    @TempDir
    private Path directory = Path.of("");
    private Path socket = Path.of("");
    private NbdServer server = unstarted();

    private static NbdServer unstarted() {
        try {
            return Patient.server().loopback(0).start();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @BeforeEach
    void start() throws IOException {
        server.close();
        socket = directory.resolve("s");
        server = Patient.server().unix(socket).loopback(0).threads(2).start();
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
        assertThat(server.statistics().connections()).isZero();
        assertThat(server.statistics().memoryBytes()).isZero();
    }

    private String uri(String export) {
        return server.uris(export).getFirst().toString();
    }

    private void export(String name, Disk disk) {
        server.addExport(NbdExport.builder(name, disk).description("for the test " + name).build());
    }

    @Test
    void nbdinfoSeesWhatIsOffered() throws Exception {
        Command.require("nbdinfo");
        try (Disk first = Scratch.memory(MIB); Disk second = Scratch.memory(2 * MIB)) {
            export("first", first);
            server.addExport(NbdExport.builder("second", second).readOnly(true).build());
            String all = Command.run("", "nbdinfo", "--list", "--json", uri(""));
            assertThat(all).contains("\"export-name\": \"first\"", "\"export-name\": \"second\"", "newstyle-fixed",
                    "\"structured\": true", "for the test first", "\"block_size_minimum\": 512");
            String one = Command.run("", "nbdinfo", "--json", uri("second"));
            assertThat(one).contains("\"export-size\": " + 2 * MIB, "\"is_read_only\": true",
                    "\"can_multi_conn\": true", "base:allocation");
            assertThat(Command.run("", "nbdinfo", "--json", uri("first"))).contains("\"can_fua\": true",
                    "\"can_flush\": true", "\"can_trim\": true", "\"can_zero\": true", "\"can_fast_zero\": true",
                    "\"can_cache\": true", "\"can_df\": true", "\"is_read_only\": false");
            assertThatThrownBy(() -> Command.run("", "nbdinfo", uri("third"))).isInstanceOf(IOException.class);
            String tcp = server.uris("first").get(1).toString();
            assertThat(Command.run("", "nbdinfo", "--size", tcp).strip()).isEqualTo(Long.toString(MIB));
        }
    }

    @ParameterizedTest
    @EnumSource(value = NullBlk.Completion.class, names = {"REAPER", "INLINE", "TIMER"})
    void nbdcopyBringsAnImageInAndOut(NullBlk.Completion completion) throws Exception {
        Command.require("nbdcopy");
        int bytes = (int) (64 * MIB);
        Path image = Scratch.randomFile(directory, "image", bytes, RandomSeed.of(NbdClientsTest.class));
        try (Disk disk = Scratch.memory(bytes, completion)) {
            export("d", disk);
            Command.run("", "nbdcopy", "--flush", image.toString(), uri("d"));
            Path back = directory.resolve("back");
            Command.run("", "nbdcopy", uri("d"), back.toString());
            assertThat(Files.mismatch(image, back)).isEqualTo(-1);
            assertThat(server.statistics().errors()).isZero();
            server.removeExport("d");
        }
    }

    @Test
    void nbdcopyBringsAnImageToAPolledDisk() throws Exception {
        Command.require("nbdcopy");
        int bytes = (int) (32 * MIB);
        Path image = Scratch.randomFile(directory, "image", bytes, RandomSeed.of(NbdClientsTest.class));
        try (Disk disk = NullBlk.builder().capacityBytes(bytes).memoryBacked(true).hardwareQueues(2)
                .completion(NullBlk.Completion.POLLED).build()) {
            export("d", disk);
            Command.run("", "nbdcopy", "--flush", image.toString(), uri("d"));
            Path back = directory.resolve("back");
            Command.run("", "nbdcopy", uri("d"), back.toString());
            assertThat(Files.mismatch(image, back)).isEqualTo(-1);
            server.removeExport("d");
        }
    }

    @Test
    void qemuIoFindsItsPatterns() throws Exception {
        Command.require("qemu-io");
        Path file = Scratch.file(directory, "disk", 64 * MIB);
        try (LoopDevice loop = Scratch.loop(file)) {
            export("d", loop.disk());
            String out = Command.run("", "qemu-io", "-f", "raw", "-c", "write -P 0x5a 1M 4M", "-c",
                    "write -f -P 0xa5 8M 64k", "-c", "flush", "-c", "read -P 0x5a 1M 4M", "-c", "read -P 0xa5 8M 64k",
                    "-c", "discard 2M 1M", "-c", "read -P 0 2M 1M", "-c", "write -z 3M 512k", "-c", "read -P 0 3M 512k",
                    "-c", "write -z -u 4M 64k", "-c", "read -P 0 4M 64k", "-c", "read -P 0x5a 3584k 512k", "-c",
                    "aio_write -P 1 10M 1M", "-c", "aio_write -P 2 20M 1M", "-c", "aio_flush", "-c", "read -P 1 10M 1M",
                    "-c", "read -P 2 20M 1M", uri("d"));
            assertThat(out).doesNotContain("Pattern verification failed").doesNotContain("failed");
            server.removeExport("d");
        }
        assertThat(Files.readAllBytes(file)[(int) MIB]).isEqualTo((byte) 0x5a);
    }

    @Test
    void qemuImgConvertsToAndFromAnExport() throws Exception {
        Command.require("qemu-img");
        int bytes = (int) (32 * MIB);
        Path image = Scratch.randomFile(directory, "image", bytes, RandomSeed.of(NbdClientsTest.class));
        Path qcow = directory.resolve("image.qcow2");
        Command.run("", "qemu-img", "convert", "-f", "raw", "-O", "qcow2", image.toString(), qcow.toString());
        try (LoopDevice loop = Scratch.loop(Scratch.file(directory, "disk", bytes))) {
            export("d", loop.disk());
            Command.run("", "qemu-img", "convert", "-n", "-f", "qcow2", "-O", "raw", qcow.toString(), uri("d"));
            assertThat(Command.run("", "qemu-img", "compare", "-f", "raw", "-F", "qcow2", uri("d"), qcow.toString()))
                    .contains("identical");
            Path back = directory.resolve("back.qcow2");
            Command.run("", "qemu-img", "convert", "-f", "raw", "-O", "qcow2", uri("d"), back.toString());
            assertThat(Command.run("", "qemu-img", "compare", "-f", "raw", "-F", "qcow2", image.toString(),
                    back.toString())).contains("identical");
            server.removeExport("d");
        }
    }

    @Test
    void nbdinfoSeesTheHolesOfAFile() throws Exception {
        Command.require("nbdinfo", "qemu-io");
        Path file = Scratch.randomFile(directory, "disk", (int) (4 * MIB), RandomSeed.of(NbdClientsTest.class));
        try (LoopDevice loop = Scratch.loop(file)) {
            server.addExport(NbdExport.builder("d", loop.disk()).allocation(AllocationMap.ofFile(file, 0)).build());
            Command.run("", "qemu-io", "-f", "raw", "-c", "discard 1M 1M", uri("d"));
            String map = Command.run("", "nbdinfo", "--map", uri("d")).replaceAll("[ \t]+", " ");
            assertThat(map.lines().map(String::strip)).containsExactly("0 1048576 0 data",
                    "1048576 1048576 3 hole,zero", "2097152 2097152 0 data");
            server.removeExport("d");
        }
    }

    @Test
    void fioVerifiesOnFourConnections() throws Exception {
        Command.require("fio");
        if (!Command.run("", "fio", "--enghelp").contains("nbd")) {
            Command.lacking("fio's nbd engine");
        }
        try (LoopDevice loop = Scratch.loop(Scratch.file(directory, "disk", 64 * MIB))) {
            export("d", loop.disk());
            String out = Command.run("", "fio", "--name=v", "--ioengine=nbd", "--uri=" + uri("d"), "--rw=randwrite",
                    "--bs=4k", "--iodepth=32", "--numjobs=4", "--size=16m", "--offset_increment=16m", "--verify=crc32c",
                    "--verify_state_save=0", "--verify_fatal=1", "--fsync=64", "--group_reporting");
            assertThat(out).contains("err= 0");
            assertThat(server.statistics().errors()).isZero();
            server.removeExport("d");
        }
    }

    @Test
    void anExportComesAndGoesWhileClientsAreConnected() throws Exception {
        Command.require("nbdinfo");
        try (Disk first = Scratch.memory(MIB); Disk second = Scratch.memory(2 * MIB)) {
            export("first", first);
            assertThat(Command.run("", "nbdinfo", "--size", uri("first")).strip()).isEqualTo("1048576");
            export("second", second);
            assertThat(Command.run("", "nbdinfo", "--size", uri("second")).strip()).isEqualTo("2097152");
            assertThat(server.removeExport("first")).isTrue();
            assertThat(server.removeExport("first")).isFalse();
            assertThatThrownBy(() -> Command.run("", "nbdinfo", uri("first"))).isInstanceOf(IOException.class);
            assertThat(server.exports()).extracting(NbdExport::name).containsExactly("second");
            assertThatThrownBy(() -> export("second", first)).isInstanceOf(IllegalArgumentException.class);
        }
    }
}
