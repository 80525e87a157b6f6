package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** A public method that refuses an argument says so in its Javadoc: {@code @throws IllegalArgumentException}. Reads the sources. */
class RefusalsTest {
    private static final String REFUSES = "new IllegalArgumentException";
    private static final Pattern EXPORTS = Pattern.compile("^    exports ([\\w.]+)", Pattern.MULTILINE);
    private static final Pattern PUBLIC_TYPE = Pattern.compile("^public ", Pattern.MULTILINE);
    /** A comment, annotations, a signature, and a body that ends where it began. */
    private static final Pattern METHOD = Pattern
            .compile("\\n( +)(/\\*\\*(?:(?!\\*/).)*?\\*/)\\n(?: +@\\w+(?:\\([^)]*\\))?\\n)*"
                    + " +public ([^;{=]*?\\([^{;]*\\)[^{;]*)\\{\\n(.*?)\\n\\1\\}", Pattern.DOTALL);
    private static final Pattern HELPER = Pattern
            .compile("\\n( +)private [^;{=(]* (\\w+)\\([^;{]*\\)[^;{]*\\{\\n(.*?)\\n\\1\\}", Pattern.DOTALL);
    private static final Pattern TYPE = Pattern.compile("\\b(?:class|interface|enum|record)\\b");

    /** It shares a helper with others, to which it passes zeroes. */
    private static final String REFUSES_NOTHING = "Kiocb.java: Kiocb prepareSync";

    @Test
    void whoRefusesAnArgumentSaysSo() throws IOException {
        List<String> silent = new ArrayList<>();
        int refusing = 0;
        for (Path source : exported()) {
            String text = Files.readString(source);
            for (MatchResult method : refusing(text)) {
                refusing++;
                if (!says(method.group(2))) {
                    silent.add(source.getFileName() + ": " + method.group(3).strip().replaceAll("\\s+", " "));
                }
            }
        }
        assertThat(silent).singleElement().asString().startsWith(REFUSES_NOTHING);
        assertThat(refusing).isGreaterThan(60);
    }

    @Test
    void whoIsSilentIsFound() {
        String body = ") {\n        if (value < 1) {\n            throw new IllegalArgumentException(\"\" + value);\n        }\n    }\n";
        String silent = "\n    /** Sets it. */\n    public void set(int value" + body;
        assertThat(refusing(silent)).hasSize(1).noneMatch(method -> says(method.group(2)));
        String byAnother = "\n    /** Sets it. */\n    public void set(int value) {\n        require(value);\n    }\n\n"
                + "    private static void require(int value" + body;
        assertThat(refusing(byAnother)).hasSize(1);
        assertThat(refusing(
                "\n    /** Sets it. */\n    public void set(int value) {\n        this.value = value;\n    }\n"))
                .isEmpty();
    }

    private static boolean says(String comment) {
        return comment.contains("IllegalArgumentException") || comment.contains("@inheritDoc")
                || comment.contains("{@return");
    }

    private static List<MatchResult> refusing(String text) {
        Set<String> helpers = HELPER.matcher(text).results().filter(helper -> helper.group(3).contains(REFUSES))
                .map(helper -> helper.group(2)).collect(Collectors.toSet());
        Pattern calls = Pattern.compile("(?<![.\\w])(?:" + String.join("|", helpers) + ")\\(");
        return METHOD.matcher(text).results().filter(method -> !TYPE.matcher(method.group(3)).find())
                .filter(method -> method.group(4).contains(REFUSES)
                        || (!helpers.isEmpty() && calls.matcher(method.group(4)).find()))
                .toList();
    }

    /** The public types of what the modules export. */
    private static List<Path> exported() throws IOException {
        List<Path> sources = new ArrayList<>();
        try (Stream<Path> modules = Files.list(Path.of(".."))) {
            for (Path module : modules.map(folder -> folder.resolve("src/main/java"))
                    .filter(folder -> Files.exists(folder.resolve("module-info.java"))).sorted().toList()) {
                for (MatchResult export : EXPORTS.matcher(Files.readString(module.resolve("module-info.java")))
                        .results().toList()) {
                    try (Stream<Path> files = Files.list(module.resolve(export.group(1).replace('.', '/')))) {
                        sources.addAll(files.filter(file -> file.toString().endsWith(".java")).toList());
                    }
                }
            }
        }
        List<Path> types = new ArrayList<>();
        for (Path source : sources) {
            if (PUBLIC_TYPE.matcher(Files.readString(source)).find()) {
                types.add(source);
            }
        }
        return types;
    }
}
