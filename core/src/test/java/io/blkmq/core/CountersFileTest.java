package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.counters.CountersDirectory;
import io.blkmq.core.counters.CountersFile;
import io.blkmq.core.counters.CountersFormatException;
import io.blkmq.core.counters.CountersReader;
import io.blkmq.core.counters.DeviceCounters;
import io.blkmq.core.driver.BlockDriver;
import io.blkmq.core.driver.DeviceDescription;
import io.blkmq.core.driver.HardwareContext;
import io.blkmq.core.driver.Request;
import io.blkmq.core.driver.RequestQueue;
import io.blkmq.core.driver.TagSet;
import io.blkmq.core.nullblk.NullBlk;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.JavaProcess;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.RandomSeed;
import java.io.File;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Counters in a file, written by one process and read by another. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class CountersFileTest {
    private static final int BLOCK = 4096;
    private static final int VERSION_AT = 8;
    private static final int SLOTS_AT = 20;
    private static final int STARTED_AT = 32;
    private static final int WRITTEN_AT = 48;

    @TempDir
    private Path folder;

    private Path directory() {
        return folder.resolve("counters");
    }

    private static Disk disk(String name) throws IOException {
        return NullBlk.builder().name(name).completion(NullBlk.Completion.INLINE).capacityBytes(1 << 20)
                .memoryBacked(true).cacheBytes(1 << 16).discard(true).build();
    }

    /** Of one moment, if the writer lives: its timer may have been in the middle of them when they were read. */
    private static DeviceCounters counters(Path file, String name) throws IOException {
        try (CountersReader reader = CountersReader.open(file)) {
            AtomicReference<@Nullable DeviceCounters> found = new AtomicReference<>();
            Eventually.until(name + " is read whole", () -> {
                found.set(reader.devices().stream().filter(device -> device.identity().name().equals(name)).findFirst()
                        .orElseThrow());
                return Objects.requireNonNull(found.get()).isWhole() || !reader.isAlive();
            });
            return Objects.requireNonNull(found.get());
        }
    }

    private static List<String> names(Path file) throws IOException {
        try (CountersReader reader = CountersReader.open(file)) {
            return reader.devices().stream().map(device -> device.identity().name()).toList();
        }
    }

    // ---- what is in it

    @Test
    void anInterruptedThreadOpensItAndWritesToIt() throws Exception {
        Thread.currentThread().interrupt();
        try (CountersFile file = CountersFile.open(directory()); Disk one = disk("interrupted0")) {
            file.refresh();
            assertThat(Thread.interrupted()).as("kept").isTrue();
            try (Disk other = disk("interrupted1")) {
                file.refresh();
                assertThat(names(file.path())).contains(one.name(), other.name());
            }
        }
    }

    @Test
    void theFileHasWhatTheDiskHasCounted() throws Exception {
        try (CountersFile file = CountersFile.open(directory());
                Disk disk = disk("counted0");
                IoBuffer buffer = disk.allocate(BLOCK)) {
            for (int i = 0; i < 7; i++) {
                disk.read(0, buffer.memory());
            }
            disk.write(0, buffer.memory());
            disk.write(BLOCK, buffer.memory());
            disk.discard(0, BLOCK);
            disk.flush();
            file.refresh();
            DeviceCounters read = counters(file.path(), "counted0");
            DiskStatistics now = disk.statistics();
            for (IoGroup group : IoGroup.values()) {
                assertThat(read.ios(group)).as("%s", group).isEqualTo(now.ios(group));
                assertThat(read.merges(group)).as("%s", group).isEqualTo(now.merges(group));
                assertThat(read.sectors(group)).as("%s", group).isEqualTo(now.sectors(group));
                assertThat(read.nanos(group)).as("%s", group).isEqualTo(now.nanos(group));
                assertThat(read.waitNanos(group)).as("%s", group).isEqualTo(now.waitNanos(group));
            }
            assertThat(read.ios(IoGroup.READ)).isEqualTo(7);
            assertThat(read.busyNanos()).isEqualTo(now.busyNanos());
            assertThat(read.readsInFlight() + read.writesInFlight()).isZero();
            assertThat(read.isWhole()).isTrue();
            assertThat(read.periodNanos()).isEqualTo(read.atNanos() - disk.createdNanos()).isPositive();
            assertThat(read.identity().sizeBytes()).isEqualTo(1 << 20);
            assertThat(read.identity().elevator()).isEqualTo("none");
            assertThat(read.identity().description()).isEqualTo(disk.description());
            assertThat(disk.description().driver()).isEqualTo("null");
        }
    }

    @Test
    void theTimerRenewsIt() throws Exception {
        try (CountersFile file = CountersFile.open(directory());
                Disk disk = disk("timed0");
                IoBuffer buffer = disk.allocate(BLOCK);
                CountersReader reader = CountersReader.open(file.path())) {
            disk.read(0, buffer.memory());
            Eventually.until("the read is in the file", () -> reader.devices().stream()
                    .anyMatch(device -> device.identity().name().equals("timed0") && device.ios(IoGroup.READ) == 1));
            long rounds = reader.rounds();
            Eventually.until("another round", () -> reader.rounds() > rounds);
        }
    }

    @Test
    void whatWasAddedBetweenTwoReadingsIsTheirDifference() throws Exception {
        try (CountersFile file = CountersFile.open(directory());
                Disk disk = disk("since0");
                Disk other = disk("since1");
                IoBuffer buffer = disk.allocate(BLOCK)) {
            disk.read(0, buffer.memory());
            file.refresh();
            DeviceCounters before = counters(file.path(), "since0");
            disk.read(0, buffer.memory());
            disk.read(0, buffer.memory());
            file.refresh();
            DeviceCounters after = counters(file.path(), "since0");
            DeviceCounters added = after.since(before);
            assertThat(added.ios(IoGroup.READ)).isEqualTo(2);
            assertThat(added.sectors(IoGroup.READ)).isEqualTo(2 * BLOCK / 512);
            assertThat(added.periodNanos()).isEqualTo(after.atNanos() - before.atNanos());
            assertThatIllegalArgumentException().isThrownBy(() -> before.since(after));
            assertThat(other.isClosed()).isFalse();
            DeviceCounters ofOther = counters(file.path(), "since1");
            assertThatIllegalArgumentException().isThrownBy(() -> ofOther.since(before)).withMessageContaining("since1")
                    .withMessageContaining("since0");
        }
    }

    @Test
    void aNameThatIsTooLongIsCutBetweenTwoCharactersAndControlCharactersAreNotShown() throws Exception {
        String name = "x" + "ü".repeat(40);
        try (CountersFile file = CountersFile.open(directory());
                Disk one = disk(name);
                Disk two = disk("a\u001b[2Jb\u009b2Jc")) {
            file.refresh();
            assertThat(names(file.path())).contains("x" + "ü".repeat(30), "a?[2Jb?2Jc");
            assertThat(one.name()).isEqualTo(name);
            assertThat(two.isClosed()).isFalse();
        }
    }

    @Test
    void devicesComeAndGoWhileTheFileIsBeingRead() throws Exception {
        AtomicBoolean ended = new AtomicBoolean();
        try (CountersFile file = CountersFile.open(directory());
                CountersReader reader = CountersReader.open(file.path())) {
            AtomicInteger seen = new AtomicInteger();
            Eventually.Worker<Boolean> reading = Eventually.start(() -> {
                while (!ended.get()) {
                    for (DeviceCounters device : reader.devices()) {
                        if (device.identity().name().startsWith("many") && device.isWhole()) {
                            // Slots are used again: a mixture of two devices would have the name of one and the size of the other.
                            long reads = Long.parseLong(device.identity().name().substring("many".length()));
                            assertThat(device.identity().sizeBytes()).isEqualTo((reads + 1) << 20);
                            assertThat(device.ios(IoGroup.READ)).isBetween(0L, reads);
                            seen.incrementAndGet();
                        }
                    }
                }
            });
            List<Disk> open = new ArrayList<>();
            // On until the reader has seen one of them.
            for (int round = 0; (round < 300 || seen.get() == 0) && !reading.isDone(); round++) {
                Disk added = withReads(round % 17);
                open.add(added);
                if (open.size() > 5) {
                    open.removeFirst().close();
                }
                file.refresh();
            }
            ended.set(true);
            reading.join();
            assertThat(seen).hasPositiveValue();
            open.forEach(Disk::close);
            file.refresh();
            assertThat(names(file.path())).noneMatch(name -> name.startsWith("many"));
        }
    }

    /** A disk whose name and size say how many reads it has done. */
    private static Disk withReads(int reads) throws IOException {
        Disk disk = NullBlk.builder().name("many" + reads).completion(NullBlk.Completion.INLINE)
                .capacityBytes((reads + 1L) << 20).build();
        try (IoBuffer buffer = disk.allocate(BLOCK)) {
            for (int i = 0; i < reads; i++) {
                disk.read(0, buffer.memory());
            }
        }
        return disk;
    }

    @Test
    void aDiskThatNobodyHoldsIsCollectedAndItsSlotIsFree() throws Exception {
        try (CountersFile file = CountersFile.open(directory())) {
            WeakReference<Disk> lost = new WeakReference<>(disk("lost0"));
            file.refresh();
            Eventually.until("the disk is collected", () -> {
                System.gc();
                return lost.refersTo(null);
            });
            file.refresh();
            assertThat(names(file.path())).doesNotContain("lost0");
        }
    }

    /** A driver that fails when it is asked what its device is. */
    private static final class Indescribable implements BlockDriver {
        private final Supplier<@Nullable DeviceDescription> answer;

        Indescribable(Supplier<@Nullable DeviceDescription> answer) {
            this.answer = answer;
        }

        @Override
        public Status queueRq(HardwareContext hctx, Request rq, boolean last) {
            rq.complete(Status.OK);
            return Status.OK;
        }

        @Override
        @SuppressWarnings("NullAway")
        public DeviceDescription describe(RequestQueue queue) {
            return answer.get();
        }
    }

    private static Stream<Supplier<@Nullable DeviceDescription>> noDescriptions() {
        return Stream.of(() -> null, () -> new DeviceDescription("driver", nothing(), "", ""), () -> {
            throw new UnsupportedOperationException("not now");
        }, () -> {
            throw new AssertionError("never");
        });
    }

    @SuppressWarnings("NullAway")
    private static String nothing() {
        return null;
    }

    @ParameterizedTest
    @MethodSource("noDescriptions")
    void aDriverThatCannotDescribeItsDeviceLeavesTheOthersInTheFile(Supplier<@Nullable DeviceDescription> answer)
            throws Exception {
        try (TagSet set = TagSet.builder(new Indescribable(answer)).depth(2).build();
                Disk bad = Disk.of(set.newQueue("indescribable0", QueueLimits.builder().build(), 1 << 16, null), null);
                Disk good = disk("described0");
                CountersFile file = CountersFile.open(directory())) {
            file.refresh();
            assertThat(names(file.path())).contains(good.name()).doesNotContain(bad.name());
            try (CountersReader reader = CountersReader.open(file.path())) {
                assertThat(reader.leftOut()).isPositive();
            }
        }
    }

    // ---- who may read it

    @Test
    void theFileIsTheUsersAlone() throws Exception {
        try (CountersFile file = CountersFile.open(directory())) {
            assertThat(Files.getPosixFilePermissions(file.path()))
                    .isEqualTo(PosixFilePermissions.fromString("rw-------"));
            assertThat(Files.getPosixFilePermissions(directory()))
                    .isEqualTo(PosixFilePermissions.fromString("rwx------"));
        }
    }

    @Test
    void aDirectoryThatIsALinkOrOpenToOthersOrMissingIsNotUsed() throws Exception {
        Path real = Files.createDirectory(folder.resolve("real"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        Path link = Files.createSymbolicLink(folder.resolve("link"), real);
        assertThatThrownBy(() -> CountersFile.open(link)).isInstanceOf(IOException.class)
                .hasMessageContaining("is a link");
        assertThatThrownBy(() -> CountersDirectory.files(link)).isInstanceOf(IOException.class);
        Files.setPosixFilePermissions(real, PosixFilePermissions.fromString("rwxr-x---"));
        assertThatThrownBy(() -> CountersFile.open(real)).isInstanceOf(IOException.class)
                .hasMessageContaining("open to others (rwxr-x---)");
        assertThatThrownBy(() -> CountersFile.open(folder.resolve("no/such"))).isInstanceOf(IOException.class)
                .hasMessageContaining("there is no directory");
        Path file = Files.createFile(folder.resolve("file"));
        assertThatThrownBy(() -> CountersFile.open(file)).isInstanceOf(IOException.class)
                .hasMessageContaining("is no directory");
    }

    @Test
    void aLinkInTheDirectoryIsNeitherFollowedNorWritten() throws Exception {
        Path victim = Files.writeString(folder.resolve("victim"), "mine");
        try (CountersFile first = CountersFile.open(directory())) {
            assertThat(first.path()).exists();
        }
        long pid = ProcessHandle.current().pid();
        Files.createSymbolicLink(directory().resolve(pid + ".counters"), victim);
        Files.createSymbolicLink(directory().resolve(pid + ".begun"), victim);
        try (CountersFile file = CountersFile.open(directory())) {
            assertThat(Files.isSymbolicLink(file.path())).isFalse();
        }
        assertThat(victim).hasContent("mine");
        Path link = Files.createSymbolicLink(directory().resolve("1.counters"), victim);
        assertThatThrownBy(() -> CountersReader.open(link)).isInstanceOf(IOException.class);
    }

    @Test
    void itIsRemovedWhenTheLastHasClosedIt() throws Exception {
        CountersFile one = CountersFile.open(directory());
        CountersFile two = CountersFile.open(directory());
        assertThat(two.path()).isEqualTo(one.path());
        one.close();
        one.close();
        assertThat(two.path()).exists();
        two.close();
        try (Stream<Path> left = Files.list(directory())) {
            assertThat(left).isEmpty();
        }
        one.refresh();
    }

    @Test
    void twoSpellingsOfADirectoryAreOneFile() throws Exception {
        Path link = Files.createSymbolicLink(folder.resolve("link"), folder);
        try (CountersFile one = CountersFile.open(directory())) {
            try (CountersFile two = CountersFile.open(link.resolve("counters"))) {
                assertThat(two.path()).isEqualTo(one.path());
            }
            assertThat(one.path()).exists();
        }
    }

    @Test
    void nothingIsLeftOfAFileThatCannotBeOpened() throws Exception {
        // Renaming a file to that fails.
        Path inTheWay = pidFile(".counters");
        Files.createDirectories(inTheWay.resolve("full"));
        Files.setPosixFilePermissions(directory(), PosixFilePermissions.fromString("rwx------"));
        assertThatThrownBy(() -> CountersFile.open(directory())).isInstanceOf(IOException.class);
        try (Stream<Path> left = Files.list(directory())) {
            assertThat(left).containsExactly(inTheWay);
        }
        assertThat(Files.readString(Path.of("/proc/self/maps"))).as("mappings").doesNotContain(directory().toString());
        Files.delete(inTheWay.resolve("full"));
        Files.delete(inTheWay);
        try (CountersFile file = CountersFile.open(directory())) {
            assertThat(file.path()).exists();
        }
    }

    @Test
    void whatAProcessThatWasKilledHadBegunIsRemovedAfterAnHour() throws Exception {
        CountersFile.open(directory()).close();
        Path old = Files.createFile(directory().resolve("1.begun"));
        Files.setLastModifiedTime(old, FileTime.fromMillis(System.currentTimeMillis() - TimeUnit.HOURS.toMillis(2)));
        Path young = Files.createFile(directory().resolve("2.begun"));
        CountersFile.open(directory()).close();
        try (Stream<Path> left = Files.list(directory())) {
            assertThat(left).containsExactly(young);
        }
    }

    private Path pidFile(String suffix) {
        return directory().resolve(ProcessHandle.current().pid() + suffix);
    }

    // ---- files that are none

    @Test
    void aFileThatIsNoneIsRefusedWithTheReason() throws Exception {
        Path file = folder.resolve("1.counters");
        Files.writeString(file, "short");
        assertRefused(file, "it has 5 bytes");
        Files.write(file, new byte[100_000]);
        assertRefused(file, "does not begin with BLKMQCNT");
        byte[] good = goodFile();
        assertRefused(changed(file, good, VERSION_AT, 2), "its version is 2, and not 1");
        assertRefused(changed(file, good, SLOTS_AT, 1 << 30), "slots");
        assertRefused(changed(file, good, SLOTS_AT, -1), "-1 slots");
        Files.write(file, Arrays.copyOf(good, good.length / 2));
        assertRefused(file, "slots need");
        Files.write(file, good);
        try (CountersReader reader = CountersReader.open(file)) {
            assertThat(reader.devices()).isNotEmpty();
        }
    }

    private static void assertRefused(Path file, String reason) {
        assertThatExceptionOfType(CountersFormatException.class).isThrownBy(() -> CountersReader.open(file).close())
                .withMessageContaining(file.toString()).withMessageContaining(reason);
    }

    private static Path changed(Path file, byte[] good, int at, int value) throws IOException {
        byte[] bad = good.clone();
        ByteBuffer.wrap(bad).order(ByteOrder.LITTLE_ENDIAN).putInt(at, value);
        return Files.write(file, bad);
    }

    private byte[] goodFile() throws IOException {
        try (CountersFile file = CountersFile.open(directory()); Disk disk = disk("good0")) {
            file.refresh();
            assertThat(disk.isClosed()).isFalse();
            return Files.readAllBytes(file.path());
        }
    }

    @Test
    void noGarbageHarmsTheReader() throws Exception {
        long seed = RandomSeed.of(CountersFileTest.class);
        SplittableRandom random = new SplittableRandom(seed);
        byte[] good = goodFile();
        Path file = folder.resolve("1.counters");
        int refused = 0;
        int read = 0;
        for (int round = 0; round < 300; round++) {
            byte[] bad = good.clone();
            for (int i = random.nextInt(1, 20); i > 0; i--) {
                // Mostly in what is used: the header, and the first slots.
                bad[random.nextInt(random.nextInt(4) == 0 ? bad.length : 3_000)] = (byte) random.nextInt();
            }
            Files.write(file, random.nextInt(4) == 0 ? Arrays.copyOf(bad, random.nextInt(bad.length)) : bad);
            try (CountersReader reader = CountersReader.open(file)) {
                for (DeviceCounters device : reader.devices()) {
                    assertThat(device.identity().name()).doesNotContainPattern("\\p{Cc}");
                    assertThat(device.toString()).isNotEmpty();
                }
                assertThat(reader.command()).isNotNull();
                assertThat(reader.pid()).isPositive();
                read++;
            } catch (CountersFormatException e) {
                refused++;
            }
        }
        assertThat(refused).isPositive();
        assertThat(read).isPositive();
    }

    // ---- whether its process lives

    @Test
    void aProcessIsTheOneThatWroteTheFileIfItBeganAtTheSameTick() throws Exception {
        byte[] good = goodFile();
        // The name of a program is in parentheses, and may have some; the 22nd field is the 20th after it.
        String stat = Files.readString(Path.of("/proc/self/stat"));
        long ticks = Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[19]);
        assertThat(ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN).getLong(STARTED_AT)).isEqualTo(ticks);
        assertThat(isAlive(good, ticks)).isTrue();
        assertThat(isAlive(good, ticks + 1)).as("another process with the number").isFalse();
        assertThat(isAlive(good, 0)).as("not known").isTrue();
    }

    private boolean isAlive(byte[] file, long started) throws IOException {
        ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putLong(STARTED_AT, started);
        try (CountersReader reader = CountersReader.open(Files.write(folder.resolve("1.counters"), file))) {
            return reader.isAlive();
        }
    }

    // ---- another process

    /** Another process: it has a disk, reads as often as the first argument says, tells so, and goes on as long as its input. */
    static final class Other {
        private Other() {}

        public static void main(String[] arguments) throws IOException {
            for (int i = 1; i < arguments.length; i++) {
                // They end with the process.
                Disk _ = disk(arguments[i]);
            }
            try (Disk disk = disk("other0"); IoBuffer buffer = disk.allocate(BLOCK)) {
                for (int i = 0; i < Integer.parseInt(arguments[0]); i++) {
                    disk.read(0, buffer.memory());
                }
                System.out.println("done");
                while (System.in.read() >= 0) {
                    disk.read(0, buffer.memory());
                }
            }
        }
    }

    private Process start(int reads, String... more) throws IOException {
        List<String> line = new ArrayList<>(
                List.of("-D" + CountersFile.PROPERTY + "=true", "-D" + CountersDirectory.PROPERTY + "=" + directory(),
                        "-cp", JavaProcess.classPath(), Other.class.getName(), "" + reads));
        line.addAll(List.of(more));
        Process process = JavaProcess.start(line.toArray(String[]::new));
        assertThat(process.inputReader(StandardCharsets.UTF_8).readLine()).isEqualTo("done");
        return process;
    }

    private static void awaitReads(CountersReader reader, long reads) {
        Eventually.until(reads + " reads in the file", () -> reader.devices().stream()
                .anyMatch(device -> device.identity().name().equals("other0") && device.ios(IoGroup.READ) == reads));
    }

    /** What a process says of a disk, or that it has none. It is asked again where one of the two was too slow for the other. */
    private static String answer(CountersReader reader, String name) {
        AtomicReference<String> answer = new AtomicReference<>("");
        Eventually.until("an answer about " + name, () -> {
            try {
                answer.set(reader.dump(name));
                return true;
            } catch (IOException e) {
                answer.set(String.valueOf(e.getMessage()));
                return answer.get().contains("no device");
            }
        });
        return answer.get();
    }

    @Test
    void anotherProcessReadsItWhileItsWriterRunsAndItIsGoneAfterwards() throws Exception {
        Process process = start(1234);
        Path file = directory().resolve(process.pid() + ".counters");
        try (CountersReader reader = CountersReader.open(file)) {
            assertThat(reader.pid()).isEqualTo(process.pid());
            assertThat(reader.isAlive()).isTrue();
            assertThat(reader.command()).endsWith("Other");
            awaitReads(reader, 1234);
            assertThatIllegalStateException().isThrownBy(reader::remove).withMessageContaining("in use");
            process.getOutputStream().write(1);
            process.getOutputStream().flush();
            awaitReads(reader, 1235);
            assertThat(answer(reader, "other0")).startsWith("other0: 2048 sectors, open").contains("hctx 0");
            assertThat(answer(reader, "other1")).contains("no device 'other1'; it has other0");
            process.getOutputStream().close();
            assertThat(process.waitFor()).isZero();
            assertThat(reader.isAlive()).isFalse();
            assertThatThrownBy(() -> reader.dump("other0")).isInstanceOf(IOException.class)
                    .hasMessageContaining("cannot be asked");
        } finally {
            process.destroyForcibly();
        }
        try (Stream<Path> left = Files.list(directory())) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void aDiskIsShownByTheNameThatItsCountersHaveAndWithAllThatHaveIt() throws Exception {
        String name = "a disk\twith a very long name, " + "of more bytes than there is room for ".repeat(2);
        Process process = start(0, name, "twin", "twin");
        try (CountersReader reader = CountersReader.open(directory().resolve(process.pid() + ".counters"))) {
            Eventually.until("all disks", () -> reader.devices().size() == 4);
            String cut = reader.devices().stream().map(device -> device.identity().name())
                    .filter(each -> each.startsWith("a disk")).findFirst().orElseThrow();
            assertThat(cut).startsWith("a disk?with").hasSizeLessThan(name.length());
            assertThat(answer(reader, cut)).startsWith(name + ": ");
            assertThat(answer(reader, "twin")).containsPattern("(?ms)\\Atwin: .*^twin: ");
        } finally {
            process.destroyForcibly().waitFor();
        }
    }

    @Test
    void theCountersOfAKilledProcessAreReadAndRemovedALongTimeAfterwards() throws Exception {
        Process process = start(99);
        Path file = directory().resolve(process.pid() + ".counters");
        try (CountersReader reader = CountersReader.open(file)) {
            awaitReads(reader, 99);
            assertThat(process.destroyForcibly().waitFor(300, TimeUnit.SECONDS)).isTrue();
            assertThat(reader.isAlive()).isFalse();
            awaitReads(reader, 99);
        }
        // Somebody else comes, and leaves it alone.
        CountersFile.open(directory()).close();
        assertThat(counters(file, "other0").ios(IoGroup.READ)).isEqualTo(99);
        // Somebody else comes two hours later.
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            long then = System.currentTimeMillis() - TimeUnit.HOURS.toMillis(2);
            channel.write(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, then), WRITTEN_AT);
        }
        CountersFile.open(directory()).close();
        try (Stream<Path> left = Files.list(directory())) {
            assertThat(left).as("the file and the socket").isEmpty();
        }
    }

    @Test
    void aDiskIsMadeAlsoWhereTheFileCannotBe() throws Exception {
        Path notThere = folder.resolve("no/such");
        Process process = JavaProcess.start("-D" + CountersFile.PROPERTY + "=true",
                "-D" + CountersDirectory.PROPERTY + "=" + notThere, "-cp", JavaProcess.classPath(),
                Other.class.getName(), "1");
        process.getOutputStream().close();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).isZero();
        assertThat(printed).contains("done").contains("no counters file").contains("there is no directory");
    }

    @Test
    void aDiskIsMadeAlsoWhereTheFileEndsInAnError() throws Exception {
        // In front of the class that is meant: one that cannot be loaded.
        Path broken = Files.createDirectories(folder.resolve("classes/io/blkmq/core/counters"))
                .resolve("DumpSocket.class");
        Files.write(broken, new byte[]{1});
        Process process = JavaProcess.start("-D" + CountersFile.PROPERTY + "=true",
                "-D" + CountersDirectory.PROPERTY + "=" + directory(), "-cp",
                folder.resolve("classes") + File.pathSeparator + JavaProcess.classPath(), Other.class.getName(), "1");
        process.getOutputStream().close();
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(printed).contains("done").contains("no counters file").contains("ClassFormatError");
        assertThat(process.waitFor()).isZero();
        try (Stream<Path> left = Files.list(directory())) {
            assertThat(left).isEmpty();
        }
    }
}
