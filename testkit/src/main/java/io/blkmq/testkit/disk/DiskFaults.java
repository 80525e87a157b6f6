package io.blkmq.testkit.disk;

import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.nullblk.Injection;
import io.blkmq.runtime.IoRuntime;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Lock;
import org.jspecify.annotations.Nullable;

/**
 * The fault rules of a disk, and what they have done. Rules may be added and removed while the disk is in use. For each request they are
 * asked in the order in which they were added, each of them counts what matches it, and all that choose it strike it, as far as their
 * faults go together: of two outcomes, and of two changes of the same kind, the one of the earlier rule. Thread-safe.
 *
 * @see SimulatedDisk#faults()
 * @since 0.1.0
 */
public final class DiskFaults {
    /** How many strikes are listed; of more, the latest. All are counted. */
    public static final int STRIKES_MAX = 10_000;

    private final IoRuntime runtime;
    private final Lock lock;
    private final QueueLimits limits;
    private final long capacityBytes;
    private final Runnable releasing;
    private volatile List<Active> active = List.of();
    /** Under the lock, like all that follows. */
    private final ArrayDeque<FaultStrike> strikes = new ArrayDeque<>();
    private long struck;

    /** A rule that was added, and its counts. */
    private static final class Active {
        final FaultRule rule;
        final long addedNanos;
        final @Nullable Injection injection;
        long matches;
        long struck;

        Active(FaultRule rule, long addedNanos) {
            this.rule = rule;
            this.addedNanos = addedNanos;
            this.injection = rule.newInjection();
        }
    }

    DiskFaults(IoRuntime runtime, Lock lock, QueueLimits limits, long capacityBytes, Runnable releasing) {
        this.runtime = runtime;
        this.lock = lock;
        this.limits = limits;
        this.capacityBytes = capacityBytes;
        this.releasing = releasing;
    }

    // ---- rules

    /**
     * Adds a rule, behind those that there are.
     *
     * @param rule holds for requests that the device is given from now on
     * @return the rule, to ask for its {@link #struck(FaultRule)} or to {@link #remove} it
     * @throws IllegalArgumentException if it could never strike on this disk: its range is not within it, or the disk has no such
     *         operation or nothing that the fault could concern
     * @throws IllegalStateException if it is there already
     */
    public FaultRule add(FaultRule rule) {
        requirePossible(rule);
        Active added = new Active(rule, runtime.nanoTime());
        lock.lock();
        try {
            if (find(rule) != null) {
                throw new IllegalStateException(
                        "rule '" + rule + "' is there already: another one of the same kind" + " counts for itself");
            }
            List<Active> more = new ArrayList<>(active);
            more.add(added);
            active = List.copyOf(more);
        } finally {
            lock.unlock();
        }
        return rule;
    }

    /**
     * Removes a rule. Requests that it has struck already are not concerned; one that hangs is to be {@link #release released}.
     *
     * @param rule one that was added
     * @return whether it was there
     */
    public boolean remove(FaultRule rule) {
        lock.lock();
        try {
            List<Active> fewer = new ArrayList<>(active);
            boolean removed = fewer.removeIf(each -> each.rule.equals(rule));
            active = List.copyOf(fewer);
            return removed;
        } finally {
            lock.unlock();
        }
    }

    /** Removes all rules. */
    public void clear() {
        lock.lock();
        try {
            active = List.of();
        } finally {
            lock.unlock();
        }
    }

    /**
     * The rules that there are.
     *
     * @return in the order in which they are asked
     */
    public List<FaultRule> rules() {
        return active.stream().map(each -> each.rule).toList();
    }

    /** Lets all requests go on that {@link Fault#hang hang}. */
    public void release() {
        releasing.run();
    }

    // ---- what they have done

    /**
     * What has gone wrong, of all rules, also of those that were removed.
     *
     * @return in the order of the requests; the latest {@value #STRIKES_MAX}
     */
    public List<FaultStrike> strikes() {
        lock.lock();
        try {
            return List.copyOf(strikes);
        } finally {
            lock.unlock();
        }
    }

    /**
     * How often faults have struck.
     *
     * @return of all rules, also of those that were removed
     */
    public long struck() {
        lock.lock();
        try {
            return struck;
        } finally {
            lock.unlock();
        }
    }

    /**
     * How often a rule has struck.
     *
     * @param rule one that is there
     * @return since it was added
     * @throws IllegalArgumentException if it is not there
     */
    public long struck(FaultRule rule) {
        lock.lock();
        try {
            return require(rule).struck;
        } finally {
            lock.unlock();
        }
    }

