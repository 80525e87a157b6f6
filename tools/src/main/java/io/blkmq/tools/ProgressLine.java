package io.blkmq.tools;

import io.blkmq.tools.report.Amount;
import io.blkmq.tools.run.RunListener;
import java.io.Console;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Optional;

/** Prints a header when the first run begins, and on a terminal a line that is written over each second. */
final class ProgressLine implements RunListener {
    private final PrintWriter err;
    private final boolean visible;
    private final Runnable header;
    private boolean headed;
    private int width;

    ProgressLine(PrintWriter err, Runnable header) {
        this.header = header;
        this.err = err;
        this.visible = Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false);
    }

    @Override
    public void begins() {
        if (!headed) {
            headed = true;
            header.run();
        }
    }

    @Override
    public void progress(int running, long operations, long bytes, long intervalNanos) {
        if (visible) {
            double seconds = intervalNanos / 1e9;
            show(String.format(Locale.ROOT, "jobs: %d, %s/s, %s IOPS", running, Amount.bytes(bytes / seconds),
                    Amount.count(operations / seconds)));
        }
    }

    /** Takes the line away. */
    void clear() {
        if (width > 0) {
            show("");
            err.print('\r');
            err.flush();
        }
    }

    private void show(String text) {
        err.print('\r' + text + " ".repeat(Math.max(0, width - text.length())));
        err.flush();
        width = text.length();
    }
}
