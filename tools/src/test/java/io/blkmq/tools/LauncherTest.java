package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.spi.ToolProvider;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The script {@code blkmq} makes a cache of the JVM beside the jar, and starts with it; the cache never is a reason not to run. The script runs in a
 * folder of its own here, with a small program in the place of ours, and a java that writes down what it was asked for.
 */
@BesideOthers
@ResourceLock(LauncherTest.HOME)
@Timeout(300)
class LauncherTest {
    /** One test after the other has it. */
    static final String HOME = "io.blkmq.tools.LauncherTest.home";
    private static final String PROGRAM = """
        package io.blkmq.tools;
        public class Blkmq {
            public static void main(String[] arguments) {
                System.out.println("ran " + String.join(" ", arguments));
            }
        }
        """;

    /** Where the program's jar and the one beside it are, for all tests. */
    @TempDir
    private static Path built;
    /** A cache of them, for the JDK of the tests: where nothing is wrong with it none is made again. */
    private static byte @Nullable [] madeBefore;

    @TempDir
    private Path directory;

    /** In the same place for each test: a cache is one of jars in their places. */
    private Path home;
    private Path target;
    private Path jdk;
    private Path calls;
    private final Map<String, String> environment = new HashMap<>();

    /** What a start of the script did. */
    private record Start(int status, String out, String err) {}

    @BeforeAll
    static void build() throws IOException {
        Path sources = Files.createDirectory(built.resolve("sources"));
        Path program = Files.writeString(sources.resolve("Blkmq.java"), PROGRAM);
        Path module = sources.resolve("module-info.java");
        Files.writeString(module, "module io.blkmq.tools { exports io.blkmq.tools; }\n");
        runTool("javac", "-d", built.resolve("tools").toString(), program.toString(), module.toString());
        Files.writeString(module, "module io.blkmq.core {}\n");
        runTool("javac", "-d", built.resolve("core").toString(), module.toString());
        for (String name : List.of("tools", "core")) {
            runTool("jar", "--create", "--file", built.resolve(name + ".jar").toString(), "-C",
                    built.resolve(name).toString(), ".");
        }
    }

    private static void runTool(String tool, String... arguments) {
        StringWriter out = new StringWriter();
        PrintWriter printer = new PrintWriter(out);
        assertThat(ToolProvider.findFirst(tool).orElseThrow().run(printer, printer, arguments)).as(out.toString())
                .isZero();
    }

    @BeforeEach
    void makeAHome() throws IOException {
        home = Files.createDirectory(built.resolve("home"));
        target = Files.createDirectories(home.resolve("tools/target"));
        Files.createDirectory(target.resolve("lib"));
        calls = directory.resolve("calls");
        Files.copy(Path.of("../blkmq"), home.resolve("blkmq"), StandardCopyOption.COPY_ATTRIBUTES);
        Files.createDirectory(home.resolve("bin"));
        Files.copy(Path.of("../bin/find-jdk"), home.resolve("bin/find-jdk"), StandardCopyOption.COPY_ATTRIBUTES);
        Path pom = Files.writeString(home.resolve("pom.xml"), "<project><version>1.0</version></project>\n");
        Files.setLastModifiedTime(pom, FileTime.from(Instant.EPOCH));
        Files.copy(built.resolve("tools.jar"), jar(), StandardCopyOption.COPY_ATTRIBUTES);
        Files.copy(built.resolve("core.jar"), target.resolve("lib/blkmq-core-1.0.jar"),
                StandardCopyOption.COPY_ATTRIBUTES);
        Files.setLastModifiedTime(target.resolve("lib"), Files.getLastModifiedTime(built.resolve("core.jar")));
        jdk = makeAJdk("jdk", "1.0");
    }

