package io.blkmq.core.elevator;

import io.blkmq.core.driver.Elevator;
import io.blkmq.core.driver.ElevatorQueue;
import io.blkmq.core.driver.ElevatorType;

/** Makes {@link Kyber} elevators. */
public final class KyberType implements ElevatorType {
    /** For the service loader. */
    public KyberType() {}

    @Override
    public String name() {
        return "kyber";
    }

    @Override
    public Elevator create(ElevatorQueue queue) {
        return new Kyber(queue);
    }
}
