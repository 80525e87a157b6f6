package io.blkmq.tools.device;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * A file that exists for one run. Nothing stays behind however the command ends: its name goes as soon as a device has it open, where
 * the system allows that ({@link #forgetName}); or another process waits for the end of this one and removes it
 * ({@link #createNamed}).
 */
public final class TemporaryImage implements AutoCloseable {
    private static final int PIECE_BYTES = 1 << 20;
    /** Waits until its input ends, as it does when the process at its other end does, and whatever signal both get. */
    private static final String WAIT_AND_REMOVE = "trap '' INT TERM HUP; cat > /dev/null; rm -f -- \"$1\"";

    private final Path path;
    private @Nullable Process remover;

    private TemporaryImage(Path path) {
        this.path = path;
    }

    /**
     * Makes a file that is one hole.
     *
     * @param directory where
     * @param bytes its size
     * @return the image, to be closed
     * @throws IOException if it cannot be made, naming the directory and the size
     */
    public static TemporaryImage create(Path directory, long bytes) throws IOException {
        return new TemporaryImage(nameIn(directory)).made(bytes);
    }

    /**
     * The same, for a file that keeps its name for some time: another process removes it if this one is killed.
     *
     * @param directory where
     * @param bytes its size
     * @return the image, to be closed
     * @throws IOException if it cannot be made, naming the directory and the size
     */
    public static TemporaryImage createNamed(Path directory, long bytes) throws IOException {
        TemporaryImage image = new TemporaryImage(nameIn(directory));
        // Before there is a file: so there is none that nobody removes.
        image.removeWhenKilled();
        return image.made(bytes);
    }

    private static Path nameIn(Path directory) {
        return directory.resolve("blkmq-" + UUID.randomUUID() + ".img");
    }

    private TemporaryImage made(long bytes) throws IOException {
        try {
            Files.createFile(path);
            try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
                file.setLength(bytes);
            }
            return this;
        } catch (IOException e) {
            close();
            Path directory = path.resolveSibling("");
            throw new IOException("a temporary image of " + bytes + " bytes cannot be made in " + directory + " ("
                    + freeBytes(directory) + "): " + e.getMessage(), e);
        }
    }

    /** Removes the name, now that the file is open; a system that does not allow that keeps it until {@link #close}. */
    void forgetName() {
        if (System.getProperty("os.name", "").startsWith("Linux")) {
            close();
        }
    }

    private void removeWhenKilled() {
        try {
            remover = new ProcessBuilder("sh", "-c", WAIT_AND_REMOVE, "sh", path.toString()).redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
        } catch (IOException e) {
            // Where there is no shell, a kill leaves the file behind.
            remover = null;
        }
    }

    private static String freeBytes(Path directory) {
        try {
            FileStore store = Files.getFileStore(directory);
            return store.getUsableSpace() + " bytes are free there, on " + store.type();
        } catch (IOException e) {
            return "how much is free there is not known";
        }
    }

    /**
     * Writes all of it, so that no read is of a hole.
     *
     * @param what its name, for the listener
     * @param bytes its size
     * @param listener is told
     * @throws IOException if it cannot be written
     */
    public void fill(String what, long bytes, Layout listener) throws IOException {
        Random random = new Random(bytes);
        byte[] piece = new byte[PIECE_BYTES];
        random.nextBytes(piece);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
            for (long done = 0; done < bytes && !listener.isStopped();) {
                // No two pieces are the same, and none can be made smaller.
                ByteBuffer.wrap(piece).putLong(0, done).putLong(PIECE_BYTES / 2, random.nextLong());
                ByteBuffer left = ByteBuffer.wrap(piece, 0, (int) Math.min(PIECE_BYTES, bytes - done));
                while (left.hasRemaining()) {
                    done += channel.write(left);
                }
                listener.written(what, done, bytes);
            }
            channel.force(true);
        } catch (IOException e) {
            throw new IOException("a temporary image of " + bytes + " bytes cannot be written in "
                    + path.resolveSibling("") + " (" + freeBytes(path) + "): " + e.getMessage(), e);
        }
    }

    /**
     * Its name.
     *
     * @return where it is
     */
    public Path path() {
        return path;
    }

    @Override
    public void close() {
        try {
            Files.deleteIfExists(path);
            Process other = remover;
            if (other != null) {
                other.getOutputStream().close();
                other.waitFor();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            throw new UncheckedIOException("temporary image " + path + " could not be removed", e);
        }
    }
}
