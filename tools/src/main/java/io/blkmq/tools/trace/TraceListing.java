package io.blkmq.tools.trace;

import io.blkmq.core.Operation;
import io.blkmq.testkit.disk.TraceReader;
import io.blkmq.testkit.disk.TraceRecord;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Set;

/** Prints the bios of a trace, one line each. */
public final class TraceListing {
    private static final String COLUMNS = "       time us thr operation          sector +bytes      latency us";

    private final Set<Operation> operations;
    private final long most;

    /**
     * A listing.
     *
     * @param operations which bios are listed
     * @param most how many, at the most; 0 for all
     */
    public TraceListing(Set<Operation> operations, long most) {
        this.operations = operations;
        this.most = most;
    }

    /**
     * Prints a trace.
     *
     * @param file the trace
     * @param out where to
     * @throws IOException if it cannot be read
     * @throws IllegalArgumentException if it is no trace
     */
    public void print(Path file, PrintWriter out) throws IOException {
        try (TraceReader reader = TraceReader.open(file)) {
            out.println(reader.diskName() + ", " + reader.diskBytes() + " bytes in blocks of "
                    + reader.logicalBlockBytes());
            out.println(COLUMNS);
            long printed = 0;
            TraceRecord record = reader.next();
            while (record != null && (most == 0 || printed < most)) {
                if (operations.contains(record.operation())) {
                    out.println(record);
                    printed++;
                }
                record = reader.next();
            }
            if (reader.damaged() > 0) {
                out.println("damaged records: " + reader.damaged());
            }
        }
    }
}
