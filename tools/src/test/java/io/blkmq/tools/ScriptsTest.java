package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.Command;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.runs.Mutation;
import io.blkmq.testing.runs.Soak;
import io.blkmq.testing.BesideOthers;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.Optional;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The scripts of {@code bin}, {@code bench} and {@code stress}, each in a folder of its own, with small scripts in the place of the programs
 * that it calls: they write down their arguments.
 */
@BesideOthers
@Timeout(300)
class ScriptsTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final String FIGURES = "{\"jobs\": [{\"read\": {\"iops\": 1}}]}";

    @TempDir
    private Path temporary = Path.of("");

    /** The project, where a script finds what it needs. */
    private Path project;
    /** Programs of the PATH. */
    private Path programs;
    private Path calls;
    private final Map<String, String> environment = new HashMap<>();

    private record Run(int status, String out) {}

    @BeforeEach
    void makeAProject() throws IOException {
        Command.require("bash", "python3");
        temporary = temporary.toRealPath();
        project = Files.createDirectory(temporary.resolve("project"));
        programs = Files.createDirectory(temporary.resolve("programs"));
        calls = Files.createFile(temporary.resolve("calls"));
        environment.put("PATH", programs + ":" + System.getenv("PATH"));
    }

    private void take(String... scripts) throws IOException {
        for (String script : scripts) {
            Path copy = project.resolve(script);
            Files.createDirectories(Objects.requireNonNull(copy.getParent()));
            Files.copy(ROOT.resolve(script), copy, StandardCopyOption.COPY_ATTRIBUTES);
        }
    }

    /** A program that writes down its name and arguments, and does something. */
    private void program(Path file, String does) throws IOException {
        Files.createDirectories(Objects.requireNonNull(file.getParent()));
        Files.writeString(file, "#!/bin/sh\necho \"${0##*/} $*\" >> '" + calls + "'\n" + does + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private void programs(String does, String... names) throws IOException {
        for (String name : names) {
            program(programs.resolve(name), does);
        }
    }

    /** A JDK whose java does something else. */
    private Path jdk(String name, int version, String does) throws IOException {
        Path jdk = Files.createDirectory(temporary.resolve(name));
        Files.writeString(jdk.resolve("release"), "JAVA_VERSION=\"" + version + ".0.1\"\n");
        program(jdk.resolve("bin").resolve("java"), does);
        return jdk;
    }

    private Process begin(String script, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(project.resolve(script).toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).directory(temporary.toFile()).redirectErrorStream(true);
        builder.environment().remove("JAVA_HOME");
        builder.environment().putAll(environment);
        return builder.start();
    }

    private Run run(String script, String... arguments) throws IOException, InterruptedException {
        Process process = begin(script, arguments);
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), out);
    }

    private List<String> calls() throws IOException {
        return Files.readAllLines(calls);
    }

    // ---- processes that end with the script

    /** What does as a daemon: a process that goes on in the background, with the file in its arguments, and its number in a file. */
    private String goesOn(String argument) {
        return "tail -f " + argument + " < /dev/null > /dev/null 2>&1 &\necho $! > '" + temporary.resolve("begun")
                + "'\nmv '" + temporary.resolve("begun") + "' '" + temporary.resolve("daemon") + "'";
    }

    private void assertThatItHasEnded() throws IOException {
        long daemon = Long.parseLong(Files.readString(temporary.resolve("daemon")).strip());
        try {
            Eventually.until("the daemon has ended", () -> !runs(daemon));
        } finally {
            ProcessHandle.of(daemon).filter(_ -> runs(daemon)).ifPresent(ProcessHandle::destroyForcibly);
        }
    }

    /** One that has ended, and that nobody has waited for, has no command any more. */
    private static boolean runs(long process) {
        return ProcessHandle.of(process).flatMap(handle -> handle.info().commandLine()).isPresent();
    }

    private void makeACeph() throws IOException {
        take("bin/ceph-small");
        programs("exit 0", "ceph-osd", "rbd", "monmaptool");
        programs("exit 1", "ceph");
        programs("case $* in *--mkfs*) exit ;; esac\n" + goesOn("\"$2\"") + "\ncp '" + temporary.resolve("daemon")
                + "' \"$(dirname \"$2\")/run/mon.a.pid\"", "ceph-mon");
    }

    @Test
    void aStartOfCephThatFailsLeavesNothingThatRuns() throws Exception {
        makeACeph();
        Run run = run("bin/ceph-small", "start", "ceph", "--seconds", "1");
        assertThat(run.status).as(run.out).isEqualTo(1);
        assertThat(run.out).contains("does not do 'osd new");
        assertThatItHasEnded();
    }

    @Test
    void aStartOfCephThatIsEndedEndsAndLeavesNothingThatRuns() throws Exception {
        makeACeph();
        Process start = begin("bin/ceph-small", "start", "ceph", "--seconds", "9999");
        try {
            Eventually.until("the monitor runs", () -> Files.exists(temporary.resolve("ceph/run/mon.a.pid")));
            start.destroy();
            assertThat(start.waitFor(120, TimeUnit.SECONDS)).isTrue();
        } finally {
            start.destroyForcibly();
        }
        assertThat(start.exitValue()).isEqualTo(143);
        assertThatItHasEnded();
    }

    /** A build may take longer than a server has, and what it has started ends with it. */
    @Test
    void theCommandIsBuiltBeforeItsServerIsMeasuredAndItsProcessesEndTogether() throws Exception {
        take("bench/nbd");
        programs("exit 0", "fio", "nbdkit");
        program(project.resolve("blkmq"), "[ \"$1\" != --version ] || exit 0\n" + goesOn("\"$0\"") + "\nexit 1");
        Run run = run("bench/nbd", "--mib", "1", "--folder", temporary.toString(), "--only", "memory", "--only",
                "randread", "--only", "1");
        assertThat(run.status).as(run.out).isEqualTo(1);
        assertThat(run.out).contains("blkmq mem does not listen");
        assertThat(calls().getFirst()).isEqualTo("blkmq --version");
        assertThatItHasEnded();
    }

    // ---- a guest

    private Path makeAGuest() throws IOException {
        take("bin/guest-kernel", "nbd/src/test/guest/init");
        programs("exit 0", "dpkg-deb", "xz", "busybox", "nbd-client", "mkfs.ext4");
        programs("echo '  Depends: linux-image-6.1'", "apt-cache");
        programs("cat > /dev/null; echo new", "cpio");
        programs("echo /etc/passwd", "ldd");
        programs("mkdir boot; echo new > boot/vmlinuz-6.1", "dpkg-deb");
        Path guest = Files.createDirectories(project.resolve("target/guest"));
        Files.writeString(guest.resolve("vmlinuz"), "old\n");
        Files.writeString(guest.resolve("initrd"), "old\n");
        return guest;
    }

    @Test
    void aGuestStaysWhereNoOtherCanBeMade() throws Exception {
        Path guest = makeAGuest();
        programs("exit 100", "apt-get");
        Run run = run("bin/guest-kernel");
        assertThat(run.status).as(run.out).isEqualTo(100);
        assertThat(guest.resolve("vmlinuz")).hasContent("old");
        assertThat(guest.resolve("initrd")).hasContent("old");
        assertThat(guest.resolveSibling("guest.new")).doesNotExist();
    }

    @Test
    void aGuestIsReplacedByAWholeOne() throws Exception {
        Path guest = makeAGuest();
        programs("touch linux-image.deb", "apt-get");
        Run run = run("bin/guest-kernel");
        assertThat(run.status).as(run.out).isZero();
        assertThat(run.out).isEqualTo(guest + "\n");
        try (Stream<Path> files = Files.list(guest)) {
            assertThat(files).containsExactlyInAnyOrder(guest.resolve("vmlinuz"), guest.resolve("initrd"));
        }
        assertThat(guest.resolve("vmlinuz")).hasContent("new");
        assertThat(guest.resolveSibling("guest.new")).doesNotExist();
    }

    // ---- the JDK

    @Test
    void theJdkIsThatOfJavaHomeOrElseThatOfThePath() throws Exception {
        take("bin/find-jdk");
        Path path = jdk("path", 26, "");
        environment.put("PATH", path.resolve("bin") + ":" + System.getenv("PATH"));
        assertThat(run("bin/find-jdk")).isEqualTo(new Run(0, path + "\n"));
        environment.put("JAVA_HOME", jdk("old", 24, "").toString());
        assertThat(run("bin/find-jdk")).isEqualTo(new Run(0, path + "\n"));
        Path home = jdk("home", 25, "");
        environment.put("JAVA_HOME", home.toString());
        assertThat(run("bin/find-jdk")).isEqualTo(new Run(0, home + "\n"));
        assertThat(calls()).isEmpty();
    }

    private static List<String> scripts() throws IOException {
        List<String> scripts = new ArrayList<>();
        for (String folder : List.of("bin", "bench", "stress")) {
            try (Stream<Path> files = Files.list(ROOT.resolve(folder))) {
                files.filter(Files::isRegularFile).filter(Files::isExecutable)
                        .forEach(file -> scripts.add(folder + "/" + file.getFileName()));
            }
        }
        assertThat(scripts).contains("stress/soak", "bin/guest-kernel");
        return scripts;
    }

    @Test
    void eachScriptSaysHowItIsUsedAndDoesNothingElse() throws Exception {
        programs("exit 1", "mvn", "java", "fio", "apt-get", "apt-cache", "mount", "losetup");
        for (String script : scripts()) {
            take(script);
            Run help = run(script, "--help");
            assertThat(help.out()).as(script).contains(script.substring(script.indexOf('/') + 1));
            assertThat(help.status()).as(script).isZero();
            Run wrong = run(script, "--no-such-option");
            assertThat(wrong.status()).as(script + ": " + wrong.out()).isBetween(1, 2);
        }
        assertThat(calls()).isEmpty();
    }

    @Test
    void theMutationsEndWithTheirBuild() throws Exception {
        take("stress/mutate", "bin/find-jdk");
        for (String module : List.of("runtime", "sim", "core", "testkit", "aio", "loop", "nbd", "rbd", "stress")) {
            Files.createDirectories(project.resolve(module).resolve("src"));
            Files.createFile(project.resolve(module).resolve("pom.xml"));
        }
        Files.createDirectories(project.resolve("testing"));
        Files.createFile(project.resolve("pom.xml"));
        Files.createDirectories(project.resolve("stress/mutations"));
        Files.writeString(project.resolve("stress/mutations/one.patch"), "Breaks: one\nCaught by: core OneTest\n");
        programs(goesOn(project.resolve("pom.xml").toString()) + "\nwait", "mvn");
        Process mutate = begin("stress/mutate", "one");
        try {
            Eventually.until("the build runs", () -> Files.exists(temporary.resolve("daemon")));
            mutate.destroy();
            assertThat(mutate.waitFor(120, TimeUnit.SECONDS)).isTrue();
        } finally {
            mutate.destroyForcibly();
        }
        assertThat(mutate.exitValue()).isEqualTo(143);
        assertThatItHasEnded();
    }

    @Test
    void noScriptLooksForAJdkItself() throws IOException {
        List<Path> scripts = new ArrayList<>(List.of(ROOT.resolve("blkmq")));
        scripts().forEach(script -> scripts.add(ROOT.resolve(script)));
        for (Path script : scripts) {
            assertThat(Files.readString(script).contains("JAVA_VERSION")).as(script.toString())
                    .isEqualTo(script.endsWith("bin/find-jdk"));
        }
    }

    @Test
    void theJdkOfThePathCountsAndMeasures() throws Exception {
        take("bin/find-jdk", "bin/upward", "bench/jmh");
        Path jdk = jdk("path", 25, "while [ $# -gt 1 ]; do [ \"$1\" != -rff ] || echo '[{\"benchmark\": \"a.B.c\","
                + " \"primaryMetric\": {\"score\": 1, \"scoreUnit\": \"ops/s\"}, \"secondaryMetrics\": {}}]' > \"$2\";"
                + " shift; done");
        environment.put("PATH", jdk.resolve("bin") + ":" + environment.get("PATH"));
        environment.put("JAVA_HOME", jdk("old", 17, "exit 1").toString());
        programs("case $* in *'worktree add'*) mkdir \"$7\" ;; esac\necho abc", "git");
        programs("exit 0", "mvn");
        Run upward = run("bin/upward", "classes");
        assertThat(upward.status).as(upward.out).isZero();
        assertThat(calls()).singleElement().asString().startsWith("java ").endsWith("Upward.java classes");
        Run jmh = run("bench/jmh", "--rounds", "1", "B.c");
        assertThat(jmh.status).as(jmh.out).isZero();
        assertThat(jmh.out).contains("1.000 (1.000 to 1.000)");
    }

    @Test
    void growthIsMeasuredInAFolderOfTheCallerByAJdkThatIsRecent() throws Exception {
        take("bin/find-jdk", "bench/growth");
        Files.createDirectories(project.resolve("jmh-benchmarks/target"));
        Files.createFile(project.resolve("jmh-benchmarks/target/benchmarks.jar"));
        Path here = Files.createDirectory(temporary.resolve("here"));
        programs("exit 1", "java");
        programs("echo '" + FIGURES + "'", "fio");
        environment.put("JAVA_HOME", jdk("home", 25, "echo '" + FIGURES + "'").toString());
        Run run = run("bench/growth", "--directory", "here", "--only", "devices");
        assertThat(run.status).as(run.out).isZero();
        assertThat(calls()).hasSize(5).first().asString().contains("--filename=" + here + "/");
        assertThat(calls().subList(1, 5)).allMatch(call -> call.contains(" directory=" + here + " "));
        assertThat(run.out).contains("blkmq, loop: java --enable-native-access=ALL-UNNAMED");
    }

    // ---- the soak

    private static List<String> words(String file, String pattern) throws IOException {
        return Pattern.compile(pattern).matcher(Files.readString(ROOT.resolve(file))).results().map(MatchResult::group)
                .flatMap(found -> Pattern.compile("(?<=['\" >])[a-z-]+(?=['\" <])").matcher(found).results())
                .map(MatchResult::group).toList();
    }

    @Test
    void theSoakKnowsAllModules() throws IOException {
        List<String> modules = new ArrayList<>(words("pom.xml", "<module>.*</module>"));
        // Without tests of their own, or with those of other people alone.
        modules.removeAll(List.of("bom", "jmh-benchmarks", "stores", "stress"));
        assertThat(words("testing/src/test/java/io/blkmq/testing/runs/Soak.java", "MODULES = List.of\\([^)]*\\)"))
                .contains("core").containsExactlyInAnyOrderElementsOf(modules);
        modules.add("stress");
        assertThat(words("stress/soak", "modules='.*'")).containsExactlyInAnyOrderElementsOf(modules);
    }

    @Test
    void eachMutationHasATestWhereItSays() throws Exception {
        Set<String> modules = new HashSet<>(words("stress/mutate", "modules='.*'"));
        try (Stream<Path> patches = Files.list(ROOT.resolve("stress/mutations"))) {
            for (Path patch : patches.toList()) {
                String name = patch.getFileName().toString();
                Mutation mutation = Mutation.read(ROOT, name.substring(0, name.lastIndexOf('.')), modules);
                for (Mutation.Watcher watcher : mutation.watchers()) {
                    // The tests of a module, and those that all modules have.
                    List<String> sources = watcher.isRace()
                            ? List.of("stress/src/main")
                            : List.of(watcher.kind() + "/src/test", "testing/src/test");
                    String type = watcher.isRace()
                            ? watcher.which().replaceFirst("\\W.*", "")
                            : watcher.which().replaceFirst("#.*", "");
                    List<Path> files = new ArrayList<>();
                    for (String folder : sources) {
                        try (Stream<Path> all = Files.walk(ROOT.resolve(folder))) {
                            all.forEach(files::add);
                        }
                    }
                    assertThat(files).as(name + ": " + watcher).anyMatch(file -> file.endsWith(type + ".java"));
                }
            }
        }
    }

    /** As the tests of some modules are. */
    @Test
    void theSoakRunsTestsOnTheClassPath() throws Exception {
        Path built = temporary.resolve("built");
        for (String module : words("stress/soak", "modules='.*'")) {
            Files.createDirectories(built.resolve(module).resolve("test-classes"));
            // Where a module was just compiled, what the soak has built of it stands for what the class path names.
            Optional<Path> compiled = Stream.of(JavaProcess.classPath().split(File.pathSeparator, -1)).map(Path::of)
                    .filter(entry -> entry.endsWith(Path.of(module, "target", "classes"))).findFirst();
            Path classes = built.resolve(module).resolve("classes");
            if (compiled.isPresent()) {
                Files.createSymbolicLink(classes, compiled.get());
            } else {
                Files.createDirectory(classes);
            }
            Files.writeString(built.resolve(module).resolve("classpath"), JavaProcess.classPath());
        }
        String name = PlainLineTest.class.getName().replace('.', '/') + ".class";
        Path test = built.resolve("tools").resolve("test-classes").resolve(name);
        Files.createDirectories(Objects.requireNonNull(test.getParent()));
        try (InputStream compiled = Objects.requireNonNull(PlainLineTest.class.getResourceAsStream("/" + name))) {
            Files.copy(compiled, test);
        }
        Path results = Files.createDirectory(temporary.resolve("results"));
        Process soak = JavaProcess.start("-cp", JavaProcess.classPath(), Soak.class.getName(), ROOT.toString(),
                built.toString(), results.toString(), "5m", "0", "1", "PlainLineTest");
        String out = new String(soak.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(soak.waitFor()).as(out).isZero();
        assertThat(Files.readString(results.resolve("summary.txt"))).containsPattern("PlainLineTest +1 +[1-9]");
    }
}
