package io.blkmq.testkit.fs;

import static io.blkmq.testkit.fs.FileSystemModel.EXT4_ORDERED;
import static io.blkmq.testkit.fs.FileSystemModel.KILL;
import static io.blkmq.testkit.fs.FileSystemModel.POSIX;
import static io.blkmq.testkit.fs.FileSystemModel.XFS;
import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testkit.crash.Explorer;
import io.blkmq.testkit.tree.ChangeLog;
import io.blkmq.testkit.tree.DirectoryEntry;
import io.blkmq.testkit.tree.FileTree;
import io.blkmq.testkit.tree.Kind;
import io.blkmq.testkit.tree.RenameMode;
import io.blkmq.testkit.tree.TreeException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/**
 * What each model lets a crash leave, rule by rule: the table of docs/reference/crash-models.md. A state is written as the files and their
 * content; a zero byte is a dot.
 */
class FileSystemModelTest {
    private static final long ROOT = FileTree.ROOT;

    @FunctionalInterface
    private interface Steps {
        void on(Files files) throws TreeException;
    }

    /** Files of one directory, by name. */
    private static final class Files {
        private final FileTree tree;

        Files(FileTree tree) {
            this.tree = tree;
        }

        void create(String name) throws TreeException {
            tree.create(directory(name), last(name), 0644, 0, 0);
        }

        void mkdir(String name) throws TreeException {
            tree.mkdir(directory(name), last(name), 0755, 0, 0);
        }

        void write(String name, long offset, String text) throws TreeException {
            tree.write(inode(name), offset, ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
        }

        void truncate(String name, long size) throws TreeException {
            tree.truncate(inode(name), size);
        }

        void punch(String name, long offset, long length) throws TreeException {
            tree.punch(inode(name), offset, length);
        }

        void sync(String name) throws TreeException {
            tree.sync(inode(name), false);
        }

        void syncData(String name) throws TreeException {
            tree.sync(inode(name), true);
        }

        void rename(String from, String to) throws TreeException {
            tree.rename(directory(from), last(from), directory(to), last(to), RenameMode.REPLACE);
        }

        void unlink(String name) throws TreeException {
            tree.unlink(directory(name), last(name));
        }

        private long inode(String name) throws TreeException {
            long at = ROOT;
            for (String part : name.split("/", -1)) {
                at = part.isEmpty() ? at : tree.find(at, part);
            }
            return at;
        }

        private long directory(String name) throws TreeException {
            return inode(name.contains("/") ? name.substring(0, name.lastIndexOf('/')) : "");
        }

        private static String last(String name) {
            return name.substring(name.lastIndexOf('/') + 1);
        }
    }

    /** All states that a crash right after the last step may leave. */
    private static Set<String> states(FileSystemModel model, Steps before, Steps steps) throws TreeException {
        FileTree tree = new FileTree(1 << 30, () -> 0);
        before.on(new Files(tree));
        ChangeLog log = tree.startLog();
        steps.on(new Files(tree));
        tree.acknowledge(1);
        FileCrashes crashes = FileHistory.read(model, log.base(), log.changes());
        Set<String> states = new TreeSet<>();
        new Explorer<>(crashes.history(), crashes.medium(), 100_000, 1, false, () -> true)
                .explore((image, acknowledged, _) -> {
                    if (acknowledged == 1) {
                        states.add(text(image, ROOT));
                    }
                    return true;
                });
        return states;
    }

    private static Set<String> states(FileSystemModel model, Steps steps) throws TreeException {
        return states(model, _ -> {}, steps);
    }

    static String text(FileTree tree, long directory) {
        try {
            StringBuilder text = new StringBuilder();
            for (DirectoryEntry entry : tree.list(directory).stream().sorted(Comparator.comparing(DirectoryEntry::name))
                    .toList()) {
                text.append(text.isEmpty() ? "" : " ").append(entry.name());
                if (entry.kind() == Kind.DIRECTORY) {
                    text.append("(").append(text(tree, entry.inode())).append(")");
                } else {
                    byte[] data = new byte[(int) tree.attributes(entry.inode()).size()];
                    tree.read(entry.inode(), 0, ByteBuffer.wrap(data));
                    text.append("=").append(shortened(new String(data, StandardCharsets.UTF_8).replace('\0', '.')));
                }
            }
            return text.toString();
        } catch (TreeException e) {
            throw new AssertionError(e);
        }
    }

