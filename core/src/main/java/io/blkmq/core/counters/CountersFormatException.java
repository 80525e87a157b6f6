package io.blkmq.core.counters;

import java.io.IOException;
import java.nio.file.Path;

/**
 * A file that is no counters file, or one of another version. The message names the file and the reason.
 *
 * @since 0.1.0
 */
public final class CountersFormatException extends IOException {
    private static final long serialVersionUID = 1;

    CountersFormatException(Path file, String reason) {
        super(file + " is no counters file that this version reads: " + reason);
    }
}
