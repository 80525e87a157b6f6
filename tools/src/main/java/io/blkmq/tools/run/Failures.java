package io.blkmq.tools.run;

import io.blkmq.core.Status;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** What went wrong in a job: counted, and the first few in words. For one thread; to be read and merged when it has ended. */
public final class Failures {
    private static final int TOLD_MAX = 10;

    private final Map<Status, Long> failed = new EnumMap<>(Status.class);
    private final List<String> told = new ArrayList<>();
    private long verifyErrors;
    private int errno;

    Failures() {}

    void operationFailed(Status status, String what) {
        failed.merge(status, 1L, Long::sum);
        note(status.errno(), what + ": " + status.text() + " (" + status + ", errno " + status.errno() + ")");
    }

    void verificationFailed(String what) {
        verifyErrors++;
        note(Status.PROTECTION.errno(), what);
    }

    /** The job failed, and none of its operations. */
    void jobFailed(Status why, String what) {
        note(why.errno(), what + " (errno " + why.errno() + ")");
    }

    private void note(int number, String what) {
        if (errno == 0) {
            errno = number;
        }
        if (told.size() < TOLD_MAX) {
            told.add(what);
        }
    }

    void add(Failures other) {
        other.failed.forEach((status, count) -> failed.merge(status, count, Long::sum));
        verifyErrors += other.verifyErrors;
        errno = errno == 0 ? other.errno : errno;
        other.told.stream().limit(TOLD_MAX - told.size()).forEach(told::add);
    }

    /**
     * What the job ended with.
     *
     * @return errno of what went wrong first, 0 if nothing did
     */
    public int errno() {
        return errno;
    }

    /**
     * Operations that failed.
     *
     * @return how many, by status
     */
    public Map<Status, Long> failedOperations() {
        return failed;
    }

    /**
     * Blocks whose content was not what it had to be.
     *
     * @return how many
     */
    public long verifyErrors() {
        return verifyErrors;
    }

    /**
     * The first few, in words.
     *
     * @return at most 10 lines
     */
    public List<String> told() {
        return told;
    }
}
