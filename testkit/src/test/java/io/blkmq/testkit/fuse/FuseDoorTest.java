package io.blkmq.testkit.fuse;

import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.WRITE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testkit.tree.FileTree;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The beginning and the end of doors, servers and mounts. */
class FuseDoorTest {
    @TempDir
    private Path directory;
    private final List<Process> clients = new ArrayList<>();

    @BeforeAll
    static void skip() {
        OpenedDoor.skipWithoutFuse();
    }

    @AfterEach
    void end() {
        clients.forEach(Process::destroyForcibly);
    }

    private Path folder(String name) throws IOException {
        return Files.createDirectory(directory.resolve(name));
    }

    private static boolean isMounted(Path folder) {
        try {
            return Files.readString(Path.of("/proc/self/mountinfo"))
                    .contains(" " + folder.toString().replace("\\", "\\134").replace(" ", "\\040") + " ");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The servers that this process has started, and that have not ended. */
    private static List<ProcessHandle> servers() {
        return ProcessHandle.current().children()
                .filter(child -> child.info().arguments()
                        .map(arguments -> List.of(arguments).contains(FuseServer.class.getName())).orElse(false))
                .toList();
    }

    @Test
    void severalMountsShowWhatTheyHave() throws Exception {
        try (FuseDoor door = FuseDoor.open()) {
            FuseMount one = door.mount(folder("one"));
            FuseMount other = door.mount(folder("an other \\134"));
            Path first = one.show("t", OpenedDoor.treeOf(Map.of("a", "1"))).directory();
            Path second = other.show("t", OpenedDoor.treeOf(Map.of("b", "2"))).directory();
            assertThat(first.resolve("a")).hasContent("1");
            assertThat(second.resolve("b")).hasContent("2");
            assertThat(isMounted(one.folder())).isTrue();
            one.close();
            assertThat(isMounted(one.folder())).isFalse();
            assertThat(one.folder()).isEmptyDirectory();
            assertThat(second.resolve("b")).hasContent("2");
            assertThatThrownBy(() -> one.show("t", OpenedDoor.emptyTree())).isInstanceOf(IOException.class)
                    .hasMessageContaining("no mount");
            try (FuseMount again = door.mount(one.folder())) {
                assertThat(again.folder()).isEmptyDirectory();
            }
        }
        assertThat(servers()).isEmpty();
        assertThat(directory.resolve("one")).isEmptyDirectory();
    }

    @Test
    void foldersThatCannotBeMountedAreRefusedWithTheReason() throws Exception {
        Path full = folder("full");
        Path file = Files.createFile(full.resolve("file"));
        try (FuseDoor door = FuseDoor.open()) {
            FuseMount mount = door.mount(folder("mounted"));
            assertThatThrownBy(() -> door.mount(directory.resolve("none"))).isInstanceOf(IOException.class)
                    .hasMessageContaining("none does not exist");
            assertThatThrownBy(() -> door.mount(file)).isInstanceOf(IOException.class)
                    .hasMessageContaining("file is no directory");
            assertThatThrownBy(() -> door.mount(full)).isInstanceOf(IOException.class)
                    .hasMessageContaining("is not empty: a mount would hide file");
            assertThatThrownBy(() -> door.mount(mount.folder())).isInstanceOf(IOException.class)
                    .hasMessageContaining("is the folder of a mount already");
            Path inside = mount.show("t", OpenedDoor.emptyTree()).directory();
            assertThat(inside).as("after the refusals").isEmptyDirectory();
        }
    }

    @Test
    void openFilesEndWithTheDoorAndHoldNothingUp() throws Exception {
        FuseDoor door = FuseDoor.open();
        FuseMount mount = door.mount(folder("m"));
        FuseTree tree = mount.show("t", OpenedDoor.emptyTree());
        FileChannel channel = FileChannel.open(tree.directory().resolve("f"), CREATE, WRITE);
        FileChannel busy = FileChannel.open(tree.directory().resolve("g"), CREATE, WRITE);
        CountDownLatch begun = new CountDownLatch(1);
        Eventually.Worker<Throwable> writer = Eventually.call(() -> {
            try {
                while (true) {
                    assertThat(busy.write(ByteBuffer.allocate(100_000), 0)).isEqualTo(100_000);
                    begun.countDown();
                }
            } catch (IOException e) {
                busy.close();
                return e;
            }
        });
        begun.await();
        mount.close();
        assertThat(channel.write(ByteBuffer.allocate(10))).as("until the door closes").isEqualTo(10);
        door.close();
        door.close();
        assertThatThrownBy(tree::content).isInstanceOf(IOException.class).hasMessageContaining("is closed");
        assertThatThrownBy(() -> door.mount(directory.resolve("m"))).isInstanceOf(IOException.class)
                .hasMessageContaining("is closed");
        assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(10))).isInstanceOf(IOException.class)
                .hasMessageContaining("not connected");
        channel.close();
        assertThat(writer.join()).as("what is in flight ends, too").isInstanceOf(IOException.class);
        assertThat(directory.resolve("m")).isEmptyDirectory();
    }

