package io.blkmq.tools;

import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import org.jspecify.annotations.Nullable;

/**
 * Where a report goes: a file, or standard output. Opened before anything runs, so that a run is not lost to a wrong path; what cannot
 * be written is an error, and never silence. A file that is there keeps its content until there is a report, so that a run that is
 * refused has not cost the last one's.
 */
final class RunOutput implements AutoCloseable {
    private final PrintWriter out;
    private final @Nullable Path path;
    private final @Nullable FileChannel file;
    private final boolean made;
    private boolean written;

    private RunOutput(PrintWriter out, @Nullable Path path, @Nullable FileChannel file, boolean made) {
        this.out = out;
        this.path = path;
        this.file = file;
        this.made = made;
    }

    /**
     * Opens a file; {@code -} and null are standard output.
     *
     * @param option that names it
     * @param target its path
     * @param out standard output
     * @param used files that the run reads or writes, none of which may be the report's
     */
    static RunOutput open(String option, @Nullable String target, PrintWriter out, Collection<Path> used)
            throws UsageException {
        if (target == null || target.equals("-")) {
            return new RunOutput(out, null, null, false);
        }
        try {
            Path path = Path.of(target);
            boolean exists = Files.exists(path);
            for (Path each : used) {
                if (exists && Files.exists(each) && Files.isSameFile(path, each)) {
                    throw new UsageException(option + " " + target + ": the run itself uses this file");
                }
            }
            return new RunOutput(out, path, FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE),
                    !exists);
        } catch (InvalidPathException e) {
            throw new UsageException(option + " " + target + ": is no path: " + e.getReason(), e);
        } catch (NoSuchFileException e) {
            throw new UsageException(option + " " + target + ": there is no such directory", e);
        } catch (IOException e) {
            throw new UsageException(option + " " + target + ": cannot be written: " + e.getMessage(), e);
        }
    }

    void write(String text) throws IOException {
        FileChannel to = file;
        if (to != null) {
            if (!written && path != null && Files.isRegularFile(path)) {
                to.truncate(0);
            }
            written = true;
            ByteBuffer bytes = StandardCharsets.UTF_8.encode(text);
            while (bytes.hasRemaining()) {
                int _ = to.write(bytes);
            }
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
        if (path != null && made && !written) {
            Files.deleteIfExists(path);
        }
    }
}
