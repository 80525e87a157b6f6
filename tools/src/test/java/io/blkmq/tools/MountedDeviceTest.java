package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.testing.Command;
import io.blkmq.testing.Unmount;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A block device of the host that has a mounted file system is not written to, unless a job says that it may be. */
@Timeout(300)
class MountedDeviceTest {
    @TempDir
    private Path directory;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private String device = "";
    private boolean mounted;
    private Path mountPoint = Path.of("");

    @BeforeEach
    void mount() throws IOException, InterruptedException {
        assumeTrue("root".equals(System.getProperty("user.name")), "skipped: mounting needs root");
        Command.require("losetup", "mkfs.ext4");
        Path image = directory.resolve("image");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(16 << 20);
        }
        mountPoint = Files.createDirectory(directory.resolve("mounted"));
        // Nothing that the kernel writes later by itself: no journal, and no tables that it still has to clear.
        Command.run("", "mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=0", image.toString());
        device = Command.run("", "losetup", "--find", "--show", image.toString()).strip();
        Command.run("", "mount", device, mountPoint.toString());
        mounted = true;
        Files.writeString(mountPoint.resolve("precious"), "precious");
    }

    @AfterEach
    void unmount() throws IOException, InterruptedException {
        if (!device.isEmpty()) {
            if (mounted) {
                Unmount.of(mountPoint);
            }
            Command.run("", "losetup", "--detach", device);
        }
    }

    private int execute(String job) throws IOException {
        Path file = Files.writeString(directory.resolve("job.fio"), job);
        return Blkmq.execute(new PrintWriter(out), new PrintWriter(err), "run", "--attach", "d=" + device,
                file.toString());
    }

    /** What a job would overwrite. */
    private byte[] content() throws IOException, InterruptedException {
        Command.run("", "sync");
        try (RandomAccessFile file = new RandomAccessFile(directory.resolve("image").toFile(), "r")) {
            byte[] bytes = new byte[1 << 20];
            file.seek(8 << 20);
            file.readFully(bytes);
            return bytes;
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"psync\n", "io_uring\ndirect=1\n", "libaio\ndirect=1\n"})
    void itIsRefusedByEveryEngine(String engine) throws IOException, InterruptedException {
        byte[] before = content();
        assertThat(execute("[a]\nfilename=d\nrw=write\nsize=1m\noffset=8m\nioengine=" + engine)).isEqualTo(2);
        assertThat(err.toString()).contains(device, "is mounted", "allow_mounted_write=1").hasLineCount(1);
        assertThat(content()).isEqualTo(before);
    }

    @Test
    void aJobThatOnlyReadsMayReadIt() throws IOException {
        assertThat(execute("[a]\nfilename=d\nrw=read\nsize=1m\n")).as(err.toString()).isZero();
    }

    @Test
    void theJobMaySayThatItMayBeWritten() throws IOException {
        // The last block of the image, which nothing uses.
        assertThat(execute("[a]\nfilename=d\nrw=write\nbs=1k\nsize=1k\noffset=16383k\nallow_mounted_write=1\n"))
                .as(err.toString()).isZero();
    }
}
