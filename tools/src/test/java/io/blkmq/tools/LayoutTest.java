package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The house, as docs/internals/architecture.md draws it: what each module exports, and which package may use which. Reads the sources. */
class LayoutTest {
    private static final Path ROOT = Path.of("..");
    private static final int LINES_MAX = 900;

    private static final Pattern PACKAGE = Pattern.compile("^package ([\\w.]+);", Pattern.MULTILINE);
    /** A package of ours that is named, by an import or in the code: packages are in lower case, and a class follows. */
    private static final Pattern USED = Pattern.compile("\\b(io\\.blkmq(?:\\.[a-z]\\w*)+)\\.[A-Z]");
    private static final Pattern COMMENT = Pattern.compile("/\\*.*?\\*/|//[^\\n]*", Pattern.DOTALL);
    private static final Pattern EXPORTS = Pattern.compile("^    exports ([\\w.]+)(?: to [\\w., ]+)?;",
            Pattern.MULTILINE);

    private static final Map<String, Set<String>> EXPORTED = Map.of( //
            "runtime", Set.of("runtime", "runtime.channel", "runtime.log"), //
            "sim", Set.of("sim"), //
            "core", Set.of("core", "core.counters", "core.driver", "core.nullblk"), //
            "testkit", Set.of("testkit", "testkit.disk", "testkit.fs", "testkit.junit"), //
            "aio", Set.of("aio"), //
            "loop", Set.of("loop", "loop.transfer"), //
            "nbd", Set.of("nbd"), //
            "metrics", Set.of("metrics"), //
            "rbd", Set.of("rbd"), //
            "tools", Set.of());

    /** By package, the packages of ours that it may use. */
    private static final Map<String, Set<String>> MAY_USE = Map.ofEntries( //
            Map.entry("runtime", Set.of("runtime.log")), //
            Map.entry("runtime.log", Set.of()), //
            Map.entry("runtime.channel", Set.of()), //
            Map.entry("sim", Set.of("runtime")), //
            Map.entry("core.tag", Set.of("runtime")), //
            // The engine room uses the types that it implements, and those of the users' I/O.
            Map.entry("core.mq", Set.of("core", "core.driver", "core.jfr", "core.tag", "runtime")), //
            Map.entry("core.jfr", Set.of("core", "core.driver")), //
            // The door names its implementations, and nothing else of the engine room: see below.
            Map.entry("core.driver", Set.of("core", "core.mq", "core.tag", "runtime")), //
            Map.entry("core.elevator", Set.of("core", "core.driver")), //
            Map.entry("core.nullblk", Set.of("core", "core.driver", "runtime")), //
            Map.entry("core.partition", Set.of("core", "runtime")), //
            Map.entry("core.counters.layout", Set.of()), //
            Map.entry("core.counters", Set.of("core", "core.counters.layout", "core.driver", "runtime")), //
            // The first disk opens the counters file, if that is asked for.
            Map.entry("core",
                    Set.of("core.counters", "core.driver", "core.mq", "core.partition", "runtime", "runtime.channel")), //
            Map.entry("testkit.tree", Set.of()), //
            Map.entry("testkit", Set.of()), //
            Map.entry("testkit.crash", Set.of("testkit")), //
            Map.entry("testkit.provider", Set.of("runtime.channel", "testkit.tree")), //
            Map.entry("testkit.fuse", Set.of("testkit.tree")), //
            Map.entry("testkit.fs",
                    Set.of("testkit", "testkit.crash", "testkit.fuse", "testkit.provider", "testkit.tree")), //
            Map.entry("testkit.disk",
                    Set.of("core", "core.driver", "core.nullblk", "runtime", "testkit", "testkit.crash")), //
            Map.entry("testkit.junit", Set.of("core", "runtime", "sim", "testkit", "testkit.disk", "testkit.fs")), //
            Map.entry("aio.life", Set.of()), //
            Map.entry("aio", Set.of("aio.life", "runtime", "runtime.channel")), //
            Map.entry("loop.shelf", Set.of()), //
            Map.entry("loop.transfer", Set.of("loop.shelf")), //
            Map.entry("loop.work", Set.of("core.driver", "runtime", "runtime.log")), //
            Map.entry("loop",
                    Set.of("aio", "core", "core.driver", "loop.transfer", "loop.work", "runtime", "runtime.log")), //
            Map.entry("nbd.wire", Set.of()), //
            Map.entry("nbd.socket", Set.of("runtime", "runtime.log")), //
            Map.entry("nbd.server", Set.of("core", "nbd.socket", "nbd.wire", "runtime", "runtime.log")), //
            Map.entry("nbd.client", Set.of("core", "core.driver", "nbd.socket", "nbd.wire", "runtime", "runtime.log")), //
            Map.entry("nbd", Set.of("core", "core.driver", "nbd.client", "nbd.server", "nbd.wire", "runtime")), //
            Map.entry("metrics", Set.of("core")), //
            Map.entry("rbd.ceph", Set.of("runtime.log")), //
            Map.entry("rbd.life", Set.of()), //
            Map.entry("rbd", Set.of("aio", "rbd.ceph", "rbd.life", "runtime.log")), //
            Map.entry("tools.job", Set.of("aio", "core.driver", "rbd")), //
            Map.entry("tools.device",
                    Set.of("aio", "core", "core.driver", "core.nullblk", "loop", "nbd", "rbd", "tools.job")), //
            Map.entry("tools.run", Set.of("core", "runtime", "tools.device", "tools.job")), //
            Map.entry("tools.report", Set.of("core", "tools.job", "tools.run")), //
            Map.entry("tools.trace", Set.of("core", "testkit.disk", "tools.device", "tools.job")), //
            Map.entry("tools.observe", Set.of("core", "core.counters", "tools.job")), //
            Map.entry("tools.serve", Set.of("aio", "core", "core.nullblk", "loop", "nbd", "rbd", "tools.job")), //
            Map.entry("tools",
                    Set.of("aio", "core", "core.counters", "core.driver", "runtime", "tools.observe", "nbd",
                            "testkit.disk", "tools.device", "tools.job", "tools.report", "tools.run", "tools.serve",
                            "tools.trace")));

