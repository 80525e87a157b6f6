package io.blkmq.rbd;

import io.blkmq.aio.Kiocb;
import io.blkmq.rbd.ceph.Kernel;
import io.blkmq.rbd.life.OperationLife;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An operation that librbd has, and the memory that belongs to it. Made with the image, used again and again.
 *
 * <p>It may be given up, which tells its caller ETIMEDOUT while Ceph still has it ({@link OperationLife}). It can be, because nothing of its caller's is used any
 * more: what is written was copied to memory of its own when it began, and what is read comes into that first. So its place, and that memory, come back when Ceph does.
 *
 * <p>All fields belong to the use: to the thread that begins it, then to the one that ends it or gives it up, which see each other's writes by the steps of
 * {@link #life}.
 */
final class RbdOperation {
    /** Memory up to this is kept for the next use. */
    private static final long KEPT_BYTES = 128 << 10;
    private static final long LEAST_BYTES = 4 << 10;

    final RbdImage image;
    final OperationLife life = new OperationLife();
    /** What librbd is told, and tells: the place among the image's operations, from 1. */
    final int number;
    /** Where librbd puts the address of a completion. */
    final MemorySegment completionOut;

    /** The caller's, from the beginning until it is told. */
    @Nullable
    Kiocb kiocb;
    /** Whose engine tells it. */
    @Nullable
    RbdDriver driver;
    /** Whether the write is done, and the flush after it under way. */
    boolean flushing;
    /** How it ended, while it is on its way to the driver. */
    long result;
    /** The next free place of the image. Guarded by the image's lock. */
    @Nullable
    RbdOperation nextFree;

    /** Where a read goes first, and a write comes from; null before the first. */
    private @Nullable MemorySegment bounce;

    RbdOperation(RbdImage image, int number, MemorySegment completionOut) {
        this.image = image;
        this.number = number;
        this.completionOut = completionOut;
    }

    /** A free one is taken into use. Returns what {@link OperationLife#begun} is to be told. */
    int begin(Kiocb what, RbdDriver whose) {
        kiocb = what;
        driver = whose;
        flushing = false;
        return life.begin();
    }

    /** Gives it up, if it is one of an engine's and Ceph has it still: what its caller is to be told of; else null. */
    @Nullable
    Kiocb giveUp(RbdDriver whose) {
        return life.giveUp(() -> whose.equals(driver) ? kiocb : null);
    }

    /** Memory of at least so many bytes, to read into or to write from. */
    MemorySegment bounce(long bytes) {
        MemorySegment there = bounce;
        if (there != null && there.byteSize() >= bytes) {
            return there;
        }
        freeBounce();
        MemorySegment made = Kernel.allocate(Math.max(LEAST_BYTES, bytes));
        bounce = made;
        return made;
    }

    /** What was read, after its end. */
    MemorySegment bounced() {
        return Objects.requireNonNull(bounce);
    }

    /** Gives back what is too large to keep. */
    void trim() {
        if (bounce != null && bounce.byteSize() > KEPT_BYTES) {
            freeBounce();
        }
    }

    /** Ceph does not have it, and nobody begins it any more. */
    void freeBounce() {
        MemorySegment there = bounce;
        bounce = null;
        if (there != null) {
            Kernel.free(there);
        }
    }
}
