package io.blkmq.tools.observe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Disk;
import io.blkmq.core.IoGroup;
import io.blkmq.core.counters.CountersFile;
import io.blkmq.core.counters.CountersReader;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.tools.job.UsageException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Reports about files that are as no process leaves them at a time of one's choice. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class IostatTest {
    /** Where the number of the process is, as docs/reference/counters-file.md says. */
    private static final int PID_AT = 24;
    private static final int HEADER_BYTES = 512;
    private static final int SLOT_BYTES = 1024;
    private static final int NAME_AT = 256;
    /** A number of no process: greater than the kernel gives. */
    private static final long NO_PID = 1 << 30;

    @TempDir
    private Path folder;
    private Path shown;
    private final List<String> notes = new ArrayList<>();

    @SuppressWarnings("NullAway.Init")
    IostatTest() {}

    @BeforeEach
    void makeADirectory() throws IOException {
        shown = Files.createDirectory(folder.resolve("shown"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }

    private Processes processes() {
        return new Processes(shown, notes::add);
    }

    private static Disk disk() throws IOException {
        return NullBlk.builder().name("torn0").completion(NullBlk.Completion.INLINE).build();
    }

    /** Copies the file as it is, for this process or another, with the device's slot as its writer leaves it in the middle or at the end. */
    private void show(CountersFile file, long pid, boolean whole) throws IOException {
        file.refresh();
        ByteBuffer copy = ByteBuffer.wrap(Files.readAllBytes(file.path())).order(ByteOrder.LITTLE_ENDIAN);
        copy.putLong(PID_AT, pid);
        for (int slot = HEADER_BYTES; slot < copy.limit(); slot += SLOT_BYTES) {
            if (copy.get(slot + NAME_AT + 2) == 't') {
                long even = copy.getLong(slot) & ~1L;
                copy.putLong(slot, whole ? even : even + 1);
            }
        }
        try (FileChannel channel = FileChannel.open(shown.resolve("1.counters"), StandardOpenOption.CREATE,
                StandardOpenOption.WRITE)) {
            channel.write(copy);
        }
    }

    private static List<Long> reads(List<IostatLine> lines) {
        return lines.stream().filter(line -> line.counters().identity().name().equals("torn0"))
                .map(line -> line.counters().ios(IoGroup.READ)).toList();
    }

    @Test
    void figuresOfTwoTimesAreNotReportedWhileTheProcessLivesAndTheNextReportHasThem() throws Exception {
        long pid = ProcessHandle.current().pid();
        Iostat iostat = new Iostat(processes(), Processes.ALL);
        try (CountersFile file = CountersFile.open(folder.resolve("counters"));
                Disk disk = disk();
                IoBuffer buffer = disk.allocate(4096)) {
            disk.read(0, buffer.memory());
            show(file, pid, true);
            assertThat(reads(iostat.next())).containsExactly(1L);
            disk.read(0, buffer.memory());
            show(file, pid, false);
            assertThat(reads(iostat.next())).as("torn").isEmpty();
            disk.read(0, buffer.memory());
            show(file, pid, true);
            assertThat(reads(iostat.next())).as("since the last whole reading").containsExactly(2L);
        }
    }

    @Test
    void theFiguresOfAProcessThatWasKilledInTheMiddleAreReportedAsTheyAre() throws Exception {
        try (CountersFile file = CountersFile.open(folder.resolve("counters"));
                Disk disk = disk();
                IoBuffer buffer = disk.allocate(4096)) {
            disk.read(0, buffer.memory());
            show(file, NO_PID, false);
            assertThat(reads(new Iostat(processes(), Processes.ALL).next())).containsExactly(1L);
        }
    }

    @Test
    void reportsOfOneProcessEndWithIt() throws Exception {
        long pid = ProcessHandle.current().pid();
        Iostat one = new Iostat(processes(), "" + pid);
        Iostat all = new Iostat(processes(), Processes.ALL);
        try (CountersFile file = CountersFile.open(folder.resolve("counters")); Disk disk = disk()) {
            show(file, pid, true);
            assertThat(one.next()).isNotEmpty();
            assertThat(one.isOver()).isFalse();
            show(file, NO_PID, true);
            assertThat(one.next()).isEmpty();
            assertThat(one.isOver()).as("its file is gone").isTrue();
            Iostat dead = new Iostat(processes(), "" + NO_PID);
            assertThat(dead.next()).as("the first report of one that was killed").isNotEmpty();
            assertThat(dead.isOver()).isTrue();
            assertThat(all.next()).isNotEmpty();
            assertThat(all.next()).isEmpty();
            assertThat(all.isOver()).as("another process may come").isFalse();
            assertThat(disk.isClosed()).isFalse();
        }
    }

    @Test
    void aFileThatCannotBeOpenedIsNotedOnceAndTheOthersAreRead() throws Exception {
        try (CountersFile file = CountersFile.open(folder.resolve("counters")); Disk disk = disk()) {
            show(file, NO_PID, true);
            assertThat(disk.isClosed()).isFalse();
        }
        // A link is not followed, wherever it goes.
        Files.createSymbolicLink(shown.resolve("0.counters"), shown.resolve("1.counters"));
        Processes processes = processes();
        for (int again = 0; again < 2; again++) {
            List<CountersReader> readers = processes.open(Processes.ALL);
            assertThat(readers).extracting(CountersReader::pid).containsExactly(NO_PID);
            readers.forEach(CountersReader::close);
        }
        assertThat(notes).singleElement().asString().contains("0.counters");
    }

    @Test
    void aNumberThatIsNoneIsRefusedBeforeAFileIsOpened() throws Exception {
        Files.writeString(shown.resolve("1.counters"), "no counters");
        assertThatThrownBy(() -> processes().open("some")).isInstanceOf(UsageException.class)
                .hasMessageContaining("some: the number of a process");
        assertThat(notes).isEmpty();
    }
}
