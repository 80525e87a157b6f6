package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.Change;
import io.blkmq.testkit.tree.ChangeLog;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The program that serves mounts for a {@link FuseDoor}, in a process of its own: a thread of the tested program that waits for a page of
 * a mapped file stops its JVM at no safepoint, and so could wait for a server in the same JVM forever.
 *
 * <p>Commands come on the standard input. At its end, that is when the door closes or its process dies in whatever way, and at a signal,
 * the server unmounts everything and ends. A server that is killed leaves mounts that answer nothing but ENOTCONN; its door removes them,
 * and so does the next server that starts.
 */
final class FuseServer {
    /** A message with changes has about so many bytes. */
    private static final long CHANGES_BYTES = 16 << 20;

    private final InputStream in;
    private final OutputStream out;
    /** Guarded by itself: a signal unmounts, too. */
    private final Map<Integer, ServedMount> mounts = new HashMap<>();
    private int lastMount;

    private FuseServer(InputStream in, OutputStream out) {
        this.in = in;
        this.out = out;
    }

    /**
     * Serves until the standard input ends.
     *
     * @param arguments none
     */
    public static void main(String[] arguments) throws IOException {
        OutputStream out = new BufferedOutputStream(new FileOutputStream(FileDescriptor.out));
        // Whatever prints must not print into the messages.
        System.setOut(System.err);
        FuseServer server = new FuseServer(new BufferedInputStream(System.in), out);
        Runtime.getRuntime().addShutdownHook(new Thread(server::detachAll, "blkmq-fuse-end"));
        if (server.greet()) {
            server.serve();
        }
    }

    /** Says whether it can serve, and why not. */
    private boolean greet() throws IOException {
        String reason = obstacle();
        Frames.Message greeting = new Frames.Message(reason == null ? Frames.DONE : Frames.REFUSED);
        if (reason != null) {
            greeting.writeUTF(reason);
        }
        greeting.sendTo(out);
        return reason == null;
    }

    /** Why nothing can be served; null if it can. */
    private static @Nullable String obstacle() {
        try {
            var _ = MountPoint.cleanUp();
            return null;
        } catch (IOException | LinkageError e) {
            return told(e);
        }
    }

    private static String told(Throwable t) {
        return switch (t) {
            case IOException e -> String.valueOf(e.getMessage());
            case LinkageError e -> "the C library cannot be called: " + (e.getCause() == null ? e : e.getCause());
            default -> "the server failed: " + t;
        };
    }

    private void serve() throws IOException {
        for (DataInputStream message = Frames.receive(in); message != null; message = Frames.receive(in)) {
            answer(message).sendTo(out);
        }
    }

    private Frames.Message answer(DataInputStream message) throws IOException {
        try {
            Frames.Message answer = perform(message);
            answer.requireLength();
            return answer;
        } catch (IOException | RuntimeException | LinkageError e) {
            Frames.Message refusal = new Frames.Message(Frames.REFUSED);
            refusal.writeUTF(told(e));
            return refusal;
        }
    }

    private Frames.Message perform(DataInputStream message) throws IOException {
        int number = message.readByte();
        Command command = Command.of(number);
        if (command == null) {
            throw new IOException("there is no command " + number);
        }
        Frames.Message answer = new Frames.Message(Frames.DONE);
        if (command == Command.MOUNT) {
            answer.writeInt(mount(Path.of(message.readUTF())));
            return answer;
        }
        int mounted = message.readInt();
        if (command == Command.UNMOUNT) {
            unmount(mounted);
            return answer;
        }
        ServedMount mount = mount(mounted);
        if (command == Command.SHOW) {
            answer.writeLong(mount.show(message.readUTF(), message));
        } else {
            perform(command, mount, message.readLong(), message, answer);
        }
        String failure = mount.failure();
        if (failure != null) {
            throw new IOException("the server of " + mount.folder() + " failed: " + failure);
        }
        return answer;
    }

    private static void perform(Command command, ServedMount mount, long tree, DataInputStream message,
            Frames.Message answer) throws IOException {
        switch (command) {
            case HIDE -> mount.hide(tree);
            case RECORD -> {
                ShownTree shown = mount.shown(tree);
                EditStream.write(answer, shown.image(), shown.record().base());
            }
            case STOP -> mount.shown(tree).stop();
            case ACKNOWLEDGE -> answer.writeInt(mount.shown(tree).acknowledge());
            case CHANGES -> writeChanges(mount.shown(tree), message.readInt(), answer);
            case CONTENT -> {
                ShownTree shown = mount.shown(tree);
                EditStream.write(answer, shown.image(), shown.tree());
            }
            case WRITE_BACK -> mount.writeBack();
            case OPEN_FILES -> writeOpenFiles(mount.openFiles(tree), answer);
            case MOUNT, UNMOUNT, SHOW -> throw new AssertionError(command);
        }
    }

    private int mount(Path folder) throws IOException {
        ServedMount mount = ServedMount.at(folder);
        synchronized (mounts) {
            mounts.put(++lastMount, mount);
            return lastMount;
        }
    }

    private ServedMount mount(int number) throws IOException {
        synchronized (mounts) {
            ServedMount mount = mounts.get(number);
            if (mount == null) {
                throw new IOException("there is no mount " + number);
            }
            return mount;
        }
    }

    private void unmount(int number) throws IOException {
        ServedMount mount = mount(number);
        mount.detach();
        synchronized (mounts) {
            mounts.remove(number);
        }
    }

    private static void writeChanges(ShownTree shown, int known, Frames.Message answer) throws IOException {
        ChangeLog log = shown.log();
        List<Change> all = log == null ? List.of() : log.changes();
        if (known < 0 || known > all.size()) {
            throw new IOException("changes from " + known + " on: there are " + all.size());
        }
        int end = known;
        for (long bytes = 0; end < all.size() && bytes < CHANGES_BYTES; end++) {
            bytes += all.get(end) instanceof Change.Write write ? write.data().length : 0;
        }
        ChangeStream.write(answer, all.subList(known, end));
        answer.writeBoolean(end < all.size());
    }

    private static void writeOpenFiles(List<OpenFile> open, Frames.Message answer) throws IOException {
        answer.writeInt(open.size());
        for (OpenFile file : open) {
            answer.writeUTF(file.path());
            answer.writeLong(file.inode());
            answer.writeBoolean(file.writable());
            answer.writeBoolean(file.directory());
        }
    }

    private void detachAll() {
        synchronized (mounts) {
            for (ServedMount mount : mounts.values()) {
                try {
                    mount.detach();
                } catch (IOException _) {
                    // Its folder is gone, or somebody else has unmounted it. Nobody is left to be told.
                }
            }
            mounts.clear();
        }
    }
}
