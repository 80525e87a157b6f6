package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/**
 * Each command that a page names can be given as it stands: the script is there and knows the options, {@code blkmq} can read its line, and
 * job files, modules, tests, mutations, benchmarks and their parameters exist. It runs none of them.
 */
class DocCommandsTest {
    private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
    private static final Path BENCHMARKS = ROOT.resolve("jmh-benchmarks/src/main/java");
    private static final Pattern BLOCK = Pattern.compile("^```(\\w*)\\n(.*?)^```$", Pattern.DOTALL | Pattern.MULTILINE);
    private static final Pattern INLINE = Pattern.compile("`((?:\\./blkmq|blkmq|bin/|bench/|stress/|mvn )[^`\\n]*)`");
    private static final Pattern WORD = Pattern.compile("(?:[^\\s'\"]|'[^']*'|\"[^\"]*\")+");
    private static final List<String> SUBCOMMANDS = List.copyOf(new CommandLine(new Blkmq()).getSubcommands().keySet());

    private static final Set<String> OPTIONS = new CommandLine(new Blkmq()).getSubcommands().values().stream()
            .flatMap(command -> command.getCommandSpec().optionsMap().keySet().stream()).collect(Collectors.toSet());
    /** Words of a text that stand for others. */
    private static final Map<String, String> PLACES = Map.of("PID", "4711", "bash|zsh", "bash");

    private final List<String> broken = new ArrayList<>();
    private int checked;

    @Test
    void everyCommandCanBeGiven() throws IOException {
        for (Path page : DocLinksTest.pages()) {
            for (String command : commands(Files.readString(page))) {
                check(ROOT.relativize(page).toString(), page.getParent(), command);
            }
        }
        assertThat(broken).isEmpty();
        assertThat(checked).as("commands").isGreaterThan(120);
    }

    @Test
    void whatIsWrongIsFound() throws IOException {
        for (String wrong : List.of("./blkmq run --no-such-option docs/jobs/null.fio", "blkmq run docs/jobs/none.fio",
                "./blkmq nothing at all", "bin/test nomodule SbitmapTest", "bin/test core NoSuchTest",
                "bin/test core --no x", "bench/none", "bench/ratio --none 'a' 'b'",
                "bench/ratio './blkmq run docs/jobs/none.fio' 'fio x.fio'", "stress/mutate no-such-mutation",
                "stress/soak 1h NoSuchTest", "stress/filesystems --none", "mvn -B -pl nomodule verify",
                "$JMH NoSuchBenchmark -prof gc", "$JMH LoopBenchmark -p nosuch=1",
                "$JAVA io.blkmq.bench.None file=FILE", "$JAVA io.blkmq.bench.AioIops nosuch=1")) {
            broken.clear();
            check("page", ROOT, wrong);
            assertThat(broken).as(wrong).hasSize(1);
        }
    }

    /** The commands of a page: lines of blocks for a shell, those behind a prompt in a block that shows what is printed, and code in a text. */
    private static List<String> commands(String page) {
        List<String> commands = new ArrayList<>();
        for (MatchResult block : BLOCK.matcher(page).results().toList()) {
            String text = block.group(2).replace("\\\n", " ");
            if (block.group(1).equals("sh")) {
                text.lines().forEach(commands::add);
            } else if (block.group(1).equals("console")) {
                text.lines().filter(line -> line.startsWith("$ ")).map(line -> line.substring(2))
                        .forEach(commands::add);
            }
        }
        INLINE.matcher(BLOCK.matcher(page).replaceAll("")).results().map(found -> found.group(1))
                .forEach(commands::add);
        return commands;
    }

    private void check(String page, Path folder, String line) throws IOException {
        for (String command : line.replaceFirst("\\s#.*", "").split("&&|[|;](?=\\s)", -1)) {
            List<String> words = WORD.matcher(command).results().map(MatchResult::group).map(DocCommandsTest::unquoted)
                    .toList();
            if (!words.isEmpty()) {
                try {
                    check(page, folder, words);
                } catch (IllegalArgumentException e) {
                    broken.add(page + ": " + command.strip() + ": " + e.getMessage());
                }
            }
        }
    }

    private static String unquoted(String word) {
        return word.matches("'[^']*'|\"[^\"]*\"") ? word.substring(1, word.length() - 1) : word;
    }

    private void check(String page, Path folder, List<String> words) throws IOException {
        String program = words.getFirst();
        List<String> arguments = words.subList(1, words.size()).stream().filter(word -> !word.equals("&")).toList();
        checked++;
        if (program.matches("(.*/)?blkmq")) {
            checkBlkmq(arguments);
        } else if (program.equals("mvn")) {
            checkMaven(arguments);
        } else if (program.equals("$JMH")) {
            checkJmh(arguments);
        } else if (words.stream().anyMatch(word -> word.startsWith("io.blkmq.bench."))) {
            checkBenchmark(words);
        } else if (program.matches("(\\.\\./)*(bin|bench|stress)/[a-z-]+")) {
            checkScript(page, folder, program, arguments);
        } else {
            checked--;
        }
    }

    private static void require(boolean fulfilled, String otherwise) {
        if (!fulfilled) {
            throw new IllegalArgumentException(otherwise);
        }
    }

