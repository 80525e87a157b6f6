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
        /** The first {@link Fault#amount} atomic units of a write are done, and it ends well all the same. */
        TORN,
        /** The first {@link Fault#amount} bytes of a read or a write are transferred, and it ends with {@link Status#IOERR}. */
        SHORT,
        /** {@link Fault#amount} bits of what is read are turned over; another read gets the right ones. */
        FLIP_ON_READ,
        /** {@link Fault#amount} bits are turned over on the disk, in what a write puts there or a read finds there. */
        FLIP_AT_REST,
        /** A write goes {@link Fault#amount} bytes astray, and ends well. */
        MISDIRECT,
        /** A write is acknowledged and never done. */
        LOSE,
        /** A flush is acknowledged and never done; a write with {@link io.blkmq.core.Bio#FUA} goes no further than the cache. */
        LIE,
        /** The request takes {@link Fault#amount} nanoseconds longer. */
        DELAY,
        /** The request hangs until {@link io.blkmq.testkit.disk.DiskFaults#release}, and is carried out then. */
        HANG,
        /** The request is lost, and ends with {@link Status#TIMEOUT} when its time is over. */
        TIME_OUT,
        /** The driver gives the request back, and is given it again. Needs a bound: {@link Fault#nth}, for one. */
        REQUEUE,
        /** The device disappears: this request and all others end with {@link Status#NODEV}. */
        REMOVE,
        /** The device is full: a write ends with {@link Status#NOSPC}. */
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
     * How the request ends, by the kind {@link Kind#STATUS}. The others do not take one.
     *
     * @return an I/O error, unless set
     */
    Status status() default Status.IOERR;

    /**
     * How much, as {@link #kind} says. Kinds that say nothing of it do not take one.
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
     * @return bytes; 0 for all from {@link #offset} on
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
