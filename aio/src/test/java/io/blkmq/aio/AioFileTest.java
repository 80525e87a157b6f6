package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.blkmq.testing.EachCase;
import io.blkmq.testing.Eventually;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** What both kinds of files promise beyond what engines do with them. */
class AioFileTest {

    private static final int BLOCK = 4096;

    enum Kind {
        NATIVE,
        /** As the channel engine opens it here. */
        CHANNEL,
        /** As the channel engine opens it where there are no native files. */
        CHANNEL_ALONE;

        boolean isNative() {
            return this == NATIVE;
        }

        boolean isAlone() {
            return this == CHANNEL_ALONE;
        }
    }

    static List<Kind> cases() {
        return List.of(Kind.values());
    }

    private final Kind kind;
    private Path directory;
    private Path path;

    @SuppressWarnings("NullAway.Init")
    AioFileTest(Kind kind) {
        this.kind = kind;
    }

    @BeforeEach
    void make() throws IOException {
        Setup.skipIf(kind == Kind.NATIVE && Platform.CURRENT == Platform.OTHER, "no native files here");
        directory = Files.createTempDirectory(Files.createDirectories(Path.of("target", "io")), "files");
        path = Files.write(directory.resolve("a file \u00fc"), new byte[64 * BLOCK]);
    }

