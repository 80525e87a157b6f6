package io.blkmq.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.blkmq.core.PartitionTable.Scheme;
import io.blkmq.core.mq.RecordingDriver;
import io.blkmq.core.partition.TableImage;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.runtime.IoRuntime;
import io.blkmq.testing.Eventually;
import io.blkmq.testing.NoRescues;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which partitions a disk has, and who uses them. */
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
class PartitionsTest {
    private final RecordingDriver driver = new RecordingDriver().completesAtOnce();
    private final List<String> heard = Collections.synchronizedList(new ArrayList<>());

    /** Writes down what it is told. */
    private final class Listener implements PartitionListener {
        @Override
        public void partitionAdded(Disk disk, Partition partition) {
            heard.add("+" + disk.partitions().nameOf(partition.index()));
        }

        @Override
        public void partitionRemoved(Disk disk, Partition partition) {
            heard.add("-" + disk.partitions().nameOf(partition.index()));
        }
    }

    private List<String> heard() {
        List<String> copy = List.copyOf(heard);
        heard.clear();
        return copy;
    }

    private TableImage twoPartitions() {
        return TableImage.gpt(driver.data(), 512, 128).entry(1, 40, 47, "one", 0).entry(2, 60, 99, "two", 0);
    }

    private static List<Integer> indices(Disk disk) {
        return disk.partitions().list().stream().map(Partition::index).toList();
    }

    @Test
    void aDiskHasNoneUntilItsTableIsRead() throws Exception {
        twoPartitions();
        try (Disk disk = driver.disk()) {
            assertThat(disk.partitions().table()).isEqualTo(PartitionTable.NONE);
            assertThat(disk.partitions().rescan().scheme()).isEqualTo(Scheme.GPT);
            assertThat(indices(disk)).containsExactly(1, 2);
            assertThat(disk.partitions()).isSameAs(disk.partitions());
        }
    }

    @Test
    void anOpenPartitionIsADiskUnderItsOwnName() throws Exception {
        twoPartitions();
        try (Disk disk = driver.disk()) {
            disk.partitions().rescan();
            try (Disk two = disk.partitions().open(2)) {
                assertThat(two.name()).isEqualTo("rec0p2");
                assertThat(two.sizeBytes()).isEqualTo(40 * 512);
                two.write(512, MemorySegment
                        .ofArray("hello, world".repeat(128).substring(0, 512).getBytes(StandardCharsets.US_ASCII)));
                assertThat(new String(driver.data(), 61 * 512, 5, StandardCharsets.US_ASCII)).isEqualTo("hello");
                assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(two::partitions)
                        .withMessageContaining("rec0p2 is a partition");
            }
            assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(() -> disk.partitions().open(3))
                    .withMessage("rec0p3: no such partition, rec0 has [1, 2]");
        }
    }

    @Test
    void aPartitionIsNamedAsByTheKernel() {
        Disk digit = driver.disk();
        assertThat(digit.partitions().nameOf(12)).isEqualTo("rec0p12");
        digit.close();
        io.blkmq.core.driver.TagSet set = driver.tagSet();
        try (Disk letter = Disk.of(driver.queue(set, "sda"), set)) {
            assertThat(letter.partitions().nameOf(1)).isEqualTo("sda1");
        }
    }

    @Test
    void theTableIsNotReadAgainWhileAPartitionIsInUse() throws Exception {
        TableImage image = twoPartitions();
        try (Disk disk = driver.disk()) {
            disk.partitions().rescan();
            Disk one = disk.partitions().open(1);
            Disk oneMore = disk.partitions().open(1);
            Disk two = disk.partitions().open(2);
            assertThat(disk.partitions().openers()).isEqualTo(3);
            image.entry(3, 200, 210, "three", 0);
            assertThatExceptionOfType(DiskBusyException.class).isThrownBy(() -> disk.partitions().rescan())
                    .withMessage("rec0: its partitions cannot change while some are in use, with their openers:"
                            + " {rec0p1=2, rec0p2=1}");
            assertThatExceptionOfType(DiskBusyException.class).isThrownBy(() -> disk.partitions().removeAll());
            assertThat(indices(disk)).containsExactly(1, 2);
            two.close();
            one.close();
            one.close();
            assertThatExceptionOfType(DiskBusyException.class).isThrownBy(() -> disk.partitions().rescan())
                    .withMessageEndingWith("{rec0p1=1}");
            oneMore.close();
            assertThat(disk.partitions().openers()).isZero();
            disk.partitions().rescan();
            assertThat(indices(disk)).containsExactly(1, 2, 3);
        }
    }