    /** A run of a character in a large file is written with its length. */
    static String shortened(String text) {
        StringBuilder result = new StringBuilder();
        for (int i = 0; i < text.length();) {
            int end = i;
            while (end < text.length() && text.charAt(end) == text.charAt(i)) {
                end++;
            }
            result.append(end - i < 100 ? text.substring(i, end) : text.charAt(i) + "*" + (end - i));
            i = end;
        }
        return result.toString();
    }

    private static final Steps OLD_FILE = files -> {
        files.create("f");
        files.write("f", 0, "old");
    };

    @Test
    void posixNeitherKeepsTheNameNorTheDataOfAnUnsyncedFile() throws Exception {
        assertThat(states(POSIX, files -> {
            files.create("f");
            files.write("f", 0, "new");
        })).containsExactlyInAnyOrder("", "f=", "f=...", "f=new");
    }

    @Test
    void posixKeepsDataButNoNameOfASyncedFile() throws Exception {
        assertThat(states(POSIX, files -> {
            files.create("f");
            files.write("f", 0, "new");
            files.sync("f");
        })).containsExactlyInAnyOrder("", "f=new");
    }

    @Test
    void posixKeepsTheNameWhenTheDirectoryIsSynced() throws Exception {
        assertThat(states(POSIX, files -> {
            files.create("f");
            files.write("f", 0, "new");
            files.sync("f");
            files.sync("");
        })).containsExactly("f=new");
    }

    @Test
    void posixLetsNamesSurviveOutOfOrder() throws Exception {
        assertThat(states(POSIX, files -> {
            files.create("a");
            files.create("b");
        })).containsExactlyInAnyOrder("", "a=", "b=", "a= b=");
    }

    @Test
    void posixRenamesWithinADirectoryAtomically() throws Exception {
        assertThat(states(POSIX, OLD_FILE, files -> {
            files.create("t");
            files.write("t", 0, "new");
            files.sync("t");
            files.rename("t", "f");
        })).containsExactlyInAnyOrder("f=old", "f=old t=new", "f=new");
    }

    @Test
    void posixMayLeaveAFileThatWasMovedBetweenDirectoriesInBothOrInNeither() throws Exception {
        assertThat(states(POSIX, files -> {
            files.mkdir("a");
            files.mkdir("b");
            files.create("a/f");
        }, files -> files.rename("a/f", "b/f"))).containsExactlyInAnyOrder("a(f=) b()", "a() b(f=)", "a(f=) b(f=)",
                "a() b()");
    }

    @Test
    void posixTearsAWriteAtSectors() throws Exception {
        assertThat(states(POSIX, files -> {
            files.create("f");
            files.truncate("f", 1024);
        }, files -> files.write("f", 0, "x".repeat(1024)))).containsExactlyInAnyOrder("f=.*1024", "f=x*512.*512",
                "f=.*512x*512", "f=x*1024");
    }

    @Test
    void ext4KeepsTheNameOfANewFileWithItsFirstSync() throws Exception {
        assertThat(states(EXT4_ORDERED, files -> {
            files.create("f");
            files.write("f", 0, "new");
            files.sync("f");
        })).containsExactly("f=new");
    }

    @Test
    void ext4KeepsTheNameOfANewFileWithItsFirstSyncOfDataAlone() throws Exception {
        assertThat(states(EXT4_ORDERED, files -> {
            files.create("f");
            files.write("f", 0, "new");
            files.syncData("f");
        })).containsExactly("f=new");
    }

