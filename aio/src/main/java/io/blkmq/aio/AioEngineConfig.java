package io.blkmq.aio;

import java.util.concurrent.ThreadFactory;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The configuration of an engine. Immutable; checked when it is built.
 *
 * @since 0.1.0
 */
public final class AioEngineConfig {

    /** The most ring entries of an engine. */
    public static final int DEPTH_MAX = 16_384;

    /** The most threads of the {@code channel} engine. */
    public static final int WORKERS_MAX = 1024;
    /** The most threads that the kernel can be limited to. */
    public static final int KERNEL_WORKERS_MAX = 1 << 16;

    /** The largest {@link #inFlightMax}. */
    public static final int IN_FLIGHT_MAX = 1 << 24;

    private final int depth;
    private final int inFlightMax;
    private final CompletionMode completionMode;
    private final @Nullable ThreadFactory threadFactory;
    private final LongSupplier clock;
    private final int workers;
    private final ReapListener reapListener;
    private final RingEntry ringEntry;
    private final @Nullable TaskWork taskWork;
    private final boolean submissionPolling;
    private final boolean promptDoorbell;
    private final boolean wakeable;
    private final boolean completionPolling;
    private final int kernelWorkers;
    private final MemoryLatency memoryLatency;
    private final long memoryQuotaBytes;

    private AioEngineConfig(Builder builder) {
        depth = builder.depth;
        inFlightMax = builder.inFlightMax;
        completionMode = builder.completionMode;
        threadFactory = builder.threadFactory;
        clock = builder.clock;
        workers = builder.workers;
        reapListener = builder.reapListener;
        ringEntry = builder.ringEntry;
        taskWork = builder.taskWork;
        submissionPolling = builder.submissionPolling;
        promptDoorbell = builder.promptDoorbell;
        wakeable = builder.wakeable;
        completionPolling = builder.completionPolling;
        kernelWorkers = builder.kernelWorkers;
        memoryLatency = builder.memoryLatency;
        memoryQuotaBytes = builder.memoryQuotaBytes;
    }

    /**
     * Begins with the defaults: depth 128, 65,536 operations in flight, {@link CompletionMode#REAPER}, 16 workers, daemon threads.
     *
     * @return a new builder
     */
    public static Builder builder() {
        return new Builder();
    }

    /** {@return what {@link #builder()} builds as it is} */
    public static AioEngineConfig defaults() {
        return builder().build();
    }

    /**
     * The depth of the submission ring. Operations for which the ring has no room wait in the engine, up to {@link #inFlightMax}.
     *
     * @return entries; the kernel rounds up to a power of two
     */
    public int depth() {
        return depth;
    }

    /** {@return how many operations may be in flight; {@link AioEngine#submit} answers EAGAIN to more} */
    public int inFlightMax() {
        return inFlightMax;
    }

    /** {@return the mode that says which thread finds completions} */
    public CompletionMode completionMode() {
        return completionMode;
    }

    /** {@return how many threads the {@code channel} engine has at the most; other engines ignore it} */
    public int workers() {
        return workers;
    }

    /** {@return the listener that is called around each batch of completions} */
    public ReapListener reapListener() {
        return reapListener;
    }

    /** {@return which threads enter the ring of {@code io_uring} in REAPER mode} */
    public RingEntry ringEntry() {
        return ringEntry;
    }

    /** {@return when the kernel does the work that ends operations of {@code io_uring}} */
    public TaskWork taskWork() {
        if (taskWork != null) {
            return taskWork;
        }
        return isEnteredByOne() ? TaskWork.DEFERRED : TaskWork.INTERRUPTING;
    }

    /** {@return whether a polling thread that has had to wait hands operations over early: {@link Builder#promptDoorbell}} */
    public boolean promptDoorbell() {
        return promptDoorbell;
    }

    /** {@return whether any thread may call {@link AioEngine#wakeup}} */
    public boolean wakeable() {
        return wakeable;
    }

