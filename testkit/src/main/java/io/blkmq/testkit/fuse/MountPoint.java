package io.blkmq.testkit.fuse;

import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Mounts of servers of ours, as {@code /proc/self/mountinfo} lists them: of type {@value #TYPE}, from a source that names the server's
 * process and when it began, so that a mount whose server is gone is known for one.
 */
final class MountPoint {
    static final String TYPE = "fuse.blkmq";

    private static final String SUBTYPE = "blkmq";
    private static final String SOURCE_PREFIX = "blkmq-";
    private static final Path MOUNTS = Path.of("/proc/self/mountinfo");
    private static final Path OURSELVES = Path.of("/proc/self");
    private static final String DEVICE = "/dev/fuse";
    private static final int FOLDER_FIELD = 4;
    /** Of a process's status, behind its name. */
    private static final int STATE_FIELD = 0;
    private static final int START_FIELD = 19;
    /** How long a mount is given to say that its server is gone. */
    private static final long ANSWER_MILLIS = 10_000;

    /** A mount of a server of ours. */
    private record Mount(Path folder, String source) {}

    private MountPoint() {}

    /**
     * Mounts at a folder.
     *
     * @param owner who mounts, as {@link #owner} says
     * @return an open {@code /dev/fuse}
     * @throws IOException if it cannot be; says why
     */
    static int mount(Path folder, FuseReply.Owner owner) throws IOException {
        requireUsable(folder);
        String source = ownSource();
        int fd = Libc.open(DEVICE, Libc.O_RDWR);
        if (fd < 0) {
            throw new IOException("cannot open " + DEVICE + ": " + KernelError.meaning(fd));
        }
        String options = "fd=" + fd + ",rootmode=40000,user_id=" + owner.uid() + ",group_id=" + owner.gid()
                + ",default_permissions";
        int result = Libc.mount(source, folder.toString(), TYPE, Libc.MS_NOSUID | Libc.MS_NODEV, options);
        if (result >= 0) {
            return fd;
        }
        var _ = Libc.close(fd);
        if (result != -KernelError.EPERM) {
            throw new IOException("cannot mount at " + folder + ": " + KernelError.meaning(result));
        }
        if (!Fusermount.isInstalled()) {
            throw new IOException(
                    "this process may not mount: that takes root, or the program fusermount3 of the package fuse3, or a"
                            + " user namespace, as `unshare --user --map-root-user --mount` makes one");
        }
        return Fusermount.mount(folder,
                "fsname=" + source + ",subtype=" + SUBTYPE + ",nosuid,nodev,default_permissions");
    }

    /** Who mounts: the user and the group of this process. */
    static FuseReply.Owner owner() throws IOException {
        return new FuseReply.Owner((int) Files.getAttribute(OURSELVES, "unix:uid"),
                (int) Files.getAttribute(OURSELVES, "unix:gid"));
    }

    private static void requireUsable(Path folder) throws IOException {
        for (Mount mount : ours()) {
            if (mount.folder.equals(folder)) {
                throw new IOException(folder + " is the folder of a mount already, of server " + mount.source);
            }
        }
        if (!Files.isDirectory(folder, LinkOption.NOFOLLOW_LINKS)) {
            throw new IOException(
                    folder + (Files.exists(folder, LinkOption.NOFOLLOW_LINKS) ? " is no directory" : " does not exist")
                            + ", and so cannot be the folder of a mount");
        }
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            for (Path entry : entries) {
                throw new IOException(folder + " is not empty: a mount would hide " + entry.getFileName());
            }
        }
    }

    /**
     * Takes a mount away. What is open on it goes on as long as its server does.
     *
     * @throws IOException if the kernel refuses
     */
    static void detach(Path folder) throws IOException {
        int result = unmount(folder);
        if (result < 0 && result != -KernelError.EINVAL && result != -KernelError.ENOENT) {
            throw new IOException("cannot unmount " + folder + ": " + KernelError.meaning(result));
        }
    }

    private static int unmount(Path folder) throws IOException {
        int result = Libc.umount(folder.toString(), Libc.MNT_DETACH | Libc.UMOUNT_NOFOLLOW);
        return result == -KernelError.EPERM && Fusermount.isInstalled() && Fusermount.unmount(folder) ? 0 : result;
    }

    /**
     * Takes away mounts whose servers are gone, as far as that is permitted.
     *
     * @return their folders
     */
    static List<Path> cleanUp() throws IOException {
        List<Path> cleaned = new ArrayList<>();
        for (Mount mount : ours()) {
            if (!isServed(mount) && isDead(mount.folder) && unmount(mount.folder) == 0) {
                cleaned.add(mount.folder);
            }
        }
        return cleaned;
    }

    /** Whether the process that a mount names lives. */
    private static boolean isServed(Mount mount) throws IOException {
        String process = mount.source.substring(SOURCE_PREFIX.length());
        int dash = process.indexOf('-');
        return dash > 0 && sourceOf(process.substring(0, dash)).equals(mount.source);
    }

    /**
     * Whether a mount says itself that its server is gone: by a name that is not there, since what the kernel knows it answers by itself. A
     * server of another process namespace may live though nothing is seen of it here, and one that is stopped does not answer: so somebody
     * else asks, and is not waited for.
     */
    private static boolean isDead(Path folder) {
        String unknown = folder.resolve(".blkmq-" + ProcessHandle.current().pid()).toString();
        int[] answer = {0};
        Thread asking = Thread.ofPlatform().daemon().name("blkmq-fuse-cleaning")
                .start(() -> answer[0] = Libc.access(unknown));
        try {
            asking.join(ANSWER_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return !asking.isAlive() && answer[0] == -KernelError.ENOTCONN;
    }

    private static String ownSource() throws IOException {
        return sourceOf("self");
    }

    /** What the mounts of a process have as their source; a text that no mount has if there is no such process. */
    private static String sourceOf(String process) throws IOException {
        Path status = Path.of("/proc", process, "stat");
        String text;
        try {
            text = Files.readString(status, StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            if (process.equals("self")) {
                throw e;
            }
            return "";
        }
        // The second field is a name in parentheses, in which anything may be.
        String pid = text.substring(0, text.indexOf(' '));
        String[] fields = text.substring(text.lastIndexOf(')') + 2).split(" ", -1);
        String state = fields[STATE_FIELD];
        // A process that has ended, and that its parent has not taken note of.
        boolean isGone = state.equals("Z") || state.equals("X");
        return isGone ? "" : SOURCE_PREFIX + pid + "-" + fields[START_FIELD];
    }

    private static List<Mount> ours() throws IOException {
        List<Mount> found = new ArrayList<>();
        for (String line : Files.readString(MOUNTS, StandardCharsets.ISO_8859_1).split("\n", -1)) {
            int separator = line.indexOf(" - ");
            String[] after = separator < 0 ? new String[0] : line.substring(separator + 3).split(" ", -1);
            if (after.length >= 2 && after[0].equals(TYPE) && after[1].startsWith(SOURCE_PREFIX)) {
                found.add(new Mount(unescaped(line.split(" ", -1)[FOLDER_FIELD]), after[1]));
            }
        }
        return found;
    }

    /** The kernel writes blanks and backslashes as three octal digits after a backslash. */
    private static Path unescaped(String field) {
        StringBuilder bytes = new StringBuilder();
        for (int i = 0; i < field.length(); i++) {
            boolean escape = field.charAt(i) == '\\' && i + 3 < field.length();
            bytes.append(escape ? (char) Integer.parseInt(field.substring(i + 1, i + 4), 8) : field.charAt(i));
            i += escape ? 3 : 0;
        }
        Charset paths = Charset.forName(System.getProperty("sun.jnu.encoding", "UTF-8"), StandardCharsets.UTF_8);
        return Path.of(new String(bytes.toString().getBytes(StandardCharsets.ISO_8859_1), paths));
    }
}
