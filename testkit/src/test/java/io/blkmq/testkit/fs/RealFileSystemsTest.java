package io.blkmq.testkit.fs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.testing.Command;
import io.blkmq.testing.NumberProperty;
import io.blkmq.testkit.crash.Explorer;
import io.blkmq.testkit.fuse.FuseDoor;
import io.blkmq.testkit.fuse.FuseMount;
import io.blkmq.testkit.fuse.FuseTree;
import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.RenameMode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Real file systems never leave what their model does not allow. Each stands on a loop device, that on a file of a FUSE mount which records
 * what the kernel writes and flushes. Steps run on it; then it is mounted again on what a power cut would have left of that record at each
 * moment, and its files are compared with what the model allows after the same steps.
 */
class RealFileSystemsTest {
    private static final int STATES = NumberProperty.of("blkmq.testkit.mounts", 30);
    private static final String IMAGE = "disk.img";

    /** A file system, how it is made, and what is said of it. */
    enum Kind {
        EXT4(FileSystemModel.EXT4_ORDERED, "ext4", 8 << 20, "-F"), XFS(FileSystemModel.XFS, "xfs", 300 << 20, "-f");

        private final FileSystemModel model;
        private final String type;
        private final long bytes;
        private final String force;

        Kind(FileSystemModel model, String type, long bytes, String force) {
            this.model = model;
            this.type = type;
            this.bytes = bytes;
            this.force = force;
        }
    }

    /** Does one step in a directory. */
    @FunctionalInterface
    private interface OnFiles {
        void in(Path directory) throws IOException;
    }

    /** Does the same step in a tree: one change. */
    @FunctionalInterface
    private interface OnTree {
        void in(FileTree tree) throws IOException;
    }

    private record Step(OnFiles files, OnTree tree) {}

    private static Step create(String name) {
        return new Step(directory -> Files.createFile(directory.resolve(name)),
                tree -> tree.create(FileTree.ROOT, name, 0644, 0, 0));
    }

    private static Step write(String name, long offset, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return new Step(directory -> {
            try (FileChannel channel = FileChannel.open(directory.resolve(name), StandardOpenOption.WRITE)) {
                int _ = channel.write(ByteBuffer.wrap(bytes), offset);
            }
        }, tree -> tree.write(tree.find(FileTree.ROOT, name), offset, ByteBuffer.wrap(bytes)));
    }

    private static Step sync(String name) {
        return new Step(directory -> force(directory.resolve(name)),
                tree -> tree.sync(name.isEmpty() ? FileTree.ROOT : tree.find(FileTree.ROOT, name), false));
    }

