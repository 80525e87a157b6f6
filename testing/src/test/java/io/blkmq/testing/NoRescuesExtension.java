package io.blkmq.testing;

import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.platform.commons.support.AnnotationSupport;

/** Compares the number of rescues before and after each test: see {@link NoRescues}. */
final class NoRescuesExtension implements BeforeEachCallback, AfterEachCallback {
    private static final String BEFORE = "rescues before the test";

    NoRescuesExtension() {}

    @Override
    public void beforeEach(ExtensionContext context) {
        store(context).put(BEFORE, count());
    }

    @Override
    public void afterEach(ExtensionContext context) {
        long rescues = count() - store(context).getOrDefault(BEFORE, Long.class, 0L);
        boolean mayBe = AnnotationSupport.findAnnotation(context.getRequiredTestClass(), NoRescues.class)
                .map(NoRescues::but).filter(why -> !why.isEmpty()).isPresent();
        if (rescues != 0 && !mayBe) {
            throw new AssertionError("calls that were lost, and that a timer made up for: " + rescues);
        }
    }

    private static ExtensionContext.Store store(ExtensionContext context) {
        return context.getStore(ExtensionContext.Namespace.create(NoRescuesExtension.class, context.getUniqueId()));
    }

    /** Not every module with these sources knows the class. */
    static long count() {
        try {
            return (long) Class.forName("io.blkmq.core.driver.RequestQueue").getMethod("rescues").invoke(null);
        } catch (ReflectiveOperationException e) {
            throw new LinkageError("the number of rescues cannot be read", e);
        }
    }
}
