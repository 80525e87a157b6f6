package io.blkmq.core.mq;

import io.blkmq.core.Bio;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.core.driver.Elevator;
import io.blkmq.core.driver.ElevatorAttribute;
import io.blkmq.core.driver.ElevatorQueue;
import io.blkmq.core.driver.ElevatorType;
import io.blkmq.core.driver.Elevators;
import io.blkmq.core.driver.Request;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.Lock;
import java.util.function.BiPredicate;
import org.jspecify.annotations.Nullable;

/** Gives requests out in the order in which they come, and breaks its contract in one way, each so many times that it could. */
final class FaultyElevator implements Elevator {
    static final String NAME = "of-faults";

    /** What it does wrong. */
    enum Fault {
        NOTHING, LOSES, LOSES_AND_SAYS_THAT_THERE_IS_WORK, GIVES_TWICE, GIVES_WHAT_IT_NEVER_GOT, GIVES_NOTHING, DENIES_WORK, CLAIMS_WORK, THROWS_IN_INSERT, THROWS_AFTER_INSERT, THROWS_IN_DISPATCH, THROWS_AFTER_DISPATCH, THROWS_IN_HAS_WORK, THROWS_IN_ENDING_AT, THROWS_IN_BEGINNING_AT, THROWS_IN_FOLLOWING, THROWS_IN_PRECEDING, THROWS_IN_MERGED, THROWS_IN_ABSORBED, THROWS_IN_COMPLETED, THROWS_IN_REQUEUED, THROWS_IN_FINISHED, THROWS_IN_DEPTH_LIMIT, THROWS_IN_DEPTH_CHANGED, THROWS_IN_ATTRIBUTES, THROWS_IN_CLOSE, THROWS_IN_TO_STRING;

        /**
         * Whether it may cost a request its success, beside its time.
         *
         * @param always whether it is done each time: then nothing else may come of it
         */
        boolean harms(boolean always) {
            return switch (this) {
                case LOSES, LOSES_AND_SAYS_THAT_THERE_IS_WORK, GIVES_NOTHING, DENIES_WORK, THROWS_IN_INSERT,
                        THROWS_AFTER_INSERT, THROWS_AFTER_DISPATCH ->
                    true;
                case GIVES_TWICE, GIVES_WHAT_IT_NEVER_GOT, THROWS_IN_DISPATCH -> always;
                default -> false;
            };
        }
    }

    /** Of all elevators of a test: what they do wrong, how often, and what they have been given. */
    static final class Plan {
        final Fault fault;
        final int every;
        final List<Request> seen = new ArrayList<>();
        int chances;
        int struck;

        Plan(Fault fault, int every) {
            this.fault = fault;
            this.every = every;
        }

        private boolean strikes(Fault one) {
            if (fault != one || ++chances % every != 0) {
                return false;
            }
            struck++;
            return true;
        }

        private void throwIf(Fault one) {
            if (strikes(one)) {
                throw new IllegalStateException("by plan: " + one);
            }
        }
    }

    /** The kind; which plan new ones follow is said by the test. */
    static final class Type implements ElevatorType {
        static final Type ONLY = new Type();
        private static volatile Plan plan = new Plan(Fault.NOTHING, 1);

        static {
            Elevators.register(ONLY);
        }

        /** What those do that are made from now on. */
        static void follow(Plan value) {
            plan = value;
        }

        @Override
        public String name() {
            return NAME;
        }

        @Override
        public Elevator create(ElevatorQueue queue) {
            return new FaultyElevator(queue, plan);
        }
    }

    private final Plan plan;
    private final Lock lock;
    private final Deque<Request> waiting = new ArrayDeque<>();
    /** Written under the lock. */
    private volatile boolean any;
    private @Nullable Request givenLast;

    private FaultyElevator(ElevatorQueue queue, Plan plan) {
        this.plan = plan;
        this.lock = queue.runtime().newLock();
    }

    @Override
    public Lock lock(int hctx) {
        return lock;
    }

    @Override
    public void insert(int hctx, Request rq, boolean atHead, long nowNanos) {
        plan.throwIf(Fault.THROWS_IN_INSERT);
        plan.seen.add(rq);
        if (!plan.strikes(Fault.LOSES) && !plan.strikes(Fault.LOSES_AND_SAYS_THAT_THERE_IS_WORK)) {
            if (atHead) {
                waiting.addFirst(rq);
            } else {
                waiting.addLast(rq);
            }
        }
        any = !waiting.isEmpty();
        plan.throwIf(Fault.THROWS_AFTER_INSERT);
    }

