package io.blkmq.aio;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Asks for the attributes of a file: one step of a ring. */
final class AttributesCall extends FileCall<AioFileAttributes> {

    private @Nullable MemorySegment statx;

    AttributesCall(OpenedEngine engine, Path path) {
        super(engine, path, "statx");
    }

    @Override
    boolean firstStep(RingCalls ring) {
        MemorySegment name = ring.carriesOut(Uring.OP_STATX) ? PathName.atOnce(path, arena) : null;
        if (name == null) {
            return false;
        }
        MemorySegment memory = arena.allocate(FileFacts.STATX);
        statx = memory;
        stepStatx(AT_FDCWD, name, 0, memory);
        return true;
    }

    @Override
    boolean nextStep(long result) throws IOException {
        if (isOpcodeRefused(result)) {
            return elsewhere(this::carryOut);
        }
        if (result < 0) {
            throw AioException.of(result, path, what);
        }
        succeed(AioFileAttributes.of(Objects.requireNonNull(statx)));
        return false;
    }

    @Override
    AioFileAttributes carryOut() throws IOException {
        return engine.attributes(path);
    }
}
