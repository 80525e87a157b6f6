package io.blkmq.tools;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Command;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.runs.Mutations;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What {@code stress/mutate} says of the mutations of a small project. */
@BesideOthers
@Timeout(600)
class MutationsTest {
    private static final String SOURCE = "tools/src/main/java/small/Answer.java";
    private static final String ANSWER = """
        package small;

        public final class Answer {
            private Answer() {}

            /** The answer. */
            public static int answer() {
                return new Object() {
                    int six = 6;
                }.six * 7;
            }
        }
        """;

    @TempDir
    private Path root = Path.of("");

    private record Run(int status, String out) {}

    @BeforeEach
    void makeAProject() throws IOException {
        Command.require("patch");
        write(SOURCE, ANSWER);
        write("tools/src/test/java/small/AnswerTest.java", """
            package small;

            import org.junit.jupiter.api.Assertions;
            import org.junit.jupiter.api.Assumptions;
            import org.junit.jupiter.api.Test;

            class AnswerTest {
                @Test
                void isRight() {
                    Assertions.assertEquals(42, Answer.answer());
                }

                @Test
                void isPositive() {
                    Assertions.assertTrue(Answer.answer() > 0);
                }

                @Test
                void isNeverAskedFor() {
                    Assumptions.abort("as if the machine lacked something");
                }
            }
            """);
        for (String module : List.of("tools", "stress")) {
            write(module + "/pom.xml", "<project><blkmq.test.modulePath>false</blkmq.test.modulePath>"
                    + "<blkmq.test.options>-Dsmall=true -XX:TieredStopAtLevel=1</blkmq.test.options></project>");
            Files.createDirectories(root.resolve("built").resolve(module).resolve("classes"));
            Files.createDirectories(root.resolve("built").resolve(module).resolve("test-classes"));
            write("built/" + module + "/classpath", JavaProcess.classPath());
        }
        write("pom.xml", "<project/>");
        compile(root.resolve("built/tools/classes"), JavaProcess.classPath(), root.resolve(SOURCE));
        compile(root.resolve("built/tools/test-classes"),
                JavaProcess.classPath() + ":" + root.resolve("built/tools/classes"),
                root.resolve("tools/src/test/java/small/AnswerTest.java"));
    }

    private void write(String file, String content) throws IOException {
        Path path = root.resolve(file);
        Files.createDirectories(Objects.requireNonNull(path.getParent()));
        Files.writeString(path, content);
    }

    private static void compile(Path into, String classPath, Path file) {
        StringWriter said = new StringWriter();
        PrintWriter log = new PrintWriter(said);
        assertThat(ToolProvider.findFirst("javac").orElseThrow().run(log, log, "-proc:none", "-d", into.toString(),
                "-cp", classPath, file.toString())).as(said::toString).isZero();
    }

    /** A mutation of the line with the answer. */
    private void mutation(String name, String watcher, String line) throws IOException {
        write("stress/mutations/" + name + ".patch",
                "Breaks: the answer\nCaught by: " + watcher + "\n\n--- a/" + SOURCE + "\n+++ b/" + SOURCE + "\n"
                        + "@@ -9,3 +9,3 @@\n             int six = 6;\n-        }.six * 7;\n+" + line + "\n     }\n");
    }

    private Run mutate(String... names) throws IOException, InterruptedException {
        List<String> arguments = new ArrayList<>(List.of("stress tools", "20", "1", root.toString()));
        arguments.addAll(List.of(names));
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        int status = Mutations.run(out, arguments.toArray(String[]::new));
        return new Run(status, bytes.toString(StandardCharsets.UTF_8));
    }

