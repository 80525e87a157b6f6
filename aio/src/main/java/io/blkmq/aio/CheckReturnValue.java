package io.blkmq.aio;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * The answer of the method must be looked at. Error Prone, in whatever project the method is called, knows an annotation of this name
 * from whatever package, and makes an error of a call that ignores the answer; so nobody needs another library for it.
 *
 * @since 0.1.0
 */
@Documented
@Retention(RetentionPolicy.CLASS)
@Target(ElementType.METHOD)
public @interface CheckReturnValue {
}
