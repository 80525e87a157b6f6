package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** The names of files, and what makes a change of them durable: a sync of the directory that has the name. Any thread may call it. */
final class Names {

    /** What is tried, for messages. */
    static final String SYNC_OF_DIRECTORY = "sync of the directory";

    private Names() {}

    /** The directory that has the name of a file. */
    static Path directoryOf(Path path) {
        Path parent = path.toAbsolutePath().getParent();
        return parent == null ? path.toAbsolutePath() : parent;
    }

    /** See {@link AioEngine#rename}. */
    static void rename(Path from, Path to) throws IOException {
        syncFile(from);
        Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        Path there = directoryOf(to);
        syncDirectory(there);
        if (!there.equals(directoryOf(from))) {
            syncDirectory(directoryOf(from));
        }
    }

    /** See {@link AioEngine#delete}. */
    static void delete(Path path) throws IOException {
        Files.delete(path);
        syncDirectory(directoryOf(path));
    }

    /** See {@link AioEngine#syncDirectory}. */
    static void syncDirectory(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            throw Files.exists(directory)
                    ? new NotDirectoryException(directory.toString())
                    : new NoSuchFileException(directory.toString());
        }
        sync(directory, SYNC_OF_DIRECTORY);
    }

    private static void syncFile(Path path) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString());
        }
        sync(path, "sync");
    }

    /** Syncs what has a name; by the system where it can be asked, since an interrupt closes a channel. */
    private static void sync(Path path, String operation) throws IOException {
        if (NativeAccess.refusal() != null || !path.getFileSystem().equals(FileSystems.getDefault())) {
            try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
                channel.force(true);
            }
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            // O_NONBLOCK: opening a FIFO would wait for its other end.
            int fd = FileCalls.open(PathName.of(path, arena),
                    FileCalls.O_CLOEXEC | FileCalls.O_RDONLY | FileCalls.O_NONBLOCK);
            if (fd < 0) {
                throw AioException.of(fd, path, operation);
            }
            try {
                int result = FileCalls.sync(fd, false);
                if (result < 0) {
                    throw AioException.of(result, path, operation);
                }
            } finally {
                FileCalls.close(fd);
            }
        }
    }
}
