package io.blkmq.testkit.tree;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Random changes of trees and their forks, each beside plain arrays that are copied whole. */
class FileTreeModelTest {
    private static final int STEPS = 6_000;
    private static final int SIZE_MAX = 5 * FileTree.PAGE_BYTES;
    private static final int FILES = 4;

    private final Random random = new Random(RandomSeed.of(FileTreeModelTest.class));

    /** A tree and what its files should hold, by their number. */
    private static final class Version {
        final FileTree tree;
        final byte[][] expected;

        Version(FileTree tree, byte[][] expected) {
            this.tree = tree;
            this.expected = expected;
        }

        Version fork() {
            return new Version(tree.fork(), expected.clone());
        }

        long inode(int file) {
            return FileTree.ROOT + 1 + file;
        }
    }

    private Version start() throws IOException {
        FileTree tree = new FileTree(1 << 20, () -> 0);
        byte[][] expected = new byte[FILES][];
        for (int i = 0; i < FILES; i++) {
            tree.create(FileTree.ROOT, "file" + i, 0644, 0, 0);
            expected[i] = new byte[0];
        }
        return new Version(tree, expected);
    }

    private void change(Version version) throws IOException {
        int file = random.nextInt(FILES);
        long inode = version.inode(file);
        byte[] before = version.expected[file];
        int offset = random.nextInt(SIZE_MAX);
        byte[] data = new byte[1 + random.nextInt(SIZE_MAX - offset)];
        random.nextBytes(data);
        switch (random.nextInt(5)) {
            case 0, 1 -> {
                version.tree.write(inode, offset, ByteBuffer.wrap(data));
                byte[] after = Arrays.copyOf(before, Math.max(before.length, offset + data.length));
                System.arraycopy(data, 0, after, offset, data.length);
                version.expected[file] = after;
            }
            case 2 -> {
                version.tree.truncate(inode, offset);
                version.expected[file] = Arrays.copyOf(before, offset);
            }
            case 3 -> {
                version.tree.punch(inode, offset, data.length);
                byte[] after = before.clone();
                Arrays.fill(after, Math.min(offset, after.length), Math.min(offset + data.length, after.length),
                        (byte) 0);
                version.expected[file] = after;
            }
            default -> version.tree.allocate(inode, offset, data.length, true);
        }
    }

    private static void check(Version version) throws IOException {
        long used = 0;
        for (int file = 0; file < FILES; file++) {
            byte[] expected = version.expected[file];
            ByteBuffer actual = ByteBuffer.allocate(expected.length + 1);
            assertThat(version.tree.read(version.inode(file), 0, actual)).isEqualTo(expected.length);
            assertThat(Arrays.copyOf(actual.array(), expected.length)).isEqualTo(expected);
            used += version.tree.attributes(version.inode(file)).allocatedBytes();
        }
        assertThat(version.tree.statfs().usedBytes()).isEqualTo(used);
    }

    @Test
    void filesOfForksHoldWhatArraysHold() throws IOException {
        List<Version> versions = new ArrayList<>(List.of(start()));
        Set<Fingerprint> fingerprints = new HashSet<>();
        Set<List<ByteBuffer>> contents = new HashSet<>();
        for (int step = 0; step < STEPS; step++) {
            Version version = versions.get(random.nextInt(versions.size()));
            change(version);
            if (step % 10 == 0) {
                check(version);
            }
            fingerprints.add(version.tree.fingerprint());
            contents.add(Arrays.stream(version.expected).map(bytes -> ByteBuffer.wrap(bytes)).toList());
            if (random.nextInt(50) == 0) {
                versions.add(version.fork());
            }
            if (versions.size() > 4) {
                check(versions.remove(random.nextInt(versions.size())));
            }
        }
        for (Version version : versions) {
            check(version);
        }
        assertThat(fingerprints).as("as many as there are contents").hasSameSizeAs(contents);
    }
}
