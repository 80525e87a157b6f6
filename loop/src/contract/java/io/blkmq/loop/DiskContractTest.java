package io.blkmq.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.core.Disk;
import io.blkmq.core.Operation;
import io.blkmq.core.QueueLimits;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.NoRescues;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What every disk promises, run on every disk that there is, in every form of I/O. What bdevio tries on every device of SPDK is
 * tried here. It belongs to the modules of all disks.
 */
@ParameterizedClass(name = "{0}")
@MethodSource("io.blkmq.loop.DiskSetup#all")
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NoRescues
@BesideOthers
class DiskContractTest {
    private static final int KIB = 1 << 10;

    private final DiskSetup setup;
    private final Random random = new Random(11);

    @TempDir
    private Path directory;

    @SuppressWarnings("NullAway.Init") // the folder is JUnit's to set
    DiskContractTest(DiskSetup setup) {
        this.setup = setup;
    }

    /** What a test does with a disk and what it expects the disk to hold. */
    private interface Body {
        void run(Model model) throws Exception;
    }

    /** Opens the disk, and looks at the end whether all of its bytes are as they should be. On one thread, which may have to poll. */
    private void onDisk(Body body) throws Exception {
        try (DiskMemory memory = new DiskMemory(); Disk disk = setup.open(directory)) {
            Model model = new Model(disk, memory);
            body.run(model);
            assertThat(content(disk)).as("the whole disk").isEqualTo(model.expected);
            assertThat(disk.queue().strayCompletions()).isZero();
            // A tag is given back after its bio has been told: a freeze waits for that.
            disk.freeze();
            assertThat(disk.queue().heldTags()).isZero();
            disk.unfreeze();
        }
    }

    private static byte[] content(Disk disk) throws Exception {
        byte[] all = new byte[Math.toIntExact(disk.sizeBytes())];
        disk.read(0, MemorySegment.ofArray(all));
        return all;
    }

    /** A disk, and the bytes that it has to hold. */
    private final class Model {
        private final Disk disk;
        private final DiskMemory memory;
        private final int block;
        private final byte[] expected;

        Model(Disk disk, DiskMemory memory) throws Exception {
            this.disk = disk;
            this.memory = memory;
            this.block = disk.limits().logicalBlockBytes();
            this.expected = content(disk);
        }

        long end() {
            return expected.length;
        }

        /** Writes other bytes, one piece behind the other. */
        void write(long offset, Integer... lengths) throws Exception {
            List<MemorySegment> pieces = new ArrayList<>();
            int at = Math.toIntExact(offset);
            for (int length : lengths) {
                byte[] bytes = new byte[length];
                random.nextBytes(bytes);
                pieces.add(setup.form().allocate(memory, length).copyFrom(MemorySegment.ofArray(bytes)));
                System.arraycopy(bytes, 0, expected, at, length);
                at += length;
            }
            setup.form().transfer(disk, Operation.WRITE, offset, pieces);
        }

        /** Reads into memory that holds something else, and compares. */
        void read(long offset, Integer... lengths) throws Exception {
            List<MemorySegment> pieces = new ArrayList<>();
            for (int length : lengths) {
                pieces.add(setup.form().allocate(memory, length).fill((byte) 0xee));
            }
            setup.form().transfer(disk, Operation.READ, offset, pieces);
            int at = Math.toIntExact(offset);
            for (MemorySegment piece : pieces) {
                assertThat(piece.toArray(ValueLayout.JAVA_BYTE)).as("read at %s", at)
                        .isEqualTo(Arrays.copyOfRange(expected, at, at + (int) piece.byteSize()));
                at += (int) piece.byteSize();
            }
        }

        void writeAndRead(long offset, Integer... lengths) throws Exception {
            write(offset, lengths);
            read(offset, lengths);
        }

        void writeZeroes(long offset, int bytes) throws Exception {
            setup.form().writeZeroes(disk, offset, bytes);
            Arrays.fill(expected, Math.toIntExact(offset), Math.toIntExact(offset) + bytes, (byte) 0);
        }

        /** The device takes less at a time from now on. */
        void limits(UnaryOperator<QueueLimits.Builder> change) {
            disk.freeze();
            disk.queue().setLimits(change.apply(disk.limits().toBuilder()).build());
            disk.unfreeze();
        }

