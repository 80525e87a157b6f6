package io.blkmq.core.counters;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * When a process was started, which tells it from a later one with the same number. In ticks since the machine was started: a time of day would be another one after
 * the clock is set.
 */
final class ProcessStart {
    /** The 22nd field of {@code /proc/PID/stat}, counted from the third, which is the first behind the name. */
    private static final int FIELD_BEHIND_NAME = 22 - 3;

    private ProcessStart() {}

    /** In ticks; 0 where it is not known, or if there is no such process. */
    static long ticks(long pid) {
        try {
            return Long.parseLong(fields(pid)[FIELD_BEHIND_NAME]);
        } catch (IOException | RuntimeException _) {
            return 0;
        }
    }

    /** Whether a process has ended, and its parent has not asked for it yet: its number is still its own. */
    static boolean hasEnded(long pid) {
        try {
            String state = fields(pid)[0];
            return state.equals("Z") || state.equals("X");
        } catch (IOException | RuntimeException _) {
            return false;
        }
    }

    /** Those behind the name, which is in parentheses, and may have parentheses and spaces, in any bytes. */
    private static String[] fields(long pid) throws IOException {
        String stat = Files.readString(Path.of("/proc", "" + pid, "stat"), StandardCharsets.ISO_8859_1);
        return stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
    }
}
