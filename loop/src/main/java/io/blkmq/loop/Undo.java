package io.blkmq.loop;

import io.blkmq.runtime.Registration;
import io.blkmq.runtime.log.FailureLog;
import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/**
 * Undoes what making and using a device has done, in reverse: the work queue, the tags, the observer of memory, the bean at JMX. Each step
 * is undone once, by {@link #run} with all others, or before that by the one who holds what {@link #add} returned; then it is forgotten, so
 * that a device that is used for years keeps no more steps than it needs.
 *
 * <p>A step that fails is logged, and the next is undone nonetheless.
 *
 * <p>Any thread may call it. The list has its own monitor, which is held while a step is added or taken and never while it is undone: a step
 * may call whatever it likes, also this.
 */
final class Undo {
    private static final System.Logger LOG = System.getLogger(Undo.class.getName());

    /** For the log. */
    private final String device;
    /** The last first. Guarded by its monitor. */
    private final Deque<Step> steps = new ArrayDeque<>();

    Undo(String device) {
        this.device = device;
    }

    /** Something to be undone, once. */
    private final class Step {
        private final AutoCloseable undoing;

        Step(AutoCloseable undoing) {
            this.undoing = undoing;
        }

        void undo() throws Exception {
            boolean mine;
            synchronized (steps) {
                mine = steps.remove(this);
            }
            if (mine) {
                undoing.close();
            }
        }
    }

    /** Returns what undoes it before all is; again does nothing. */
    AutoCloseable add(AutoCloseable undoing) {
        Step step = new Step(undoing);
        synchronized (steps) {
            steps.push(step);
        }
        return step::undo;
    }

    /** The same for what ends without a checked exception. */
    Registration addRegistration(Registration undoing) {
        AutoCloseable step = add(undoing);
        return () -> {
            try {
                step.close();
            } catch (RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new AssertionError("the end of a registration threw a checked exception", e);
            }
        };
    }

    /** How many steps there are. */
    int count() {
        synchronized (steps) {
            return steps.size();
        }
    }

    private @Nullable Step last() {
        synchronized (steps) {
            return steps.peek();
        }
    }

    void run() {
        for (Step step = last(); step != null; step = last()) {
            try {
                step.undo();
            } catch (Throwable t) {
                FailureLog.log(LOG, System.Logger.Level.WARNING, () -> device + " could not be undone whole", t);
            }
        }
    }

    /**
     * Does a part of what comes to an end. Every part is to be done whatever becomes of the others, so a failure is logged and goes no
     * further.
     *
     * @param device for the log
     * @param when for the log
     */
    static void part(String device, String when, AutoCloseable part) {
        try {
            part.close();
        } catch (Throwable t) {
            FailureLog.log(LOG, System.Logger.Level.ERROR, () -> device + " failed when " + when, t);
        }
    }
}
