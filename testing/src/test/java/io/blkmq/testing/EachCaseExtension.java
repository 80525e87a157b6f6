package io.blkmq.testing;

import java.lang.reflect.Method;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContextProvider;
import org.junit.platform.commons.support.ReflectionSupport;

/** Makes the tests of {@link EachCase}. */
final class EachCaseExtension implements TestTemplateInvocationContextProvider {
    EachCaseExtension() {}

    @Override
    public boolean supportsTestTemplate(ExtensionContext context) {
        return true;
    }

    /** A contract that several modules test has tests that apply to none of one module's cases. */
    @Override
    public boolean mayReturnZeroTestTemplateInvocationContexts(ExtensionContext context) {
        return true;
    }

    @Override
    public Stream<TestTemplateInvocationContext> provideTestTemplateInvocationContexts(ExtensionContext context) {
        String[] conditions = context.getRequiredTestMethod().getAnnotation(EachCase.class).value();
        Method all = ReflectionSupport.findMethod(context.getRequiredTestClass(), "cases").orElseThrow(
                () -> new IllegalStateException(context.getRequiredTestClass() + " has no method cases()"));
        Collection<?> cases = (Collection<?>) Objects.requireNonNull(ReflectionSupport.invokeMethod(all, null));
        return cases.stream().filter(each -> Stream.of(conditions).allMatch(condition -> holds(condition, each)))
                .map(Invocation::new);
    }

    private static boolean holds(String condition, Object each) {
        boolean wanted = !condition.startsWith("!");
        String name = wanted ? condition : condition.substring(1);
        Method method = ReflectionSupport.findMethod(each.getClass(), name)
                .orElseThrow(() -> new IllegalStateException(each.getClass() + " has no method " + name + "()"));
        return Objects.equals(ReflectionSupport.invokeMethod(method, each), wanted);
    }

    /** One case. */
    private record Invocation(Object of) implements TestTemplateInvocationContext, ParameterResolver {
        @Override
        public String getDisplayName(int index) {
            return of.toString();
        }

        @Override
        public List<Extension> getAdditionalExtensions() {
            return List.of(this);
        }

        @Override
        public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
            return parameter.getParameter().getType().isInstance(of);
        }

        @Override
        public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
            return of;
        }
    }
}
