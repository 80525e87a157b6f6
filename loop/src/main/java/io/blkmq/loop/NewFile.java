package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioException;
import io.blkmq.aio.AioFile;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.UUID;

/**
 * Makes the file of a device. Its name appears when it has its size and is durable: a process that is killed in between leaves no empty file that would be taken for
 * the device's from then on, and no other process attaches one that is not ready.
 *
 * <pre>
 *   .blkmq-UUID.new made ─▶ sized ─▶ synced ─▶ linked to its name, unless that is there ─▶ first name taken away, directory synced
 * </pre>
 *
 * <p>A link and not a rename, which would replace what somebody else has made meanwhile. Where there are no links (FAT), and for an engine whose files are in memory, the file
 * is made under its own name.
 */
final class NewFile {
    private NewFile() {}

    /**
     * Makes a file, durable with its name, unless there is one.
     *
     * @throws IOException if it cannot be made; then nothing is left of it, or what could not be removed is in a suppressed exception
     */
    static void make(AioEngine engine, Path path, long bytes) throws IOException {
        Path directory = path.toAbsolutePath().getParent();
        if (directory == null) {
            throw new FileSystemException(path.toString(), null, "is a directory");
        }
        if (!Files.isDirectory(directory)) {
            throw new NoSuchFileException(path.toString(), null, "there is no directory " + directory);
        }
        // Also where there is one: an engine that has its files in memory may have taken the name away there.
        if (Files.exists(path, LinkOption.NOFOLLOW_LINKS) || !makeBeside(engine, path, bytes)) {
            makeInPlace(engine, path, directory, bytes);
        }
    }

    /** Returns false, and leaves nothing, if that is not possible here. */
    private static boolean makeBeside(AioEngine engine, Path path, long bytes) throws IOException {
        Path beside = path.resolveSibling(".blkmq-" + UUID.randomUUID() + ".new");
        AioFile made;
        try {
            made = engine.open(beside, AioFile.Access.READ_WRITE, false, AioFile.Option.CREATE_NEW);
        } catch (FileSystemException e) {
            // The next attempt tells why, by the name that was asked for.
            boolean _ = Files.deleteIfExists(beside);
            return false;
        }
        boolean good = false;
        try {
            try (made) {
                good = Files.exists(beside);
                if (good) {
                    fill(made, path, bytes);
                }
            }
            good = good && link(beside, path);
        } catch (Throwable t) {
            delete(engine, beside, t);
            throw t;
        }
        // Syncs the directory, which has the other name by now.
        engine.delete(beside);
        return good;
    }

    /** Returns false if there are no links here. */
    private static boolean link(Path from, Path to) {
        try {
            Files.createLink(to, from);
            return true;
        } catch (FileAlreadyExistsException e) {
            // Somebody else was faster, and his file is as good.
            return true;
        } catch (IOException | UnsupportedOperationException e) {
            return false;
        }
    }

    private static void makeInPlace(AioEngine engine, Path path, Path directory, long bytes) throws IOException {
        AioFile made;
        try {
            made = engine.open(path, AioFile.Access.READ_WRITE, false, AioFile.Option.CREATE_NEW);
        } catch (FileAlreadyExistsException e) {
            return;
        }
        try (made) {
            fill(made, path, bytes);
        } catch (Throwable t) {
            delete(engine, path, t);
            throw t;
        }
        engine.syncDirectory(directory);
    }

    /** Gives it its size, durably. Errors have the name that was asked for. */
    private static void fill(AioFile made, Path path, long bytes) throws IOException {
        require(made.setSize(bytes), path, "setting the size to " + bytes + " bytes");
        require(made.sync(false), path, "sync");
    }

    private static void require(int result, Path path, String operation) throws IOException {
        if (result < 0) {
            throw AioException.of(result, path, operation);
        }
    }

    /** Takes a file away that was not finished. That it failed is told, and not only that it could not be removed: the disk may be full. */
    private static void delete(AioEngine engine, Path path, Throwable failure) {
        try {
            engine.delete(path);
        } catch (IOException | RuntimeException e) {
            failure.addSuppressed(e);
        }
    }
}
