package io.blkmq.aio;

import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/** One way to run the contract: an engine and how it is configured, and where and how its files are opened. */
record Setup(String engine, Variant variant, CompletionMode mode, Path directory,
        boolean direct) implements EngineSetup {

    /** What an engine can be beside its default. */
    enum Variant {
        PLAIN,
        /** io_uring whose ring the reaper alone enters. */
        RING_OF_THE_REAPER,
        /** io_uring whose entries a thread of the kernel takes. */
        SUBMISSION_POLLING,
        /** channel with virtual threads. */
        VIRTUAL_WORKERS,
        /** memory whose operations take some time. */
        SLOW
    }

    /** Those whose files were opened for direct I/O. */
    private static final Set<Setup> TRIED = ConcurrentHashMap.newKeySet();
    private static final Path DISK = Path.of("target", "io");
    private static final Path SHARED_MEMORY = Path.of("/dev/shm");

    static List<Setup> all() throws IOException {
        Files.createDirectories(DISK);
        boolean inMemoryToo = Files.isWritable(SHARED_MEMORY);
        List<Setup> all = new ArrayList<>();
        for (AioEngineProvider provider : AioEngines.providers()) {
            boolean hasFiles = !provider.name().equals("memory") && !provider.name().equals("null");
            for (CompletionMode mode : CompletionMode.values()) {
                all.add(new Setup(provider.name(), Variant.PLAIN, mode, DISK, false));
                // What has no file cannot tell how it was opened, but that it was.
                if (hasFiles || mode == CompletionMode.REAPER) {
                    all.add(new Setup(provider.name(), Variant.PLAIN, mode, DISK, true));
                }
            }
            // There operations end at once. All of them there: stress/filesystems, with a checkout on tmpfs.
            if (hasFiles && inMemoryToo) {
                all.add(new Setup(provider.name(), Variant.PLAIN, CompletionMode.POLLED, SHARED_MEMORY, true));
                all.add(new Setup(provider.name(), Variant.PLAIN, CompletionMode.REAPER, SHARED_MEMORY, false));
            }
        }
        if (inMemoryToo) {
            all.add(new Setup("io_uring", Variant.RING_OF_THE_REAPER, CompletionMode.REAPER, SHARED_MEMORY, true));
        }
        all.add(new Setup("io_uring", Variant.RING_OF_THE_REAPER, CompletionMode.REAPER, DISK, true));
        all.add(new Setup("io_uring", Variant.RING_OF_THE_REAPER, CompletionMode.REAPER, DISK, false));
        for (CompletionMode mode : CompletionMode.values()) {
            all.add(new Setup("io_uring", Variant.SUBMISSION_POLLING, mode, DISK, true));
            all.add(new Setup("memory", Variant.SLOW, mode, DISK, true));
        }
        all.add(new Setup("channel", Variant.VIRTUAL_WORKERS, CompletionMode.REAPER, DISK, false));
        return all;
    }

    /** Skips the test, saying why, where the engine or direct I/O does not work here. */
    @Override
    public void assumeAvailable() throws IOException {
        Optional<String> reason = AioEngines.find(engine).unavailable();
        skipIf(reason.isPresent(), "engine " + engine + " is not available: " + reason.orElse(""));
        if (direct && !isMemory() && !TRIED.contains(this)) {
            Path probe = Files.createTempFile(directory, "blkmq-aio-probe", ".img");
            try (AioFile file = isNative()
                    ? NativeFile.open(probe, AioFile.Access.READ_ONLY, true)
                    : ChannelFile.open(probe, AioFile.Access.READ_ONLY, true)) {
                assumeFalse(file.isClosed());
                boolean _ = TRIED.add(this);
            } catch (AioFile.DirectUnsupportedException e) {
                skipIf(true, "no direct I/O in " + directory + ": " + e.getMessage());
            } finally {
                Files.delete(probe);
            }
        }
    }

    /** Operations stay in flight until commit; some engines end them inside submit, some may take them before. */
    @Override
    public boolean holdsUntilCommit() {
        return !(!isPolled() && (engine.equals("null") || isMemory())) && variant != Variant.SUBMISSION_POLLING
                && variant != Variant.RING_OF_THE_REAPER;
    }

    /** A commit enters the kernel. */
    @Override
    public boolean hasDoorbell() {
        return isNative() && variant != Variant.SUBMISSION_POLLING;
    }

    /** Allocates, zeroes and punches holes, where the file system does. */
    @Override
    public boolean carriesOutRanges() {
        return !engine.equals("libaio");
    }

    @Override
    public boolean isOfFileSystem() {
        return true;
    }

    @Override
    public Path place() {
        return directory;
    }

    @Override
    public Path make(byte[] content) throws IOException {
        return Files.write(Files.createTempFile(directory, "blkmq-aio", ".img"), content);
    }

    @Override
    public void remove(Path path) throws IOException {
        Files.deleteIfExists(path);
    }

    static void skipIf(boolean condition, String reason) {
        EngineSetup.skipIf(condition, reason);
    }

    @Override
    public boolean isNative() {
        return engine.equals("io_uring") || engine.equals("libaio");
    }

    /** Files are in a file system of a device. */
    boolean onDisk() {
        return directory.equals(DISK);
    }

    boolean isUring() {
        return engine.equals("io_uring");
    }

    @Override
    public AioEngine open(AioEngineConfig.Builder builder) throws IOException {
        builder.completionMode(mode);
        switch (variant) {
            case PLAIN -> {
            }
            case RING_OF_THE_REAPER -> builder.ringEntry(RingEntry.REAPER);
            case SUBMISSION_POLLING -> builder.submissionPolling(true);
            case VIRTUAL_WORKERS -> builder.threadFactory(Thread.ofVirtual().factory());
            case SLOW -> builder.memoryLatency((operation, bytes) -> 50_000 + bytes);
        }
        AioEngine opened = AioEngines.open(engine, builder.build());
        if (mode == CompletionMode.AGENT) {
            AgentThread.run(opened);
        }
        return opened;
    }

    @Override
    public String toString() {
        return engine + (variant == Variant.PLAIN ? "" : " " + variant) + " " + mode + " "
                + (direct ? "direct" : "buffered") + " in " + directory;
    }
}
