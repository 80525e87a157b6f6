package io.blkmq.testing;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ResourceBundle;
import org.jspecify.annotations.Nullable;

/** The loggers of a process whose logging is broken, as by a full disk: those of blkmq throw whatever they are told. */
public final class ThrowingLoggers extends System.LoggerFinder {
    /** Made by the JDK. */
    public ThrowingLoggers() {}

    /**
     * Runs a program in such a process to its end.
     *
     * @param folder an empty one
     * @param program has a main method
     * @param arguments for it
     * @return what it printed
     */
    public static String run(Path folder, Class<?> program, String... arguments) throws IOException {
        Path services = Files.createDirectories(folder.resolve("META-INF/services"));
        Files.writeString(services.resolve("java.lang.System$LoggerFinder"), ThrowingLoggers.class.getName());
        String[] all = new String[4 + arguments.length];
        all[0] = "--enable-native-access=ALL-UNNAMED";
        all[1] = "-cp";
        all[2] = folder + File.pathSeparator + JavaProcess.classPath();
        all[3] = program.getName();
        System.arraycopy(arguments, 0, all, 4, arguments.length);
        Process process = JavaProcess.start(all);
        process.getOutputStream().close();
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    }

    @Override
    public System.Logger getLogger(String name, Module module) {
        return new Throwing(name);
    }

    private record Throwing(String name) implements System.Logger {
        @Override
        public String getName() {
            return name;
        }

        @Override
        public boolean isLoggable(Level level) {
            return true;
        }

        private void fail() {
            if (name.startsWith("io.blkmq")) {
                throw new IllegalStateException("a logger that throws");
            }
        }

        @Override
        public void log(Level level, @Nullable ResourceBundle bundle, @Nullable String message,
                @Nullable Throwable thrown) {
            fail();
        }

        @Override
        public void log(Level level, @Nullable ResourceBundle bundle, @Nullable String format,
                @Nullable Object... parameters) {
            fail();
        }
    }
}
