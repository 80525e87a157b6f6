package io.blkmq.core.driver;

/**
 * A kind of elevator. Others are found by {@link java.util.ServiceLoader}, or registered with {@link Elevators#register}. The kernel's
 * counterpart is {@code struct elevator_type}. Thread-safe.
 *
 * @since 0.1.0
 */
public interface ElevatorType {
    /**
     * Its name.
     *
     * @return what {@link Elevators#named} finds it by
     */
    String name();

    /**
     * Makes one.
     *
     * @param queue whose requests it is to order
     * @return a new one, empty
     */
    Elevator create(ElevatorQueue queue);
}
