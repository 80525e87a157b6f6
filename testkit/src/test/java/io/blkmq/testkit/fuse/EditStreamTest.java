package io.blkmq.testkit.fuse;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.RandomSeed;
import io.blkmq.testkit.tree.Attributes;
import io.blkmq.testkit.tree.DirectoryEntry;
import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.Kind;
import io.blkmq.testkit.tree.RenameMode;
import io.blkmq.testkit.tree.TreeException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** The difference of two trees, as it is sent. */
class EditStreamTest {
    private static final int ROUNDS = 300;
    private static final List<RenameMode> MODES = List.of(RenameMode.values());

    private long now = 1;

    private static byte[] difference(FileTree earlier, FileTree later) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        EditStream.write(new DataOutputStream(bytes), earlier, later);
        return bytes.toByteArray();
    }

    private static FileTree applied(byte[] difference, FileTree earlier) throws IOException {
        FileTree tree = earlier.fork();
        EditStream.apply(new DataInputStream(new ByteArrayInputStream(difference)), tree);
        return tree;
    }

    @Test
    void differenceMakesTheLaterTreeOfAnyEarlierOne() throws Exception {
        SplittableRandom random = new SplittableRandom(RandomSeed.of(EditStreamTest.class));
        List<FileTree> trees = new ArrayList<>();
        trees.add(new FileTree(1 << 24, () -> now++));
        for (int i = 0; i < ROUNDS; i++) {
            FileTree later = trees.get(random.nextInt(trees.size())).fork();
            for (int steps = random.nextInt(10); steps > 0; steps--) {
                step(random, later);
            }
            FileTree earlier = trees.get(random.nextInt(trees.size()));
            FileTree made = applied(difference(earlier, later), earlier);
            assertThat(made.fingerprint()).as("round " + i).isEqualTo(later.fingerprint());
            assertThat(described(made)).as("round " + i).isEqualTo(described(later));
            trees.add(later);
        }
    }

    private static void step(SplittableRandom random, FileTree tree) throws IOException {
        try {
            List<Long> directories = directories(tree);
            long directory = directories.get(random.nextInt(directories.size()));
            long other = directories.get(random.nextInt(directories.size()));
            String name = "n" + random.nextInt(8);
            String otherName = "n" + random.nextInt(8);
            int offset = random.nextInt(30_000);
            int length = random.nextInt(1, 20_000);
            switch (random.nextInt(16)) {
                case 0, 1, 2 -> tree.create(directory, name, random.nextInt(01000), random.nextInt(3), 4);
                case 3 -> tree.mkdir(directory, name, 0755, 0, 0);
                case 4 -> tree.symlink(directory, name, "to " + random.nextInt(3), 0, 0);
                case 5 -> tree.link(tree.lookup(other, otherName), directory, name);
                case 6 -> tree.unlink(directory, name);
                case 7 -> tree.rmdir(directory, name);
                case 8, 9 -> tree.rename(directory, name, other, otherName, MODES.get(random.nextInt(MODES.size())));
                case 10 -> tree.truncate(tree.lookup(directory, name), offset);
                case 11 -> tree.punch(tree.lookup(directory, name), offset, length);
                case 12 -> tree.allocate(tree.lookup(directory, name), offset, length, random.nextBoolean());
                case 13 -> tree.setMode(tree.lookup(directory, name), random.nextInt(01000));
                default -> {
                    byte[] data = new byte[length];
                    random.nextBytes(data);
                    var _ = tree.write(tree.lookup(directory, name), offset, ByteBuffer.wrap(data));
                }
            }
        } catch (TreeException refused) {
            assertThat(refused.errno()).isNotNull();
        }
    }

    private static List<Long> directories(FileTree tree) throws IOException {
        List<Long> found = new ArrayList<>();
        ArrayDeque<Long> left = new ArrayDeque<>(List.of(FileTree.ROOT));
        while (!left.isEmpty()) {
            long directory = left.remove();
            found.add(directory);
            for (DirectoryEntry entry : tree.list(directory)) {
                if (entry.kind() == Kind.DIRECTORY) {
                    left.add(entry.inode());
                }
            }
        }
        return found;
    }

    /** What stat tells of each inode, but for the space that it takes and the times that cannot be set. */
    private static Map<Long, Attributes> described(FileTree tree) throws IOException {
        Map<Long, Attributes> described = new TreeMap<>();
        for (long directory : directories(tree)) {
            described.put(directory, described(tree.attributes(directory)));
            for (DirectoryEntry entry : tree.list(directory)) {
                described.put(entry.inode(), described(tree.attributes(entry.inode())));
            }
        }
        return described;
    }

    private static Attributes described(Attributes a) {
        return new Attributes(a.inode(), a.kind(), a.mode(), a.uid(), a.gid(), a.nlink(), a.size(), 0,
                a.accessedNanos(), a.modifiedNanos(), 0, 0);
    }

    @Test
    void whatIsSharedOrEqualIsNotSent() throws Exception {
        FileTree base = OpenedDoor.treeOf(Map.of("a", "x".repeat(100_000), "b", "y".repeat(100_000)));
        FileTree one = base.fork();
        FileTree other = base.fork();
        long inode = base.lookup(FileTree.ROOT, "a");
        for (FileTree tree : List.of(one, other)) {
            tree.poke(inode, 50_000, new byte[]{1, 2, 3}, 0, 3);
        }
        assertThat(difference(base, base.fork())).hasSize(1);
        assertThat(difference(base, one)).hasSizeBetween(4096, 4300);
        assertThat(difference(one, other)).as("equal pages that were made twice").hasSizeLessThan(100);
    }
}
