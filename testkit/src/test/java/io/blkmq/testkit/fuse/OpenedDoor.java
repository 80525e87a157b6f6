package io.blkmq.testkit.fuse;

import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A door that the tests of a class share, with a mount; a class is skipped where nothing can be mounted. */
final class OpenedDoor implements AutoCloseable {
    static final long CAPACITY = 256 << 20;

    private final FuseDoor door;
    private final Path folder;
    private final FuseMount mount;
    private int shown;

    private OpenedDoor() throws IOException {
        this.door = FuseDoor.open();
        this.folder = Files.createTempDirectory("blkmq-fuse-test");
        this.mount = door.mount(folder);
    }

    static OpenedDoor orSkip() throws IOException {
        skipWithoutFuse();
        return new OpenedDoor();
    }

    static void skipWithoutFuse() {
        FuseDoor.unavailable().ifPresent(reason -> skipIf(true, reason));
    }

    static void skipIf(boolean condition, String reason) {
        if (condition) {
            System.out.println("skipped: " + reason);
        }
        assumeFalse(condition, reason);
    }

    FuseDoor door() {
        return door;
    }

    FuseMount mount() {
        return mount;
    }

    /** An empty tree by a name that nothing had. */
    FuseTree showEmpty() throws IOException {
        return mount.show("t" + shown++, emptyTree());
    }

    static FileTree emptyTree() {
        return new FileTree(CAPACITY, () -> 0);
    }

    /** A tree of one directory. */
    static FileTree treeOf(Map<String, String> files) throws IOException {
        FileTree tree = emptyTree();
        for (Map.Entry<String, String> file : new TreeMap<>(files).entrySet()) {
            long inode = tree.create(FileTree.ROOT, file.getKey(), 0644, 0, 0);
            var _ = tree.write(inode, 0, ByteBuffer.wrap(file.getValue().getBytes(StandardCharsets.UTF_8)));
        }
        return tree;
    }

    /** Changes for a reader, with the first names of files for their inodes. */
    static List<String> told(List<Change> changes) {
        Map<Long, String> names = new TreeMap<>(Map.of(FileTree.ROOT, "/"));
        List<String> told = new ArrayList<>();
        for (Change change : changes) {
            if (change instanceof Change.Create c) {
                names.put(c.inode(), c.name());
            }
            told.add(told(names, change));
        }
        return told;
    }

    private static String told(Map<Long, String> names, Change change) {
        return switch (change) {
            case Change.Create c -> "create " + c.kind() + " " + c.name();
            case Change.Link c -> "link " + names.get(c.inode()) + " " + c.name();
            case Change.Unlink c -> "unlink " + c.name();
            case Change.Rename c ->
                "rename " + c.fromName() + " " + c.toName() + (c.replaced() == 0 ? "" : " replacing");
            case Change.Exchange c -> "exchange " + c.oneName() + " " + c.otherName();
            case Change.Write c -> "write " + names.get(c.inode()) + " " + c.offset() + "+" + c.data().length;
            case Change.Truncate c -> "truncate " + names.get(c.inode()) + " " + c.sizeBefore() + ">" + c.size();
            case Change.Punch c -> "punch " + names.get(c.inode()) + " " + c.offset() + "+" + c.length();
            case Change.Sync c -> (c.dataOnly() ? "fdatasync " : "fsync ") + names.get(c.inode());
            case Change.SyncAll _ -> "sync";
            case Change.Acknowledge c -> "acknowledge " + c.count();
        };
    }

    @Override
    public void close() throws IOException {
        mount.close();
        door.close();
        Files.delete(folder);
    }
}
