package io.blkmq.tools.serve;

import io.blkmq.aio.AioUnavailableException;
import io.blkmq.core.Disk;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.nbd.AllocationMap;
import io.blkmq.nbd.NbdDisk;
import io.blkmq.nbd.NbdExport;
import io.blkmq.nbd.NbdUri;
import io.blkmq.rbd.RbdAddress;
import io.blkmq.tools.job.Quantity;
import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A disk that is served: a file, {@code mem:SIZE}, {@code null:SIZE}, an image on Ceph, or what another server exports.
 *
 * <p>Where nothing stands in the way, the server's threads poll it, each a hardware queue of its own: then an I/O is one thread's from
 * socket to disk and back.
 */
public final class ServedDisk implements AutoCloseable {
    private final String text;
    private final Disk disk;
    private final String mode;
    private final boolean readOnly;
    private final @Nullable Path file;

    private ServedDisk(String text, Disk disk, String mode, boolean readOnly, @Nullable Path file) {
        this.text = text;
        this.disk = disk;
        this.mode = mode;
        this.readOnly = readOnly;
        this.file = file;
    }

    /**
     * Makes the disk.
     *
     * @param text as the user wrote it
     * @param settings how
     * @return the disk, to be closed
     * @throws UsageException if it cannot be had
     */
    public static ServedDisk open(String text, ServeSettings settings) throws UsageException {
        try {
            if (text.startsWith("mem:") || text.startsWith("null:")) {
                return openNull(text, settings);
            }
            if (NbdUri.isMeantBy(text)) {
                return openExport(text, settings);
            }
            return openFile(text, settings);
        } catch (NoSuchFileException e) {
            throw new UsageException(said(text, e, "there is no such file"), e);
        } catch (AccessDeniedException e) {
            throw new UsageException(said(text, e, "access is denied"), e);
        } catch (AioUnavailableException e) {
            throw new UsageException("--engine: " + e.getMessage(), e);
        } catch (IOException | IllegalArgumentException | IllegalStateException e) {
            String message = String.valueOf(e.getMessage());
            throw new UsageException(message.startsWith(text) ? message : text + ": " + message, e);
        }
    }

    /** In our words of a file; of an image in those of its engine, which knows more. */
    private static String said(String text, FileSystemException failure, String ofFile) {
        return RbdAddress.isMeantBy(text) ? String.valueOf(failure.getMessage()) : text + ": " + ofFile;
    }

    private static ServedDisk openNull(String text, ServeSettings settings) throws IOException {
        boolean memory = text.startsWith("mem:");
        long bytes = Quantity.bytes(text.substring(text.indexOf(':') + 1));
        if (bytes == 0 || bytes % 512 != 0) {
            throw new IllegalArgumentException("a size of " + bytes + " bytes: a positive multiple of 512 is needed");
        }
        Disk disk = NullBlk.builder().name(text).capacityBytes(bytes).memoryBacked(memory)
                .hardwareQueues(settings.hardwareQueues()).completion(NullBlk.Completion.POLLED)
                .readOnly(settings.readOnly()).build();
        return new ServedDisk(text, disk, memory ? "memory" : "no data at all", settings.readOnly(), null);
    }

    private static ServedDisk openExport(String text, ServeSettings settings) throws IOException {
        NbdDisk.Builder export = NbdDisk.builder(NbdUri.parse(text)).readOnly(settings.readOnly());
        if (settings.connections() != 0) {
            export.connections(settings.connections());
        }
        Disk disk = export.open();
        return new ServedDisk(text, disk,
                "export of another server, " + disk.queue().hardwareContexts() + " connections", settings.readOnly(),
                null);
    }

    private static ServedDisk openFile(String text, ServeSettings settings) throws IOException {
        Path path = Path.of(text);
        boolean image = RbdAddress.isMeantBy(text);
        if (Files.isDirectory(path)) {
            throw new IllegalArgumentException("is a directory");
        }
        String engine = settings.engine();
        // Librbd's own threads do the I/O of an image: threads that poll would take processors from them.
        boolean polled = settings.direct() && !engine.equals("channel") && !image;
        LoopDevice loop = attach(path, settings, polled);
        if (polled && !loop.isDirect()) {
            // Threads of the work queue do the I/O after all, and complete it.
            loop.close();
            loop = attach(path, settings, false);
        }
        String mode = loop.isDirect()
                ? "direct" + (engine.isEmpty() ? "" : ", " + engine)
                : settings.direct() ? "buffered, since direct I/O is not possible there" : "buffered";
        return new ServedDisk(text, loop.disk(), mode, settings.readOnly(), image ? null : path);
    }

    private static LoopDevice attach(Path path, ServeSettings settings, boolean polled) throws IOException {
        LoopConfig.Builder config = LoopConfig.builder(path).name(String.valueOf(path.getFileName()))
                .direct(settings.direct()).polled(polled).hardwareQueues(settings.hardwareQueues())
                .readOnly(settings.readOnly());
        if (!settings.engine().isEmpty()) {
            config.engine(settings.engine());
        }
        return LoopDevice.attach(config.build());
    }

    /**
     * The export of this disk.
     *
     * @param name by which clients ask for it
     * @return a new export
     */
    public NbdExport export(String name) {
        NbdExport.Builder export = NbdExport.builder(name, disk).description(text).readOnly(readOnly);
        if (file != null) {
            export.allocation(AllocationMap.ofFile(file, 0));
        }
        return export.build();
    }

    /**
     * The name of its export, where the user gave none.
     *
     * @return the last part of its path, or what it is
     */
    public String name() {
        return file != null ? String.valueOf(file.getFileName()) : text;
    }

    /** Closes the disk; the server is done with it. */
    @Override
    public void close() {
        disk.close();
    }

    @Override
    public String toString() {
        return text + ": " + disk.sizeBytes() + " bytes, " + mode + (readOnly ? ", read-only" : "");
    }
}
