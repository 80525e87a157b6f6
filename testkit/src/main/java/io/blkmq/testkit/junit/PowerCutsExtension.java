package io.blkmq.testkit.junit;

import io.blkmq.testkit.fs.CrashTest;
import io.blkmq.testkit.fs.Door;
import io.blkmq.testkit.fs.FileSystemModel;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.AfterTestExecutionCallback;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.ExtensionConfigurationException;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContextProvider;
import org.junit.platform.commons.support.AnnotationSupport;

/**
 * Runs a method that is annotated with {@link PowerCuts} by each of its models, with a crash test of its own. The annotation brings it
 * along.
 *
 * @since 0.1.0
 */
@SuppressWarnings("exports") // who uses it has JUnit and AssertJ
public final class PowerCutsExtension implements TestTemplateInvocationContextProvider {
    /** Made by JUnit. */
    public PowerCutsExtension() {}

    @Override
    public boolean supportsTestTemplate(ExtensionContext context) {
        return annotation(context).isPresent();
    }

    private static Optional<PowerCuts> annotation(ExtensionContext context) {
        return AnnotationSupport.findAnnotation(context.getElement(), PowerCuts.class);
    }

    @Override
    public Stream<TestTemplateInvocationContext> provideTestTemplateInvocationContexts(ExtensionContext context) {
        PowerCuts wanted = annotation(context).orElseThrow();
        if (wanted.model().length == 0) {
            throw new ExtensionConfigurationException("@PowerCuts needs a model: what a crash may leave is its word");
        }
        return Stream.of(wanted.model()).map(model -> new Invocation(wanted, model));
    }

    private record Invocation(PowerCuts wanted, FileSystemModel model) implements TestTemplateInvocationContext {
        @Override
        public String getDisplayName(int index) {
            return "power cuts by " + model;
        }

        @Override
        public List<Extension> getAdditionalExtensions() {
            return List.of(new Run(wanted, model));
        }
    }

    /** One run of the method. */
    private static final class Run implements ParameterResolver, AfterTestExecutionCallback, ExecutionCondition {
        private final PowerCuts wanted;
        private final CrashTest<Object> test;

        Run(PowerCuts wanted, FileSystemModel model) {
            this.wanted = wanted;
            this.test = CrashTest.of(model).door(wanted.door()).states(wanted.states()).seed(wanted.seed())
                    .time(seconds("seconds", wanted.seconds()))
                    .checkTime(seconds("checkSeconds", wanted.checkSeconds()));
        }

        private static Duration seconds(String name, int value) {
            if (value < 1) {
                throw new ExtensionConfigurationException("@PowerCuts: " + name + " " + value + ": must be at least 1");
            }
            return Duration.ofSeconds(value);
        }

        @Override
        public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
            Optional<String> unavailable = wanted.door() == Door.FUSE ? Door.FUSE.unavailable() : Optional.empty();
            return unavailable.map(reason -> ConditionEvaluationResult.disabled("no FUSE: " + reason))
                    .orElseGet(() -> ConditionEvaluationResult.enabled("the door can be had"));
        }

        @Override
        public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
            return parameter.getParameter().getType() == CrashTest.class;
        }

        @Override
        public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
            return test;
        }

        @Override
        public void afterTestExecution(ExtensionContext context) {
            if (test.explorations() == 0 && context.getExecutionException().isEmpty()) {
                throw new AssertionError(
                        "the test has checked nothing: CrashTest.run(...) returns what must be given a check");
            }
        }
    }
}
