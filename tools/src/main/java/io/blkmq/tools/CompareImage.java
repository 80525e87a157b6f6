package io.blkmq.tools;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import io.blkmq.tools.run.RunControl;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;

/**
 * The file that a comparison runs on. All of it is written, and not only allocated: the kernel answers reads of blocks that were
 * never written without going to the disk.
 */
final class CompareImage implements AutoCloseable {
    private static final int PIECE_BYTES = 1 << 20;

    private final Path path;
    private final boolean temporary;

    private CompareImage(Path path, boolean temporary) {
        this.path = path;
        this.temporary = temporary;
    }

    /** A file that exists, and stays. */
    static CompareImage of(Path path) {
        return new CompareImage(path, false);
    }

    /** A new file, removed at the end. */
    static CompareImage create(Path directory, long bytes, RunControl control) throws IOException {
        CompareImage image = new CompareImage(Files.createTempFile(directory, "blkmq-compare-", ".img"), true);
        boolean complete = false;
        try {
            image.fill(bytes, control);
            complete = true;
            return image;
        } finally {
            if (!complete) {
                image.close();
            }
        }
    }

    private void fill(long bytes, RunControl control) throws IOException {
        Random random = new Random(bytes);
        byte[] piece = new byte[PIECE_BYTES];
        try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
            for (long done = 0; done < bytes && !control.isStopped();) {
                random.nextBytes(piece);
                ByteBuffer left = ByteBuffer.wrap(piece, 0, (int) Math.min(PIECE_BYTES, bytes - done));
                while (left.hasRemaining()) {
                    done += file.write(left);
                }
            }
            file.force(true);
        }
    }

    Path path() {
        return path;
    }

    /** Makes the next read go to the disk. Returns whether the system can do that. */
    boolean dropPageCache() throws IOException {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            return file.dropPageCache() == 0;
        }
    }

    @Override
    public void close() throws IOException {
        if (temporary) {
            Files.deleteIfExists(path);
        }
    }
}