    @Test
    void ext4AndXfsKeepNamesInOrder() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{EXT4_ORDERED, XFS}) {
            assertThat(states(model, files -> {
                files.create("a");
                files.create("b");
                files.unlink("a");
            })).containsExactlyInAnyOrder("", "a=", "a= b=", "b=");
        }
    }

    @Test
    void aSyncOfOneFileKeepsEarlierNamesWhereThereIsAJournal() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{EXT4_ORDERED, XFS}) {
            assertThat(states(model, files -> {
                files.create("a");
                files.create("b");
                files.sync("b");
            })).containsExactly("a= b=");
        }
    }

    @Test
    void ext4MayHaveTheSizeWithoutTheData() throws Exception {
        assertThat(states(EXT4_ORDERED, OLD_FILE, files -> files.write("f", 3, "new")))
                .containsExactlyInAnyOrder("f=old", "f=old...", "f=oldnew");
    }

    @Test
    void aWriteThatGrowsAFileMayLeaveItsOldSizeWithNewDataBelow() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{POSIX, EXT4_ORDERED}) {
            int unit = model.unitBytes();
            assertThat(states(model, files -> {
                files.create("f");
                files.write("f", 0, "a".repeat(unit));
            }, files -> files.write("f", 0, "x".repeat(2 * unit)))).as(model.name()).containsExactlyInAnyOrder(
                    "f=a*" + unit, "f=x*" + unit, "f=a*" + unit + ".*" + unit, "f=x*" + unit + ".*" + unit,
                    "f=a*" + unit + "x*" + unit, "f=x*" + 2 * unit);
        }
    }

    @Test
    void alsoWithinTheUnitInWhichTheFileEnded() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{POSIX, EXT4_ORDERED}) {
            assertThat(states(model, OLD_FILE, files -> files.write("f", 0, "longer"))).as(model.name())
                    .containsExactlyInAnyOrder("f=old", "f=lon", "f=old...", "f=longer");
        }
        assertThat(states(XFS, OLD_FILE, files -> files.write("f", 0, "longer"))).containsExactlyInAnyOrder("f=old",
                "f=lon", "f=longer");
    }

    @Test
    void aPageIsWholeAlsoWhenTheFileGrowsByAnother() throws Exception {
        String more = "n".repeat(4090);
        assertThat(states(XFS, OLD_FILE, files -> files.write("f", 0, "longer" + more + "more")))
                .containsExactlyInAnyOrder("f=old", "f=lon", "f=longer" + "n*4090", "f=longer" + "n*4090" + "more",
                        "f=old" + ".*4093" + "more");
    }

    @Test
    void theRestOfTheUnitMayBeZeroBeforeTheTruncation() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{POSIX, EXT4_ORDERED, XFS}) {
            assertThat(states(model, OLD_FILE, files -> files.truncate("f", 1))).as(model.name())
                    .containsExactlyInAnyOrder("f=old", "f=o..", "f=o");
        }
        assertThat(states(KILL, OLD_FILE, files -> files.truncate("f", 1))).containsExactly("f=o");
    }

    @Test
    void anOverwriteDoesNotWaitForTheSizeOfAnEarlierWrite() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{POSIX, EXT4_ORDERED}) {
            assertThat(states(model, OLD_FILE, files -> {
                files.write("f", 3, "new");
                files.write("f", 0, "two");
            })).as(model.name()).containsExactlyInAnyOrder("f=old", "f=two", "f=old...", "f=oldnew", "f=twonew");
        }
        assertThat(states(XFS, OLD_FILE, files -> {
            files.write("f", 3, "new");
            files.write("f", 0, "two");
        })).containsExactlyInAnyOrder("f=old", "f=two", "f=oldnew", "f=twonew");
    }

    @Test
    void anOverwriteIsOldOrNew() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{POSIX, EXT4_ORDERED, XFS}) {
            assertThat(states(model, OLD_FILE, files -> files.write("f", 0, "new"))).containsExactlyInAnyOrder("f=old",
                    "f=new");
        }
    }

    @Test
    void aRenameMayComeBeforeTheDataOfANewFile() throws Exception {
        assertThat(states(EXT4_ORDERED, files -> {
            files.create("t");
            files.write("t", 0, "new");
            files.rename("t", "f");
        })).containsExactlyInAnyOrder("", "t=", "t=...", "t=new", "f=", "f=...", "f=new");
    }

    @Test
    void ext4KeepsTheDataOfAFileThatReplacesAnother() throws Exception {
        assertThat(states(EXT4_ORDERED, OLD_FILE, files -> {
            files.create("t");
            files.write("t", 0, "new");
            files.rename("t", "f");
        })).containsExactlyInAnyOrder("f=old", "f=old t=", "f=old t=...", "f=old t=new", "f=new");
    }

    @Test
    void xfsMayEmptyAFileThatReplacesAnother() throws Exception {
        assertThat(states(XFS, OLD_FILE, files -> {
            files.create("t");
            files.write("t", 0, "new");
            files.rename("t", "f");
        })).containsExactlyInAnyOrder("f=old", "f=old t=", "f=old t=new", "f=", "f=new");
    }

    @Test
    void xfsHasNoSizeBeyondItsData() throws Exception {
        assertThat(states(XFS, files -> {
            files.create("f");
            files.write("f", 0, "a".repeat(4096));
            files.write("f", 4096, "b".repeat(4096));
        })).containsExactlyInAnyOrder("", "f=", "f=a*4096", "f=a*4096b*4096", "f=.*4096b*4096");
    }

    @Test
    void aTruncationIsInOrderWithNames() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{EXT4_ORDERED, XFS}) {
            assertThat(states(model, OLD_FILE, files -> {
                files.truncate("f", 0);
                files.create("g");
            })).containsExactlyInAnyOrder("f=old", "f=", "f= g=");
        }
    }

    @Test
    void dataThatWasCutOffDoesNotComeBackWhenAFileGrows() throws Exception {
        for (FileSystemModel model : FileSystemModel.values()) {
            assertThat(states(model, files -> files.create("f"), files -> {
                files.write("f", 0, "secret");
                files.truncate("f", 0);
                files.truncate("f", 6);
                files.sync("f");
            })).as(model.name()).containsExactly("f=......");
        }
    }

    @Test
    void whatIsWrittenAfterACutDoesNotSurviveWithoutIt() throws Exception {
        for (FileSystemModel model : FileSystemModel.values()) {
            assertThat(states(model, files -> {
                files.create("f");
                files.write("f", 0, "secret");
            }, files -> {
                files.truncate("f", 0);
                files.truncate("f", 6);
                files.write("f", 0, "new");
            })).as(model.name()).contains("f=new...").doesNotContain("f=newret");
        }
    }

    @Test
    void aTruncationByXfsCarriesTheDataWithWhichTheFileGrew() throws Exception {
        assertThat(states(XFS, files -> files.create("f"), files -> {
            files.write("f", 0, "secret");
            files.truncate("f", 3);
            files.create("g");
            files.sync("g");
        })).containsExactly("f=sec g=");
        assertThat(states(XFS, files -> files.create("f"), files -> {
            files.write("f", 0, "secret");
            files.truncate("f", 8);
            files.create("g");
            files.sync("g");
        })).containsExactly("f=secret.. g=");
    }

    @Test
    void aTruncationByXfsBelowTheSizeOnTheMediumCarriesNothing() throws Exception {
        assertThat(states(XFS, OLD_FILE, files -> {
            files.write("f", 0, "longer");
            files.truncate("f", 2);
            files.create("g");
            files.sync("g");
        })).containsExactlyInAnyOrder("f=ol g=", "f=lo g=");
    }

    @Test
    void dataThatWasWrittenAfterACutMayBeThereWithoutItWhereNothingWasCut() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{POSIX, EXT4_ORDERED, XFS}) {
            int unit = model.unitBytes();
            assertThat(states(model, files -> {
                files.create("f");
                files.write("f", 0, "a".repeat(2 * unit));
            }, files -> {
                files.truncate("f", unit);
                files.write("f", 0, "x".repeat(unit));
            })).as(model.name()).containsExactlyInAnyOrder("f=a*" + 2 * unit, "f=a*" + unit, "f=x*" + unit,
                    "f=x*" + unit + "a*" + unit);
            // In the unit in which the file ends, what was cut off is zeroes by then.
            assertThat(states(model, files -> {
                files.create("f");
                files.write("f", 0, "secret");
            }, files -> {
                files.truncate("f", 2);
                files.write("f", 0, "xy");
            })).as(model.name()).contains("f=xy....").doesNotContain("f=xycret");
        }
    }

    @Test
    void aTruncationDoesNotCarryWhatWasWrittenBelowTheOldSize() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{EXT4_ORDERED, XFS}) {
            assertThat(states(model, files -> {
                files.create("f");
                files.write("f", 0, "a".repeat(8192));
            }, files -> {
                files.write("f", 0, "x".repeat(4096));
                files.truncate("f", 4096);
                files.create("g");
                files.sync("g");
            })).as(model.name()).containsExactlyInAnyOrder("f=a*4096 g=", "f=x*4096 g=");
        }
    }

    @Test
    void ext4MayTruncateAFileWithoutTheDataWithWhichItGrew() throws Exception {
        assertThat(states(EXT4_ORDERED, files -> files.create("f"), files -> {
            files.write("f", 0, "secret");
            files.truncate("f", 3);
            files.create("g");
            files.sync("g");
        })).containsExactlyInAnyOrder("f=... g=", "f=sec g=");
    }

    @Test
    void whatWasCutOffWithinAPageDoesNotComeBackWhenAFileGrows() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{EXT4_ORDERED, XFS}) {
            for (Steps growth : new Steps[]{files -> files.truncate("f", 6), files -> {
                files.write("f", 5, "x");
                files.truncate("f", 5);
            }, files -> {
                files.write("f", 9000, "x");
                files.truncate("f", 6);
            }}) {
                assertThat(states(model, files -> {
                    files.create("f");
                    files.write("f", 0, "oldold");
                }, files -> {
                    files.write("f", 0, "secret");
                    files.truncate("f", 3);
                    growth.on(files);
                    files.create("g");
                    files.sync("g");
                })).as(model.name()).anyMatch(state -> state.startsWith("f=sec.."))
                        .noneMatch(state -> state.startsWith("f=secr") && state.endsWith("g="));
            }
        }
    }

    /** Each growth behind the cut may survive without the one before it. */
    @Test
    void whatWasCutOffDoesNotComeBackByTheSecondGrowth() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{POSIX, EXT4_ORDERED, XFS}) {
            assertThat(states(model, files -> {
                files.create("f");
                files.write("f", 0, "a".repeat(4096));
            }, files -> {
                files.write("f", 0, "x".repeat(4096));
                files.truncate("f", 100);
                files.create("g");
                files.sync("g");
                files.write("f", 100, "n".repeat(3996));
                files.write("f", 4096, "n".repeat(4096));
                files.write("f", 8192, "n".repeat(4096));
            })).as(model.name()).hasSizeGreaterThan(1)
                    .noneMatch(state -> state.contains("x*4096n") || state.contains("x*4096."));
        }
    }

    @Test
    void aHoleKeepsItsPlaceAmongTheWritesOfAPage() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{EXT4_ORDERED, XFS}) {
            assertThat(states(model, files -> {
                files.create("f");
                files.write("f", 0, "a".repeat(4096));
            }, files -> {
                files.write("f", 0, "x".repeat(4096));
                files.punch("f", 0, 100);
                files.create("g");
                files.sync("g");
            })).as(model.name()).containsExactly("f=.*100x*3996 g=");
        }
        assertThat(states(POSIX, files -> {
            files.create("f");
            files.write("f", 0, "a".repeat(512));
        }, files -> {
            files.write("f", 0, "x".repeat(512));
            files.punch("f", 0, 100);
        })).containsExactlyInAnyOrder("f=a*512", "f=x*512", "f=.*100x*412");
    }

    @Test
    void anUnsyncedRenameOfASyncedFileIsTheOldNameOrTheNew() throws Exception {
        for (FileSystemModel model : new FileSystemModel[]{POSIX, EXT4_ORDERED, XFS}) {
            assertThat(states(model, OLD_FILE, files -> files.rename("f", "g"))).containsExactlyInAnyOrder("f=old",
                    "g=old");
        }
    }

    @Test
    void aKillLeavesAllThatWasDone() throws Exception {
        assertThat(states(KILL, files -> {
            files.create("f");
            files.write("f", 0, "new");
            files.rename("f", "g");
        })).containsExactly("g=new");
    }

    @Test
    void aKillDuringAWriteLeavesABeginningOfIt() throws Exception {
        FileTree tree = new FileTree(1 << 30, () -> 0);
        new Files(tree).create("f");
        ChangeLog log = tree.startLog();
        new Files(tree).write("f", 0, "x".repeat(8192));
        FileCrashes crashes = FileHistory.read(KILL, log.base(), log.changes());
        Set<String> states = new TreeSet<>();
        new Explorer<>(crashes.history(), crashes.medium(), 1000, 1, false, () -> true)
                .explore((image, _, _) -> states.add(text(image, ROOT)));
        assertThat(states).contains("f=", "f=x*8192").doesNotContain("f=.*4096x*4096")
                .anyMatch(state -> state.startsWith("f=x*4096"));
    }
}
