package io.blkmq.core.driver;

import java.util.function.LongConsumer;
import java.util.function.LongSupplier;

/**
 * A tunable of an elevator: a whole number with a unit and a range, read and set as a string. Thread-safe.
 *
 * @since 0.1.0
 */
public final class ElevatorAttribute {
    private final String name;
    private final String unit;
    private final long min;
    private final long max;
    private final LongSupplier getter;
    private final LongConsumer setter;

    /**
     * Makes one.
     *
     * @param name of lower-case letters and underscores
     * @param unit in words, for messages; empty for a count
     * @param min the smallest value
     * @param max the largest value
     * @param getter reads it, on any thread
     * @param setter sets it, on any thread
     */
    public ElevatorAttribute(String name, String unit, long min, long max, LongSupplier getter, LongConsumer setter) {
        this.name = name;
        this.unit = unit;
        this.min = min;
        this.max = max;
        this.getter = getter;
        this.setter = setter;
    }

    /**
     * The name.
     *
     * @return as in sysfs
     */
    public String name() {
        return name;
    }

    /**
     * The unit.
     *
     * @return in words, empty for a count
     */
    public String unit() {
        return unit;
    }

    /**
     * The range.
     *
     * @return the smallest value
     */
    public long min() {
        return min;
    }

    /**
     * The range.
     *
     * @return the largest value
     */
    public long max() {
        return max;
    }

    /**
     * The value.
     *
     * @return as text
     */
    public String get() {
        return Long.toString(getter.getAsLong());
    }

    /**
     * Sets the value. What waits already keeps what it was given by the former value.
     *
     * @param value as text; white space around it does not matter
     * @throws IllegalArgumentException if it is no number or out of range, naming the range
     */
    public void set(String value) {
        long number;
        try {
            number = Long.parseLong(value.strip());
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(name + " '" + value + "': must be " + range(), e);
        }
        if (number < min || number > max) {
            throw new IllegalArgumentException(name + " " + number + ": must be " + range());
        }
        setter.accept(number);
    }

    private String range() {
        return "a whole number from " + min + " to " + max + (unit.isEmpty() ? "" : ", in " + unit);
    }

    @Override
    public String toString() {
        return name + " = " + get() + (unit.isEmpty() ? "" : " " + unit);
    }
}
