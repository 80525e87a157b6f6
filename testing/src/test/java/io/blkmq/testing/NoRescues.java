package io.blkmq.testing;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Each test of the class ends without a rescue: no timer has had to set going what somebody forgot to call ({@code RequestQueue.rescues}).
 * Stands at every test class of the modules that do I/O ({@link NoRescuesTest}).
 */
@Documented
@Inherited
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@ExtendWith(NoRescuesExtension.class)
public @interface NoRescues {
    /**
     * Why there may be some all the same.
     *
     * @return empty where there may be none
     */
    String but() default "";
}
