package io.blkmq.testkit.provider;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/**
 * Memory that holds what a range of a file held when it was mapped. A temporary file of the host is mapped, which has no name any more
 * when the caller gets it, as a {@link MappedByteBuffer} can come from nowhere else. The JVM tells nobody when a program writes to
 * mapped memory or forces it, so a mapping that writes cannot be emulated, and is refused.
 */
final class MappedCopy {
    private final OpenFile file;
    private final MapMode mode;
    private final long position;
    private final long size;

    /**
     * Checks what is asked for.
     *
     * @throws UnsupportedOperationException if it is not possible, with the reason
     */
    MappedCopy(OpenFile file, MapMode mode, long position, long size) {
        if (!mode.equals(MapMode.READ_ONLY) && !mode.equals(MapMode.PRIVATE)) {
            throw new UnsupportedOperationException("mapping " + mode + " of " + file
                    + ": what a program writes to mapped"
                    + " memory is not seen by a file system in the same JVM. Use the program's other way to store, or test it"
                    + " over FUSE.");
        }
        if (!file.fileSystem().mapsByCopy()) {
            throw new UnsupportedOperationException(
                    "mapping " + mode + " of " + file + ": files in memory are not mapped,"
                            + " unless the file system is made with mapByCopy, which gives a copy of what is there");
        }
        this.file = file;
        this.mode = mode;
        this.position = position;
        this.size = size;
    }

    MappedByteBuffer buffer() throws IOException {
        try (FileChannel copy = copy()) {
            return copy.map(mode, 0, size);
        }
    }

    MemorySegment segment(Arena arena) throws IOException {
        try (FileChannel copy = copy()) {
            return copy.map(mode, 0, size, arena);
        }
    }

    private FileChannel copy() throws IOException {
        return copy(Files.createTempFile("blkmq-map", null), copy -> {
            try (Arena arena = Arena.ofConfined()) {
                var _ = file.read(position, copy.map(MapMode.READ_WRITE, 0, size, arena));
            }
        });
    }

    /** Writes into a temporary file what it is to have. */
    @FunctionalInterface
    interface Filling {
        void of(FileChannel copy) throws IOException;
    }

    /**
     * Opens a temporary file, takes its name away and fills it. Nothing of it is left if that fails, whatever is thrown: a host that has no
     * room for it makes an InternalError.
     */
    static FileChannel copy(Path host, Filling filling) throws IOException {
        FileChannel copy = null;
        boolean complete = false;
        try {
            copy = FileChannel.open(host, StandardOpenOption.READ, StandardOpenOption.WRITE,
                    StandardOpenOption.DELETE_ON_CLOSE);
            filling.of(copy);
            complete = true;
            return copy;
        } finally {
            if (!complete) {
                discard(host, copy);
            }
        }
    }

    private static void discard(Path host, @Nullable FileChannel copy) {
        try {
            if (copy != null) {
                copy.close();
            }
            boolean _ = Files.deleteIfExists(host);
        } catch (IOException _) {
            // Then it stays. What is told is why it was to go.
        }
    }
}
