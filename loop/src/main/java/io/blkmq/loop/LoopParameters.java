package io.blkmq.loop;

import io.blkmq.aio.AioEngine;
import io.blkmq.aio.AioEngineConfig;
import io.blkmq.aio.AioEngines;
import io.blkmq.aio.CompletionMode;
import io.blkmq.core.driver.TagSet;
import io.blkmq.runtime.IoRuntime;
import java.util.Objects;
import java.util.function.Consumer;
import org.agrona.concurrent.Agent;
import org.jspecify.annotations.Nullable;

/**
 * The properties that a device has before it has a file, and keeps with every file: hardware queues, their depth, the engine,
 * threads. Immutable; checked when it is built. The kernel's counterpart is the parameters of the module {@code loop}.
 *
 * @since 0.1.0
 */
public final class LoopParameters {
    /** The depth of a hardware queue, as the kernel's. */
    public static final int DEPTH_DEFAULT = 128;

    private final @Nullable String engine;
    private final @Nullable AioEngine givenEngine;
    private final boolean polled;
    private final int hardwareQueues;
    private final int depth;
    private final int workers;
    private final boolean fua;
    private final @Nullable Consumer<? super Agent> workerRunner;
    private final IoRuntime runtime;

    private LoopParameters(Builder b) {
        this.engine = b.engine;
        this.givenEngine = b.givenEngine;
        this.polled = b.polled || isPolled(b.givenEngine);
        this.hardwareQueues = b.hardwareQueues;
        this.depth = b.depth;
        this.workers = b.workers;
        this.fua = b.fua;
        this.workerRunner = b.workerRunner;
        this.runtime = b.runtime;
    }

    /**
     * Begins with the defaults: the fastest engine that works here, completed by a reaper, one hardware queue of depth 128.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * The engine for direct I/O.
     *
     * @return its name; the fastest that works here if none was set
     */
    public String engine() {
        AioEngine given = givenEngine;
        if (given != null) {
            return given.name();
        }
        String name = engine;
        return name != null ? name : AioEngines.best();
    }

    /**
     * The application's engine.
     *
     * @return null if the engine was not given, or by its name alone
     */
    public @Nullable AioEngine givenEngine() {
        return givenEngine;
    }

    private static boolean isPolled(@Nullable AioEngine engine) {
        return engine != null && engine.completionMode() == CompletionMode.POLLED;
    }

    /**
     * Whether completions are found by the submitting thread.
     *
     * @return true for polled, false for a reaper
     */
    public boolean isPolled() {
        return polled;
    }

    /**
     * How many hardware queues, each with a tag set of its own. Where devices share engines, a device's queues have different ones as far as
     * there are as many.
     *
     * @return at least 1
     */
    public int hardwareQueues() {
        return hardwareQueues;
    }

    /**
     * How many requests a hardware queue has.
     *
     * @return at least 1
     */
    public int depth() {
        return depth;
    }

    /**
     * How many threads do blocking I/O at the most: of the work queue, or of the {@code channel} engine.
     *
     * @return 0 for the default: up to 16, but one {@link #workerRunner agent} where the application runs the workers of the work queue. With 1
     *         the work queue does its commands in the order in which they come
     */
    public int workers() {
        return workers;
    }

    /**
     * Whether a device has writes with FUA where its file, or the disk below, has them.
     *
     * @return false for a device that flushes after each such write, as the kernel's
     */
    public boolean isFua() {
        return fua;
    }

    /**
     * The application's part that runs the workers of the work queue.
     *
     * @return null if threads of the runtime are the workers
     */
    @SuppressWarnings("exports") // who calls it has Agrona in a module of its own
    public @Nullable Consumer<? super Agent> workerRunner() {
        return workerRunner;
    }

    /**
     * Threads and time.
     *
     * @return the runtime
     */
    public IoRuntime runtime() {
        return runtime;
    }

    /** Whether a device made with these is as one made with others. */
    boolean isLike(LoopParameters other) {
        return engine().equals(other.engine()) && Objects.equals(givenEngine, other.givenEngine)
                && polled == other.polled && hardwareQueues == other.hardwareQueues && depth == other.depth
                && workers == other.workers && fua == other.fua && Objects.equals(workerRunner, other.workerRunner)
                && runtime.equals(other.runtime);
    }

    @Override
    public String toString() {
        return "engine " + engine() + ", " + (polled ? "polled" : "reaper") + ", " + hardwareQueues + " x " + depth
                + " tags, " + (workers == 0 ? "default" : workers) + " workers" + (fua ? "" : ", no FUA");
    }

    /** Builds parameters. For one thread. */
    public static final class Builder {
        private @Nullable String engine;
        private @Nullable AioEngine givenEngine;
        private boolean polled;
        private int hardwareQueues = 1;
        private int depth = DEPTH_DEFAULT;
        private int workers;
        private boolean fua = true;
        private @Nullable Consumer<? super Agent> workerRunner;
        private IoRuntime runtime = IoRuntime.system();

        private Builder() {}

        /**
         * Sets the engine for direct I/O.
         *
         * @param value one of {@link AioEngines#providers}
         * @return this
         */
        public Builder engine(String value) {
            this.engine = value;
            this.givenEngine = null;
            return this;
        }

