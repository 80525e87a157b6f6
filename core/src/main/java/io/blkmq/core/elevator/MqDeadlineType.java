package io.blkmq.core.elevator;

import io.blkmq.core.driver.Elevator;
import io.blkmq.core.driver.ElevatorQueue;
import io.blkmq.core.driver.ElevatorType;

/** Makes {@link MqDeadline} elevators. */
public final class MqDeadlineType implements ElevatorType {
    /** For the service loader. */
    public MqDeadlineType() {}

    @Override
    public String name() {
        return "mq-deadline";
    }

    @Override
    public Elevator create(ElevatorQueue queue) {
        return new MqDeadline(queue);
    }
}
