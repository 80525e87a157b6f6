package io.blkmq.testing;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.TestTemplate;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A test of each of the cases that its class is about and that it applies to: {@code @EachCase({"movesData", "!isMemory"})}. The cases
 * are what the static method {@code cases()} of the class returns, and one is given to the class's constructor. A case that a test does
 * not apply to is no test, so that what is skipped is what the machine lacks something for.
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
@TestTemplate
@ExtendWith(EachCaseExtension.class)
public @interface EachCase {
    /**
     * What has to be true of a case.
     *
     * @return names of methods of cases that return a boolean, with an exclamation mark before those that must return false
     */
    String[] value() default {};
}
