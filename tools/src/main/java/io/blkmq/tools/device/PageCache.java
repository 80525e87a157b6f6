package io.blkmq.tools.device;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import java.io.IOException;
import java.nio.file.Path;

/** What the kernel has of a file in its page cache, and what the file has on no disk. */
public final class PageCache implements AutoCloseable {
    private final AioEngine engine;
    private final AioFile file;

    private PageCache(AioEngine engine, AioFile file) {
        this.engine = engine;
        this.file = file;
    }

    /** That of a file, which may lose its name later. */
    static PageCache of(Path path) throws IOException {
        AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
        try {
            return new PageCache(engine, engine.open(path, AioFile.Access.READ_ONLY, false));
        } catch (IOException | RuntimeException e) {
            engine.close();
            throw e;
        }
    }

    /** Makes the next read of what is durable go to the disk, where the system can do that. */
    void drop() {
        int _ = file.dropPageCache();
    }

    @Override
    public void close() {
        file.close();
        engine.close();
    }

    /** Looks at a file that is open for a moment. */
    private interface Look<T> {
        T at(AioFile file) throws IOException;
    }

    private static <T> T open(Path path, Look<T> look) throws IOException {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            return look.at(file);
        }
    }

    /**
     * Makes the next read go to the disk.
     *
     * @param path the file
     * @return whether the system can do that
     * @throws IOException if it cannot be opened
     */
    public static boolean drop(Path path) throws IOException {
        return open(path, file -> file.dropPageCache() == 0);
    }

    /**
     * Whether a part of a file is on no disk.
     *
     * @param path the file
     * @return false also where the system does not tell
     * @throws IOException if it cannot be opened
     */
    static boolean hasHole(Path path) throws IOException {
        return open(path, file -> {
            long hole = file.nextHole(0);
            return hole >= 0 && hole < file.size();
        });
    }
}
