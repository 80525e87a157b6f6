package io.blkmq.testing.runs;

import java.io.File;
import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.constantpool.ClassEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.lang.module.Configuration;
import java.lang.module.ModuleFinder;
import java.lang.module.ResolvedModule;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A module of the build, with its tests as they were compiled, and how a process is started that runs them as the build does. */
final class TestedModule {
    private static final Pattern PROPERTY = Pattern.compile("\\$\\{([\\w.]+)}");
    private static final String SEEDS = "io/blkmq/testing/RandomSeed";

    final String name;
    /** Where its tests run. */
    final Path directory;
    private final Path classes;
    private final Path testClasses;
    private final List<Path> libraries;
    private final Map<String, String> properties = new HashMap<>();

    /**
     * A module.
     *
     * @param root the folder of the project
     * @param built a folder with a copy of what was compiled
     * @param name of its folder
     * @throws IOException if something cannot be read
     */
    TestedModule(Path root, Path built, String name) throws IOException {
        this.name = name;
        this.directory = root.resolve(name);
        this.classes = built.resolve(name).resolve("classes");
        this.testClasses = built.resolve(name).resolve("test-classes");
        this.libraries = Stream
                .of(Files.readString(built.resolve(name).resolve("classpath")).strip().split(File.pathSeparator, -1))
                .map(entry -> copied(built, Path.of(entry))).toList();
        readProperties(directory.resolve("pom.xml"));
        readProperties(root.resolve("pom.xml"));
        properties.put("project.basedir", directory.toString());
    }

    /** Other modules of the project are taken from the copy, too. */
    private static Path copied(Path built, Path entry) {
        return entry.endsWith("target/classes")
                ? built.resolve(entry.getName(entry.getNameCount() - 3)).resolve("classes")
                : entry;
    }

    /** The first counts: that of the module before that of its parent, and that of the project before those of its profiles. */
    private void readProperties(Path pom) throws IOException {
        Matcher matcher = Pattern.compile("<((?:blkmq|stress)\\.[\\w.]+)>([^<]*)</\\1>").matcher(Files.readString(pom));
        while (matcher.find()) {
            properties.putIfAbsent(matcher.group(1), matcher.group(2));
        }
    }

    /** A property of the pom, with what it refers to. */
    String property(String key) {
        String value = properties.getOrDefault(key, "");
        Matcher matcher = PROPERTY.matcher(value);
        return matcher.replaceAll(match -> Matcher.quoteReplacement(property(match.group(1))));
    }

    /** Gives a property of the pom another value. */
    void set(String key, String value) {
        properties.put(key, value);
    }

    /** What starts a process that runs a class of the tests: options of the JVM, and the class as it is named where the module is. */
    List<String> javaArguments(String main) throws IOException {
        List<String> arguments = new ArrayList<>(javaOptions());
        arguments.addAll(isOnClassPath() ? List.of(main) : List.of("-m", "io.blkmq." + name + "/" + main));
        return arguments;
    }

    private boolean isOnClassPath() {
        return property("blkmq.test.modulePath").equals("false");
    }

    /** Where its classes are: those of the copy. */
    Path classes() {
        return classes;
    }

    /** The options of a process with the module and its tests on the module path, and all else on the class path, or all of it on that. */
    private List<String> javaOptions() throws IOException {
        if (isOnClassPath()) {
            List<String> options = new ArrayList<>(List.of("-ea", "--class-path",
                    join(Stream.concat(Stream.of(testClasses, classes), libraries.stream()))));
            options.addAll(List.of(property("blkmq.test.options").strip().split("\\s+", -1)));
            return options;
        }
        String module = "io.blkmq." + name;
        ModuleFinder finder = ModuleFinder
                .of(Stream.concat(Stream.of(classes), libraries.stream()).toArray(Path[]::new));
        Set<Path> modular = Configuration.empty().resolve(finder, ModuleFinder.ofSystem(), Set.of(module)).modules()
                .stream().map(ResolvedModule::reference).flatMap(reference -> reference.location().stream())
                .filter(location -> location.getScheme().equals("file")).map(Path::of).collect(Collectors.toSet());
        // The tests are part of the module; on the class path they are for processes that tests start.
        Stream<Path> others = Stream.concat(Stream.of(testClasses),
                libraries.stream().filter(library -> !modular.contains(library)));
        List<String> options = new ArrayList<>(List.of("-ea", "--module-path", join(modular.stream()), "--class-path",
                join(others), "--add-modules", module + ",ALL-DEFAULT", "--patch-module", module + "=" + testClasses,
                "--add-reads", module + "=ALL-UNNAMED"));
        for (String contents : packages()) {
            options.add("--add-opens");
            options.add(module + "/" + contents + "=ALL-UNNAMED");
        }
        options.addAll(List.of(property("blkmq.test.options").strip().split("\\s+", -1)));
        return options;
    }

    /** The class path of a process without modules. */
    String classPath() {
        return join(Stream.concat(Stream.of(classes), libraries.stream()));
    }

    private static String join(Stream<Path> paths) {
        return paths.map(Path::toString).collect(Collectors.joining(File.pathSeparator));
    }

    private List<Path> testFiles() throws IOException {
        try (Stream<Path> files = Files.walk(testClasses)) {
            return files.filter(file -> file.toString().endsWith(".class")).toList();
        }
    }

    private String internalName(Path file) {
        String name = testClasses.relativize(file).toString();
        return name.substring(0, name.length() - ".class".length());
    }

    private Set<String> packages() throws IOException {
        return testFiles().stream().map(
                file -> testClasses.relativize(Objects.requireNonNull(file.getParent())).toString().replace('/', '.'))
                .filter(name -> !name.isEmpty()).collect(Collectors.toCollection(TreeSet::new));
    }

    /** All classes with tests. */
    List<String> tests() throws IOException {
        return testFiles().stream().map(this::internalName).filter(name -> name.endsWith("Test"))
                .map(name -> name.replace('/', '.')).sorted().toList();
    }

    /** Those that ask for a seed, themselves or by another class of the tests. */
    List<String> randomTests() throws IOException {
        Map<String, Set<String>> uses = new HashMap<>();
        for (Path file : testFiles()) {
            uses.put(internalName(file), usedBy(ClassFile.of().parse(file)));
        }
        Set<String> random = new HashSet<>(Set.of(SEEDS));
        while (uses.entrySet().stream()
                .anyMatch(each -> !each.getValue().stream().filter(random::contains).toList().isEmpty()
                        && random.add(each.getKey()))) {
            // Until no more are found.
        }
        return tests().stream().filter(test -> !test.startsWith("io.blkmq.testing."))
                .filter(test -> random.contains(test.replace('.', '/'))).toList();
    }

    /** The classes of race tests, by their short names. */
    List<String> raceTests() throws IOException {
        try (Stream<Path> files = Files.walk(classes)) {
            return files.map(file -> file.getFileName().toString()).filter(file -> file.endsWith("Races.class"))
                    .map(file -> file.substring(0, file.length() - ".class".length())).toList();
        }
    }

    private static Set<String> usedBy(ClassModel model) {
        Set<String> used = new HashSet<>();
        for (PoolEntry entry : model.constantPool()) {
            if (entry instanceof ClassEntry type) {
                used.add(type.asInternalName());
            }
        }
        return used;
    }
}
