package io.blkmq.testkit.junit;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A test method with a simulated disk of its own, which it gets as a parameter: the
 * {@link io.blkmq.testkit.disk.SimulatedDisk}, its {@link io.blkmq.core.Disk}, or both. {@link Fault} gives it faults, {@link Seed} a seed.
 *
 * <pre>{@code
 * @SimulatedDiskTest(kind = CONSUMER_SSD)
 * @Fault(on = Operation.WRITE, nth = 3, status = Status.MEDIUM)
 * void aBadBlockIsTold(Disk disk) { ... }
 * }</pre>
 *
 * <p>When the method has ended, the disk must have no requests, no tags may be held, each {@link io.blkmq.runtime.IoBuffer} must be closed
 * (unless tests run concurrently), and no thread may be there that the test has started. The disk is closed then. With a failure the last requests are told.
 *
 * @since 0.1.0
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
@Test
@ExtendWith(SimulatedDiskExtension.class)
@SuppressWarnings("exports") // who uses it has JUnit and AssertJ
public @interface SimulatedDiskTest {
    /**
     * What the disk is like.
     *
     * @return a plain one, unless set
     */
    DiskKind kind() default DiskKind.PLAIN;

    /**
     * How large it is.
     *
     * @return bytes; 0 for the kind's own
     */
    long capacityBytes() default 0;

    /**
     * Whether the method runs in a simulation, as a simulated thread, so that the seed decides the order of threads and time is virtual. Then
     * it may take the {@link io.blkmq.sim.DeterministicRuntime} as a parameter.
     *
     * @return real threads and real time, unless set
     */
    boolean deterministic() default false;
}
