package io.blkmq.testing.channel;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/** What our channels are compared with: a file, and the kernel's loop device, under the channels of the JDK. */
public final class JdkSubject extends ChannelSubject {
    private final Family family;
    private final Path path;
    private final Path image;

    private JdkSubject(Family family, Path path, Path image) {
        this.family = family;
        this.path = path;
        this.image = image;
    }

    /** {@return a file} */
    public static JdkSubject file() throws IOException {
        Path file = newFile(Files.createTempFile("blkmq-channel", ".img"));
        return new JdkSubject(Family.FILE, file, file);
    }

    /** {@return a loop device; the test is aborted where there is none to be had} */
    public static JdkSubject node() throws IOException {
        Path file = newFile(Files.createTempFile("blkmq-channel", ".img"));
        try {
            List<String> said = run("losetup", "--find", "--show", file.toString());
            if (!said.isEmpty()) {
                return new JdkSubject(Family.NODE, Path.of(said.getFirst()), file);
            }
        } catch (IOException e) {
            // As if it had said nothing.
        }
        Files.delete(file);
        return Assumptions.abort("no loop device of the kernel can be attached here: needs root and a free device");
    }

    /** Gives a file the first size. */
    public static Path newFile(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            long _ = channel.write(ByteBuffer.allocate(1), BYTES - 1);
        }
        return file;
    }

    private static List<String> run(String... command) throws IOException {
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        try (var out = process.inputReader()) {
            List<String> said = out.lines().toList();
            if (!process.waitFor(300, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new IOException(String.join(" ", command) + " failed");
            }
            return said;
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    @Override
    public Family family() {
        return family;
    }

    @Override
    public FileChannel open(OpenOption... options) throws IOException {
        return FileChannel.open(path, orBoth(options));
    }

    @Override
    public AsynchronousFileChannel openAsync(OpenOption... options) throws IOException {
        return AsynchronousFileChannel.open(path, orBoth(options));
    }

    @Override
    public void reset() throws IOException {
        try (FileChannel channel = open()) {
            if (family == Family.FILE) {
                renew(channel);
            } else {
                zero(channel);
            }
        }
    }

    @Override
    public void close() throws IOException {
        try {
            if (family == Family.NODE) {
                List<String> _ = run("losetup", "--detach", path.toString());
            }
        } finally {
            Files.delete(image);
        }
    }

    @Override
    public String toString() {
        return family.toString();
    }
}
