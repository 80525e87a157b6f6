package io.blkmq.nbd.socket;

import io.blkmq.runtime.IoRuntime;
import io.blkmq.runtime.log.FailureLog;
import java.lang.System.Logger.Level;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * One thread that serves many sockets, one turn after the other: what is ready, then tasks of other threads, then the {@link Turn} that
 * its owner has given it. It sleeps when there is nothing to do.
 *
 * <p>Who leaves it something calls {@link #wake} afterwards ({@link Slumber}).
 */
public final class Loop {
    private static final System.Logger LOG = System.getLogger(Loop.class.getName());
    private static final long TICK_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    /** What is ready is told to. */
    public interface Handler {
        /**
         * The socket is ready for something that it waits for. What it throws is logged.
         *
         * @param ready as {@link SelectionKey#readyOps}
         */
        void ready(int ready);
    }

    /** What the owner of a loop does in each turn. */
    public interface Turn {
        /** Does what is to be done after the sockets were looked at. */
        void turn();

        /**
         * Whether the loop goes on at once.
         *
         * @return true if there is something to do, or to be polled for
         */
        boolean isBusy();

        /**
         * Called now and then, by the clock of the owner's runtime.
         *
         * @param looked the time from before the sockets were looked at: what had come until then was
         *         told to the handlers, however long that took
         */
        void tick(long looked);
    }

    private final Selector selector;
    private final Turn turn;
    private final IoRuntime runtime;
    private final Thread thread;
    private final Tasks tasks = new Tasks();
    private final Slumber slumber;
    private final BooleanSupplier busy;
    private final Consumer<Runnable> doing = this::runTask;
    /** Of the loop's thread. */
    private boolean stopping;
    private long nextTick;

    /**
     * Makes one that does not run yet.
     *
     * @param name of its thread
     * @param turn its owner's part
     * @param runtime whose clock the ticks go by
     * @throws IOException if there is no selector to be had
     */
    public Loop(String name, Turn turn, IoRuntime runtime) throws IOException {
        this.selector = Selector.open();
        this.turn = turn;
        this.runtime = runtime;
        this.slumber = new Slumber(selector::wakeup);
        this.busy = () -> turn.isBusy() || !tasks.isEmpty();
        this.thread = Thread.ofPlatform().name(name).daemon().unstarted(this::run);
    }

    /** Starts its thread. */
    public void start() {
        thread.start();
    }

    /**
     * Whether the caller is its thread.
     *
     * @return true within a turn
     */
    public boolean isCurrent() {
        return Thread.currentThread().equals(thread);
    }

    /**
     * Has something done by its thread.
     *
     * @param task short; what it throws is logged
     * @return false if nobody will do it, since the loop was {@linkplain #stop stopped}
     */
    public boolean execute(Runnable task) {
        boolean accepted = tasks.add(task);
        wake();
        return accepted;
    }

    /** Makes it look again, if it sleeps. */
    public void wake() {
        slumber.wake();
    }

    /**
     * Watches a socket. Only its own thread calls it.
     *
     * @param channel does not block
     * @param ops what for
     * @param handler is told
     * @return the key
     * @throws IOException if the channel is closed
     */
    public SelectionKey register(SelectableChannel channel, int ops, Handler handler) throws IOException {
        return channel.register(selector, ops, handler);
    }

    /** Ends it, once it has done what was given to it before, and waits for that. One that was not started ends at once. */
    public void stop() {
        boolean _ = execute(() -> stopping = true);
        if (thread.getState() == Thread.State.NEW) {
            end();
            return;
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        nextTick = runtime.nanoTime() + TICK_NANOS;
        while (!stopping) {
            try {
                turnOnce();
            } catch (IOException | RuntimeException | Error e) {
                FailureLog.log(LOG, Level.ERROR, () -> "a turn of " + thread.getName() + " failed", e);
            }
        }
        end();
    }

    private void end() {
        tasks.end(doing);
        try {
            selector.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void runTask(Runnable task) {
        try {
            task.run();
        } catch (RuntimeException | Error e) {
            FailureLog.log(LOG, Level.ERROR, () -> "a task of " + thread.getName() + " failed", e);
        }
    }

    private void turnOnce() throws IOException {
        long looked = runtime.nanoTime();
        boolean ticks = looked - nextTick >= 0;
        if (!ticks && slumber.begin(busy)) {
            selector.select(this::tell, TimeUnit.NANOSECONDS.toMillis(TICK_NANOS));
            slumber.end();
        } else {
            selector.selectNow(this::tell);
        }
        tasks.runAll(doing);
        turn.turn();
        if (ticks) {
            nextTick = looked + TICK_NANOS;
            turn.tick(looked);
        }
    }

    private void tell(SelectionKey key) {
        if (!key.isValid()) {
            return;
        }
        try {
            ((Handler) key.attachment()).ready(key.readyOps());
        } catch (RuntimeException | Error e) {
            FailureLog.log(LOG, Level.ERROR, () -> "a socket of " + thread.getName() + " failed", e);
        }
    }
}
