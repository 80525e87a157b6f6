package io.blkmq.core;

import io.blkmq.core.nullblk.NullBlk;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.AsynchronousFileChannel;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;

/**
 * Something of 1 MiB that channels are opened on: a disk, and what a disk's channels are compared with, a file and the kernel's loop
 * device under the channels of the JDK.
 */
final class ChannelSubject implements AutoCloseable {
    static final int BYTES = 1 << 20;

    /** What it is. */
    enum Kind {
        /** A file: the same but where it grows. */
        FILE,
        /** A loop device of the kernel: the same. Needs root. */
        NODE,
        /** A disk of blocks of 512 bytes, completed by another thread. */
        DISK_512,
        /** A disk of blocks of 4 KiB, completed at once. */
        DISK_4096,
        /** A disk that the waiting thread polls. */
        DISK_POLLED;

        boolean isDisk() {
            return this != FILE && this != NODE;
        }
    }

    private final Kind kind;
    private final @Nullable Path path;
    private final @Nullable Path image;
    private final @Nullable Disk disk;

    private ChannelSubject(Kind kind, @Nullable Path path, @Nullable Path image, @Nullable Disk disk) {
        this.kind = kind;
        this.path = path;
        this.image = image;
        this.disk = disk;
    }

    static ChannelSubject of(Kind kind) throws IOException {
        return switch (kind) {
            case FILE -> {
                Path file = newFile();
                yield new ChannelSubject(kind, file, file, null);
            }
            case NODE -> {
                Path file = newFile();
                Path node = attach(file);
                if (node == null) {
                    Files.delete(file);
                    Assumptions
                            .abort("no loop device of the kernel can be attached here: needs root and a free device");
                }
                yield new ChannelSubject(kind, node, file, null);
            }
            case DISK_512 -> new ChannelSubject(kind, null, null, disk(512, NullBlk.Completion.REAPER));
            case DISK_4096 -> new ChannelSubject(kind, null, null, disk(4096, NullBlk.Completion.INLINE));
            case DISK_POLLED -> new ChannelSubject(kind, null, null, disk(1024, NullBlk.Completion.POLLED));
        };
    }

    private static Disk disk(int blockBytes, NullBlk.Completion completion) throws IOException {
        return NullBlk.builder().name("mem0").completion(completion).memoryBacked(true).blockBytes(blockBytes)
                .capacityBytes(BYTES).depth(4).build();
    }

    private static Path newFile() throws IOException {
        Path file = Files.createTempFile("blkmq-channel", ".img");
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(1), BYTES - 1);
        }
        return file;
    }

    /** The node of a loop device that has the file; null if there is none to be had. */
    private static @Nullable Path attach(Path file) throws IOException {
        try {
            List<String> said = run("losetup", "--find", "--show", file.toString());
            return said.isEmpty() ? null : Path.of(said.getFirst());
        } catch (IOException e) {
            return null;
        }
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

    Kind kind() {
        return kind;
    }

    @Nullable
    Disk disk() {
        return disk;
    }

    private static OpenOption[] orBoth(OpenOption... options) {
        return options.length > 0 ? options : new OpenOption[]{StandardOpenOption.READ, StandardOpenOption.WRITE};
    }

    FileChannel open(OpenOption... options) throws IOException {
        return disk != null
                ? disk.openChannel(options)
                : FileChannel.open(Objects.requireNonNull(path), orBoth(options));
    }

    AsynchronousFileChannel openAsync(OpenOption... options) throws IOException {
        return disk != null
                ? disk.openAsynchronousChannel(options)
                : AsynchronousFileChannel.open(Objects.requireNonNull(path), orBoth(options));
    }

    /** Makes it zeroes of its first size again. */
    void reset() throws IOException {
        try (FileChannel channel = open()) {
            if (kind == Kind.FILE) {
                channel.truncate(0);
            }
            ByteBuffer zeroes = ByteBuffer.allocate(BYTES);
            while (zeroes.hasRemaining()) {
                channel.write(zeroes);
            }
        }
    }

    @Override
    public void close() throws IOException {
        List<AutoCloseable> toClose = new ArrayList<>();
        if (disk != null) {
            toClose.add(disk);
        }
        if (kind == Kind.NODE) {
            toClose.add(() -> run("losetup", "--detach", Objects.requireNonNull(path).toString()));
        }
        if (image != null) {
            toClose.add(() -> Files.delete(image));
        }
        for (AutoCloseable each : toClose) {
            try {
                each.close();
            } catch (IOException e) {
                throw e;
            } catch (Exception e) {
                throw new IOException(e);
            }
        }
    }

    @Override
    public String toString() {
        return kind.toString();
    }
}