    /** The implementations of the door's types, and how threads of blkmq wait. */
    private static final Set<String> NAMED_BY_THE_DOOR = Set.of("QueueSettings", "RequestLife", "DispatchContext",
            "EntryContext", "RequestPool", "PoolShape", "QueueLayout", "Batch", "IssueBatch", "Trampoline", "TypeMap",
            "Rescues", "OpenPlugs", "OwedTimers");

    private record Source(String module, Path file, String text) {
        String packageName() {
            Matcher matcher = PACKAGE.matcher(text);
            assertThat(matcher.find()).as("%s has a package", file).isTrue();
            return matcher.group(1);
        }

        /** Its package without the beginning that all have in common. */
        String shortName() {
            return packageName().replaceFirst("^io\\.blkmq\\.", "");
        }

        Set<String> used() {
            String code = COMMENT.matcher(text).replaceAll("");
            return USED.matcher(code).results().map(found -> found.group(1).replaceFirst("^io\\.blkmq\\.", ""))
                    .filter(each -> !each.equals(shortName())).collect(Collectors.toCollection(TreeSet::new));
        }
    }

    private static List<String> modules() {
        try (Stream<Path> folders = Files.list(ROOT)) {
            return folders.filter(folder -> Files.isDirectory(folder.resolve("src/main/java")))
                    .map(folder -> folder.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Source> sources() {
        return modules().stream().flatMap(module -> sources(module).stream()).toList();
    }

    private static List<Source> sources(String module) {
        try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src/main/java"))) {
            return files.filter(file -> file.toString().endsWith(".java"))
                    .filter(file -> !file.endsWith("module-info.java"))
                    .map(file -> new Source(module, file, read(file))).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void everyModuleIsHere() {
        assertThat(modules()).contains("runtime", "sim", "core", "testkit", "aio", "loop", "nbd", "metrics", "rbd",
                "tools", "stress", "jmh-benchmarks");
        assertThat(sources()).hasSizeGreaterThan(300);
    }

    @Test
    void modulesExportTheirDoorsAndNothingElse() {
        EXPORTED.forEach((module, packages) -> {
            String descriptor = read(ROOT.resolve(module).resolve("src/main/java/module-info.java"));
            assertThat(EXPORTS.matcher(descriptor).results().map(found -> found.group(1))).as(module)
                    .containsExactlyInAnyOrderElementsOf(packages.stream().map(each -> "io.blkmq." + each).toList());
        });
    }

    @TestFactory
    Stream<DynamicTest> aPackageUsesThoseThatItMay() {
        Map<String, Set<String>> used = new TreeMap<>();
        for (Source source : sources()) {
            if (!isOnlyOurs(source)) {
                used.computeIfAbsent(source.shortName(), _ -> new TreeSet<>()).addAll(source.used());
            }
        }
        return used.entrySet().stream().map(each -> DynamicTest.dynamicTest(each.getKey(), () -> {
            assertThat(MAY_USE).as("the packages that this test knows").containsKey(each.getKey());
            assertThat(MAY_USE.get(each.getKey())).as("may be used by %s", each.getKey()).containsAll(each.getValue());
        }));
    }

    /** Race tests and benchmarks look into the engine room, and are never deployed. */
    private static boolean isOnlyOurs(Source source) {
        return source.module.equals("jmh-benchmarks") || source.module.equals("stress");
    }

    /** Elevators, drivers, the loop driver and commands do not; the door does where a type has its implementation. */
    @Test
    void theEngineRoomIsNobodysButThoseOfUsersAndOfTheDoor() {
        for (Source source : sources("core")) {
            if (source.shortName().equals("core.driver")) {
                assertThat(Pattern.compile("\\bio\\.blkmq\\.core\\.mq\\.(\\w+)")
                        .matcher(COMMENT.matcher(source.text).replaceAll("")).results().map(found -> found.group(1)))
                        .as("%s", source.file).isSubsetOf(NAMED_BY_THE_DOOR);
            }
        }
        assertThat(sources().stream().filter(source -> !isOnlyOurs(source))
                .filter(source -> source.used().contains("core.mq")).map(Source::shortName).distinct())
                .containsExactlyInAnyOrder("core", "core.driver");
    }

    @Test
    void noPackageIsInTwoModules() {
        Map<String, Set<String>> modules = new TreeMap<>();
        for (Source source : sources()) {
            modules.computeIfAbsent(source.packageName(), _ -> new TreeSet<>()).add(source.module);
        }
        assertThat(modules).allSatisfy((name, in) -> assertThat(in).as(name).hasSize(1));
    }

    @Test
    void noClassIsTooLongToBeRead() {
        assertThat(sources()).allSatisfy(source -> assertThat(source.text.lines().count())
                .as("lines of %s", source.file).isLessThanOrEqualTo(LINES_MAX));
    }

    /** Maven would load the test classes of a module that has several processes in its own JVM, which may be an older one. */
    @Test
    void noModuleHasMoreTestProcessesThanMavenCanServe() throws IOException {
        Pattern processes = Pattern.compile("<(?:blkmq\\.test\\.processes|forkCount)>([^<]*)<");
        try (Stream<Path> poms = Files.find(ROOT, 2, (file, _) -> file.endsWith("pom.xml"))) {
            assertThat(poms.flatMap(pom -> processes.matcher(read(pom)).results()).map(found -> found.group(1)))
                    .contains("${blkmq.test.processes.two}")
                    .isSubsetOf("1", "${blkmq.test.processes}", "${blkmq.test.processes.two}");
        }
        String root = read(ROOT.resolve("pom.xml"));
        assertThat(root).containsOnlyOnce("<blkmq.test.processes.two>1<")
                .containsOnlyOnce("<blkmq.test.processes.two>2<");
        String profile = root.substring(root.indexOf("<id>own-compiler</id>"));
        assertThat(profile.substring(0, profile.indexOf("</profile>"))).contains("<jdk>[25,)</jdk>",
                "<blkmq.test.processes.two>2<");
    }

    @Test
    void theSiteOfJavadocHasEachModuleThatExportsSomething() {
        Matcher modules = Pattern.compile("<argument>--module</argument>\\s*<argument>([^<]*)<")
                .matcher(read(ROOT.resolve("tools/pom.xml")));
        assertThat(modules.find()).isTrue();
        assertThat(modules.group(1).split(",")).containsExactlyInAnyOrderElementsOf(EXPORTED.entrySet().stream()
                .filter(each -> !each.getValue().isEmpty()).map(each -> "io.blkmq." + each.getKey()).toList());
    }
}
