package io.blkmq.tools.run;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What a thread took of the machine.
 *
 * @param userNanos processor time outside the kernel
 * @param systemNanos processor time in the kernel
 * @param contextSwitches how often it gave the processor up or lost it; 0 where the system does not tell
 * @param majorFaults pages that were read from a disk; 0 where the system does not tell
 * @param minorFaults pages that were only mapped; 0 where the system does not tell
 */
public record ProcessorUse(long userNanos, long systemNanos, long contextSwitches, long majorFaults, long minorFaults) {
    static final ProcessorUse NONE = new ProcessorUse(0, 0, 0, 0, 0);
    private static final Path STATUS = Path.of("/proc/thread-self/status");
    private static final Path STAT = Path.of("/proc/thread-self/stat");
    /** Behind the name of the thread, which ends with a bracket: the state is the first. */
    private static final int MINOR_FAULTS = 7;
    private static final int MAJOR_FAULTS = 9;

    /** Of the calling thread, until now. */
    static ProcessorUse ofThisThread() {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        long user = Math.max(0, threads.getCurrentThreadUserTime());
        long system = Math.max(0, threads.getCurrentThreadCpuTime() - user);
        try {
            long switches = Files.readAllLines(STATUS).stream().filter(line -> line.contains("ctxt_switches"))
                    .mapToLong(line -> Long.parseLong(line.substring(line.indexOf(':') + 1).strip())).sum();
            String stat = Files.readString(STAT);
            String[] fields = stat.substring(stat.lastIndexOf(')') + 1).strip().split(" ", -1);
            return new ProcessorUse(user, system, switches, Long.parseLong(fields[MAJOR_FAULTS]),
                    Long.parseLong(fields[MINOR_FAULTS]));
        } catch (IOException | NumberFormatException e) {
            return new ProcessorUse(user, system, 0, 0, 0);
        }
    }

    ProcessorUse since(ProcessorUse before) {
        return new ProcessorUse(userNanos - before.userNanos, Math.max(0, systemNanos - before.systemNanos),
                contextSwitches - before.contextSwitches, majorFaults - before.majorFaults,
                minorFaults - before.minorFaults);
    }

    ProcessorUse plus(ProcessorUse other) {
        return new ProcessorUse(userNanos + other.userNanos, systemNanos + other.systemNanos,
                contextSwitches + other.contextSwitches, majorFaults + other.majorFaults,
                minorFaults + other.minorFaults);
    }
}
