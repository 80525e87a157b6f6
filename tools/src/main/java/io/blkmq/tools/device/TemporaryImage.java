package io.blkmq.tools.device;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A sparse file that exists for one run. Its name goes as soon as something has it open, where the system allows that, so that
 * nothing stays behind however the command ends; else when it is closed.
 */
final class TemporaryImage implements AutoCloseable {
    private final Path path;

    private TemporaryImage(Path path) {
        this.path = path;
    }

    static TemporaryImage create(long bytes) throws IOException {
        TemporaryImage image = new TemporaryImage(Files.createTempFile("blkmq-", ".img"));
        try (RandomAccessFile file = new RandomAccessFile(image.path.toFile(), "rw")) {
            file.setLength(bytes);
            return image;
        } catch (IOException e) {
            image.close();
            throw e;
        }
    }

    Path path() {
        return path;
    }

    /** Removes the name, now that the file is open; a system that does not allow that keeps it until {@link #close}. */
    void forgetName() {
        if (System.getProperty("os.name", "").startsWith("Linux")) {
            close();
        }
    }

    @Override
    public void close() {
        try {
            Files.deleteIfExists(path);
        } catch (IOException e) {
            throw new UncheckedIOException("temporary image " + path + " could not be removed", e);
        }
    }
}
