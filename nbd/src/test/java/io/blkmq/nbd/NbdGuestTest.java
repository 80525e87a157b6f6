package io.blkmq.nbd;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.loop.LoopDevice;
import io.blkmq.testing.Command;
import io.blkmq.testing.NoRescues;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Linux as the client: a small virtual machine boots, its kernel's nbd driver connects, makes ext4, writes, syncs and discards.
 * {@code bin/guest-kernel} makes what it boots.
 */
@NoRescues
@Timeout(900)
class NbdGuestTest {
    private static final Path GUEST = Path.of("../target/guest");

    @TempDir
    private Path directory = Path.of("");

    @Test
    void theKernelOfAGuestMakesAFileSystem() throws Exception {
        Command.require("qemu-system-x86_64", "e2fsck", "debugfs");
        if (!Files.exists(GUEST.resolve("initrd"))) {
            String reason = "skipped: there is no kernel for a guest; bin/guest-kernel makes one";
            System.out.println(reason);
            Assumptions.abort(reason);
        }
        Path image = Scratch.file(directory, "disk", 64 << 20);
        String said;
        NbdStatistics statistics;
        try (LoopDevice loop = Scratch.loop(image); NbdServer server = Patient.server().loopback(0).start()) {
            server.addExport(NbdExport.builder("d", loop.disk()).build());
            int port = ((InetSocketAddress) server.addresses().getFirst()).getPort();
            Process guest = new ProcessBuilder("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max",
                    "-smp", "2", "-m", "256", "-kernel", GUEST.resolve("vmlinuz").toString(), "-initrd",
                    GUEST.resolve("initrd").toString(), "-netdev", "user,id=n", "-device",
                    "virtio-net-pci,netdev=n,romfile=", "-append",
                    "console=ttyS0 quiet panic=1 mitigations=off nbdport=" + port, "-nographic", "-no-reboot",
                    "-nodefaults", "-serial", "stdio").redirectErrorStream(true).start();
            try {
                guest.getOutputStream().close();
                said = new String(guest.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
                assertThat(guest.waitFor(60, TimeUnit.SECONDS)).isTrue();
            } finally {
                guest.destroyForcibly();
            }
            statistics = server.statistics();
            server.removeExport("d");
        }
        assertThat(said).contains("GUEST-OK").contains("SIZE 131072 CACHE write back FUA 1");
        assertThat(statistics.errors()).isZero();
        assertThat(statistics.accepted()).isGreaterThanOrEqualTo(2);
        Command.run("", "e2fsck", "-fn", image.toString());
        Path note = directory.resolve("note");
        Command.run("", "debugfs", "-R", "dump /note " + note, image.toString());
        assertThat(note).hasContent("buy milk\n");
    }
}
