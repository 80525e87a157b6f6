package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Opens a file by a ring. The steps are those of {@link NativeFile#open(Opening)}: a look at the name, because opening a FIFO would wait
 * for its other end; the open; a look at the descriptor. What is left may ask a server, as {@code fstatfs} does, read a sector, or cut the
 * file: then a thread does it. Of a file system on a disk it does not, as long as the kernel says what direct I/O needs.
 */
final class OpenCall extends FileCall<AioFile> {

    private enum Step {
        LOOK, OPEN, LOOK_AGAIN
    }

    private final Opening opening;
    private Step step = Step.LOOK;
    /** Null until the ring has the call. */
    private @Nullable MemorySegment name;
    private @Nullable MemorySegment statx;
    /** Whether the file was there when it was looked at, and deleted since. */
    private boolean comesAndGoes;
    /** Opened, and nobody else's; or -1. */
    private int fd = -1;

    OpenCall(OpenedEngine engine, Opening opening) {
        super(engine, opening.path(), "open");
        this.opening = opening;
    }

    @Override
    boolean firstStep(RingCalls ring) {
        if (!ring.carriesOut(Uring.OP_STATX) || !ring.carriesOut(Uring.OP_OPENAT)) {
            return false;
        }
        MemorySegment known = PathName.atOnce(path, arena);
        if (known == null) {
            return false;
        }
        name = known;
        statx = arena.allocate(FileFacts.STATX);
        look();
        return true;
    }

    private void look() {
        step = Step.LOOK;
        stepStatx(AT_FDCWD, Objects.requireNonNull(name), 0, Objects.requireNonNull(statx));
    }

    @Override
    boolean nextStep(long result) throws IOException {
        return switch (step) {
            case LOOK -> lookedAt(result);
            case OPEN -> opened(result);
            case LOOK_AGAIN -> lookedAtAgain(result);
        };
    }

    private boolean lookedAt(long result) throws IOException {
        if (isOpcodeRefused(result)) {
            return elsewhere(this::carryOut);
        }
        FileFacts facts = FileFacts.of((int) result, Objects.requireNonNull(statx));
        if (NativeFile.isInTheWay(opening, facts)) {
            throw NativeFile.refused(opening, -Errno.EEXIST);
        }
        int flags = NativeFile.flagsToOpen(opening, facts, comesAndGoes);
        step = Step.OPEN;
        stepOpen(Objects.requireNonNull(name), flags);
        return true;
    }

    private boolean opened(long result) throws IOException {
        if (result == -Errno.ENOENT && opening.creates() && !comesAndGoes) {
            comesAndGoes = true;
            look();
            return true;
        }
        if (result < 0) {
            throw NativeFile.refused(opening, (int) result);
        }
        fd = (int) result;
        step = Step.LOOK_AGAIN;
        stepStatx(fd, arena.allocateFrom(""), FileFacts.AT_EMPTY_PATH, Objects.requireNonNull(statx));
        return true;
    }

    private boolean lookedAtAgain(long result) throws IOException {
        FileFacts facts = FileFacts.of((int) result, Objects.requireNonNull(statx));
        if (mayBlock(facts)) {
            return elsewhere(() -> fileOf(facts));
        }
        succeed(fileOf(facts));
        return false;
    }

    private boolean mayBlock(FileFacts facts) {
        return !facts.isOnDisk() || (opening.direct() && !facts.directKnown())
                || opening.has(AioFile.Option.TRUNCATE_EXISTING);
    }

    /** The file of the descriptor, which has it from now on. */
    private AioFile fileOf(FileFacts facts) throws IOException {
        int its = fd;
        fd = -1;
        return NativeFile.truncated(opening, NativeFile.opened(opening, its, facts, false));
    }

    @Override
    AioFile carryOut() throws IOException {
        return engine.open(path, opening.access(), opening.direct(), opening.options().toArray(AioFile.Option[]::new));
    }

    @Override
    void discard(AioFile unwanted) {
        if (!CallThreads.execute(unwanted::close)) {
            unwanted.close();
        }
    }

    @Override
    void cleanUp() {
        if (fd >= 0) {
            closeElsewhere(fd);
            fd = -1;
        }
    }
}
