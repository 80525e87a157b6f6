package io.blkmq.testkit.junit;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * The seed of a {@link SimulatedDiskTest}: of the disk's latencies and flipped bits, of the choices of its {@link Fault faults}, and of the
 * simulation. The system property {@code blkmq.seed} overrides it.
 *
 * @since 0.1.0
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.METHOD, ElementType.TYPE})
public @interface Seed {
    /**
     * The seed.
     *
     * @return any number
     */
    long value();
}
