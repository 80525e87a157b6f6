package io.blkmq.aio;

import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** One way to run the contract: an engine, a completion mode, and where and how its files are opened. */
record Setup(String engine, CompletionMode mode, Path directory, boolean direct) {

    private static final Path DISK = Path.of("target", "io");
    private static final Path SHARED_MEMORY = Path.of("/dev/shm");

    static List<Setup> all() throws IOException {
        Files.createDirectories(DISK);
        List<Path> directories = new ArrayList<>(List.of(DISK));
        if (Files.isWritable(SHARED_MEMORY)) {
            directories.add(SHARED_MEMORY);
        }
        List<Setup> all = new ArrayList<>();
        for (AioEngineProvider provider : AioEngines.providers()) {
            for (CompletionMode mode : CompletionMode.values()) {
                for (Path directory : directories) {
                    // The kernel takes 30 ms to destroy a context of native AIO, and buffered I/O of it is the same
                    // anywhere.
                    if (!provider.name().equals("libaio") || directory.equals(DISK)) {
                        all.add(new Setup(provider.name(), mode, directory, false));
                    }
                    all.add(new Setup(provider.name(), mode, directory, true));
                }
            }
        }
        return all;
    }

    /** Skips the test, saying why, where the engine or direct I/O does not work here. */
    void assumeAvailable() throws IOException {
        Optional<String> reason = AioEngines.find(engine).unavailable();
        skipIf(reason.isPresent(), "engine " + engine + " is not available: " + reason.orElse(""));
        if (direct) {
            Path probe = Files.createTempFile(directory, "blkmq-aio-probe", ".img");
            try (AioFile file = isNative()
                    ? NativeFile.open(probe, AioFile.Access.READ_ONLY, true)
                    : ChannelFile.open(probe, AioFile.Access.READ_ONLY, true)) {
                assumeFalse(file.isClosed());
            } catch (AioFile.DirectUnsupportedException e) {
                skipIf(true, "no direct I/O in " + directory + ": " + e.getMessage());
            } finally {
                Files.delete(probe);
            }
        }
    }

    void assumeMovesData() {
        notApplicableIf(engine.equals("null"), "the null engine moves no data");
    }

    void assumePolled() {
        notApplicableIf(mode != CompletionMode.POLLED, "about polled engines");
    }

    void assumeReaper() {
        notApplicableIf(mode != CompletionMode.REAPER, "about engines with a reaper");
    }

    /** Operations stay in flight until commit; the null engine with a reaper ends them inside submit. */
    void assumeHoldsUntilCommit() {
        notApplicableIf(engine.equals("null") && mode == CompletionMode.REAPER, "it ends operations inside submit");
    }

    /** Skips the test where what it is about does not exist. */
    static void notApplicableIf(boolean condition, String reason) {
        assumeFalse(condition, reason);
    }

    /** Skips the test where the machine lacks what it needs, and says so. */
    static void skipIf(boolean condition, String reason) {
        if (condition) {
            System.out.println("skipped: " + reason);
        }
        assumeFalse(condition, reason);
    }

    boolean isNative() {
        return engine.equals("io_uring") || engine.equals("libaio");
    }

    AioEngine open(AioEngineConfig.Builder builder) throws IOException {
        return AioEngines.open(engine, builder.completionMode(mode).build());
    }

    @Override
    public String toString() {
        return engine + " " + mode + " " + (direct ? "direct" : "buffered") + " in " + directory;
    }
}
