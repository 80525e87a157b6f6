package io.blkmq.tools.device;

import io.blkmq.aio.AioEngineConfig;
import io.blkmq.core.driver.TagSet;
import io.blkmq.nbd.NbdDisk;
import io.blkmq.nbd.NbdUri;
import io.blkmq.rbd.RbdAddress;
import io.blkmq.tools.job.Quantity;
import io.blkmq.tools.job.UsageException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What the user wants behind a device: {@code PATH}, {@code mem:SIZE}, {@code null:SIZE}, the URI of another server's export, or the address of an
 * image on Ceph, with options behind commas.
 *
 * @param kind file, memory, nothing, an export, or an image
 * @param text how it was written
 * @param path the file, or the address of the image; meaningless without one
 * @param export where the export is; null for what is none
 * @param sizeBytes size of a device of memory or nothing
 * @param hardwareQueues 0 if not said
 * @param depth 0 if not said
 * @param completion how completions are found
 * @param buffered whether the file is used through the page cache whatever the job says
 * @param readOnly whether writes are refused
 * @param offsetBytes where in the file the device begins
 * @param sizeLimitBytes the device's size at the most; 0 for no limit
 * @param workers threads that do blocking I/O; 0 if not said
 */
public record Backing(Kind kind, String text, Path path, @Nullable NbdUri export, long sizeBytes, int hardwareQueues,
        int depth, Completion completion, boolean buffered, boolean readOnly, long offsetBytes, long sizeLimitBytes,
        int workers) {
    private static final String OPTIONS = "hw=N, depth=N, poll, reaper, ro";
    private static final String IMAGE_OPTIONS = OPTIONS + ", offset=BYTES, sizelimit=BYTES";
    private static final String FILE_OPTIONS = OPTIONS + ", buffered, offset=BYTES, sizelimit=BYTES, workers=N";

    /** What is behind the device. */
    public enum Kind {
        /** A file, by a loop device. */
        FILE(""),
        /** Memory, by the null block driver. */
        MEMORY("mem:"),
        /** Nothing, by the null block driver. */
        NOTHING("null:"),
        /** What another server exports, by the network block device protocol. */
        EXPORT(""),
        /** An image on Ceph, by a loop device. */
        IMAGE("");

        private final String prefix;

        Kind(String prefix) {
            this.prefix = prefix;
        }
    }

    /** How completions are found. */
    public enum Completion {
        /** As fits the device and its jobs. */
        CHOSEN,
        /** By the submitting thread. */
        POLL,
        /** By a thread of the device. */
        REAPER
    }

    /**
     * A file without options.
     *
     * @param path where it is
     * @return the backing
     */
    public static Backing ofFile(Path path) {
        return new Backing(Kind.FILE, path.toString(), path, null, 0, 0, 0, Completion.CHOSEN, false, false, 0, 0, 0);
    }

    /**
     * An image on Ceph without options.
     *
     * @param image its address
     * @return the backing
     */
    public static Backing ofImage(RbdAddress image) {
        return new Backing(Kind.IMAGE, image.toString(), image.path(), null, 0, 0, 0, Completion.CHOSEN, false, false,
                0, 0, 0);
    }

    /**
     * Reads what stands behind {@code NAME=} in {@code --attach}. {@code \,} is a comma that no option begins behind.
     *
     * @param text the backing and its options
     * @return the backing
     * @throws UsageException naming what is wrong
     */
    public static Backing parse(String text) throws UsageException {
        List<String> parts = Arrays.stream(text.split("(?<!\\\\),", -1)).map(part -> part.replace("\\,", ",")).toList();
        String first = parts.getFirst().strip();
        Kind kind = kind(first);
        Options options = new Options(text, kind);
        try {
            if (first.isEmpty()) {
                throw new IllegalArgumentException(
                        "a path, mem:SIZE, null:SIZE, the URI of an export or rbd:POOL/IMAGE is needed");
            }
            long sizeBytes = kind.prefix.isEmpty() ? 0 : size(first.substring(kind.prefix.length()));
            NbdUri export = kind == Kind.EXPORT ? NbdUri.parse(first) : null;
            if (kind == Kind.IMAGE) {
                var _ = RbdAddress.parse(first);
            }
            for (String option : parts.subList(1, parts.size())) {
                options.set(option.strip());
            }
            return new Backing(kind, text, Path.of(kind == Kind.FILE || kind == Kind.IMAGE ? first : ""), export,
                    sizeBytes, options.hardwareQueues, options.depth, options.completion, options.buffered,
                    options.readOnly, options.offsetBytes, options.sizeLimitBytes, options.workers);
        } catch (IllegalArgumentException e) {
            throw new UsageException("--attach: " + text + ": " + e.getMessage(), e);
        }
    }

    /**
     * Whether there are data in it that were there before, and that a user may want to keep.
     *
     * @return true for a file, an export and an image
     */
    public boolean hasDataBefore() {
        return kind == Kind.FILE || kind == Kind.EXPORT || kind == Kind.IMAGE;
    }

    private static Kind kind(String first) {
        if (NbdUri.isMeantBy(first)) {
            return Kind.EXPORT;
        }
        if (RbdAddress.isMeantBy(first)) {
            return Kind.IMAGE;
        }
        return first.startsWith(Kind.MEMORY.prefix)
                ? Kind.MEMORY
                : first.startsWith(Kind.NOTHING.prefix) ? Kind.NOTHING : Kind.FILE;
    }

    private static long size(String text) {
        long bytes = Quantity.bytes(text);
        if (bytes == 0 || bytes % 512 != 0) {
            throw new IllegalArgumentException("size " + text + ": a positive multiple of 512 bytes is needed");
        }
        return bytes;
    }

    /** Collects the options. */
    private static final class Options {
        private final String text;
        private final Kind kind;
        private int hardwareQueues;
        private int depth;
        private Completion completion = Completion.CHOSEN;
        private boolean buffered;
        private boolean readOnly;
        private long offsetBytes;
        private long sizeLimitBytes;
        private int workers;

        Options(String text, Kind kind) {
            this.text = text;
            this.kind = kind;
        }

        void set(String option) {
            int equals = option.indexOf('=');
            String name = equals < 0 ? option : option.substring(0, equals);
            String value = equals < 0 ? "" : option.substring(equals + 1);
            boolean forFile = List.of("buffered", "offset", "sizelimit", "workers").contains(name);
            boolean needsValue = List.of("hw", "depth", "offset", "sizelimit", "workers").contains(name);
            if (forFile && !options().contains(name)) {
                throw new IllegalArgumentException("option " + name + " is for files; possible are " + options());
            }
            if (needsValue == value.isEmpty() && (needsValue || equals >= 0)) {
                throw new IllegalArgumentException(
                        "option " + option + (needsValue ? " needs a value" : " takes no value"));
            }
            try {
                apply(name, value);
            } catch (IllegalArgumentException e) {
                throw new IllegalArgumentException("option " + option + ": " + e.getMessage(), e);
            }
        }

        private void apply(String name, String value) {
            switch (name) {
                case "hw" -> hardwareQueues = Quantity.count(value, 1,
                        kind == Kind.EXPORT ? NbdDisk.CONNECTIONS_MAX : TagSet.HARDWARE_QUEUES_MAX);
                case "depth" -> depth = Quantity.count(value, 1, TagSet.DEPTH_MAX);
                case "poll" -> poll();
                case "reaper" -> choose(Completion.REAPER);
                case "buffered" -> buffered = true;
                case "ro" -> readOnly = true;
                case "offset" -> offsetBytes = Quantity.bytes(value);
                case "workers" -> workers = Quantity.count(value, 1, AioEngineConfig.WORKERS_MAX);
                case "sizelimit" -> sizeLimitBytes = Quantity.bytes(value);
                default -> throw new IllegalArgumentException("is not known; possible are " + options());
            }
        }

        private String options() {
            return switch (kind) {
                case FILE -> FILE_OPTIONS;
                case IMAGE -> IMAGE_OPTIONS;
                case MEMORY, NOTHING, EXPORT -> OPTIONS;
            };
        }

        private void poll() {
            if (kind == Kind.EXPORT) {
                throw new IllegalArgumentException(
                        "an export's replies are looked for by a thread of the device alone");
            }
            choose(Completion.POLL);
        }

        private void choose(Completion value) {
            if (completion != Completion.CHOSEN && completion != value) {
                throw new IllegalArgumentException("poll and reaper exclude each other");
            }
            completion = value;
        }

        @Override
        public String toString() {
            return text;
        }
    }
}
