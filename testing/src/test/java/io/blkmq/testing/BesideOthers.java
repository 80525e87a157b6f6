package io.blkmq.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/**
 * A test class that waits for the kernel much of its time, and that runs beside the others of its module in a build, where the module
 * has {@code blkmq.test.threads}: classes without this annotation run one after another on one of them, those with it on the rest.
 * A class may have it that shares nothing with others, and looks at nothing that the whole process has: threads, descriptors, mappings.
 * A class that does look at such a thing is {@link org.junit.jupiter.api.parallel.Isolated}. The methods of a class run beside each
 * other, too, unless it has a {@link org.junit.jupiter.api.parallel.ResourceLock}.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Execution(ExecutionMode.CONCURRENT)
public @interface BesideOthers {
}
