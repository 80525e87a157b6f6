package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.FileTree;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A folder at which a server is mounted. Trees are shown as directories of it. The folder itself cannot be changed through the mount, nor
 * can a tree be removed or moved.
 *
 * <p>Thread-safe.
 */
@SuppressWarnings("EnumOrdinal") // both sides of the pipe are of one build
public final class FuseMount implements AutoCloseable {
    private final FuseDoor door;
    private final int number;
    private final Path folder;
    /** What the server was told last; the next image is told as a difference from it. Guarded by this object's lock. */
    private @Nullable FileTree lastImage;
    private int barriers;
    private boolean closed;
    private volatile boolean heldByOthers;

    FuseMount(FuseDoor door, int number, Path folder) {
        this.door = door;
        this.number = number;
        this.folder = folder;
    }

    /**
     * Where it is.
     *
     * @return the folder, without symbolic links
     */
    public Path folder() {
        return folder;
    }

    /**
     * Shows a copy of a tree, as a directory of the folder. If something has that name, it is replaced at once: whoever opens a file by
     * its name from now on opens the new one. What is still open or mapped of the old tree goes on as if nothing had happened, and is not
     * recorded any more.
     *
     * <p>Only what differs from the tree that was shown last is sent to the server.
     *
     * @param name of the directory
     * @param image sound, as {@link FileTree#settle} leaves it; stays as it is
     * @return to be hidden when it is not needed any more
     * @throws IllegalArgumentException if the name cannot be that of a directory
     * @throws IOException if the server fails
     */
    public synchronized FuseTree show(String name, FileTree image) throws IOException {
        requireName(name);
        FileTree shown = image.fork();
        long capacityBytes = image.statfs().capacityBytes();
        FileTree before = lastImage;
        boolean fromNothing = before == null || before.statfs().capacityBytes() != capacityBytes;
        Frames.Message message = new Frames.Message(Command.SHOW.ordinal());
        message.writeInt(number);
        message.writeUTF(name);
        message.writeBoolean(fromNothing);
        message.writeLong(capacityBytes);
        message.writeBoolean(image.isReadOnly());
        EditStream.write(message, before == null || fromNothing ? new FileTree(capacityBytes, () -> 0) : before, shown);
        // Until the server has said that it has it, nothing is known of what it has.
        lastImage = null;
        long tree = door.call(message).readLong();
        lastImage = shown;
        return new FuseTree(this, folder.resolve(name), tree, shown);
    }

    /** Whether another process has files open that were waited for in vain. */
    boolean isHeldByOthers() {
        return heldByOthers;
    }

    void setHeldByOthers(boolean value) {
        heldByOthers = value;
    }

    private static void requireName(String name) {
        if (name.isEmpty() || name.equals(".") || name.equals("..") || name.indexOf('/') >= 0 || name.indexOf('\0') >= 0
                || name.getBytes(StandardCharsets.UTF_8).length > FileTree.NAME_BYTES_MAX) {
            throw new IllegalArgumentException("'" + name + "' cannot be the name of a directory");
        }
    }

    /** A command about a tree of this mount. */
    Frames.Message message(Command command, long tree) throws IOException {
        Frames.Message message = new Frames.Message(command.ordinal());
        message.writeInt(number);
        message.writeLong(tree);
        return message;
    }

    DataInputStream call(Frames.Message message) throws IOException {
        return door.call(message);
    }

    /**
     * Waits until the server has done all that the kernel has sent, also what nobody waits for: of a file that is closed it tells only
     * after close(2) has returned. Requests are served in their order, and so a lookup that is answered came after them.
     */
    synchronized void awaitServed() {
        var _ = Files.exists(folder.resolve(".blkmq-" + barriers++));
    }

    /**
     * Unmounts. Files that are still open or mapped stay usable until the door closes.
     *
     * @throws IOException if the server fails
     */
    @Override
    public synchronized void close() throws IOException {
        if (!closed) {
            closed = true;
            door.unmount(number);
        }
    }
}
