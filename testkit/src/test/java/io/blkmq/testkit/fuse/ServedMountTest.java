package io.blkmq.testkit.fuse;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.Eventually;
import io.blkmq.testkit.tree.FileTree;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The server's part of a mount, in this process: nothing may be mapped here. A thread that waits for a page of its own process holds up the
 * garbage collector, and so who would bring it.
 */
class ServedMountTest {
    @TempDir
    private Path folder;
    private ServedMount mount;

    @BeforeEach
    void mount() throws IOException {
        OpenedDoor.skipWithoutFuse();
        mount = ServedMount.at(folder);
    }

    @AfterEach
    void unmount() throws IOException {
        if (mount != null) {
            mount.detach();
        }
    }

    private ShownTree show(String name, FileTree image) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream message = new DataOutputStream(bytes);
        message.writeBoolean(true);
        message.writeLong(OpenedDoor.CAPACITY);
        message.writeBoolean(false);
        EditStream.write(message, OpenedDoor.emptyTree(), image);
        return mount.shown(mount.show(name, new DataInputStream(new ByteArrayInputStream(bytes.toByteArray()))));
    }

    /** How many trees there are when one more has been shown, and the kernel has told what it forgets by that. */
    private int treesAfterShowing(String name, FileTree image) {
        try {
            var _ = show(name, image);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        assertThat(folder.resolve("none")).doesNotExist();
        return mount.trees();
    }

    @Test
    void treesThatAreHiddenAreForgottenWhenNothingIsOpen() throws Exception {
        FileTree image = OpenedDoor.treeOf(Map.of("a", "1", "b", "2"));
        for (int i = 0; i < 20; i++) {
            ShownTree shown = show("t" + i % 2, image);
            try (Stream<Path> walk = Files.walk(folder)) {
                assertThat(walk.count()).isGreaterThan(3);
            }
            assertThat(folder.resolve("t" + i % 2).resolve("a")).hasContent("1");
            if (i % 5 == 0) {
                mount.hide(shown.number());
            }
        }
        try (FileChannel open = FileChannel.open(folder.resolve("t1/b"), READ)) {
            var _ = show("t1", image);
            var _ = show("t0", image);
            Eventually.until("the kernel has forgotten all but three", () -> mount.trees() == 3);
            assertThat(open.size()).isEqualTo(1);
        }
        Eventually.until("its tree is forgotten when others have followed", () -> treesAfterShowing("t0", image) == 2);
        assertThat(mount.failure()).isNull();
    }

    @Test
    void treesAreExchangedWhileTheyAreUsed() throws Exception {
        FileTree image = OpenedDoor.treeOf(Map.of("a", "text"));
        var _ = show("t", image);
        CountDownLatch begun = new CountDownLatch(2);
        AtomicBoolean over = new AtomicBoolean();
        Eventually.Worker<Integer> user = Eventually.call(() -> {
            begun.countDown();
            int rounds = 0;
            for (; !over.get() || rounds < 100; rounds++) {
                Path directory = folder.resolve("t");
                try {
                    assertThat(Files.readString(directory.resolve("a"))).isEqualTo("text");
                    Files.write(directory.resolve("n"), new byte[10]);
                    Files.move(directory.resolve("n"), directory.resolve("m"));
                    Files.delete(directory.resolve("m"));
                } catch (IOException e) {
                    // The tree was exchanged between two of these.
                    assertThat(e).isNotNull();
                }
            }
            return rounds;
        });
        begun.countDown();
        begun.await();
        for (int i = 0; i < 200; i++) {
            var _ = show("t", image);
        }
        over.set(true);
        assertThat(user.join()).isGreaterThanOrEqualTo(100);
        assertThat(mount.failure()).isNull();
        assertThat(folder.resolve("t/a")).hasContent("text");
        assertThat(folder.resolve("t").toFile().list()).contains("a");
        Eventually.until("only the last is known", () -> treesAfterShowing("t", image) == 1);
    }

    @Test
    void mountThatSomebodyElseEndsIsAFailure() throws Exception {
        var _ = show("t", OpenedDoor.emptyTree());
        assertThat(new ProcessBuilder("umount", folder.toString()).start().waitFor()).isZero();
        Eventually.until("it is noticed", () -> mount.failure() != null);
        assertThat(mount.failure()).contains("somebody else has ended the mount");
    }

    /** What the descriptors of this process are of, by their numbers. */
    private static Set<String> openOf(String kind) throws IOException {
        Set<String> found = new HashSet<>();
        try (DirectoryStream<Path> open = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path each : open) {
                try {
                    found.add(each.getFileName() + " " + Files.readSymbolicLink(each));
                } catch (NoSuchFileException e) {
                    // Closed meanwhile.
                    assertThat(e).isNotNull();
                }
            }
        }
        found.removeIf(name -> !name.contains(kind));
        return found;
    }

    @Test
    void mountThatNobodyCanServeIsGone(@TempDir Path other) throws Exception {
        Set<String> before = openOf("/dev/fuse");
        FuseReply.Owner owner = MountPoint.owner();
        int fd = MountPoint.mount(other, owner);
        assertThat(openOf("/dev/fuse")).contains(fd + " /dev/fuse").isNotEqualTo(before);
        assertThatThrownBy(() -> ServedMount.of(other, fd, owner, _ -> {
            throw new OutOfMemoryError("unable to create native thread: on purpose");
        })).isInstanceOf(OutOfMemoryError.class);
        assertThat(openOf("/dev/fuse")).isEqualTo(before);
        assertThat(Files.readString(Path.of("/proc/self/mountinfo"))).doesNotContain(other.toString());
    }

    @Test
    void programThatCannotBeStartedLeavesNoSocketOpen() throws Exception {
        Set<String> before = openOf("socket:");
        assertThatThrownBy(() -> Fusermount.mount(folder, "x".repeat(1 << 20))).isInstanceOf(IOException.class)
                .hasMessageContaining("cannot start fusermount3");
        assertThat(before).containsAll(openOf("socket:"));
    }

    @Test
    void detachedMountGoesOnForWhoUsesIt() throws Exception {
        var _ = show("t", OpenedDoor.emptyTree());
        FileChannel channel = FileChannel.open(folder.resolve("t/f"), CREATE, WRITE);
        mount.detach();
        assertThat(folder).isEmptyDirectory();
        assertThat(channel.write(ByteBuffer.allocate(100))).isEqualTo(100);
        channel.close();
        assertThat(mount.failure()).isNull();
    }
}