        void refuses(long offset, Operation operation, long begin, Integer... lengths) {
            List<MemorySegment> pieces = new ArrayList<>();
            for (int length : lengths) {
                pieces.add(setup.form().allocate(memory, length).fill((byte) 0xee));
            }
            assertThatThrownBy(() -> setup.form().transfer(disk, operation, offset, pieces))
                    .isInstanceOf(IndexOutOfBoundsException.class).hasMessageContaining(disk.name())
                    .hasMessageContaining(operation + " of " + lengths[lengths.length - 1] + " bytes at sector "
                            + begin / QueueLimits.SECTOR_BYTES)
                    .hasMessageContaining("past the end of the device at sector " + end() / QueueLimits.SECTOR_BYTES);
        }
    }

    @Test
    @DisplayName("one block is written and read")
    void oneBlock() throws Exception {
        onDisk(model -> model.writeAndRead(0, model.block));
    }

    @Test
    @DisplayName("eight blocks are written and read")
    void eightBlocks() throws Exception {
        onDisk(model -> model.writeAndRead(8L * model.block, 8 * model.block));
    }

    @Test
    @DisplayName("more than 128 KiB are written and read")
    void moreThan128KiB() throws Exception {
        onDisk(model -> model.writeAndRead(16 * KIB, 132 * KIB));
    }

    @Test
    @DisplayName("more than 128 KiB are written to and read from a device that takes 48 KiB at a time")
    void moreThan128KiBInParts() throws Exception {
        onDisk(model -> {
            model.limits(limits -> limits.requestBytesMax(48 * KIB).segmentBytesMax(16 * KIB));
            model.writeAndRead(16 * KIB, 132 * KIB);
        });
    }

    @Test
    @DisplayName("thirty pieces of memory of one block each are written and read")
    void thirtyPieces() throws Exception {
        onDisk(model -> model.writeAndRead(32L * model.block,
                Collections.nCopies(30, model.block).toArray(Integer[]::new)));
    }

    @Test
    @DisplayName("two pieces of memory of more than 128 KiB together are written and read")
    void twoPieces() throws Exception {
        onDisk(model -> model.writeAndRead(64 * KIB, 72 * KIB, 60 * KIB));
    }

    @Test
    @DisplayName("the last block is written and read")
    void lastBlock() throws Exception {
        onDisk(model -> model.writeAndRead(model.end() - model.block, model.block));
    }

    @Test
    @DisplayName("what ends exactly at the end is written and read")
    void exactlyAtTheEnd() throws Exception {
        onDisk(model -> model.writeAndRead(model.end() - 36 * KIB, 36 * KIB));
    }

    @Test
    @DisplayName("what reaches past the end is refused with the device, the place and the end, and changes nothing")
    void pastTheEnd() throws Exception {
        onDisk(model -> {
            for (Operation operation : List.of(Operation.WRITE, Operation.READ)) {
                long last = model.end() - model.block;
                model.refuses(last, operation, last, 2 * model.block);
                model.refuses(model.end(), operation, model.end(), model.block);
                model.refuses(1L << 50, operation, 1L << 50, 8 * model.block);
            }
            model.writeAndRead(model.end() - model.block, model.block);
        });
    }

    @Test
    @DisplayName("two blocks are written over one of two others, and all three are read")
    void overlapping() throws Exception {
        onDisk(model -> {
            model.write(4L * model.block, 2 * model.block);
            model.write(5L * model.block, 2 * model.block);
            model.read(4L * model.block, 3 * model.block);
            model.read(5L * model.block, 2 * model.block);
        });
    }

    @Test
    @DisplayName("zeroes are written in one request")
    void zeroesInWhole() throws Exception {
        onDisk(model -> {
            model.write(16 * KIB, 256 * KIB);
            model.writeZeroes(64 * KIB, 64 * KIB);
            model.read(16 * KIB, 256 * KIB);
        });
    }

    @Test
    @DisplayName("zeroes are written in several requests of equal length")
    void zeroesInParts() throws Exception {
        onDisk(model -> {
            model.write(16 * KIB, 256 * KIB);
            model.limits(limits -> limits.writeZeroesBytesMax(16 * KIB));
            model.writeZeroes(64 * KIB, 64 * KIB);
            model.read(16 * KIB, 256 * KIB);
        });
    }

    @Test
    @DisplayName("zeroes are written in several requests, the last one shorter")
    void zeroesInPartsAndARest() throws Exception {
        onDisk(model -> {
            model.write(16 * KIB, 256 * KIB);
            model.limits(limits -> limits.writeZeroesBytesMax(16 * KIB));
            model.writeZeroes(64 * KIB, 64 * KIB - model.block);
            model.read(16 * KIB, 256 * KIB);
        });
    }
}
