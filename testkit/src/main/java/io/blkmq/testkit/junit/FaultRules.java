package io.blkmq.testkit.junit;

import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import io.blkmq.testkit.disk.FaultRule;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;

/** Makes rules of annotations. */
final class FaultRules {
    private static final Set<Fault.Kind> WITH_AMOUNT = EnumSet.of(Fault.Kind.TORN, Fault.Kind.SHORT,
            Fault.Kind.FLIP_ON_READ, Fault.Kind.FLIP_AT_REST, Fault.Kind.MISDIRECT, Fault.Kind.DELAY);
    private static final Status STATUS_DEFAULT = Status.IOERR;
    private static final long AMOUNT_DEFAULT = 1;

    private FaultRules() {}

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    /**
     * Makes a rule.
     *
     * @param diskBytes how large the disk is
     */
    static FaultRule of(Fault wanted, long seed, long diskBytes) {
        FaultRule.Builder rule = wanted.on().length == 0
                ? FaultRule.always()
                : FaultRule.on(wanted.on()[0],
                        Arrays.copyOfRange(wanted.on(), 1, wanted.on().length, Operation[].class));
        if (wanted.bytes() != 0) {
            rule.range(wanted.offset(), wanted.bytes());
        } else if (wanted.offset() != 0) {
            require(wanted.offset() > 0 && wanted.offset() < diskBytes,
                    "a fault from offset " + wanted.offset() + ": the disk has " + diskBytes + " bytes");
            rule.range(wanted.offset(), diskBytes - wanted.offset());
        }
        if (wanted.nth() != 0) {
            rule.nth(wanted.nth());
        }
        if (wanted.times() != 0) {
            rule.times(wanted.times());
        }
        return rule.every(wanted.every()).probability(wanted.probability(), seed).then(fault(wanted));
    }

    private static io.blkmq.testkit.disk.Fault fault(Fault wanted) {
        long amount = wanted.amount();
        require(wanted.kind() == Fault.Kind.STATUS || wanted.status() == STATUS_DEFAULT, "status " + wanted.status()
                + " of a fault of the kind " + wanted.kind() + ": it is for the kind STATUS");
        require(amount == AMOUNT_DEFAULT || WITH_AMOUNT.contains(wanted.kind()), "amount " + amount
                + " of a fault of the kind " + wanted.kind() + ": it is for the kinds " + WITH_AMOUNT);
        return switch (wanted.kind()) {
            case STATUS -> io.blkmq.testkit.disk.Fault.status(wanted.status());
            case TORN -> io.blkmq.testkit.disk.Fault.torn(Math.toIntExact(amount));
            case SHORT -> io.blkmq.testkit.disk.Fault.shortTransfer(amount);
            case FLIP_ON_READ -> io.blkmq.testkit.disk.Fault.flipOnRead(Math.toIntExact(amount));
            case FLIP_AT_REST -> io.blkmq.testkit.disk.Fault.flipAtRest(Math.toIntExact(amount));
            case MISDIRECT -> io.blkmq.testkit.disk.Fault.misdirect(amount);
            case LOSE -> io.blkmq.testkit.disk.Fault.lose();
            case LIE -> io.blkmq.testkit.disk.Fault.lie();
            case DELAY -> io.blkmq.testkit.disk.Fault.delay(amount);
            case HANG -> io.blkmq.testkit.disk.Fault.hang();
            case TIME_OUT -> io.blkmq.testkit.disk.Fault.timeOut();
            case REQUEUE -> io.blkmq.testkit.disk.Fault.requeue();
            case REMOVE -> io.blkmq.testkit.disk.Fault.remove();
            case NO_SPACE -> io.blkmq.testkit.disk.Fault.noSpace();
        };
    }
}
