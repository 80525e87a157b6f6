package io.blkmq.aio;

import java.util.concurrent.ThreadFactory;
import org.jspecify.annotations.Nullable;

/** How an engine is to be opened. Immutable; checked when it is built. */
public final class AioEngineConfig {

    /** The most ring entries that may be asked for. */
    public static final int DEPTH_MAX = 16_384;

    /** The most threads of the {@code channel} engine. */
    public static final int WORKERS_MAX = 1024;

    private final int depth;
    private final CompletionMode completionMode;
    private final @Nullable ThreadFactory threadFactory;
    private final int workers;
    private final ReapListener reapListener;

    private AioEngineConfig(Builder builder) {
        depth = builder.depth;
        completionMode = builder.completionMode;
        threadFactory = builder.threadFactory;
        workers = builder.workers;
        reapListener = builder.reapListener;
    }

    /** Depth 128, {@link CompletionMode#REAPER}, 16 workers, daemon threads. */
    public static Builder builder() {
        return new Builder();
    }

    /** {@link #builder()} as it is, built. */
    public static AioEngineConfig defaults() {
        return builder().build();
    }

    /** Entries of the submission ring; the kernel rounds up to a power of two. No limit on what may be in flight. */
    public int depth() {
        return depth;
    }

    /** Who finds completions. */
    public CompletionMode completionMode() {
        return completionMode;
    }

    /** Threads of the {@code channel} engine; other engines ignore it. */
    public int workers() {
        return workers;
    }

    /** Told around each batch of completions. */
    public ReapListener reapListener() {
        return reapListener;
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
        return "AioEngineConfig[depth=" + depth + ", completionMode=" + completionMode + ", workers=" + workers + "]";
    }

    /** Collects the settings. Not for use by several threads. */
    public static final class Builder {
        private int depth = 128;
        private CompletionMode completionMode = CompletionMode.REAPER;
        private @Nullable ThreadFactory threadFactory;
        private int workers = 16;
        private ReapListener reapListener = ReapListener.NONE;

        private Builder() {}

        /** Entries of the submission ring, 1 to {@value #DEPTH_MAX}. Default 128. */
        public Builder depth(int entries) {
            if (entries < 1 || entries > DEPTH_MAX) {
                throw new IllegalArgumentException("depth " + entries + " is not in 1 to " + DEPTH_MAX);
            }
            depth = entries;
            return this;
        }

        /** Who finds completions. Default {@link CompletionMode#REAPER}. */
        public Builder completionMode(CompletionMode mode) {
            completionMode = mode;
            return this;
        }

        /** Makes the reaper's or the workers' threads. Default: daemon threads named {@code blkmq-aio-ENGINE-N}. */
        public Builder threadFactory(ThreadFactory factory) {
            threadFactory = factory;
            return this;
        }

        /** Threads of the {@code channel} engine, 1 to {@value #WORKERS_MAX}. Default 16. */
        public Builder workers(int threads) {
            if (threads < 1 || threads > WORKERS_MAX) {
                throw new IllegalArgumentException("workers " + threads + " is not in 1 to " + WORKERS_MAX);
            }
            workers = threads;
            return this;
        }

        /** Told around each batch of completions. Default: nobody. */
        public Builder reapListener(ReapListener listener) {
            reapListener = listener;
            return this;
        }

        /** The configuration. */
        public AioEngineConfig build() {
            return new AioEngineConfig(this);
        }
    }
}
