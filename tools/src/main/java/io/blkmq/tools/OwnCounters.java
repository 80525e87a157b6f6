package io.blkmq.tools;

import io.blkmq.core.counters.CountersFile;
import io.blkmq.runtime.IoRuntime;
import java.io.IOException;
import java.io.PrintWriter;
import org.jspecify.annotations.Nullable;

/** The counters of this command's devices, for {@code blkmq iostat} in another terminal. Opened beside all else, so that nothing waits for it. */
final class OwnCounters implements AutoCloseable {
    /** Guarded by this, with what follows. */
    private @Nullable CountersFile file;
    private boolean closed;

    OwnCounters() {}

    /** Opens them soon, unless the property that asks libraries for them says no. Where that is not possible the command goes on, and says so. */
    static OwnCounters open(PrintWriter err) {
        OwnCounters own = new OwnCounters();
        if (!"false".equals(System.getProperty(CountersFile.PROPERTY))) {
            IoRuntime.system().execute(() -> own.openNow(err));
        }
        return own;
    }

    synchronized void openNow(PrintWriter err) {
        if (!closed) {
            try {
                file = CountersFile.open();
            } catch (IOException | RuntimeException e) {
                // Nobody looks at a process that is ending.
                if (!(e.getCause() instanceof IllegalStateException)) {
                    err.println("blkmq: note: blkmq iostat cannot see this process: " + e.getMessage());
                }
            }
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        if (file != null) {
            file.close();
        }
    }
}
