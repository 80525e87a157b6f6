package io.blkmq.tools.job;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The text of a job file.
 *
 * @param source what messages call it
 * @param text its lines
 */
public record JobText(String source, String text) {
    private static final String STANDARD_INPUT = "-";

    /**
     * Reads a file, or standard input.
     *
     * @param name of the file; {@code -} for standard input
     * @param standardInput to read from
     * @return its text
     * @throws UsageException if it cannot be read
     */
    public static JobText read(String name, InputStream standardInput) throws UsageException {
        if (!name.equals(STANDARD_INPUT)) {
            return new JobText(name, JobFile.text(Path.of(name), name));
        }
        try {
            return new JobText("standard input", new String(standardInput.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UsageException("standard input cannot be read: " + e, e);
        }
    }
}