    /** {@return whether a thread of the kernel takes entries from the submission ring (SQPOLL)} */
    public boolean submissionPolling() {
        return submissionPolling;
    }

    /** {@return whether completions are found by asking the device (IOPOLL)} */
    public boolean completionPolling() {
        return completionPolling;
    }

    /** {@return how long operations of the {@code memory} engine take} */
    public MemoryLatency memoryLatency() {
        return memoryLatency;
    }

    /** {@return how many bytes the files of a {@code memory} engine may have in all} */
    public long memoryQuotaBytes() {
        return memoryQuotaBytes;
    }

    /** {@return how many threads the kernel may have for the ring, for each thread that enters it; 0 for as many as it finds good} */
    public int kernelWorkers() {
        return kernelWorkers;
    }

    long nanoTime() {
        return clock.getAsLong();
    }

    /** Whether one thread enters a ring: the owner of a polled one, or the reaper if it was chosen. */
    boolean isEnteredByOne() {
        return isPolled() || (hasReaper() && ringEntry == RingEntry.REAPER);
    }

    boolean hasReaper() {
        return completionMode == CompletionMode.REAPER;
    }

    boolean isPolled() {
        return completionMode == CompletionMode.POLLED;
    }

    /** The n-th thread of an engine, not started. */
    Thread newThread(String engine, int n, Runnable body) {
        if (threadFactory == null) {
            return Thread.ofPlatform().daemon().name("blkmq-aio-" + engine + "-" + n).unstarted(body);
        }
        Thread thread = threadFactory.newThread(body);
        if (thread == null) {
            throw new IllegalStateException("the thread factory refused a thread for AIO engine " + engine);
        }
        return thread;
    }

    @Override
    public String toString() {
        return "AioEngineConfig[depth=" + depth + ", inFlightMax=" + inFlightMax + ", completionMode=" + completionMode
                + ", workers=" + workers + ", ringEntry=" + ringEntry + ", taskWork=" + taskWork()
                + (submissionPolling ? ", submissionPolling" : "") + (completionPolling ? ", completionPolling" : "")
                + (promptDoorbell ? "" : ", no promptDoorbell") + (wakeable ? ", wakeable" : "")
                + (kernelWorkers > 0 ? ", kernelWorkers=" + kernelWorkers : "") + "]";
    }

    /** Collects the settings. Not for use by several threads. */
    public static final class Builder {
        private int depth = 128;
        private int inFlightMax = 65_536;
        private CompletionMode completionMode = CompletionMode.REAPER;
        private @Nullable ThreadFactory threadFactory;
        private LongSupplier clock = System::nanoTime;
        private int workers = 16;
        private ReapListener reapListener = ReapListener.NONE;
        private RingEntry ringEntry = RingEntry.SUBMITTERS;
        private @Nullable TaskWork taskWork;
        private boolean submissionPolling;
        private boolean promptDoorbell = true;
        private boolean wakeable;
        private boolean completionPolling;
        private int kernelWorkers;
        private MemoryLatency memoryLatency = MemoryLatency.NONE;
        private long memoryQuotaBytes = Long.MAX_VALUE;

        private Builder() {}

        /**
         * Sets the depth of the submission ring. Default 128.
         *
         * @param entries 1 to {@value #DEPTH_MAX}
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder depth(int entries) {
            if (entries < 1 || entries > DEPTH_MAX) {
                throw new IllegalArgumentException("depth " + entries + " is not in 1 to " + DEPTH_MAX);
            }
            depth = entries;
            return this;
        }

        /**
         * Sets how many operations may be in flight; {@link AioEngine#submit} answers EAGAIN to more. Default 65,536.
         *
         * @param operations 1 to {@value #IN_FLIGHT_MAX}
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder inFlightMax(int operations) {
            if (operations < 1 || operations > IN_FLIGHT_MAX) {
                throw new IllegalArgumentException(
                        "operations in flight " + operations + " is not in 1 to " + IN_FLIGHT_MAX);
            }
            inFlightMax = operations;
            return this;
        }

        /**
         * Chooses which thread finds completions. Default {@link CompletionMode#REAPER}.
         *
         * @param mode the mode
         * @return this
         */
        public Builder completionMode(CompletionMode mode) {
            completionMode = mode;
            return this;
        }

