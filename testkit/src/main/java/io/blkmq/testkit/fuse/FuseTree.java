package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.FileTree;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A tree that a {@link FuseMount} shows.
 *
 * <p>What is recorded is what the kernel sends: each write(2), in pieces of 1 MiB at the most, when it is called; stores to mapped memory
 * when the kernel writes the page back, at the latest with msync, fsync or the end of the mapping; fsync and fdatasync after what they have
 * written back, also those that O_SYNC and O_DSYNC stand for. sync(2) and syncfs(2) write mapped memory back and are not seen themselves.
 *
 * <p>Thread-safe. Once the tree is hidden, or another one has its name, calls fail.
 */
public final class FuseTree implements AutoCloseable {
    /**
     * How long the kernel may take to tell that a file was closed: whoever looks at the descriptors of the process at that moment, in
     * {@code /proc}, has the file for so long, and its end is told in the background.
     */
    private static final long RELEASE_MILLIS = 10_000;
    /** The same once that was in vain: another process keeps files of the mount open, and each state of a crash test would wait for it. */
    private static final long RELEASE_AGAIN_MILLIS = 200;
    private static final long RELEASE_LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final FuseMount mount;
    private final Path directory;
    private final long number;
    private final FileTree image;

    FuseTree(FuseMount mount, Path directory, long number, FileTree image) {
        this.mount = mount;
        this.directory = directory;
        this.number = number;
        this.image = image;
    }

    /**
     * Where it is shown.
     *
     * @return a directory of the mount's folder
     */
    public Path directory() {
        return directory;
    }

    /**
     * Begins to record changes, in place of an earlier record.
     *
     * @return the tree as it is when that begins
     * @throws IOException if the server fails
     */
    public FileTree record() throws IOException {
        return changed(Command.RECORD);
    }

    /**
     * The tree as it is, without what is only in mapped memory yet.
     *
     * @return a copy
     * @throws IOException if the server fails
     */
    public FileTree content() throws IOException {
        return changed(Command.CONTENT);
    }

    private FileTree changed(Command command) throws IOException {
        FileTree copy = image.fork();
        EditStream.apply(mount.call(mount.message(command, number)), copy);
        return copy;
    }

    /**
     * Has the kernel write back what was stored to mapped memory, so that it is in the record; not as something that was synced. For a
     * crash that the memory survives, as it does the end of a process.
     *
     * @throws IOException if the server fails
     */
    public void writeBack() throws IOException {
        var _ = mount.call(mount.message(Command.WRITE_BACK, number));
        mount.awaitServed();
    }

    /**
     * Ends the record, which can still be read. What happens later is not in it.
     *
     * @throws IOException if the server fails
     */
    public void stop() throws IOException {
        var _ = mount.call(mount.message(Command.STOP, number));
    }

    /**
     * Notes in the record that the workload has acknowledged something: after all changes that were made before this call, and before all
     * that are made after it.
     *
     * @return how many acknowledgements there are
     * @throws IOException if the server fails
     */
    public int acknowledge() throws IOException {
        return mount.call(mount.message(Command.ACKNOWLEDGE, number)).readInt();
    }

    /**
     * The record.
     *
     * @param known how many changes to leave out at its beginning
     * @return the changes after those, until now
     * @throws IOException if there are not so many, or the server fails
     */
    public List<Change> changes(int known) throws IOException {
        List<Change> changes = new ArrayList<>();
        boolean more = true;
        while (more) {
            Frames.Message message = mount.message(Command.CHANGES, number);
            message.writeInt(known + changes.size());
            DataInputStream answer = mount.call(message);
            changes.addAll(ChangeStream.read(answer));
            more = answer.readBoolean();
        }
        return changes;
    }

    /**
     * What is open of the tree, by any process. A file that was closed is not told: as long as the kernel has not said so of one that no
     * descriptor of this process refers to, it is waited for, {@value #RELEASE_MILLIS} ms at the most, and {@value #RELEASE_AGAIN_MILLIS} ms once that
     * was in vain on this mount and as long as something is open.
     *
     * @param mapped whether to tell also of files that this process has mapped: a {@link java.nio.MappedByteBuffer} keeps its file open
     *            until the garbage collector has taken it
     * @return in the order in which they were opened
     * @throws IOException if the server fails
     */
    public List<OpenFile> openFiles(boolean mapped) throws IOException {
        long waitNanos = TimeUnit.MILLISECONDS.toNanos(mount.isHeldByOthers() ? RELEASE_AGAIN_MILLIS : RELEASE_MILLIS);
        long begin = System.nanoTime();
        List<OpenFile> open = openFilesNow(mapped);
        while (!open.isEmpty() && !isInUseHere(open)) {
            if (System.nanoTime() - begin >= waitNanos) {
                mount.setHeldByOthers(true);
                return open;
            }
            LockSupport.parkNanos(RELEASE_LOOK_NANOS);
            open = openFilesNow(mapped);
        }
        if (open.isEmpty()) {
            mount.setHeldByOthers(false);
        }
        return open;
    }

    private List<OpenFile> openFilesNow(boolean mapped) throws IOException {
        // First: what the garbage collector unmaps from here on is either told by neither or still among these.
        Set<Long> mappedHere = mapped ? Set.of() : mappedInodes();
        mount.awaitServed();
        DataInputStream answer = mount.call(mount.message(Command.OPEN_FILES, number));
        int count = answer.readInt();
        List<OpenFile> open = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            open.add(new OpenFile(answer.readUTF(), answer.readLong(), answer.readBoolean(), answer.readBoolean()));
        }
        open.removeIf(file -> mappedHere.contains(file.inode()));
        return open;
    }

    /** Whether a descriptor of this process refers to something of the tree, or it has some of these files mapped. */
    private boolean isInUseHere(List<OpenFile> open) throws IOException {
        Set<Long> mapped = mappedInodes();
        if (open.stream().anyMatch(file -> mapped.contains(file.inode()))) {
            return true;
        }
        Path real = directory.toRealPath();
        try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path descriptor : descriptors) {
                try {
                    if (Files.readSymbolicLink(descriptor).startsWith(real)) {
                        return true;
                    }
                } catch (NoSuchFileException e) {
                    // It was closed in the meantime.
                }
            }
        }
        return false;
    }

    /** The inode numbers of all files that this process has mapped, on any file system: those of ours are like no other's. */
    private static Set<Long> mappedInodes() throws IOException {
        Set<Long> inodes = new HashSet<>();
        for (String line : Files.readString(Path.of("/proc/self/maps"), StandardCharsets.ISO_8859_1).split("\n", -1)) {
            String[] fields = line.split(" +", 6);
            if (fields.length > 4) {
                inodes.add(Long.parseLong(fields[4]));
            }
        }
        return inodes;
    }

    /**
     * Hides the tree, unless that has happened. What is still open or mapped of it goes on, without a record.
     *
     * @throws IOException if the server fails
     */
    @Override
    public void close() throws IOException {
        var _ = mount.call(mount.message(Command.HIDE, number));
    }
}
