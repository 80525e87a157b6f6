package io.blkmq.testing;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Another process of the JDK that the tests run with. */
public final class JavaProcess {
    private JavaProcess() {}

    /** A program of the JDK, such as {@code java} or {@code javac}, with its arguments. */
    public static ProcessBuilder of(String tool, List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", tool).toString());
        command.addAll(arguments);
        return new ProcessBuilder(command);
    }

    /** Starts {@code java}; errors are printed with the rest. */
    public static Process start(String... arguments) throws IOException {
        return of("java", List.of(arguments)).redirectErrorStream(true).start();
    }

    /** The module under test, its tests and all that they need, as a class path. */
    public static String classPath() {
        return System.getProperty("jdk.module.path", "") + File.pathSeparator + System.getProperty("java.class.path");
    }
}