    @AfterEach
    void remove() throws IOException {
        try (var files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(directory);
    }

    private AioFile open(Path file, AioFile.Access access, boolean direct) throws IOException {
        return switch (kind) {
            case NATIVE -> NativeFile.open(file, access, direct);
            case CHANNEL -> ChannelFile.open(file, access, direct);
            case CHANNEL_ALONE -> ChannelFile.open(file, access, direct, null);
        };
    }

    /** Deleted after it was found, and before it was opened, it is made; never is it missing. */
    @EachCase("isNative")
    void aFileThatComesAndGoesIsMadeOnRequest() throws Exception {
        Path restless = directory.resolve("restless");
        AtomicBoolean done = new AtomicBoolean();
        Eventually.Worker<Boolean> other = Eventually.start(() -> {
            while (!done.get()) {
                boolean _ = Files.deleteIfExists(restless);
                Files.write(restless, new byte[1], StandardOpenOption.CREATE);
            }
        });
        try {
            for (int i = 0; i < 3000; i++) {
                NativeFile.open(Opening.of(restless, AioFile.Access.READ_WRITE, false, AioFile.Option.CREATE)).close();
            }
        } finally {
            done.set(true);
        }
        assertThat(other.join()).isTrue();
    }

    /** Its flags are those of the open's other owner. */
    @EachCase("isNative")
    void anAdoptedFileKeepsItsFlags() throws IOException {
        Path memory = Path.of("/dev/shm");
        Setup.skipIf(!Files.isWritable(memory), "no tmpfs at " + memory);
        Path there = Files.createTempFile(memory, "blkmq-aio-adopted", ".img");
        try (Arena arena = Arena.ofConfined()) {
            int theirs = FileCalls.open(PathName.of(there, arena), FileCalls.O_RDWR);
            assertThat(theirs).isNotNegative();
            int before = FileCalls.flags(theirs);
            try (NativeFile adopted = NativeFile.adopt(theirs, there);
                    NativeFile own = NativeFile.open(there, AioFile.Access.READ_WRITE, false)) {
                assertThat(FileCalls.flags(theirs)).isEqualTo(before);
                assertThat(FileCalls.flags(adopted.fd()) & FileCalls.O_NONBLOCK).isZero();
                assertThat(FileCalls.flags(own.fd()) & FileCalls.O_NONBLOCK).isNotZero();
            } finally {
                FileCalls.close(theirs);
            }
        } finally {
            Files.delete(there);
        }
    }

    @EachCase
    void aDirectFileHasAnySize() throws IOException {
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, true)) {
            for (long size : new long[]{5, 3L * BLOCK + 1, 100L * BLOCK + 7, 0, 1}) {
                assertThat(file.setSize(size)).as("%d bytes", size).isZero();
                assertThat(file.size()).isEqualTo(size);
                assertThat(Files.size(path)).isEqualTo(size);
            }
        }
    }

    /** Where the descriptor that grows it is closed, the system drops the lock of the whole process. */
    @EachCase("isAlone")
    void aFileThatGrowsKeepsItsLock() throws IOException {
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false);
                AioFile other = open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.tryLock(true)).isTrue();
            assertThat(file.setSize(100L * BLOCK)).isZero();
            assertThat(other.setSize(101L * BLOCK)).isZero();
            assertThat(locks(path)).isOne();
        }
    }

    @EachCase
    void missingFileIsNamed() {
        assertThatThrownBy(() -> open(directory.resolve("missing"), AioFile.Access.READ_ONLY, false))
                .isInstanceOf(NoSuchFileException.class).hasMessageContaining("missing");
    }

    @EachCase
    void nameThatIsNoTextInTheProcesssEncodingIsOpened() throws Exception {
        Setup.skipIf(!Files.isExecutable(Path.of("/bin/sh")), "no /bin/sh");
        assertThat(new ProcessBuilder("/bin/sh", "-c",
                "odd=$(printf 'odd \\344\\377 %%41.img') && mkdir \"d$odd\" && cp \"$1\" \"d$odd/$odd\"", "sh",
                path.getFileName().toString()).directory(directory.toFile()).inheritIO().start().waitFor()).isZero();
        Path odd = onlyOf(directory, "dodd*");
        Path file = onlyOf(odd, "odd*");
        try (AioFile opened = open(file, AioFile.Access.READ_WRITE, false); AioFile again = opened.reopen(false)) {
            assertThat(opened.size()).isEqualTo(64 * BLOCK);
            assertThat(again.isSameFile(opened)).isTrue();
            assertThat(opened.supports(AioOperation.PUNCH_HOLE)).isIn(true, false);
            assertThat(opened.write(0, Arena.ofAuto().allocate(BLOCK))).isEqualTo(BLOCK);
        } finally {
            Files.delete(file);
            Files.delete(odd);
        }
    }

    private static Path onlyOf(Path directory, String pattern) throws IOException {
        try (var all = Files.newDirectoryStream(directory, pattern)) {
            return all.iterator().next();
        }
    }

    /** As an interrupt does it. */
    private static FileChannel closed(FileChannel channel) {
        try {
            channel.close();
            return channel;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @EachCase("isAlone")
    void fileThatHasLostItsPathIsNotAnotherAfterAnInterrupt() throws IOException {
        MemorySegment memory = Arena.ofAuto().allocate(BLOCK);
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false)) {
            Path moved = Files.move(path, directory.resolve("moved"));
            Files.write(path, new byte[BLOCK]);
            ((ChannelFile) file).wrapChannel(AioFileTest::closed);
            assertThat(file.read(0, memory)).isEqualTo(-Errno.EIO);
            assertThat(file.write(0, memory.fill((byte) 1))).isEqualTo(-Errno.EIO);
            assertThat(Files.readAllBytes(path)).containsOnly(0);
            Files.delete(path);
            Files.move(moved, path);
            assertThat(file.write(0, memory)).as("when it has its path again").isEqualTo(BLOCK);
            assertThat(file.read(0, memory)).isEqualTo(BLOCK);
        }
    }

    private static long locks(Path file) throws IOException {
        String inode = ":" + Files.getAttribute(file, "unix:ino") + " ";
        try (var all = Files.lines(Path.of("/proc/locks"))) {
            return all.filter(line -> line.contains("POSIX") && line.contains(inode)).count();
        }
    }

    @EachCase("isAlone")
    void lockOfTheProcessStaysWhenAnotherOpenOfTheFileIsClosed() throws IOException {
        Setup.skipIf(!Files.isReadable(Path.of("/proc/locks")), "no /proc/locks");
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.tryLock(true)).isTrue();
            assertThat(locks(path)).isEqualTo(1);
            file.reopen(false).close();
            assertThat(locks(path)).isEqualTo(1);
            try (AioFile another = open(path, AioFile.Access.READ_ONLY, false)) {
                ((ChannelFile) another).wrapChannel(AioFileTest::closed);
                assertThat(another.read(0, Arena.ofAuto().allocate(BLOCK))).isEqualTo(BLOCK);
                assertThat(locks(path)).as("after an interrupt of another open").isEqualTo(1);
            }
            assertThat(locks(path)).isEqualTo(1);
            ((ChannelFile) file).wrapChannel(AioFileTest::closed);
            assertThat(file.read(0, Arena.ofAuto().allocate(BLOCK))).isEqualTo(BLOCK);
            assertThat(locks(path)).as("after an interrupt of its own").isEqualTo(1);
        }
        assertThat(locks(path)).isZero();
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.tryLock(true)).isTrue();
        }
        assertThat(locks(path)).isZero();
    }

    @EachCase("isAlone")
    void aLockThatCannotBeChangedIsStillHeld() throws Exception {
        Path plain = Files.write(directory.resolve("plain"), new byte[BLOCK]);
        try (LockingProcess other = new LockingProcess(plain)) {
            try (AioFile file = open(plain, AioFile.Access.READ_ONLY, false)) {
                assertThat(file.tryLock(false)).isTrue();
                assertThatThrownBy(() -> file.tryLock(true)).isInstanceOf(FileSystemException.class)
                        .hasMessageContaining("not open for writing");
                assertThat(file.tryLock(false)).isTrue();
                assertThat(other.ask("try 0 10")).isEqualTo("refused");
            }
            assertThat(other.ask("try 0 10")).isEqualTo("locked");
            assertThat(other.ask("release")).isEqualTo("released");
            try (ChannelFile file = (ChannelFile) open(plain, AioFile.Access.READ_WRITE, false)) {
                LockingChannel channel = LockingChannel.under(file);
                assertThat(file.tryLock(false)).isTrue();
                channel.refusals.add(new IOException("No locks available"));
                assertThatThrownBy(() -> file.tryLock(true)).hasMessageContaining("No locks");
                assertThat(file.tryLock(false)).isTrue();
                assertThat(other.ask("try 0 10")).as("it has been taken back").isEqualTo("refused");
                assertThat(file.tryLock(true)).isTrue();
                channel.refusals.addAll(List.of(new IOException("No locks available"), new IOException("Nor these")));
                assertThatThrownBy(() -> file.tryLock(false)).isInstanceOf(IOException.class);
                assertThat(ProcessLocks.held().holder(file.identity())).as("none is held").isNull();
                assertThat(other.ask("try 0 10")).isEqualTo("locked");
                assertThat(file.tryLock(false)).isFalse();
                assertThat(other.ask("release")).isEqualTo("released");
                assertThat(file.tryLock(false)).isTrue();
            }
        }
    }

    /** An interrupt closes the channel, and the system drops the lock; then it cannot be taken again. */
    @EachCase("isAlone")
    void aLockThatAnInterruptHasCostIsNotSaidToBeHeld() throws Exception {
        Path plain = Files.write(directory.resolve("plain"), new byte[BLOCK]);
        try (LockingProcess other = new LockingProcess(plain);
                ChannelFile file = (ChannelFile) open(plain, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.tryLock(true)).isTrue();
            file.wrapChannel(AioFileTest::closed);
            assertThat(file.tryLock(true)).isTrue();
            assertThat(other.ask("try 0 10")).as("it has been taken again").isEqualTo("refused");
            file.wrapChannel(AioFileTest::closed);
            assertThat(other.ask("try 0 10")).isEqualTo("locked");
            assertThatThrownBy(() -> file.tryLock(true)).isInstanceOf(FileSystemException.class)
                    .hasMessageContaining("lost its lock");
            assertThat(file.tryLock(true)).isFalse();
            assertThat(ProcessLocks.held().holder(file.identity())).isNull();
            assertThat(other.ask("release")).isEqualTo("released");
            assertThat(file.tryLock(true)).isTrue();
            assertThat(file.write(0, Arena.ofAuto().allocate(BLOCK))).isEqualTo(BLOCK);
        }
    }

    @EachCase("isAlone")
    void nothingIsWrittenWithoutALockThatAnInterruptHasCost() throws Exception {
        Path plain = Files.write(directory.resolve("plain"), new byte[BLOCK]);
        MemorySegment memory = Arena.ofAuto().allocate(BLOCK).fill((byte) 1);
        try (LockingProcess other = new LockingProcess(plain);
                ChannelFile file = (ChannelFile) open(plain, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.tryLock(true)).isTrue();
            file.wrapChannel(AioFileTest::closed);
            assertThat(other.ask("try 0 10")).isEqualTo("locked");
            for (int i = 0; i < 3; i++) {
                assertThat(file.write(0, memory)).as("write %d", i).isEqualTo(-Errno.EIO);
            }
            assertThat(file.sync(true)).isEqualTo(-Errno.EIO);
            assertThat(file.tryLock(true)).isFalse();
            assertThat(file.write(0, memory)).as("a lock that is refused changes nothing").isEqualTo(-Errno.EIO);
            assertThat(Files.readAllBytes(plain)).containsOnly(0);
            assertThat(other.ask("release")).isEqualTo("released");
            assertThat(file.write(0, memory)).as("with the lock, which is free again").isEqualTo(BLOCK);
            assertThat(other.ask("try 0 10")).isEqualTo("refused");
        }
    }

    /** POSIX locks go with any descriptor of the file that the process closes. */
    @EachCase("isAlone")
    void nothingIsWrittenWithoutALockThatAnInterruptOfAnotherOpenHasCost() throws Exception {
        Setup.skipIf(!Files.isReadable(Path.of("/proc/locks")), "no /proc/locks");
        Path plain = Files.write(directory.resolve("plain"), new byte[BLOCK]);
        MemorySegment memory = Arena.ofAuto().allocate(BLOCK).fill((byte) 1);
        try (LockingProcess other = new LockingProcess(plain);
                ChannelFile another = (ChannelFile) open(plain, AioFile.Access.READ_WRITE, false);
                ChannelFile third = (ChannelFile) open(plain, AioFile.Access.READ_WRITE, false)) {
            try (ChannelFile holder = (ChannelFile) open(plain, AioFile.Access.READ_WRITE, false)) {
                assertThat(holder.tryLock(true)).isTrue();
                another.wrapChannel(AioFileTest::closed);
                assertThat(other.ask("try 0 10")).isEqualTo("locked");
                for (int i = 0; i < 2; i++) {
                    assertThat(another.write(0, memory)).isEqualTo(-Errno.EIO);
                    assertThat(third.write(0, memory)).isEqualTo(-Errno.EIO);
                    assertThat(holder.write(0, memory)).isEqualTo(-Errno.EIO);
                }
                assertThat(Files.readAllBytes(plain)).containsOnly(0);
            }
            assertThat(another.write(0, memory)).as("nobody wants the lock any more").isEqualTo(BLOCK);
            assertThat(third.write(0, memory)).isEqualTo(BLOCK);
        }
    }

    @EachCase("isAlone")
    void nothingIsWrittenWithoutALockThatItsChangeHasCost() throws Exception {
        Path plain = Files.write(directory.resolve("plain"), new byte[BLOCK]);
        MemorySegment memory = Arena.ofAuto().allocate(BLOCK).fill((byte) 1);
        try (LockingProcess other = new LockingProcess(plain);
                ChannelFile file = (ChannelFile) open(plain, AioFile.Access.READ_WRITE, false)) {
            LockingChannel channel = LockingChannel.under(file);
            assertThat(file.tryLock(true)).isTrue();
            channel.refusals.addAll(List.of(new IOException("No locks available"), new IOException("Nor these")));
            assertThatThrownBy(() -> file.tryLock(false)).isInstanceOf(IOException.class);
            assertThat(other.ask("try 0 10")).isEqualTo("locked");
            assertThat(file.write(0, memory)).isEqualTo(-Errno.EIO);
            assertThat(Files.readAllBytes(plain)).containsOnly(0);
        }
    }

    @EachCase("isAlone")
    void aLockThatIsTakenWhileTheFileIsClosedIsGivenUp() throws IOException {
        ChannelFile file = (ChannelFile) open(path, AioFile.Access.READ_WRITE, false);
        Object key = file.identity();
        LockingChannel channel = LockingChannel.under(file);
        channel.taken = file::close;
        assertThat(file.tryLock(true)).isTrue();
        assertThat(channel.isOpen()).isFalse();
        assertThat(ProcessLocks.held().holder(key)).isNull();
        assertThatThrownBy(() -> file.tryLock(true)).isInstanceOf(FileSystemException.class)
                .hasMessageContaining("is closed");
    }

    @EachCase("isAlone")
    void aFileThatIsClosedWhileItIsAskedForItsSizeIsNotOpenedAgain() throws IOException {
        Setup.skipIf(!Files.isReadable(Path.of("/proc/self/fd")), "no /proc/self/fd");
        Path plain = Files.write(directory.resolve("plain"), new byte[BLOCK]);
        ChannelFile file = (ChannelFile) open(plain, AioFile.Access.READ_ONLY, false);
        file.wrapChannel(real -> new ChannelUnderFile(real) {
            @Override
            public long size() throws IOException {
                file.close();
                return super.size();
            }
        });
        assertThat(file.size()).isEqualTo(BLOCK);
        assertThat(EngineFailuresTest.opensOf(plain)).isZero();
        assertThatThrownBy(file::size).isInstanceOf(FileSystemException.class).hasMessageContaining("is closed");
    }

    /** Whose memory and descriptor are still there. */
    @EachCase
    void aFileThatIsClosedWithOperationsInFlightRefusesWhatIsNew() throws IOException {
        AioFile file = open(path, AioFile.Access.READ_WRITE, false);
        assertThat(file.acquire()).isTrue();
        file.close();
        long missing = kind.isAlone() ? -Errno.EOPNOTSUPP : -Errno.EBADF;
        try (Arena arena = Arena.ofConfined()) {
            assertThat(file.read(0, arena.allocate(BLOCK))).isEqualTo(-Errno.EBADF);
            assertThat(file.write(0, arena.allocate(BLOCK))).isEqualTo(-Errno.EBADF);
            assertThat(file.sync(true)).isEqualTo(-Errno.EBADF);
            assertThat(file.setSize(0)).isEqualTo(-Errno.EBADF);
            assertThat(file.nextHole(0)).isEqualTo(missing);
            assertThat((long) file.punchHole(0, BLOCK)).isEqualTo(missing);
            assertThat((long) file.zeroRange(0, BLOCK)).isEqualTo(missing);
            assertThat((long) file.allocate(0, BLOCK, false)).isEqualTo(missing);
            assertThat((long) file.dropPageCache()).isEqualTo(missing);
            assertThat(file.advise(AioFile.Advice.WILL_NEED, 0, BLOCK)).isEqualTo(-Errno.EBADF);
            assertThatThrownBy(file::size).isInstanceOf(FileSystemException.class).hasMessageContaining("is closed");
            assertThatThrownBy(() -> file.tryLock(true)).isInstanceOf(FileSystemException.class)
                    .hasMessageContaining("is closed");
            if (file.hasDescriptor()) {
                assertThatThrownBy(() -> file.tryLockRange(0, 1, false)).isInstanceOf(FileSystemException.class)
                        .hasMessageContaining("is closed");
            }
            assertThatThrownBy(() -> file.reopen(false)).isInstanceOf(FileSystemException.class)
                    .hasMessageContaining("is closed");
        } finally {
            file.release();
        }
        assertThat(path).hasSize(64 * BLOCK);
    }

    @EachCase("!isNative")
    void operationsInFlightEndAsIfTheFileWereOpen() throws IOException {
        try (AioEngine engine = AioEngines.open("channel",
                AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build());
                Arena arena = Arena.ofShared()) {
            AioFile file = open(path, AioFile.Access.READ_WRITE, false);
            MemorySegment memory = arena.allocate(BLOCK);
            Told told = new Told();
            List<Kiocb> all = List.of(Kiocb.withSegments(1).prepareRead(file, 0, told, 0).addSegment(memory),
                    Kiocb.withSegments(1).prepareWrite(file, 0, told, 1).addSegment(memory).thenSync(true),
                    Kiocb.withSegments(1).prepareSync(file, false, told, 2),
                    Kiocb.withSegments(1).prepareSync(file, true, told, 3),
                    Kiocb.withSegments(1).preparePunchHole(file, 0, BLOCK, told, 4));
            for (Kiocb kiocb : all) {
                assertThat(engine.submit(kiocb)).isZero();
            }
            file.close();
            engine.commit();
            told.await(engine, all.size());
            assertThat(told.results).containsEntry(0L, (long) BLOCK).containsEntry(1L, (long) BLOCK)
                    .containsEntry(2L, 0L).containsEntry(3L, 0L);
            assertThat(told.result(4)).isEqualTo(kind.isAlone() ? -Errno.EOPNOTSUPP : 0);
        }
    }

    @EachCase
    void directoryIsRefusedByName() {
        assertThatThrownBy(() -> open(directory, AioFile.Access.READ_ONLY, false))
                .isInstanceOf(FileSystemException.class).hasMessageContaining(directory.toString())
                .hasMessageContaining("directory");
    }

    @EachCase
    void fifoIsRefusedAndNotWaitedFor() throws Exception {
        Path fifo = directory.resolve("fifo");
        Setup.skipIf(!Files.isExecutable(Path.of("/usr/bin/mkfifo")), "no mkfifo");
        assertThat(new ProcessBuilder("/usr/bin/mkfifo", fifo.toString()).start().waitFor()).isZero();
        assertThatThrownBy(() -> open(fifo, AioFile.Access.READ_ONLY, false)).isInstanceOf(FileSystemException.class)
                .hasMessageContaining("regular");
    }

    @EachCase
    void unreadableFileIsRefused() throws IOException {
        Files.setPosixFilePermissions(path, java.util.Set.of());
        Setup.skipIf(Files.isReadable(path), "this user may read everything");
        assertThatThrownBy(() -> open(path, AioFile.Access.READ_ONLY, false)).isInstanceOf(AccessDeniedException.class);
    }

    @EachCase
    void fileThatCannotDoDirectIoSaysSo() {
        Path unable = Path.of("/proc/version");
        Setup.skipIf(!Files.isRegularFile(unable), "no " + unable);
        assertThatThrownBy(() -> open(unable, AioFile.Access.READ_ONLY, true))
                .isInstanceOf(AioFile.DirectUnsupportedException.class).hasMessageContaining("/proc/version");
    }

    @EachCase
    void tellsWhatItIs() throws IOException {
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.path()).isEqualTo(path);
            assertThat(file.size()).isEqualTo(64 * BLOCK);
            assertThat(file.isDirect()).isFalse();
            assertThat(file.isWritable()).isTrue();
            assertThat(file.memoryAlignment()).isEqualTo(1);
            assertThat(file.offsetAlignment()).isEqualTo(1);
            assertThat((long) file.blockBytes()).isEqualTo(Files.getFileStore(path).getBlockSize());
            assertThat(file).asString().contains("rw", path.toString());
        }
    }

    @EachCase
    void sizeFollowsTheOpenFileAlsoWhenItHasNoNameAnyMore() throws IOException {
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false); Arena arena = Arena.ofConfined()) {
            Files.delete(path);
            assertThat(file.size()).isEqualTo(64 * BLOCK);
            assertThat(file.write(64 * BLOCK, arena.allocate(BLOCK))).isEqualTo(BLOCK);
            assertThat(file.size()).isEqualTo(65 * BLOCK);
            Thread.currentThread().interrupt();
            assertThat(file.read(0, arena.allocate(BLOCK))).isEqualTo(BLOCK);
            assertThat(Thread.interrupted()).isTrue();
            assertThat(file.size()).isEqualTo(65 * BLOCK);
        }
    }

    @EachCase("!isNative")
    void anInterruptThatClosesTheChannelAfterBytesHaveMovedHidesNoneOfThem() throws IOException {
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false); Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(8 * BLOCK).fill((byte) 7);
            for (int movedFirst : new int[]{8 * BLOCK, BLOCK, 0}) {
                InterruptedChannel.under((ChannelFile) file, movedFirst);
                assertThat(file.write(3, memory)).as("written, %d before the interrupt", movedFirst)
                        .isEqualTo(8 * BLOCK);
                assertThat(Thread.interrupted()).isTrue();
                InterruptedChannel.under((ChannelFile) file, movedFirst);
                memory.fill((byte) 0);
                assertThat(file.read(3, memory)).as("read, %d before the interrupt", movedFirst).isEqualTo(8 * BLOCK);
                assertThat(Thread.interrupted()).isTrue();
                assertThat(memory.toArray(ValueLayout.JAVA_BYTE)).containsOnly(7);
            }
            if (kind == Kind.CHANNEL_ALONE) {
                InterruptedChannel.under((ChannelFile) file, 0);
                assertThat(file.sync(false)).isZero();
                assertThat(Thread.interrupted()).isTrue();
            }
            InterruptedChannel.under((ChannelFile) file, 0);
            assertThat(file.read(64 * BLOCK, memory)).as("at the end").isZero();
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @EachCase
    void anInterruptedThreadIsToldTheSize() throws IOException {
        try (AioFile file = open(path, AioFile.Access.READ_ONLY, false)) {
            Thread.currentThread().interrupt();
            assertThat(file.size()).isEqualTo(64 * BLOCK);
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @EachCase
    void directFileTellsWhatItNeeds() throws IOException {
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, true); Arena arena = Arena.ofConfined()) {
            assertThat(Integer.bitCount(file.memoryAlignment())).isEqualTo(1);
            assertThat(file.offsetAlignment()).isBetween(512, 65536);
            MemorySegment memory = arena.allocate(2L * file.offsetAlignment(), file.offsetAlignment());
            assertThat(file.read(file.offsetAlignment(), memory)).isEqualTo(memory.byteSize());
        } catch (AioFile.DirectUnsupportedException e) {
            Setup.skipIf(true, "no direct I/O in target: " + e.getMessage());
        }
    }

    @EachCase("!isNative")
    void errorThatTheJdkKeepsAsATextIsFoundAgain() {
        for (int errno : new int[]{Errno.ENOSPC, Errno.EFBIG, Errno.EDQUOT, Errno.EINVAL}) {
            assertThat(ChannelFile.errno(new IOException(Libc.text(errno)))).isEqualTo(errno);
        }
        assertThat(ChannelFile.errno(new IOException("anything else"))).isEqualTo(Errno.EIO);
        assertThat(ChannelFile.errno(new IOException())).isEqualTo(Errno.EIO);
    }

    @EachCase("isNative")
    void fileTellsWhyItsDeviceCannotBePolled() throws IOException {
        try (NativeFile buffered = NativeFile.open(path, AioFile.Access.READ_ONLY, false)) {
            assertThat(buffered.pollingObstacle()).contains("direct I/O");
        }
        try (NativeFile file = NativeFile.open(path, AioFile.Access.READ_ONLY, true)) {
            FileFacts facts = FileFacts.ofDescriptor(file.fd());
            Path device = Path.of("/sys/dev/block/" + (facts.device() >>> 32) + ":" + (int) facts.device());
            Setup.skipIf(!Files.exists(device.resolve("queue")), "not on a whole device");
            boolean polls = !Files.readString(device.resolve("queue/io_poll")).strip().equals("0");
            assertThat(file.pollingObstacle() == null).as("no obstacle, and io_poll").isEqualTo(polls);
        }
        Path inMemory = Path.of("/dev/shm");
        Setup.skipIf(!Files.isWritable(inMemory), "no tmpfs");
        Path unknown = Files.createTempFile(inMemory, "blkmq", ".img");
        try (NativeFile file = NativeFile.open(unknown, AioFile.Access.READ_ONLY, true)) {
            assertThat(file.pollingObstacle()).as("nothing is known of it").isNull();
        } finally {
            Files.delete(unknown);
        }
    }

    @EachCase("isNative")
    void alignmentThatTheKernelDoesNotTellIsFoundByTrial() throws IOException {
        try (NativeFile file = NativeFile.open(path, AioFile.Access.READ_ONLY, true)) {
            FileFacts facts = FileFacts.ofDescriptor(file.fd());
            Setup.skipIf(!facts.directKnown(), "nothing to compare with: the kernel does not tell");
            assertThat(NativeFile.triedAlignment(file.fd(), facts)).as("what the kernel tells, or more")
                    .isGreaterThanOrEqualTo(facts.directOffset()).isIn(512, Math.max(facts.preferredBlock(), 4096));
        }
        Path empty = Files.createFile(directory.resolve("empty"));
        try (NativeFile file = NativeFile.open(empty, AioFile.Access.READ_ONLY, true)) {
            assertThat(NativeFile.triedAlignment(file.fd(), FileFacts.ofDescriptor(file.fd())))
                    .as("nothing can be tried on an empty file: the safe side").isGreaterThanOrEqualTo(4096);
        }
    }

    @EachCase("isNative")
    void emptyFileInMemoryNeedsNoMoreThanASector() throws IOException {
        Path memory = Path.of("/dev/shm");
        Setup.skipIf(!Files.isWritable(memory), "there is no " + memory);
        Path empty = Files.createTempFile(memory, "blkmq", ".img");
        try (NativeFile file = NativeFile.open(empty, AioFile.Access.READ_WRITE, true)) {
            assertThat(file.offsetAlignment()).isEqualTo(512);
            assertThat(file.memoryAlignment()).isEqualTo(512);
        } finally {
            Files.delete(empty);
        }
    }

    /** Its address may be another's by now. */
    @EachCase("isNative")
    void memoryOfAClosedArenaIsRefused() throws IOException {
        byte[] before = Files.readAllBytes(path);
        MemorySegment closed;
        try (Arena brief = Arena.ofShared()) {
            closed = brief.allocate(4096, 4096);
        }
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.write(0, closed)).isEqualTo(-Errno.EFAULT);
            assertThat(file.write(0, closed, 512, 512)).isEqualTo(-Errno.EFAULT);
            assertThat(file.read(0, closed)).isEqualTo(-Errno.EFAULT);
            assertThat(file.read(0, closed, 512, 512)).isEqualTo(-Errno.EFAULT);
        }
        assertThat(path).hasBinaryContent(before);
    }

    /** What a file system prefers, 4 MiB for example, is no more than a hint; a transfer of a part of a block has room for one block. */
    @EachCase("isNative")
    void aLargeBlockThatIsPreferredIsNotNeeded() {
        FileFacts facts = new FileFacts(0, 0, 0, 4 << 20, 0, 0, 0, false, 0, 0, AtomicWrites.NONE);
        // No descriptor: the trial fails, as where a sector is refused.
        assertThat(NativeFile.triedAlignment(-1, facts)).isEqualTo(1 << 20);
    }

    @EachCase
    void tryingWhatAFileCanDoTakesNoBlocks() throws Exception {
        long before = blocks();
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false)) {
            for (AioOperation operation : AioOperation.values()) {
                boolean supported = file.supports(operation);
                assertThat(file.supports(operation)).as("asked again: " + operation).isEqualTo(supported);
                assertThat(blocks()).as("blocks after " + operation).isEqualTo(before);
            }
        }
    }

    @EachCase("isNative")
    void triesBehindTheEndFindTheSameWhereNoOtherFileCanBeMade() throws IOException {
        try (NativeFile file = NativeFile.open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.tryBehindTheEnd(FileCalls.FALLOC_PUNCH_HOLE) == 0)
                    .isEqualTo(file.supports(AioOperation.PUNCH_HOLE));
            assertThat(file.tryBehindTheEnd(FileCalls.FALLOC_ZERO_RANGE) == 0)
                    .isEqualTo(file.supports(AioOperation.ZERO_RANGE));
            assertThat(file.tryBehindTheEnd(0) == 0).isEqualTo(file.supports(AioOperation.ALLOCATE));
            assertThat(file.size()).isEqualTo(64 * BLOCK);
        }
    }

    /** What the file takes on the device, as the system counts it. */
    private long blocks() throws Exception {
        Setup.skipIf(!Files.isExecutable(Path.of("/usr/bin/stat")), "no stat");
        // Written back, so that nothing is allocated later.
        Process stat = new ProcessBuilder("/bin/sh", "-c", "sync \"$0\"; stat -c %b \"$0\"", path.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String printed = new String(stat.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.US_ASCII);
        assertThat(stat.waitFor()).isZero();
        return Long.parseLong(printed.strip());
    }

    @EachCase
    void writeToFileOpenedForReadingIsRefused() throws IOException {
        try (AioFile file = open(path, AioFile.Access.READ_ONLY, false); Arena arena = Arena.ofConfined()) {
            assertThat(file.write(0, arena.allocate(1))).isEqualTo(-Errno.EBADF);
            assertThat(file.punchHole(0, BLOCK)).isIn(-Errno.EBADF, -Errno.EOPNOTSUPP);
            assertThat(file.sync(false)).isZero();
        }
    }

    @EachCase
    void exclusiveLockExcludesOtherOpens() throws IOException {
        boolean sharesInOneProcess = kind != Kind.CHANNEL_ALONE;
        try (AioFile other = open(path, AioFile.Access.READ_WRITE, false)) {
            try (AioFile file = open(path, AioFile.Access.READ_WRITE, false)) {
                assertThat(file.tryLock(true)).isTrue();
                assertThat(file.tryLock(true)).as("again").isTrue();
                assertThat(other.tryLock(true)).isFalse();
                assertThat(other.tryLock(false)).isFalse();
                assertThat(file.tryLock(false)).as("down to shared").isTrue();
                assertThat(other.tryLock(false)).isEqualTo(sharesInOneProcess);
                assertThat(file.tryLock(true)).as("up, against a shared one").isNotEqualTo(sharesInOneProcess);
            }
            assertThat(other.tryLock(true)).as("closed").isTrue();
        }
    }

    @EachCase("isNative")
    void lockOfAFileThatARingHasRegisteredEndsWithItsClose() throws IOException {
        Setup.skipIf(AioEngines.find("io_uring").unavailable().isPresent(), "no io_uring");
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build();
        try (AioEngine engine = AioEngines.open("io_uring", config);
                AioFile other = engine.open(path, AioFile.Access.READ_WRITE, false)) {
            AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false);
            assertThat(file.tryLock(true)).isTrue();
            Told told = new Told();
            assertThat(Told.run(engine, Kiocb.withSegments(1).prepareSync(file, true, told, 1), told)).isZero();
            assertThat(engine.statistics().fixedFileOperations()).isPositive();
            assertThat(other.tryLock(true)).isFalse();
            file.close();
            assertThat(other.tryLock(true)).isTrue();
        }
    }

    @EachCase
    void exclusiveLockExcludesOtherProcesses() throws Exception {
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false)) {
            assertThat(file.tryLock(true)).isTrue();
            assertThat(lockInAnotherProcess()).isEqualTo("refused");
        }
        assertThat(lockInAnotherProcess()).isEqualTo("locked");
    }

    private String lockInAnotherProcess() throws Exception {
        // A name that every encoding has.
        Path plain = directory.resolve("plain");
        if (!Files.exists(plain)) {
            Files.createLink(plain, path);
        }
        try (LockingProcess other = new LockingProcess(plain)) {
            return other.ask("try 0 " + Long.MAX_VALUE);
        }
    }

    @EachCase
    void knowsTheSameFileUnderAnotherName() throws IOException {
        Path link = Files.createLink(directory.resolve("link"), path);
        Path another = Files.write(directory.resolve("another"), new byte[1]);
        try (AioFile file = open(path, AioFile.Access.READ_ONLY, false);
                AioFile same = open(link, AioFile.Access.READ_ONLY, false);
                AioFile different = open(another, AioFile.Access.READ_ONLY, false)) {
            assertThat(file.isSameFile(same)).isTrue();
            assertThat(file.isSameFile(file)).isTrue();
            assertThat(file.isSameFile(different)).isFalse();
        }
    }

    @EachCase("!isAlone")
    void punchedHoleFreesBlocks() throws IOException {
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false); Arena arena = Arena.ofConfined()) {
            assertThat(file.write(0, arena.allocate(64L * BLOCK).fill((byte) 1))).isEqualTo(64L * BLOCK);
            int result = file.punchHole(0, 64L * BLOCK);
            Setup.skipIf(result == -Errno.EOPNOTSUPP, "no holes here");
            assertThat(result).isZero();
            assertThat(file.size()).isEqualTo(64 * BLOCK);
            MemorySegment memory = arena.allocate(64L * BLOCK).fill((byte) 1);
            assertThat(file.read(0, memory)).isEqualTo(64L * BLOCK);
            assertThat(memory.mismatch(arena.allocate(64L * BLOCK))).isEqualTo(-1);
            assertThat(file.sync(false)).isZero();
        }
    }

    @EachCase
    void manyOpensAndClosesLeaveNoDescriptor() throws IOException {
        Path descriptors = Path.of("/proc/self/fd");
        Setup.skipIf(!Files.isDirectory(descriptors), "no /proc");
        for (int i = 0; i < 200; i++) {
            open(path, AioFile.Access.READ_WRITE, false).close();
        }
        // Of this file alone: other tests open theirs meanwhile.
        Path opened = path.toRealPath();
        try (var all = Files.list(descriptors)) {
            assertThat(all.filter(link -> leadsTo(link, opened))).isEmpty();
        }
    }

    private static boolean leadsTo(Path link, Path target) {
        try {
            return Files.readSymbolicLink(link).equals(target);
        } catch (IOException e) {
            // It has been closed meanwhile.
            return false;
        }
    }

    @EachCase("!isAlone")
    void anotherOpenIsOfTheSameFileWhateverItsNameIsNow() throws IOException {
        Setup.skipIf(!Files.exists(Path.of("/proc/self/fd")), "no links to open files");
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false); Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocate(BLOCK, BLOCK);
            assertThat(file.tryLock(true)).isTrue();
            Files.move(path, directory.resolve("elsewhere"));
            Files.write(path, new byte[1]);
            try (AioFile again = file.reopen(false)) {
                assertThat(again.isSameFile(file)).isTrue();
                assertThat(again.path()).isEqualTo(path);
                assertThat(again.size()).isEqualTo(64 * BLOCK);
                memory.fill((byte) 7);
                assertThat(again.write(BLOCK, memory)).isEqualTo(BLOCK);
                assertThat(again.tryLock(false)).as("the lock stays with the open that took it").isFalse();
            }
            Files.delete(directory.resolve("elsewhere"));
            memory.fill((byte) 0);
            try (AioFile unnamed = file.reopen(true)) {
                assertThat(unnamed.isDirect()).isTrue();
                assertThat(unnamed.isWritable()).isTrue();
                assertThat(unnamed.read(BLOCK, memory)).isEqualTo(BLOCK);
                assertThat(memory.get(java.lang.foreign.ValueLayout.JAVA_BYTE, 5)).isEqualTo((byte) 7);
            } catch (AioFile.DirectUnsupportedException e) {
                Setup.skipIf(true, "no direct I/O here");
            }
        }
    }

    /** Others are found by their descriptor. */
    @EachCase("isAlone")
    void aFileFoundByItsPathIsNotOpenedAgainAsAnother() throws IOException {
        try (AioFile file = open(path, AioFile.Access.READ_WRITE, false)) {
            file.reopen(false).close();
            Files.move(path, directory.resolve("elsewhere"));
            Files.write(path, new byte[1]);
            assertThatThrownBy(() -> file.reopen(false)).isInstanceOf(FileSystemException.class)
                    .hasMessageContaining("another file now");
        }
    }

    @EachCase
    void aClosedFileIsNotOpenedAgain() throws IOException {
        AioFile file = open(path, AioFile.Access.READ_ONLY, false);
        file.close();
        assertThatThrownBy(() -> file.reopen(false)).isInstanceOf(FileSystemException.class)
                .hasMessageContaining("closed");
    }
}
