package io.blkmq.testkit.provider;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.NumberProperty;
import io.blkmq.testing.RandomSeed;
import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Random programs of file operations, each step on the JDK's own file system and on one in memory, which return and throw alike. */
class BesideTheJdkTest {
    private static final int PROGRAMS = NumberProperty.of("blkmq.file.programs", 40);
    private static final int STEPS = 250;
    /** The whole tree is compared after so many steps, or after each one when a seed is replayed. */
    private static final int LOOK_EVERY = 10;

    @TempDir
    private Path folder;

    private static TreeFileSystem memory(Path folder) throws IOException {
        int uid = (Integer) Files.getAttribute(folder, "unix:uid");
        int gid = (Integer) Files.getAttribute(folder, "unix:gid");
        FileTree tree = new FileTree(1 << 26, () -> 0, uid, gid);
        return MemoryFileSystemProvider.newFileSystem("beside", tree, uid, gid, false);
    }

    @Test
    void everyStepOfEveryProgramHasOneOutcome() throws IOException {
        Map<String, Integer> outcomes = new HashMap<>();
        for (int program = 0; program < PROGRAMS; program++) {
            long seed = RandomSeed.next(BesideTheJdkTest.class);
            Path root = Files.createDirectories(folder.resolve("program" + program + "/root"));
            try (TreeFileSystem fileSystem = memory(folder)) {
                Side jdk = new Side(root);
                Side memory = new Side(Files.createDirectories(fileSystem.getPath(root.toString())));
                try {
                    run(seed, jdk, memory, outcomes);
                } finally {
                    jdk.closeAll();
                    memory.closeAll();
                }
                assertThat(fileSystem.openFiles()).isEmpty();
                assertThat(fileSystem.tree().heldFiles()).isEmpty();
            }
        }
        assertThat(outcomes).as("kinds of outcomes that were met").hasSizeGreaterThan(12);
        System.out.println(outcomes);
    }

    private static void run(long seed, Side jdk, Side memory, Map<String, Integer> outcomes) throws IOException {
        RandomFileProgram program = new RandomFileProgram(seed);
        List<String> done = new ArrayList<>();
        for (int i = 0; i < STEPS; i++) {
            RandomFileProgram.Named step = program.next();
            String expected = jdk.outcome(step.step());
            done.add(step.text() + " => " + expected);
            String what = "seed " + seed + ", replay with: " + RandomSeed.replay(BesideTheJdkTest.class, seed) + "\n"
                    + String.join("\n", done);
            assertThat(memory.outcome(step.step())).as(what).isEqualTo(expected);
            if (i % LOOK_EVERY == 0 || RandomSeed.isGiven()) {
                assertThat(memory.everything()).as(what).isEqualTo(jdk.everything());
            }
            outcomes.merge(expected.contains("Exception") ? expected.split(":", 2)[0] : "result", 1, Integer::sum);
        }
    }
}
