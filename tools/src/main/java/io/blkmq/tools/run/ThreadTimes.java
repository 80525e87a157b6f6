package io.blkmq.tools.run;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * Processor time of the threads that do a run's I/O and are not its jobs: pools, work queues, reapers. All Java threads but the jobs'
 * and the caller's are counted; compilers and collectors are none.
 *
 * @param userNanos outside the kernel
 * @param systemNanos in the kernel
 */
public record ThreadTimes(long userNanos, long systemNanos) {
    /** None. */
    public static final ThreadTimes NONE = new ThreadTimes(0, 0);

    /** All threads' times but those of some, and of the caller. */
    static ThreadTimes now(Set<Long> except) {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        if (!threads.isThreadCpuTimeSupported() || !threads.isThreadCpuTimeEnabled()) {
            return NONE;
        }
        long self = Thread.currentThread().threadId();
        long user = 0;
        long system = 0;
        for (long id : threads.getAllThreadIds()) {
            if (id != self && !except.contains(id)) {
                long cpu = threads.getThreadCpuTime(id);
                long inUser = threads.getThreadUserTime(id);
                // Both are -1 for a thread that has ended meanwhile.
                user += Math.max(0, inUser);
                system += Math.max(0, cpu - Math.max(0, inUser));
            }
        }
        return new ThreadTimes(user, system);
    }

    ThreadTimes since(ThreadTimes before) {
        return new ThreadTimes(Math.max(0, userNanos - before.userNanos),
                Math.max(0, systemNanos - before.systemNanos));
    }

    /**
     * The sum of two.
     *
     * @param other to add
     * @return both
     */
    public ThreadTimes plus(ThreadTimes other) {
        return new ThreadTimes(userNanos + other.userNanos, systemNanos + other.systemNanos);
    }

    /**
     * The sum of both.
     *
     * @return nanoseconds
     */
    public long nanos() {
        return userNanos + systemNanos;
    }

    /**
     * A part of it.
     *
     * @param part from 0 to 1
     * @return the share
     */
    public ThreadTimes share(double part) {
        return new ThreadTimes((long) (userNanos * part), (long) (systemNanos * part));
    }

    @Override
    public String toString() {
        return TimeUnit.NANOSECONDS.toMillis(userNanos) + " ms user, " + TimeUnit.NANOSECONDS.toMillis(systemNanos)
                + " ms system";
    }
}
