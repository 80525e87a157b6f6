package io.blkmq.testkit.testing;

import java.io.File;
import java.io.IOException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Path;
import java.util.List;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * Sources of a page or an example, which were compiled with the class path of the tests.
 *
 * @param directory of their classes
 */
public record Compiled(Path directory) {
    /**
     * Compiles sources.
     *
     * @throws IOException if they do not compile
     */
    public static Compiled of(Path directory, List<Path> sources) throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        String path = System.getProperty("jdk.module.path", "") + File.pathSeparator
                + System.getProperty("java.class.path");
        List<String> options = List.of("-proc:none", "-nowarn", "-cp", path, "-d", directory.toString());
        try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
            if (!compiler.getTask(null, files, null, options, null, files.getJavaFileObjectsFromPaths(sources))
                    .call()) {
                throw new IOException("does not compile: " + sources);
            }
        }
        return new Compiled(directory);
    }

    /** Runs one of them as a test. */
    public TestExecutionSummary run(String test) throws IOException, ClassNotFoundException {
        try (URLClassLoader loader = new URLClassLoader(new URL[]{directory.toUri().toURL()},
                Compiled.class.getClassLoader())) {
            SummaryGeneratingListener listener = new SummaryGeneratingListener();
            LauncherFactory.create().execute(LauncherDiscoveryRequestBuilder.request()
                    .selectors(DiscoverySelectors.selectClass(loader.loadClass(test))).build(), listener);
            return listener.getSummary();
        }
    }
}