    private static void force(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static Step rename(String from, String to) {
        return new Step(
                directory -> Files.move(directory.resolve(from), directory.resolve(to), StandardCopyOption.ATOMIC_MOVE),
                tree -> tree.rename(FileTree.ROOT, from, FileTree.ROOT, to, RenameMode.REPLACE));
    }

    private static Step truncate(String name, long size) {
        return new Step(directory -> {
            try (FileChannel channel = FileChannel.open(directory.resolve(name), StandardOpenOption.WRITE)) {
                channel.truncate(size);
            }
        }, tree -> tree.truncate(tree.find(FileTree.ROOT, name), size));
    }

    private static Step unlink(String name) {
        return new Step(directory -> Files.delete(directory.resolve(name)), tree -> tree.unlink(FileTree.ROOT, name));
    }

    private static List<Step> steps() {
        String page = "p".repeat(4096);
        return List.of(create("a"), write("a", 0, "one"), sync("a"), create("other"), write("a", 0, "two"),
                write("a", 3, "more"), sync("other"), create("t"), write("t", 0, "new"), rename("t", "a"),
                write("other", 0, "x"), sync("other"), create("log"), write("log", 0, page), sync("log"),
                write("log", 4096, page), write("log", 8192, page), sync("other"), truncate("log", 4096),
                unlink("other"), sync(""), create("u"), write("u", 0, "u"), rename("u", "v"), sync("log"),
                write("log", 0, "end"), sync("v"), create("w"), write("w", 0, "old"), sync("w"),
                write("w", 0, "longer"), sync("w"), write("w", 0, "secretsecret"), truncate("w", 3), create("x"),
                sync("x"), write("w", 7, "z"), sync("w"), truncate("w", 2), write("w", 4, "y"), create("z"), sync("z"));
    }

    @TempDir
    private Path folder;

    @ParameterizedTest
    @EnumSource
    void leaveNothingThatTheModelDoesNotAllow(Kind kind) throws Exception {
        Optional<String> unavailable = FuseDoor.unavailable();
        assumeTrue(unavailable.isEmpty(), () -> "skipped: no FUSE: " + unavailable.orElseThrow());
        assumeTrue(Files.isWritable(Path.of("/dev/loop-control")), "skipped: no right to attach loop devices");
        Command.require("losetup", "mkfs." + kind.type);
        Map<Integer, Set<String>> allowed = allowed(kind.model);
        // The same states judged by a model that allows less: this comparison can fail.
        Map<Integer, Set<String>> tooFew = allowed(FileSystemModel.KILL);
        List<String> beyondTooFew = new ArrayList<>();
        Path mountPoint = Files.createDirectory(folder.resolve("fuse"));
        try (FuseDoor door = FuseDoor.open(); FuseMount mount = door.mount(mountPoint)) {
            FileCrashes crashes = record(kind, mount);
            int[] seen = {0};
            Set<String> states = new TreeSet<>();
            new Explorer<>(crashes.history(), crashes.medium(), STATES, 1, false, () -> true)
                    .explore((image, done, state) -> {
                        String left = remounted(kind, mount, image, seen[0]++);
                        states.add(left);
                        if (!tooFew.getOrDefault(done, Set.of()).contains(left)) {
                            beyondTooFew.add(left);
                        }
                        assertThat(allowed.get(done)).as("%s after %s steps, state %s", kind, done, state.code())
                                .contains(left);
                        return true;
                    });
            IO.println("RealFileSystemsTest: " + kind + ", " + seen[0] + " mounts, " + states.size()
                    + " different states, all allowed");
            assertThat(states).hasSizeGreaterThan(2);
            assertThat(beyondTooFew).as("what SIGKILL would not leave").isNotEmpty();
        }
    }

    /** By number of steps that are done, what the model allows while the next one is under way. */
    private static Map<Integer, Set<String>> allowed(FileSystemModel model) throws IOException {
        Map<Integer, Set<String>> allowed = new TreeMap<>();
        List<Step> steps = steps();
        for (int done = 0; done <= steps.size(); done++) {
            Set<String> states = new TreeSet<>(statesAfter(model, steps.subList(0, done)));
            if (done < steps.size()) {
                states.addAll(statesAfter(model, steps.subList(0, done + 1)));
            }
            allowed.put(done, states);
        }
        return allowed;
    }

    private static Set<String> statesAfter(FileSystemModel model, List<Step> steps) throws IOException {
        FileTree tree = new FileTree(1 << 30, () -> 0);
        var log = tree.startLog();
        for (Step step : steps) {
            step.tree.in(tree);
        }
        tree.acknowledge(1);
        FileCrashes crashes = FileHistory.read(model, log.base(), log.changes());
        Set<String> states = new TreeSet<>();
        new Explorer<>(crashes.history(), crashes.medium(), 1_000_000, 1, false, () -> true)
                .explore((image, acknowledged, _) -> {
                    if (acknowledged == 1) {
                        states.add(FileSystemModelTest.text(image, FileTree.ROOT));
                    }
                    return true;
                });
        return states;
    }

    /** Runs the steps on the file system, and returns what power cuts may leave of the device below it. */
    private FileCrashes record(Kind kind, FuseMount mount) throws IOException {
        FileTree empty = new FileTree(1L << 34, () -> 0);
        empty.truncate(empty.create(FileTree.ROOT, IMAGE, 0644, 0, 0), kind.bytes);
        try (FuseTree tree = mount.show("record", empty)) {
            Path image = tree.directory().resolve(IMAGE);
            run("mkfs." + kind.type, "-q", kind.force, image.toString());
            FileTree before;
            Path mounted = Files.createDirectory(folder.resolve("mounted"));
            try (Loop loop = new Loop(image)) {
                loop.mount(kind.type, mounted);
                before = tree.record();
                for (Step step : steps()) {
                    step.files.in(mounted);
                    tree.acknowledge();
                }
                tree.stop();
                loop.unmount();
            }
            List<Change> changes = tree.changes(0);
            // The device promises what POSIX does: what was written before a flush ended is durable, all else sector by sector.
            return FileHistory.read(FileSystemModel.POSIX, before, changes);
        }
    }

    /** What the file system has, mounted on an image. */
    private String remounted(Kind kind, FuseMount mount, FileTree image, int number) {
        try (FuseTree tree = mount.show("crash-" + number, image)) {
            Path mounted = Files.createDirectory(folder.resolve("crash-" + number));
            try (Loop loop = new Loop(tree.directory().resolve(IMAGE))) {
                loop.mount(kind.type, mounted);
                String text = text(mounted);
                loop.unmount();
                return text;
            }
        } catch (IOException e) {
            throw new AssertionError("state " + number + " cannot be mounted", e);
        }
    }

    private static String text(Path directory) throws IOException {
        StringBuilder text = new StringBuilder();
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.filter(each -> !each.endsWith("lost+found")).sorted().toList()) {
                text.append(text.isEmpty() ? "" : " ").append(file.getFileName()).append("=")
                        .append(FileSystemModelTest.shortened(Files.readString(file).replace('\0', '.')));
            }
        }
        return text.toString();
    }

    /** A loop device of the kernel over a file, and what is mounted on it. */
    private static final class Loop implements AutoCloseable {
        private final String device;
        private Path mounted = Path.of("");

        Loop(Path image) throws IOException {
            this.device = run("losetup", "--show", "-f", image.toString()).strip();
        }

        void mount(String type, Path where) throws IOException {
            run("mount", "-t", type, device, where.toString());
            mounted = where;
        }

        void unmount() throws IOException {
            run("umount", mounted.toString());
            mounted = Path.of("");
        }

        @Override
        public void close() throws IOException {
            try {
                if (!mounted.toString().isEmpty()) {
                    unmount();
                }
            } finally {
                run("losetup", "-d", device);
            }
        }
    }

    private static String run(String... command) throws IOException {
        try {
            return Command.run("", command);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
    }
}
