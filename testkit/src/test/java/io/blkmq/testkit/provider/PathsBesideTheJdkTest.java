package io.blkmq.testkit.provider;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.RandomSeed;
import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Random paths and globs, of the JDK's own file system and of one in memory. */
class PathsBesideTheJdkTest {
    private static final int ROUNDS = 4_000;
    private static final String[] PARTS = {"a", "b", "ab", ".", "..", "/", "/", "//", "é", "😀", "﹏"};
    private static final String[] GLOB_PARTS = {"a", "b", "*", "**", "?", "[", "]", "[a-c]", "[!a]", "{", "}", "{a,b}",
            ",", "\\", "/", ".", "!", "-", "^", "&&", "[]", "[a", "(", "+", "[b-a]"};

    private final FileSystem jdk = FileSystems.getDefault();
    private final FileSystem memory = MemoryFileSystemProvider.newFileSystem("paths", new FileTree(0, () -> 0), 0, 0,
            false);
    private final Random random = new Random(RandomSeed.of(PathsBesideTheJdkTest.class));

    @AfterEach
    void close() throws IOException {
        memory.close();
    }

    private String random(String[] parts, int max) {
        StringBuilder text = new StringBuilder();
        for (int count = random.nextInt(max); count > 0; count--) {
            text.append(parts[random.nextInt(parts.length)]);
        }
        return text.toString();
    }

    private static String outcome(Callable<?> function) {
        try {
            return String.valueOf(function.call());
        } catch (Exception e) {
            return e.getClass().getName();
        }
    }

    private static Map<String, String> outcomes(FileSystem of, String one, String other, int index) {
        Path path = of.getPath(one);
        Path second = of.getPath(other);
        Map<String, String> found = new LinkedHashMap<>();
        found.put("text", path.toString());
        found.put("absolute", String.valueOf(path.isAbsolute()));
        found.put("root", String.valueOf(path.getRoot()));
        found.put("file name", String.valueOf(path.getFileName()));
        found.put("parent", String.valueOf(path.getParent()));
        found.put("names", path.getNameCount() + " " + outcome(() -> path.getName(index)));
        found.put("subpath",
                outcome(() -> path.subpath(index, index + 2)) + " " + outcome(() -> path.subpath(0, index)));
        found.put("normalized", path.normalize().toString());
        found.put("resolved", path.resolve(second) + " " + path.resolve(other) + " " + path.resolveSibling(second));
        found.put("relativized", outcome(() -> path.relativize(second)));
        found.put("starts", path.startsWith(second) + " " + path.startsWith(other));
        found.put("ends", path.endsWith(second) + " " + path.endsWith(other));
        found.put("order", String.valueOf(Integer.signum(path.compareTo(second))));
        found.put("equal", String.valueOf(path.equals(second)));
        found.put("more", of.getPath(one, other, "", one).toString());
        List<String> names = new ArrayList<>();
        path.forEach(name -> names.add(name.toString()));
        found.put("iterated", names.toString());
        return found;
    }

    @Test
    void aPathIsTakenApartAndPutTogetherAlike() {
        for (int round = 0; round < ROUNDS; round++) {
            String one = random(PARTS, 6);
            String other = random.nextInt(4) == 0 ? one + random(PARTS, 3) : random(PARTS, 5);
            int index = random.nextInt(4) - 1;
            assertThat(outcomes(memory, one, other, index)).as("'%s' and '%s', index %d", one, other, index)
                    .isEqualTo(outcomes(jdk, one, other, index));
        }
    }

    @Test
    void aGlobMatchesAlike() {
        String[] nameParts = {"a", "b", "c", "/", ".", "-", "!", "^", "&", ",", "]", "[", "(", "+", "é", "\\", "}"};
        for (int round = 0; round < ROUNDS; round++) {
            // The JDK takes the bracket at the end of a range for the beginning of another set.
            String glob = random(GLOB_PARTS, 5).replace("-[", "-");
            String expected = outcome(() -> jdk.getPathMatcher("glob:" + glob).toString().isEmpty());
            assertThat(outcome(() -> memory.getPathMatcher("glob:" + glob).toString().isEmpty())).as("'%s'", glob)
                    .isEqualTo(expected);
            for (int i = 0; i < 4 && expected.equals("false"); i++) {
                String name = random(nameParts, 4);
                assertThat(memory.getPathMatcher("glob:" + glob).matches(memory.getPath(name)))
                        .as("'%s' of '%s'", glob, name)
                        .isEqualTo(jdk.getPathMatcher("GLOB:" + glob).matches(jdk.getPath(name)));
            }
        }
    }
}