        /**
         * Sets the factory of the reaper's or the workers' threads. Default: daemon threads named {@code blkmq-aio-ENGINE-N}. The workers of
         * {@code channel} and the reaper of {@code memory} may be virtual threads: they give their carrier back while they wait for work.
         * The reapers of {@code io_uring} and {@code libaio} wait in the kernel and have to be platform threads: opening these engines with
         * virtual threads throws {@link IllegalArgumentException}.
         *
         * @param factory makes threads, which the engine starts
         * @return this
         */
        public Builder threadFactory(ThreadFactory factory) {
            threadFactory = factory;
            return this;
        }

        /**
         * Sets how many threads the {@code channel} engine has at the most. Default 16.
         *
         * @param threads 1 to {@value #WORKERS_MAX}
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder workers(int threads) {
            if (threads < 1 || threads > WORKERS_MAX) {
                throw new IllegalArgumentException("workers " + threads + " is not in 1 to " + WORKERS_MAX);
            }
            workers = threads;
            return this;
        }

        /**
         * Sets the clock of waits that have a limit. Default {@link System#nanoTime}.
         *
         * @param nanos the time in nanoseconds from any origin
         * @return this
         */
        public Builder clock(LongSupplier nanos) {
            clock = nanos;
            return this;
        }

        /**
         * Chooses which threads enter the ring of {@code io_uring} in REAPER mode. Default {@link RingEntry#SUBMITTERS}.
         *
         * @param who the threads
         * @return this
         */
        public Builder ringEntry(RingEntry who) {
            ringEntry = who;
            return this;
        }

        /**
         * Chooses when the kernel does the work that ends operations of {@code io_uring}. Default
         * {@link TaskWork#DEFERRED} where one thread enters the ring, else {@link TaskWork#INTERRUPTING}.
         *
         * @param when the moment
         * @return this
         */
        public Builder taskWork(TaskWork when) {
            taskWork = when;
            return this;
        }

        /**
         * Makes a thread of the kernel take entries from the submission ring of {@code io_uring}, so that submitting
         * needs no system call (SQPOLL). That thread uses up a processor while there is work and for
         * {@value Uring#SQ_THREAD_IDLE_MILLIS} ms after. With it, {@link #taskWork} cannot be chosen. Default false.
         *
         * @param wanted whether it does
         * @return this
         */
        public Builder submissionPolling(boolean wanted) {
            submissionPolling = wanted;
            return this;
        }

        /**
         * Lets a thread in mode {@link CompletionMode#POLLED} that has had to wait for the device hand direct I/O to the kernel as it is
         * submitted, two operations with a system call, and not all with {@link AioEngine#commit}: the thread has the time, and the
         * device is busier. While completions are ready at every look, and for I/O that ends inside the doorbell, it is one system call
         * for a batch. For the engines {@code io_uring} (without submission polling) and {@code libaio}. Default true.
         *
         * @param wanted whether it does
         * @return this
         */
        public Builder promptDoorbell(boolean wanted) {
            promptDoorbell = wanted;
            return this;
        }

        /**
         * Lets other threads end the owner's {@link AioEngine#await} by {@link AioEngine#wakeup}, in {@link CompletionMode#POLLED}. An
         * {@code io_uring} has a descriptor more for it. Default false.
         *
         * @param wanted whether they may
         * @return this
         */
        public Builder wakeable(boolean wanted) {
            wakeable = wanted;
            return this;
        }

        /**
         * Makes the kernel ask the device for completions of {@code io_uring}, and wait for no interrupt (IOPOLL).
         * Needs {@link CompletionMode#POLLED}, files opened direct, and a device with queues for polling (an NVMe
         * disk with {@code nvme.poll_queues} set): elsewhere operations end with EOPNOTSUPP. Only reads and writes
         * are possible. Default false.
         *
         * @param wanted whether it does
         * @return this
         */
        public Builder completionPolling(boolean wanted) {
            completionPolling = wanted;
            return this;
        }

