package io.blkmq.testkit.junit;

import io.blkmq.testkit.CrashSettings;
import io.blkmq.testkit.fs.CrashTest;
import io.blkmq.testkit.fs.Door;
import io.blkmq.testkit.fs.FileSystemModel;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.TestTemplate;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A test method that gets a {@link CrashTest}, to run a program and to check what crashes leave of its files:
 *
 * <pre>{@code
 * @PowerCuts(model = EXT4_ORDERED)
 * void committedKeysSurvive(CrashTest<Integer> test) throws Exception {
 *     test.run((directory, acknowledged) -> {
 *         try (var store = open(directory)) {
 *             store.put(1);
 *             acknowledged.add(1);
 *         }
 *     }).check((directory, acknowledged) -> {
 *         try (var store = open(directory)) {
 *             assertThat(store.keys()).containsAll(acknowledged);
 *         }
 *     });
 * }
 * }</pre>
 *
 * <p>The method runs once by each model. It fails, too, if it has checked nothing. Where {@link Door#FUSE} cannot be had it is skipped, and
 * the reason is told. The system property {@code blkmq.crash} has it visit one state alone, as the report of a failure says.
 *
 * @since 0.1.0
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
@TestTemplate
@ExtendWith(PowerCutsExtension.class)
@SuppressWarnings("exports") // who uses it has JUnit and AssertJ
public @interface PowerCuts {
    /**
     * Which states a crash may leave.
     *
     * @return at least one model
     */
    FileSystemModel[] model();

    /**
     * How the program reaches its files.
     *
     * @return a path of this process, unless set
     */
    Door door() default Door.PROVIDER;

    /**
     * How many states are made at the most.
     *
     * @return at least 1
     */
    long states() default CrashSettings.STATES_DEFAULT;

    /**
     * How long states are visited.
     *
     * @return seconds, at least 1
     */
    int seconds() default 60;

    /**
     * How long one call of the check may take.
     *
     * @return seconds, at least 1
     */
    int checkSeconds() default 30;

    /**
     * Chooses among more states than may be made.
     *
     * @return any number
     */
    long seed() default 1;
}
