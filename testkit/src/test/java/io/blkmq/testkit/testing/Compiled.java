package io.blkmq.testkit.testing;

import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * Sources of a page or an example, which were compiled with the class path of the tests.
 *
 * @param directories of their classes; of a class that is in several, the first counts
 */
public record Compiled(List<Path> directories) {
    /**
     * Compiles sources.
     *
     * @throws IOException if they do not compile
     */
    public static Compiled of(Path directory, List<Path> sources) throws IOException {
        return new Compiled(List.of()).with(directory, sources);
    }

    /**
     * Compiles other texts of some of them.
     *
     * @throws IOException if they do not compile
     */
    public Compiled with(Path directory, List<Path> sources) throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        String path = directories.stream().map(before -> before + File.pathSeparator).collect(Collectors.joining())
                + System.getProperty("jdk.module.path", "") + File.pathSeparator
                + System.getProperty("java.class.path");
        List<String> options = List.of("-proc:none", "-nowarn", "-cp", path, "-d", directory.toString());
        try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
            if (!compiler.getTask(null, files, null, options, null, files.getJavaFileObjectsFromPaths(sources))
                    .call()) {
                throw new IOException("does not compile: " + sources);
            }
        }
        return new Compiled(Stream.concat(Stream.of(directory), directories.stream()).toList());
    }

    /** Runs one of them as a test. */
    public TestExecutionSummary run(String test) throws IOException, ClassNotFoundException {
        return run(test, DiscoverySelectors::selectClass);
    }

    /** Runs a method of one of them, which has no parameters, as a test. */
    public TestExecutionSummary run(String test, String method) throws IOException, ClassNotFoundException {
        return run(test, type -> DiscoverySelectors.selectMethod(type, method));
    }

    private TestExecutionSummary run(String test, Function<Class<?>, DiscoverySelector> selection)
            throws IOException, ClassNotFoundException {
        List<URL> urls = new ArrayList<>();
        for (Path directory : directories) {
            urls.add(directory.toUri().toURL());
        }
        try (URLClassLoader loader = new URLClassLoader(urls.toArray(new URL[0]), Compiled.class.getClassLoader())) {
            SummaryGeneratingListener listener = new SummaryGeneratingListener();
            LauncherFactory.create().execute(LauncherDiscoveryRequestBuilder.request()
                    .selectors(selection.apply(loader.loadClass(test))).build(), listener);
            return listener.getSummary();
        }
    }
}
