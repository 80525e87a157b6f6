package io.blkmq.testkit.disk;

import io.blkmq.core.Operation;
import io.blkmq.core.nullblk.Injection;
import java.util.EnumSet;
import java.util.Objects;
import java.util.Set;
import java.util.StringJoiner;
import org.jspecify.annotations.Nullable;

/**
 * Says when a fault strikes: {@code FaultRule.on(Operation.WRITE).range(0, 4096).nth(3).then(Fault.status(Status.MEDIUM))}. A request
 * <i>matches</i> if it is of one of the operations, touches the range, and comes within the window; matches are counted, and of them those
 * are struck that {@link Builder#nth}, {@link Builder#every}, {@link Builder#probability} and {@link Builder#times} choose. Without any
 * condition every request is struck. Immutable; what it has counted is its {@link DiskFaults disk's}.
 *
 * @since 0.1.0
 */
public final class FaultRule {
    private final Set<Operation> operations;
    private final long rangeOffset;
    private final long rangeBytes;
    private final long nth;
    private final long every;
    private final double probability;
    private final long seed;
    private final long fromNanos;
    private final long untilNanos;
    private final long times;
    private final Fault fault;
    private final @Nullable String name;

    private FaultRule(Builder b, Set<Operation> operations, Fault fault) {
        this.operations = operations;
        this.rangeOffset = b.rangeOffset;
        this.rangeBytes = b.rangeBytes;
        this.nth = b.nth;
        this.every = b.every;
        this.probability = b.probability;
        this.seed = b.seed;
        this.fromNanos = b.fromNanos;
        this.untilNanos = b.untilNanos;
        this.times = b.times;
        this.fault = fault;
        this.name = b.name;
    }

    /**
     * Begins a rule.
     *
     * @param first an operation that it is for
     * @param others more of them
     * @return a builder
     */
    public static Builder on(Operation first, Operation... others) {
        return new Builder(EnumSet.of(first, others));
    }

    /**
     * Begins a rule for all operations that the fault can strike.
     *
     * @return a builder
     */
    public static Builder always() {
        return new Builder(EnumSet.allOf(Operation.class));
    }

    /**
     * What goes wrong.
     *
     * @return the fault
     */
    public Fault fault() {
        return fault;
    }

    Set<Operation> operations() {
        return operations;
    }

    /** Where its range begins; meaningless without one. */
    long rangeOffset() {
        return rangeOffset;
    }

    /** How long its range is; 0 if it has none. */
    long rangeBytes() {
        return rangeBytes;
    }

    boolean isInWindow(long nanosSinceAdded) {
        return (fromNanos == 0 || nanosSinceAdded >= fromNanos) && nanosSinceAdded < untilNanos;
    }

    boolean covers(Operation operation, long offset, long bytes) {
        return operations.contains(operation) && (rangeBytes == 0
                || (operation.hasRange() && offset < rangeOffset + rangeBytes && rangeOffset < offset + bytes));
    }

    /** Whether it chooses a match by its number, from 1. */
    boolean chooses(long match) {
        return nth != 0 ? match == nth : match % every == 0;
    }

    /** Decides by the seed; without a probability it always strikes. */
    @Nullable
    Injection newInjection() {
        return probability == 1 ? null : Injection.seeded(seed).set(probability, Long.MAX_VALUE);
    }

    long times() {
        return times;
    }

    @Override
    public String toString() {
        return name != null ? name : describe();
    }

    private String describe() {
        StringJoiner text = new StringJoiner(", ");
        text.add(fault + " on " + operations);
        if (rangeBytes != 0) {
            text.add(rangeBytes + " bytes at offset " + rangeOffset);
        }
        if (nth != 0) {
            text.add("match " + nth);
        } else if (every != 1) {
            text.add("every " + every + " matches");
        }
        if (probability != 1) {
            text.add("probability " + probability + " with seed " + seed);
        }
        if (fromNanos != 0 || untilNanos != Long.MAX_VALUE) {
            text.add("from " + fromNanos + " to " + untilNanos + " ns");
        }
        if (times != Long.MAX_VALUE) {
            text.add("at most " + times + " times");
        }
        return text.toString();
    }

    /** Says when. For one thread. */
    public static final class Builder {
        private final Set<Operation> operations;
        private long rangeOffset;
        private long rangeBytes;
        private long nth;
        private long every = 1;
        private double probability = 1;
        private long seed;
        private long fromNanos;
        private long untilNanos = Long.MAX_VALUE;
        private long times = Long.MAX_VALUE;
        private @Nullable String name;

