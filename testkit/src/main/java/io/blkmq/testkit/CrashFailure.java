package io.blkmq.testkit;

/**
 * A crash breaks a promise of the program under test. The message is the {@link CrashReport}; the cause is what the check threw.
 *
 * @since 0.1.0
 */
public final class CrashFailure extends AssertionError {
    private static final long serialVersionUID = 1;
    private final transient CrashReport report;

    /**
     * Tells of a failure.
     *
     * @param report with a failure
     */
    public CrashFailure(CrashReport report) {
        super(report.toString(), report.failure() == null ? null : report.failure().cause());
        this.report = report;
    }

    /**
     * What was found.
     *
     * @return the report
     */
    public CrashReport report() {
        return report;
    }
}
