package io.blkmq.testkit.junit;

import io.blkmq.core.Operation;
import io.blkmq.testkit.disk.FaultRule;
import java.util.Arrays;

/** Makes rules of annotations. */
final class FaultRules {
    private FaultRules() {}

    static FaultRule of(Fault wanted, long seed) {
        FaultRule.Builder rule = wanted.on().length == 0
                ? FaultRule.always()
                : FaultRule.on(wanted.on()[0],
                        Arrays.copyOfRange(wanted.on(), 1, wanted.on().length, Operation[].class));
        if (wanted.bytes() != 0) {
            rule.range(wanted.offset(), wanted.bytes());
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
