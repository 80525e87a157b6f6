package io.blkmq.tools.run;

import io.blkmq.tools.job.Direction;
import io.blkmq.tools.job.JobSpec;
import io.blkmq.tools.job.Key;
import io.blkmq.tools.job.UsageException;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The logs that a job asks for, in fio's form: {@code time in ms, value, direction, block size, offset, priority}. Values are
 * nanoseconds, KiB a second, operations a second. With {@code log_avg_msec} a line stands for that time. Kept in memory until all jobs
 * have ended, so that writing them does no I/O beside theirs. For the job's thread; to be written when that has ended.
 */
final class JobLogs {
    private static final int KIBIBYTE = 1024;
    private static final long RATE_WINDOW_MILLIS = 500;
    private static final double MILLIS_PER_SECOND = 1000;
    private static final double NANOS_PER_MILLI = 1e6;

    private final List<Log> latencies = new ArrayList<>();
    private final List<Log> rates = new ArrayList<>();
    private final boolean offsets;
    private long beginNanos;
    private boolean begun;
    private boolean counts;

    /** What a log is of. */
    private enum Kind {
        SLAT, CLAT, LAT, BW, IOPS
    }

    /** One file: lines of it, and what the present line will be. */
    private static final class Log {
        private final Kind kind;
        private final Path path;
        private final long windowMillis;
        private final boolean greatest;
        private final StringBuilder lines = new StringBuilder();
        private final double[] sum = new double[Direction.values().length];
        private final long[] count = new long[Direction.values().length];
        private long windowEndMillis;

        Log(Kind kind, Path path, long windowMillis, boolean greatest) {
            this.kind = kind;
            this.path = path;
            this.windowMillis = windowMillis;
            this.greatest = greatest;
            this.windowEndMillis = windowMillis;
        }

        void line(long millis, long value, Direction direction, int bytes, @Nullable Long offset) {
            lines.append(millis).append(", ").append(value).append(", ").append(direction.code()).append(", ")
                    .append(bytes);
            if (offset != null) {
                lines.append(", ").append(offset.longValue());
            }
            lines.append(", 0\n");
        }

        void add(long millis, double value, Direction direction) {
            endWindows(millis);
            int i = direction.code();
            sum[i] = greatest && kind.compareTo(Kind.LAT) <= 0 ? Math.max(sum[i], value) : sum[i] + value;
            count[i]++;
        }

        private void endWindows(long millis) {
            while (millis >= windowEndMillis) {
                endWindow(windowEndMillis, (double) windowMillis);
                windowEndMillis += windowMillis;
            }
        }

        /** There are no more operations: the last window is as long as it lasted. */
        void end(double millis) {
            endWindows((long) millis);
            endWindow((long) millis, millis - (windowEndMillis - windowMillis));
        }

        /** The window's lines: means of latencies, rates of the rest. */
        private void endWindow(long atMillis, double millis) {
            for (Direction direction : Direction.values()) {
                int i = direction.code();
                if (count[i] > 0) {
                    double value = switch (kind) {
                        case SLAT, CLAT, LAT -> greatest ? sum[i] : sum[i] / count[i];
                        case BW -> sum[i] / KIBIBYTE * MILLIS_PER_SECOND / millis;
                        case IOPS -> count[i] * MILLIS_PER_SECOND / millis;
                    };
                    line(atMillis, Math.round(value), direction, 0, null);
                }
                sum[i] = 0;
                count[i] = 0;
            }
        }
    }

    private JobLogs(boolean offsets) {
        this.offsets = offsets;
    }

