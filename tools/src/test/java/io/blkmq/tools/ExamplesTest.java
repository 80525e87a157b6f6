package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.aio.AioEngine;
import io.blkmq.core.Disk;
import io.blkmq.loop.LoopDevice;
import io.blkmq.nbd.NbdServer;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.sim.DeterministicRuntime;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Command;
import io.blkmq.testkit.disk.SimulatedDisk;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Each project of docs/examples builds, passes its tests without a warning of the JVM, and prints what its README says. Copies of them are
 * built by one Maven with an empty local repository, from what an installation of blkmq would have left in a repository. Where
 * a jar of others can be had neither from this build's local repository nor from elsewhere, the test is skipped and says so.
 */
@BesideOthers
@Timeout(900)
class ExamplesTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final Path EXAMPLES = ROOT.resolve("docs").resolve("examples");
    private static final Path PLACE = Path.of("target", "examples").toAbsolutePath();
    private static final String VERSION = "0.1.0-SNAPSHOT";
    /** A type of each published module that an example may use. */
    private static final Map<String, Class<?>> MODULES = Map.of("runtime", IoRuntime.class, "sim",
            DeterministicRuntime.class, "core", Disk.class, "testkit", SimulatedDisk.class, "aio", AioEngine.class,
            "loop", LoopDevice.class, "nbd", NbdServer.class);
    /** What Maven says of an artifact that it cannot have. */
    private static final Pattern LACKING = Pattern.compile(
            "Could not (?:find|transfer) artifact (\\S+)|Cannot access \\S+ .*? in offline mode and the artifact (\\S+)");
    private static final Pattern CONSOLE = Pattern.compile("^```console\\n(.*?)^```$",
            Pattern.DOTALL | Pattern.MULTILINE);
    private static final Pattern TESTS = Pattern
            .compile("<testsuite [^>]*tests=\"(\\d+)\" errors=\"0\" skipped=\"(\\d+)\" failures=\"0\"", Pattern.DOTALL);

    /** What a command printed. */
    private record Run(int exit, String out) {}

    /** Of all examples. */
    private static Run build = new Run(1, "");

    @BeforeAll
    static void buildAll() throws Exception {
        Command.require("mvn", "bash");
        install();
        StringBuilder modules = new StringBuilder();
        for (String name : examples()) {
            Path project = PLACE.resolve(name);
            delete(project);
            copy(EXAMPLES.resolve(name), project);
            // Their tests live as briefly as ours: C2 and a collector with threads of its own do not pay.
            Path pom = project.resolve("pom.xml");
            Files.writeString(pom,
                    Files.readString(pom).replace("<argLine>", "<argLine>-XX:TieredStopAtLevel=1 -XX:+UseSerialGC "));
            modules.append("<module>").append(name).append("</module>");
        }
        Files.writeString(PLACE.resolve("pom.xml"), """
            <project xmlns="http://maven.apache.org/POM/4.0.0">
              <modelVersion>4.0.0</modelVersion>
              <groupId>example</groupId><artifactId>all</artifactId><version>1</version><packaging>pom</packaging>
              <modules>%s</modules>
            </project>
            """.formatted(modules));
        build = run(PLACE, "mvn", "-B", "-q", "-fae", "-s", PLACE.resolve("settings.xml").toString(), "verify");
    }

    private static void install() throws Exception {
        Path repository = PLACE.resolve("repository").resolve("io").resolve("blkmq");
        delete(PLACE.resolve("repository"));
        // A snapshot that was downloaded once is not looked for again.
        delete(PLACE.resolve("local").resolve("io").resolve("blkmq"));
        publish(repository, "blkmq-parent", "pom", ROOT.resolve("pom.xml"));
        publish(repository, "blkmq-bom", "pom", ROOT.resolve("bom").resolve("pom.xml"));
        for (Map.Entry<String, Class<?>> module : MODULES.entrySet()) {
            String artifact = "blkmq-" + module.getKey();
            publish(repository, artifact, "pom", ROOT.resolve(module.getKey()).resolve("pom.xml"));
            publish(repository, artifact, "jar", jar(module.getValue()));
        }
        Files.writeString(PLACE.resolve("settings.xml"),
                """
                    <settings>
                      <localRepository>%1$s/local</localRepository>
                      <profiles>
                        <profile>
                          <id>examples</id>
                          <repositories>
                            <repository><id>blkmq</id><url>file://%1$s/repository</url></repository>
                            <repository><id>had</id><url>file://%2$s</url><releases><checksumPolicy>ignore</checksumPolicy></releases><snapshots><enabled>false</enabled></snapshots></repository>
                          </repositories>
                          <pluginRepositories>
                            <pluginRepository><id>had</id><url>file://%2$s</url><releases><checksumPolicy>ignore</checksumPolicy></releases><snapshots><enabled>false</enabled></snapshots></pluginRepository>
                          </pluginRepositories>
                        </profile>
                      </profiles>
                      <activeProfiles><activeProfile>examples</activeProfile></activeProfiles>
                    </settings>
                    """.formatted(
                        PLACE, System.getProperty("localRepository",
                                Path.of(System.getProperty("user.home"), ".m2", "repository").toString())));
    }

    private static void publish(Path repository, String artifact, String type, Path file) throws IOException {
        Path folder = Files.createDirectories(repository.resolve(artifact).resolve(VERSION));
        Files.copy(file, folder.resolve(artifact + "-" + VERSION + "." + type));
    }

    /** The jar that a type is in, or one of the classes where they are in a folder yet. */
    private static Path jar(Class<?> type) throws IOException, URISyntaxException {
        Path place = Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
        if (Files.isRegularFile(place)) {
            return place;
        }
        Path jar = PLACE.resolve(type.getSimpleName() + ".jar");
        StringWriter out = new StringWriter();
        PrintWriter printer = new PrintWriter(out);
        assertThat(ToolProvider.findFirst("jar").orElseThrow().run(printer, printer, "--create", "--file",
                jar.toString(), "-C", place.toString(), ".")).as(out.toString()).isZero();
        return jar;
    }

    private static List<String> examples() throws IOException {
        try (Stream<Path> all = Files.list(EXAMPLES)) {
            return all.filter(folder -> Files.exists(folder.resolve("pom.xml")))
                    .map(folder -> folder.getFileName().toString()).sorted().toList();
        }
    }

    @ParameterizedTest
    @MethodSource("examples")
    void anExampleIsBuiltAsAProjectOfItsOwnAndDoesAsItsPageSays(String name) throws Exception {
        Path project = PLACE.resolve(name);
        if (!isBuilt(project)) {
            skipIfLacking(name, build.out());
        }
        assertThat(isBuilt(project)).as(build.out()).isTrue();
        assertThat(build.out()).doesNotContain("WARNING");
        assertThat(testsOf(project)).isPositive();
        Path page = project.resolve("README.md");
        if (Files.exists(page)) {
            for (MatchResult block : CONSOLE.matcher(Files.readString(page)).results().toList()) {
                doAsWritten(project, block.group(1));
            }
        }
    }

    /** Whether the jar is there, which is packed when all tests have passed. */
    private static boolean isBuilt(Path project) throws IOException {
        if (!Files.isDirectory(project.resolve("target"))) {
            return false;
        }
        try (Stream<Path> files = Files.list(project.resolve("target"))) {
            return files.anyMatch(file -> file.toString().endsWith(".jar"));
        }
    }

    /** Ends the test here if the build wants an artifact of others that cannot be had. */
    private static void skipIfLacking(String name, String out) {
        LACKING.matcher(out).results().map(found -> found.group(1) != null ? found.group(1) : found.group(2))
                .filter(artifact -> !artifact.startsWith("io.blkmq:")).findFirst().ifPresent(artifact -> {
                    String reason = "skipped: the example " + name + " needs " + artifact
                            + ", which cannot be had here";
                    IO.println(reason);
                    Assumptions.abort(reason);
                });
    }

    /** How many tests have passed. */
    private static int testsOf(Path project) throws IOException {
        int passed = 0;
        try (Stream<Path> reports = Files.list(project.resolve("target").resolve("surefire-reports"))) {
            for (Path report : reports.filter(file -> file.toString().endsWith(".xml")).toList()) {
                List<MatchResult> found = TESTS.matcher(Files.readString(report)).results().toList();
                assertThat(found).as(report.toString()).hasSize(1);
                passed += Integer.parseInt(found.getFirst().group(1)) - Integer.parseInt(found.getFirst().group(2));
            }
        }
        return passed;
    }

    /** Runs the commands of a block, each of which prints the lines that follow it. */
    private static void doAsWritten(Path project, String block) throws Exception {
        List<String> printed = new ArrayList<>();
        for (String line : block.lines().toList()) {
            if (line.startsWith("$ ")) {
                Run run = run(project, "bash", "-c", line.substring(2));
                assertThat(run.exit()).as(line + "\n" + run.out()).isZero();
                printed.add(line);
                printed.addAll(run.out().lines().toList());
            }
        }
        assertThat(printed).isEqualTo(block.lines().toList());
    }

    private static Run run(Path directory, String... command) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true);
        String home = System.getProperty("java.home");
        builder.environment().put("JAVA_HOME", home);
        builder.environment().put("PATH", Path.of(home, "bin") + ":" + System.getenv("PATH"));
        // Maven's own libraries are no matter of ours, and it does not run for long.
        builder.environment().put("MAVEN_OPTS", "--sun-misc-unsafe-memory-access=allow"
                + " --enable-native-access=ALL-UNNAMED -XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
        Process process = builder.start();
        try {
            String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor(600, TimeUnit.SECONDS)).as(out).isTrue();
            return new Run(process.exitValue(), out);
        } finally {
            process.destroyForcibly();
        }
    }

    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> all = Files.walk(from)) {
            for (Path each : all.filter(path -> !from.relativize(path).startsWith("target")).toList()) {
                Path copy = to.resolve(from.relativize(each).toString());
                if (Files.isDirectory(each)) {
                    Files.createDirectories(copy);
                } else {
                    Files.copy(each, copy, StandardCopyOption.COPY_ATTRIBUTES);
                }
            }
        }
    }

    private static void delete(Path folder) throws IOException {
        if (Files.exists(folder)) {
            try (Stream<Path> all = Files.walk(folder)) {
                all.sorted(Comparator.reverseOrder()).forEach(path -> {
                    try {
                        Files.delete(path);
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                });
            }
        }
    }
}