    @Override
    public @Nullable Request dispatch(int hctx, long nowNanos) {
        plan.throwIf(Fault.THROWS_IN_DISPATCH);
        if (plan.strikes(Fault.GIVES_NOTHING)) {
            return null;
        }
        if (givenLast != null && plan.strikes(Fault.GIVES_TWICE)) {
            return givenLast;
        }
        if (plan.fault == Fault.GIVES_WHAT_IT_NEVER_GOT) {
            Request strange = plan.seen.stream().filter(rq -> !waiting.contains(rq)).findFirst().orElse(null);
            if (strange != null && plan.strikes(Fault.GIVES_WHAT_IT_NEVER_GOT)) {
                return strange;
            }
        }
        givenLast = waiting.pollFirst();
        any = !waiting.isEmpty();
        plan.throwIf(Fault.THROWS_AFTER_DISPATCH);
        return givenLast;
    }

    @Override
    public boolean hasWork(int hctx) {
        plan.throwIf(Fault.THROWS_IN_HAS_WORK);
        if (plan.strikes(Fault.DENIES_WORK)) {
            return false;
        }
        return any || plan.fault == Fault.CLAIMS_WORK || plan.fault == Fault.LOSES_AND_SAYS_THAT_THERE_IS_WORK;
    }

    private @Nullable Request find(BiPredicate<Request, Operation> wanted, Operation operation) {
        return waiting.stream().filter(rq -> wanted.test(rq, operation)).findFirst().orElse(null);
    }

    private static long end(Request rq) {
        return rq.sector() + rq.bytes() / QueueLimits.SECTOR_BYTES;
    }

    @Override
    public @Nullable Request endingAt(int hctx, Bio bio) {
        plan.throwIf(Fault.THROWS_IN_ENDING_AT);
        return find((rq, operation) -> rq.operation() == operation && end(rq) == bio.sector(), bio.operation());
    }

    @Override
    public @Nullable Request beginningAt(int hctx, Bio bio) {
        plan.throwIf(Fault.THROWS_IN_BEGINNING_AT);
        long sector = bio.sector() + bio.bytes() / QueueLimits.SECTOR_BYTES;
        return find((rq, operation) -> rq.operation() == operation && rq.sector() == sector, bio.operation());
    }

    @Override
    public @Nullable Request following(int hctx, Request one) {
        plan.throwIf(Fault.THROWS_IN_FOLLOWING);
        return find((rq, operation) -> rq.operation() == operation && rq.sector() == end(one), one.operation());
    }

    @Override
    public @Nullable Request preceding(int hctx, Request one) {
        plan.throwIf(Fault.THROWS_IN_PRECEDING);
        return find((rq, operation) -> rq.operation() == operation && end(rq) == one.sector(), one.operation());
    }

    @Override
    public void merged(int hctx, Request rq, boolean atFront) {
        plan.throwIf(Fault.THROWS_IN_MERGED);
    }

    @Override
    public void absorbed(int hctx, Request kept, Request gone) {
        plan.throwIf(Fault.THROWS_IN_ABSORBED);
        waiting.remove(gone);
        any = !waiting.isEmpty();
    }

    @Override
    public void completed(Request rq, long nowNanos) {
        plan.throwIf(Fault.THROWS_IN_COMPLETED);
    }

    @Override
    public void requeued(Request rq) {
        plan.throwIf(Fault.THROWS_IN_REQUEUED);
    }

    @Override
    public void finished(Request rq) {
        plan.throwIf(Fault.THROWS_IN_FINISHED);
    }

    @Override
    public int depthLimit(Operation operation, int flags) {
        plan.throwIf(Fault.THROWS_IN_DEPTH_LIMIT);
        return operation == Operation.WRITE ? 3 : Integer.MAX_VALUE;
    }

    @Override
    public void depthChanged(int depth) {
        plan.throwIf(Fault.THROWS_IN_DEPTH_CHANGED);
    }

    @Override
    public Map<String, ElevatorAttribute> attributes() {
        plan.throwIf(Fault.THROWS_IN_ATTRIBUTES);
        return Map.of();
    }

    @Override
    public void close() {
        plan.throwIf(Fault.THROWS_IN_CLOSE);
    }

    @Override
    public String toString() {
        plan.throwIf(Fault.THROWS_IN_TO_STRING);
        return NAME + ": " + waiting.size() + " waiting";
    }
}
