package io.blkmq.testkit.fs;

import io.blkmq.testkit.fuse.FuseDoor;
import io.blkmq.testkit.fuse.FuseMount;
import io.blkmq.testkit.fuse.FuseTree;
import io.blkmq.testkit.fuse.OpenFile;
import io.blkmq.testkit.tree.FileTree;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Files of a mount, for programs that open them by any way. The tree of the workload, and each image, is a directory of the mount. */
final class FuseStage implements Stage {
    private final FuseDoor door;
    private final Path folder;
    private final FuseMount mount;
    private final FuseTree workload;
    private final boolean memorySurvives;
    private @Nullable FileTree before;

    /**
     * Mounts.
     *
     * @param memorySurvives whether a crash leaves what was stored to mapped memory, as a kill does: then it is in the record before each
     *        acknowledgement, and at the end
     */
    FuseStage(boolean memorySurvives) throws IOException {
        this.memorySurvives = memorySurvives;
        folder = Files.createTempDirectory("blkmq-crash");
        try {
            door = FuseDoor.open();
        } catch (Throwable t) {
            Files.delete(folder);
            throw t;
        }
        try {
            mount = door.mount(folder);
            workload = mount.show(WORKPLACE, new FileTree(CAPACITY_BYTES, Stage::now));
        } catch (Throwable t) {
            closeDoor();
            throw t;
        }
    }

    static Optional<String> unavailable() {
        return FuseDoor.unavailable();
    }

    @Override
    public Path workplace() {
        return workload.directory();
    }

    @Override
    public void record() throws IOException {
        before = workload.record();
    }

    @Override
    public void acknowledge(int count) {
        try {
            writeBack();
            int noted = workload.acknowledge();
            if (noted != count) {
                throw new IllegalStateException("acknowledgement " + count + " was noted as number " + noted);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("the acknowledgement cannot be noted", e);
        }
    }

    private void writeBack() throws IOException {
        if (memorySurvives) {
            workload.writeBack();
        }
    }

    @Override
    public Recording end() throws IOException {
        writeBack();
        workload.stop();
        if (before == null) {
            throw new IllegalStateException("nothing was recorded");
        }
        return new Recording(before, workload.changes(0));
    }

    @Override
    public Showing show(FileTree image, int number) throws IOException {
        FuseTree tree = mount.show(WORKPLACE + "-" + number, image);
        return new Showing() {
            @Override
            public Path directory() {
                return tree.directory();
            }

            @Override
            public List<String> openFiles() throws IOException {
                // A store that keeps its directory open, to sync it, keeps nothing from the next check.
                return tree.openFiles(false).stream().filter(file -> !file.directory()).map(OpenFile::toString)
                        .toList();
            }

            @Override
            public void close() throws IOException {
                tree.close();
            }
        };
    }

    @Override
    public void close() {
        try {
            mount.close();
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, "the mount at " + folder + " did not end", e);
        } finally {
            closeDoor();
        }
    }

    private void closeDoor() {
        door.close();
        try {
            Files.deleteIfExists(folder);
        } catch (IOException e) {
            LOG.log(System.Logger.Level.WARNING, folder + " cannot be removed", e);
        }
    }
}