        private Builder(Set<Operation> operations) {
            this.operations = operations;
        }

        /**
         * Only requests that touch a range.
         *
         * @param offset where it begins, in bytes; 0 or more
         * @param bytes how long it is; at least 1
         * @return this
         * @throws IllegalArgumentException if they are not, or the end overflows
         */
        public Builder range(long offset, long bytes) {
            require(offset >= 0 && bytes >= 1 && offset <= Long.MAX_VALUE - bytes, "range of " + bytes
                    + " bytes at offset " + offset + ": from 0 on, and at least 1 byte, is possible");
            this.rangeOffset = offset;
            this.rangeBytes = bytes;
            return this;
        }

        /**
         * Only one match, by its number.
         *
         * @param value from 1
         * @return this
         * @throws IllegalArgumentException if it is less
         */
        public Builder nth(long value) {
            require(value >= 1, "match " + value + ": the first one is 1");
            this.nth = value;
            return this;
        }

        /**
         * Each match whose number is a multiple of a number.
         *
         * @param value at least 1
         * @return this
         * @throws IllegalArgumentException if it is less
         */
        public Builder every(long value) {
            require(value >= 1, "every " + value + " matches: must be at least 1");
            this.every = value;
            return this;
        }

        /**
         * Matches that a seed chooses.
         *
         * @param value from above 0 to 1
         * @param choosing the seed: the same one chooses the same matches
         * @return this
         * @throws IllegalArgumentException if the probability is out of range
         */
        public Builder probability(double value, long choosing) {
            require(value > 0 && value <= 1,
                    "probability " + value + ": above 0 and up to 1 are possible; a rule with 0 would never strike");
            this.probability = value;
            this.seed = choosing;
            return this;
        }

        /**
         * Only requests that the device is given within a time, by the clock of the disk's runtime.
         *
         * @param from when it begins, in nanoseconds since the rule was added; 0 or more
         * @param until when it ends, later than that; {@link Long#MAX_VALUE} for never
         * @return this
         * @throws IllegalArgumentException if it is negative or empty
         */
        public Builder window(long from, long until) {
            require(from >= 0 && until > from, "window from " + from + " to " + until
                    + " ns: must begin with 0 or more, and end later than it begins");
            this.fromNanos = from;
            this.untilNanos = until;
            return this;
        }

        /**
         * At most a number of strikes; after that the rule does nothing.
         *
         * @param value at least 1
         * @return this
         * @throws IllegalArgumentException if it is less
         */
        public Builder times(long value) {
            require(value >= 1, value + " times: must be at least 1");
            this.times = value;
            return this;
        }

        /**
         * Gives it a name for reports, in place of a description.
         *
         * @param value the name
         * @return this
         */
        public Builder named(String value) {
            this.name = Objects.requireNonNull(value, "name");
            return this;
        }

        /**
         * Makes the rule.
         *
         * @param fault what goes wrong
         * @return the rule
         * @throws IllegalArgumentException if its conditions contradict each other, no request that they let through could have this
         *         fault, or a request would be given back for ever
         */
        public FaultRule then(Fault fault) {
            require(nth == 0 || every == 1,
                    "match " + nth + " and every " + every + " matches: one of the two can be asked for");
            require(nth == 0 || times == Long.MAX_VALUE || times == 1,
                    "match " + nth + " and " + times + " times: there is one such match");
            Set<Operation> struck = EnumSet.copyOf(operations);
            struck.retainAll(fault.operations());
            require(!struck.isEmpty(), fault + " on " + operations + ": it is for " + fault.operations() + " alone");
            if (rangeBytes != 0) {
                struck.remove(Operation.FLUSH);
                require(!struck.isEmpty(), fault + " on a range of " + rangeBytes + " bytes at offset " + rangeOffset
                        + ": a flush has no range, and would never match");
            }
            boolean bounded = nth != 0 || every != 1 || probability != 1 || times != Long.MAX_VALUE
                    || untilNanos != Long.MAX_VALUE;
            require(!fault.comesAgain() || bounded, fault + " for every match: a request would be given back for ever;"
                    + " nth, every, a probability, times or a window with an end bounds it");
            return new FaultRule(this, struck, fault);
        }

        private static void require(boolean holds, String otherwise) {
            if (!holds) {
                throw new IllegalArgumentException(otherwise);
            }
        }
    }
}
