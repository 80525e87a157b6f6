package io.blkmq.testing;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Another process of the JDK that the tests run with. */
public final class JavaProcess {
    /** A process that ends at once gains nothing from the better compiler, nor from collectors with threads of their own. */
    private static final List<String> BRIEF = List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");

    private JavaProcess() {}

    /** A program of the JDK, such as {@code java} or {@code javac}, with its arguments; each runs in a JVM made for a short life. */
    public static ProcessBuilder of(String tool, List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", tool).toString());
        String prefix = tool.equals("java") ? "" : "-J";
        BRIEF.forEach(option -> command.add(prefix + option));
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
