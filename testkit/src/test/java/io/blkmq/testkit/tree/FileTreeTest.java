package io.blkmq.testkit.tree;

import static io.blkmq.testkit.tree.FileTree.ROOT;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class FileTreeTest {
    private static final int PAGE = FileTree.PAGE_BYTES;

    private final AtomicLong clock = new AtomicLong(1000);
    private final FileTree tree = new FileTree(100 * PAGE, clock::get);

    private long file(long directory, String name) throws IOException {
        return tree.create(directory, name, 0644, 1, 2);
    }

    private long directory(long directory, String name) throws IOException {
        return tree.mkdir(directory, name, 0755, 1, 2);
    }

    private void write(long inode, long offset, String text) throws IOException {
        write(tree, inode, offset, text);
    }

    private static void write(FileTree tree, long inode, long offset, String text) throws IOException {
        assertThat(tree.write(inode, offset, ByteBuffer.wrap(text.getBytes(UTF_8)))).isEqualTo(text.length());
    }

    private static String text(FileTree tree, long inode) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate((int) tree.attributes(inode).size());
        assertThat(tree.read(inode, 0, buffer)).isEqualTo(buffer.capacity());
        return new String(buffer.array(), UTF_8);
    }

    private static List<String> names(FileTree tree, long directory) throws IOException {
        return tree.list(directory).stream().map(DirectoryEntry::name).sorted().toList();
    }

    private static void assertFails(Errno errno, ThrowingCallable operation) {
        assertThatThrownBy(operation).isInstanceOfSatisfying(TreeException.class,
                failure -> assertThat(failure.errno()).as(failure.getMessage()).isEqualTo(errno));
    }

    @Test
    void aNewInodeHasWhatItWasMadeWith() throws IOException {
        clock.set(77);
        long file = file(ROOT, "f");
        assertThat(tree.attributes(file))
                .isEqualTo(new Attributes(file, Kind.FILE, 0644, 1, 2, 1, 0, 0, 77, 77, 77, 77));
        long directory = directory(ROOT, "d");
        assertThat(tree.attributes(directory).nlink()).isEqualTo(2);
        assertThat(tree.attributes(ROOT)).extracting(Attributes::nlink, Attributes::modifiedNanos).containsExactly(3,
                77L);
        long link = tree.symlink(ROOT, "l", "über/x", 1, 2);
        assertThat(tree.attributes(link)).extracting(Attributes::size, Attributes::unixMode).containsExactly(7L,
                0120777);
        assertThat(tree.readlink(link)).isEqualTo("über/x");
        assertThat(tree.lookup(directory, "..")).isEqualTo(ROOT);
        assertThat(tree.lookup(directory, ".")).isEqualTo(directory);
        assertThat(tree.lookup(ROOT, "f")).isEqualTo(file);
        assertThat(tree.find(ROOT, "g")).isZero();
    }

    @Test
    void refusalsHaveTheErrorsOfLinux() throws IOException {
        long file = file(ROOT, "f");
        long directory = directory(ROOT, "d");
        long inner = directory(directory, "inner");
        assertFails(Errno.EEXIST, () -> file(ROOT, "f"));
        assertFails(Errno.EEXIST, () -> directory(ROOT, "f"));
        assertFails(Errno.ENOENT, () -> tree.lookup(ROOT, "g"));
        assertFails(Errno.ENOENT, () -> tree.attributes(999));
        assertFails(Errno.ENOENT, () -> tree.attributes(-1));
        assertFails(Errno.ENOTDIR, () -> tree.lookup(file, "g"));
        assertFails(Errno.EINVAL, () -> file(ROOT, ".."));
        assertFails(Errno.EINVAL, () -> file(ROOT, ""));
        assertFails(Errno.EINVAL, () -> file(ROOT, "a/b"));
        assertFails(Errno.ENAMETOOLONG, () -> file(ROOT, "ü".repeat(128)));
        assertFails(Errno.ENAMETOOLONG, () -> tree.find(ROOT, "x".repeat(256)));
        assertThat(tree.find(ROOT, "x".repeat(255))).isZero();
        assertFails(Errno.ENOTEMPTY, () -> tree.rmdir(ROOT, "d"));
        assertFails(Errno.ENOTDIR, () -> tree.rmdir(ROOT, "f"));
        assertFails(Errno.EISDIR, () -> tree.unlink(ROOT, "d"));
        assertFails(Errno.EPERM, () -> tree.link(directory, ROOT, "e"));
        assertFails(Errno.EISDIR, () -> tree.truncate(directory, 0));
        assertFails(Errno.EINVAL, () -> tree.readlink(file));
        assertFails(Errno.EINVAL, () -> tree.truncate(file, -1));
        assertFails(Errno.EFBIG, () -> tree.truncate(file, FileTree.FILE_BYTES_MAX + 1));
        assertFails(Errno.EFBIG, () -> write(file, FileTree.FILE_BYTES_MAX, "x"));
        assertFails(Errno.EINVAL, () -> tree.rename(ROOT, "d", inner, "x", RenameMode.REPLACE));
        assertFails(Errno.EINVAL, () -> tree.rename(ROOT, "d", directory, "x", RenameMode.REPLACE));
        assertFails(Errno.EISDIR, () -> tree.rename(ROOT, "f", ROOT, "d", RenameMode.REPLACE));
        assertFails(Errno.ENOTDIR, () -> tree.rename(directory, "inner", ROOT, "f", RenameMode.REPLACE));
        assertFails(Errno.EEXIST, () -> tree.rename(directory, "inner", ROOT, "f", RenameMode.NO_REPLACE));
        assertFails(Errno.ENOENT, () -> tree.rename(ROOT, "f", ROOT, "g", RenameMode.EXCHANGE));
        assertFails(Errno.EINVAL, () -> tree.rename(ROOT, "f", inner, "..", RenameMode.REPLACE));
        assertThatThrownBy(() -> tree.release(file)).isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("" + file);
        tree.setReadOnly(true);
        assertFails(Errno.EROFS, () -> file(ROOT, "g"));
        assertFails(Errno.EROFS, () -> write(file, 0, "x"));
        assertFails(Errno.EROFS, () -> tree.setMode(file, 0));
        assertThat(names(tree, ROOT)).containsExactly("d", "f");
    }

    @Test
    void aCapacityOutOfRangeIsRefused() {
        assertThatThrownBy(() -> new FileTree(-1, clock::get)).hasMessageContaining("capacityBytes -1");
        assertThatThrownBy(() -> new FileTree(FileTree.CAPACITY_BYTES_MAX + 1, clock::get))
                .isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void holesReadAsZeroesAndCostNothing() throws IOException {
        long file = file(ROOT, "f");
        write(file, 3 * PAGE + 10, "data");
        assertThat(tree.attributes(file)).extracting(Attributes::size, Attributes::allocatedBytes)
                .containsExactly(3L * PAGE + 14, (long) PAGE);
        assertThat(text(tree, file)).isEqualTo("\0".repeat(3 * PAGE + 10) + "data");
        assertThat(tree.nextData(file, 5)).isEqualTo(3 * PAGE);
        assertThat(tree.nextData(file, 3 * PAGE + 12)).isEqualTo(3 * PAGE + 12);
        assertThat(tree.nextHole(file, 5)).isEqualTo(5);
        assertThat(tree.nextHole(file, 3 * PAGE)).isEqualTo(3 * PAGE + 14);
        assertFails(Errno.ENXIO, () -> tree.nextData(file, 3 * PAGE + 14));
        assertFails(Errno.ENXIO, () -> tree.nextHole(file, 3 * PAGE + 14));
        tree.truncate(file, 10 * PAGE);
        assertFails(Errno.ENXIO, () -> tree.nextData(file, 5 * PAGE));
        assertThat(tree.statfs()).isEqualTo(new Usage(100 * PAGE, PAGE, 2));
    }

    @Test
    void whatATruncationCutsOffStaysGone() throws IOException {
        long file = file(ROOT, "f");
        write(file, PAGE - 2, "abcdef");
        tree.truncate(file, PAGE - 1);
        tree.truncate(file, PAGE + 4);
        assertThat(text(tree, file)).isEqualTo("\0".repeat(PAGE - 2) + "a" + "\0".repeat(5));
        assertThat(tree.read(file, PAGE + 4, ByteBuffer.allocate(1))).isZero();
        assertFails(Errno.EINVAL, () -> tree.read(file, -1, ByteBuffer.allocate(1)));
    }

    @Test
    void aPunchedRangeReadsAsZeroesAndTheSizeStays() throws IOException {
        long file = file(ROOT, "f");
        String text = "x".repeat(4 * PAGE);
        write(file, 0, text);
        tree.punch(file, PAGE - 1, 2 * PAGE + 2);
        assertThat(text(tree, file)).isEqualTo("x".repeat(PAGE - 1) + "\0".repeat(2 * PAGE + 2) + "x".repeat(PAGE - 1));
        assertThat(tree.attributes(file).allocatedBytes()).isEqualTo(2 * PAGE);
        tree.punch(file, 10, 5);
        tree.punch(file, 4 * PAGE - 1, 100);
        tree.punch(file, 5 * PAGE, 100);
        assertThat(text(tree, file)).startsWith("x".repeat(10) + "\0".repeat(5) + "x").endsWith("x\0")
                .hasSize(4 * PAGE);
        assertFails(Errno.EINVAL, () -> tree.punch(file, 0, 0));
    }

    @Test
    void whatDoesNotFitIsNotWritten() throws IOException {
        long file = file(ROOT, "f");
        write(file, 0, "x".repeat(98 * PAGE));
        ByteBuffer much = ByteBuffer.allocate(4 * PAGE);
        assertThat(tree.write(file, 98 * PAGE, much)).isEqualTo(2 * PAGE);
        assertThat(much.remaining()).isEqualTo(2 * PAGE);
        assertFails(Errno.ENOSPC, () -> tree.write(file, 100 * PAGE, much));
        write(file, 0, "y".repeat(10));
        assertThat(tree.statfs().freeBytes()).isZero();
        tree.truncate(file, 99 * PAGE);
        assertFails(Errno.ENOSPC, () -> tree.allocate(file, 99 * PAGE, 2 * PAGE, false));
        tree.allocate(file, 98 * PAGE, 2 * PAGE, false);
        assertThat(tree.attributes(file).size()).isEqualTo(100 * PAGE);
        tree.unlink(ROOT, "f");
        assertThat(tree.statfs()).isEqualTo(new Usage(100 * PAGE, 0, 1));
    }

    @Test
    void reservedSpaceReadsAsZeroesAndIsCounted() throws IOException {
        long file = file(ROOT, "f");
        write(file, 0, "ab");
        tree.allocate(file, 0, 3 * PAGE, true);
        assertThat(tree.attributes(file)).extracting(Attributes::size, Attributes::allocatedBytes).containsExactly(2L,
                3L * PAGE);
        write(file, PAGE, "c");
        assertThat(text(tree, file)).isEqualTo("ab" + "\0".repeat(PAGE - 2) + "c");
        assertFails(Errno.EINVAL, () -> tree.allocate(file, 0, 0, true));
        assertFails(Errno.EFBIG, () -> tree.allocate(file, FileTree.FILE_BYTES_MAX, 1, true));
    }

    @Test
    void anUnlinkedFileLivesWhileItIsHeld() throws IOException {
        long file = file(ROOT, "f");
        tree.hold(file);
        tree.hold(file);
        assertThat(tree.pathOf(file)).isEqualTo("/f");
        tree.unlink(ROOT, "f");
        assertThat(tree.pathOf(file)).contains("no name");
        write(file, 0, "still");
        assertThat(text(tree, file)).isEqualTo("still");
        assertThat(tree.heldFiles()).containsOnly(Map.entry(file, 2));
        assertFails(Errno.ENOENT, () -> tree.link(file, ROOT, "again"));
        assertFails(Errno.ENOENT, () -> tree.fork().attributes(file));
        tree.release(file);
        assertThat(tree.attributes(file).nlink()).isZero();
        tree.release(file);
        assertFails(Errno.ENOENT, () -> tree.attributes(file));
        assertThat(tree.heldFiles()).isEmpty();
        assertThat(file(ROOT, "f")).as("a number is never used again").isGreaterThan(file);
    }

    @Test
    void nothingComesIntoADirectoryThatIsRemoved() throws IOException {
        long directory = directory(ROOT, "d");
        file(ROOT, "f");
        tree.hold(directory);
        tree.rmdir(ROOT, "d");
        assertThat(tree.attributes(directory).nlink()).isZero();
        assertFails(Errno.ENOENT, () -> file(directory, "f"));
        assertFails(Errno.ENOENT, () -> tree.rename(ROOT, "f", directory, "f", RenameMode.REPLACE));
        tree.release(directory);
        assertThat(tree.statfs().inodes()).isEqualTo(2);
    }

    @Test
    void linksOfAFileAreOneFile() throws IOException {
        long file = file(ROOT, "f");
        long directory = directory(ROOT, "d");
        tree.link(file, directory, "g");
        write(file, 0, "x");
        assertThat(tree.lookup(directory, "g")).isEqualTo(file);
        assertThat(tree.attributes(file).nlink()).isEqualTo(2);
        tree.rename(ROOT, "f", directory, "g", RenameMode.REPLACE);
        assertThat(names(tree, ROOT)).as("names of one file stay both").containsExactly("d", "f");
        tree.unlink(ROOT, "f");
        assertThat(tree.attributes(file).nlink()).isEqualTo(1);
    }

    @Test
    void aRenameReplacesAndCountsLinks() throws IOException {
        long one = directory(ROOT, "one");
        long two = directory(ROOT, "two");
        long moved = directory(one, "moved");
        long replaced = directory(two, "replaced");
        tree.rename(one, "moved", two, "replaced", RenameMode.REPLACE);
        assertThat(tree.lookup(two, "replaced")).isEqualTo(moved);
        assertThat(tree.lookup(moved, "..")).isEqualTo(two);
        assertFails(Errno.ENOENT, () -> tree.attributes(replaced));
        assertThat(tree.attributes(one).nlink()).isEqualTo(2);
        assertThat(tree.attributes(two).nlink()).isEqualTo(3);
        assertThat(tree.attributes(ROOT).nlink()).isEqualTo(4);
    }

    @Test
    void anExchangeChangesPlaces() throws IOException {
        long one = directory(ROOT, "one");
        long inner = directory(one, "x");
        long file = file(ROOT, "f");
        tree.rename(one, "x", ROOT, "f", RenameMode.EXCHANGE);
        assertThat(tree.lookup(one, "x")).isEqualTo(file);
        assertThat(tree.lookup(ROOT, "f")).isEqualTo(inner);
        assertThat(tree.lookup(inner, "..")).isEqualTo(ROOT);
        assertThat(tree.attributes(one).nlink()).isEqualTo(2);
        assertThat(tree.attributes(ROOT).nlink()).isEqualTo(4);
        assertFails(Errno.EINVAL, () -> tree.rename(one, "x", ROOT, "one", RenameMode.EXCHANGE));
    }

    @Test
    void aListingGoesOnAfterItsCookieWhileNamesComeAndGo() throws IOException {
        Set<String> all = new HashSet<>();
        // Of the same hash code: they differ in their cookies all the same.
        for (String name : List.of("AaAa", "AaBB", "BBAa", "BBBB", "x", "y", "z")) {
            file(ROOT, name);
            all.add(name);
        }
        List<String> listed = new ArrayList<>();
        long cookie = 0;
        for (List<DirectoryEntry> some = tree.list(ROOT, 0, 2); !some.isEmpty(); some = tree.list(ROOT, cookie, 2)) {
            some.forEach(entry -> listed.add(entry.name()));
            cookie = some.getLast().cookie();
            assertThat(some.getFirst().cookie()).isGreaterThanOrEqualTo(FileTree.FIRST_COOKIE);
            if (!listed.contains("new")) {
                tree.unlink(ROOT, some.getFirst().name());
            }
        }
        assertThat(listed).containsExactlyInAnyOrderElementsOf(all);
        assertThat(tree.list(ROOT))
                .allSatisfy(entry -> assertThat(tree.lookup(ROOT, entry.name())).isEqualTo(entry.inode()));
    }

    @Test
    void namesOfOneHashCodeAreApart() throws IOException {
        long one = file(ROOT, "Aa");
        long two = file(ROOT, "BB");
        tree.unlink(ROOT, "Aa");
        assertThat(tree.lookup(ROOT, "BB")).isEqualTo(two);
        assertThat(tree.find(ROOT, "Aa")).isZero();
        long three = file(ROOT, "Aa");
        assertThat(Set.of(one, two, three)).hasSize(3);
        assertThat(names(tree, ROOT)).containsExactly("Aa", "BB");
    }

    @Test
    void timesAndOwnersAreSetOrKept() throws IOException {
        long file = file(ROOT, "f");
        clock.set(5000);
        tree.setTimes(file, FileTree.TIME_KEPT, 42);
        assertThat(tree.attributes(file))
                .extracting(Attributes::accessedNanos, Attributes::modifiedNanos, Attributes::changedNanos)
                .containsExactly(1000L, 42L, 5000L);
        tree.setTimes(file, FileTree.TIME_NOW, FileTree.TIME_KEPT);
        tree.setOwner(file, -1, 9);
        tree.setMode(file, 0170640);
        assertThat(tree.attributes(file))
                .extracting(Attributes::accessedNanos, Attributes::uid, Attributes::gid, Attributes::mode)
                .containsExactly(5000L, 1, 9, 0640);
        clock.set(6000);
        write(file, 0, "x");
        assertThat(tree.attributes(file).modifiedNanos()).isEqualTo(6000);
        tree.setMode(ROOT, 02755);
        tree.setOwner(ROOT, 0, 7);
        assertThat(tree.attributes(file(ROOT, "g")).gid()).as("of a directory that hands its group on").isEqualTo(7);
        assertThat(tree.attributes(directory(ROOT, "d")).mode()).isEqualTo(02755);
    }

    @Test
    void theLogHasEveryChangeInItsOrder() throws IOException {
        long before = file(ROOT, "before");
        ChangeLog log = tree.startLog();
        assertThatThrownBy(tree::startLog).isInstanceOf(IllegalStateException.class);
        long directory = directory(ROOT, "d");
        long link = tree.symlink(directory, "l", "t", 0, 0);
        write(before, 1, "xy");
        byte[] source = {1, 2, 3};
        tree.write(before, 0, ByteBuffer.wrap(source));
        source[0] = 9;
        tree.truncate(before, 1);
        tree.truncate(before, 1);
        tree.allocate(before, 0, 5, false);
        tree.punch(before, 0, 100);
        tree.link(before, directory, "b");
        tree.rename(directory, "b", ROOT, "before", RenameMode.REPLACE);
        tree.rename(directory, "b", ROOT, "b", RenameMode.REPLACE);
        tree.rename(directory, "l", ROOT, "b", RenameMode.EXCHANGE);
        tree.rename(ROOT, "b", ROOT, "before", RenameMode.REPLACE);
        tree.sync(directory, true);
        tree.syncAll();
        tree.acknowledge(1);
        assertFails(Errno.ENOENT, () -> tree.unlink(ROOT, "none"));
        tree.unlink(ROOT, "before");
        tree.stopLog();
        tree.syncAll();
        List<Change> changes = log.changes();
        assertThat(changes).hasSize(15).hasSize(log.size());
        assertThat(changes.get(2)).isInstanceOfSatisfying(Change.Write.class,
                write -> assertThat(write.data()).hasSize(2));
        assertThat(changes.get(3)).isInstanceOfSatisfying(Change.Write.class, write -> {
            assertThat(write.data()).containsExactly(1, 2, 3);
            assertThat(write.sizeBefore()).isEqualTo(3);
        });
        assertThat(log.dataBytes()).isEqualTo(5);
        assertThat(changes.subList(0, 2)).containsExactly(new Change.Create(ROOT, "d", directory, Kind.DIRECTORY, ""),
                new Change.Create(directory, "l", link, Kind.SYMLINK, "t"));
        assertThat(changes.subList(4, 15)).containsExactly(new Change.Truncate(before, 1, 3),
                new Change.Truncate(before, 5, 1), new Change.Punch(before, 0, 5),
                new Change.Link(directory, "b", before), new Change.Rename(directory, "b", ROOT, "b", before, 0),
                new Change.Exchange(directory, "l", link, ROOT, "b", before),
                new Change.Rename(ROOT, "b", ROOT, "before", link, before), new Change.Sync(directory, true),
                new Change.SyncAll(), new Change.Acknowledge(1), new Change.Unlink(ROOT, "before", link));
        assertThat(names(log.base(), ROOT)).containsExactly("before");
    }

    @Test
    void aForkAndItsOriginalDoNotSeeEachOthersChanges() throws IOException {
        long file = file(ROOT, "f");
        write(file, 0, "x".repeat(3 * PAGE));
        FileTree one = tree.fork();
        FileTree two = one.fork();
        write(tree, file, 0, "tree");
        write(one, file, PAGE, "one");
        two.unlink(ROOT, "f");
        two.create(ROOT, "g", 0, 0, 0);
        write(tree, file, 2 * PAGE, "again");
        assertThat(text(tree, file)).startsWith("treex").contains("xagainx").doesNotContain("one");
        assertThat(text(one, file)).startsWith("xxxx").contains("xonex").doesNotContain("again");
        assertThat(names(tree, ROOT)).containsExactly("f");
        assertThat(names(two, ROOT)).containsExactly("g");
        tree.setMode(file, 0);
        assertThat(one.attributes(file).mode()).isEqualTo(0644);
        assertThat(two.statfs().usedBytes()).isZero();
        assertThat(one.statfs().usedBytes()).isEqualTo(3 * PAGE);
    }

    @Test
    void effectsWithoutChecksAreSettled() throws IOException {
        long file = file(ROOT, "f");
        write(file, 0, "kept");
        long lost = directory(ROOT, "lost");
        file(lost, "inside");
        long twice = directory(ROOT, "twice");
        FileTree fork = tree.fork();
        fork.removeEntry(ROOT, "lost");
        fork.removeEntry(ROOT, "never");
        fork.putEntry(ROOT, "g", file);
        fork.putEntry(twice, "down", twice);
        fork.putEntry(ROOT, "nowhere", 50);
        assertThatThrownBy(() -> fork.poke(50, 0, new byte[1], 0, 1)).hasMessageContaining("inode 50");
        fork.restore(60, Kind.FILE, "", 0600);
        fork.putEntry(twice, "restored", 60);
        fork.setSize(60, 3);
        fork.poke(60, 1, "0abcdef".getBytes(UTF_8), 1, 6);
        fork.restore(61, Kind.SYMLINK, "target", 0777);
        fork.restore(62, Kind.DIRECTORY, "", 0700);
        fork.putEntry(twice, "deep", 62);
        fork.putEntry(62, "link", 61);
        fork.settle();
        assertThat(names(fork, ROOT)).containsExactly("f", "g", "twice");
        assertThat(names(fork, twice)).containsExactly("deep", "restored");
        assertThat(text(fork, 60)).isEqualTo("\0ab");
        assertThat(fork.attributes(file).nlink()).isEqualTo(2);
        assertThat(fork.attributes(ROOT).nlink()).isEqualTo(3);
        assertThat(fork.attributes(twice).nlink()).isEqualTo(3);
        assertThat(fork.lookup(62, "..")).isEqualTo(twice);
        assertThat(fork.statfs()).isEqualTo(new Usage(100 * PAGE, 2 * PAGE, 6));
        assertFails(Errno.ENOENT, () -> fork.attributes(lost));
        fork.poke(lost, 0, new byte[1], 0, 1);
        assertThat(fork.create(ROOT, "new", 0, 0, 0)).isGreaterThan(62);
        assertThat(names(tree, lost)).as("the original").containsExactly("inside");
        assertThat(tree.attributes(file).nlink()).isEqualTo(1);
    }

    @Test
    void aDirectoryOfTwoNamesKeepsTheNearest() throws IOException {
        long above = directory(ROOT, "above");
        long moved = directory(above, "moved");
        FileTree fork = tree.fork();
        fork.putEntry(ROOT, "here", moved);
        fork.settle();
        assertThat(fork.lookup(ROOT, "here")).isEqualTo(moved);
        assertThat(names(fork, above)).isEmpty();
        assertThat(fork.lookup(moved, "..")).isEqualTo(ROOT);
        assertThat(tree.lookup(moved, "..")).isEqualTo(above);
    }

    @Test
    void aTreeThatIsNotSettledHasNoFingerprint() throws IOException {
        long directory = directory(ROOT, "d");
        FileTree fork = tree.fork();
        fork.putEntry(directory, "down", directory);
        assertThatThrownBy(fork::fingerprint).isInstanceOf(IllegalStateException.class).hasMessageContaining("settled");
        assertThat(fork.pathOf(99)).contains("no name");
        fork.settle();
        assertThat(fork.fingerprint()).isEqualTo(tree.fingerprint());
    }

    @Test
    void threadsUseForksOfOneTree() throws IOException {
        int threads = 4;
        long file = file(ROOT, "f");
        write(file, 0, "x".repeat(50 * PAGE));
        List<Fingerprint> expected = new ArrayList<>();
        for (int number = 0; number < threads; number++) {
            // Of a tree that shares nothing with the one that the threads use.
            FileTree alone = new FileTree(100 * PAGE, clock::get);
            write(alone, alone.create(ROOT, "f", 0644, 1, 2), 0, "x".repeat(50 * PAGE));
            write(alone, file, (long) number * PAGE, "changed");
            expected.add(alone.fingerprint());
        }
        Eventually.together(threads, false, number -> {
            for (int round = 0; round < 50; round++) {
                FileTree fork = tree.fork();
                write(fork, file, (long) number * PAGE, "changed");
                assertThat(fork.fingerprint()).isEqualTo(expected.get(number));
                write(fork, file, (long) number * PAGE, "xxxxxxx");
                assertThat(fork.fork().fingerprint()).isEqualTo(tree.fingerprint());
            }
        });
    }

    @Test
    void aFingerprintIsOfWhatCanBeReadAndNothingElse() throws IOException {
        FileTree other = new FileTree(100 * PAGE, () -> 5);
        long gone = other.create(ROOT, "gone", 0, 0, 0);
        long late = other.create(ROOT, "b", 0, 0, 0);
        long early = other.create(ROOT, "a", 0, 0, 0);
        write(other, early, PAGE, "x");
        write(other, late, 0, "y");
        other.unlink(ROOT, "gone");
        long a = file(ROOT, "a");
        long b = file(ROOT, "b");
        write(a, 0, "\0".repeat(PAGE) + "x");
        write(b, 0, "y");
        assertThat(gone).isLessThan(late);
        assertThat(tree.fingerprint()).isEqualTo(other.fingerprint()).hasToString(other.fingerprint().toString());
        tree.hold(b);
        tree.setMode(b, 0);
        assertThat(tree.fingerprint()).isEqualTo(other.fingerprint());
        write(b, 0, "z");
        assertThat(tree.fingerprint()).isNotEqualTo(other.fingerprint());
        write(b, 0, "y");
        assertThat(tree.fingerprint()).isEqualTo(other.fingerprint());
        tree.truncate(b, 2);
        assertThat(tree.fingerprint()).as("the size").isNotEqualTo(other.fingerprint());
    }

    @Test
    void differentTreesHaveDifferentFingerprints() throws IOException {
        Set<Fingerprint> seen = new HashSet<>();
        List<String> what = new ArrayList<>();
        FileTree start = tree.fork();
        record Step(String name, Effect effect) {}
        List<Step> steps = List.of(new Step("empty", _ -> {}), new Step("a file", at -> at.create(ROOT, "a", 0, 0, 0)),
                new Step("another name", at -> at.create(ROOT, "b", 0, 0, 0)),
                new Step("a directory", at -> at.mkdir(ROOT, "a", 0, 0, 0)),
                new Step("a link", at -> at.symlink(ROOT, "a", "b", 0, 0)),
                new Step("another target", at -> at.symlink(ROOT, "a", "c", 0, 0)),
                new Step("two names", at -> at.link(at.create(ROOT, "a", 0, 0, 0), ROOT, "b")),
                new Step("two files", at -> at.create(at.create(ROOT, "a", 0, 0, 0) * 0 + ROOT, "b", 0, 0, 0)),
                new Step("a file below", at -> at.create(at.mkdir(ROOT, "a", 0, 0, 0), "b", 0, 0, 0)),
                new Step("a file below b", at -> at.create(at.mkdir(ROOT, "b", 0, 0, 0), "a", 0, 0, 0)),
                new Step("size", at -> at.truncate(at.create(ROOT, "a", 0, 0, 0), 1)),
                new Step("data", at -> write(at, at.create(ROOT, "a", 0, 0, 0), 0, "x")),
                new Step("data in another page", at -> {
                    long file = at.create(ROOT, "a", 0, 0, 0);
                    write(at, file, 0, "x");
                    write(at, file, PAGE, "y");
                }), new Step("pages that have changed places", at -> {
                    long file = at.create(ROOT, "a", 0, 0, 0);
                    write(at, file, 0, "y");
                    write(at, file, PAGE, "x");
                }));
        for (Step step : steps) {
            FileTree at = start.fork();
            step.effect.on(at);
            assertThat(seen.add(at.fingerprint())).as(step.name + " after " + what).isTrue();
            assertThat(at.fork().fingerprint()).isEqualTo(at.fingerprint());
            what.add(step.name);
        }
    }

    /** What makes a tree differ. */
    @FunctionalInterface
    private interface Effect {
        void on(FileTree tree) throws IOException;
    }

    @Test
    void whatIsListedSaysItsKind() throws IOException {
        file(ROOT, "f");
        directory(ROOT, "d");
        tree.symlink(ROOT, "l", "f", 0, 0);
        assertThat(tree.list(ROOT)).extracting(DirectoryEntry::name, DirectoryEntry::kind)
                .containsExactlyInAnyOrder(tuple("f", Kind.FILE), tuple("d", Kind.DIRECTORY), tuple("l", Kind.SYMLINK));
    }
}
