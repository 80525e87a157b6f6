package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.DocPage;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.NoRescues;
import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.spi.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The examples of the README, from its own text: Java compiles and runs them, and they print what the README says and nothing else. */
@BesideOthers
@NoRescues
class ReadmeTest {
    private static final int LINES_OF_A_DISK_MAX = 10;
    private static final String MODULES = System.getProperty("jdk.module.path");

    @TempDir
    private Path directory;

    @Test
    void aDiskInTenLinesPrintsWhatTheReadmeSays() throws Exception {
        DocPage readme = DocPage.read("README.md");
        String example = readme.example("class Hello");
        // Without the class and the imports.
        assertThat(example.lines().filter(line -> line.startsWith("        ")).count())
                .isLessThanOrEqualTo(LINES_OF_A_DISK_MAX);

        // As its command does: from the source.
        assertThat(DocPage.run("java",
                List.of("--enable-native-access=ALL-UNNAMED", "-cp", JavaProcess.classPath(),
                        readme.write("Hello", directory).toString(), image().toString())))
                .isEqualTo(readme.printedBy("class Hello"));
    }

    @Test
    void theSameRunsAsAModule() throws Exception {
        DocPage readme = DocPage.read("README.md");
        Path hello = compile(readme.example("module hello"), "package hello;\n" + readme.example("class Hello"),
                MODULES);

        assertThat(DocPage.run("java",
                List.of("--module-path", MODULES + File.pathSeparator + hello, "--enable-native-access=io.blkmq.aio",
                        "--module", "hello/hello.Hello", image().toString())))
                .isEqualTo(readme.printedBy("class Hello"));
    }

    /** A module without a descriptor, as Agrona, could be no part of the image. */
    @Test
    void theSameRunsFromARunTimeImage() throws Exception {
        DocPage readme = DocPage.read("README.md");
        Path hello = compile(readme.example("module hello"), "package hello;\n" + readme.example("class Hello"),
                MODULES);
        Path agents = compile("module agents { requires io.blkmq.aio; }", """
            package agents;
            import io.blkmq.aio.*;
            class Agents {
                public static void main(String[] none) {
                    try {
                        AioEngineConfig.builder().completionMode(CompletionMode.AGENT).build();
                    } catch (IllegalStateException e) {
                        System.out.println(e.getMessage());
                    }
                }
            }
            """, MODULES);
        Path java = directory.resolve("java");
        assertThat(DocPage.run("jlink",
                List.of("--module-path", MODULES + File.pathSeparator + hello + File.pathSeparator + agents,
                        "--add-modules", "hello,agents", "--output", java.toString())))
                .isEmpty();

        String command = java.resolve("bin/java").toString();
        assertThat(DocPage.run(new ProcessBuilder(command, "--enable-native-access=io.blkmq.aio", "--module",
                "hello/hello.Hello", image().toString()))).isEqualTo(readme.printedBy("class Hello"));
        assertThat(DocPage.run(new ProcessBuilder(command, "--module", "agents/agents.Agents")))
                .containsExactly("completion mode AGENT needs org.agrona.concurrent.Agent, which is not there:"
                        + " a module that uses it has 'requires org.agrona'");
    }

    /** A module of one class, compiled; the folder of its classes. */
    private Path compile(String moduleInfo, String program, String modulePath) throws Exception {
        String name = moduleInfo.replaceFirst("(?s).*module (\\w+) .*", "$1");
        Path sources = Files.createDirectories(directory.resolve(name + "-sources"));
        Path source = Files.writeString(sources.resolve(name + ".java"), program);
        Path module = Files.writeString(sources.resolve("module-info.java"), moduleInfo);
        Path classes = directory.resolve(name + "-classes");
        StringWriter said = new StringWriter();
        PrintWriter log = new PrintWriter(said);
        assertThat(ToolProvider.findFirst("javac").orElseThrow().run(log, log, "--module-path", modulePath, "-d",
                classes.toString(), source.toString(), module.toString())).as(said::toString).isZero();
        assertThat(said.toString()).isEmpty();
        return classes;
    }

    @Test
    void aBrokenDiskPrintsWhatTheReadmeSays() throws Exception {
        DocPage readme = DocPage.read("README.md");
        assertThat(DocPage.run(readme.write("BreakIt", directory))).isEqualTo(readme.printedBy("class BreakIt"));
    }

    private Path image() throws IOException {
        Path image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(1 << 20);
        }
        return image;
    }
}