    /** The logs of a job, if it asks for any. */
    static Optional<JobLogs> of(JobClone job) {
        JobSpec spec = job.spec();
        long millis = TimeUnit.NANOSECONDS.toMillis(spec.amount(Key.LOG_AVG_MSEC));
        boolean greatest = spec.flag(Key.LOG_MAX_VALUE);
        JobLogs logs = new JobLogs(spec.flag(Key.LOG_OFFSET) && millis == 0);
        String end = spec.flag(Key.PER_JOB_LOGS) ? "." + (job.number() + 1) + ".log" : ".log";
        spec.optional(Key.WRITE_LAT_LOG).ifPresent(name -> {
            for (Kind kind : List.of(Kind.SLAT, Kind.CLAT, Kind.LAT)) {
                logs.latencies.add(new Log(kind, path(spec, name, kind, end), millis, greatest));
            }
        });
        long window = millis == 0 ? RATE_WINDOW_MILLIS : millis;
        spec.optional(Key.WRITE_BW_LOG)
                .ifPresent(name -> logs.rates.add(new Log(Kind.BW, path(spec, name, Kind.BW, end), window, greatest)));
        spec.optional(Key.WRITE_IOPS_LOG).ifPresent(
                name -> logs.rates.add(new Log(Kind.IOPS, path(spec, name, Kind.IOPS, end), window, greatest)));
        return logs.latencies.isEmpty() && logs.rates.isEmpty() ? Optional.empty() : Optional.of(logs);
    }

    private static Path path(JobSpec spec, Object said, Kind kind, String end) {
        String name = said.equals("") ? spec.name() : said.toString();
        return Path.of(name + "_" + kind.name().toLowerCase(Locale.ROOT) + end);
    }

    /**
     * Looks whether its files can be written, before anything runs; makes none.
     *
     * @throws UsageException if not
     */
    static void requireWritable(JobClone job) throws UsageException {
        for (Path path : of(job).map(JobLogs::paths).orElse(List.of())) {
            Path directory = Objects.requireNonNullElse(path.toAbsolutePath().getParent(), path);
            String why = !Files.isDirectory(directory)
                    ? "there is no such directory"
                    : Files.isDirectory(path)
                            ? "is a directory"
                            : Files.isWritable(Files.exists(path) ? path : directory) ? "" : "access is denied";
            if (!why.isEmpty()) {
                throw new UsageException(job.spec().location(),
                        "job " + job.spec().name() + ": the log " + path + " cannot be written: " + why);
            }
        }
    }

    /** Its files. */
    List<Path> paths() {
        return Stream.concat(latencies.stream(), rates.stream()).map(log -> log.path).toList();
    }

    /**
     * The job begins, or its ramp is over.
     *
     * @param now whether what it does from now on is counted, and logged
     */
    void begin(long nowNanos, boolean now) {
        beginNanos = nowNanos;
        begun = true;
        counts = now;
    }

    /** The job has ended. */
    void end(long nowNanos) {
        double millis = (nowNanos - beginNanos) / NANOS_PER_MILLI;
        for (List<Log> kind : List.of(latencies, rates)) {
            kind.stream().filter(log -> log.windowMillis > 0).forEach(log -> log.end(millis));
        }
    }

    /** An operation has ended. */
    void ended(IoSlot slot, Direction direction) {
        if (!counts) {
            return;
        }
        // What had ended before the end of the ramp was noticed is counted.
        long millis = TimeUnit.NANOSECONDS.toMillis(Math.max(0, slot.endNanos - beginNanos));
        long issued = Math.min(Math.max(slot.issueNanos, slot.startNanos), slot.endNanos);
        for (Log log : latencies) {
            long value = switch (log.kind) {
                case SLAT -> issued - slot.startNanos;
                case CLAT -> slot.endNanos - issued;
                default -> slot.endNanos - slot.startNanos;
            };
            if (log.windowMillis == 0) {
                log.line(millis, value, direction, slot.lengthBytes(), offsets ? slot.offsetBytes() : null);
            } else {
                log.add(millis, (double) value, direction);
            }
        }
        for (Log log : rates) {
            log.add(millis, slot.lengthBytes(), direction);
        }
    }

    /**
     * Writes the files, unless the job never began.
     *
     * @param written files of this run: lines are added to those, and any other is replaced
     */
    void write(Set<Path> written) throws IOException {
        if (!begun) {
            return;
        }
        for (List<Log> kind : List.of(latencies, rates)) {
            for (Log log : kind) {
                boolean append = !written.add(log.path.toAbsolutePath().normalize());
                try (BufferedWriter writer = append
                        ? Files.newBufferedWriter(log.path, StandardOpenOption.APPEND)
                        : Files.newBufferedWriter(log.path)) {
                    writer.append(log.lines);
                }
            }
        }
    }
}
