package io.blkmq.tools.run;

/**
 * Looks for the greatest depth at which enough operations meet a latency: each depth is tried for a while, the range between one
 * that does and one that does not is halved. For the job's thread.
 */
final class DepthSearch {
    private static final double PERCENT = 100;

    private final long targetNanos;
    private final long windowNanos;
    private final double percent;
    private final boolean runsOn;
    private int good;
    private int bad;
    private int depth;
    private long windowEndNanos;
    private long ended;
    private long inTime;
    private boolean found;

    DepthSearch(long targetNanos, long windowNanos, double percent, boolean runsOn, int depthMax) {
        this.targetNanos = targetNanos;
        this.windowNanos = Math.max(1, windowNanos);
        this.percent = percent;
        this.runsOn = runsOn;
        this.bad = depthMax + 1;
        this.depth = depthMax;
    }

    void begin(long nowNanos) {
        windowEndNanos = nowNanos + windowNanos;
        ended = 0;
        inTime = 0;
    }

    /** An operation took so long. */
    void ended(long nanos) {
        ended++;
        if (nanos <= targetNanos) {
            inTime++;
        }
    }

    /** How many operations may be in flight. */
    int depth() {
        return depth;
    }

    /** Looks at the clock. Returns whether the search, and with it the job, is over. */
    boolean tick(long nowNanos) {
        if (nowNanos < windowEndNanos || ended == 0) {
            return false;
        }
        if (inTime * PERCENT >= ended * percent) {
            good = depth;
        } else {
            bad = depth;
        }
        if (found) {
            // It goes on: one that has become too slow is made smaller.
            depth = inTime * PERCENT >= ended * percent ? depth : Math.max(1, depth - 1);
        } else if (bad - good <= 1) {
            found = true;
            depth = Math.max(1, good);
        } else {
            depth = (good + bad) / 2;
        }
        begin(nowNanos);
        return found && !runsOn;
    }

    String note(String job) {
        String target = "job " + job + ": latency_target of " + targetNanos / 1000 + " us for " + percent + "%: ";
        return target + (!found
                ? "the job ended before a depth was found"
                : good == 0 ? "not even a depth of 1 meets it" : "iodepth " + depth + " meets it");
    }
}
