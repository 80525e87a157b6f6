package io.blkmq.stores;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;

/** A release of a store, as Maven Central has it, and a program that uses it. Each is loaded apart from all others. */
final class Store implements AutoCloseable {
    private static final Path JARS = Path.of("target", "stores");
    private static final Path PROGRAMS = Path.of("src", "programs");
    private static final Path CLASSES = Path.of("target", "programs");

    private final URLClassLoader loader;
    private final StoreProgram program;

    private Store(URLClassLoader loader, StoreProgram program) {
        this.loader = loader;
        this.program = program;
    }

    /**
     * Compiles a program against a release, and loads both.
     *
     * @param release a folder of jars, which the build has fetched
     * @param programName a folder of sources, and after a slash the name of its class that is the program; without, that is Program
     * @throws IOException if the program does not compile
     */
    static Store load(String release, String programName) throws IOException {
        List<Path> jars = jarsOf(release);
        int slash = programName.indexOf('/');
        Path classes = compile(release, jars, slash < 0 ? programName : programName.substring(0, slash));
        List<URL> path = new ArrayList<>(List.of(urlOf(classes)));
        jars.forEach(jar -> path.add(urlOf(jar)));
        URLClassLoader loader = new URLClassLoader(release, path.toArray(URL[]::new), Store.class.getClassLoader());
        try {
            return new Store(loader,
                    (StoreProgram) loader.loadClass(slash < 0 ? "Program" : programName.substring(slash + 1))
                            .getDeclaredConstructor().newInstance());
        } catch (ReflectiveOperationException e) {
            loader.close();
            throw new IOException("the program " + programName, e);
        }
    }

    /**
     * What a process of its own needs for a program, which is compiled against a release.
     *
     * @param release a folder of jars, which the build has fetched
     * @param folder of sources
     * @return its class path, without the testkit's
     * @throws IOException if the program does not compile
     */
    static String classPath(String release, String folder) throws IOException {
        List<Path> jars = jarsOf(release);
        return Stream.concat(Stream.of(compile(release, jars, folder)), jars.stream()).map(Path::toString)
                .collect(Collectors.joining(File.pathSeparator));
    }

    private static List<Path> jarsOf(String release) throws IOException {
        List<Path> jars = filesIn(JARS.resolve(release), ".jar");
        if (jars.isEmpty()) {
            throw new IOException(JARS.resolve(release)
                    + " has no jars: the build fetches them in the phase generate-test-resources");
        }
        return jars;
    }

    private static Path compile(String release, List<Path> jars, String folder) throws IOException {
        Path classes = Files.createDirectories(CLASSES.resolve(release));
        compile(filesIn(PROGRAMS.resolve(folder), ".java"), jars, classes);
        return classes;
    }

    private static List<Path> filesIn(Path folder, String ending) throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(ending)).sorted().toList();
        }
    }

    private static URL urlOf(Path path) {
        try {
            return path.toUri().toURL();
        } catch (MalformedURLException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void compile(List<Path> sources, List<Path> jars, Path classes) throws IOException {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        String path = Stream
                .concat(jars.stream().map(Path::toString),
                        Stream.of(System.getProperty("jdk.module.path", ""), System.getProperty("java.class.path")))
                .collect(Collectors.joining(File.pathSeparator));
        List<String> options = List.of("-proc:none", "-nowarn", "-implicit:none", "-cp", path, "-d",
                classes.toString());
        try (var files = compiler.getStandardFileManager(null, null, null)) {
            if (!compiler.getTask(null, files, null, options, null, files.getJavaFileObjectsFromPaths(sources))
                    .call()) {
                throw new IOException("does not compile: " + sources + " against " + jars);
            }
        }
    }

    StoreProgram program() {
        return program;
    }

    @Override
    public void close() throws IOException {
        loader.close();
    }
}