    /**
     * How many requests a rule has matched, struck or not.
     *
     * @param rule one that is there
     * @return since it was added
     * @throws IllegalArgumentException if it is not there
     */
    public long matches(FaultRule rule) {
        lock.lock();
        try {
            return require(rule).matches;
        } finally {
            lock.unlock();
        }
    }

    private @Nullable Active find(FaultRule rule) {
        return active.stream().filter(each -> each.rule.equals(rule)).findFirst().orElse(null);
    }

    private Active require(FaultRule rule) {
        Active found = find(rule);
        if (found == null) {
            throw new IllegalArgumentException("rule '" + rule + "' is not there; there are " + rules());
        }
        return found;
    }

    // ---- for the device, under its lock

    boolean isEmpty() {
        return active.isEmpty();
    }

    Verdict judge(long request, Operation operation, long offset, long bytes, boolean fua, long nanos) {
        Verdict verdict = Verdict.NONE;
        for (Active each : active) {
            FaultRule rule = each.rule;
            if (rule.covers(operation, offset, bytes) && rule.fault().concerns(operation, bytes, fua)
                    && rule.isInWindow(nanos - each.addedNanos) && chooses(each) && verdict.admits(rule.fault())) {
                verdict = verdict == Verdict.NONE ? new Verdict() : verdict;
                verdict.add(rule.fault());
                each.struck++;
                note(new FaultStrike(rule, each.struck, request, operation, offset, bytes, nanos));
            }
        }
        return verdict;
    }

    private static boolean chooses(Active each) {
        each.matches++;
        return each.struck < each.rule.times() && each.rule.chooses(each.matches)
                && (each.injection == null || each.injection.strikes());
    }

    private void note(FaultStrike strike) {
        struck++;
        strikes.addLast(strike);
        if (strikes.size() > STRIKES_MAX) {
            strikes.removeFirst();
        }
    }

    // ---- what cannot be

    private void requirePossible(FaultRule rule) {
        Fault fault = rule.fault();
        require(rule, rule.rangeBytes() == 0
                || (rule.rangeOffset() < capacityBytes && rule.rangeBytes() <= capacityBytes - rule.rangeOffset()),
                "its range of " + rule.rangeBytes() + " bytes at offset " + rule.rangeOffset()
                        + " is not within the disk of " + capacityBytes + " bytes");
        require(rule, rule.operations().stream().anyMatch(this::comesHere),
                "the disk is never given " + rule.operations() + " by its limits: read-only " + limits.isReadOnly()
                        + ", write cache " + limits.hasWriteCache() + ", discards of " + limits.discardBytesMax()
                        + " bytes, writes of zeroes of " + limits.writeZeroesBytesMax() + " bytes");
        require(rule, fault.kind() != Fault.Kind.LIE || limits.hasWriteCache(),
                "the disk has no volatile cache, and nothing to lie about");
        require(rule, fault.kind() != Fault.Kind.LIE || rule.operations().contains(Operation.FLUSH) || limits.hasFua(),
                "the disk has no FUA: its writes are made durable by flushes");
        boolean inBlocks = fault.amount() % limits.logicalBlockBytes() == 0;
        switch (fault.kind()) {
            case MISDIRECT -> require(rule, inBlocks && Math.abs(fault.amount()) < capacityBytes,
                    "multiples of the logical block of " + limits.logicalBlockBytes() + " bytes are possible, less than"
                            + " the disk's " + capacityBytes + " bytes");
            case SHORT -> require(rule, inBlocks && fault.amount() < limits.requestBytesMax(),
                    "multiples of the logical block of " + limits.logicalBlockBytes() + " bytes are possible, less than"
                            + " the largest request of " + limits.requestBytesMax() + " bytes");
            default -> {
            }
        }
    }

    private boolean comesHere(Operation operation) {
        return switch (operation) {
            case READ -> true;
            case WRITE -> !limits.isReadOnly();
            case FLUSH -> limits.hasWriteCache();
            case DISCARD -> !limits.isReadOnly() && limits.discardBytesMax() > 0;
            case WRITE_ZEROES -> !limits.isReadOnly() && limits.writeZeroesBytesMax() > 0;
        };
    }

    private static void require(FaultRule rule, boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalArgumentException("rule '" + rule + "' could never strike: " + otherwise);
        }
    }

}