    @AfterEach
    void removeTheHome() throws IOException {
        try (Stream<Path> files = Files.walk(home)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    /** Puts a cache there as a start has made it before. */
    private void takeTheCache() throws IOException, InterruptedException {
        byte[] made = madeBefore;
        if (made == null) {
            startWell();
            made = Files.readAllBytes(cache());
            assertThat(made).isNotEmpty();
            madeBefore = made;
            Files.delete(calls);
        } else {
            Files.write(target.resolve(".launcher-Test-1.0_.aot"), made);
        }
        assertThat(isProgramOfTheCache()).isTrue();
        assertThat(makings()).isZero();
    }

    private Path jar() {
        return target.resolve("blkmq-tools-1.0.jar");
    }

    /** A JDK of some build: its java writes down what it was asked for, and does it. */
    private Path makeAJdk(String name, String build) throws IOException {
        Path made = directory.resolve(name);
        Files.createDirectories(made.resolve("bin"));
        Files.writeString(made.resolve("release"),
                "IMPLEMENTOR_VERSION=\"Test-" + build + "\"\nJAVA_VERSION=\"" + Runtime.version().feature() + "\"\n");
        writeJava(made, "");
        return made;
    }

    private void writeJava(Path of, String first) throws IOException {
        Path java = of.resolve("bin/java");
        Files.writeString(java, "#!/bin/sh\necho \"$*\" >> '" + calls + "'\n" + first + "\nexec '"
                + Path.of(System.getProperty("java.home"), "bin", "java") + "' \"$@\"\n");
        Files.setPosixFilePermissions(java, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private Process begin(String options) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(home.resolve("blkmq").toString(), "hello", "world");
        builder.environment().put("JAVA_HOME", jdk.toString());
        builder.environment().put("BLKMQ_JAVA_OPTIONS", options);
        // What a test runner gives its own JVMs is not for these.
        builder.environment().remove("JAVA_TOOL_OPTIONS");
        builder.environment().remove("JDK_JAVA_OPTIONS");
        builder.environment().putAll(environment);
        return builder.redirectError(directory.resolve("err").toFile()).start();
    }

    private Start start(String options) throws IOException, InterruptedException {
        Process process = begin(options);
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        int status = process.waitFor();
        return new Start(status, out, Files.readString(directory.resolve("err")));
    }

    /** Starts it, and sees that the program ran and nothing else was said. */
    private void startWell() throws IOException, InterruptedException {
        Start start = start("");
        assertThat(start.status).as(start.err).isZero();
        assertThat(start.out).isEqualTo("ran hello world\n");
        assertThat(start.err.lines().filter(line -> !line.contains("--enable-native-access"))).isEmpty();
    }

    private List<Path> caches() throws IOException {
        try (Stream<Path> files = Files.list(target)) {
            return files.filter(file -> file.getFileName().toString().startsWith(".launcher-"))
                    .filter(file -> !file.endsWith(".launcher-built")).toList();
        }
    }

    private Path cache() throws IOException {
        assertThat(caches()).hasSize(1);
        return caches().getFirst();
    }

    /** How often a cache was made. */
    private long makings() throws IOException {
        return Files.readAllLines(calls).stream().filter(call -> call.contains("-XX:AOTCacheOutput=")).count();
    }

    private boolean isProgramOfTheCache() throws IOException, InterruptedException {
        Path log = directory.resolve("classes.log");
        Start start = start("-Xlog:class+load:file=" + log);
        assertThat(start.status).as(start.err).isZero();
        assertThat(start.out).isEqualTo("ran hello world\n");
        String line = Files.readAllLines(log).stream().filter(each -> each.contains(" io.blkmq.tools.Blkmq "))
                .findFirst().orElseThrow();
        return line.contains("shared objects file");
    }

    private static void makeNewer(Path file) {
        try {
            Files.setLastModifiedTime(file, FileTime.from(Instant.now().plusSeconds(5)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Else the JVM warns of them, and will refuse them one day. */
    @Test
    void allModulesOfTheCommandThatCallTheSystemMay() throws IOException {
        String launcher = Files.readString(Path.of("../blkmq"));
        Matcher named = Pattern.compile("(?m)^native=(\\S+)$").matcher(launcher);
        assertThat(named.find()).isTrue();
        assertThat(launcher.lines().filter(line -> line.contains("--enable-native-access=")))
                .allMatch(line -> line.contains("--enable-native-access=$native "));
        Set<String> callers = new HashSet<>();
        for (String module : List.of("runtime", "sim", "core", "testkit", "aio", "loop", "nbd", "rbd", "tools")) {
            if (callsTheSystem(Path.of("..", module, "src/main/java"))) {
                callers.add("io.blkmq." + module);
            }
        }
        assertThat(callers).contains("io.blkmq.aio");
        assertThat(named.group(1).split(",", -1)).containsExactlyInAnyOrderElementsOf(callers);
    }

    private static boolean callsTheSystem(Path sources) throws IOException {
        Pattern restricted = Pattern.compile("Linker\\.nativeLinker|SymbolLookup\\.|\\.reinterpret\\(|System\\.load");
        try (Stream<Path> files = Files.walk(sources)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                if (restricted.matcher(Files.readString(file)).find()) {
                    return true;
                }
            }
        }
        return false;
    }

    @Test
    void theCacheIsMadeOnceAndUsed() throws IOException, InterruptedException {
        startWell();
        assertThat(makings()).isEqualTo(1);
        assertThat(cache()).isNotEmptyFile();
        assertThat(cache().getFileName().toString()).isEqualTo(".launcher-Test-1.0_.aot");
        Object made = Files.readAttributes(cache(), "unix:ino,lastModifiedTime");
        startWell();
        assertThat(isProgramOfTheCache()).isTrue();
        assertThat(makings()).isEqualTo(1);
        assertThat(Files.readAttributes(cache(), "unix:ino,lastModifiedTime")).isEqualTo(made);
    }

    @ParameterizedTest
    @ValueSource(strings = {"blkmq-tools-1.0.jar", "lib"})
    void itIsMadeAnewWhenTheProgramChanges(String what) throws IOException, InterruptedException {
        takeTheCache();
        makeNewer(target.resolve(what));
        startWell();
        assertThat(makings()).isEqualTo(1);
        makeNewer(cache());
        assertThat(isProgramOfTheCache()).isTrue();
        assertThat(makings()).isEqualTo(1);
    }

    @Test
    void eachBuildOfTheJdkHasItsOwn() throws IOException, InterruptedException {
        takeTheCache();
        jdk = makeAJdk("other", "2.0 beta/3");
        startWell();
        assertThat(makings()).isEqualTo(1);
        assertThat(caches()).extracting(file -> file.getFileName().toString())
                .containsExactlyInAnyOrder(".launcher-Test-1.0_.aot", ".launcher-Test-2.0_beta_3_.aot");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "this is no cache", "half"})
    void aDamagedCacheIsNoReasonNotToRun(String content) throws IOException, InterruptedException {
        takeTheCache();
        if (content.equals("half")) {
            byte[] whole = Files.readAllBytes(cache());
            Files.write(cache(), Arrays.copyOf(whole, whole.length / 2));
        } else {
            Files.writeString(cache(), content);
        }
        startWell();
        assertThat(isProgramOfTheCache()).isFalse();
        assertThat(makings()).as("it is not made again and again").isZero();
    }

    @Test
    void aCacheThatCannotBeMadeIsTriedOnce() throws IOException, InterruptedException {
        writeJava(jdk, "case \"$*\" in *AOTCacheOutput*) exit 1 ;; esac");
        startWell();
        long tried = makings();
        assertThat(tried).isPositive();
        assertThat(cache()).isEmptyFile();
        startWell();
        assertThat(makings()).isEqualTo(tried);
    }

    @Test
    void whoSaysSomethingOfACacheGetsThat() throws IOException, InterruptedException {
        assertThat(start("-XX:AOTMode=off").out).isEqualTo("ran hello world\n");
        assertThat(caches()).isEmpty();
        assertThat(Files.readString(calls)).doesNotContain("AOTCache");
    }

    /** The JVM refuses two. */
    @ParameterizedTest
    @CsvSource({"-Xmx64m -XX:+UseSerialGC,true", "-XX:+UseAdaptiveSizePolicyWithSystemGC,false"})
    void whoChoosesACollectorGetsThatAlone(String options, boolean chosen) throws IOException, InterruptedException {
        takeTheCache();
        Start start = start(options);
        assertThat(start.status).as(start.err).isZero();
        assertThat(start.out).isEqualTo("ran hello world\n");
        assertThat(Files.readAllLines(calls).getLast().contains("-XX:+UseParallelGC")).isEqualTo(!chosen);
    }

    /** Of such a variable the making of the cache hears, too. */
    @Test
    void whoChoosesACollectorForEachJvmGetsThatAlone() throws IOException, InterruptedException {
        environment.put("JDK_JAVA_OPTIONS", "-XX:+UseSerialGC");
        Start start = start("");
        assertThat(start.status).as(start.err).isZero();
        assertThat(start.out).isEqualTo("ran hello world\n");
        assertThat(Files.readAllLines(calls)).noneMatch(call -> call.contains("-XX:+UseParallelGC"));
        assertThat(cache()).as("the cache is made").isNotEmptyFile();
    }

    @Test
    void startsAtTheSameTimeDoNotDisturbEachOther() throws IOException, InterruptedException {
        List<Process> starts = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            starts.add(begin(""));
        }
        for (Process each : starts) {
            assertThat(new String(each.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                    .isEqualTo("ran hello world\n");
            assertThat(each.waitFor()).isZero();
        }
        assertThat(cache()).as("and nothing is left of the making").isNotEmptyFile();
        assertThat(isProgramOfTheCache()).isTrue();
    }
}
