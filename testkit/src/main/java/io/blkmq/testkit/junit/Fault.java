package io.blkmq.testkit.junit;

import io.blkmq.core.Operation;
import io.blkmq.core.Status;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Repeatable;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * A fault of the disk of a {@link SimulatedDiskTest}. Others than these are made by a rule in the method:
 * {@link io.blkmq.testkit.disk.FaultRule}.
 *
 * @since 0.1.0
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
@Repeatable(Fault.All.class)
public @interface Fault {
    /** What goes wrong. */
    enum Kind {
        /** The request ends with {@link Fault#status}. */
        STATUS,
        /** The first {@link Fault#amount} atomic units of a write are done, and it fails. */
        TORN,
        /** The first {@link Fault#amount} bytes are transferred, and nobody is told. */
        SHORT,
        /** So many bits of what is read are turned over. */
        FLIP_ON_READ,
        /** So many bits of what is written are turned over. */
        FLIP_AT_REST,
        /** A write goes {@link Fault#amount} bytes astray. */
        MISDIRECT,
        /** A write is acknowledged and never done. */
        LOSE,
        /** A flush is acknowledged and never done. */
        LIE,
        /** The request takes {@link Fault#amount} nanoseconds longer. */
        DELAY,
        /** The request hangs until the rule is released. */
        HANG,
        /** The request times out. */
        TIME_OUT,
        /** The request is given back, to come again. */
        REQUEUE,
        /** The device disappears. */
        REMOVE,
        /** The device is full. */
        NO_SPACE
    }

    /**
     * Which requests.
     *
     * @return those of all operations that the fault is for, unless set
     */
    Operation[] on() default {};

    /**
     * What goes wrong.
     *
     * @return a status, unless set
     */
    Kind kind() default Kind.STATUS;

    /**
     * How the request ends.
     *
     * @return an I/O error, unless set
     */
    Status status() default Status.IOERR;

    /**
     * How much, as {@link #kind} says.
     *
     * @return 1 unless set
     */
    long amount() default 1;

    /**
     * Where the requests' range begins.
     *
     * @return bytes
     */
    long offset() default 0;

    /**
     * How long the range is.
     *
     * @return bytes; 0 for everywhere
     */
    long bytes() default 0;

    /**
     * Which match.
     *
     * @return from 1; 0 for each
     */
    long nth() default 0;

    /**
     * Each match whose number is a multiple of this.
     *
     * @return at least 1
     */
    long every() default 1;

    /**
     * How often a match is struck.
     *
     * @return from above 0 to 1
     */
    double probability() default 1;

    /**
     * How many strikes there are at the most.
     *
     * @return 0 for no bound
     */
    long times() default 0;

    /**
     * Several faults.
     *
     * @since 0.1.0
     */
    @Documented
    @Retention(RetentionPolicy.RUNTIME)
    @Target(ElementType.METHOD)
    @interface All {
        /**
         * The faults.
         *
         * @return in the order in which they are asked
         */
        Fault[] value();
    }
}