    @Test
    void listenersHearWhatHasChangedAndNoMore() throws Exception {
        TableImage image = twoPartitions();
        Disk disk = driver.disk();
        Listener listener = new Listener();
        disk.partitions().addListener(listener);
        disk.partitions().rescan();
        assertThat(heard()).containsExactly("+rec0p1", "+rec0p2");
        disk.partitions().rescan();
        assertThat(heard()).as("nothing has changed").isEmpty();
        image.entry(2, 60, 100, "longer", 0).entry(3, 200, 210, "new", 0);
        disk.partitions().rescan();
        assertThat(heard()).containsExactly("-rec0p2", "+rec0p2", "+rec0p3");
        disk.partitions().removeAll();
        assertThat(heard()).containsExactly("-rec0p1", "-rec0p2", "-rec0p3");
        disk.partitions().rescan();
        heard();
        disk.close();
        assertThat(heard()).as("at the end of the disk").containsExactly("-rec0p1", "-rec0p2", "-rec0p3");
        assertThat(disk.partitions().list()).isEmpty();
        disk.partitions().removeListener(listener);
    }

    @Test
    void noStalePartitionIsLeftWhenTheTableHasGone() throws Exception {
        TableImage image = twoPartitions();
        try (Disk disk = driver.disk()) {
            disk.partitions().addListener(new Listener());
            disk.partitions().rescan();
            heard();
            image.bytes().put(510, (byte) 0);
            assertThat(disk.partitions().rescan()).isEqualTo(PartitionTable.NONE);
            assertThat(heard()).containsExactly("-rec0p1", "-rec0p2");
            assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(() -> disk.partitions().open(1));
        }
    }

