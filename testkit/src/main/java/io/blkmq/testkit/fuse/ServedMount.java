package io.blkmq.testkit.fuse;

import io.blkmq.testkit.tree.FileTree;
import java.io.DataInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** A mount of a server: the thread that answers the kernel, and what a door's commands do to what is shown. For the door's thread. */
final class ServedMount {
    private final Path folder;
    /** The first thing that went wrong though it should not. Set by any thread. */
    private final AtomicReference<@Nullable String> failure = new AtomicReference<>();
    private final FileService service;
    private final FuseDevice device;
    private volatile boolean detached;
    /** The image that was shown last, which the next one is told as a difference from. */
    private @Nullable FileTree lastImage;

    private ServedMount(Path folder, int fd, FuseReply.Owner owner) {
        this.folder = folder;
        this.service = new FileService(this::failed, now());
        this.device = new FuseDevice(fd, owner, service, this::failed);
    }

    private static long now() {
        Instant now = Instant.now();
        return TimeUnit.SECONDS.toNanos(now.getEpochSecond()) + now.getNano();
    }

    /**
     * Mounts.
     *
     * @throws IOException if it cannot be; says why
     */
    static ServedMount at(Path folder) throws IOException {
        FuseReply.Owner owner = MountPoint.owner();
        int fd = MountPoint.mount(folder, owner);
        return of(folder, fd, owner, Thread.ofPlatform().daemon().name("blkmq-fuse " + folder).factory());
    }

    /** Serves what has been mounted. If it cannot, for want of a thread, nothing stays open or mounted. */
    static ServedMount of(Path folder, int fd, FuseReply.Owner owner, ThreadFactory threads) {
        boolean serves = false;
        try {
            ServedMount mount = new ServedMount(folder, fd, owner);
            threads.newThread(mount::serve).start();
            serves = true;
            return mount;
        } finally {
            if (!serves) {
                discard(folder, fd);
            }
        }
    }

    private static void discard(Path folder, int fd) {
        var _ = Libc.close(fd);
        try {
            MountPoint.detach(folder);
        } catch (IOException _) {
            // The next server that starts cleans it up. What is told is why there is none.
        }
    }

    private void serve() {
        try {
            device.serve();
            if (!detached) {
                failed("somebody else has ended the mount");
            }
        } catch (Throwable t) {
            failed("the server's thread ended: " + t);
        }
    }

    private void failed(String what) {
        var _ = failure.compareAndSet(null, what);
    }

    /** What went wrong though it should not; null for nothing. */
    @Nullable
    String failure() {
        return failure.get();
    }

    Path folder() {
        return folder;
    }

    /** Shows the tree that a message describes, in place of what has the name. Returns its number. */
    long show(String name, DataInputStream in) throws IOException {
        boolean fromNothing = in.readBoolean();
        long capacityBytes = in.readLong();
        boolean readOnly = in.readBoolean();
        FileTree before = lastImage;
        FileTree image = fromNothing || before == null ? new FileTree(capacityBytes, ServedMount::now) : before.fork();
        EditStream.apply(in, image);
        lastImage = image;
        ShownTree shown = service.show(name, image);
        shown.tree().setReadOnly(readOnly);
        forget(name);
        return shown.number();
    }

    /** Hides a tree, unless another has its name already. */
    void hide(long number) {
        ShownTree shown = service.find(number);
        if (shown != null) {
            service.hide(shown);
            forget(shown.name());
        }
    }

    private void forget(String name) {
        device.forgetName(FuseAbi.ROOT, name);
        device.forgetRootAttributes();
        for (FileService.Name left : service.leftNames()) {
            device.forgetName(left.directory(), left.name());
        }
    }

    /**
     * A tree that is shown.
     *
     * @throws IOException if it is not
     */
    ShownTree shown(long number) throws IOException {
        ShownTree shown = service.find(number);
        if (shown == null) {
            throw new IOException("tree " + number + " is not shown in " + folder + " any more");
        }
        return shown;
    }

    /** Has the kernel write back what is dirty. The thread that serves is another, and so this may wait for it. */
    void writeBack() throws IOException {
        int fd = Libc.open(folder.toString(), Libc.O_RDONLY);
        int result = fd < 0 ? fd : Libc.syncfs(fd);
        if (fd >= 0) {
            var _ = Libc.close(fd);
        }
        if (result < 0) {
            throw new IOException("cannot write back what is dirty in " + folder + ": " + KernelError.meaning(result));
        }
    }

    /** What is open of a tree. */
    List<OpenFile> openFiles(long number) throws IOException {
        return service.openFiles(shown(number));
    }

    /** How many trees are shown, or have files that are still open or mapped. */
    int trees() {
        return service.trees();
    }

    /** Unmounts. What is open goes on until the server ends. By any thread. */
    void detach() throws IOException {
        detached = true;
        MountPoint.detach(folder);
    }
}
