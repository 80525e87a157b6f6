package io.blkmq.loop.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.blkmq.aio.AioEngines;
import io.blkmq.loop.LoopParameters;
import io.blkmq.runtime.IoBuffer;
import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.NoRescues;
import io.blkmq.testing.NumberProperty;
import io.blkmq.testing.RandomSeed;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The same random steps on the kernel's loop device and on ours, each over files of its own that are equal: after each step results,
 * errnos, data, status, size and block are equal, after each sequence the files, byte by byte and hole by hole.
 *
 * <p>Left out, because there is nothing to be equal to: backing files shortened to the middle of a sector of the device. What is to be
 * different is not tried here but asserted by {@link WantedDifferencesTest}.
 *
 * <p>{@code -Dblkmq.loop.sequences=10000} tries more, {@code -Dblkmq.loop.steps=1000} longer ones; the line that a failure prints
 * tries the one that failed.
 */
@NoRescues
@BesideOthers
class KernelDifferentialTest {
    private static final int SEQUENCES = NumberProperty.of("blkmq.loop.sequences", 80);
    private static final int STEPS = NumberProperty.of("blkmq.loop.steps", 100);
    private static final int FILES = 3;
    private static final int FILE_BYTES = 512 << 10;
    private static final int FILE_BYTES_MAX = 1 << 20;
    private static final int TRANSFER_BYTES_MAX = 128 << 10;
    private static final int SECTOR = 512;
    private static final int PAGE = 4096;

    /** A memory file system for four in five sequences, and the one of the build, whatever that is, for the rest. */
    static Stream<Arguments> directories() {
        Path memory = Path.of("/dev/shm");
        Path build = Path.of("target");
        return Files.isWritable(memory)
                ? Stream.of(Arguments.of(memory, Math.ceilDiv(SEQUENCES * 4, 5)),
                        Arguments.of(build, Math.ceilDiv(SEQUENCES, 5)))
                : Stream.of(Arguments.of(build, SEQUENCES));
    }