    @Test
    void aDiskThatCannotBeReadHasNoPartitionsAnyMore() throws Exception {
        twoPartitions();
        try (Disk disk = driver.disk()) {
            disk.partitions().addListener(new Listener());
            disk.partitions().rescan();
            heard();
            driver.answer(Status.IOERR);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.partitions().rescan());
            assertThat(heard()).containsExactly("-rec0p1", "-rec0p2");
            assertThat(disk.partitions().list()).isEmpty();
        }
    }

    /** One that meets a frozen disk at its second read. */
    private static void interruptAtTheSecondRead(RecordingDriver driver) {
        driver.answerBy(rq -> {
            // A driver's callback must not itself.
            Thread freezer = IoRuntime.system().startAgent("freezer", rq.queue()::freezeStart);
            IoRuntime.system().join(freezer);
            Thread.currentThread().interrupt();
            return Status.OK;
        });
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anInterruptWhileTheTableIsReadTakesNoPartitionAway(boolean gpt) throws Exception {
        if (gpt) {
            twoPartitions();
        } else {
            TableImage.mbr(driver.data(), 512).record(0, 0, 0, 0x83, 8, 8).record(0, 1, 0, 5, 20, 60).record(20, 0, 0,
                    0x83, 2, 4);
        }
        try (Disk disk = driver.disk()) {
            disk.partitions().rescan();
            List<Integer> before = indices(disk);
            disk.partitions().addListener(new Listener());
            interruptAtTheSecondRead(driver);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.partitions().rescan())
                    .extracting(BlockIOException::status).isEqualTo(Status.INTR);
            disk.queue().unfreeze();
            assertThat(Thread.interrupted()).as("kept for the caller").isTrue();
            assertThat(heard()).isEmpty();
            assertThat(indices(disk)).isEqualTo(before).hasSizeGreaterThan(1);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aDiskThatGoesWhileItsTableIsReadHasNone(boolean gpt) throws Exception {
        if (gpt) {
            twoPartitions();
        } else {
            TableImage.mbr(driver.data(), 512).record(0, 0, 0, 0x83, 8, 8).record(0, 1, 0, 5, 20, 60).record(20, 0, 0,
                    0x83, 2, 4);
        }
        try (Disk disk = driver.disk()) {
            driver.answer(Status.OK).answer(Status.NODEV);
            assertThatExceptionOfType(BlockIOException.class).isThrownBy(() -> disk.partitions().rescan())
                    .extracting(BlockIOException::status).isEqualTo(Status.NODEV);
            assertThat(disk.partitions().list()).isEmpty();
        }
    }

    @Test
    void aListenerMayOpenThePartitionAndReadTheTableAgain() throws Exception {
        twoPartitions();
        AtomicReference<@Nullable Disk> opened = new AtomicReference<>();
        AtomicInteger rescans = new AtomicInteger();
        try (Disk disk = driver.disk()) {
            disk.partitions().addListener(new PartitionListener() {
                @Override
                public void partitionAdded(Disk whole, Partition partition) {
                    try {
                        if (partition.index() == 1) {
                            whole.partitions().rescan();
                            rescans.incrementAndGet();
                        } else {
                            opened.set(whole.partitions().open(partition.index()));
                        }
                    } catch (java.io.IOException e) {
                        throw new AssertionError(e);
                    }
                }

                @Override
                public void partitionRemoved(Disk whole, Partition partition) {
                    throw new AssertionError("nothing was removed");
                }
            });
            disk.partitions().addListener(new Listener());
            disk.partitions().rescan();
            assertThat(rescans).hasValue(1);
            assertThat(heard()).containsExactly("+rec0p1", "+rec0p2");
            assertThat(disk.partitions().openers()).isOne();
            java.util.Objects.requireNonNull(opened.get()).close();
        }
    }

    @Test
    void aListenerThatThrowsDoesNotKeepTheOthersFromHearing() throws Exception {
        twoPartitions();
        try (Disk disk = driver.disk()) {
            disk.partitions().addListener(new PartitionListener() {
                @Override
                public void partitionAdded(Disk whole, Partition partition) {
                    throw new IllegalStateException("a test's own");
                }

                @Override
                public void partitionRemoved(Disk whole, Partition partition) {
                    throw new IllegalStateException("a test's own");
                }
            });
            disk.partitions().addListener(new Listener());
            disk.partitions().rescan();
            assertThat(heard()).containsExactly("+rec0p1", "+rec0p2");
        }
    }

    @Test
    void aPartitionThatNoLongerFitsIsNotOpened() throws Exception {
        twoPartitions();
        try (Disk disk = driver.disk()) {
            disk.partitions().rescan();
            disk.queue().setCapacitySectors(70);
            assertThatIllegalArgumentException().isThrownBy(() -> disk.partitions().open(2))
                    .withMessageContaining("40 sectors from sector 60");
            assertThat(disk.partitions().openers()).isZero();
            disk.queue().setCapacitySectors(0);
            assertThat(disk.partitions().rescan()).isEqualTo(PartitionTable.NONE);
        }
    }

    @Test
    void openAndRescanByManyThreadsNeverMeet() throws Exception {
        TableImage image = twoPartitions();
        try (Disk disk = driver.disk()) {
            disk.partitions().rescan();
            AtomicInteger uses = new AtomicInteger();
            AtomicInteger busy = new AtomicInteger();
            Eventually.together(4, false, number -> {
                for (int i = 0; i < 200; i++) {
                    if (number == 0) {
                        try {
                            disk.partitions().rescan();
                        } catch (DiskBusyException e) {
                            busy.incrementAndGet();
                        }
                    } else {
                        try (Disk two = disk.partitions().open(2)) {
                            assertThat(two.sizeBytes()).isEqualTo(40 * 512);
                            two.read(0, MemorySegment.ofArray(new byte[512]));
                            uses.incrementAndGet();
                        }
                    }
                }
            });
            assertThat(uses).hasValue(600);
            assertThat(disk.partitions().openers()).isZero();
            assertThat(busy.get()).isLessThanOrEqualTo(200);
            image.bytes().put(510, (byte) 0);
            disk.partitions().rescan();
            assertThat(disk.partitions().list()).isEmpty();
        }
    }

    @Test
    void aCompletionMayNotWaitForThem() {
        twoPartitions();
        List<String> refusals = new ArrayList<>();
        try (Disk disk = driver.disk(); IoBuffer buffer = disk.allocate(512)) {
            disk.submit(new Bio().reset(Operation.READ, 0).add(buffer.memory()).onEnd(_ -> {
                for (Eventually.Work work : List.<Eventually.Work>of(disk.partitions()::rescan,
                        disk.partitions()::removeAll, () -> disk.partitions().open(1))) {
                    try {
                        work.run();
                    } catch (Exception e) {
                        refusals.add(String.valueOf(e.getMessage()));
                    }
                }
            }));
            assertThat(refusals).hasSize(3).allMatch(refusal -> refusal.contains("from inside a completion"));
        }
    }
}
