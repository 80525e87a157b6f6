package io.blkmq.aio;

import static org.assertj.core.api.Assertions.assertThat;

import io.blkmq.testing.BesideOthers;
import io.blkmq.testing.Eventually;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What a process meets that may not do what it wants: no io_uring, no native AIO, few descriptors, small files, little
 * locked memory. Each test runs {@link #main} in a process of its own, which restricts itself by the system's own
 * means (seccomp, limits) and prints what it meets.
 */
@BesideOthers
class RestrictedProcessTest {

    private static final int BLOCK = 4096;

    @TempDir
    private Path directory;

    private String run(String what) throws Exception {
        return run(List.of(), what);
    }

    private String run(List<String> prefix, String what) throws Exception {
        return run(prefix, "--enable-native-access=ALL-UNNAMED", what);
    }

    private String run(List<String> prefix, String access, String what) throws Exception {
        Setup.skipIf(Platform.CURRENT != Platform.LINUX_X86_64, "system call numbers of x86-64");
        Path file = Files.write(directory.resolve("file"), new byte[4 * BLOCK]);
        // One jar: loading a class from it takes no descriptor more, as one from a directory would.
        Path jar = directory.resolve("all.jar");
        var jarTool = java.util.spi.ToolProvider.findFirst("jar");
        Setup.skipIf(jarTool.isEmpty(), "no jar tool");
        assertThat(jarTool.orElseThrow().run(System.out, System.err, "--create", "--no-compress", "--file",
                jar.toString(), "-C", Path.of("target", "classes").toString(), ".", "-C",
                Path.of("target", "test-classes").toString(), ".")).isZero();
        List<String> command = new ArrayList<>(prefix);
        command.addAll(List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx64m",
                "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", access, "-ea", "-cp",
                jar + File.pathSeparator + libraries(!prefix.isEmpty()), RestrictedProcessTest.class.getName(), what,
                file.toString()));
        Process process;
        try {
            process = new ProcessBuilder(command).redirectErrorStream(true).start();
        } catch (IOException e) {
            Setup.skipIf(true, "cannot run " + command.get(0));
            return "";
        }
        String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(printed).isZero();
        return printed;
    }

    /** The libraries of the tests; copied to where another user can read them, if that is wanted. */
    private String libraries(boolean copied) throws IOException {
        List<String> libraries = new ArrayList<>();
        for (String name : (System.getProperty("jdk.module.path", "") + File.pathSeparator
                + System.getProperty("java.class.path")).split(File.pathSeparator, -1)) {
            Path library = Path.of(name);
            if (name.endsWith(".jar")) {
                Path copy = directory.resolve(library.getFileName());
                libraries.add((copied && !Files.exists(copy) ? Files.copy(library, copy) : library).toString());
            } else if (!copied && name.contains("runtime") && Files.isDirectory(library)) {
                // The module that this one needs, as long as it has not been packed.
                libraries.add(name);
            }
        }
        return String.join(File.pathSeparator, libraries);
    }

    @Test
    void filterThatForbidsIoUringIsToldAndTheNextEngineIsUsedIfAllowed() throws Exception {
        assertThat(run("no-io_uring")).contains("io_uring is forbidden, most likely by a container's seccomp filter")
                .contains("opened libaio").contains("best libaio").contains("read 4096");
    }

    @Test
    void filterThatHidesIoUringIsTold() throws Exception {
        assertThat(run("hidden-io_uring")).contains("or a seccomp filter hides it (ENOSYS)").contains("opened libaio");
    }

    @Test
    void withoutAnyNativeEngineThereIsTheChannel() throws Exception {
        assertThat(run("no-native")).contains("opened channel").contains("best channel").contains("read 4096")
                .contains("libaio: native AIO is forbidden");
    }

    @Test
    void whereNativeAccessIsDeniedThereIsTheChannelAndTheReasonIsTold() throws Exception {
        String printed = run(List.of(), "--illegal-native-access=deny", "no-access");
        assertThat(printed).contains("best channel").contains("opened channel").contains("read 4096")
                .contains("io_uring: this JVM denies native access").contains("libaio: this JVM denies native access")
                .contains("memory: works").contains("opened memory").contains("confined " + -Errno.EFAULT)
                .doesNotContain("Error");
    }

    @Test
    void whereNativeAccessIsDeniedChannelsDoAllButLock() throws Exception {
        assertThat(run(List.of(), "--illegal-native-access=deny", "channels")).contains("appended 5 at 16389")
                .contains("cannot be locked in ranges").contains("there true, then false");
    }

    @Test
    void theFlightRecorderIsToldOfEnginesThatArePassedOver() throws Exception {
        assertThat(run(List.of(), "--illegal-native-access=deny", "recorded").lines()
                .filter(line -> line.startsWith("recorded ")).map(line -> line.replaceFirst(", which.*", "")))
                .containsExactlyInAnyOrder("recorded io_uring: this JVM denies native access",
                        "recorded libaio: this JVM denies native access");
    }

    @Test
    void enginesThatAreAllRefusedAreAllNamed() throws Exception {
        assertThat(run("only-native")).contains("not available here: io_uring: ").contains("; libaio: native AIO");
    }

    @Test
    void lackOfDescriptorsIsToldAndNothingLeaks() throws Exception {
        String printed = run("few-descriptors");
        assertThat(printed).contains("file: open failed: too many open files (EMFILE)").contains("engine io_uring: ")
                .contains("too many open files (EMFILE)").contains("and again: read 4096")
                .contains("by name: IOException");
        assertThat(printed).as("it is no reason to take another engine").doesNotContain("opened channel");
    }

    @Test
    void enginesThatLackOneOfTheirDescriptorsGiveTheOthersBack() throws Exception {
        String printed = run("one-descriptor-less");
        for (String engine : List.of("io_uring POLLED SUBMITTERS", "io_uring REAPER SUBMITTERS",
                "io_uring REAPER REAPER", "libaio POLLED SUBMITTERS")) {
            assertThat(printed).contains(engine + ": opened with the limit, leaving 0");
        }
        assertThat(printed).as("with its ring and half of a pipe").contains("io_uring REAPER REAPER refused 2")
                .doesNotContain("AioUnavailableException");
    }

    @Test
    void limitOfDescriptorsLimitsTheTableOfFilesAndNothingElse() throws Exception {
        assertThat(run("small-table")).contains("registered files 255").contains("read 4096").contains("fixed 1");
    }

    @Test
    void writesOverTheLimitOfFileSizesEndWithTheirErrno() throws Exception {
        String printed = run("small-files");
        for (String engine : List.of("io_uring", "libaio", "channel")) {
            assertThat(printed).contains(engine + " below 4096").contains(engine + " over EFBIG")
                    .contains(engine + " across EFBIG");
        }
    }

    @Test
    void limitOfLockedMemoryCostsRegistrationAndNothingElse() throws Exception {
        // Root is not limited.
        Files.setPosixFilePermissions(directory, java.nio.file.attribute.PosixFilePermissions.fromString("rwxr-xr-x"));
        String printed;
        try {
            printed = run(List.of("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"),
                    "locked-memory");
        } catch (AssertionError e) {
            Setup.skipIf(true, "cannot run as another user: " + e.getMessage());
            return;
        }
        assertThat(printed).contains("small true").contains("large false").contains("read 4096");
    }

    // In the other process.

    private static final int DUP = 32;
    private static final int PRCTL = 157;
    private static final int SETRLIMIT = 160;
    private static final int RLIMIT_FSIZE = 1;
    private static final int RLIMIT_NOFILE = 7;
    private static final int RLIMIT_MEMLOCK = 8;

    /** The restricted process. */
    public static void main(String[] arguments) throws Exception {
        Path file = Path.of(arguments[1]);
        switch (arguments[0]) {
            case "no-io_uring" -> {
                forbid(Errno.EPERM, 425);
                openFirst(file, "io_uring", "libaio", "channel");
            }
            case "hidden-io_uring" -> {
                forbid(Errno.ENOSYS, 425);
                openFirst(file, "io_uring", "libaio");
            }
            case "no-native" -> {
                forbid(Errno.EPERM, 425, 206);
                openFirst(file, "io_uring", "libaio", "channel");
            }
            case "no-access" -> {
                openFirst(file, "io_uring", "libaio", "channel");
                openFirst(file, "memory");
                confined(file);
            }
            case "channels" -> channels(file);
            case "recorded" -> recorded(file);
            case "only-native" -> {
                forbid(Errno.EPERM, 425, 206);
                try {
                    AioEngines.openFirst(AioEngineConfig.defaults(), "io_uring", "libaio").close();
                } catch (AioUnavailableException e) {
                    System.out.println(e.getMessage());
                }
            }
            case "few-descriptors" -> fewDescriptors(file);
            case "one-descriptor-less" -> oneDescriptorLess();
            case "small-table" -> smallTable(file);
            case "small-files" -> smallFiles(file);
            case "locked-memory" -> lockedMemory(file);
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static void channels(Path file) throws IOException {
        try (FileChannel channel = AioFiles.openChannel(file, StandardOpenOption.APPEND,
                StandardOpenOption.DELETE_ON_CLOSE)) {
            System.out.println("appended " + channel.write(ByteBuffer.allocate(5)) + " at " + channel.position());
            try {
                System.out.println(channel.lock());
            } catch (UnsupportedOperationException e) {
                System.out.println(e.getMessage());
            }
            System.out.print("there " + Files.exists(file));
        }
        System.out.println(", then " + Files.exists(file));
    }

    private static void recorded(Path file) throws IOException {
        Path recorded = Files.createTempFile(file.toAbsolutePath().getParent(), "engines", ".jfr");
        try (Recording recording = new Recording()) {
            recording.enable("io.blkmq.EngineFallback");
            recording.start();
            AioEngines.openFirst(AioEngineConfig.defaults(), "io_uring", "libaio", "channel").close();
            recording.dump(recorded);
        }
        for (RecordedEvent event : RecordingFile.readAllEvents(recorded)) {
            if (event.getEventType().getName().equals("io.blkmq.EngineFallback")) {
                System.out.println("recorded " + event.getString("engine") + ": " + event.getString("reason"));
            }
        }
        Files.delete(recorded);
    }

    private static void openFirst(Path file, String... names) throws IOException {
        System.out.println("best " + AioEngines.best());
        for (String name : names) {
            System.out.println(name + ": " + AioEngines.find(name).unavailable().orElse("works"));
        }
        try (AioEngine engine = AioEngines.openFirst(AioEngineConfig.defaults(), names)) {
            System.out.println("opened " + engine.name());
            read(engine, file);
        }
    }

    /** Memory that only this thread may touch, for a worker. */
    private static void confined(Path path) throws IOException {
        try (Arena arena = Arena.ofConfined();
                AioEngine engine = AioEngines.open("channel", AioEngineConfig.defaults());
                AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Told told = new Told();
            System.out.println("confined " + Told.run(engine,
                    Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK)), told));
        }
    }

    private static void read(AioEngine engine, Path path) throws IOException {
        try (Arena arena = Arena.ofShared(); AioFile file = engine.open(path, AioFile.Access.READ_ONLY, false)) {
            Told told = new Told();
            System.out.println("read " + Told.run(engine,
                    Kiocb.withSegments(1).prepareRead(file, 0, told, 1).addSegment(arena.allocate(BLOCK)), told));
        }
    }

    /** A filter that answers some system calls with an errno: four instructions, and one for each call. */
    private static void forbid(int errno, int... calls) {
        int count = calls.length + 3;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment program = arena.allocate(8L * count, 8);
            // Load the number of the call.
            instruction(program, 0, 0x20, 0, 0, 0);
            for (int i = 0; i < calls.length; i++) {
                // Equal: to the last instruction.
                instruction(program, i + 1, 0x15, calls.length - i, 0, calls[i]);
            }
            instruction(program, count - 2, 0x06, 0, 0, 0x7fff0000);
            instruction(program, count - 1, 0x06, 0, 0, 0x00050000 | errno);
            MemorySegment descriptor = arena.allocate(16, 8);
            descriptor.set(ValueLayout.JAVA_SHORT, 0, (short) count);
            descriptor.set(ValueLayout.JAVA_LONG, 8, program.address());
            require(Libc.syscall(PRCTL, 38, 1, 0, 0, 0, 0));
            require(Libc.syscall(PRCTL, 22, 2, descriptor.address(), 0, 0, 0));
        }
    }

    private static void instruction(MemorySegment program, int index, int code, int yes, int no, int value) {
        program.set(ValueLayout.JAVA_SHORT, 8L * index, (short) code);
        program.set(ValueLayout.JAVA_BYTE, 8L * index + 2, (byte) yes);
        program.set(ValueLayout.JAVA_BYTE, 8L * index + 3, (byte) no);
        program.set(ValueLayout.JAVA_INT, 8L * index + 4, value);
    }

    private static void limit(int resource, long value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment limits = arena.allocateFrom(ValueLayout.JAVA_LONG, value, value);
            require(Libc.syscall(SETRLIMIT, resource, limits.address(), 0, 0, 0, 0));
        }
    }

    private static void softLimit(int resource, long value) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment limits = arena.allocateFrom(ValueLayout.JAVA_LONG, value, 4096);
            require(Libc.syscall(SETRLIMIT, resource, limits.address(), 0, 0, 0, 0));
        }
    }

    private static void require(long result) {
        if (result < 0) {
            throw new IllegalStateException(Errno.name(result));
        }
    }

    private static void fewDescriptors(Path path) throws IOException {
        List<AioFile> files = new ArrayList<>();
        try (AioEngine engine = AioEngines.open("io_uring", AioEngineConfig.defaults())) {
            AioEngine other = AioEngines.openFirst(AioEngineConfig.defaults(), "libaio");
            other.close();
            limit(RLIMIT_NOFILE, 64);
            while (files.size() < 100) {
                try {
                    files.add(engine.open(path, AioFile.Access.READ_ONLY, false));
                } catch (IOException e) {
                    System.out.println(e.getMessage());
                    break;
                }
            }
            for (String name : List.of("io_uring", "libaio")) {
                try {
                    AioEngines.openFirst(AioEngineConfig.defaults(), name, "channel").close();
                    System.out.println("opened channel");
                } catch (IOException e) {
                    System.out.println("engine " + name + ": " + e.getMessage());
                }
            }
            try {
                AioEngines.open("io_uring", AioEngineConfig.defaults()).close();
            } catch (IOException e) {
                System.out.println("by name: " + e.getClass().getSimpleName());
            }
            files.forEach(AioFile::close);
            System.out.print("and again: ");
            read(engine, path);
            AioEngines.open("io_uring", AioEngineConfig.defaults()).close();
        }
    }

    /** Allows an engine none of the descriptors that it needs, then one, then one more, until it can be opened. */
    private static void oneDescriptorLess() throws IOException {
        // Once without a limit: what is loaded with the first takes descriptors, too.
        for (boolean limited : new boolean[]{false, true}) {
            lackOne("io_uring", CompletionMode.POLLED, RingEntry.SUBMITTERS, limited);
            lackOne("io_uring", CompletionMode.REAPER, RingEntry.SUBMITTERS, limited);
            lackOne("io_uring", CompletionMode.REAPER, RingEntry.REAPER, limited);
            lackOne("libaio", CompletionMode.POLLED, RingEntry.SUBMITTERS, limited);
        }
    }

    private static void lackOne(String name, CompletionMode mode, RingEntry entry, boolean limited) throws IOException {
        String who = name + " " + mode + " " + entry;
        AioEngineConfig config = AioEngineConfig.builder().completionMode(mode).ringEntry(entry).build();
        if (!limited) {
            AioEngines.open(name, config).close();
            return;
        }
        int first = firstFree();
        for (int more = 0; more < 10; more++) {
            softLimit(RLIMIT_NOFILE, first + more);
            try {
                AioEngines.open(name, config).close();
                softLimit(RLIMIT_NOFILE, 4096);
                System.out.println(who + ": opened with the limit, leaving " + (firstFree() - first));
                return;
            } catch (IOException e) {
                softLimit(RLIMIT_NOFILE, 4096);
                System.out
                        .println(who + " refused " + more + " " + e.getClass().getSimpleName() + " " + e.getMessage());
            }
        }
    }

    /** The lowest descriptor that is not in use, in several looks: the virtual machine may have one for a moment. */
    private static int firstFree() {
        int lowest = Integer.MAX_VALUE;
        for (int looks = 0; looks < 1000; looks++) {
            int fd = (int) Libc.syscall(DUP, 0, 0, 0, 0, 0, 0);
            FileCalls.close(fd);
            lowest = Math.min(lowest, fd);
            Eventually.letOthersRun();
        }
        return lowest;
    }

    private static void smallTable(Path path) throws IOException {
        limit(RLIMIT_NOFILE, 300);
        AioEngineConfig config = AioEngineConfig.builder().completionMode(CompletionMode.POLLED).build();
        try (AioEngine engine = AioEngines.open("io_uring", config)) {
            System.out.println(engine);
            read(engine, path);
            System.out.println("fixed " + engine.statistics().fixedFileOperations());
        }
    }

    private static void smallFiles(Path path) throws IOException {
        limit(RLIMIT_FSIZE, 8L * BLOCK);
        for (String name : List.of("io_uring", "libaio", "channel")) {
            try (Arena arena = Arena.ofShared();
                    AioEngine engine = AioEngines.open(name, AioEngineConfig.defaults());
                    AioFile file = engine.open(path, AioFile.Access.READ_WRITE, false)) {
                Told told = new Told();
                Kiocb kiocb = Kiocb.withSegments(1);
                MemorySegment memory = arena.allocate(2 * BLOCK, BLOCK);
                MemorySegment one = memory.asSlice(0, BLOCK);
                print(name, "below",
                        Told.run(engine, kiocb.prepareWrite(file, 7 * BLOCK, told, 1).addSegment(one), told));
                print(name, "over",
                        Told.run(engine, kiocb.prepareWrite(file, 8 * BLOCK, told, 2).addSegment(one), told));
                print(name, "across",
                        Told.run(engine, kiocb.prepareWrite(file, 7 * BLOCK, told, 3).addSegment(memory), told));
            }
        }
    }

    private static void print(String name, String what, long result) {
        System.out.println(name + " " + what + " " + (result < 0 ? Errno.name(result) : String.valueOf(result)));
    }

    private static void lockedMemory(Path path) throws IOException {
        limit(RLIMIT_MEMLOCK, 1 << 20);
        try (Arena arena = Arena.ofShared();
                AioEngine engine = AioEngines.open("io_uring", AioEngineConfig.defaults())) {
            System.out.println("small " + engine.registerMemory(arena.allocate(64 << 10, BLOCK)));
            System.out.println("large " + engine.registerMemory(arena.allocate(16 << 20, BLOCK)));
            read(engine, path);
        }
    }
}
