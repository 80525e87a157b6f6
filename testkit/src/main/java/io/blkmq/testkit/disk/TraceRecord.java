package io.blkmq.testkit.disk;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * One bio of a trace.
 *
 * @param submitNanos when it was submitted, since the beginning of the trace
 * @param latencyNanos how long it took until its submitter was told; -1 if it had not ended when the trace did
 * @param operation what to do
 * @param sector where on the device, in sectors of 512 bytes; 0 for a flush
 * @param bytes how much; 0 for a flush
 * @param flags of {@link Bio}, as the submitter gave them
 * @param thread the number of the submitting thread at its runtime
 * @param status how it ended; null if it had not
 * @since 0.1.0
 */
public record TraceRecord(long submitNanos, long latencyNanos, Operation operation, long sector, long bytes, int flags,
        int thread, @Nullable Status status) {
    private static final String[] FLAGS = {"PREFLUSH", "FUA", "NOWAIT", "NOMERGE", "NOUNMAP", "CALLER_MEMORY", "POLLED",
            "SYNC"};

    /**
     * When its submitter was told.
     *
     * @return nanoseconds since the beginning of the trace; {@link Long#MAX_VALUE} if it had not been
     */
    public long endNanos() {
        return latencyNanos < 0 ? Long.MAX_VALUE : submitNanos + latencyNanos;
    }

    /** A line with the time in microseconds, the thread, the operation, its range, its flags, and how long it took. */
    @Override
    public String toString() {
        StringBuilder line = new StringBuilder();
        line.append(String.format(Locale.ROOT, "%14.3f %3d %-12s", submitNanos / 1e3, thread, operation));
        line.append(operation.hasRange() ? String.format(Locale.ROOT, " %12d +%-8d", sector, bytes) : " ".repeat(23));
        line.append(status == null
                ? "    in flight"
                : String.format(Locale.ROOT, " %12.3f", latencyNanos / 1e3)
                        + (status == Status.OK ? "" : " " + status));
        for (int i = 0; i < FLAGS.length; i++) {
            line.append((flags & 1 << i) != 0 ? " " + FLAGS[i] : "");
        }
        return line.toString();
    }
}
