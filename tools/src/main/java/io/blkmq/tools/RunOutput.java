package io.blkmq.tools;

import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Where a report goes: a file, or standard output. Opened before anything runs, so that a run is not lost to a wrong path; what cannot
 * be written is an error, and never silence.
 */
final class RunOutput implements AutoCloseable {
    private final @Nullable Writer file;
    private final PrintWriter out;

    private RunOutput(@Nullable Writer file, PrintWriter out) {
        this.file = file;
        this.out = out;
    }

    /** Opens a file; {@code -} and null are standard output. */
    static RunOutput open(String option, @Nullable String target, PrintWriter out) throws UsageException {
        if (target == null || target.equals("-")) {
            return new RunOutput(null, out);
        }
        try {
            return new RunOutput(Files.newBufferedWriter(Path.of(target)), out);
        } catch (NoSuchFileException e) {
            throw new UsageException(option + " " + target + ": there is no such directory", e);
        } catch (IOException e) {
            throw new UsageException(option + " " + target + ": cannot be written: " + e.getMessage(), e);
        }
    }

    void write(String text) throws IOException {
        Writer to = file;
        if (to != null) {
            to.write(text);
            to.flush();
            return;
        }
        out.write(text);
        // A PrintWriter keeps what goes wrong to itself.
        if (out.checkError()) {
            throw new IOException("standard output cannot be written; is it full, or closed?");
        }
    }

    @Override
    public void close() throws IOException {
        if (file != null) {
            file.close();
        }
    }
}
