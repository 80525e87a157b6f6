package io.blkmq.tools.device;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngineProvider;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.AioFile;
import io.blkmq.aio.AioOperation;
import io.blkmq.core.Disk;
import io.blkmq.core.QueueLimits;
import io.blkmq.loop.LoopConfig;
import io.blkmq.loop.LoopDevice;
import io.blkmq.loop.LoopException;
import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What a file or block device can do, below the loop driver and as a loop device.
 *
 * @param lines for people
 */
public record FileReport(List<String> lines) {
    // The bits of a mode, as POSIX systems have them.
    private static final int FILE_TYPE = 0xF000;
    private static final int BLOCK_DEVICE = 0x6000;
    private static final int CHARACTER_DEVICE = 0x2000;
    private static final int EBUSY = 16;

    /**
     * Looks at a file, and changes nothing.
     *
     * @param path where it is
     * @return the report
     * @throws UsageException if it cannot be opened
     */
    public static FileReport of(Path path) throws UsageException {
        List<String> lines = new ArrayList<>();
        try {
            file(path, lines);
            device(path, lines);
        } catch (NoSuchFileException e) {
            throw new UsageException(path + ": there is no such file", e);
        } catch (AccessDeniedException e) {
            throw new UsageException(path + ": access is denied", e);
        } catch (IOException | IllegalArgumentException e) {
            throw new UsageException(path + ": " + e.getMessage(), e);
        }
        return new FileReport(List.copyOf(lines));
    }

    private static void add(List<String> lines, String name, Object value) {
        lines.add(String.format("%-22s %s", name + ":", value));
    }

    private static void file(Path path, List<String> lines) throws IOException {
        try (AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                AioFile file = engine.open(path, access(path), false)) {
            boolean regular = Files.isRegularFile(path);
            add(lines, "file", path.toAbsolutePath().normalize());
            add(lines, "kind", regular ? "regular file on " + Files.getFileStore(path).type() : special(path));
            add(lines, "size", file.size() + " bytes");
            add(lines, "may be written", Files.isWritable(path) ? "yes" : "no");
            long hole = regular ? file.nextHole(0) : -1;
            add(lines, "first hole", hole < 0 ? "not known" : hole >= file.size() ? "none" : "at byte " + hole);
            add(lines, "preferred block", file.blockBytes() + " bytes");
            direct(engine, path, lines);
            add(lines, "operations", Arrays.stream(AioOperation.values()).filter(file::supports).map(Enum::name)
                    .collect(Collectors.joining(", ")));
        }
        for (AioEngineProvider provider : AioEngines.providers()) {
            add(lines, "engine " + provider.name(), provider.unavailable().orElse("can be used"));
        }
    }

    private static String special(Path path) throws IOException {
        try {
            return switch ((int) Files.getAttribute(path, "unix:mode") & FILE_TYPE) {
                case BLOCK_DEVICE -> "block device";
                case CHARACTER_DEVICE -> "character device";
                default -> "special file";
            };
        } catch (UnsupportedOperationException | IllegalArgumentException e) {
            // A system that knows no such thing.
            return "no regular file";
        }
    }

    /** Writable if that is possible, since only such a file says whether it can discard. Nothing is written. */
    private static AioFile.Access access(Path path) {
        return Files.isWritable(path) ? AioFile.Access.READ_WRITE_SHARED : AioFile.Access.READ_ONLY;
    }

    private static void direct(AioEngine engine, Path path, List<String> lines) throws IOException {
        try (AioFile file = engine.open(path, AioFile.Access.READ_ONLY, true)) {
            add(lines, "direct I/O", "memory aligned to " + file.memoryAlignment() + " bytes, offsets and lengths to "
                    + file.offsetAlignment());
        } catch (AioFile.DirectUnsupportedException e) {
            add(lines, "direct I/O", "not possible");
        }
    }

    private static void device(Path path, List<String> lines) throws IOException {
        try (LoopDevice device = LoopDevice.attach(LoopConfig.builder(path).readOnly(true).build())) {
            Disk disk = device.disk();
            QueueLimits limits = disk.limits();
            add(lines, "as a loop device", disk.sizeBytes() + " bytes, " + (device.isDirect() ? "direct" : "buffered"));
            add(lines, "logical block", limits.logicalBlockBytes() + " bytes");
            add(lines, "longest request", limits.requestBytesMax() + " bytes");
            add(lines, "segments", limits.segmentsMax() + " of up to " + limits.segmentBytesMax() + " bytes");
        } catch (LoopException e) {
            if (e.errno() != EBUSY) {
                throw e;
            }
            add(lines, "as a loop device", "in use by another device or process");
        }
    }
}