    private static void checkBlkmq(List<String> arguments) {
        // The name of a command, or of one of its options, in a text: no line to be given.
        if (arguments.isEmpty() || arguments.stream().allMatch(SUBCOMMANDS::contains)
                || (arguments.size() == 2 && OPTIONS.contains(arguments.get(1)))) {
            return;
        }
        List<String> line = arguments.stream().takeWhile(word -> !word.matches("\\d?>.*"))
                .map(word -> PLACES.getOrDefault(word, word)).toList();
        try {
            var _ = new CommandLine(new Blkmq()).parseArgs(line.toArray(String[]::new));
        } catch (CommandLine.ParameterException e) {
            throw new IllegalArgumentException(e.getMessage(), e);
        }
        line.stream().filter(word -> word.startsWith("docs/"))
                .forEach(file -> require(Files.exists(ROOT.resolve(file)), "there is no " + file));
    }

    private static void checkMaven(List<String> arguments) {
        int modules = arguments.indexOf("-pl");
        if (modules >= 0) {
            for (String module : arguments.get(modules + 1).split(",", -1)) {
                require(Files.exists(ROOT.resolve(module).resolve("pom.xml")), "there is no module " + module);
            }
        }
    }

    private void checkScript(String page, Path folder, String script, List<String> arguments) throws IOException {
        Path file = (script.startsWith("../") ? folder : ROOT).resolve(script);
        if (Files.isDirectory(file)) {
            return;
        }
        require(Files.isExecutable(file), "there is no such script");
        String text = Files.readString(file);
        for (String argument : arguments) {
            require(!argument.startsWith("--") || Pattern.compile(Pattern.quote(argument) + "\\b").matcher(text).find()
                    || text.contains(argument.substring(2) + ")") || text.contains(argument + " |"),
                    "no option " + argument);
        }
        List<String> named = withoutOptions(arguments);
        switch (file.getFileName().toString()) {
            case "test" -> checkTests(named);
            case "soak" -> named.stream().skip(1).forEach(test -> requireTest("*", test));
            case "mutate" ->
                named.forEach(name -> require(Files.exists(ROOT.resolve("stress/mutations/" + name + ".patch")),
                        "there is no mutation " + name));
            case "ratio" -> {
                for (String command : arguments) {
                    if (command.contains(" ")) {
                        check(page, folder, command);
                    }
                }
            }
            case "jmh" -> {
                if (!arguments.isEmpty()) {
                    int own = arguments.indexOf("--against") + 2;
                    checkJmh(arguments.subList(own, arguments.size()));
                }
            }
            default -> {
                // Its options are all.
            }
        }
    }

    /** Arguments that are no options, nor their values. */
    private static List<String> withoutOptions(List<String> arguments) {
        List<String> named = new ArrayList<>();
        for (int i = 0; i < arguments.size(); i++) {
            if (arguments.get(i).equals("--help")) {
                return List.of();
            }
            if (arguments.get(i).startsWith("-")) {
                i += arguments.get(i).matches("-D\\S+") ? 0 : 1;
            } else {
                named.add(arguments.get(i));
            }
        }
        return named;
    }

    private static void checkTests(List<String> named) {
        if (named.isEmpty() || named.getFirst().equals("MODULE") || named.getFirst().equals("races")) {
            return;
        }
        require(Files.exists(ROOT.resolve(named.getFirst()).resolve("pom.xml")),
                "there is no module " + named.getFirst());
        named.stream().skip(1).filter(test -> !test.startsWith("["))
                .forEach(test -> requireTest(named.getFirst(), test));
    }

    private static void requireTest(String module, String test) {
        String name = test.replaceFirst("#.*", "");
        PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + name + ".java");
        List<Path> modules = new ArrayList<>();
        try (Stream<Path> all = Files.list(ROOT)) {
            all.filter(folder -> module.equals("*") || folder.getFileName().toString().equals(module))
                    .forEach(modules::add);
        } catch (IOException e) {
            throw new IllegalArgumentException(e);
        }
        require(modules.stream()
                .flatMap(
                        folder -> Stream.of("src/test/java", "src/contract/java", "src/main/java").map(folder::resolve))
                .anyMatch(sources -> hasFile(sources, file -> matcher.matches(file.getFileName()))),
                "there is no test " + name);
    }

    private static boolean hasFile(Path folder, Predicate<Path> which) {
        if (!Files.isDirectory(folder)) {
            return false;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(file -> file.toString().endsWith(".java")).anyMatch(which);
        } catch (IOException e) {
            throw new IllegalArgumentException(e);
        }
    }

    private static void checkJmh(List<String> arguments) throws IOException {
        String text = sources();
        for (String name : arguments.getFirst().split("\\|", -1)) {
            require(hasFile(BENCHMARKS, file -> file.getFileName().toString().contains(name.replaceFirst("\\..*", ""))),
                    "there is no benchmark " + name);
        }
        for (int i = 1; i < arguments.size(); i++) {
            if (arguments.get(i - 1).equals("-p")) {
                String parameter = arguments.get(i).replaceFirst("=.*", "");
                require(Pattern.compile("@Param\\([^;]*\\b" + parameter + "\\b").matcher(text).find(),
                        "no benchmark has a parameter " + parameter);
            }
        }
    }

    /** A program whose arguments are words with a value each. */
    private static void checkBenchmark(List<String> words) throws IOException {
        String text = sources();
        int program = 0;
        while (!words.get(program).startsWith("io.blkmq.bench.")) {
            program++;
        }
        String name = words.get(program);
        require(Files.exists(BENCHMARKS.resolve(name.replace('.', '/') + ".java")), "there is no " + name);
        for (String word : words.subList(program + 1, words.size())) {
            require(!word.matches("[a-z]+=.*") || text.contains('"' + word.replaceFirst("=.*", "") + '"'),
                    "no program knows " + word);
        }
    }

    private static String sources() throws IOException {
        StringBuilder text = new StringBuilder();
        try (Stream<Path> files = Files.walk(BENCHMARKS)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                text.append(Files.readString(file));
            }
        }
        return text.toString();
    }
}
