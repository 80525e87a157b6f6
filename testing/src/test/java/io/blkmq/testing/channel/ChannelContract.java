package io.blkmq.testing.channel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.channels.FileLock;
import java.nio.file.FileSystemException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A table of calls of a class of channels and their answers. Each row has one answer for all; where the JDK's channel on a file or on a
 * device node answers otherwise, or that of an engine, the row says so and why. An engine's answers as the file's where nothing else is said.
 */
public final class ChannelContract<S extends ChannelContract.Opened> {
    /** A call; what it returns or throws is its answer. */
    @FunctionalInterface
    public interface Call<S> {
        Object of(S sample) throws Throwable;
    }

    /** One row. */
    public static final class Row<S> {
        private final String method;
        private final String what;
        private final Call<S> call;
        private final String answer;
        private final Map<ChannelSubject.Family, String> others = new EnumMap<>(ChannelSubject.Family.class);

        private Row(String method, String what, Call<S> call, String answer) {
            this.method = method;
            this.what = what;
            this.call = call;
            this.answer = answer;
        }

        /** What a file answers instead; the reason is for the reader. */
        public Row<S> file(String otherAnswer, String why) {
            assertThat(why).isNotBlank();
            others.put(ChannelSubject.Family.FILE, otherAnswer);
            return this;
        }

        /** What the kernel's device node answers instead; the reason is for the reader. */
        public Row<S> node(String otherAnswer, String why) {
            assertThat(why).isNotBlank();
            others.put(ChannelSubject.Family.NODE, otherAnswer);
            return this;
        }

        /** What a file of an engine answers instead; the reason is for the reader. */
        public Row<S> engine(String otherAnswer, String why) {
            assertThat(why).isNotBlank();
            others.put(ChannelSubject.Family.ENGINE, otherAnswer);
            return this;
        }

        private String answer(ChannelSubject.Family family) {
            String likeFile = others.getOrDefault(ChannelSubject.Family.FILE, answer);
            return others.getOrDefault(family, family == ChannelSubject.Family.ENGINE ? likeFile : answer);
        }
    }

    private static final Pattern NUMBERED = Pattern.compile("\\((E[A-Z0-9]+)\\)$");
    private static final Map<String, String> TEXTS = Map.of("ENOSPC", "No space left on device", "EFBIG",
            "File too large", "EINVAL", "Invalid argument");

    private final List<Row<S>> rows = new ArrayList<>();

    /** Adds a row. */
    public Row<S> row(String method, String what, Call<S> call, String answer) {
        Row<S> row = new Row<>(method, what, call, answer);
        rows.add(row);
        return row;
    }

    /** Channels that a row is tried on. */
    public interface Opened extends AutoCloseable {
        @Override
        void close() throws IOException;
    }

    /** Opens them. */
    @FunctionalInterface
    public interface Samples<S extends Opened> {
        S of(ChannelSubject subject) throws IOException;
    }

    /** Tries each row, and compares all answers at once. Closes the subject. */
    public static <S extends Opened> void check(ChannelContract<S> contract, ChannelSubject opened, Samples<S> samples)
            throws IOException {
        try (ChannelSubject subject = opened) {
            contract.check(subject.family(), () -> samples.of(subject), subject::reset);
            subject.checkAtRest();
        }
    }

    /** Makes what a row is tried on. */
    @FunctionalInterface
    public interface Sampler<S extends Opened> {
        S make() throws IOException;
    }

    /** Is done after each row. */
    @FunctionalInterface
    public interface Reset {
        void run() throws IOException;
    }

    /** Tries each row, and compares all answers at once. */
    public void check(ChannelSubject.Family family, Sampler<S> samples, Reset reset) throws IOException {
        List<String> expected = new ArrayList<>();
        List<String> found = new ArrayList<>();
        for (Row<S> row : rows) {
            String name = row.method + ", " + row.what + ": ";
            String answer = answerOf(row.call, samples);
            if (!answer.equals(row.answer(family))) {
                // All that differ at once, and nothing else.
                expected.add(name + row.answer(family));
                found.add(name + answer);
            }
            reset.run();
        }
        assertThat(rows).isNotEmpty();
        assertThat(found).isEqualTo(expected);
    }

    private static <S extends Opened> String answerOf(Call<S> call, Sampler<S> samples) throws IOException {
        try (S sample = samples.make()) {
            return answerOf(call, sample);
        }
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

    /** Of an IOException that has no class of its own, the error; and so of one that names an error number beside it. */
    public static String name(Throwable t) {
        String message = String.valueOf(t.getMessage());
        if (t.getClass().equals(IOException.class)) {
            return "IOException " + message.split(":", 2)[0];
        }
        Matcher numbered = NUMBERED.matcher(message);
        return t instanceof FileSystemException && !t.getClass().getName().startsWith("java.") && numbered.find()
                ? "IOException " + TEXTS.getOrDefault(numbered.group(1), message)
                : t.getClass().getSimpleName();
    }

    /** Fails if the class has a public method that no row calls. */
    public void coversAllOf(Class<?> type) {
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
