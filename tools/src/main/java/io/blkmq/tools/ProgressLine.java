package io.blkmq.tools;

import io.blkmq.tools.report.Amount;
import io.blkmq.tools.run.Progress;
import io.blkmq.tools.run.RunListener;
import java.io.Console;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Prints a header when the first run begins, a line that is written over each second, and, if it is asked for, lines that stay. For
 * the thread that runs.
 */
final class ProgressLine implements RunListener {
    private static final double NANOS_PER_SECOND = 1e9;
    private static final int PERCENT = 100;
    private static final long LAYOUT_INTERVAL_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    private final PrintWriter err;
    private final boolean visible;
    private final long statusNanos;
    private final Runnable header;
    private final long beganNanos = System.nanoTime();
    private boolean headed;
    private int width;
    private long laidOutNanos;
    private long statusToldNanos = beganNanos;

    /** When the line is shown. */
    enum When {
        /** On a terminal. */
        AUTO,
        /** Everywhere. */
        ALWAYS,
        /** Nowhere. */
        NEVER
    }

    ProgressLine(PrintWriter err, When when, long statusNanos, Runnable header) {
        this.header = header;
        this.err = err;
        this.statusNanos = statusNanos;
        this.visible = when == When.ALWAYS
                || (when == When.AUTO && Optional.ofNullable(System.console()).map(Console::isTerminal).orElse(false));
    }

    @Override
    public void laidOut(String device, long bytes, long ofBytes) {
        long now = System.nanoTime();
        if (visible && (bytes == ofBytes || now - laidOutNanos > LAYOUT_INTERVAL_NANOS)) {
            laidOutNanos = now;
            show(String.format(Locale.ROOT, "writing the image of %s: %d%% of %s", device,
                    bytes * PERCENT / Math.max(1, ofBytes), Amount.bytes((double) ofBytes)));
        }
    }

    @Override
    public void begins() {
        clear();
        if (!headed) {
            headed = true;
            header.run();
        }
    }

    @Override
    public void progress(Progress progress) {
        if (visible) {
            show(text(progress));
        }
        long now = System.nanoTime();
        if (statusNanos > 0 && now - statusToldNanos >= statusNanos) {
            statusToldNanos = now;
            clear();
            err.printf(Locale.ROOT, "%d s: %s%n", TimeUnit.NANOSECONDS.toSeconds(now - beganNanos), text(progress));
            err.flush();
        }
    }

    private static String text(Progress progress) {
        StringBuilder text = new StringBuilder();
        text.append(String.format(Locale.ROOT, "jobs: %d of %d", progress.running(), progress.jobs()));
        if (progress.done() > 0) {
            text.append(String.format(Locale.ROOT, ", %.1f%%", progress.done() * PERCENT));
        }
        direction(text, "read", progress.reads(), progress.intervalNanos());
        direction(text, "write", progress.writes(), progress.intervalNanos());
        direction(text, "trim", progress.trims(), progress.intervalNanos());
        if (progress.restNanos() >= 0) {
            long seconds = TimeUnit.NANOSECONDS.toSeconds(progress.restNanos());
            text.append(String.format(Locale.ROOT, ", eta %d:%02d", seconds / 60, seconds % 60));
        }
        return text.toString();
    }

    private static void direction(StringBuilder text, String name, Progress.Amount amount, long intervalNanos) {
        if (amount.operations() > 0) {
            double seconds = intervalNanos / NANOS_PER_SECOND;
            text.append(String.format(Locale.ROOT, ", %s %s/s %s IOPS", name, Amount.bytes(amount.bytes() / seconds),
                    Amount.count(amount.operations() / seconds)));
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
