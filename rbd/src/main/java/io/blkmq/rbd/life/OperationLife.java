package io.blkmq.rbd.life;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The life of an operation that librbd has: who may tell its caller, and when its place is free.
 *
 * <pre>
 *          begin               begun                  end
 *   FREE ---------> STARTING ---------> WITH_CEPH ------------> FREE    (also from STARTING: librbd may be quicker than who begins)
 *                                           |
 *                                           | giveUp          recovered
 *                                           +--------> GIVEN_UP -----> FREE
 * </pre>
 *
 * <p>Of {@link #end} and {@link #giveUp} one succeeds, and that thread tells the caller. An operation that is still starting is not given up: librbd is being
 * handed its memory.
 *
 * <p>The word of the state counts uses, so that who marks one as begun cannot mark the next. All changes of it are volatile: what a use writes to the fields
 * beside it before {@link #begun} or {@link #end} is seen by whoever ends it or gives it up.
 */
public final class OperationLife {
    private static final VarHandle STATE;

    private static final int FREE = 0;
    private static final int STARTING = 1;
    private static final int WITH_CEPH = 2;
    private static final int GIVEN_UP = 3;
    private static final int PHASES = 3;
    private static final int USE = 4;

    static {
        try {
            STATE = MethodHandles.lookup().findVarHandle(OperationLife.class, "state", int.class)
                    .withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** The phase in the lowest two bits, above them the number of the use. */
    private volatile int state;

    /** A free place is taken into use, by the thread that has it alone. Returns what {@link #begun} is to be told. */
    public int begin() {
        int was = state;
        assert (was & PHASES) == FREE : "begun twice: " + was;
        int use = (was + USE) | STARTING;
        state = use;
        return use;
    }

    /** Librbd has all that it was to be given: from now on the operation may be given up. */
    public void begun(int use) {
        // Fails if it has ended meanwhile, and perhaps begun another time.
        boolean _ = STATE.compareAndSet(this, use, (use & ~PHASES) | WITH_CEPH);
    }

    /** Librbd has ended it: true for the one who tells its caller; false if it was given up, and told then. The place is the caller's in either case. */
    public boolean end() {
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

    /** Whether somebody is to be told of the operation. Any thread; it may be another use's a moment later. */
    public boolean isWaitedFor() {
        int phase = state & PHASES;
        return phase == STARTING || phase == WITH_CEPH;
    }

    /**
     * Gives the present use up, if librbd has it still: for the one who tells its caller. The place is not free before librbd has ended it.
     *
     * <p>Who is told is read before the step, since another thread may find the operation's end at any moment after it, and let the place be used again. A step that
     * succeeds has found the use that this was read of.
     *
     * @param whose reads who is told, from the fields beside; null if that is none of the caller's
     * @return who is told, by the caller; null if the operation is not given up
     */
    public <T> @Nullable T giveUp(Supplier<@Nullable T> whose) {
        int use = state;
        T told = whose.get();
        return told != null && (use & PHASES) == WITH_CEPH && STATE.compareAndSet(this, use, (use & ~PHASES) | GIVEN_UP)
                ? told
                : null;
    }

    /** What was given up has come home: after {@link #end} has said so. */
    public void recovered() {
        assert (state & PHASES) == GIVEN_UP : "was not given up: " + state;
        state = state & ~PHASES;
    }
}
