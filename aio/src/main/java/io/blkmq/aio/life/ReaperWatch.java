package io.blkmq.aio.life;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.function.BooleanSupplier;

/**
 * Whether the reaper of a ring watches it. A reaper whose completions others tell, each in its own doorbell, is woken by the kernel for
 * nothing: then it retires, until somebody leaves an operation in the kernel and calls it.
 *
 * <pre>
 *   WATCHING -- retire (reaper) --&gt; RETIRED -- call (who leaves an operation behind) --&gt; WATCHING
 * </pre>
 *
 * <p>A submitter announces itself before its doorbell and is counted ({@link EngineEnd#visit}). What it leaves in the kernel is perhaps told
 * by another that is in a doorbell of its own, a moment later. So not each calls the reaper that leaves something behind: each notes it,
 * and the last to go ({@link EngineEnd#leave}) looks whether anything is still in flight.
 *
 * <p>No operation is left without a watch:
 *
 * <pre>
 *   submitter                                       reaper
 *     counts its operation, places it                 says that it is retired, and that something was left behind (retire)
 *     looks whether the reaper is retired,            looks for submitters: the last of them will look at what was left behind
 *       and notes what it leaves behind (leaves)      without any, looks whether anything is in flight, and goes on if so
 *     is counted as gone
 *     without others, looks whether anything was
 *       left behind and is in flight, and calls (call)
 * </pre>
 *
 * <p>All steps are volatile, and the looks at what is in flight, which is counted in weaker ones, stand behind fences. Of submitters that leave something behind the last to go sees the note of each, because all are counted in one
 * word. If the reaper sees a submitter, that one sees the reaper's note when it goes. If it sees none, it sees the operations of those that have
 * gone before; and who comes later sees that it is retired.
 */
public final class ReaperWatch {

    private static final VarHandle RETIRED;

    static {
        try {
            RETIRED = MethodHandles.lookup().findVarHandle(ReaperWatch.class, "retired", boolean.class)
                    .withInvokeExactBehavior();
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Volatile, both: see above. */
    private volatile boolean retired;
    private volatile boolean behind;

    /**
     * The reaper retires, if nothing needs it: true if it is to wait until {@link #isRetired} says otherwise. The reaper.
     *
     * @param visited whether any submitter is in a doorbell
     * @param needed whether anything is in flight, or there is anything else for it to do
     */
    public boolean retire(BooleanSupplier visited, BooleanSupplier needed) {
        retired = true;
        behind = true;
        // Pairs with the fence in leaves.
        VarHandle.fullFence();
        if (!visited.getAsBoolean() && needed.getAsBoolean()) {
            retired = false;
        }
        return retired;
    }

    /** Whether it has retired, and nobody has called it since. Any thread. */
    public boolean isRetired() {
        return retired;
    }

    /** The calling thread, which is in a doorbell, leaves an operation in flight that it has counted. */
    public void leaves() {
        // Pairs with the fence in retire: if this misses that the reaper is retired, the reaper sees this submitter.
        VarHandle.fullFence();
        if (retired && !behind) {
            behind = true;
        }
    }

    /**
     * The calling thread was the last in a doorbell, and has gone: true if it has to unpark the reaper.
     *
     * @param needed whether anything is in flight
     */
    public boolean lastHasGone(BooleanSupplier needed) {
        if (!behind) {
            return false;
        }
        // Before the look: who notes something before this has counted it, and after this finds its own note. Pairs with the fence in
        // leaves, since what is in flight is counted in weaker steps.
        behind = false;
        VarHandle.fullFence();
        return needed.getAsBoolean() && call();
    }

    /** Calls the reaper back: true for the one thread that has to unpark it. Any thread, having counted what is in flight. */
    public boolean call() {
        // Pairs with the fence in retire.
        VarHandle.fullFence();
        return retired && RETIRED.compareAndSet(this, true, false);
    }
}