    @ParameterizedTest(name = "{1} on {0}")
    @MethodSource("directories")
    @DisplayName("random sequences on the kernel's loop device and on ours have equal results, and leave equal files")
    void sequencesAreEqual(Path parent, int sequences) throws Exception {
        Optional<String> unavailable = KernelLoop.unavailable();
        assumeTrue(unavailable.isEmpty(), () -> "skipped: no loop device of the kernel: " + unavailable.orElseThrow());
        long first = RandomSeed.next(KernelDifferentialTest.class);
        IO.println("KernelDifferentialTest on " + parent + ": " + sequences + " sequences of " + STEPS
                + " steps from seed " + first + " on, replay with: " + replay(first, SEQUENCES));
        long start = System.nanoTime();
        Path directory = Files.createTempDirectory(parent, "blkmq-differential");
        try (Sides sides = new Sides(directory)) {
            for (int i = 0; i < sequences; i++) {
                sides.run(first + i);
            }
            IO.println("KernelDifferentialTest on " + parent + ": " + sides.steps + " steps equal, " + sides.refused
                    + " of them refused by both, " + (System.nanoTime() - start) / 1_000_000 + " ms");
        } finally {
            try (Stream<Path> files = Files.list(directory)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
            Files.delete(directory);
        }
    }

    private static String replay(long seed, int sequences) {
        return RandomSeed.replay(KernelDifferentialTest.class, seed) + " -Dblkmq.loop.sequences=" + sequences;
    }

    /** Both devices with their files, and what the test knows of both, since it is equal. */
    private static final class Sides implements AutoCloseable {
        private final Path[] kernelFiles = new Path[FILES];
        private final Path[] ourFiles = new Path[FILES];
        private final int[] kernelFds = new int[FILES];
        private final int[] ourFds = new int[FILES];
        private final LoopNode kernel;
        private final LoopNode ours;
        private final IoBuffer kernelBuffer = IoBuffer.allocate(TRANSFER_BYTES_MAX);
        private final IoBuffer ourBuffer = IoBuffer.allocate(TRANSFER_BYTES_MAX);
        private final List<String> log = new ArrayList<>();
        private Random random = new Random(0);
        private long steps;
        private long refused;
        private long seed;

        // What the device is like now.
        private boolean bound;
        private int file;
        private long offset;
        private long limit;
        private int block = SECTOR;
        /** Whether node I/O through the page cache has been used, which writes whole pages: holes are not compared then. */
        private boolean pagesWritten;

        Sides(Path directory) throws IOException {
            for (int i = 0; i < FILES; i++) {
                kernelFiles[i] = Files.createFile(directory.resolve("kernel" + i));
                ourFiles[i] = Files.createFile(directory.resolve("ours" + i));
                kernelFds[i] = KernelCalls.open(kernelFiles[i], KernelCalls.O_RDWR);
                ourFds[i] = KernelCalls.open(ourFiles[i], KernelCalls.O_RDWR);
            }
            kernel = KernelLoop.add(kernelFiles);
            ours = new OurLoop(
                    LoopParameters.builder().engine(System.getProperty("blkmq.loop.engine", AioEngines.best())).build(),
                    ourFiles);
        }

        void run(long sequence) {
            seed = sequence;
            random = new Random(sequence);
            log.clear();
            pagesWritten = false;
            for (int i = 0; i < FILES; i++) {
                fill(i);
            }
            try {
                attach();
                for (int i = 0; i < STEPS; i++) {
                    step();
                    checkState();
                }
                if (bound) {
                    same("detach", kernel.detach(), ours.detach());
                    bound = false;
                    offset = 0;
                    limit = 0;
                }
                checkState();
                checkFiles();
            } catch (AssertionError | RuntimeException e) {
                throw new AssertionError("sequence " + seed + " failed; its steps:\n" + String.join("\n", log)
                        + "\nreplay with: " + replay(seed, 1), e);
            }
        }

        /** Data with holes, the same for both. */
        private void fill(int i) {
            for (int fd : new int[]{kernelFds[i], ourFds[i]}) {
                KernelCalls.ftruncate(fd, 0);
                KernelCalls.ftruncate(fd, FILE_BYTES);
            }
            MemorySegment data = kernelBuffer.memory();
            byte[] bytes = new byte[TRANSFER_BYTES_MAX];
            for (int part = 0; part < FILE_BYTES / TRANSFER_BYTES_MAX; part++) {
                random.nextBytes(bytes);
                data.copyFrom(MemorySegment.ofArray(bytes));
                long at = part * (long) TRANSFER_BYTES_MAX;
                long from = random.nextInt(TRANSFER_BYTES_MAX / PAGE / 2) * (long) PAGE;
                long length = (1 + random.nextInt(TRANSFER_BYTES_MAX / PAGE / 2)) * (long) PAGE;
                KernelCalls.pwrite(kernelFds[i], data.asSlice(from, length), at + from);
                KernelCalls.pwrite(ourFds[i], data.asSlice(from, length), at + from);
            }
        }

        private void same(String step, long ofKernel, long ofOurs) {
            log.add(step + " = " + ofKernel + (ofOurs == ofKernel ? "" : ", ours " + ofOurs));
            steps++;
            if (ofKernel < 0) {
                refused++;
            }
            assertThat(ofOurs).as("%s: kernel %d", step, ofKernel).isEqualTo(ofKernel);
        }

        private void checkState() {
            String state = kernel.status() + ", size " + kernel.size() / blockNow() * blockNow();
            String our = ours.status() + ", size " + ours.size();
            if (bound) {
                state += ", block " + kernel.block();
                our += ", block " + ours.block();
            }
            assertThat(our).as("status, size and block").isEqualTo(state);
        }

        private long blockNow() {
            return block;
        }

        private void checkFiles() {
            for (int i = 0; i < FILES; i++) {
                KernelCalls.fsync(kernelFds[i]);
                KernelCalls.fsync(ourFds[i]);
                try {
                    long mismatch = Files.mismatch(kernelFiles[i], ourFiles[i]);
                    assertThat(mismatch).as("the first byte of file %d that differs", i).isEqualTo(-1);
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
                if (!pagesWritten) {
                    assertThat(KernelCalls.dataOf(ourFds[i])).as("where file %d has data", i)
                            .isEqualTo(KernelCalls.dataOf(kernelFds[i]));
                }
            }
        }

        // ---- steps

        private void step() {
            if (!bound) {
                unboundStep();
                return;
            }
            int choice = random.nextInt(100);
            if (choice < 22) {
                read();
            } else if (choice < 46) {
                write();
            } else if (choice < 53) {
                range("discard");
            } else if (choice < 59) {
                range("zero");
            } else if (choice < 65) {
                range("punch");
            } else if (choice < 69) {
                same("flush", kernel.flush(), ours.flush());
            } else if (choice < 75) {
                status();
            } else if (choice < 79) {
                blockSize();
            } else if (choice < 83) {
                boolean direct = random.nextBoolean();
                same("direct " + direct, kernel.setDirect(direct), ours.setDirect(direct));
            } else if (choice < 88) {
                resizeFile();
            } else if (choice < 92) {
                same("capacity", kernel.setCapacity(), ours.setCapacity());
            } else if (choice < 95) {
                change();
            } else if (choice < 97) {
                attach();
            } else {
                same("detach", kernel.detach(), ours.detach());
                bound = false;
                offset = 0;
                limit = 0;
                block = SECTOR;
            }
        }

        private void unboundStep() {
            switch (random.nextInt(10)) {
                case 0 -> same("unbound capacity", kernel.setCapacity(), ours.setCapacity());
                case 1 -> same("unbound detach", kernel.detach(), ours.detach());
                case 2 -> same("unbound status", kernel.setStatus(0, 0, 0), ours.setStatus(0, 0, 0));
                case 3 -> same("unbound direct", kernel.setDirect(true), ours.setDirect(true));
                case 4 -> same("unbound block", kernel.setBlock(4096), ours.setBlock(4096));
                case 5 -> same("unbound change", kernel.change(0), ours.change(0));
                case 6 -> {
                    MemorySegment from = kernelBuffer.memory().asSlice(0, SECTOR);
                    same("unbound read", kernel.read(true, 0, from), ours.read(true, 0, from));
                }
                default -> attach();
            }
        }

        private void attach() {
            int which = random.nextInt(FILES);
            boolean openReadOnly = random.nextInt(12) == 0;
            int flags = (random.nextInt(12) == 0 ? LoopNode.READ_ONLY : 0)
                    | (random.nextInt(8) == 0 ? LoopNode.AUTOCLEAR : 0)
                    | (random.nextBoolean() ? LoopNode.DIRECT_IO : 0);
            int blockWanted = random.nextInt(3) == 0 ? anyBlock() : 0;
            long offsetWanted = random.nextInt(3) == 0 ? anyOffset() : 0;
            long limitWanted = random.nextInt(4) == 0 ? anyLimit() : 0;
            String step = "attach file " + which + (openReadOnly ? " read-only" : "") + ", block " + blockWanted
                    + ", offset " + offsetWanted + ", limit " + limitWanted + ", flags " + flags;
            long result = kernel.configure(which, openReadOnly, blockWanted, offsetWanted, limitWanted, flags);
            same(step, result, ours.configure(which, openReadOnly, blockWanted, offsetWanted, limitWanted, flags));
            if (result == 0) {
                bound = true;
                file = which;
                offset = offsetWanted;
                limit = limitWanted;
                block = kernel.block();
            }
        }

        private int anyBlock() {
            return switch (random.nextInt(8)) {
                case 0 -> 1000;
                case 1 -> 256;
                case 2 -> 131072;
                case 3 -> 65536;
                default -> SECTOR << random.nextInt(4);
            };
        }

        private long anyOffset() {
            return switch (random.nextInt(12)) {
                case 0, 1 -> 1543;
                case 2 -> FILE_BYTES * 4L;
                case 3, 4 -> random.nextInt(FILE_BYTES / SECTOR) * (long) SECTOR;
                default -> random.nextInt(FILE_BYTES / PAGE / 4) * (long) PAGE;
            };
        }

        private long anyLimit() {
            return switch (random.nextInt(12)) {
                case 0, 1 -> 100_000;
                case 2 -> 511;
                case 3, 4 -> 1L << 40;
                default -> random.nextInt(FILE_BYTES / SECTOR) * (long) SECTOR;
            };
        }

        private void status() {
            long offsetWanted = switch (random.nextInt(4)) {
                case 0 -> anyOffset();
                case 1 -> 0;
                default -> offset;
            };
            long limitWanted = switch (random.nextInt(4)) {
                case 0 -> anyLimit();
                case 1 -> 0;
                default -> limit;
            };
            if (random.nextInt(12) == 0) {
                offsetWanted = -random.nextLong(10_000) - 1;
            } else if (random.nextInt(12) == 0) {
                limitWanted = -512;
            }
            int flags = random.nextInt(64) & ~LoopNode.PARTSCAN;
            long result = kernel.setStatus(offsetWanted, limitWanted, flags);
            same("status: offset " + offsetWanted + ", limit " + limitWanted + ", flags " + flags, result,
                    ours.setStatus(offsetWanted, limitWanted, flags));
            if (result == 0) {
                offset = offsetWanted;
                limit = limitWanted;
            }
        }

        private void blockSize() {
            int wanted = random.nextInt(10) == 0 ? 0 : anyBlock();
            same("block " + wanted, kernel.setBlock(wanted), ours.setBlock(wanted));
            block = kernel.block();
        }

        private void resizeFile() {
            long bytes = random.nextInt(3) == 0
                    ? random.nextInt(FILE_BYTES_MAX)
                    : random.nextInt(FILE_BYTES_MAX / SECTOR) * (long) SECTOR;
            if (bytes < offset + kernel.size() && bytes > offset) {
                // Not in the middle of a sector of the device.
                bytes = offset + (bytes - offset) / SECTOR * SECTOR;
            }
            same("file " + file + " to " + bytes, KernelCalls.ftruncate(kernelFds[file], bytes),
                    KernelCalls.ftruncate(ourFds[file], bytes));
        }

        private void change() {
            int which = random.nextInt(FILES);
            if (which == file) {
                return;
            }
            long result = kernel.change(which);
            same("change to file " + which, result, ours.change(which));
            if (result == 0) {
                file = which;
            }
        }

        /** A range, most times within the device and of whole blocks; never in what is less than a block at its end. */
        private long[] anyRange(int bytesMax) {
            long size = kernel.size();
            long whole = size / block * block;
            long unit = random.nextInt(12) == 0 ? 256 : random.nextInt(3) == 0 ? Math.max(block, PAGE) : block;
            long bytes = (random.nextInt(40) == 0 ? 0 : 1 + random.nextInt((int) (bytesMax / unit))) * unit;
            long at = whole < unit ? 0 : random.nextLong(whole / unit) * unit;
            switch (random.nextInt(30)) {
                case 0 -> at = size;
                case 1 -> at = size + random.nextInt(10) * (long) block;
                case 2 -> at = Math.max(0, whole - block);
                default -> {
                }
            }
            if (size != whole && at < size && at + bytes > whole) {
                bytes = Math.max(0, whole - at);
            }
            if (size != whole && at >= whole) {
                at = size;
            }
            return new long[]{at, bytes};
        }

        private long endOfFile() {
            try {
                return Files.size(kernelFiles[file]);
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }

        /** Whether I/O through the node's page cache, which reads and writes more than is asked for, meets nothing special. */
        private boolean pagesAreWhole() {
            return kernel.size() % PAGE == 0 && kernel.size() > 0 && offset + kernel.size() <= endOfFile()
                    && block <= PAGE;
        }

        private void read() {
            boolean direct = random.nextInt(5) != 0 || !pagesAreWhole();
            long[] range = direct ? anyRange(TRANSFER_BYTES_MAX) : anyBytes();
            MemorySegment kernelMemory = kernelBuffer.memory().asSlice(0, range[1]).fill((byte) 0x55);
            MemorySegment ourMemory = ourBuffer.memory().asSlice(0, range[1]).fill((byte) 0x55);
            long result = kernel.read(direct, range[0], kernelMemory);
            same((direct ? "read " : "read pages ") + range[0] + " + " + range[1], result,
                    ours.read(direct, range[0], ourMemory));
            long equal = result;
            if (result == -5) {
                // What lies before the end of a shortened file is read all the same.
                equal = Math.clamp(endOfFile() - offset - range[0], 0, range[1]);
            }
            if (equal > 0) {
                assertThat(ourMemory.asSlice(0, equal).mismatch(kernelMemory.asSlice(0, equal)))
                        .as("the first byte read that differs").isEqualTo(-1);
            }
        }

        private long[] anyBytes() {
            long at = random.nextLong(kernel.size());
            return new long[]{at, 1 + random.nextInt(20_000)};
        }

        private void write() {
            boolean direct = random.nextInt(8) != 0 || !pagesAreWhole();
            long[] range = direct ? anyRange(TRANSFER_BYTES_MAX) : anyBytes();
            byte[] bytes = new byte[(int) range[1]];
            random.nextBytes(bytes);
            MemorySegment kernelMemory = kernelBuffer.memory().asSlice(0, range[1])
                    .copyFrom(MemorySegment.ofArray(bytes));
            MemorySegment ourMemory = ourBuffer.memory().asSlice(0, range[1]).copyFrom(MemorySegment.ofArray(bytes));
            pagesWritten |= !direct;
            same((direct ? "write " : "write pages ") + range[0] + " + " + range[1],
                    kernel.write(direct, range[0], kernelMemory), ours.write(direct, range[0], ourMemory));
        }

        private void range(String what) {
            long[] range = anyRange(FILE_BYTES);
            String step = what + " " + range[0] + " + " + range[1];
            switch (what) {
                case "discard" -> same(step, kernel.discard(range[0], range[1]), ours.discard(range[0], range[1]));
                case "zero" -> same(step, kernel.zero(range[0], range[1]), ours.zero(range[0], range[1]));
                default -> same(step, kernel.punch(range[0], range[1]), ours.punch(range[0], range[1]));
            }
        }

        @Override
        public void close() {
            try {
                kernel.close();
            } finally {
                ours.close();
                for (int i = 0; i < FILES; i++) {
                    KernelCalls.close(kernelFds[i]);
                    KernelCalls.close(ourFds[i]);
                }
                kernelBuffer.close();
                ourBuffer.close();
            }
        }
    }
}
