package io.blkmq.testkit;

import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What the exploration of crashes has found: how many states were looked at, and the smallest crash after which the check failed.
 * Its text ({@link #toString}) is made for people.
 *
 * @param subject what was crashed, and by which rules, as in "files by the model EXT4_ORDERED"
 * @param seed of the choice among more states than were visited
 * @param events how many events the workload had: changes of files, or requests of a disk
 * @param points how many of the crashes between two events can leave something that no later crash does
 * @param completePoints at how many of these each possible state was made
 * @param made how many states were made, equal ones included
 * @param checked how many different states were checked
 * @param failed how many of them failed
 * @param nanos how long it took
 * @param endedBy what ended it before all states were made; null if nothing did
 * @param failure the smallest crash that failed; null if none did
 * @since 0.1.0
 */
public record CrashReport(String subject, long seed, int events, int points, int completePoints, long made,
        long checked, long failed, long nanos, @Nullable String endedBy, @Nullable Failure failure) {
    /**
     * A crash after which the check failed.
     *
     * @param code names the state; the line that replays the test has it
     * @param crash the event after which it happened
     * @param acknowledged what the workload had been promised by then, as text
     * @param lost effects that the crash lost
     * @param survived effects that survived it, though nothing had made them durable
     * @param recent the last events before it, the oldest first
     * @param cause what the check threw
     * @param found where the failure occurred first, before it was made smaller
     */
    public record Failure(String code, String crash, String acknowledged, List<String> lost, List<String> survived,
            List<String> recent, Throwable cause, String found) {}

    /** More lines than this of a kind are only counted. */
    private static final int LINES_MAX = 12;

    /**
     * Whether no state failed.
     *
     * @return also if not all were visited
     */
    public boolean holds() {
        return failure == null;
    }

    /**
     * The speed.
     *
     * @return states that were checked in a second
     */
    public long checkedPerSecond() {
        return nanos == 0 ? 0 : (long) (checked * 1e9 / nanos);
    }

    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        Failure f = failure;
        if (f == null) {
            text.append("no crash breaks a promise: ").append(subject);
        } else {
            text.append("a crash breaks a promise: ").append(subject);
            text.append("\n  crash after ").append(f.crash);
            text.append("\n  acknowledged before: ").append(f.acknowledged);
            lines(text, "lost by the crash", f.lost);
            lines(text, "survived it, not yet durable", f.survived);
            lines(text, "last events before the crash", f.recent);
            text.append("\n  the check: ").append(String.valueOf(f.cause).replace("\n", "\n    "));
        }
        text.append(String.format(Locale.ROOT,
                "%n  %,d states checked (%,d made, equal ones checked once), %,d failed; %,d crash points of %,d events, %,d of them in all states;"
                        + " %.1f s, %,d states a second; seed %d",
                checked, made, failed, points, events, completePoints, nanos / 1e9, checkedPerSecond(), seed));
        if (endedBy != null) {
            text.append("\n  not all states were visited: ").append(endedBy);
        }
        if (f != null) {
            text.append("\n  replay with: -D").append(REPLAY).append('=').append(f.code);
        }
        return text.toString();
    }

    /** The system property that has a test visit one state alone: that of the code which a report has printed. */
    public static final String REPLAY = "blkmq.crash";

    private static void lines(StringBuilder text, String title, List<String> lines) {
        if (lines.isEmpty()) {
            return;
        }
        text.append("\n  ").append(title).append(':');
        lines.stream().limit(LINES_MAX).forEach(line -> text.append("\n    ").append(line));
        if (lines.size() > LINES_MAX) {
            text.append("\n    and ").append(lines.size() - LINES_MAX).append(" more");
        }
    }
}
