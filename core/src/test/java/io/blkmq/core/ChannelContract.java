package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.channels.FileLock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;

/**
 * A table of calls of a class of channels and their answers. Each row has one answer for all; where the JDK's channel on a file or on a
 * device node answers otherwise, the row says so and why.
 */
final class ChannelContract<S> {
    /** A call; what it returns or throws is its answer. */
    @FunctionalInterface
    interface Call<S> {
        Object of(S sample) throws Throwable;
    }

    /** One row. */
    static final class Row<S> {
        private final String method;
        private final String what;
        private final Call<S> call;
        private final String answer;
        private final Map<ChannelSubject.Kind, String> others = new EnumMap<>(ChannelSubject.Kind.class);

        private Row(String method, String what, Call<S> call, String answer) {
            this.method = method;
            this.what = what;
            this.call = call;
            this.answer = answer;
        }

        /** What a file answers instead; the reason is for the reader. */
        Row<S> file(String otherAnswer, String why) {
            assertThat(why).isNotBlank();
            others.put(ChannelSubject.Kind.FILE, otherAnswer);
            return this;
        }

        /** What the kernel's device node answers instead; the reason is for the reader. */
        Row<S> node(String otherAnswer, String why) {
            assertThat(why).isNotBlank();
            others.put(ChannelSubject.Kind.NODE, otherAnswer);
            return this;
        }

        private String answer(ChannelSubject.Kind kind) {
            return others.getOrDefault(kind, answer);
        }
    }

    private final List<Row<S>> rows = new ArrayList<>();

    /** Adds a row. */
    Row<S> row(String method, String what, Call<S> call, String answer) {
        Row<S> row = new Row<>(method, what, call, answer);
        rows.add(row);
        return row;
    }

    /** Channels that a row is tried on. */
    interface Opened extends AutoCloseable {
        @Override
        void close() throws IOException;
    }

    /** Opens them. */
    @FunctionalInterface
    interface Samples<S extends Opened> {
        S of(ChannelSubject subject) throws IOException;
    }

    /** Tries each row, and compares all answers at once. */
    static <S extends Opened> void check(ChannelContract<S> contract, ChannelSubject.Kind kind, Samples<S> samples)
            throws IOException {
        List<String> expected = new ArrayList<>();
        List<String> found = new ArrayList<>();
        try (ChannelSubject subject = ChannelSubject.of(kind)) {
            for (Row<S> row : contract.rows) {
                String name = row.method + ", " + row.what + ": ";
                expected.add(name + row.answer(kind));
                try (S sample = samples.of(subject)) {
                    found.add(name + answerOf(row.call, sample));
                }
                subject.reset();
            }
            Disk disk = subject.disk();
            if (disk != null) {
                HeldTags.awaitNone(disk);
            }
        }
        assertThat(found).isEqualTo(expected);
    }

    private static <S> String answerOf(Call<S> call, S sample) {
        try {
            Object answer = call.of(sample);
            return answer instanceof FileLock lock
                    ? lock.position() + "+" + lock.size() + (lock.isShared() ? " shared" : " exclusive")
                    : String.valueOf(answer);
        } catch (Throwable t) {
            return t instanceof ExecutionException e && e.getCause() != null
                    ? "ended with " + name(e.getCause())
                    : name(t);
        }
    }

    /** Of an IOException that has no class of its own, the error. */
    static String name(Throwable t) {
        String message = String.valueOf(t.getMessage());
        return t.getClass().getSimpleName()
                + (t.getClass().equals(IOException.class) ? " " + message.split(":", 2)[0] : "");
    }

    /** Fails if the class has a public method that no row calls. */
    void coversAllOf(Class<?> type) {
        TreeSet<String> methods = new TreeSet<>();
        for (Method method : type.getMethods()) {
            if (!Modifier.isStatic(method.getModifiers()) && !method.getDeclaringClass().equals(Object.class)) {
                methods.add(method.getName() + Arrays.stream(method.getParameterTypes()).map(Class::getSimpleName)
                        .collect(Collectors.joining(",", "(", ")")));
            }
        }
        TreeSet<String> called = new TreeSet<>();
        rows.forEach(row -> called.add(row.method));
        assertThat(called).isEqualTo(methods);
    }
}