    @Test
    void eachIsCaughtOrSurvivesAndLeavesNothingBehind() throws Exception {
        mutation("wrong", "tools AnswerTest#isRight", "        }.six * 8;");
        mutation("unseen", "tools AnswerTest#isPos*", "        }.six * 9;");
        mutation("without-end", "tools AnswerTest#isRight",
                "        }.six * (int) new java.util.concurrent.locks.ReentrantLock() {"
                        + " { lock(); try { newCondition().awaitUninterruptibly(); } finally { unlock(); } } }.hashCode();");
        Run run = mutate();
        assertThat(run.out).containsPattern("SURVIVED +\\[1 of 3] unseen \\(tools AnswerTest#isPos\\*\\): the answer")
                .containsPattern("caught +\\[2 of 3] without-end .*: it hangs: no end in 20 s")
                .containsPattern("caught +\\[3 of 3] wrong .*: isRight .*42.*48")
                .contains("2 caught, 1 survived, 0 not usable");
        assertThat(run.status).as(run.out).isEqualTo(1);
        assertThat(root.resolve(SOURCE)).hasContent(ANSWER);
    }

    @Test
    void allCaught() throws Exception {
        mutation("wrong", "tools AnswerTest", "        }.six * 8;");
        mutation("unseen", "tools AnswerTest#isPositive", "        }.six * 9;");
        Run run = mutate("wrong");
        assertThat(run.status).as(run.out).isZero();
        assertThat(run.out).contains("1 caught, 0 survived, 0 not usable").doesNotContain("unseen");
    }

    @Test
    void whatCannotBeUsedIsToldAndIsNotCaught() throws Exception {
        mutation("of-other-code", "tools AnswerTest", "        }.six * 8;");
        Path patch = root.resolve("stress/mutations/of-other-code.patch");
        Files.writeString(patch, Files.readString(patch).replace("six = 6", "seven = 7"));
        mutation("does-not-compile", "tools AnswerTest", "        }.seven;");
        mutation("wrong", "tools AnswerTest", "        }.six * 8;");
        Run run = mutate();
        assertThat(run.out)
                .containsPattern("unusable +.*does-not-compile .*: it does not compile: .*cannot find symbol")
                .containsPattern("unusable +.*of-other-code .*: it does not apply: ")
                .containsPattern("caught +.*wrong ").contains("1 caught, 0 survived, 2 not usable");
        assertThat(run.status).as(run.out).isEqualTo(2);
        assertThat(root.resolve(SOURCE)).hasContent(ANSWER);
    }

    @Test
    void aTestThatDoesNotRunCatchesNothing() throws Exception {
        mutation("no-class", "tools NoTest", "        }.six * 8;");
        mutation("no-method", "tools AnswerTest#isWrong", "        }.six * 8;");
        mutation("skipped", "tools AnswerTest#isNeverAskedFor", "        }.six * 8;");
        Run run = mutate();
        assertThat(run.out).contains("there is no test NoTest in tools", "(tools AnswerTest#isWrong): no test matches",
                "(tools AnswerTest#isNeverAskedFor): the test was skipped").doesNotContain("caught ");
        assertThat(run.status).as(run.out).isEqualTo(2);
    }

    @Test
    void aTestThatFailsAnywayCatchesNothing() throws Exception {
        mutation("wrong", "tools AnswerTest#isRight", "        }.six * 8;");
        compile(root.resolve("built/tools/classes"), JavaProcess.classPath(),
                Files.writeString(root.resolve(SOURCE), ANSWER.replace("* 7", "* 6")));
        Run run = mutate();
        assertThat(run.out).contains("fails without any mutation: (tools AnswerTest#isRight): isRight")
                .doesNotContain("caught");
        assertThat(run.status).as(run.out).isEqualTo(1);
    }

    @Test
    void aPatchSaysWhatItIsCaughtByAndChangesMainSourcesAlone() throws Exception {
        mutation("wrong", "elsewhere AnswerTest", "        }.six * 8;");
        assertThat(mutate("wrong")).isEqualTo(
                new Run(2, "mutate: wrong.patch: a test is of kind races or of a module, and not 'elsewhere'\n"));
        write("stress/mutations/wrong.patch", "Breaks: the answer\nCaught by: tools\n");
        assertThat(mutate("wrong").out).contains("wrong.patch does not say what it is caught by");
        write("stress/mutations/wrong.patch",
                "Breaks: the answer\nCaught by: tools AnswerTest\n\n+++ b/tools/pom.xml\n");
        assertThat(mutate("wrong").out).contains("a mutation changes src/main/java of modules");
        assertThat(mutate("right").out).contains("there is no stress/mutations/right.patch");
    }
}
