package io.blkmq.core.counters;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The counters of all disks of this process, in a file that {@code blkmq iostat} and {@link CountersReader} read without disturbing the process. The kernel's counterpart is
 * {@code /proc/diskstats}. Thread-safe.
 *
 * <pre>{@code
 * CountersFile.open(); // for as long as the process runs
 * }</pre>
 *
 * <p>The file is a copy of the counters, so that I/O costs nothing more. A timer of the runtime renews it each {@link #PERIOD_NANOS}, or, with more than a hundred devices, each millisecond for each
 * device: older than that it is never. With each copy comes its time, so a rate between two copies is exact.
 *
 * <p>It is in memory, in a directory of the user's own ({@link CountersDirectory}), and named after the process. It is removed when it is closed and when
 * the process ends. When the process is killed it stays, with what it had last, and is removed an hour later by whoever opens a file of his own there.
 *
 * <p>The system property {@value #PROPERTY}, set to {@code true}, opens it with the first disk. Without it, and without this call, there is none: a library does not
 * write files that nobody has asked for.
 *
 * <p>As long as it is open, other processes of the user may ask for the state of a disk ({@code blkmq dump}), by a socket beside the file.
 *
 * @since 0.1.0
 */
public final class CountersFile implements AutoCloseable {
    /** The system property that opens the file with the first disk of the process. */
    public static final String PROPERTY = "blkmq.counters";
    /** How often the counters are copied. */
    public static final long PERIOD_NANOS = 100_000_000;

    private static final System.Logger LOG = System.getLogger("io.blkmq.core.counters");
    /** By directory, guarded by itself. */
    private static final Map<Path, CountersWriter> OPEN = new HashMap<>();

    private final CountersWriter writer;
    private final AtomicBoolean closed = new AtomicBoolean();

    private CountersFile(CountersWriter writer) {
        this.writer = writer;
    }

    /**
     * Opens the file of this process where those of all processes of the user are.
     *
     * @return to be closed, or not: then it is removed when the process ends
     * @throws IOException if it cannot be made, naming the place and the reason
     * @see CountersDirectory#byDefault
     */
    public static CountersFile open() throws IOException {
        return open(CountersDirectory.byDefault());
    }

    /**
     * Opens the file of this process. If it is open there already, that one is used by both, until the last has closed it.
     *
     * @param directory made if it is missing, for the user alone
     * @return to be closed, or not
     * @throws IOException if it cannot be made, naming the place and the reason
     */
    public static CountersFile open(Path directory) throws IOException {
        Path asked = directory.toAbsolutePath();
        CountersDirectory.prepare(asked);
        // As the system spells it: by two names of one directory there would be two writers of one file.
        Path place = asked.toRealPath();
        synchronized (OPEN) {
            CountersWriter writer = OPEN.get(place);
            if (writer == null) {
                writer = CountersWriter.start(place, PERIOD_NANOS);
                OPEN.put(place, writer);
            }
            writer.users++;
            return new CountersFile(writer);
        }
    }

    /** Opens it if the property says so. What is in its way is logged, and the disk that was to be the first is made all the same. */
    public static void openIfAsked() {
        if (Boolean.getBoolean(PROPERTY)) {
            try {
                var _ = open();
            } catch (Throwable t) {
                // Also an Error: this disk and all later ones are made without the file.
                LOG.log(System.Logger.Level.WARNING, "no counters file, although " + PROPERTY + " is set", t);
            }
        }
    }

    /**
     * The file.
     *
     * @return removed when it is closed
     */
    public Path path() {
        return writer.path();
    }

    /** Copies the counters now, and does not wait for the timer. */
    public void refresh() {
        writer.refresh();
    }

    /** Removes the file, if nobody else in this process has it open. Closing again does nothing. */
    @Override
    public void close() {
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        synchronized (OPEN) {
            if (--writer.users == 0) {
                OPEN.remove(writer.directory());
                writer.stop();
            }
        }
    }
}
