package io.blkmq.testing;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * A page of the documentation, whose examples are compiled and run from the page's own text. A fenced block that is marked as
 * {@code java} is an example, and one that is marked as {@code console} shows commands, each behind {@code $}, and what they print.
 */
public final class DocPage {
    private static final Pattern BLOCK = Pattern.compile("^```(\\w+)\\n(.*?)^```$", Pattern.DOTALL | Pattern.MULTILINE);

    private record Block(String language, String text) {}

    private final String name;
    private final String text;
    private final List<Block> blocks;

    private DocPage(String name, String text, List<Block> blocks) {
        this.name = name;
        this.text = text;
        this.blocks = blocks;
    }

    /** Reads a page; its name begins at the root of the repository. */
    public static DocPage read(String name) throws IOException {
        String text = Files.readString(Path.of("..").resolve(name));
        List<Block> blocks = BLOCK.matcher(text).results()
                .map((MatchResult found) -> new Block(found.group(1), found.group(2))).toList();
        return new DocPage(name, text, blocks);
    }

    /** The example that begins to declare a class of that name, or a module. */
    public String example(String declaration) {
        return blocks.get(indexOf(declaration)).text();
    }

    private int indexOf(String declaration) {
        Pattern begin = Pattern.compile("^(final )?" + Pattern.quote(declaration) + "\\b", Pattern.MULTILINE);
        for (int i = 0; i < blocks.size(); i++) {
            if (blocks.get(i).language().equals("java") && begin.matcher(blocks.get(i).text()).find()) {
                return i;
            }
        }
        throw new AssertionError(name + " has no example with " + declaration);
    }

    /** The page says that an example prints this: the next console block behind it, without the commands. */
    public List<String> printedBy(String declaration) {
        return blocks.stream().skip(indexOf(declaration)).filter(block -> block.language().equals("console"))
                .findFirst()
                .orElseThrow(() -> new AssertionError(name + " does not say what " + declaration + " prints")).text()
                .lines().filter(line -> !line.startsWith("$ ")).toList();
    }

    /** The next block behind an example that is marked as a language. */
    public String printedBy(String declaration, String language) {
        return blocks.stream().skip(indexOf(declaration)).filter(block -> block.language().equals(language)).findFirst()
                .orElseThrow(() -> new AssertionError(name + " has no " + language + " behind " + declaration)).text();
    }

    /** Writes an example to a folder, under the name of its class. */
    public Path write(String className, Path directory) throws IOException {
        return Files.writeString(directory.resolve(className + ".java"), example("class " + className));
    }

    /**
     * Compiles and runs a source, with those beside it that it needs. Returns the lines that it prints.
     */
    public static List<String> run(Path source, String... arguments) throws IOException, InterruptedException {
        return run("java", commandOf(source, arguments));
    }

    /** Compiles a source with those beside it, and returns the arguments of the java that runs it: the compiler of this process is warm. */
    private static List<String> commandOf(Path source, String... arguments) throws IOException {
        Path beside = Objects.requireNonNull(source.getParent());
        Path classes = Files.createTempDirectory(beside, "classes");
        StringWriter said = new StringWriter();
        PrintWriter log = new PrintWriter(said);
        assertThat(ToolProvider.findFirst("javac").orElseThrow().run(log, log, "-proc:none", "-d", classes.toString(),
                "-cp", JavaProcess.classPath(), "-sourcepath", beside.toString(), source.toString())).as(said::toString)
                .isZero();
        String name = source.getFileName().toString();
        return Stream.concat(Stream.of("--enable-native-access=ALL-UNNAMED", "-cp",
                classes + File.pathSeparator + JavaProcess.classPath(),
                name.substring(0, name.length() - ".java".length())), Stream.of(arguments)).toList();
    }

    /** Runs a program of the JDK, and demands that it ends well and has no errors to tell. Returns the lines that it prints. */
    public static List<String> run(String tool, List<String> arguments) throws IOException, InterruptedException {
        return run(JavaProcess.of(tool, arguments));
    }

    /** Runs a process, and demands that it ends well and has no errors to tell. Returns the lines that it prints. */
    public static List<String> run(ProcessBuilder command) throws IOException, InterruptedException {
        Path errors = Files.createTempFile("blkmq", ".err");
        try {
            Process process = command.redirectError(errors.toFile()).start();
            List<String> printed = printed(process);
            int exit = process.waitFor();
            assertThat(Files.readString(errors)).as("errors of " + command.command()).isEmpty();
            assertThat(exit).as(String.join("\n", printed)).isZero();
            return printed;
        } finally {
            Files.delete(errors);
        }
    }

    /** Compiles and runs a source, and demands that it fails with an exception. Returns the lines that it prints, with the errors. */
    public static List<String> failureOf(Path source) throws IOException, InterruptedException {
        Process process = JavaProcess.start(commandOf(source).toArray(String[]::new));
        List<String> printed = printed(process);
        assertThat(process.waitFor()).as(String.join("\n", printed)).isOne();
        return printed;
    }

    /** The rows of the tables below a heading, without their own headings. Each row has its cells, stripped. */
    public List<List<String>> rows(String heading) {
        List<List<String>> rows = new ArrayList<>();
        boolean within = false;
        for (String line : text.lines().toList()) {
            if (line.startsWith("#")) {
                within = line.equals(heading);
            } else if (within && line.startsWith("| ---")) {
                rows.removeLast();
            } else if (within && line.startsWith("|")) {
                rows.add(Stream.of(line.substring(1).split("\\|")).map(String::strip).toList());
            }
        }
        assertThat(rows).as(name + " has a table below " + heading).isNotEmpty();
        return rows;
    }

    /** The words of a cell that are marked as code. */
    public static List<String> names(String cell) {
        return Pattern.compile("`([^`]+)`").matcher(cell).results().map(found -> found.group(1)).toList();
    }

    private static List<String> printed(Process process) throws IOException {
        return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    }
}