        /**
         * Limits the threads that the kernel has for an {@code io_uring}: they carry out what would make the thread wait that enters the
         * ring, such as syncs, {@code fallocate}, and buffered reads of what is not in the page cache. Each thread that enters has so many of its own.
         * A warning is logged where the kernel does not limit them (before Linux 5.15). Default: as many as the kernel finds good, which is the
         * smaller of depth and four for each processor.
         *
         * @param threads 1 to {@value AioEngineConfig#KERNEL_WORKERS_MAX}
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder kernelWorkers(int threads) {
            if (threads < 1 || threads > KERNEL_WORKERS_MAX) {
                throw new IllegalArgumentException(
                        "kernel workers " + threads + " is not in 1 to " + KERNEL_WORKERS_MAX);
            }
            kernelWorkers = threads;
            return this;
        }

        /**
         * Sets how long operations of the {@code memory} engine take. Default {@link MemoryLatency#NONE}.
         *
         * @param latency gives the time of each operation
         * @return this
         */
        public Builder memoryLatency(MemoryLatency latency) {
            memoryLatency = latency;
            return this;
        }

        /**
         * Limits the files of a {@code memory} engine; a write that needs more ends with ENOSPC. Default unlimited.
         *
         * @param bytes the size of all files together, holes not counted, rounded down to {@value SparseBytes#CHUNK_BYTES}
         * @return this
         * @throws IllegalArgumentException for any other value
         */
        public Builder memoryQuotaBytes(long bytes) {
            if (bytes < 0) {
                throw new IllegalArgumentException("memory quota " + bytes + " must not be negative");
            }
            memoryQuotaBytes = bytes;
            return this;
        }

        /**
         * Sets the listener that is called around each batch of completions. Default: none.
         *
         * @param listener the listener
         * @return this
         */
        public Builder reapListener(ReapListener listener) {
            reapListener = listener;
            return this;
        }

        /**
         * Checks the settings and builds the configuration.
         *
         * @return the configuration
         * @throws IllegalArgumentException if settings exclude each other
         * @throws IllegalStateException if the mode is {@link CompletionMode#AGENT} and Agrona is not there
         */
        public AioEngineConfig build() {
            if (completionMode == CompletionMode.AGENT) {
                requireAgrona();
            }
            if (completionPolling && completionMode != CompletionMode.POLLED) {
                throw new IllegalArgumentException(
                        "completionPolling needs completion mode POLLED, and it is " + completionMode);
            }
            if (wakeable && completionMode != CompletionMode.POLLED) {
                throw new IllegalArgumentException(
                        "wakeable needs completion mode POLLED, where await is, and it is " + completionMode);
            }
            if (ringEntry == RingEntry.REAPER && completionMode == CompletionMode.AGENT) {
                throw new IllegalArgumentException("ringEntry REAPER needs a reaper, and completionMode is AGENT");
            }
            AioEngineConfig config = new AioEngineConfig(this);
            if (taskWork == TaskWork.DEFERRED && !config.isEnteredByOne()) {
                throw new IllegalArgumentException("taskWork DEFERRED needs a ring that one thread enters: "
                        + "completion mode POLLED, or ringEntry REAPER");
            }
            return config;
        }

        /** It is a module that one has to name: {@code module-info.java} of {@code aio} does not require it at run time. */
        private static void requireAgrona() {
            String agent = "org.agrona.concurrent.Agent";
            try {
                var _ = Class.forName(agent, false, AioEngineConfig.class.getClassLoader());
            } catch (ClassNotFoundException e) {
                throw new IllegalStateException("completion mode AGENT needs " + agent
                        + ", which is not there: a module that uses it has 'requires org.agrona'", e);
            }
        }
    }
}
