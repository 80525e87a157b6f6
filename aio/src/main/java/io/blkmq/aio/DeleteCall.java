package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Takes a file's name away, and syncs the directory, as {@link Names#delete}: four steps of a ring. */
final class DeleteCall extends FileCall<@Nullable Void> {

    private static final long AT_REMOVEDIR = 0x200;

    private enum Step {
        UNLINK, REMOVE_DIRECTORY, OPEN, SYNC, CLOSE
    }

    private final Path directory;
    private Step step = Step.UNLINK;
    /** Null until the ring has the call. */
    private @Nullable MemorySegment name;
    private @Nullable MemorySegment directoryName;
    /** Of the directory, to be closed; or -1. */
    private int fd = -1;
    /** Why the directory could not be synced; or 0. */
    private long refusedSync;

    DeleteCall(OpenedEngine engine, Path path) {
        super(engine, path, "delete");
        directory = Names.directoryOf(path);
    }

    @Override
    boolean firstStep(RingCalls ring) {
        if (!ring.carriesOut(Uring.OP_UNLINKAT) || !ring.carriesOut(Uring.OP_OPENAT)) {
            return false;
        }
        MemorySegment known = PathName.atOnce(path, arena);
        MemorySegment knownDirectory = PathName.atOnce(directory, arena);
        if (known == null || knownDirectory == null) {
            return false;
        }
        name = known;
        directoryName = knownDirectory;
        unlink(Step.UNLINK, 0);
        return true;
    }

    private void unlink(Step as, long flags) {
        step = as;
        step(Uring.OP_UNLINKAT, AT_FDCWD, 0, Objects.requireNonNull(name).address(), flags << 32);
    }

    @Override
    boolean nextStep(long result) throws IOException {
        switch (step) {
            case UNLINK, REMOVE_DIRECTORY -> {
                if (step == Step.UNLINK && isOpcodeRefused(result)) {
                    return elsewhere(this::carryOut);
                }
                if (step == Step.UNLINK && result == -Errno.EISDIR) {
                    unlink(Step.REMOVE_DIRECTORY, AT_REMOVEDIR);
                    return true;
                }
                if (result < 0) {
                    throw AioException.of(result, path, what);
                }
                step = Step.OPEN;
                stepOpen(Objects.requireNonNull(directoryName), FileCalls.O_CLOEXEC | FileCalls.O_RDONLY);
            }
            case OPEN -> {
                if (result < 0) {
                    throw failedSync(result);
                }
                fd = (int) result;
                step = Step.SYNC;
                step(Uring.OP_FSYNC, fd, 0, 0, 0);
            }
            case SYNC -> {
                refusedSync = Math.min(result, 0);
                step = Step.CLOSE;
                stepClose(fd);
            }
            case CLOSE -> {
                if (result != -Errno.ECANCELED) {
                    fd = -1;
                }
                if (refusedSync < 0) {
                    throw failedSync(refusedSync);
                }
                succeed(null);
                return false;
            }
        }
        return true;
    }

    private IOException failedSync(long errno) {
        return AioException.of(errno, directory, Names.SYNC_OF_DIRECTORY);
    }

    @Override
    @Nullable
    Void carryOut() throws IOException {
        engine.delete(path);
        return null;
    }

    @Override
    void cleanUp() {
        if (fd >= 0) {
            closeElsewhere(fd);
            fd = -1;
        }
    }
}