        /**
         * Sets the engine for direct I/O: one that the application has opened, for all hardware queues of the device, and for as many
         * devices as it is given to. The application closes it, after these devices; I/O of a device whose engine has been closed
         * fails with {@link io.blkmq.core.Status#IOERR}, and the device can be closed all the same.
         *
         * <p>Its completion mode is REAPER, or POLLED for a polled device with one hardware queue: all devices on it then belong to its
         * owner. Completions of a batch go up together if it was opened with {@link LoopConfig#REAP_LISTENER}. It is told of the memory
         * that blkmq has.
         *
         * @param value an open engine
         * @return this
         */
        public Builder engine(AioEngine value) {
            this.givenEngine = Objects.requireNonNull(value, "engine");
            this.engine = null;
            return this;
        }

        /** Chooses the engine that alone can open a file of a name; refuses another that was chosen. */
        void engineForName(String alone, String file) {
            AioEngine given = givenEngine;
            String chosen = given != null ? given.name() : engine;
            if (chosen == null) {
                engine = alone;
            } else if (!chosen.equals(alone)) {
                throw new IllegalArgumentException(
                        "engine " + chosen + ": " + file + " is opened by engine " + alone + " alone");
            }
        }

        /**
         * Lets the submitting thread find completions. Each hardware queue then belongs to the platform thread that uses it
         * first.
         *
         * @param value true for polled
         * @return this
         */
        public Builder polled(boolean value) {
            this.polled = value;
            return this;
        }

        /**
         * Sets the number of hardware queues.
         *
         * @param value 1 to {@value TagSet#HARDWARE_QUEUES_MAX}
         * @return this
         */
        public Builder hardwareQueues(int value) {
            this.hardwareQueues = value;
            return this;
        }

        /**
         * Sets the depth of each hardware queue.
         *
         * @param value 1 to {@value TagSet#DEPTH_MAX}
         * @return this
         */
        public Builder depth(int value) {
            this.depth = value;
            return this;
        }

        /**
         * Sets how many threads do blocking I/O at the most.
         *
         * @param value 0 for the default
         * @return this
         */
        public Builder workers(int value) {
            this.workers = value;
            return this;
        }

        /**
         * Lets writes with FUA go down to the file as such, where the engine has {@linkplain AioEngine#writesThrough durable writes},
         * or to the disk below, where that has FUA: {@link io.blkmq.core.QueueLimits#hasFua} says so. Otherwise the block layer writes,
         * and flushes after that, which is what the kernel's driver has it do.
         *
         * @param value false for the kernel's way; true by default
         * @return this
         */
        public Builder fua(boolean value) {
            this.fua = value;
            return this;
        }

        /**
         * Lets the application run the workers of the work queue: each is an {@link Agent} for a duty cycle of the application, which is
         * run by one thread. The device starts no thread for them. {@link Agent#doWork} carries out commands, and blocks as long as
         * the file does. An agent that is closed lets go of its thread, so that another may run it; the device stays as it is.
         *
         * <p>I/O of a buffered device, and discards of any, and flushes unless {@code io_uring} or {@code libaio} does them, wait until an agent is run. Changing, detaching and closing the device
         * does not: what is in flight ends then whether the agents are run or not.
         *
         * @param runner is given each of the workers once, when the device is made; null for threads of the runtime
         * @return this
         */
        @SuppressWarnings("exports") // who calls it has Agrona in a module of its own
        public Builder workerRunner(@Nullable Consumer<? super Agent> runner) {
            this.workerRunner = runner;
            return this;
        }

        /**
         * Sets where threads and time come from.
         *
         * @param value a runtime
         * @return this
         */
        public Builder runtime(IoRuntime value) {
            this.runtime = Objects.requireNonNull(value, "runtime");
            return this;
        }

        /**
         * Checks and builds.
         *
         * @return the parameters
         * @throws IllegalArgumentException with the name, the value and the limit of the wrong property
         */
        public LoopParameters build() {
            LoopConfig.require("hardwareQueues", hardwareQueues, 1, TagSet.HARDWARE_QUEUES_MAX);
            LoopConfig.require("depth", depth, 1, TagSet.DEPTH_MAX);
            LoopConfig.require("workers", workers, 0, AioEngineConfig.WORKERS_MAX);
            if (engine != null) {
                AioEngines.find(engine);
            }
            AioEngine given = givenEngine;
            if (given != null) {
                requireSuitable(given);
            }
            return new LoopParameters(this);
        }

        private void requireSuitable(AioEngine given) {
            CompletionMode mode = given.completionMode();
            if (mode == CompletionMode.AGENT) {
                throw new IllegalArgumentException("engine " + given
                        + " is of completion mode AGENT: REAPER, or POLLED for a polled device, is possible");
            }
            if (polled && mode != CompletionMode.POLLED) {
                throw new IllegalArgumentException("polled, and engine " + given + " is of completion mode " + mode
                        + ": a polled device needs one of completion mode POLLED");
            }
            if (mode == CompletionMode.POLLED && hardwareQueues != 1) {
                throw new IllegalArgumentException("hardwareQueues " + hardwareQueues + ": on engine " + given
                        + ", which is polled by one thread, 1 is possible");
            }
        }
    }
}
