package io.blkmq.rbd;

import io.blkmq.aio.Kiocb;
import io.blkmq.rbd.ceph.Kernel;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An operation that librbd has, and the memory that belongs to it. Made with the image, used again and again.
 *
 * <pre>
 *          begin               begun                  end
 *   FREE ---------> STARTING ---------> WITH_CEPH ------------> FREE    (also from STARTING: librbd may be quicker than who begins)
 *                                           |
 *                                           | giveUp            end
 *                                           +--------> GIVEN_UP -----> FREE
 * </pre>
 *
 * <p>An operation that is given up has been told with ETIMEDOUT while Ceph still has it. It can be, because nothing of its caller's is used any more: what is
 * written was copied when it began, and what is read comes into memory of its own first. So its place, and that memory, come back when Ceph does.
 *
 * <p>The word of the state counts uses, so that who marks one as begun cannot mark the next. All changes of it are volatile: fields of a use are written before
 * {@link #begin}'s step to WITH_CEPH or by the thread that ended it, and read by who has ended or given it up.
 */
final class RbdOperation {
    private static final VarHandle STATE;

    private static final int FREE = 0;
    private static final int STARTING = 1;
    private static final int WITH_CEPH = 2;
    private static final int GIVEN_UP = 3;
    private static final int PHASES = 3;
    private static final int USE = 4;

    /** Memory for reads up to this is kept for the next. */
    private static final long KEPT_BYTES = 128 << 10;
    private static final long LEAST_BYTES = 4 << 10;

    static {
        try {
            STATE = MethodHandles.lookup().findVarHandle(RbdOperation.class, "state", int.class)
                    .withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    final RbdImage image;
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

    /** Where a read goes first; null before the first. */
    private @Nullable MemorySegment bounce;
    @SuppressWarnings("unused")
    private volatile int state;

    RbdOperation(RbdImage image, int number, MemorySegment completionOut) {
        this.image = image;
        this.number = number;
        this.completionOut = completionOut;
    }

    /** A free one is taken into use. Returns what {@link #begun} is to be told. */
    int begin(Kiocb what, RbdDriver whose) {
        kiocb = what;
        driver = whose;
        flushing = false;
        int use = ((state & ~PHASES) + USE) | STARTING;
        assert (state & PHASES) == FREE : "used twice";
        state = use;
        return use;
    }

    /** Librbd has all that it was to be given: from now on it may be given up. */
    void begun(int use) {
        // Fails if it has ended meanwhile, and perhaps begun another time.
        STATE.compareAndSet(this, use, (use & ~PHASES) | WITH_CEPH);
    }

    /** The flush after a write is about to begin, as the operation did. The thread that has ended the write. */
    int beginAgain() {
        int use = (state & ~PHASES) | STARTING;
        state = use;
        return use;
    }

    /** Librbd has ended it; false if it was given up, and nobody is to be told. */
    boolean end() {
        while (true) {
            int now = state;
            if ((now & PHASES) == GIVEN_UP) {
                return false;
            }
            if (STATE.compareAndSet(this, now, now & ~PHASES)) {
                return true;
            }
        }
    }

    /** Gives it up, if Ceph has it. By who tells for its driver. */
    boolean giveUp(RbdDriver whose) {
        int now = state;
        return (now & PHASES) == WITH_CEPH && driver == whose
                && STATE.compareAndSet(this, now, (now & ~PHASES) | GIVEN_UP);
    }

    /** What was given up has come home. */
    void recovered() {
        state = state & ~PHASES;
    }

    /** Memory of at least so many bytes to read into. */
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
