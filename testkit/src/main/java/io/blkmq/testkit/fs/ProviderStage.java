package io.blkmq.testkit.fs;

import io.blkmq.testkit.provider.MemoryFileSystemProvider;
import io.blkmq.testkit.provider.TreeFileSystem;
import io.blkmq.testkit.tree.ChangeLog;
import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * Files of this process, for programs that open them by {@code java.nio.file}. The workload has a file system of its own, and so has each
 * image: closing it takes away all that a program has left open.
 */
final class ProviderStage implements Stage {
    /** Gives each file system a name of its own. */
    private static final AtomicLong NUMBERS = new AtomicLong();

    /** What a crash leaves belongs to this user; permissions are nothing that a crash test looks at. */
    private static final int SUPERUSER = 0;

    private final TreeFileSystem workload;
    private final Path workplace;
    private final long inode;
    private @Nullable ChangeLog log;

    ProviderStage() throws IOException {
        FileTree tree = new FileTree(CAPACITY_BYTES, Stage::now);
        inode = tree.mkdir(FileTree.ROOT, WORKPLACE, 0755, SUPERUSER, SUPERUSER);
        workload = mounted(tree);
        workplace = workload.getPath("/", WORKPLACE);
    }

    private static TreeFileSystem mounted(FileTree tree) {
        return MemoryFileSystemProvider.newFileSystem("crash-" + NUMBERS.incrementAndGet(), tree, SUPERUSER, SUPERUSER,
                true);
    }

    @Override
    public Path workplace() {
        return workplace;
    }

    @Override
    public void record() {
        log = workload.tree().startLog();
    }

    @Override
    public void acknowledge(int count) {
        workload.tree().acknowledge(count);
    }

    @Override
    public Recording end() {
        workload.tree().stopLog();
        ChangeLog recorded = log;
        if (recorded == null) {
            throw new IllegalStateException("nothing was recorded");
        }
        return new Recording(recorded.base(), recorded.changes());
    }

    @Override
    public Showing show(FileTree image, int number) {
        String name = WORKPLACE + "-" + number;
        image.removeEntry(FileTree.ROOT, WORKPLACE);
        image.putEntry(FileTree.ROOT, name, inode);
        TreeFileSystem shown = mounted(image);
        return new Showing() {
            @Override
            public Path directory() {
                return shown.getPath("/", name);
            }

            @Override
            public List<String> openFiles() {
                return shown.openFiles();
            }

            @Override
            public void close() throws IOException {
                shown.close();
            }
        };
    }

    @Override
    public void close() {
        try {
            workload.close();
        } catch (IOException e) {
            throw new UncheckedIOException("the files of the workload", e);
        }
    }
}