    @Test
    void serverThatIsKilledLeavesNothingMounted() throws Exception {
        Path folder = folder("m");
        try (FuseDoor door = FuseDoor.open(); FuseMount mount = door.mount(folder)) {
            FuseTree tree = mount.show("t", OpenedDoor.emptyTree());
            FileChannel channel = FileChannel.open(tree.directory().resolve("f"), CREATE, WRITE);
            assertThat(servers()).hasSize(1).allMatch(ProcessHandle::destroyForcibly);
            assertThatThrownBy(tree::content).isInstanceOf(IOException.class)
                    .hasMessageContaining("the server of the mounts has ended, with status 137");
            assertThat(isMounted(folder)).isFalse();
            assertThat(folder).isEmptyDirectory();
            assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(1))).isInstanceOf(IOException.class);
            channel.close();
            assertThatThrownBy(mount::close).isInstanceOf(IOException.class).hasMessageContaining("has ended");
        }
    }

    /** Says why nothing can be mounted. */
    static final class Asking {
        private Asking() {}

        public static void main(String[] arguments) {
            System.out.println(FuseDoor.unavailable());
        }
    }

    @Test
    void withoutTheRightToMountTheReasonIsTold() throws Exception {
        ProcessBuilder asking = JavaProcess.of("java", List.of("-cp", JavaProcess.classPath(), Asking.class.getName()))
                .redirectErrorStream(true);
        asking.command().addAll(0, List.of("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"));
        Process process;
        try {
            process = asking.start();
        } catch (IOException e) {
            OpenedDoor.skipIf(true, "no setpriv with which to give up the right: " + e.getMessage());
            return;
        }
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        OpenedDoor.skipIf(said.startsWith("setpriv"), "the right cannot be given up: " + said);
        if (Fusermount.isInstalled()) {
            assertThat(said).containsAnyOf("Optional.empty", "fusermount3 refuses");
        } else {
            assertThat(said).contains("this process may not mount").contains("fusermount3").contains("unshare");
        }
    }

    /** Mounts, says where, and waits. */
    static final class Client {
        private Client() {}

        public static void main(String[] folders) throws Exception {
            FuseDoor door = FuseDoor.open();
            List<FileChannel> open = new ArrayList<>();
            for (String folder : folders) {
                FuseTree tree = door.mount(Path.of(folder)).show("t", new FileTree(1 << 20, () -> 0));
                open.add(FileChannel.open(tree.directory().resolve("f"), CREATE, WRITE));
            }
            System.out.println("server " + servers().getFirst().pid());
            while (System.in.read() >= 0) {
                assertThat(open).hasSize(folders.length);
            }
        }
    }

    private Process client(Path... folders) throws IOException {
        List<String> arguments = new ArrayList<>(List.of("-cp", JavaProcess.classPath(), Client.class.getName()));
        for (Path folder : folders) {
            arguments.add(folder.toString());
        }
        Process client = JavaProcess.start(arguments.toArray(new String[0]));
        clients.add(client);
        return client;
    }

    private static long serverOf(Process client) throws IOException {
        BufferedReader said = client.inputReader(StandardCharsets.UTF_8);
        String line = String.valueOf(said.readLine());
        assertThat(line).startsWith("server ");
        return Long.parseLong(line.substring("server ".length()));
    }

    private static boolean isDead(Path folder) {
        try {
            var _ = Files.createFile(folder.resolve("x"));
            return false;
        } catch (IOException e) {
            return String.valueOf(e.getMessage()).contains("not connected");
        }
    }

    @Test
    void processThatIsKilledLeavesNothingMountedAndItsServerThatIsKilledTooOnlyUntilTheNextOneStarts()
            throws Exception {
        Path dead = folder("dead");
        Path living = folder("living");
        Path second = folder("second");
        Process other = client(living, second);
        assertThat(serverOf(other)).isPositive();
        Process client = client(dead);
        long server = serverOf(client);
        // The server first is stopped, so that it cannot unmount when its door is gone.
        assertThat(new ProcessBuilder("kill", "-STOP", "" + server).start().waitFor()).isZero();
        var _ = client.destroyForcibly();
        assertThat(client.waitFor(300, TimeUnit.SECONDS)).isTrue();
        assertThat(ProcessHandle.of(server).orElseThrow().destroyForcibly()).isTrue();
        Eventually.until("nobody answers", () -> isDead(dead));
        assertThat(isMounted(dead)).isTrue();

        FuseDoor.open().close();
        assertThat(isMounted(dead)).isFalse();
        assertThat(isMounted(living) && isMounted(second)).as("mounts of a server that lives").isTrue();
        var _ = other.destroyForcibly();
        Eventually.until("they are gone", () -> !isMounted(living) && !isMounted(second));
        assertThat(living).isEmptyDirectory();
    }
}
