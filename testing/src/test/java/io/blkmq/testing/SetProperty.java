package io.blkmq.testing;

import org.jspecify.annotations.Nullable;

/** A system property that has another value until this is closed. The whole process has it: the test runs alone. */
public final class SetProperty implements AutoCloseable {
    private final String name;
    private final @Nullable String before;

    private SetProperty(String name, @Nullable String before) {
        this.name = name;
        this.before = before;
    }

    /**
     * Sets a property.
     *
     * @param name which
     * @param value the value
     * @return takes it back
     */
    public static SetProperty of(String name, String value) {
        return new SetProperty(name, System.setProperty(name, value));
    }

    @Override
    public void close() {
        if (before == null) {
            System.clearProperty(name);
        } else {
            System.setProperty(name, before);
        }
    }
}
